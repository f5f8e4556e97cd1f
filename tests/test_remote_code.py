"""A saved repository, copied away, in a process that knows nothing of this checkout: does every Auto class load it?"""

import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from conftest import make_model, make_picture, make_processor, run_clean


NAMES = ["AutoModel", "AutoModelForImageTextToText", "AutoModelForCausalLM"]
NAMES += ["AutoModelForVision2Seq"] if transformers.__version__.startswith("4.") else ["AutoModelForMultimodalLM"]
CODE = {path.name for path in Path(__file__).parents[1].glob("*_moda.py")}
SCRIPT = """
import json, sys
import torch, transformers
from PIL import Image
from transformers import AutoConfig, AutoModel, AutoProcessor

torch.set_num_threads(1)
folder, work, names = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
assert not any(name.endswith("_moda") for name in sys.modules)
told = {"config": type(AutoConfig.from_pretrained(folder, trust_remote_code=True)).__name__}
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
told["processor"] = type(processor).__name__
pictures = [Image.open(f"{work}/{i}.png") for i in range(2)]
batch = processor(pictures, ["Hi", "What colour is it?"], suffix=["Red.", "Blue </s>."])
tensors = {"batch": dict(batch)}
inputs = processor(pictures, ["Hi", "What colour is it?"])
for name in names:
    model = getattr(transformers, name).from_pretrained(folder, trust_remote_code=True).eval()
    told[name] = [type(model).__name__, type(model).__module__.split(".")[0]]
    with torch.no_grad():
        tensors[name] = model(**batch).logits
tensors["sequences"] = model.generate(**inputs, max_new_tokens=5, do_sample=False)
model.save_pretrained(f"{work}/again")
processor.save_pretrained(f"{work}/again")
again = AutoModel.from_pretrained(f"{work}/again", trust_remote_code=True)
again.save_pretrained(f"{work}/thrice")
AutoProcessor.from_pretrained(f"{work}/again", trust_remote_code=True).save_pretrained(f"{work}/thrice")
with torch.no_grad():
    tensors["again"] = again(**batch).logits
told["plain"] = [name for name in sys.modules if name.endswith("_moda") and "." not in name]
torch.save(tensors, f"{work}/tensors.pt")
print(json.dumps(told))
"""


@pytest.fixture(scope="module")
def away(repository, tmp_path_factory):
    """What the clean process said and computed."""
    work = tmp_path_factory.mktemp("away")
    folder = shutil.copytree(repository, work / "copied-tiny")
    for i in range(2):
        make_picture(i).save(work / f"{i}.png")
    told = json.loads(run_clean(SCRIPT, folder, work, json.dumps(NAMES), cwd=work, modules=work / "modules"))
    return told, torch.load(work / "tensors.pt"), work


def test_the_repository_holds_all_it_needs(repository):
    assert {path.name for path in repository.glob("*.py")} == CODE
    config = json.loads((repository / "config.json").read_text())
    assert set(NAMES) <= set(config["auto_map"]) and config["model_type"] == "moda"
    for reference in config["auto_map"].values():
        module, _ = reference.split(".")
        assert f"{module}.py" in CODE
    assert config["custom_pipelines"]["image-to-text"]["impl"] == "pipeline_moda.ModaImageToTextPipeline"
    assert not list(repository.glob("*.bin")) + list(repository.glob("*.pt"))  # no pickle


def test_every_auto_class_loads_it(away):
    told, _, _ = away
    assert (told["config"], told["processor"]) == ("ModaConfig", "ModaProcessor")
    for name in NAMES:
        assert told[name] == ["ModaForConditionalGeneration", "transformers_modules"], name
    assert told["plain"] == []


def test_it_computes_what_this_process_computes(away):
    _, tensors, _ = away
    model, processor = make_model(), make_processor()
    pictures, texts = [make_picture(0), make_picture(1)], ["Hi", "What colour is it?"]
    batch = processor(pictures, texts, suffix=["Red.", "Blue </s>."])
    assert batch.keys() == tensors["batch"].keys()
    assert all(torch.equal(batch[name], value) for name, value in tensors["batch"].items())
    with torch.no_grad():
        logits = model(**batch).logits
    for name in (*NAMES, "again"):
        assert torch.equal(tensors[name], logits), name
    sequences = model.generate(**processor(pictures, texts), max_new_tokens=5, do_sample=False)
    assert torch.equal(tensors["sequences"], sequences)


def test_saving_what_was_loaded_gives_the_same_files(away, repository):
    """Byte for byte from the second save on; the first differs in what transformers knows of things built in memory.

    A tokenizer that was loaded is described at more length (tokenizer_config.json, special_tokens_map.json), and the
    configs inside of config.json learn their dtype while they are loaded.
    """
    _, _, work = away
    names = {path.name for path in repository.iterdir()}
    for folder in ("again", "thrice"):
        saved = work / folder
        assert {path.name for path in saved.iterdir() if path.name != "__pycache__"} == names, folder
    for name in sorted(names):
        again = (work / "again" / name).read_bytes()
        assert again == (work / "thrice" / name).read_bytes(), name
        first = (repository / name).read_bytes()
        if name == "config.json":
            assert without_inner_dtypes(again) == without_inner_dtypes(first)
        elif name not in ("tokenizer_config.json", "special_tokens_map.json"):
            assert again == first, name


def without_inner_dtypes(config):
    config = json.loads(config)
    for name in ("vision_config", "text_config"):
        config[name].pop("dtype", None)
    return config
