"""What is installed is what there is: no file forgotten in pyproject.toml, nothing shipped that imports the workshop."""

import ast
import re
import sys
import tomllib
from pathlib import Path

import pytest


ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
HUB_FILES = sorted(ROOT.glob("*_moda.py"))


def test_every_module_and_package_is_installed():
    listed = PROJECT["tool"]["setuptools"]
    assert listed["py-modules"] == [path.stem for path in HUB_FILES]
    packages = {str(path.parent.relative_to(ROOT)).replace("/", ".") for path in (ROOT / "moda").rglob("__init__.py")}
    assert set(listed["packages"]) == packages | {"hub_card"}


@pytest.mark.parametrize("path", HUB_FILES, ids=lambda path: path.stem)
def test_hub_files_stand_alone(path):
    allowed = {"torch", "transformers", "PIL", *(file.stem for file in HUB_FILES), *sys.stdlib_module_names}
    imported = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module.split(".")[0])
    assert imported <= allowed


def test_no_folder_of_the_workshop_reaches_into_another():
    may = {"training": {"training", "evaluation", "data"}}
    for path in (ROOT / "moda").glob("*/*.py"):
        folder = path.parent.name
        if folder == "commands":  # which sit on top
            continue
        found = set(re.findall(r"^\s*(?:from|import) (?:moda\.|\.\.)(\w+)", path.read_text(), re.M)) - {"presets"}
        assert found <= may.get(folder, {folder, "data"}), path


def test_torch_is_pinned_and_ranges_admit_what_was_tested():
    pins = dict(re.findall(r"^([\w-]+)==(.+)$", (ROOT / "constraints.txt").read_text(), re.M))
    assert {"torch", "transformers", "datasets"} <= set(pins)
    from packaging.requirements import Requirement

    for line in PROJECT["project"]["dependencies"]:
        requirement = Requirement(line)
        pinned = {name.lower(): version for name, version in pins.items()}[requirement.name.lower()]
        assert pinned in requirement.specifier, line
