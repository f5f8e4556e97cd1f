"""Killed anywhere, the same command ends at the same weights and losses, on one process and on two."""

import csv
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch
import transformers
import yaml
from safetensors.torch import load_file


ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def recipe(squares, repository, tmp_path_factory):
    """Two stages: the first from kept features, under the full mask with noise; the second moves pictures and all parts."""
    folder = tmp_path_factory.mktemp("resume")
    fields = {
        "output_dir": str(folder / "none"),
        "model": {"pretrained": str(repository)},
        "data": {"path": str(squares), "wordings": 2},
        "stages": {
            "align": {
                "train": {"connector": 1e-2},
                "image_attention": "full",
                "token_noise": 0.2,
                "min_learning_rate": 1e-4,
            },
            "tune": {
                "train": {"vision": 1e-4, "connector": 1e-3, "language": 1e-3},
                "image_attention": "image_bidirectional",
                "augment": ["flip", "shift"],
                "eval_strategy": "steps",
                "eval_steps": 6,
            },
        },
        "trainer": {
            "max_steps": 24,
            "batch_size": 8,
            "save_steps": 5,
            "logging_steps": 3,
            "use_cpu": True,
            "bf16": False,
        },
        "features": "float32",
        "evaluation": {"training_rows": 4, "max_new_tokens": 6, "rows": 6},
    }
    (folder / "recipe.yaml").write_text(yaml.safe_dump(fields))
    return folder / "recipe.yaml"


def start(recipe, output, cache, processes=1, **overrides):
    """Starts `train.py`, by itself or by torchrun."""
    launch = ["-m", "torch.distributed.run", "--nproc_per_node", str(processes), "--master_port", str(free_port())]
    command = [sys.executable, *(launch if processes > 1 else []), "train.py", str(recipe), f"output_dir={output}"]
    command += [f"{key}={value}" for key, value in overrides.items()]
    environment = {**os.environ, "MODA_CACHE": str(cache), "OMP_NUM_THREADS": "1"}
    log = open(f"{output}.log", "a")  # noqa: SIM115
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=subprocess.STDOUT)


def free_port():
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def finish(process, output):
    assert process.wait(300) == 0, Path(f"{output}.log").read_text()[-3000:]


def kill_when(process, pattern, output, within=0.15):
    """Kills all of a run without warning, some moment after a path appears."""
    folder = Path(f"{output}-checkpoints")
    deadline = time.monotonic() + 240
    while not any(folder.glob(pattern)):
        assert process.poll() is None and time.monotonic() < deadline, Path(f"{output}.log").read_text()[-3000:]
        time.sleep(0.005)
    time.sleep(random.uniform(0, within))
    for one in [*psutil.Process(process.pid).children(recursive=True), process]:  # torchrun's own are in other groups
        one.send_signal(signal.SIGKILL)
    assert process.wait(30) == -signal.SIGKILL, Path(f"{output}.log").read_text()[-3000:]
    assert not (Path(output) / "run.json").exists()


def scores(folder):
    with open(folder / "scores.csv") as file:
        return [row for row in csv.DictReader(file)]


def losses(folder):
    with open(folder / "loss.csv") as file:
        return [(row["phase"], row["step"], float(row["loss"])) for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def whole(recipe, tmp_path_factory):
    output = tmp_path_factory.mktemp("whole") / "run"
    finish(start(recipe, output, output.parent / "cache"), output)
    return output


def test_killed_in_each_stage_it_ends_at_the_same_weights_and_losses(recipe, whole, tmp_path):
    output, cache = tmp_path / "run", tmp_path / "cache"
    kill_when(start(recipe, output, cache), "1-align/checkpoint-*", output)
    kill_when(start(recipe, output, cache), "2-tune/checkpoint-1*", output)
    stage = json.loads((tmp_path / "run-checkpoints" / "1-align" / "stage.json").read_text())
    assert stage["from_features"] and stage["steps"] == 24
    finish(start(recipe, output, cache), output)
    first, second = (load_file(folder / "model.safetensors") for folder in (whole, output))
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    assert (whole / "loss.csv").read_text() == (output / "loss.csv").read_text()
    assert (whole / "scores.csv").read_text() == (output / "scores.csv").read_text()
    assert (whole / "predictions.csv").read_text() == (output / "predictions.csv").read_text()
    figures = [json.loads((folder / "run.json").read_text()) for folder in (whole, output)]
    assert figures[0]["tokens"] == figures[1]["tokens"] > 0
    # 83 rows are ten batches of 8 and one of 3.
    assert figures[0]["pictures_seen"] == figures[1]["pictures_seen"] == 2 * (2 * 83 + 2 * 8)


def test_a_checkpoint_that_was_being_written_is_passed_over(recipe, whole, tmp_path):
    output, cache = tmp_path / "run", tmp_path / "cache"
    kill_when(start(recipe, output, cache), "1-align/checkpoint-10/trainer_state.json", output)
    newest = max((tmp_path / "run-checkpoints" / "1-align").glob("checkpoint-*"), key=lambda p: int(p.name[11:]))
    state = newest / "trainer_state.json"
    state.write_text(state.read_text()[:100] if state.exists() else "{")
    finish(start(recipe, output, cache), output)
    first, second = (load_file(folder / "model.safetensors") for folder in (whole, output))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_what_differs_in_another_recipe_is_named(recipe, whole):
    process = start(recipe, whole, whole.parent / "cache", **{"stages.tune.train.vision": "0", "batch_size": 4})
    assert process.wait(240) == 1
    said = Path(f"{whole}.log").read_text()
    assert "stages.tune.train.vision: 0.0001 then, 0 now" in said and "trainer.batch_size: 8 then, 4 now" in said


def test_two_processes_train_what_one_does_killed_in_between(recipe, tmp_path):
    whole, output, cache = tmp_path / "whole", tmp_path / "run", tmp_path / "cache"
    whole_batches = {"dataloader_drop_last": "true"}  # else accelerate fills up the last one
    finish(start(recipe, whole, tmp_path / "other-cache", **whole_batches), whole)
    if not transformers.__version__.startswith("4."):  # which, on CPUs, can't load what it saved for "cpu:0"
        kill_when(
            start(recipe, output, cache, 2, **whole_batches), "1-align/checkpoint-5/trainer_state.json", output, 0
        )
        single = start(recipe, output, cache, **whole_batches)
        assert single.wait(240) == 1 and "processes: 2 then, 1 now" in Path(f"{output}.log").read_text()
    finish(start(recipe, output, cache, 2, **whole_batches), output)
    first, second = (load_file(folder / "model.safetensors") for folder in (whole, output))
    for name in first:
        torch.testing.assert_close(first[name], second[name], atol=1e-5, rtol=1e-4, msg=name)
    for (phase, step, loss), (*where, same) in zip(losses(whole), losses(output)):
        assert where == [phase, step] and same == pytest.approx(loss, rel=1e-4)
    figures = [json.loads((folder / "run.json").read_text()) for folder in (whole, output)]
    assert figures[1]["stages"][0]["batch"] == {"rows": 8, "per_device": 4, "accumulation": 1, "devices": 2}
    assert figures[0]["tokens"] == figures[1]["tokens"]
    assert figures[0]["evaluated_rows"] == figures[1]["evaluated_rows"] == 6
    assert len(list((cache / "features").glob("*.npy"))) == 1
    shutil.rmtree(cache)
