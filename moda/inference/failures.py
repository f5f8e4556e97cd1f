"""The list of pictures that could not be described: one for all the tables of a folder."""

import json
import os
from pathlib import Path

from .tables import locked, replacing


NAME = "failures.jsonl"


def check_failures(path, output):
    """Refuses a list that could not be written in the end, or would overwrite something else.

    Args:
        path (`str` or `Path`, *optional*): Where the list is to be; `failures.jsonl` beside the table by default.
        output (`Path`): The table.

    Returns:
        `Path`

    Raises:
        `ValueError`: If it is the table or its journal, or holds something else, or the table has the list's name.
        `FileNotFoundError`: If its folder is missing.
    """
    if output.name == NAME:
        raise ValueError(f"The output {output} has the name of the list of failures; choose another --output.")
    path = Path(path or output.with_name(NAME))
    if os.path.realpath(path) in map(os.path.realpath, (output, f"{output}.journal")):
        raise ValueError(f"The failures {path} would be written over the output; choose another --failures.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path.parent)!r} to write {path.name} into; make it first.")
    _read(path)
    return path


def write_failures(path, output, rows):
    """Writes what failed on the way to a table into the list, atomically; what it holds of other tables stays.

    Args:
        path (`Path`): JSON lines: `output`, the table from the list's folder on, `id` and `error`, a sentence. Not made,
            and deleted, without any.
        output (`Path`): The table.
        rows (`Sequence[dict]`): With `id` and `error`.
    """
    name = Path(os.path.relpath(os.path.realpath(output), os.path.realpath(path.parent))).as_posix()
    if not rows and not path.exists():
        return
    with locked(path):
        kept = [row for row in _read(path) if row["output"] != name]
        kept += [{"output": name, "id": row["id"], "error": row["error"]} for row in rows]
        if kept:
            with replacing(path) as file:
                for row in kept:
                    file.write(json.dumps(row, ensure_ascii=False).encode(errors="replace") + b"\n")
        else:
            path.unlink(missing_ok=True)


def _read(path):
    try:
        with open(path, encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
        if all(row.keys() == {"output", "id", "error"} for row in rows):
            return rows
    except FileNotFoundError:
        return []
    except (ValueError, AttributeError):
        pass
    raise ValueError(f"{path} is no list of failures; move it away, or choose another --failures.")
