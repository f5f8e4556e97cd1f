"""The README's Python, word for word, on small stand-ins for what its commands leave behind."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import transformers
from conftest import make_picture, make_png
from datasets import Dataset, Image


ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.S)


def block(*words):
    (found,) = [text for text in BLOCKS if all(word in text for word in words)]
    return found


@pytest.fixture(scope="module")
def workplace(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    shutil.copytree(repository, folder / "runs" / "demo")
    make_picture(0).save(folder / "picture.png")
    table = {
        "image": [{"bytes": make_png(index), "path": None} for index in range(8)],
        "description": [f"A shirt, number {index}." for index in range(8)],
        "gender": ["Men"] * 8,
    }
    (folder / "demo-data").mkdir()
    Dataset.from_dict(table).cast_column("image", Image()).to_parquet(folder / "demo-data" / "train.parquet")
    return folder


def run(code, folder):
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HF_MODULES_CACHE": str(folder / "modules"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def test_pipeline(workplace):
    assert "generated_text" in run(block("pipeline("), workplace)


def test_model_and_processor(workplace):
    said = run(block("encode_images"), workplace)
    assert len(said.rstrip("\n").split("\n")) >= 3


def test_plain_trainer(workplace):
    code = block("Trainer(", "ModaDataCollator")
    assert len([line for line in code.splitlines() if line]) <= 12
    run(code, workplace)
    assert (workplace / "runs" / "mine" / "modeling_moda.py").is_file()
    assert "generated_text" in run(block("pipeline(").replace("runs/demo", "runs/mine"), workplace)


@pytest.mark.skipif(transformers.__version__.startswith("4."), reason="trl is tested with transformers 5")
def test_trl(workplace):
    pytest.importorskip("trl")
    run(block("SFTTrainer"), workplace)
    assert any((workplace / "runs" / "sft").glob("checkpoint-*/model.safetensors"))


def test_any_two_checkpoints(workplace):
    code = block("from_vision_text_pretrained")
    assert 'ids = ("google/siglip-base-patch16-224", "Qwen/Qwen2.5-0.5B")' in code
    for vision, text in re.findall(r'ids = \("(.*?)", "(.*?)"\)', code):
        make = (
            "import sys; sys.path.insert(0, {tests!r}); from conftest import *\n"
            "from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, SiglipImageProcessor\n"
            "small = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)\n"
            "vision = AutoConfig.for_model('siglip_vision_model', image_size=32, patch_size=16, **small)\n"
            "AutoModel.from_config(vision).save_pretrained({vision!r})\n"
            "SiglipImageProcessor(size=dict(height=32, width=32)).save_pretrained({vision!r})\n"
            "text = AutoConfig.for_model('qwen2', vocab_size=320, num_key_value_heads=2, **small)\n"
            "AutoModelForCausalLM.from_config(text).save_pretrained({text!r})\n"
            "make_tokenizer().save_pretrained({text!r})\n"
        ).format(tests=str(ROOT / "tests"), vision=vision, text=text)
        run(make, workplace)
    check = "\nassert processor.image_seq_length == model.config.image_seq_length == 4"
    run(code + check, workplace)


def test_the_mask_is_drawn_as_in_its_module():
    module = (ROOT / "masks_moda.py").read_text()
    (drawing,) = re.findall(r"```\n( +causal .*?)```", README, re.S)
    assert drawing in module


def test_numbers_come_from_the_results():
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "readme.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
