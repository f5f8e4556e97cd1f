"""docs/clients.md: its code, word for word, on small stand-ins for what it works on."""

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import transformers
from conftest import SENTENCES, make_model, make_picture, make_processor
from datasets import Dataset, Image

from generation_moda import generate_sentences
from moda.evaluation.captions import caption_scores


pytest.importorskip("peft")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "clients.md").read_text()
PICTURES = [make_picture(seed) for seed in range(16)]
AFTER_PEFT = """
import json, os
import torch
fresh = AutoModelForImageTextToText.from_pretrained("runs/demo", trust_remote_code=True)
inputs = processor(images=rows[0]["image"])
with torch.no_grad():
    logits = {name: m.eval()(**inputs).logits for name, m in [("trained", model), ("merged", merged), ("fresh", fresh)]}
learnt = [name for name, parameter in model.named_parameters() if parameter.requires_grad]
far = {name: (other - logits["trained"]).abs().max().item() for name, other in logits.items()}
told = {"far": far, "learnt": learnt, "base": json.load(open("runs/adapter/adapter_config.json"))["base_model_name_or_path"]}
told["merged_class"] = type(merged).__name__
"""
AFTER_TRL = """
told["trl"] = sorted(os.listdir("runs/sft"))
"""
NEEDS_5 = pytest.mark.skipif(
    transformers.__version__.startswith("4."), reason="what is said of it is said of transformers 5"
)
NEEDS_TRL = pytest.mark.skipif(importlib.util.find_spec("trl") is None, reason="trl is not installed")
AFTER_SCORES = """
from evaluate import evaluator
told["refused"] = []
for attempt in (lambda: evaluator("image-to-text"), lambda: evaluator("image-classification").prepare_pipeline(describe)):
    try:
        attempt()
    except (KeyError, AttributeError, ValueError) as error:
        told["refused"].append(str(error))
told["said"] = rows["said"][:]
print(json.dumps(told))
"""


def block(kind, *words, page=PAGE):
    blocks = re.findall(rf"```{kind}\n(.*?)```", page, re.S)
    (found,) = [text for text in blocks if all(word in text for word in words)]
    return found


@pytest.fixture(scope="module")
def said():
    """What the model says of the pictures, at the length that `generate` has by itself."""
    model, processor = make_model(), make_processor()
    inputs = processor(images=[[picture] for picture in PICTURES])
    return generate_sentences(model, processor, dict(inputs), max_new_tokens=20)


@pytest.fixture(scope="module")
def descriptions(said):
    """Sentences to learn and to be compared with; some are the model's own, else every score would be 0."""
    return said[:5] + (SENTENCES * 2)[:11]


@pytest.fixture(scope="module")
def workplace(repository, descriptions, tmp_path_factory):
    """What lies in a checkout after a training: a model, pictures with sentences, the metrics."""
    folder = tmp_path_factory.mktemp("clients")
    shutil.copytree(repository, folder / "runs" / "demo")
    (folder / "metrics").symlink_to(ROOT / "metrics")
    rows = Dataset.from_dict({"image": PICTURES, "description": descriptions}).cast_column("image", Image())
    (folder / "demo-data").mkdir()
    for split in ("train", "test"):
        rows.to_parquet(folder / "demo-data" / f"{split}.parquet")
    return folder


