"""The whole way at toy size: a recipe in, a repository out that loads as remote code and describes pictures."""

import csv
import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml
from conftest import TINY
from datasets import load_dataset
from safetensors.torch import load_file
from transformers import TrainerState

from moda.cli import main as moda
from moda.training.recipe import load_recipe
from moda.training.resume import Clock
from train import main, run


ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def trained(squares, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    recipe = {
        "output_dir": str(folder / "tiny"),
        "model": TINY,
        "data": {"path": str(squares), "wordings": 2},
        "warmup": {"max_steps": 40, "batch_size": 16, "learning_rate": 5e-3},
        "stages": {
            "describe": {"train": {"vision": 1e-3, "connector": None, "language": None}, "max_steps": 250},
        },
        "trainer": {"batch_size": 16, "learning_rate": 4e-3, "use_cpu": True, "bf16": False},
    }
    (folder / "tiny.yaml").write_text(yaml.safe_dump(recipe))
    return folder / "tiny.yaml", run(load_recipe(folder / "tiny.yaml"))


def test_it_learns_the_squares(trained):
    _, figures = trained
    assert figures["train_rows"] == 83  # 84 less the corrupt picture
    assert {name: score["accuracy"] for name, score in figures["scores"].items()} == {
        "articleType": 1.0,
        "baseColour": 1.0,
        "gender": 1.0,
        "usage": 1.0,
    }


def test_loss_falls_and_settles(trained):
    with open(trained[0].parent / "tiny" / "loss.csv") as file:
        losses = [float(row["loss"]) for row in csv.DictReader(file) if row["phase"] == "training"]
    assert losses == sorted(losses, reverse=True) or losses[-1] < 0.4 * losses[0]


def test_folder_has_what_a_user_looks_for(trained):
    folder = trained[0].parent / "tiny"
    names = {path.name for path in folder.iterdir()}
    assert {
        "README.md",
        "config.json",
        "model.safetensors",
        "modeling_moda.py",
        "pipeline_moda.py",
        "recipe.yaml",
        "run.json",
    } <= names
    assert {"sheet.png", "loss.png", "loss.csv", "predictions.csv"} <= names
    card = (folder / "README.md").read_text()
    assert (
        "| article | 100.0 % | 75.8–100.0 % | 12 |" in card
        and "pipeline_tag: image-to-text" in card
        and "{{" not in card
    )
    assert yaml.safe_load((folder / "recipe.yaml").read_text())["stages"]["describe"]["max_steps"] == 250


def test_it_loads_as_remote_code_elsewhere(trained, squares, tmp_path):
    script = (
        "import sys; from transformers import pipeline; from datasets import load_dataset\n"
        "rows = load_dataset('parquet', data_files=sys.argv[2], split='train').select([0, 4])\n"
        "describe = pipeline('image-to-text', model=sys.argv[1], trust_remote_code=True)\n"
        "print([out[0]['generated_text'] for out in describe([row for row in rows['image']])])\n"
    )
    folder = trained[0].parent / "tiny"
    out = subprocess.run(
        [sys.executable, "-c", script, str(folder), str(squares)],
        capture_output=True, text=True, cwd=tmp_path, check=True, env={**__import__("os").environ, "HF_MODULES_CACHE": str(tmp_path)},
    ).stdout  # fmt: skip
    sentences = out.strip().splitlines()[-1]
    assert "red shirt" in sentences.lower() or "shirt in red" in sentences.lower()
    assert "green" in sentences.lower() and "socks" in sentences.lower()


def test_describe_uses_it(trained, tmp_path, capsys):
    from PIL import Image as Picture

    Picture.new("RGB", (32, 32), "blue").save(tmp_path / "blue.png")
    assert moda(["describe", str(tmp_path / "blue.png"), "--model", str(trained[0].parent / "tiny")]) == 0
    said = capsys.readouterr().out.lower()
    assert "blue" in said and "shirt" in said


def test_same_command_again_finds_it_finished_and_another_recipe_is_refused(trained, capsys):
    recipe, figures = trained
    assert run(load_recipe(recipe)) == json.loads((recipe.parent / "tiny" / "run.json").read_text())
    assert "finished run" in capsys.readouterr().out
    with pytest.raises(SystemExit) as refusal:
        main([str(recipe), "learning_rate=1e-4"])
    assert "holds a run of another recipe" in str(refusal.value) and "learning_rate" in str(refusal.value)


@pytest.mark.parametrize(
    "overrides, sentence",
    [
        (["data.path=nothing.parquet"], "no catalogue at 'nothing.parquet'"),
        (["max_stpes=3"], "did you mean 'max_steps'"),
        (["data.columns={articleType: kind}"], "no column 'kind'"),
        (["model.preset=moda-maxi"], "no preset 'moda-maxi'"),
        (["model={vision: ./nowhere, text: ./nowhere}", "warmup={}"], "./nowhere"),
        (["evaluation.split=tset"], "evaluation.split is 'tset'"),
        (["max_steps=ten"], "max_steps is 'ten', where a number"),
    ],
)
def test_bad_input_ends_in_one_sentence(trained, tmp_path, overrides, sentence):
    with pytest.raises(SystemExit) as refusal:
        main([str(trained[0]), f"output_dir={tmp_path / 'new'}", *overrides])
    assert sentence in str(refusal.value) and str(refusal.value).startswith("train.py: ")


def shorter(trained, folder):
    """The toy recipe with a frozen encoder, moving pictures, and few steps."""
    recipe = yaml.safe_load(trained[0].read_text())
    recipe.update(output_dir=str(folder), augment=["flip", "shift"])
    recipe["warmup"]["max_steps"] = 4
    recipe["stages"] = {"describe": {"train": ["connector", "language"], "max_steps": 12}}
    path = folder.parent / f"{folder.name}.yaml"
    path.write_text(yaml.safe_dump(recipe))
    return path


class Cut(BaseException):
    """The power goes."""


def two_stages(trained, folder):
    """A warm-up, a stage from kept features, and one that moves pictures, evaluates, and keeps its best checkpoint."""
    recipe = yaml.safe_load(shorter(trained, folder).read_text())
    recipe["stages"] = {
        "first": {"train": ["connector"], "augment": [], "max_steps": 5, "min_learning_rate": 1e-5},
        "second": {
            "train": ["connector", "language"], "max_steps": 9, "eval_strategy": "steps", "eval_steps": 3, "save_steps": 3,
            "load_best_model_at_end": True, "metric_for_best_model": "attributes", "min_learning_rate": 1e-5,
        },
    }  # fmt: skip
    return recipe


@pytest.mark.parametrize(
    "moment, nth",
    [
        ("moda.training.warmup.keep_warmup", 1),
        ("moda.training.stages.check_start", 2),
        ("moda.training.stages.keep_stage", 1),
        ("moda.training.stages.keep_stage", 2),
        ("train.evaluate", 1),
        ("moda.training.record.write_curve", 1),
    ],
)
def test_cut_off_at_the_worst_moment_it_ends_the_same(trained, tmp_path, monkeypatch, moment, nth):
    folders = whole, cut = tmp_path / "whole", tmp_path / "cut"
    recipes = []
    for folder in folders:
        path = tmp_path / f"{folder.name}-two.yaml"
        path.write_text(yaml.safe_dump(two_stages(trained, folder)))
        recipes.append(path)
    run(load_recipe(recipes[0]))
    module, name = moment.rsplit(".", 1)
    real, calls = getattr(sys.modules[module], name), itertools.count(1)

    def cut_off(*args, **kwargs):
        if next(calls) == nth:
            raise Cut
        return real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(moment, cut_off)
        with pytest.raises(Cut):
            run(load_recipe(recipes[1]))
    run(load_recipe(recipes[1]))
    first, second = (load_file(folder / "model.safetensors") for folder in folders)
    assert all(torch.equal(first[name], second[name]) for name in first)
    for name in ("loss.csv", "scores.csv", "predictions.csv"):
        assert (whole / name).read_text() == (cut / name).read_text(), name
    figures = [json.loads((folder / "run.json").read_text()) for folder in folders]
    assert [stage["steps"] for stage in figures[0]["stages"]] == [5, 9]
    for key in ("tokens", "pictures_seen", "scores", "steps"):
        assert figures[0][key] == figures[1][key]
    # An epoch of 83 rows is five batches of 16, and one of 3.
    assert figures[0]["pictures_seen"] == 5 * 16 + 83 + 3 * 16


def test_a_changed_recipe_does_not_take_up_another_ones_stage(trained, tmp_path, monkeypatch):
    path = tmp_path / "two.yaml"
    path.write_text(yaml.safe_dump(two_stages(trained, tmp_path / "run")))

    def cut_off(*args):
        raise Cut

    with monkeypatch.context() as patch:
        patch.setattr("train.evaluate", cut_off)
        with pytest.raises(Cut):
            run(load_recipe(path))
    (tmp_path / "run" / "recipe.yaml").unlink()  # the checkpoints beside it know what they are of
    with pytest.raises(ValueError, match="stages.first.max_steps: 5 then, 6 now"):
        run(load_recipe(path, ["stages.first.max_steps=6"]))
    assert run(load_recipe(path))["steps"] == 14
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(ValueError, match="The model of stage second is no longer in .*run; delete .*run-checkpoints"):
        run(load_recipe(path))


def test_other_pictures_in_the_middle_of_a_stage_are_refused(trained, tmp_path, monkeypatch):
    source = yaml.safe_load(trained[0].read_text())["data"]["path"]
    own = tmp_path / "own.parquet"
    shutil.copy(source, own)
    recipe = load_recipe(shorter(trained, tmp_path / "run"), [f"data.path={own}", "save_steps=4"])
    with monkeypatch.context() as patch:
        patch.setattr("moda.training.stages.keep_stage", lambda *args: (_ for _ in ()).throw(Cut()))
        with pytest.raises(Cut):
            run(recipe)
    load_dataset("parquet", data_files=str(source), split="train").select(range(90)).to_parquet(own)
    with pytest.raises(ValueError, match="began otherwise .*rows: 83 then, 77 now"):
        run(recipe)


def test_metrics_that_an_evaluation_can_not_give_are_refused_before_it_trains(trained, tmp_path):
    recipe = two_stages(trained, tmp_path / "run")
    recipe["stages"]["second"]["metric_for_best_model"] = "colour"
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(recipe))
    with pytest.raises(
        ValueError, match="metric_for_best_model is 'colour', and evaluations of this stage give .*attributes"
    ):
        run(load_recipe(tmp_path / "a.yaml", ["stages.first.max_steps=1", "warmup.max_steps=1"]))


