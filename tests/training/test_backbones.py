"""A CLIP and a language model from nothing: ordinary folders, that see and speak, and that MODA takes."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from conftest import run_clean
from PIL import Image
from safetensors.torch import load_file
from transformers import AutoImageProcessor, AutoModelForCausalLM, AutoTokenizer, CLIPModel

from moda.cli import main
from moda.data.catalogue import load_catalogue
from modeling_moda import ModaForConditionalGeneration
from processing_moda import DEFAULT_PROMPT, ModaProcessor


ROOT = Path(__file__).parents[2]


def command(folder, squares, *changes):
    options = ["--image-size", "32", "--clip-epochs", "20", "--language-epochs", "20", "--batch-size", "16"]
    return ["backbones", str(folder), "--data", str(squares), *options, *changes]


@pytest.fixture(scope="module")
def trained(squares, tmp_path_factory):
    folder = tmp_path_factory.mktemp("backbones") / "squares"
    assert main(command(folder, squares)) == 0
    return folder


@pytest.fixture(scope="module")
def figures(trained):
    return json.loads((trained / "backbones.json").read_text())


def losses(folder, phase):
    with open(folder / "loss.csv") as file:
        return [float(row["loss"]) for row in csv.DictReader(file) if row["phase"] == phase]


def square(colour):
    return Image.new("RGB", (40, 40), colour)


def test_both_learn(trained, figures):
    clip, language = figures["clip"]["quality"], figures["language"]["quality"]
    assert clip["zero_shot_article"] == 1.0 and clip["zero_shot_chance"] == 0.5
    assert clip["recall_at_1"] >= 4 * clip["recall_chance"]  # six kinds of squares among twelve: more can't be told
    assert language["perplexity"] < 0.2 * language["unigram_perplexity"]
    for phase in ("clip", "language"):
        assert losses(trained, phase)[-1] < 0.6 * losses(trained, phase)[0]


def test_figures_say_what_was_done(trained, figures):
    assert figures["train_rows"] == 84 and figures["held_out_rows"] == 12 and figures["settings"]["seed"] == 0
    assert figures["clip"]["steps"] == 20 * (83 // 16)  # one picture can't be read, and batches are whole
    assert figures["language"]["steps"] == 20 * 6
    assert figures["machine"] and figures["clip"]["minutes"] > 0
    names = {str(path.relative_to(trained)) for path in trained.rglob("*") if path.is_file()}
    assert {"loss.png", "clip/preprocessor_config.json", "clip/tokenizer.json", "language/tokenizer.json"} <= names
    assert not [name for name in names if name.endswith((".bin", ".pt", ".pth")) or "checkpoint" in name]


def test_clip_tells_colours_by_words(trained):
    clip, tokenizer = CLIPModel.from_pretrained(trained / "clip"), AutoTokenizer.from_pretrained(trained / "clip")
    pictures = AutoImageProcessor.from_pretrained(trained / "clip")(
        [square("red"), square("blue")], return_tensors="pt"
    )
    # Of different lengths, so that one is padded.
    texts = tokenizer(
        ["A blue shirt for men, made for casual wear.", "Men's red shirt."], padding=True, return_tensors="pt"
    )
    with torch.no_grad():
        logits = clip(**texts, **pictures).logits_per_image
    assert logits.argmax(1).tolist() == [1, 0]


def test_clip_reads_a_sentence_off_its_end(trained):
    clip, tokenizer = (
        CLIPModel.from_pretrained(trained / "clip").eval(),
        AutoTokenizer.from_pretrained(trained / "clip"),
    )
    assert (
        clip.config.text_config.eos_token_id == tokenizer.eos_token_id != 2
    )  # CLIP takes 2 for "wherever the highest id is"
    alone = tokenizer("A red shirt.", return_tensors="pt")
    assert alone["input_ids"][0, -1] == tokenizer.eos_token_id
    assert len(tokenizer("red " * 200, truncation=True)["input_ids"]) == clip.config.text_config.max_position_embeddings
    padded = tokenizer(["A red shirt.", "A green shirt for men."], padding=True, return_tensors="pt")
    with torch.no_grad():
        outputs = [clip.text_model(**texts) for texts in (alone, padded)]
    torch.testing.assert_close(outputs[0].pooler_output[0], outputs[1].pooler_output[0], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(outputs[0].pooler_output[0], outputs[0].last_hidden_state[0, -1])


def test_language_model_answers_the_prompt_with_a_sentence(trained, squares):
    model, tokenizer = (kind.from_pretrained(trained / "language") for kind in (AutoModelForCausalLM, AutoTokenizer))
    prompt = tokenizer(DEFAULT_PROMPT + "\n", return_tensors="pt")
    said = model.generate(**prompt, max_new_tokens=40, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    assert said[-1] == tokenizer.eos_token_id
    known = load_catalogue({"path": str(squares)}).splits["train"]["description"]
    assert tokenizer.decode(said, skip_special_tokens=True) in set(known)


def test_moda_takes_them(trained):
    parts = (str(trained / "clip"), str(trained / "language"))
    model = ModaForConditionalGeneration.from_vision_text_pretrained(*parts, vision_feature_select_strategy="default")
    processor = ModaProcessor.from_vision_text_pretrained(*parts, vision_feature_select_strategy="default")
    inputs = processor(square("red"))
    assert inputs["pixel_values"].shape == (1, 3, 32, 32) and processor.image_seq_length == 16
    assert (inputs["input_ids"] == model.config.image_token_id).sum() == 16
    assert model.config.text_config.vocab_size == len(processor.tokenizer)  # `<image>` is there already
    said = model.generate(**inputs, max_new_tokens=5, min_new_tokens=5, do_sample=False)
    assert said.shape[1] == inputs["input_ids"].shape[1] + 5
    vision = CLIPModel.from_pretrained(parts[0]).vision_model(pixel_values=inputs["pixel_values"])
    features = model.encode_images(inputs["pixel_values"])
    torch.testing.assert_close(features, vision.last_hidden_state[:, 1:], atol=1e-5, rtol=1e-4)


@pytest.mark.skipif("MODA_OTHER_PYTHON" not in os.environ, reason="no interpreter with the other transformers is named")
def test_the_other_transformers_loads_them(trained):
    script = (
        "import sys, torch\n"
        "from transformers import AutoImageProcessor, AutoModelForCausalLM, AutoTokenizer, CLIPModel\n"
        "clip, language = sys.argv[1] + '/clip', sys.argv[1] + '/language'\n"
        "texts = AutoTokenizer.from_pretrained(clip)(['A red shirt.', 'Green socks for men.'], padding=True, return_tensors='pt')\n"
        "pixels = AutoImageProcessor.from_pretrained(clip)(torch.zeros(3, 32, 32).numpy(), return_tensors='pt')\n"
        "prompt = AutoTokenizer.from_pretrained(language)('A red', return_tensors='pt')\n"
        "with torch.no_grad():\n"
        "    seen = CLIPModel.from_pretrained(clip)(**texts, **pixels).logits_per_image\n"
        "    said = AutoModelForCausalLM.from_pretrained(language).generate(**prompt, max_new_tokens=4, do_sample=False)\n"
        "print([round(value, 3) for value in seen.flatten().tolist()], said.tolist())\n"
    )
    here, there = (
        run_clean(script, trained, python=python) for python in (sys.executable, os.environ["MODA_OTHER_PYTHON"])
    )
    assert here == there and "[" in here


def test_killed_and_started_again_it_ends_at_the_same_weights(trained, squares, tmp_path, capsys):
    folder = tmp_path / "killed"
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    with open(tmp_path / "said", "w") as said:
        process = subprocess.Popen(
            [sys.executable, "-m", "moda.cli", *command(folder, squares)], env=environment, stdout=said, stderr=said
        )
        deadline = time.monotonic() + 120
        while not list(folder.glob("checkpoints/clip/checkpoint-*/trainer_state.json")):
            assert process.poll() is None and time.monotonic() < deadline, (tmp_path / "said").read_text()[-2000:]
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert not (folder / "backbones.json").exists() and not (folder / "clip").exists()
    written = (folder / "language" / "model.safetensors").stat().st_mtime_ns
    assert main(command(folder, squares)) == 0
    assert (folder / "language" / "model.safetensors").stat().st_mtime_ns == written  # this half was done
    for half in ("clip", "language"):
        whole, resumed = (load_file(place / half / "model.safetensors") for place in (trained, folder))
        assert all(torch.equal(whole[name], resumed[name]) for name in whole), half
        assert losses(trained, half) == losses(folder, half)
    capsys.readouterr()
    assert main(command(folder, squares)) == 0 and "holds these backbones already" in capsys.readouterr().out


def test_refusals_are_one_sentence(trained, squares, tmp_path, capsys):
    (tmp_path / "mine" / "clip").mkdir(parents=True)
    for arguments, sentence in (
        (command(trained, squares, "--seed", "1"), "other settings (seed: 0 then, 1 now)"),
        (command(tmp_path / "new", squares, "--image-size", "30"), "image_size is 30"),
        (command(tmp_path / "new", squares, "--clip-epochs", "0"), "clip_epochs is 0"),
        (command(tmp_path / "mine", squares), "holds a clip or language of another origin"),
        (command(tmp_path / "new", tmp_path / "nothing.parquet"), "nothing.parquet"),
    ):
        assert main(arguments) == 1
        said = capsys.readouterr().err.strip().splitlines()[-1]
        assert sentence in said and said.startswith("moda backbones: ")
