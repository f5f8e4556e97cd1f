"""Which files a repository may hold: the Hub files as they are installed, and nothing that could run or unpickle."""

import json
import os
import re
from fnmatch import fnmatchcase
from importlib.util import find_spec
from pathlib import Path


# The code that ships with every model, by name. Found and not imported: a list of files needs no torch.
HUB_FILES = {path.name: path for path in sorted(Path(find_spec("configuration_moda").origin).parent.glob("*_moda.py"))}
KEPT_BY_TOOLS = (".git", ".cache")  # of git and huggingface_hub, beside what they downloaded; nobody uploads them
PICKLES = set(".bin .pt .pth .pkl .pickle .ckpt .h5 .hdf5 .keras .msgpack .joblib .dill .npy .npz".split())
PROGRAMS = set(".py .pyc .pyo .pyd .pyw .so .dll .dylib .exe .com .sh .bash .zsh .bat .cmd .ps1 .vbs .js .jar".split())
STARTS = {  # whatever a file is called, it begins like this
    b"#!": "a script",
    b"\x7fELF": "a program",
    b"MZ\x90\x00": "a program",
    b"\xca\xfe\xba\xbe": "a program",
    b"\xcf\xfa\xed\xfe": "a program",
    b"\xce\xfa\xed\xfe": "a program",
    b"PK\x03\x04": "an archive, as torch.save writes it around a pickle",
    **{bytes((0x80, protocol)): "a pickle" for protocol in range(2, 6)},
}
SECRET = re.compile(  # of the Hub, OpenAI, Amazon, GitHub; a password in an address; a key
    rb"\b(?:hf|api_org)_[A-Za-z0-9]{30,}|\bsk-[A-Za-z0-9_-]{32,}|\bAKIA[0-9A-Z]{16}\b|\bgh[pousr]_[A-Za-z0-9]{36}"
    rb"|://[^/\s:@]+:[^/\s@]+@|-----BEGIN [A-Z ]*PRIVATE KEY-----"
)
SECRET_NAME = re.compile("TOKEN|KEY|SECRET|PASSWORD", re.IGNORECASE)
NO_TEXT = {".safetensors", ".png", ".jpg", ".jpeg"}


def files_of(folder):
    """Lists the files of a repository, but for what git and huggingface_hub keep beside it.

    Args:
        folder (`str` or `os.PathLike`): The repository.

    Returns:
        `dict[str, Path]`: By name, with `/` between folders, in order.
    """
    folder = Path(folder)
    paths = {path.relative_to(folder): path for path in folder.rglob("*") if path.is_file()}
    return {name.as_posix(): paths[name] for name in sorted(paths) if name.parts[0] not in KEPT_BY_TOOLS}


def refuse_unexpected(folder, allowed=()):
    """Refuses a repository with a file that could run, or that is unpickled when it is read.

    Looked at are names, first bytes, executable bits, and where configs say that code is. The Hub files may be there, as they
    are installed to the letter. Nothing is run, imported or unpickled for it.

    Args:
        folder (`str` or `os.PathLike`): The repository.
        allowed (`Iterable[str]`, *optional*, defaults to `()`): Patterns of names that may be there all the same, because
            nobody will read them.

    Raises:
        `ValueError`: Of the first such file, saying how many more there are.
    """
    files = files_of(folder)
    executable = {name for name, path in files.items() if path.stat().st_mode & 0o111}
    if len(executable) == len(files):  # a file system without such bits, as of Windows, gives them to all
        executable = set()
    found = {}
    for name, path in files.items():
        if any(fnmatchcase(name, pattern) for pattern in allowed):
            continue
        problem = _problem(name, path) or ("executable" if name in executable else None)
        if problem:
            found[name] = problem
    if found:
        (name, problem), others = next(iter(found.items())), len(found) - 1
        raise ValueError(
            f"{folder} holds {name}{f' and {others} more of the kind' if others else ''}, which is {problem}: a MODA "
            "repository has safetensors, settings, texts, pictures and the code of the installed moda, so that nothing else "
            "can run; take it out of the folder if you know it, and do not load the folder if you don't."
        )


def _problem(name, path):
    suffix = path.suffix.lower()
    if name in HUB_FILES:
        ours = HUB_FILES[name].read_text(encoding="utf-8")
        return None if path.read_text(encoding="utf-8", errors="replace") == ours else "not the installed moda's"
    if suffix in PICKLES:
        return "a pickle or can hold one, and so could run code as it is read"
    if suffix in PROGRAMS:
        return "code"
    with open(path, "rb") as file:
        head = file.read(8)
    for start, kind in STARTS.items():
        if head.startswith(start):
            return kind
    if path.name.endswith("config.json"):
        for reference in _code_references(_read_json(path)):
            if "--" in reference or f"{reference.split('.')[0]}.py" not in HUB_FILES:
                return f"a config that sends its reader to the code of {reference!r}"
    return None


def _read_json(path):
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # whoever needs it will say so
        return None


def _code_references(value, within=None):
    """What a config says under `auto_map` and `custom_pipelines`, anywhere in it."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if within == "custom_pipelines" and not isinstance(inner, dict) and key != "impl":
                continue  # such as the names of the Auto classes
            yield from _code_references(inner, key if key in ("auto_map", "custom_pipelines") else within)
    elif isinstance(value, list):
        for inner in value:
            yield from _code_references(inner, within)
    elif isinstance(value, str) and within:
        yield value


def known_secrets():
    """What the environment holds under a name such as `MODA_API_KEY`, if it is long enough not to be a word."""
    return [value for name, value in os.environ.items() if SECRET_NAME.search(name) and len(value) >= 16]


def refuse_secrets(folder, secrets=()):
    """Refuses a repository in whose texts something looks like a key or a token.

    Args:
        folder (`str` or `os.PathLike`): The repository.
        secrets (`Iterable[str]`, *optional*, defaults to `()`): What must not be in it besides, such as the token in use.

    Raises:
        `ValueError`: Naming the file, and not what is in it.
    """
    known = [secret.encode() for secret in secrets if secret and len(secret) > 7]  # a shorter one stands in any text
    for name, path in files_of(folder).items():
        if path.suffix.lower() in NO_TEXT:
            continue
        text = path.read_bytes()
        if SECRET.search(text) or any(secret in text for secret in known):
            raise ValueError(
                f"{name} holds what looks like a token or a private key, which would be there for all to read; take it out of "
                "the run's folder, and revoke it if others have seen it."
            )