def test_a_run_cut_off_after_its_warmup_keeps_it(trained, tmp_path, capsys):
    recipe = load_recipe(shorter(trained, tmp_path / "first"), ["save_steps=4"])
    run(recipe)
    whole = load_file(tmp_path / "first" / "model.safetensors")
    for path in [tmp_path / "first" / "run.json", tmp_path / "first" / "model.safetensors"]:
        path.unlink()
    shutil.rmtree(tmp_path / "first-checkpoints" / "1-describe")
    capsys.readouterr()
    run(recipe)
    assert "Warming up" not in capsys.readouterr().out
    again = load_file(tmp_path / "first" / "model.safetensors")
    assert all(torch.equal(whole[name], again[name]) for name in whole)


def test_minutes_of_a_run_in_two_sessions_add_up():
    state = TrainerState(log_history=[{"loss": 1.0, "seconds": 60.0}, {"loss": 0.5, "seconds": 120.0}])
    clock = Clock()
    clock.on_train_begin(None, state, None)
    assert 2.0 <= clock.minutes < 2.1
    state.log_history.append({"loss": 0.4})
    clock.on_log(None, state, None)
    assert 120.0 <= state.log_history[-1]["seconds"] < 125.0


def test_rows_with_sentences_and_no_metadata_are_learnt(squares, trained, tmp_path, capsys):
    table = load_dataset("parquet", data_files=str(squares), split="train")
    text = [f"A {colour} thing." for colour in table["baseColour"]]
    table.select_columns(["image", "split"]).add_column("description", text).to_parquet(tmp_path / "plain.parquet")
    overrides = [f"data={{path: {tmp_path / 'plain.parquet'}}}", "max_steps=2"]
    figures = run(load_recipe(shorter(trained, tmp_path / "plain"), overrides))
    assert "no metadata to learn from" in capsys.readouterr().out
    assert figures["scores"] == {} and figures["warmup_pictures"] == 0
    assert (tmp_path / "plain" / "README.md").is_file()


