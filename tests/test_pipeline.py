"""`pipeline("image-to-text", …)` on a copied repository in a clean process, with everything that it may be given."""

import json
import shutil

import numpy as np
import pytest
import torch
from conftest import make_model, make_picture, make_processor, run_clean

from pipeline_moda import ModaImageToTextPipeline


SCRIPT = """
import json, sys
import torch
from datasets import Dataset, Image as ImageFeature
from PIL import Image
from transformers import AutoProcessor, pipeline
from transformers.pipelines.pt_utils import KeyDataset

torch.set_num_threads(1)
folder, work, address = sys.argv[1:]
paths = [f"{work}/{i}.png" for i in range(3)]
short = {"max_new_tokens": 6}
describe = pipeline("image-to-text", folder, trust_remote_code=True)
told = {"class": type(describe).__name__, "module": type(describe).__module__.split(".")[0]}
told["single"] = [describe(Image.open(path), **short) for path in paths]
told["path"] = [describe(path, **short) for path in paths]
told["url"] = [describe(f"{address}/{i}.png", **short) for i in range(3)]
told["list"] = describe(paths, **short)
told["images="] = describe(images=paths, **short)
told["batched"] = describe(paths, batch_size=2, **short)
told["generator"] = list(describe((path for path in paths), **short))
dataset = Dataset.from_dict({"image": paths}).cast_column("image", ImageFeature())
told["dataset"] = list(describe(KeyDataset(dataset, "image"), batch_size=2, **short))
told["column"] = describe(list(dataset["image"]), **short)
told["lazy column"] = describe(dataset["image"], batch_size=2, **short)
told["rows"] = describe(dataset, batch_size=2, **short)
told["longer"] = describe(paths[0], max_new_tokens=9)
told["prompt"] = describe(paths, prompt="What colour is it?", batch_size=3, **short)
told["prompted at init"] = pipeline(
    "image-to-text", folder, trust_remote_code=True, prompt="What colour is it?", max_new_tokens=6
)(paths)
told["beams"] = describe(paths, batch_size=2, num_beams=3, num_return_sequences=2, **short)
told["untasked"] = pipeline(model=folder, trust_remote_code=True)(paths, **short)
half = pipeline("image-to-text", folder, trust_remote_code=True, dtype=torch.bfloat16)
told["bfloat16"] = [str(half.model.dtype), len(half(paths[0], **short))]
describe.save_pretrained(f"{work}/saved-pipeline")
told["saved"] = pipeline("image-to-text", f"{work}/saved-pipeline", trust_remote_code=True)(paths, **short)
errors = {}
for name, call in {
    "nothing": lambda: describe(),
    "missing": lambda: describe(f"{work}/missing.png"),
    "broken": lambda: describe(f"{work}/broken.png"),
    "nested": lambda: describe(paths[0], generate_kwargs={"max_new_tokens": 3}),
}.items():
    try:
        call()
    except (ValueError, FileNotFoundError) as error:
        errors[name] = str(error)
told["errors"] = errors

ask = pipeline("image-text-to-text", folder, trust_remote_code=True)
pictures = [Image.open(path) for path in paths]
text = "<image>What colour is it?"
plain = {"return_full_text": False, **short}
told["text"] = [ask(images=picture, text=text, **plain)[0]["generated_text"] for picture in pictures]
rows = ask(images=pictures, text=[text] * 3, **plain)
told["texts"] = [(row[0] if isinstance(row, list) else row)["generated_text"] for row in rows]
chats = [
    [{"role": "user", "content": [{"type": "image", "image": picture}, {"type": "text", "text": "What colour is it?"}]}]
    for picture in pictures
]
told["chat"] = [ask(text=chat, **plain)[0]["generated_text"] for chat in chats]
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def told(repository, tmp_path_factory, serve):
    work = tmp_path_factory.mktemp("pipeline")
    folder = shutil.copytree(repository, work / "piped-tiny")
    for i in range(3):
        make_picture(i).save(work / f"{i}.png")
    (work / "broken.png").write_bytes(b"no picture")
    return json.loads(run_clean(SCRIPT, folder, work, serve(work), cwd=work, modules=work / "modules"))


@pytest.fixture(scope="module")
def expected():
    """What this process writes about a picture, by generate."""
    model, processor = make_model(), make_processor()

    def describe(i, prompt=None, **options):
        inputs = processor(make_picture(i), prompt)
        sequences = model.generate(**inputs, **{"max_new_tokens": 6, **options})
        texts = processor.batch_decode(sequences[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return [{"generated_text": text.strip()} for text in texts]

    return describe


def test_one_picture(told, expected):
    assert (told["class"], told["module"]) == ("ModaImageToTextPipeline", "transformers_modules")
    descriptions = [expected(i) for i in range(3)]
    assert told["single"] == descriptions
    assert len({row[0]["generated_text"] for row in descriptions}) == 3, "pictures must matter, or nothing is tested"


@pytest.mark.parametrize(
    "way",
    [
        "path",
        "url",
        "list",
        "images=",
        "batched",
        "generator",
        "dataset",
        "column",
        "lazy column",
        "rows",
        "untasked",
        "saved",
    ],
)
def test_every_way_to_hand_over_pictures(told, way):
    assert told[way] == told["single"]


def test_generation_arguments(told, expected):
    assert told["longer"] == expected(0, max_new_tokens=9) != expected(0)
    assert told["beams"] == [expected(i, num_beams=3, num_return_sequences=2) for i in range(3)]
    assert [len(row) for row in told["beams"]] == [2, 2, 2]
    assert told["bfloat16"] == ["torch.bfloat16", 1]


def test_prompt(told, expected):
    assert told["prompt"] == [expected(i, "What colour is it?") for i in range(3)] != told["single"]
    assert told["prompted at init"] == told["prompt"]


def test_errors_are_sentences(told):
    errors = told["errors"]
    assert "nothing to describe" in errors["nothing"]
    assert "no picture at" in errors["missing"] and "missing.png" in errors["missing"]
    assert "broken.png can't be read as a picture" in errors["broken"]
    assert "describe(picture, max_new_tokens=20)" in errors["nested"]


def test_image_text_to_text(told, expected):
    descriptions = [expected(i, "What colour is it?")[0]["generated_text"] for i in range(3)]
    for way in ("text", "texts", "chat"):
        assert [text.strip() for text in told[way]] == descriptions, way


def test_with_a_model_object(expected):
    """Without a repository there is no name to find the class by, so it is named."""
    processor = make_processor()
    describe = ModaImageToTextPipeline(
        model=make_model(),
        processor=processor,
        tokenizer=processor.tokenizer,
        image_processor=processor.image_processor,
    )
    picture = torch.from_numpy(np.array(make_picture(1)))
    assert describe(picture, max_new_tokens=6) == expected(1)
