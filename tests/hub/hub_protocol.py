"""The HTTP interface of the Hub: what huggingface_hub 0.36 and 2.4 ask of huggingface.co about a model repository."""

import base64
import hashlib
import http.server
import json
import re
import socket
from contextlib import suppress
from urllib.parse import parse_qs, unquote, urlsplit

import yaml


LARGE = (".safetensors", ".parquet", ".zip")  # kept in the storage of large files, as .gitattributes says
REPOSITORY, REVISION = r"(?P<repository>[^/]+/[^/]+)", r"(?P<revision>[^/]+)"
ROUTES = [
    ("POST", r"/api/repos/create", "create"),
    ("GET", r"/api/whoami-v2", "whoami"),
    ("POST", r"/api/validate-yaml", "validate"),
    ("GET", rf"/api/models/{REPOSITORY}(?:/revision/{REVISION})?", "info"),
    ("GET", rf"/api/models/{REPOSITORY}/refs", "refs"),
    ("GET", rf"/api/models/{REPOSITORY}/tree/{REVISION}(?:/(?P<path>.+))?", "tree"),
    ("POST", rf"/api/models/{REPOSITORY}/preupload/{REVISION}", "preupload"),
    ("POST", rf"/api/models/{REPOSITORY}/commit/{REVISION}", "commit"),
    ("POST", rf"/api/models/{REPOSITORY}/tag/{REVISION}", "tag"),
    ("POST", rf"/{REPOSITORY}\.git/info/lfs/objects/batch", "batch"),
    ("POST", rf"/{REPOSITORY}\.git/info/lfs/objects/verify", "verify"),
    ("GET", rf"/{REPOSITORY}/resolve/{REVISION}/(?P<path>.+)", "resolve"),
    ("PUT", rf"/objects/{REPOSITORY}/(?P<name>\w+)", "put_object"),
    ("GET", rf"/objects/{REPOSITORY}/(?P<name>\w+)", "get_object"),
]


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def describe(path, content):
    """What the Hub says of a file: git's hash of it, or of what points to a large one, and that one's own hash."""
    size, large = len(content), {}
    if path.endswith(LARGE):
        oid = sha256(content)
        large = {"lfs": {"oid": oid, "sha256": oid, "size": size, "pointerSize": 130}}
        content = oid.encode()
    return {"size": size, "oid": hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest(), **large}


