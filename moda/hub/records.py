"""Records on their way to others: JSON and YAML without the places of this machine."""

import json
import re
from pathlib import PurePosixPath, PureWindowsPath

import yaml


BEFORE, BEHIND = "\"'`([{", "\"'`)]},;.:!?"  # what a sentence puts around a path
JOIN = " + "  # between the catalogues of a mixture


def read_json(path):
    """Reads a file; `None` where there is none, or no JSON in it."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def copy_record(source, target, keys=None):
    """Copies a record, with paths of this machine in it reduced to their last part; to the byte if there are none.

    Args:
        source, target (`Path`): JSON or YAML.
        keys (`Iterable[str]`, *optional*): Only what these say is a path. Defaults to all that looks like one.

    Raises:
        `ValueError`: If it is damaged.
    """
    text, is_json = source.read_text(encoding="utf-8"), source.suffix == ".json"
    try:
        said = json.loads(text) if is_json else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        why = str(error).split("\n")[0]
        raise ValueError(f"{source} can't be read ({why}); copy it again, or take it out of the folder.") from error
    plain = without_paths(said, keys)
    if plain != said:
        text = json.dumps(plain, indent=2) + "\n" if is_json else yaml.safe_dump(plain, sort_keys=False)
    target.write_text(text, encoding="utf-8")


def without_paths(value, keys=None, key=None):
    """Reduces paths of this machine to their last part: where things lie is nobody's business.

    Args:
        value (`Any`): What JSON can hold.
        keys (`Iterable[str]`, *optional*): Only what these say. Defaults to all.
        key (`str`, *optional*): What says the value.

    Returns:
        The same, otherwise unchanged.
    """
    if isinstance(value, dict):
        return {name: without_paths(inner, keys, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_paths(inner, keys, key) for inner in value]
    if not isinstance(value, str) or (keys is not None and key not in keys):
        return value
    if JOIN in value:
        return JOIN.join(without_paths(part) for part in value.split(JOIN))
    if is_place(value) and "\n" not in value:  # with spaces, perhaps
        return _last_part(value)
    return "".join(word if word.isspace() else _reduced(word) for word in re.split(r"(\s+)", value))


def _reduced(word):
    head, mark, path = word.rpartition("=")  # as in data.path=/home/ann/products.parquet
    bare = path.lstrip(BEFORE).rstrip(BEHIND)
    is_path = is_place(bare) and bare.count("/") + bare.count("\\") > 1
    return f"{head}{mark}{path.replace(bare, _last_part(bare))}" if is_path else word


def is_place(text):
    """Says whether a text is a path from the root, from somebody's home or to a folder above, or a `file:` address."""
    windows = PureWindowsPath(text)
    return len(text) > 1 and (text.startswith(("/", "~/", "../", "file:/")) or bool(windows.drive and windows.root))


def _last_part(path):
    return (PureWindowsPath(path) if "\\" in path else PurePosixPath(path)).name or path
