"""Who may upload, and that no error, log or traceback tells with which token."""

import logging
import traceback

import pytest
from hub_protocol import Refused
from hub_server import ID, folder, hub, impatient, said, token, write  # noqa: F401
from huggingface_hub import HfApi

from moda.hub.upload import changes, upload


def test_a_repository_that_the_token_may_not_see(hub, token, folder):
    def hide(handler):
        raise Refused(404, "Repository not found", "RepoNotFound")

    hub.fail("GET", f"/api/models/{ID}", hide)
    with pytest.raises(PermissionError, match="may not see") as error:
        upload(folder, ID)
    assert said(error) and not hub.commits


def test_rights(hub, folder):
    with pytest.raises(PermissionError, match="hf auth login") as error:
        upload(folder, ID)
    assert said(error) and not hub.requests
    assert changes(folder, ID).commit is None  # one may look without a token
    assert HfApi(token=hub.token).whoami()["name"] == "me"
    hub.tokens |= {"hf_reads": ("me", "read"), "hf_other": ("you", "write")}
    with pytest.raises(PermissionError, match="does not know the token"):
        upload(folder, ID, token="hf_unknown")
    for name, other in ((ID, "hf_reads"), (ID, "hf_other"), ("you/moda", hub.token)):
        with pytest.raises(PermissionError, match=f"may not write to {name}"):
            upload(folder, name, token=other)
    assert not hub.repositories
    upload(folder, ID, token=f" {hub.token}\n")  # as it is copied
    write(folder, {"config.json": b"{}"})
    for other in ("hf_reads", "hf_other"):  # the other does not even see it
        with pytest.raises(PermissionError, match=ID):
            upload(folder, ID, token=other)
    assert len(hub.commits) == 1
    upload(folder, "me/open", private=False, token=hub.token)
    assert not changes(folder, "me/open") and changes(folder, ID).commit is None


@pytest.mark.parametrize("how", [401, 403, 404, 418, 500, "cut", "lost"])
def test_no_error_tells_the_token(hub, folder, impatient, monkeypatch, caplog, capfd, how):
    planted = "hf_planted0123456789"
    hub.tokens[planted] = ("me", "write")
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "huggingface_hub")
    monkeypatch.setattr(logging.getLogger("huggingface_hub"), "propagate", True)
    steps = ["GET ^/api/models/", "POST create", "PUT objects", "POST /commit/", "POST /tag/"]
    for method, path in map(str.split, steps):
        hub.fail(method, path, how)
        with pytest.raises((PermissionError, ConnectionError, ValueError)) as error:
            upload(folder, ID, token=planted)
        told, error = "".join(traceback.format_exception(error.value)), error.value
        assert planted not in told and hub.signature not in told, told
        assert error.__cause__ is None and error.__context__ is None  # a request, with its headers, would hang on them
        assert not hasattr(error, "request") and not hasattr(error, "response")
        hub.heal()
    assert "huggingface_hub" in caplog.text
    assert planted not in caplog.text and planted not in "".join(capfd.readouterr())


def test_an_answer_that_repeats_the_token_is_not_passed_on(hub, token, folder):
    def repeat(handler):
        raise Refused(400, f"What is {handler.headers['Authorization']}?")

    hub.fail("POST", "/preupload/", repeat)
    with pytest.raises(ValueError, match="status 400") as error:
        upload(folder, ID)
    assert token not in said(error)


@pytest.mark.parametrize("token", ["hf_with\nbreak", "hf_wîth", " hf_spaces\n"])
def test_a_token_that_is_none_is_not_told_either(hub, folder, token):
    with pytest.raises(PermissionError, match="huggingface.co/settings/tokens") as error:
        upload(folder, ID, token=token)
    assert token.strip()[:7] not in "".join(traceback.format_exception(error.value))
