"""A repository that was uploaded is loaded by its id, as its users do it: in clean processes, over HTTP."""

import json
import os
import shutil
import subprocess
import sys
import time

import pytest
from conftest import BLOCK, ROOT, make_model, make_picture
from hub_server import hub  # noqa: F401

from moda.hub.upload import upload


ID = "me/moda-tiny"
LOADING = """
import json, sys
import torch
from PIL import Image
from transformers import AutoModel, AutoProcessor, pipeline

torch.set_num_threads(1)
repository, picture = sys.argv[1:]
picture, told = Image.open(picture), {}
for revision in ("v1", "main"):
    ours = {"revision": revision, "trust_remote_code": True}
    model = AutoModel.from_pretrained(repository, dtype=torch.float32, **ours).eval()
    processor = AutoProcessor.from_pretrained(repository, **ours)
    inputs = processor(picture, return_tensors="pt")
    with torch.no_grad():
        logits = model(**inputs).logits
    sequence = model.generate(**inputs, max_new_tokens=4, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    told[revision] = {
        "class": type(model).__name__,
        "weights": sum(parameter.double().sum().item() for parameter in model.parameters()),
        "logits": logits.double().sum().item(),
        "sentence": processor.decode(sequence, skip_special_tokens=True).strip(),
    }
describe = pipeline("image-to-text", repository, revision="v1", trust_remote_code=True, dtype=torch.float32)
told["pipeline"] = describe(picture, max_new_tokens=4, do_sample=False)[0]["generated_text"].strip()
print(json.dumps(told))
"""
UPLOADING = """
import sys
from moda.hub.upload import upload

done = upload(*sys.argv[1:])
print(done.commit, done.tag)
"""
DESCRIBING = """
import sys
from moda.cli import main

sys.exit(main([*sys.argv[1:], "--revision", "v1"]) or main(sys.argv[1:]))
"""
DOWNLOADING = """
import sys
from huggingface_hub import snapshot_download

print(snapshot_download(sys.argv[1], revision=sys.argv[2]))
"""


def start(hub, home, *command):
    return subprocess.Popen(
        [sys.executable, *map(str, command)],
        env=hub.environment(home, hub.token),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(hub, home, *command, starts=1):
    """What a process prints; started again where it may fail, as huggingface_hub 0 does when a download is cut."""
    process = start(hub, home, *command)
    out, err = process.communicate(timeout=300)
    assert hub.token not in out + err
    if process.returncode and starts > 1:
        return run(hub, home, *command, starts=starts - 1)
    assert process.returncode == 0, err[-3000:]
    return out


def downloads(hub):
    return [request.headers for request in hub.requests if request.to_storage and request.method == "GET"]


def kill_in_the_middle(hub, method, home, *command):
    """Kills a process while it sends or gets a large file, of which half is through."""
    hub.fail(method, "/objects/", "stall")
    process = start(hub, home, *command)
    while not any(request.to_storage for request in hub.requests):
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.01)
    process.kill()
    process.communicate()
    hub.heal()


def token_stays_home(hub):
    return not any(hub.token in f"{request.path} {request.headers}" for request in hub.requests if request.to_storage)


@pytest.fixture
def revisions(hub, repository, tmp_path):
    """The models of two uploads, of which the second changes the weights, and the folder."""
    folder, models = shutil.copytree(repository, tmp_path / "moda-tiny"), {}
    for revision, seed in (("v1", 0), ("main", 1)):
        models[revision] = make_model(seed)
        models[revision].save_pretrained(folder)
        upload(folder, ID, token=hub.token)
    return models


def test_a_pinned_revision_stays_when_the_main_one_changes(hub, revisions, tmp_path):
    assert list(hub.repositories[ID].tags) == ["v1", "v2"] and len(hub.commits) == 2
    make_picture().save(tmp_path / "picture.png")
    home, picture = tmp_path / "home", tmp_path / "picture.png"
    told = json.loads(run(hub, home, "-I", "-c", BLOCK + LOADING, ID, picture))
    for revision, model in revisions.items():
        weights = sum(parameter.double().sum().item() for parameter in model.parameters())
        assert told[revision]["class"] == "ModaForConditionalGeneration"
        assert abs(told[revision]["weights"] - weights) < 1e-6, revision
    assert told["v1"]["sentence"] != told["main"]["sentence"] and told["v1"]["logits"] != told["main"]["logits"]
    assert told["pipeline"] == told["v1"]["sentence"]
    assert len(downloads(hub)) == 2 and token_stays_home(hub)
    plain = ["--max-new-tokens", "4", "--dtype", "float32", "--quantize", "none"]
    lines = run(hub, home, "-c", DESCRIBING, "describe", picture, "--model", ID, *plain).splitlines()
    assert [line.split("\t")[-1].strip() for line in lines] == [told[name]["sentence"] for name in ("v1", "main")]
    assert len(downloads(hub)) == 2  # from the cache


def test_killed_while_it_uploads_and_started_again(hub, repository, tmp_path):
    command = ["-c", UPLOADING, repository, ID]
    kill_in_the_middle(hub, "PUT", tmp_path / "home", *command)
    assert not hub.commits and not hub.repositories[ID].tags and list(hub.files(ID)) == [".gitattributes"]
    commit, tag = run(hub, tmp_path / "home", *command).split()
    assert [made.oid for made in hub.commits] == [commit] and hub.repositories[ID].tags == {tag: commit}
    assert run(hub, tmp_path / "home", *command).split() == [commit, tag] and len(hub.commits) == 1
    files = {path.name: path.read_bytes() for path in repository.iterdir()}
    assert {path: content for path, content in hub.files(ID).items() if path != ".gitattributes"} == files
    assert token_stays_home(hub)


def test_killed_while_it_downloads_and_started_again(hub, tmp_path):
    (tmp_path / "folder").mkdir()
    for name, size in (("config.json", 1), ("model.safetensors", 2**17)):  # of 32 MB, of which each 10 are kept
        (tmp_path / "folder" / name).write_bytes(bytes(range(256)) * size)
    upload(tmp_path / "folder", ID, token=hub.token)
    hub.requests.clear()
    command = ["-c", DOWNLOADING, ID, "v1"]
    kill_in_the_middle(hub, "GET", tmp_path / "home", *command)
    hub.fail("GET", "/objects/", "cut", times=1)
    folder = run(hub, tmp_path / "home", *command, starts=2).strip()
    assert f"bytes={10 * 2**20}-" in [headers.get("range") for headers in downloads(hub)]  # it went on where it was
    assert {name for name in os.listdir(folder)} == set(hub.files(ID))
    for name, content in hub.files(ID).items():
        with open(f"{folder}/{name}", "rb") as file:
            assert file.read() == content, name
    assert token_stays_home(hub)
