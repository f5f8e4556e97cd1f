"""Every command that the pages name is one that train.py or moda takes, and every recipe key they name exists."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from moda.cli import parse
from moda.training.recipe import Recipe, load_recipe
from moda.training.stage import STAGE_FIELDS, TRAINER_FIELDS


ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def parts():
    """What the pages' shell blocks run, a command each."""
    for page in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(), re.S):
            for line in block.replace("\\\n", " ").splitlines():
                yield from ((page, part) for part in line.split(" && "))


def commands():
    for page, part in parts():
        found = re.search(r"train\.py (recipes/\S+\.yaml.*)", part)
        if found:  # Slurm's is quoted as a whole
            command = found[1] if found[1].count("'") % 2 == 0 else found[1].rstrip("'")
            yield pytest.param(command, id=f"{page.stem}-{command[:60]}")


def moda_commands():
    for page, part in parts():
        found = re.match(r"\s*(?:[A-Z_]+=\S+ )*moda (.*)", part)
        if found:
            yield pytest.param(found[1], id=f"{page.stem}-{found[1][:60]}")


@pytest.mark.parametrize("command", list(moda_commands()))
def test_commands_of_moda_are_taken(command):
    options = parse(shlex.split(command, comments=True))
    assert options.command == command.split()[0] and callable(options.run)


def test_the_pages_python_runs(tmp_path):
    """That of docs/evaluation.md, word for word; test_readme.py has the README's."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "evaluation.md").read_text(), re.S)
    environment = {**os.environ, "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(blocks)], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert len(blocks) == 2 and done.returncode == 0, done.stderr[-3000:]
    assert "cider" in done.stdout and "colour: says red, is Navy Blue" in done.stdout


@pytest.mark.parametrize("command", list(commands()))
def test_commands_are_recipes_with_overrides(command, monkeypatch):
    monkeypatch.chdir(ROOT)
    recipe, *overrides = shlex.split(command, comments=True)
    read = load_recipe(recipe, [*overrides, "use_cpu=true"])
    assert not overrides or read.to_yaml() != load_recipe(recipe, ["use_cpu=true"]).to_yaml()
    for stage in read.stage_list:
        settings = stage.arguments("runs/test")
        batch = settings.per_device_train_batch_size * settings.gradient_accumulation_steps
        assert settings.use_cpu and stage.batch_size in (None, batch)


def test_there_are_commands():
    assert len(list(commands())) >= 10 and len(list(moda_commands())) >= 8


def test_tables_name_keys_that_exist():
    known = set(Recipe.__dataclass_fields__) | STAGE_FIELDS | TRAINER_FIELDS
    recipes, stages = re.split(r"\nA stage takes", (ROOT / "docs" / "training.md").read_text())[:2]
    for text in (recipes, stages.split("\n## ")[0]):
        keys = [key for cell in re.findall(r"^\| (`[^|]+) \|", text, re.M) for key in re.findall(r"`(\w+)`", cell)]
        assert len(keys) > 5 and set(keys) <= known, set(keys) - known
