"""MODA loads on the versions of transformers that pyproject.toml names, says so on any other, and calls nothing deprecated."""

import json
import tomllib
from pathlib import Path

import pytest
from conftest import make_picture, run_clean
from packaging.requirements import Requirement

from configuration_moda import TRANSFORMERS, refuse_other_transformers


ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
VERSIONS = (
    "3.5.1 4.9.2 4.56.2 4.57.0.dev0 4.57.0 4.57.6 4.58.0 5.0.0rc1 5.0.0 5.23.0 5.24.0.dev0 5.100.1 6.0.0 10.0".split()
)


def test_the_range_is_that_of_what_is_installed():
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    named = [Requirement(line) for line in [*PROJECT["dependencies"], *extras]]
    ranges = [requirement.specifier for requirement in named if requirement.name == "transformers"]
    assert len(ranges) == 2 and all(found == Requirement(f"transformers{TRANSFORMERS}").specifier for found in ranges)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_is_refused_where_pip_would_not_install_it(version):
    (line,) = (line for line in PROJECT["dependencies"] if line.startswith("transformers"))
    released = version.split("rc")[0].split(".dev")[0]  # pip puts 4.57.0.dev0 before 4.57: here it counts as 4.57
    if Requirement(line).specifier.contains(released):
        refuse_other_transformers(version)
        return
    with pytest.raises(RuntimeError, match=r"^MODA runs on transformers>=") as refused:
        refuse_other_transformers(version)
    assert version in str(refused.value) and f'`pip install "{line}"`' in str(refused.value)


def test_pre_releases_of_the_next_major_version_are_refused():
    with pytest.raises(RuntimeError, match="6.0.0.dev0"):
        refuse_other_transformers("6.0.0.dev0")


REFUSED = """
import json, sys
import transformers

told = {}
for name in ("AutoProcessor", "AutoConfig", "AutoModel", "AutoModelForCausalLM", "pipeline"):
    made = getattr(transformers, name)
    sys.modules["transformers"].__version__ = "4.56.2"  # what "import transformers" gives from here on
    try:
        if name == "pipeline":
            made("image-to-text", sys.argv[1], trust_remote_code=True)
        else:
            made.from_pretrained(sys.argv[1], trust_remote_code=True)
    except Exception as error:
        told[name] = [type(error).__name__, str(error)]
print(json.dumps(told))
"""


def test_every_way_to_load_a_repository_says_the_sentence(repository, tmp_path):
    told = json.loads(run_clean(REFUSED, repository, modules=tmp_path))
    assert len(told) == 5
    for name, (error, said) in told.items():
        assert error == "RuntimeError" and said.count(". ") == 0, (name, error, said)
        assert said.startswith("MODA runs on transformers>=") and "not on the 4.56.2" in said, name


USED = """
import logging, sys, warnings

warnings.simplefilter("error", FutureWarning)
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor, GenerationConfig, pipeline

said = []
class Keep(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())
logging.getLogger("transformers").addHandler(Keep())
folder, again = sys.argv[1:3]
model = AutoModelForImageTextToText.from_pretrained(folder, trust_remote_code=True)
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
picture = Image.open(f"{again}.png")
model(**processor(images=picture, suffix="A red shirt.")).loss.backward()
inputs = processor(images=picture)
for way in ({}, {"num_beams": 2}, {"do_sample": True, "temperature": 0.5}):
    model.generate(**inputs, max_new_tokens=3, **way)
processor.apply_chat_template([{"role": "user", "content": [{"type": "text", "text": "Hi"}]}], tokenize=True)
pipeline("image-to-text", folder, trust_remote_code=True)(picture, max_new_tokens=3)
model.save_pretrained(again)
processor.save_pretrained(again)
print(*said, sep="\\n")
"""


def test_transformers_calls_nothing_deprecated_in_its_log(repository, tmp_path):
    """Most of its deprecations are lines of its log, which pytest's filters do not see."""
    make_picture().save(tmp_path / "again.png")
    said = run_clean(USED, repository, tmp_path / "again", modules=tmp_path / "modules")
    about = [line for line in said.splitlines() if "deprecat" in line.lower() or "will be removed" in line.lower()]
    assert about == []
