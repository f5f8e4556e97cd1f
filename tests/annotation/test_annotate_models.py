"""`moda annotate` with real models in small: behind a real server, and on this machine."""

import importlib.util
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
import transformers
from conftest import ROOT
from datasets import load_dataset
from endpoints import ask, online, save_tiny_llava  # noqa: F401
from shop import accounts, lines_of
from tiny_models import load, look, save_tiny_phi3, save_tiny_phi4

from moda.annotation.drafts import parse_draft
from moda.annotation.pipeline import TOLD
from moda.annotation.prompts import Prompt
from moda.annotation.weights import digest_of
from moda.cli import main
from moda.data.demo import demo_rows


COUNT, SIZE = 10, 48
DRAFT, FINAL = "A thing for sale.", "A product in a plain colour."
SERVING = ("openai", "fastapi", "uvicorn", "pydantic")
LACKING = [name for name in SERVING if importlib.util.find_spec(name) is None]


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Drawn products, and prompts that are short, since tiny models read them byte by byte."""
    folder = tmp_path_factory.mktemp("recipe")
    (folder / "look-v1.md").write_text("Describe it.\n---\nAgain: {{ why }}")
    (folder / "merge-v1.md").write_text("Merge {{ draft }} and {{ metadata }}.\n---\nAgain: {{ why }}")
    demo = f"{{demo: {{count: {COUNT}, size: {SIZE}, folder: {folder / 'drawn'}}}}}"
    (folder / "recipe.yaml").write_text(f"data: {demo}\n")
    assert annotate(folder / "recipe.yaml", folder / "known") == 0
    return folder / "recipe.yaml"


@pytest.fixture(scope="module")
def models(recipe, tmp_path_factory):
    """A Phi-4-multimodal with its adapter, a Phi-3 and a LLaVA, taught to say one sentence each; while the module runs,
    Phi-4's pictures are read without torchvision."""
    folder = tmp_path_factory.mktemp("models")
    with pytest.MonkeyPatch.context() as monkeypatch:
        phi4 = save_tiny_phi4(folder / "tiny-phi4", monkeypatch)
        phi3 = save_tiny_phi3(folder / "tiny-phi3", context=2048)
        teach(phi4, DRAFT, seeing(), adapter="vision-lora")
        teach(phi3, FINAL, [*merging(recipe, DRAFT), *merging(recipe)])
        (phi4 / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
        yield {"describe": phi4, "refine": phi3}


def seeing():
    """What the catalogue's first step asks: nothing is learnt for others."""
    for row in demo_rows(COUNT, seed=0, size=SIZE):
        file = io.BytesIO()
        row["image"].save(file, "PNG")
        yield look("Describe it.", file.getvalue())


def merging(recipe, sentence=None):
    """What the catalogue's second step asks of drafts that are one sentence, or those of the annotator without a model."""
    prompt = Prompt(recipe.parent / "merge-v1.md")
    for record in lines_of(recipe.parent / "known" / "describe" / "rows.jsonl"):
        draft = parse_draft(json.dumps({"description": sentence}), "stop") if sentence else record["draft"]
        metadata = {name: record["metadata"].get(name) for name in TOLD}
        yield ask(prompt.instruction(draft=json.dumps(draft), metadata=json.dumps(metadata)))


def teach(folder, sentence, requests, adapter=None):
    """Trains a model to answer requests with a sentence in JSON, and saves it without its adapter, which was on."""
    local = load(folder, adapter=adapter, cache=folder.parent / "teaching")
    chat, model = local.chat, local.chat.model
    answer = json.dumps({"description": sentence})
    said = torch.tensor([[*chat.tokenizer.encode(answer, add_special_tokens=False), chat.ends[-1]]])
    batches = []
    for request in requests:
        inputs = chat._inputs([chat.read(request)])
        inputs["input_ids"] = torch.cat([inputs["input_ids"], said], dim=1)
        batches.append({**inputs, "attention_mask": torch.ones_like(inputs["input_ids"])})
    model.requires_grad_(False)
    frozen = ("vision", "audio", "image_embed", "lora_")
    weights = [weight for name, weight in model.named_parameters() if not any(part in name for part in frozen)]
    optimizer = torch.optim.Adam([weight.requires_grad_() for weight in weights], lr=0.01)
    losses = []
    while not losses or max(losses[-len(batches) :]) > 0.01:
        logits = model(**batches[len(losses) % len(batches)]).logits[0, -said.shape[1] - 1 : -1]
        loss = torch.nn.functional.cross_entropy(logits, said[0])
        losses.append(loss.item())
        assert len(losses) < 500, "learns nothing"
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    learnt = {name.replace(".base_layer", ""): x for name, x in model.state_dict().items() if "lora_" not in name}
    bare = type(model).from_pretrained(folder)
    bare.load_state_dict(learnt)
    bare.save_pretrained(folder)


def annotate(recipe, out, *options):
    return main(["annotate", str(recipe), *map(str, options), "--output", str(out)])


def prompts(recipe):
    return [f"describe.prompt={recipe.parent / 'look-v1.md'}", f"refine.prompt={recipe.parent / 'merge-v1.md'}"]


def rows_of(out):
    return [row for split in load_dataset(str(out / "dataset")).values() for row in split]


def note_of(out, step):
    return json.loads((out / step / "step.json").read_text())


def test_a_local_seer_and_a_local_writer(recipe, models, tmp_path):
    options = ["--annotator", "local", *(f"{step}.model={folder}" for step, folder in models.items()), *prompts(recipe)]
    options += ["describe.adapter=vision-lora", "refine.licence=mit"]
    assert annotate(recipe, tmp_path, *options, "describe.max_tokens=48", "refine.max_tokens=64") == 0
    assert [place for _, place in accounts(tmp_path)] == ["kept"] * COUNT
    seen = Prompt(recipe.parent / "look-v1.md").sha256
    merged = Prompt(recipe.parent / "merge-v1.md").sha256
    for row in rows_of(tmp_path):
        assert (row["initial_description"], row["description"]) == (DRAFT, FINAL)
        for step, licence, name, sha256 in (
            ("describe", "apache-2.0", "look-v1", seen),
            ("refine", "mit", "merge-v1", merged),
        ):
            said = row["annotators"][step]
            assert (said["kind"], said["model"], said["licence"]) == ("local", models[step].name, licence)
            assert (said["prompt"], said["prompt_sha256"]) == (name, sha256) and said["date"]
        assert row["annotators"]["refine"]["revision"] == digest_of(models["refine"])
        adapted = digest_of(models["describe"], models["describe"] / "vision-lora")
        assert row["annotators"]["describe"]["revision"] == adapted
    assert note_of(tmp_path, "describe")["annotator"]["adapter"] == "vision-lora"
    assert {note_of(tmp_path, step)["counts"]["asked"] for step in models} == {COUNT}
    card = (tmp_path / "dataset" / "README.md").read_text()
    assert "tiny-phi4" in card and "tiny-phi3" in card and str(models["refine"].parent) not in card


@pytest.mark.parametrize("local, other", [("describe", "refine"), ("refine", "describe")])
def test_a_local_model_beside_the_annotator_without_one(recipe, models, tmp_path, local, other):
    options = [f"{local}.annotator=local", f"{local}.model={models[local]}", f"{local}.licence=mit"]
    options += [prompts(recipe)[("describe", "refine").index(local)], f"{local}.max_tokens=64"]
    options += ["describe.adapter=vision-lora"] if local == "describe" else []
    assert annotate(recipe, tmp_path, *options) == 0
    assert [place for _, place in accounts(tmp_path)] == ["kept"] * COUNT
    for row in rows_of(tmp_path):
        said = {"describe": row["initial_description"], "refine": row["description"]}
        assert said[local] == {"describe": DRAFT, "refine": FINAL}[local]
        assert said[other].endswith(".") and said[other] != said[local]
        kinds = {step: row["annotators"][step]["kind"] for step in said}
        assert kinds == {local: "local", other: "metadata"}


def test_a_local_model_that_is_killed_is_not_asked_again(recipe, models, tmp_path):
    options = ["refine.annotator=local", f"refine.model={models['refine']}", "refine.licence=mit", prompts(recipe)[1]]
    options += ["refine.max_tokens=64", "refine.batch_size=1"]
    command = [sys.executable, "-m", "moda.cli", "annotate", recipe, *options, "--output", tmp_path]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    answers = tmp_path / "answers" / "tiny-phi3.jsonl"
    with open(tmp_path / "log", "w") as log:
        process = subprocess.Popen(list(map(str, command)), cwd=ROOT, env=environment, stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline and process.poll() is None:
            if answers.is_file() and answers.read_bytes().count(b"\n") >= 3:
                break
            time.sleep(0.005)
        process.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL, (tmp_path / "log").read_text()[-2000:]
    before = answers.read_bytes()
    known = before.count(b"\n")
    assert 3 <= known < COUNT and not (tmp_path / "refine").exists()
    assert annotate(recipe, tmp_path, *options) == 0
    counts = note_of(tmp_path, "refine")["counts"]
    assert (counts["cached"], counts["asked"]) == (known, COUNT - known)
    assert answers.read_bytes().startswith(before[: before.rfind(b"\n") + 1])
    assert [row["description"] for row in rows_of(tmp_path)] == [FINAL] * COUNT


@contextmanager
def transformers_serve(folder):
    """Runs `transformers serve`, which opens whichever model it is asked for; yields its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    command = [Path(sys.executable).parent / "transformers", "serve", "--host", "127.0.0.1", "--port", port]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    with open(folder / "log", "w") as log:
        server = subprocess.Popen([*command, "--device", "cpu"], env=environment, stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 120
        while not _healthy(port):
            assert server.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()[-3000:]
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.terminate()
        assert server.wait(30) is not None


def _healthy(port):
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=1):
            return True
    except OSError:
        return False


@pytest.mark.skipif(
    transformers.__version__.startswith("4."), reason="`transformers serve` of 4.57 asks for other packages"
)
@pytest.mark.skipif(bool(LACKING), reason=f"`transformers serve` needs {', '.join(LACKING)}: pip install 'moda[dev]'")
def test_a_real_server_with_real_models(recipe, tmp_path, online, capsys):
    random, taught = save_tiny_llava(tmp_path / "random"), save_tiny_llava(tmp_path / "taught")
    teach(taught, FINAL, [*seeing(), *merging(recipe, FINAL)])
    babble, sense = tmp_path / "babble", tmp_path / "sense"

    def both(url, model, *options):
        named = (f"{step}.{field}" for step in ("describe", "refine") for field in (f"model={model}", "licence=mit"))
        return ["--annotator", url, *named, "checks.leaked_print.ocr=false", *options]

    with transformers_serve(tmp_path) as url:
        of_random = both(url, random, "describe.max_tokens=12")
        of_taught = both(url, taught, *prompts(recipe), "refine.max_tokens=64")
        assert annotate(recipe, babble, *of_random) == 1
        [said] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("moda annotate")]
        assert "No row came through describe" in said
        assert annotate(recipe, sense, *of_taught) == 0
    quarantine = Path(re.search(r"\S+quarantine\.jsonl", said)[0])
    put_aside = lines_of(quarantine)
    assert [line["id"] for line in put_aside] == [line["id"] for line in lines_of(babble / "sample" / "rows.jsonl")]
    assert {line["check"] for line in put_aside} == {"json"} and len(put_aside) == COUNT
    answers = {out: next((out / "answers").glob("*.jsonl")) for out in (babble, sense)}
    said = [line["answer"] for line in lines_of(answers[babble])]
    assert len(said) == 2 * COUNT == len(lines_of(answers[sense]))
    assert min(answer["tokens_in"] for answer in said) > 1000  # the prompt that the package comes with
    assert [place for _, place in accounts(sense)] == ["kept"] * COUNT
    for row in rows_of(sense):
        assert row["description"] == row["initial_description"] == FINAL
        said = row["annotators"]["refine"]
        assert (said["kind"], said["model"], said["licence"], said["prompt"]) == (
            "endpoint",
            "taught",
            "mit",
            "merge-v1",
        )

    before = {out: file.read_bytes() for out, file in answers.items()}
    shutil.rmtree(sense / "describe")
    assert annotate(recipe, babble, *of_random) == 1  # the server is gone, and all that it said is known
    assert annotate(recipe, sense, *of_taught) == 0
    assert before == {out: file.read_bytes() for out, file in answers.items()} and lines_of(quarantine) == put_aside
    counts = note_of(sense, "describe")["counts"]
    assert (counts["asked"], counts["cached"]) == (0, COUNT)
