"""Runs the commands of the pages, each on small stand-ins for what it works on: `make docs-check`.

It takes minutes, so pytest collects it only where it is named. What is not run here is listed with the reason, and read by
test_docs.py like all others.
"""

import csv
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from conftest import TINY, make_picture
from datasets import Dataset, Image, load_dataset
from pages import ROOT, block_commands

import train
from moda.cli import main as moda
from moda.data.demo import write_demo
from moda.training.recipe import load_recipe


# By how they begin; what runs them instead, or why nothing does.
NOT_RUN = {
    "make": "what the continuous integration is made of; make demo is the sum of commands that are run here",
    "python3 -m venv": "make .venv/ready",
    "pip install": "make .venv/ready, with the versions of constraints.txt",
    ". ": "a shell's",
    "export ": "a shell's",
    "srun": "needs Slurm",
    "ray": "tests/inference/test_ray_engine.py",
    "curl": "tests/inference/test_serve.py, by another client",
    "hf": "needs the Hub; what it uploads is built here",
    "torchrun": "tests/training, by torchrun",
    "accelerate": "tests/clients, by accelerate launch",
    "moda demo": "tests/hub/test_app.py; a Space's files are written here",
    "moda publish": "tests/hub, to a Hub of their own; --dry-run is run here",
    "moda serve": "tests/inference/test_serve.py",
}
# By what is in them.
NOT_HERE = {
    "--engine ray": "tests/inference/test_ray_engine.py",
    "--judge": "tests/evaluation, with an endpoint",
    "http://localhost": "tests/annotation/test_annotate_endpoint.py",
    "recipes/annotation/guide.yaml": "tests/annotation/test_annotate_models.py: needs models of the Hub",
    "recipes/moda-": "needs models of the Hub; tests/test_train.py trains CLIP and Llama",
    "recipes/alignment-0.9b": "needs models of the Hub",
    "openai/clip": "needs a model of the Hub",
}
SHORT = ("max_steps=2", "evaluation.rows=4", "use_cpu=true", "output_dir=trained")
# What a command is not to find: a folder that it makes itself, or one that looks like an id of the Hub.
ABSENT = {"annotate": "annotated", "publish": "runs/mine-hub", "demo": "me"}
COMMANDS = [(page, words) for page, words in block_commands()]


def reason(words):
    text = " ".join(words)
    if words[0] == "moda" and {"--space", "--dry-run"} & set(words) or text.startswith("python train.py"):
        reasons = {}
    else:
        reasons = {start: why for start, why in NOT_RUN.items() if text.startswith(start)}
    return next(iter({**reasons, **{part: why for part, why in NOT_HERE.items() if part in text}}.values()), None)


RUN = [(page, words) for page, words in COMMANDS if reason(words) is None]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """What the pages' commands find: catalogues, pictures, sentences, and trained models."""
    folder = tmp_path_factory.mktemp("shop")
    for name in ("recipes", "train.py", "metrics", "benchmarks"):
        (folder / name).symlink_to(ROOT / name)
    write_demo(folder / "my-products", 60, seed=1, size=32, progress=False)
    files = {split: str(folder / "my-products" / f"{split}.parquet") for split in ("train", "validation", "test")}
    rows = [{**row, "image": row["image"]["bytes"]} for row in _undecoded(files)]
    table = {name: [row[name] for row in rows] for name in rows[0]}
    table["image"] = [{"bytes": picture, "path": None} for picture in table["image"]]
    for name, column in {
        "products": {},
        "questions": {"q": ["What?"] * len(rows), "a": ["A shirt."] * len(rows)},
    }.items():
        Dataset.from_dict({**table, **column}).cast_column("image", Image()).to_parquet(folder / f"{name}.parquet")
    renamed = {"kind": table["articleType"], "colour": table["baseColour"]}  # what data.columns is for
    others = {name: values for name, values in table.items() if name not in ("articleType", "baseColour")}
    Dataset.from_dict({**others, **renamed}).cast_column("image", Image()).to_parquet(folder / "renamed.parquet")
    (folder / "annotated/dataset/data").mkdir(parents=True)  # what moda annotate leaves
    shutil.copy(folder / "products.parquet", folder / "annotated/dataset/data/train-00000-of-00001.parquet")
    _pictures(folder, rows)
    _models(folder)
    return folder


def _undecoded(files):
    for split in load_dataset("parquet", data_files=files).values():
        yield from split.cast_column("image", Image(decode=False))


