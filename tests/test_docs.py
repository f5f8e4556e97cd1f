"""Every command of train.py that the pages name is one that it takes, and every recipe key they name exists."""

import re
import shlex
from pathlib import Path

import pytest

from moda.training.recipe import Recipe, load_recipe
from moda.training.stage import STAGE_FIELDS, TRAINER_FIELDS


ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "docs" / "training.md"]


def commands():
    for page in PAGES:
        for block in re.findall(r"```bash\n(.*?)```", page.read_text(), re.S):
            for line in block.replace("\\\n", " ").splitlines():
                for part in line.split(" && "):
                    found = re.search(r"train\.py (recipes/\S+\.yaml.*)", part)
                    if found:  # Slurm's is quoted as a whole
                        command = found[1] if found[1].count("'") % 2 == 0 else found[1].rstrip("'")
                        yield pytest.param(command, id=f"{page.stem}-{command[:60]}")


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
    assert len(list(commands())) >= 10


def test_tables_name_keys_that_exist():
    known = set(Recipe.__dataclass_fields__) | STAGE_FIELDS | TRAINER_FIELDS
    recipes, stages = re.split(r"\nA stage takes", (ROOT / "docs" / "training.md").read_text())[:2]
    for text in (recipes, stages.split("\n## ")[0]):
        keys = [key for cell in re.findall(r"^\| (`[^|]+) \|", text, re.M) for key in re.findall(r"`(\w+)`", cell)]
        assert len(keys) > 5 and set(keys) <= known, set(keys) - known