def run(command, folder):
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    places = {"PATH": path, "HF_HOME": str(folder / "home"), "HF_MODULES_CACHE": str(folder / "modules")}
    environment = {**os.environ, **places, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def alone(code):
    """The script that is launched on two processes, for a single one with batches that are as large as theirs together."""
    for here, there in (("runs/launched", "runs/alone"), ("batch_size=4", "batch_size=8")):
        assert code.count(here) == 1
        code = code.replace(here, there)
    return code


def with_adapter(code):
    """TRL's script, told to train an adapter."""
    given = "processing_class=processor).train()"
    assert code.count(given) == 1
    more = "processing_class=processor, peft_config=LoraConfig(r=8, target_modules=layers))"
    return code.replace("SFTTrainer(model", "trainer = SFTTrainer(model").replace(
        given, f"{more}\ntrainer.train()\ntrainer.save_model()"
    )


@pytest.fixture(scope="module")
def printed(workplace):
    """What the page's Python says, all in one process: its start takes longer than anything else here."""
    scripts = [block("python", "LoraConfig"), AFTER_PEFT, alone(block("python", "runs/launched"))]
    if importlib.util.find_spec("trl"):
        training = (ROOT / "docs" / "training.md").read_text()
        scripts += [with_adapter(block("python", "SFTTrainer", page=training)), AFTER_TRL]
    scripts += [block("python", "evaluate.load"), AFTER_SCORES]
    return run([sys.executable, "-c", "\n".join(scripts)], workplace).splitlines()


@pytest.fixture(scope="module")
def told(printed):
    return json.loads(printed[-1])


def test_an_adapter_is_trained_loaded_and_merged(told, workplace):
    assert told["far"]["merged"] < 1e-4 < 1e-3 < told["far"]["fresh"]
    assert len(told["learnt"]) == 2 * 4 * 2 and all("language_model" in name for name in told["learnt"])
    assert told["base"] == "runs/demo" and told["merged_class"] == "ModaForConditionalGeneration"
    files = {file.name for file in (workplace / "runs" / "adapter").iterdir() if file.is_file()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= files <= {*files, "README.md"}
    merged = {file.name for file in (workplace / "runs" / "merged").iterdir()}
    assert merged == {file.name for file in (workplace / "runs" / "demo").iterdir()}


def losses(folder):
    (state,) = folder.glob("checkpoint-*/trainer_state.json")
    return [entry["loss"] for entry in json.loads(state.read_text())["log_history"] if "loss" in entry]


def test_two_launched_processes_train_as_one_does(told, workplace):
    (workplace / "finetune.py").write_text(block("python", "runs/launched"))
    run(["bash", "-c", block("bash", "accelerate launch")], workplace)
    launched, single = (losses(workplace / "runs" / name) for name in ("launched", "alone"))
    assert len(launched) == 2 and launched == pytest.approx(single, rel=1e-4) and launched[0] != launched[1]
    assert (workplace / "runs" / "launched" / "modeling_moda.py").is_file()


def test_sentences_are_mapped_over_a_dataset_and_scored(told, printed, said, descriptions):
    assert told["said"] == said and len(set(said)) > 4
    scores = caption_scores(said, [[text] for text in descriptions], ["bleu", "cider"])
    scores = {name: round(score["corpus"], 3) for name, score in scores.items()}
    assert scores["bleu_1"] > 0 and scores["cider"] > 0.1
    cider = {"cider": scores.pop("cider")}
    assert str(scores) in printed and str(cider) in printed


@NEEDS_TRL
def test_trl_trains_an_adapter(told):
    assert {"adapter_config.json", "adapter_model.safetensors"} < set(told["trl"])
    assert "model.safetensors" not in told["trl"]


@NEEDS_5
def test_evaluate_s_own_evaluator_still_refuses(told):
    no_task, no_class = told["refused"]
    assert "Unknown task image-to-text" in no_task and "Unknown task image-to-text" in PAGE
    assert no_class in PAGE


def test_lm_evaluation_harness_reads_the_same_sentences(workplace):
    pytest.importorskip("lm_eval")
    after = "\nimport json\nprint(json.dumps([row['filtered_resps'] for row in found['samples']['products']]))"
    found = run([sys.executable, "-c", block("python", "lm_eval") + after], workplace).splitlines()
    model, processor = make_model(), make_processor()
    inputs = processor(images=[[picture] for picture in PICTURES], text=["Describe the product."] * len(PICTURES))
    said = generate_sentences(model, processor, dict(inputs))
    assert [text.strip() for (text,) in json.loads(found[-1])] == said
    assert "exact_match" in found[-2] and "bleu" in found[-2]


def test_the_processor_takes_what_lmms_eval_gives_it():
    processor, given = make_processor(), {"images": PICTURES[:2], "videos": [], "audios": []}
    messages = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Describe the product."}]}]
    text = processor.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    inputs = processor(text=[text] * 2, padding=True, return_tensors="pt", **given)
    assert inputs["input_ids"].tolist() == processor(images=PICTURES[:2])["input_ids"].tolist()
