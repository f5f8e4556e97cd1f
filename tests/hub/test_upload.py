"""An upload is one commit with a tag, and ends the same wherever it was interrupted."""

import re

import pytest
from hub_server import FILES, ID, folder, hub, impatient, said, token, write  # noqa: F401

from moda.hub.upload import changes, upload


SENDING = ("POST", "PUT")


def holds(hub, revision="main"):
    return {path: content for path, content in hub.files(ID, revision).items() if path != ".gitattributes"}


def test_a_new_repository_is_private_and_one_commit_with_a_tag(hub, token, folder):
    found = changes(folder, ID)
    assert found and found.added == {path: len(content) for path, content in FILES.items()}
    assert not found.changed and not found.deleted and found.commit is None and not hub.repositories
    done = upload(folder, ID)
    (commit,) = hub.commits
    assert (done.url, done.commit, done.tag, done.changed) == (f"{hub.url}/{ID}", commit.oid, "v1", True)
    assert commit.message == "Publish v1" and holds(hub) == holds(hub, "v1") == FILES
    assert hub.repositories[ID].private and hub.repositories[ID].tags == {"v1": commit.oid}
    assert not changes(folder, ID)


def test_large_files_go_to_their_storage_and_the_token_does_not(hub, token, folder):
    upload(folder, ID)
    to_storage = [request for request in hub.requests if request.to_storage]
    assert [request.method for request in to_storage] == ["PUT", "PUT"]
    assert not any(token in str(request.headers) + request.path for request in to_storage)
    to_hub = [request for request in hub.requests if not request.to_storage and ID in request.path]
    assert all(request.headers["authorization"] == f"Bearer {token}" for request in to_hub)


def test_what_is_the_same_makes_no_commit(hub, token, folder):
    first = upload(folder, ID)
    sent = len(hub.requests)
    again = upload(folder, ID)
    assert (again.commit, again.tag, again.changed) == (first.commit, "v1", False)
    assert len(hub.commits) == 1 and not any(request.method in SENDING for request in hub.requests[sent:])
    assert upload(folder, ID, tag="v1").tag == "v1"  # on this very commit
    assert upload(folder, ID, tag="spring").tag == "spring"
    assert hub.repositories[ID].tags == {"v1": first.commit, "spring": first.commit}
    assert upload(folder, ID).tag == "v1"


def test_a_change_is_one_commit_and_the_next_tag(hub, token, folder):
    first = upload(folder, ID)
    (folder / "samples/0.png").unlink()
    new = {"config.json": b"{}", "LICENSE": b"Apache", "model-00002-of-00002.safetensors": bytes(20 * 256)}
    write(folder, new)
    found = changes(folder, ID)
    assert (found.added, found.deleted, found.commit) == ({"LICENSE": 6}, {"samples/0.png": 9}, first.commit)
    assert found.changed == {"config.json": 2, "model-00002-of-00002.safetensors": 20 * 256}
    stored = [request.path for request in hub.requests if request.to_storage]
    done = upload(folder, ID, message="Spring")
    assert done.tag == "v2" and done.changed and len(hub.commits) == 2
    assert (hub.commits[1].parent, hub.commits[1].message) == (first.commit, "Spring")
    assert holds(hub) == {**{path: FILES[path] for path in FILES if path != "samples/0.png"}, **new}
    assert ".gitattributes" in hub.files(ID) and holds(hub, "v1") == FILES
    assert len([request for request in hub.requests if request.to_storage]) == len(stored) + 1  # the changed one
    back = changes(write(folder, FILES), ID, revision="v1")
    assert back.added == {"LICENSE": 6} and not back.changed and not back.deleted


def test_a_tag_on_another_commit_is_refused_before_anything_is_sent(hub, token, folder):
    first = upload(folder, ID)
    write(folder, {"config.json": b"{}"})
    sent = len(hub.requests)
    with pytest.raises(ValueError, match="another tag") as error:
        upload(folder, ID, tag="v1")
    assert first.commit[:8] in said(error)
    assert not any(request.method in SENDING for request in hub.requests[sent:])
    assert upload(folder, ID, tag="v7").tag == "v7" and hub.repositories[ID].tags["v1"] == first.commit
    with pytest.raises(ValueError, match="another tag"):  # nothing to commit, and the tag is elsewhere
        upload(folder, ID, tag="v1")
    write(folder, {"config.json": b"[]"})
    assert upload(folder, ID).tag == "v8"


@pytest.mark.parametrize("how", ["cut", "lost", 503])
def test_interrupted_anywhere_and_run_again_it_ends_the_same(hub, token, folder, impatient, how):
    upload(folder, "me/whole")
    paths = [(request.method, request.path.replace("me/whole", ID)) for request in hub.requests]
    asked = {(method, re.sub(r"/\w{40}$", r"/\\w{40}", path)) for method, path in paths}
    asked -= {("GET", "/api/agent-harnesses")}  # huggingface_hub 2 asks, and goes on without
    assert len(asked) == 11, asked
    for method, path in sorted(asked):
        hub.repositories.pop(ID, None)
        hub.commits.clear()
        hub.fail(method, f"^{path}$", how)
        with pytest.raises(ConnectionError, match="run this again") as error:
            upload(folder, ID)
        assert said(error), path
        hub.heal()
        done = upload(folder, ID)
        (commit,) = hub.commits
        assert hub.repositories[ID].tags == {"v1": commit.oid} == {done.tag: done.commit}, path
        assert holds(hub) == FILES and hub.repositories[ID].private, path