def test_the_repository_holds_no_pickle_and_no_checkpoint(trained):
    folder = trained[0].parent / "tiny"
    assert not [path for path in folder.rglob("*") if path.suffix in (".bin", ".pt", ".pkl", ".pth")]
    assert not [path for path in folder.iterdir() if path.is_dir()]


def test_accumulated_small_batches_are_one_large_batch(trained, tmp_path):
    weights = []
    for name, size, count in (("large", 16, 1), ("small", 4, 4)):
        changes = [f"per_device_train_batch_size={size}", f"gradient_accumulation_steps={count}", "max_steps=3"]
        run(load_recipe(shorter(trained, tmp_path / name), [*changes, "augment=[]", "features=off"]))
        weights.append(load_file(tmp_path / name / "model.safetensors"))
    for name, value in weights[0].items():
        torch.testing.assert_close(value, weights[1][name], atol=2e-5, rtol=1e-4, msg=name)


def test_descriptions_questions_and_conversations_are_learnt_in_one_mixture(trained, squares, tmp_path):
    table = load_dataset("parquet", data_files=str(squares), split="train")
    colours = table["baseColour"][:]
    asked = table.select_columns(["image", "split"])
    asked.add_column("question", ["What colour is it?"] * len(table)).add_column("answer", colours).to_parquet(
        tmp_path / "asked.parquet"
    )
    talks = [
        [
            {"from": "human", "value": "<image>\nWhat colour is it?"},
            {"from": "gpt", "value": colour},
            {"from": "human", "value": "Who is it for?"},
            {"from": "gpt", "value": "Men."},
        ]
        for colour in colours
    ]
    asked.add_column("conversations", talks).to_parquet(tmp_path / "talks.parquet")
    parts = [str(squares), str(tmp_path / "asked.parquet"), str(tmp_path / "talks.parquet")]
    recipe = yaml.safe_load(shorter(trained, tmp_path / "mixed").read_text())
    recipe["data"] = {"mix": [{"path": path, "weight": 1} for path in parts], "wordings": 2}
    recipe["stages"]["describe"].update(max_steps=450, augment=[], packing=True, group_by_length=True)
    recipe["warmup"]["max_steps"] = 40
    (tmp_path / "mixed.yaml").write_text(yaml.safe_dump(recipe))
    figures = run(load_recipe(tmp_path / "mixed.yaml"))
    assert figures["evaluated_rows"] == 36 and figures["train_rows"] > 200
    with open(tmp_path / "mixed" / "predictions.csv") as file:
        said = [row["sentence"] for row in csv.DictReader(file)]
    questions = said[12:]  # a mixture's validation splits lie one behind the other
    right = sum(sentence == colour for sentence, colour in zip(questions, [*colours[:12]] * 2))
    assert right >= 20, said
