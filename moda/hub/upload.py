"""Uploads a model repository to the Hub: in one commit, with a tag on it, and the same again after an interruption."""

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path


OF_THE_HUB = ".gitattributes"  # which the Hub writes with a repository; it is not deleted for not being in the folder
TAG = r"[A-Za-z0-9][\w.+-]*"
TOKENS = "https://huggingface.co/settings/tokens"
SECONDS = 30  # until the first answer has to be there


@dataclass
class Changes:
    """What an upload would change; false if nothing.

    Attributes:
        added (`dict[str, int]`): Files that the repository lacks, and their bytes.
        changed (`dict[str, int]`): Files that it has otherwise, and the bytes of the new ones.
        deleted (`dict[str, int]`): Files that the folder lacks, and the bytes that the repository has.
        commit (`str` or `None`): What the folder was compared with; None where there is no such repository.
        private (`bool` or `None`): Whether the repository is.
        tags (`dict[str, str]`): The repository's, and their commits.
    """

    added: dict
    changed: dict
    deleted: dict
    commit: str | None
    private: bool | None
    tags: dict

    def __bool__(self):
        return bool(self.added or self.changed or self.deleted)


@dataclass
class Uploaded:
    """What an upload came to.

    Attributes:
        url (`str`): The repository's page.
        commit (`str`): The commit that holds the folder's files.
        tag (`str`): A tag on it.
        changed (`bool`): Whether the commit is new; False if the files were there.
    """

    url: str
    commit: str
    tag: str
    changed: bool


def changes(folder, repository, token=None, revision=None):
    """Compares a folder with a repository on the Hub. Nothing is downloaded: the Hub says what its files' hashes are.

    Args:
        folder (`str` or `Path`): A model repository.
        repository (`str`): OWNER/NAME.
        token (`str`, *optional*): Defaults to `HF_TOKEN`, or what `hf auth login` has kept.
        revision (`str`, *optional*): Branch, tag or commit. Defaults to the head of the main branch.

    Returns:
        [`Changes`]: Where there is no repository, or none that the token may see, every file is an added one.

    Raises:
        `ValueError`: If the folder has no files, or the repository's name or the revision isn't one.
        `PermissionError`: If the Hub does not know the token.
        `ConnectionError`: If the Hub is not reached.
    """
    return _compare(_open(token), folder, repository, revision)


def upload(folder, repository, private=True, tag=None, message=None, token=None):
    """Makes a repository on the Hub hold what a folder holds: in one commit, and with a tag on it.

    The repository is made if it is not there. Files that are gone from the folder are deleted in the same commit, which
    is refused if someone has committed since this began. Interrupted anywhere and called again it ends the same: files
    that are there are not sent again, and where nothing differs no commit is made.

    Args:
        folder (`str` or `Path`): A model repository.
        repository (`str`): OWNER/NAME.
        private (`bool`, *optional*, defaults to `True`): Whether only those who are let in see it. One that is there
            and is otherwise is not changed, but refused.
        tag (`str`, *optional*): Defaults to the tag that the files have, or else the next of v1, v2, …
        message (`str`, *optional*): Of the commit. Defaults to "Publish" and the tag.
        token (`str`, *optional*): One that may write. Defaults to `HF_TOKEN`, or what `hf auth login` has kept.

    Returns:
        [`Uploaded`]

    Raises:
        `ValueError`: If the folder has no files, the repository is public and should be private or the reverse, the tag
            is on another commit, the Hub refuses the card, or someone committed in between.
        `PermissionError`: If there is no token, or it may not write there.
        `ConnectionError`: If the network fails, or the Hub does.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    api = _open(token)
    if not api.token:
        raise PermissionError(
            f"There is no token to upload to {repository} with; log in with `hf auth login`, or set HF_TOKEN to one of "
            f"{TOKENS} that may write."
        )
    check_tag(tag)
    found = _compare(api, folder, repository)
    _refuse(found, repository, private, tag)
    if found.commit is None:
        _ask(api, "create_repo", repository, private=private, exist_ok=True)
        found = _compare(api, folder, repository)
        if found.commit is None:
            raise PermissionError(f"The token may not see {repository}, which exists; take one of {TOKENS} that may.")
        _refuse(found, repository, private, tag)  # again: another may have made it meanwhile
    commit, tag = found.commit, tag or _choose_tag(found)
    if found:
        operations = [CommitOperationAdd(path, Path(folder) / path) for path in [*found.added, *found.changed]]
        operations += [CommitOperationDelete(path, is_folder=False) for path in found.deleted]
        message = message or f"Publish {tag}"
        commit = _ask(
            api,
            "create_commit",
            repository,
            operations=operations,
            commit_message=message,
            parent_commit=found.commit,
        ).oid
    if found.tags.get(tag) != commit:
        _ask(api, "create_tag", repository, tag=tag, revision=commit, exist_ok=True)
        _refuse_moved(_list_tags(api, repository).get(tag), commit, repository, tag)  # another may have been quicker
    return Uploaded(f"{api.endpoint}/{repository}", commit, tag, bool(found))


def check_tag(tag):
    """Checks a tag's name, which git is to take, too.

    Args:
        tag (`str` or `None`): None is left to [`upload`].

    Raises:
        `ValueError`: If it is none.
    """
    if tag is not None and (not re.fullmatch(TAG, tag) or tag == "main" or ".." in tag or tag.endswith((".lock", "."))):
        raise ValueError(f"{tag!r} is no name for a tag; take one of letters, digits, dots and dashes, such as v1.")


def _open(token):
    from huggingface_hub import HfApi, get_token

    token = (token or get_token() or "").strip()
    if not re.fullmatch(r"[!-~]*", token):  # the errors of what sends it would quote it
        raise PermissionError(f"The token has characters that no token has; copy it again from {TOKENS}.")
    return HfApi(token=token or False)  # False: one that is not there is not looked for again


def _compare(api, folder, repository, revision=None):
    files = _list_files(folder)
    info = _ask(api, "model_info", _check(repository), revision=revision, files_metadata=True, timeout=SECONDS)
    there = {} if info is None else {file.rfilename: file for file in info.siblings}
    return Changes(
        added={path: size for path, size in files.items() if path not in there},
        changed={
            path: size
            for path, size in files.items()
            if path in there and not _is_same(Path(folder) / path, size, there[path])
        },
        deleted={path: there[path].size for path in there if path not in files and path != OF_THE_HUB},
        commit=None if info is None else info.sha,
        private=None if info is None else info.private,
        tags={} if info is None else _list_tags(api, repository),
    )


def _list_files(folder):
    from huggingface_hub.utils import DEFAULT_IGNORE_PATTERNS, filter_repo_objects

    folder = Path(folder)
    found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    found = filter_repo_objects(found, ignore_patterns=DEFAULT_IGNORE_PATTERNS)
    files = {path: (folder / path).stat().st_size for path in found}
    if not files:
        raise ValueError(f"{folder} holds no files to upload; name the folder of a model repository.")
    return files


def _check(repository):
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id

    try:
        validate_repo_id(repository)
        named = "/" in repository
    except HFValidationError:
        named = False
    if not named:  # without an owner, the Hub would make one repository and look at another
        raise ValueError(f"{repository!r} is no name of a repository; write OWNER/NAME, such as me/moda.")
    return repository


def _is_same(path, size, file):
    """Large files go by their SHA-256 on the Hub, others by git's own hash."""
    if file.size != size:
        return False
    with path.open("rb") as opened:
        if file.lfs:
            return hashlib.file_digest(opened, "sha256").hexdigest() == file.lfs.sha256
        return hashlib.sha1(b"blob %d\0" % size + opened.read()).hexdigest() == file.blob_id