def test_a_hub_that_does_not_answer_is_not_waited_for(hub, token, folder, monkeypatch):
    monkeypatch.setattr("moda.hub.upload.SECONDS", 0.1)
    hub.fail("GET", "/api/models/", 30.0)
    with pytest.raises(ConnectionError, match="Timeout") as error:
        upload(folder, ID)
    assert said(error)


def test_a_short_failure_heals_itself(hub, token, folder, impatient):
    hub.fail("PUT", "/objects/", "cut", times=2)
    assert upload(folder, ID).changed and holds(hub) == FILES


def test_what_was_sent_is_not_sent_again(hub, token, folder, impatient):
    hub.fail("POST", "/commit/", 500)
    with pytest.raises(ConnectionError, match="status 500"):
        upload(folder, ID)
    hub.heal()
    upload(folder, ID)
    assert len([request for request in hub.requests if request.to_storage]) == 2


def test_a_commit_in_between_is_refused(hub, token, folder):
    upload(folder, ID)
    write(folder, {"config.json": b"{}"})
    hub.fail("POST", "/commit/", lambda _: hub.commit(ID, {"notes.txt": b"mine"}, "by hand"), times=1)
    with pytest.raises(ValueError, match="Someone has changed") as error:
        upload(folder, ID)
    assert said(error) and hub.files(ID)["notes.txt"] == b"mine" and len(hub.commits) == 1
    assert changes(folder, ID).deleted == {"notes.txt": 4}
    upload(folder, ID)
    assert holds(hub) == {**FILES, "config.json": b"{}"} and list(hub.repositories[ID].tags) == ["v1", "v2"]


def test_a_tag_that_another_sets_in_between_is_refused(hub, token, folder):
    upload(folder, "me/other")
    first = upload(folder, ID).commit
    write(folder, {"config.json": b"{}"})
    hub.fail("POST", "/tag/", lambda _: hub.repositories[ID].tags.update(v2=first), times=1)
    with pytest.raises(ValueError, match="another tag"):
        upload(folder, ID)
    assert upload(folder, ID).tag == "v3" and len(hub.commits) == 3


@pytest.mark.parametrize("private", [True, False])
def test_visibility_is_asked_for_and_never_changed(hub, token, folder, private):
    upload(folder, ID, private=private)
    assert hub.repositories[ID].private == private
    write(folder, {"config.json": b"{}"})
    sent = len(hub.requests)
    with pytest.raises(ValueError, match="settings") as error:
        upload(folder, ID, private=not private)
    assert f"is {'private' if private else 'public'}" in said(error)
    assert not any(request.method in SENDING for request in hub.requests[sent:])
    assert hub.repositories[ID].private == private and holds(hub) == FILES


def test_a_repository_that_another_makes_in_between_is_refused(hub, token, folder):
    hub.fail("POST", "create", lambda _: hub.create(ID, private=False), times=1)
    with pytest.raises(ValueError, match="is public and is to be private"):
        upload(folder, ID)
    assert not hub.commits


def test_what_is_no_folder_name_tag_or_card(hub, token, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "missing"):
        with pytest.raises(ValueError, match="holds no files"):
            upload(path, ID)
    for name in ("moda", "me/moda/x", "me/mo da", "../moda"):
        with pytest.raises(ValueError, match="OWNER/NAME"):
            upload(folder, name)
    for tag in ("main", "a b", "-x", ""):
        with pytest.raises(ValueError, match="no name for a tag"):
            upload(folder, ID, tag=tag)
    assert not hub.repositories and not hub.requests
    upload(folder, ID)
    with pytest.raises(ValueError, match="no revision 'v9'"):
        changes(folder, ID, revision="v9")
    write(folder, {"README.md": b"---\n[\n---\n"})
    with pytest.raises(ValueError, match=r"README\.md.*not YAML") as error:
        upload(folder, ID)
    assert said(error) and holds(hub) == FILES


def test_what_huggingface_hub_leaves_in_a_folder_is_not_uploaded(hub, token, folder):
    write(folder, {".cache/huggingface/download/config.json.metadata": b"x", ".git/config": b"x"})
    upload(folder, ID)
    assert holds(hub) == FILES


def test_offline_says_so(hub, token, folder, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    (getattr(huggingface_hub, "close_session", None) or huggingface_hub.utils.reset_sessions)()
    with pytest.raises(ConnectionError, match="HF_HUB_OFFLINE") as error:
        upload(folder, ID)
    assert said(error) and not hub.requests
