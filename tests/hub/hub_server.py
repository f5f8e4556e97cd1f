"""A Hub of one's own, in memory, and what tests upload to it.

It is at two addresses, as the Hub is: its own, which wants a token, and one for the storage of large files, which is given
signed addresses and must never see a token.
"""

import http.server
import os
import re
import secrets
import threading
import warnings
from dataclasses import dataclass, field

import pytest
from hub_protocol import LARGE, Handler, sha256


ATTRIBUTES = "".join(f"*{suffix} filter=lfs diff=lfs merge=lfs -text\n" for suffix in LARGE).encode()
ID = "me/moda"
FILES = {
    "README.md": b"---\nlicense: apache-2.0\n---\n# A model\n",
    "config.json": b'{"model_type": "moda"}',
    "model-00001-of-00002.safetensors": bytes(range(256)) * 40,
    "model-00002-of-00002.safetensors": bytes(range(256)) * 20,
    "samples/0.png": b"a picture",
}


@dataclass
class Commit:
    repository: str
    oid: str
    parent: str | None
    message: str
    files: dict  # path → bytes


@dataclass
class Repository:
    private: bool
    commits: dict = field(default_factory=dict)  # oid → Commit
    branches: dict = field(default_factory=dict)
    tags: dict = field(default_factory=dict)
    stored: dict = field(default_factory=dict)  # SHA-256 → bytes of a large file, also of one that no commit has yet

    def find(self, revision):
        oid = self.branches.get(revision) or self.tags.get(revision) or revision
        return next((commit for commit in self.commits.values() if len(oid) > 6 and commit.oid.startswith(oid)), None)


@dataclass
class Request:
    to_storage: bool
    method: str
    path: str
    headers: dict  # names in lower case


class Server(http.server.ThreadingHTTPServer):
    request_queue_size = 64

    def __init__(self, hub):
        super().__init__(("127.0.0.1", 0), Handler)
        self.hub = hub

    def handle_error(self, *args):  # a client has gone
        pass


class Hub:
    """The server.

    Attributes:
        url, storage (`str`): Its two addresses.
        tokens (`dict[str, tuple]`): Token → whose it is, and whether it may `"write"` or `"read"`.
        token (`str`): One that may write to what belongs to `me`.
        repositories (`dict[str, Repository]`)
        commits (`list[Commit]`): Those that were uploaded, in their order; not the one that a repository begins with.
        requests (`list[Request]`): All that came, in their order.
    """

    def __init__(self):
        self.token = f"hf_{secrets.token_hex(17)}"
        self.tokens = {self.token: ("me", "write")}
        self.repositories, self.commits, self.requests, self.faults = {}, [], [], []
        self.lock, self.closed, self.signature = threading.RLock(), threading.Event(), secrets.token_hex(8)
        self.servers = [Server(self), Server(self)]
        for server in self.servers:
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        self.url, self.storage = (f"http://127.0.0.1:{server.server_port}" for server in self.servers)

    def close(self):
        self.closed.set()
        for server in self.servers:
            server.shutdown()
            server.server_close()

    def note(self, *request):
        self.requests.append(Request(*request))

    def fail(self, method, path, how, times=None):
        """Makes what is asked go wrong.

        Args:
            method (`str`): Or a pattern of several.
            path (`str`): A pattern to search the path for.
            how: `"cut"`: hangs up in the middle of the body that is sent, or else of the answer; `"stall"`: goes silent
                there; `"lost"`: does what is asked, and hangs up before the answer; a status: answers with it; seconds,
                as a float: is that late; a function: called with the handler before what is asked.
            times (`int`, *optional*): Defaults to always, until [`heal`].
        """
        self.faults.append([method, path, how, times])

    def heal(self):
        self.faults.clear()

    def take_fault(self, method, path):
        with self.lock:
            for fault in self.faults:
                if re.fullmatch(fault[0], method) and re.search(fault[1], path) and fault[3] != 0:
                    fault[3] = fault[3] and fault[3] - 1
                    return fault[2]

    def create(self, repository, private):
        self.repositories[repository] = Repository(private)
        self.commit(repository, {".gitattributes": ATTRIBUTES}, "initial commit")

    def commit(self, repository, files, message, branch="main"):
        """Commits files, or with None instead of their bytes deletes them, as anyone might at any time."""
        with self.lock:
            here = self.repositories[repository]
            parent = here.commits.get(here.branches.get(branch))
            files = {**(parent.files if parent else {}), **files}
            files = {path: content for path, content in sorted(files.items()) if content is not None}
            commit = Commit(repository, secrets.token_hex(20), parent and parent.oid, message, files)
            here.commits[commit.oid], here.branches[branch] = commit, commit.oid
            here.stored.update({sha256(files[path]): files[path] for path in files if path.endswith(LARGE)})
            return commit

    def files(self, repository, revision="main"):
        """Path → bytes at a revision."""
        return self.repositories[repository].find(revision).files

    def environment(self, home, token=None):
        """The environment of a process whose huggingface_hub is to talk to this Hub, and keeps its files in `home`."""
        own = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "TRANSFORMERS_"))}
        own |= {"HF_ENDPOINT": self.url, "HF_HOME": str(home), "HF_HUB_DISABLE_TELEMETRY": "1"}
        own |= {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1", "OMP_NUM_THREADS": "1"}
        return own | ({"HF_TOKEN": token} if token else {})


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A Hub, to which this process's uploads go; one that downloads needs [`Hub.environment`] from its start."""
    from huggingface_hub import constants, utils

    def forget():  # open connections, and what keeps version 0 offline
        (getattr(utils, "close_session", None) or utils.reset_sessions)()

    # huggingface_hub 2 sends large files in a way that its httpx2 warns of; pytest takes this back after the test.
    warnings.filterwarnings("ignore", "Use 'content=", DeprecationWarning)
    server = Hub()
    changed = {"ENDPOINT": server.url, "HF_HUB_OFFLINE": False, "HF_HUB_DISABLE_XET": True}
    for name, value in {**changed, "HF_TOKEN_PATH": str(tmp_path / "no-token")}.items():
        monkeypatch.setattr(constants, name, value)
    monkeypatch.delenv("HF_TOKEN", raising=False)
    forget()
    yield server
    monkeypatch.undo()
    forget()
    server.close()


@pytest.fixture
def folder(tmp_path):
    return write(tmp_path / "folder", FILES)


@pytest.fixture
def token(hub, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", hub.token)
    return hub.token


@pytest.fixture
def impatient(monkeypatch):
    """Without the pauses that huggingface_hub makes before it tries again."""
    monkeypatch.setattr("time.sleep", lambda seconds: None)


def write(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def said(error):
    """The one sentence of an error."""
    text = str(error.value)
    assert "\n" not in text and text.endswith(".") and ID in text, text
    assert text[0].isupper() or text.startswith(ID), text
    return text
