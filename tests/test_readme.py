"""The pages' Python, word for word, on small stand-ins for what their commands leave behind."""

import os
import shutil
import subprocess
import sys

import pytest
from conftest import make_picture, make_png
from datasets import Dataset, Image
from pages import PAGES, ROOT, blocks, name_of

from moda.cli import main as moda


# How many blocks of Python a page has, all of them run here ...
HERE = {
    "README.md": 2,
    "docs/annotation.md": 1,
    "docs/describe.md": 1,
    "docs/evaluation.md": 2,
    "docs/export.md": 2,
    "docs/publish.md": 1,
    "docs/training.md": 3,
}
# ... or beside the tests of what the page is about.
ELSEWHERE = {"docs/clients.md": "clients/test_clients.py", "docs/serving.md": "inference/test_serve.py"}


def block(page, *words):
    (found,) = [text for text in blocks(ROOT / page, "python") if all(word in text for word in words)]
    return found


@pytest.fixture(scope="module")
def workplace(repository, tmp_path_factory):
    folder = tmp_path_factory.mktemp("readme")
    for name in ("runs/demo", "me/my-moda"):  # a folder where an id is asked for stands for the Hub
        shutil.copytree(repository, folder / name)
    make_picture(0).save(folder / "picture.png")
    table = {
        "image": [{"bytes": make_png(index), "path": None} for index in range(8)],
        "description": [f"A shirt, number {index}." for index in range(8)],
        "gender": ["Men"] * 8,
    }
    rows = Dataset.from_dict(table).cast_column("image", Image())
    for file in ("demo-data/train.parquet", "annotated/dataset/data/train-00000-of-00001.parquet"):
        (folder / file).parent.mkdir(parents=True)
        rows.to_parquet(folder / file)
    return folder


def run(code, folder):
    """In a process of its own, as a user's."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "HF_MODULES_CACHE": str(folder / "modules"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture
def run_here(workplace, monkeypatch, capsys):
    """In this process, which has loaded what takes seconds to load."""
    monkeypatch.chdir(workplace)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(code):
        capsys.readouterr()
        exec(compile(code, "a page", "exec"), {})
        return capsys.readouterr().out

    return run


def test_every_block_is_run():
    found = {name_of(page): len(blocks(page, "python")) for page in PAGES}
    assert {name: count for name, count in found.items() if count and name not in ELSEWHERE} == HERE
    for page, test in ELSEWHERE.items():
        file = ROOT / "tests" / test
        assert not found.get(page) or page.removeprefix("docs/") in file.read_text(), f"{test} does not read {page}"


def test_pipeline(workplace):
    assert "generated_text" in run(block("README.md", "pipeline("), workplace)


def test_model_and_processor(workplace):
    said = run(block("README.md", "encode_images"), workplace)
    assert len(said.rstrip("\n").split("\n")) >= 3


def test_plain_trainer(workplace):
    code = block("docs/training.md", "Trainer(", "ModaDataCollator")
    assert len([line for line in code.splitlines() if line]) <= 12
    run(code, workplace)
    assert (workplace / "runs" / "mine" / "modeling_moda.py").is_file()
    assert "generated_text" in run(block("README.md", "pipeline(").replace("runs/demo", "runs/mine"), workplace)


def test_trl(workplace):
    pytest.importorskip("trl")
    run(block("docs/training.md", "SFTTrainer"), workplace)
    assert any((workplace / "runs" / "sft").glob("checkpoint-*/model.safetensors"))


TWO_CHECKPOINTS = """
import sys; sys.path.insert(0, {tests!r}); from conftest import *
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, SiglipImageProcessor
small = dict(hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4)
vision = AutoConfig.for_model('siglip_vision_model', image_size=32, patch_size=16, **small)
AutoModel.from_config(vision).save_pretrained({vision!r})
SiglipImageProcessor(size=dict(height=32, width=32)).save_pretrained({vision!r})
text = AutoConfig.for_model('qwen2', vocab_size=320, num_key_value_heads=2, **small)
AutoModelForCausalLM.from_config(text).save_pretrained({text!r})
make_tokenizer().save_pretrained({text!r})
"""


def test_any_two_checkpoints(workplace):
    code = block("docs/training.md", "from_vision_text_pretrained")
    assert 'ids = ("google/siglip-base-patch16-224", "Qwen/Qwen2.5-0.5B")' in code
    make = TWO_CHECKPOINTS.format(
        tests=str(ROOT / "tests"), vision="google/siglip-base-patch16-224", text="Qwen/Qwen2.5-0.5B"
    )
    check = "\nassert processor.image_seq_length == model.config.image_seq_length == 4"
    run(make + code + check, workplace)


def test_one_picture_and_several_prompts(run_here):
    said = run_here(block("docs/describe.md", "attribute_labels"))
    *_, ranked = said.rstrip("\n").split("\n")
    assert ranked.startswith("[('") and ranked.count("(") == 3


def test_an_int8_repository(run_here):
    assert moda(["export", "runs/demo", "--to", "int8", "--output", "moda-int8", "--overwrite"]) == 0
    assert run_here(block("docs/export.md", "weight_format")) == "int8\n"


def test_a_graph(run_here):
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    assert moda(["export", "runs/demo", "--to", "onnx", "--output", "moda-onnx", "--overwrite"]) == 0
    said = run_here(block("docs/export.md", "load_graph") + "\nprint(len(sentences), len(confidences))")
    assert said.startswith("[{'description': ") and said.endswith("1 1\n")


def test_a_consumer(run_here):
    """Of a folder no revision is looked at; check_docs.py has a Hub with one."""
    assert run_here(block("docs/publish.md", "pipeline(")).strip()


def test_a_described_dataset(run_here):
    assert run_here(block("docs/annotation.md", "load_dataset")) == "A shirt, number 0.\n"


def test_evaluation(run_here, monkeypatch):
    monkeypatch.chdir(ROOT)  # which has metrics/
    said = "".join(map(run_here, blocks(ROOT / "docs" / "evaluation.md", "python")))
    assert "cider" in said and "colour: says red, is Navy Blue" in said


def test_numbers_come_from_the_results():
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "readme.py", "--check"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