def _pictures(folder, rows):
    for place in ("photos", "photos/more", "fashion-dataset/images"):
        (folder / place).mkdir(parents=True)
    for place in ("photos/a.png", "photos/more/b.jpg", "shirt.jpg", "picture.png"):
        make_picture(len(place), size=(48, 40)).save(folder / place)
    (folder / "kinds.txt").write_text("shirt\ndress\n")
    with open(folder / "products.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows(
            [
                ("URL", "SKU", "photo", "kind", "colour", "gender"),
                ("photos/a.png", "1", "photos/a.png", "Shirts", "Red", "Men"),
            ]
        )
    columns = (
        "id",
        "gender",
        "masterCategory",
        "subCategory",
        "articleType",
        "baseColour",
        "season",
        "year",
        "usage",
        "productDisplayName",
    )
    with open(folder / "fashion-dataset" / "styles.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        for row in rows:
            writer.writerow([row[name] for name in columns])
            (folder / "fashion-dataset" / "images" / f"{row['id']}.jpg").write_bytes(row["image"])
    with open(folder / "sentences.csv", "w", newline="") as file:
        csv.writer(file).writerows([("id", "sentence"), *((row["id"], "A red shirt for men.") for row in rows)])


def _models(folder):
    recipe = {
        "output_dir": "runs/demo",
        "model": TINY,
        "data": {"path": "products.parquet"},
        "warmup": {"max_steps": 20, "learning_rate": 5e-3},
        "stages": {"describe": {"train": ["connector", "language"], "max_steps": 60, "learning_rate": 4e-3}},
        "trainer": {"batch_size": 8, "use_cpu": True},
        "evaluation": {"max_new_tokens": 8},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("tiny.yaml").write_text(yaml.safe_dump(recipe))
        for name in ("demo", "mine", "other"):  # which say different things
            train.run(load_recipe("tiny.yaml", [f"output_dir=runs/{name}", f"seed={len(name)}"]))
        for name in ("runs/causal", "runs/fashion-small", "runs/mine-hub", "me/moda", "me/my-moda"):
            shutil.copytree("runs/mine", name)  # a folder where an id is asked for stands for the Hub


def test_what_is_not_run_is_little():
    programs = [words[0] for _, words in RUN]
    assert programs.count("moda") >= 30 and programs.count("python") >= 10
    for start in NOT_RUN:
        assert any(" ".join(words).startswith(start) for _, words in COMMANDS), f"{start} is in no page"


@pytest.mark.parametrize("words", [pytest.param(w, id=f"{page.stem}-{' '.join(w)[:80]}") for page, w in RUN])
def test_command(words, shop, monkeypatch, tmp_path):
    for path in shop.iterdir():  # each command begins with the same, and what it writes is its own
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, tmp_path / path.name)
        else:
            (tmp_path / path.name).symlink_to(path.resolve())
    monkeypatch.chdir(tmp_path)
    if words[0] == "moda" and words[1] in ABSENT:
        shutil.rmtree(ABSENT[words[1]])
    if "train.py" in words:
        train.main(shortened(words[words.index("train.py") + 1 :]))
        assert Path("trained/run.json").is_file()
    elif words[0] == "python":
        done = subprocess.run([sys.executable, *words[1:]], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    else:
        assert moda(small(words[1:])) == 0


def shortened(arguments):
    """A training of some steps on the stand-ins."""
    recipe = load_recipe(arguments[0], arguments[1:])
    extra = [*SHORT, *(["warmup.max_steps=2"] if recipe.warmup else [])]
    if "demo" in recipe.data:
        extra.append("data={path: products.parquet}")
    if "runs/backbones/clip" in recipe.model.values():
        assert moda(["backbones", "runs/backbones", "--data", "products.parquet", *FEW_EPOCHS]) == 0
    if "columns" in recipe.data:
        extra.append("data.path=renamed.parquet")
    return [*arguments, *extra]


FEW_EPOCHS = ("--clip-epochs", "1", "--language-epochs", "1", "--batch-size", "16", "--image-size", "16")


def small(arguments):
    """The command on less: fewer drawings, fewer epochs."""
    if arguments[0] == "demo-data":
        return [*arguments, "--count", "60"]
    if arguments[0] == "backbones":
        return [*arguments, "--data", "products.parquet", *FEW_EPOCHS]
    return arguments
