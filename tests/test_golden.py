"""Repositories that were saved once, on transformers 4.57 and on 5, answer now as they did then: with the code that was saved with
them, as people have it who pin a revision, and with today's. `golden/make.py` says what it means when one does not."""

import json
import shutil
import zipfile
from pathlib import Path

import pytest
from conftest import largest, run_clean
from golden.make import read


ROOT = Path(__file__).parents[1]
GOLDEN = ROOT / "tests" / "golden"
VERSIONS = sorted(file.stem for file in GOLDEN.glob("*.safetensors"))
SCRIPT = """
import sys
from pathlib import Path
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

torch.set_num_threads(1)
golden, work = map(Path, sys.argv[1:3])
sys.path.insert(0, str(golden.parent))
from golden.make import answer, read, write

for version in sys.argv[3:]:
    model = AutoModelForImageTextToText.from_pretrained(work / version, trust_remote_code=True, dtype=torch.float32)
    processor = AutoProcessor.from_pretrained(work / version, trust_remote_code=True)
    kept, _ = read(golden / f"{version}.safetensors")
    write(work / f"{version}.safetensors", *answer(model.eval(), processor, kept["pictures"]))
"""


@pytest.fixture(scope="module", params=["the code saved with it", "today's code"])
def work(request, tmp_path_factory):
    """A folder with what each golden repository answers now, in a process that knows nothing of this checkout."""
    work = tmp_path_factory.mktemp("golden")
    for version in VERSIONS:
        folder = shutil.copytree(GOLDEN / version, work / version)
        if request.param == "today's code":
            for file in ROOT.glob("*_moda.py"):
                shutil.copy(file, folder)
        else:
            zipfile.ZipFile(GOLDEN / "hub_files.zip").extractall(folder)
    run_clean(SCRIPT, GOLDEN, work, *VERSIONS, modules=work / "modules")
    return work


@pytest.mark.parametrize("version", VERSIONS)
def test_it_answers_as_it_did(work, version):
    (now, said_now), (then, said_then) = (read(folder / f"{version}.safetensors") for folder in (work, GOLDEN))
    del then["pictures"]
    assert now.keys() == then.keys()
    apart = {name: largest(now[name], value) for name, value in then.items() if now[name].shape == value.shape}
    assert apart.keys() == then.keys()
    assert apart.pop("logits") < 1e-4 and apart.pop("pixel_values") < 1e-6  # a lost rope_theta moves a logit by 0.0015
    assert not any(apart.values()), apart
    assert said_now == said_then


def test_there_is_one_of_each_major_version():
    assert {version.split(".")[0] for version in VERSIONS} == {"4", "5"}
    for version in VERSIONS:
        config = json.loads((GOLDEN / version / "config.json").read_text())
        assert config["transformers_version"].startswith(version)