class Refused(Exception):
    """Status, message and, where huggingface_hub goes by it, the Hub's code."""


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # headers and body in one packet: in two, each answer would wait 40 ms for an acknowledgement

    def log_message(self, *args):
        pass

    def serve(self):
        self.hub, self.at, url = self.server.hub, None, urlsplit(self.path)
        self.query, path = parse_qs(url.query), url.path
        to_storage = self.server is self.hub.servers[1]
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.note(to_storage, self.command, path, headers)
        self.fault, length = self.hub.take_fault(self.command, path), int(headers.get("content-length", 0))
        if self.fault in ("cut", "stall") and length:
            self.rfile.read(length // 2)
            return self.hang_up()
        self.body = self.rfile.read(length)
        try:
            if isinstance(self.fault, float):
                self.hub.closed.wait(self.fault)
            elif isinstance(self.fault, int):
                raise Refused(self.fault, "The Hub is not well")
            elif callable(self.fault):
                self.fault(self)
            answer = self.find_answer(path, to_storage)
            self.answer(*answer) if isinstance(answer, tuple) else self.answer(200, answer)
        except Refused as refused:
            status, message, *code = refused.args
            extra = {"X-Error-Message": message, **({"X-Error-Code": code[0]} if code else {})}
            self.answer(status, {"error": message}, extra | ({"X-Repo-Commit": self.at.oid} if self.at else {}))

    do_GET = do_HEAD = do_POST = do_PUT = serve

    def find_answer(self, path, to_storage):
        for method, pattern, name in ROUTES:
            match = re.fullmatch(pattern, path)
            if match and method == self.command.replace("HEAD", "GET") and to_storage == path.startswith("/objects/"):
                named = {key: value and unquote(value) for key, value in match.groupdict().items()}
                with self.hub.lock:
                    return getattr(self, name)(**named)
        raise Refused(404, f"There is nothing at {self.command} {path}")

    def answer(self, status, content, headers=None):
        if self.fault == "lost":
            return self.hang_up()
        content = content if isinstance(content, bytes) else json.dumps(content).encode()
        headers = {"Content-Type": "application/json", "Content-Length": len(content), **(headers or {})}
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, str(value))
        self.end_headers()
        broken = self.fault in ("cut", "stall")
        if self.command != "HEAD":
            self.wfile.write(content[: len(content) // 2] if broken else content)
        if broken:
            self.wfile.flush()
            self.hang_up()

    def hang_up(self):
        self.close_connection = True
        if self.fault == "stall":
            self.hub.closed.wait(60)
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def user(self):
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token and token not in self.hub.tokens:
            raise Refused(401, "Invalid credentials in Authorization header")
        return self.hub.tokens.get(token, (None, None))

    def open(self, repository, revision=None, write=False):
        (name, right), owner = self.user(), repository.split("/")[0]
        here = self.hub.repositories.get(repository)
        if here is None or (here.private and name != owner):
            raise Refused(404 if name else 401, "Repository not found", "RepoNotFound")
        if write and (name != owner or right != "write"):
            raise Refused(403, "Forbidden: pass `create_pr=1` as a query parameter to create a Pull Request")
        self.at = here.find(revision or "main")
        if self.at is None:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return here

    def whoami(self):
        name, right = self.user()
        if name is None:
            raise Refused(401, "Invalid username or password.")
        return {"type": "user", "name": name, "orgs": [], "auth": {"accessToken": {"displayName": "t", "role": right}}}

    def create(self):
        (name, right), asked = self.user(), json.loads(self.body)
        owner = asked.get("organization") or name
        if name is None:
            raise Refused(401, "Invalid username or password.")
        if owner != name or right != "write":
            raise Refused(403, f'You don\'t have the rights to create a model under the namespace "{owner}"')
        repository = f"{owner}/{asked['name']}"
        url = f"{self.hub.url}/{repository}"
        if repository in self.hub.repositories:
            return 409, {"error": "You already created this model repo", "url": url}
        private = asked.get("visibility") == "private" or bool(asked.get("private"))  # huggingface_hub 2, and 0
        self.hub.create(repository, private)
        return {"name": repository, "url": url}

    def validate(self):
        front = re.match(r"---\n(.*?)\n---", json.loads(self.body)["content"], re.DOTALL)
        try:
            metadata = yaml.safe_load(front[1]) if front else {}
            errors = [] if isinstance(metadata, dict) else [{"message": "metadata is not a mapping"}]
        except yaml.YAMLError:
            errors = [{"message": "metadata is not YAML"}]
        return 400 if errors else 200, {"errors": errors, "warnings": []}

    def info(self, repository, revision):
        here, siblings = self.open(repository, revision), []
        for path, content in self.at.files.items():
            told = describe(path, content) if "blobs" in self.query else {}
            siblings.append({"rfilename": path, **told, **({"blobId": told["oid"]} if told else {})})
        info = {"id": repository, "modelId": repository, "sha": self.at.oid, "private": here.private, "tags": []}
        return {**info, "siblings": siblings, "downloads": 0, "likes": 0, "gated": False, "disabled": False}

    def refs(self, repository):
        def tell(kind, refs):
            return [{"name": name, "ref": f"refs/{kind}/{name}", "targetCommit": oid} for name, oid in refs.items()]

        here = self.open(repository)
        return {"branches": tell("heads", here.branches), "tags": tell("tags", here.tags), "converts": []}

    def tree(self, repository, revision, path):
        self.open(repository, revision)
        under = f"{path}/" if path else ""
        files = {name: content for name, content in self.at.files.items() if name.startswith(under)}
        if not files:
            raise Refused(404, f"{path} does not exist on {revision}", "EntryNotFound")
        deep = self.query.get("recursive", ["false"])[0].lower() in ("true", "1")
        rest = {name: name.removeprefix(under).split("/") for name in files}
        shown = [name for name in files if deep or len(rest[name]) == 1]
        told = [{"type": "file", "path": name, **describe(name, files[name])} for name in shown]
        folders = sorted({under + parts[0] for parts in rest.values() if parts[1:]})
        return told + [{"type": "directory", "path": name, "oid": "0" * 40, "size": 0} for name in folders]

    def preupload(self, repository, revision):
        self.open(repository, revision, write=True)
        told = []
        for file in json.loads(self.body)["files"]:
            path = file["path"]
            there = describe(path, self.at.files[path]) if path in self.at.files else {}
            oid = there["lfs"]["oid"] if "lfs" in there else there.get("oid")
            mode = "lfs" if path.endswith(LARGE) else "regular"
            told.append({"path": path, "uploadMode": mode, "shouldIgnore": False, "oid": oid})
        return {"files": told}

    def batch(self, repository):
        here, objects = self.open(repository, write=True), []
        for asked in json.loads(self.body)["objects"]:
            told = {"oid": asked["oid"], "size": asked["size"], "authenticated": True}
            if asked["oid"] not in here.stored:
                verify = f"{self.hub.url}/{repository}.git/info/lfs/objects/verify"
                told["actions"] = {"upload": {"href": self.sign(repository, asked["oid"])}, "verify": {"href": verify}}
            objects.append(told)
        return {"transfer": "basic", "objects": objects}

    def verify(self, repository):
        if json.loads(self.body)["oid"] not in self.open(repository, write=True).stored:
            raise Refused(404, "The object is not there")
        return {}

    def sign(self, repository, oid):
        return f"{self.hub.storage}/objects/{repository}/{oid}?signature={self.hub.signature}"

    def check_signature(self):
        if self.query.get("signature") != [self.hub.signature] or "Authorization" in self.headers:
            raise Refused(403, f"SignatureDoesNotMatch {self.query}")

    def put_object(self, repository, name):
        self.check_signature()
        if sha256(self.body) != name:
            raise Refused(400, "The object is another one")
        self.hub.repositories[repository].stored[name] = self.body
        return b""

    def get_object(self, repository, name):
        self.check_signature()
        return self.give(self.hub.repositories[repository].stored[name], {"ETag": f'"{name}"'})

    def commit(self, repository, revision):
        here = self.open(repository, revision, write=True)
        if revision not in here.branches:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        lines, files = [json.loads(line) for line in self.body.splitlines()], {}
        header = lines[0]["value"]
        if not self.at.oid.startswith(header.get("parentCommit", "")):
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        for line in lines[1:]:
            kind, value = line["key"], line["value"]
            path = value["path"]
            if kind == "file":
                files[path] = base64.b64decode(value["content"])
            elif kind == "lfsFile" and value["oid"] in here.stored:
                files[path] = here.stored[value["oid"]]
            elif kind == "deletedFile" and path in self.at.files:
                files[path] = None
            elif kind == "deletedFile":
                raise Refused(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
            else:
                raise Refused(400, f"{kind} of {path}: an LFS pointer points to a file that does not exist")
        commit = self.hub.commit(repository, files, header["summary"], revision)
        self.hub.commits.append(commit)
        url = f"{self.hub.url}/{repository}/commit/{commit.oid}"
        return {"success": True, "commitOid": commit.oid, "commitUrl": url}

    def tag(self, repository, revision):
        here, tag = self.open(repository, revision, write=True), json.loads(self.body)["tag"]
        if tag in here.tags:
            raise Refused(409, "Tag reference exists already")
        here.tags[tag] = self.at.oid
        return {}

    def resolve(self, repository, revision, path):
        self.open(repository, revision)
        if path not in self.at.files:
            raise Refused(404, "Entry not found", "EntryNotFound")
        content = self.at.files[path]
        told, headers = describe(path, content), {"X-Repo-Commit": self.at.oid}
        if "lfs" not in told:
            return self.give(content, headers | {"ETag": f'"{told["oid"]}"'})
        oid = told["lfs"]["oid"]
        headers |= {"X-Linked-Size": len(content), "X-Linked-Etag": f'"{oid}"'}
        return 302, b"", headers | {"Location": self.sign(repository, oid)}

    def give(self, content, headers):
        headers = {**headers, "Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked:
            return 200, content, headers
        first, last = int(asked[1]), min(int(asked[2] or len(content) - 1), len(content) - 1)
        return 206, content[first : last + 1], headers | {"Content-Range": f"bytes {first}-{last}/{len(content)}"}