def _list_tags(api, repository):
    return {ref.name: ref.target_commit for ref in _ask(api, "list_repo_refs", repository).tags}


def _choose_tag(found):
    """The newest tag that the files have, or the next of v1, v2, …"""
    own = [name for name, commit in found.tags.items() if commit == found.commit and not found]
    return max(own, key=_number) if own else f"v{max(map(_number, found.tags), default=0) + 1}"


def _number(tag):
    return int(tag[1:]) if re.fullmatch(r"v\d+", tag) else 0


def _refuse(found, repository, private, tag):
    """Refuses what an upload would have to change of a repository that is there, before anything is sent."""
    if found.private is not None and found.private != private:
        now, wish = ("private", "public") if found.private else ("public", "private")
        raise ValueError(
            f"{repository} is {now} and is to be {wish}; change that in its settings on the Hub, or upload to it as a "
            f"{now} one."
        )
    if tag in found.tags:
        _refuse_moved(found.tags[tag], None if found else found.commit, repository, tag)


def _refuse_moved(tagged, commit, repository, tag):
    if tagged != commit:
        raise ValueError(
            f"The tag {tag} of {repository} is on another commit, {str(tagged)[:8]}; name another tag, or delete "
            "that one first."
        )


def _ask(api, method, repository, **arguments):
    """Calls a method of `HfApi`, and says in one sentence what went wrong."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        return getattr(api, method)(repository, **arguments)
    except Exception as error:  # whatever the network libraries of huggingface_hub's versions raise
        if method == "model_info" and isinstance(error, RepositoryNotFoundError):
            return None
        told = _tell(error, method, repository, arguments.get("revision"), api.token)
    raise told  # only here, where the error is no longer handled: it holds the request, and that the token


def _tell(error, method, repository, revision, token):
    from huggingface_hub.errors import OfflineModeIsEnabled, RevisionNotFoundError

    status = getattr(getattr(error, "response", None), "status_code", None)
    # What the Hub says. Not the error's own text: that may quote the header with the token, or a file's signed address.
    said = getattr(error, "server_message", None) or (str(error) if type(error) is ValueError else "")
    said = " ".join(said.split()).rstrip(".") if not token or token not in said else ""
    said = f" ({said[:300]})" if said else ""
    if isinstance(error, OfflineModeIsEnabled):
        return ConnectionError(f"HF_HUB_OFFLINE keeps {repository} out of reach; unset it.")
    if isinstance(error, RevisionNotFoundError):
        return ValueError(f"{repository} has no revision {revision!r}; name a branch, tag or commit of it.")
    if status == 401:
        return PermissionError(
            f"The Hub does not know the token that {repository} was asked for with; log in with `hf auth login`, or "
            f"set HF_TOKEN to one of {TOKENS}."
        )
    if status in (403, 404):
        return PermissionError(
            f"The token may not write to {repository}{said}; take one of {TOKENS} that may, or a repository of your "
            "own."
        )
    if method == "create_commit" and status in (409, 412):
        return ValueError(
            f"Someone has changed {repository} since this upload began; look at what is there, then run this again to "
            "replace it."
        )
    if type(error) is ValueError or (status is not None and status < 500 and status not in (408, 429)):
        status = f" with status {status}" if status else ""
        return ValueError(
            f"The Hub refuses{status} what is to go to {repository}{said}; change that and run this again."
        )
    if isinstance(error, OSError) and error.filename:  # a file of the folder
        return error
    cause = (error.__cause__ if isinstance(error, RuntimeError) else None) or error  # of a large file, it is wrapped
    status = getattr(getattr(cause, "response", None), "status_code", None)
    what = f"The Hub fails with status {status}{said}" if status else f"The network fails with {type(cause).__name__}"
    return ConnectionError(f"{what} on the way to {repository}; run this again, and it goes on where it was.")
