"""`moda publish`: assembled, loaded by a stranger, shown, uploaded; and no token in anything it writes."""

import contextlib
import io
import json
import os
import pty
import shutil
import sys
import traceback

import pytest
from hub_server import hub  # noqa: F401
from runs import make_run

from moda.cli import main, make_parser
from moda.commands.publish import _upload, find_evaluation
from moda.evaluation.predictions import model_digest
from moda.hub.check import STEPS, check
from moda.hub.files import files_of
from moda.inference.load import load_model


ID = "me/moda-shoes"
PLANTED = "hf_planted" + "0123456789" * 2


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "mine")


@pytest.fixture(scope="module")
def published(run, tmp_path_factory):
    """What a dry run leaves, and what it says, where a token is in the environment and an evaluation of other weights lies."""
    (report := run.with_name("mine-evaluation")).mkdir()
    (report / "scores.json").write_text(json.dumps({"model": {"digest": "of another"}}))
    said = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        patch.setenv("HF_TOKEN", PLANTED)
        assert main(["publish", str(run), ID, "--dry-run", "--tag", "v1.0"]) == 0, said.getvalue()
    shutil.rmtree(report)
    return run.with_name("mine-hub"), said.getvalue()


@pytest.fixture
def token(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", hub.token)
    return hub.token


def options(*arguments):
    return make_parser().parse_args(["publish", "RUN", ID, *arguments])


def contents(folder):
    return {name: path.read_bytes() for name, path in files_of(folder).items()}


def test_a_dry_run_leaves_a_checked_folder(run, published):
    folder, said = published
    assert all(f"samples/{number}.png: " in said for number in range(1, 5)) and all(step in said for step in STEPS)
    size = (folder / "model.safetensors").stat().st_size
    assert f"{size:,}  model.safetensors\n" in said and "Nothing was uploaded;" in said
    assert "its scores are left out" in said and "note: the licence is not known" in said
    assert 'revision="v1.0"' in (folder / "README.md").read_text()


def test_it_is_published_and_no_token_is_told(published, hub, monkeypatch, capfd):
    folder, said = published
    assert not any(PLANTED.encode() in text for text in [said.encode(), *contents(folder).values()])
    monkeypatch.setenv("HF_TOKEN", PLANTED)
    with pytest.raises(PermissionError, match="[Tt]he token") as error:
        _upload(folder, options("--tag", "v1.0"))
    said = "".join(traceback.format_exception(error.value)) + "".join(capfd.readouterr())
    assert PLANTED not in said and not hub.repositories

    hub.tokens[PLANTED] = ("me", "write")  # the same again
    assert _upload(folder, options("--tag", "v1.0")) == 0
    held = {name: content for name, content in hub.files(ID).items() if name != ".gitattributes"}
    (commit,) = hub.commits
    assert held == contents(folder) and hub.repositories[ID].private
    assert hub.repositories[ID].tags == {"v1.0": commit.oid}
    said = "".join(capfd.readouterr())
    assert (
        f"new: {len(held)}, " in said
        and f"{hub.url}/{ID}: uploaded, private, commit {commit.oid[:8]}, tag v1.0" in said
    )
    assert PLANTED not in said
    assert _upload(folder, options("--tag", "v1.0")) == 0 and len(hub.commits) == 1
    assert f"{ID} holds these very files." in capfd.readouterr().out


def test_on_a_terminal_it_asks(hub, token, published, monkeypatch):
    folder, _ = published
    mine, theirs = pty.openpty()
    with open(theirs, closefd=False) as typed, open(theirs, "w", closefd=False) as shown:
        monkeypatch.setattr(sys, "stdin", typed)
        monkeypatch.setattr(sys, "stdout", shown)
        os.write(mine, b"n\n")
        assert _upload(folder, options()) == 1 and not hub.commits
        os.write(mine, b"y\n")
        assert _upload(folder, options("--public")) == 0 and not hub.repositories[ID].private
        (folder / "note.txt").write_text("x")
        assert _upload(folder, options("--public", "--yes")) == 0 and len(hub.commits) == 2
    (folder / "note.txt").unlink()
    text = os.read(mine, 100_000).decode()
    assert f"Upload to {hub.url}/{ID}, private? [y/N] " in text and "Nothing was uploaded" in text
    assert text.count("[y/N]") == 2 and "new: 1, 0.0 MB: note.txt" in text


def test_what_a_stranger_can_not_load_is_told(published, tmp_path):
    broken = shutil.copytree(published[0], tmp_path / "hub")
    (broken / "masks_moda.py").unlink()  # which the installed moda has, and nobody else
    with pytest.raises(
        ValueError, match="hub is no working repository: on transformers .* AutoConfig fails .*masks_moda"
    ):
        check(broken)


def test_an_evaluation_is_of_this_very_model(run, tmp_path, capsys):
    assert find_evaluation(run) is None and "`moda evaluate" in capsys.readouterr().out
    scores = tmp_path / "scores.json"
    scores.write_text(json.dumps({"model": {"digest": model_digest(*load_model(str(run)))}}))
    assert find_evaluation(run, str(tmp_path)) == find_evaluation(run, str(scores)) == json.loads(scores.read_text())
    scores.write_text('{"model": {"digest": "0123"}}')
    with pytest.raises(ValueError, match="scores.json is not of the weights .* run `moda evaluate .*mine` again"):
        find_evaluation(run, str(scores))
    scores.write_text("[]")
    with pytest.raises(ValueError, match="scores.json is no report of moda evaluate"):
        find_evaluation(run, str(scores))


@pytest.mark.parametrize(
    "repository, why",
    [("moda", "it names no owner"), ("me/a/b", "Repo id must be in the form"), ("me/--", "REPO_ID is 'me/--'")],
)
def test_an_id_that_is_none(run, capsys, repository, why):
    assert main(["publish", str(run), repository, "--dry-run"]) == 1
    said = capsys.readouterr().err
    assert why in said and "write OWNER/NAME, such as me/moda-shoes." in said


@pytest.mark.parametrize("tag", ["main", "v 1", "v1..2", "v1.lock", "v1.", "-v1", ""])
def test_a_tag_that_is_none_is_told_at_once(run, capsys, tag):
    assert main(["publish", str(run), ID, "--dry-run", f"--tag={tag}"]) == 1
    said = capsys.readouterr()
    assert f"{tag!r} is no name for a tag" in said.err and said.out == ""


def test_what_others_have_there_is_not_deleted_unasked(published, hub, token, monkeypatch):
    folder, _ = published
    hub.create(ID, private=True)
    hub.commit(ID, {"README.md": b"A language model.", "model.safetensors": b"weights", "vocab.json": b"{}"}, "theirs")
    before = list(hub.commits)
    with pytest.raises(ValueError, match=rf"{ID} holds something else \(vocab.json, …\), of which this would delete 1"):
        _upload(folder, options())
    assert hub.commits == before
    assert _upload(folder, options("--yes")) == 0 and "vocab.json" not in hub.files(ID, "main")


def test_a_failed_check_sends_nothing(run, hub, token, monkeypatch, tmp_path, capsys):
    def check(folder, say):
        raise ValueError("it does not load.")

    monkeypatch.setattr("moda.hub.check.check", check)
    assert main(["publish", str(run), ID, "--output", str(tmp_path / "made")]) == 1
    assert "it does not load." in capsys.readouterr().err and not hub.commits and not hub.repositories


def test_what_is_wrong_is_told_before_anything_is_done(run, hub, monkeypatch, tmp_path, capsys):
    def said(*arguments):
        assert main(["publish", *map(str, arguments)]) == 1
        text = capsys.readouterr()
        assert text.out == "" and text.err.count("\n") == 1 and text.err.startswith("moda publish: ")
        return text.err

    assert "log in by `hf auth login` or set HF_TOKEN" in said(run, ID)
    assert "There is no folder" in said(tmp_path / "nothing", ID, "--dry-run")
    assert "mine/hub lies in" in said(run, ID, "--dry-run", "--output", run / "hub")
    (tmp_path / "graph.json").write_text("{}")
    assert "is an exported graph" in said(tmp_path, ID, "--dry-run")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE is set" in said(run, ID)
