"""The table that a run leaves behind, as JSON lines, CSV or parquet: its columns, and writing it all at once or not at all."""

import csv
import functools
import io
import itertools
import json
import os
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock


# A column of the table, and the attribute that `Lexicon` reads for it.
ATTRIBUTES = {
    "colour": "baseColour",
    "category": "articleType",
    "gender": "gender",
    "usage": "usage",
    "pattern": "pattern",
}
COLUMNS = ("id", "description", *ATTRIBUTES, "confidence", "model", "revision")
SEPARATOR = "; "  # between the values of an attribute, in a CSV
GROUP = 10_000  # rows of a parquet file that are held at once


def check_output(path):
    """Refuses a file that could not be written in the end.

    Args:
        path (`str` or `Path`): Where a table is to be.

    Returns:
        `Path`

    Raises:
        `ValueError`: If its name does not end in `.jsonl`, `.csv` or `.parquet`.
        `OSError`: If its folder is missing or may not be written into, or it is a folder.
    """
    path = Path(path)
    if path.suffix.lower() not in WRITERS:
        raise ValueError(f"The output {path} is to be a table; let its name end in {', '.join(WRITERS)}.")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(path.parent)!r} to write {path.name} into; make it first.")
    if path.is_dir():
        raise IsADirectoryError(f"The output {path} is a folder; give the name of a file.")
    if not os.access(path.parent, os.W_OK):
        raise PermissionError(
            f"The folder {path.parent} can't be written into; choose another, or change its permissions."
        )
    return path


def read_attributes(sentence):
    """Reads what a sentence states of a product.

    Args:
        sentence (`str`): A description.

    Returns:
        `dict[str, list[str]]`: `colour`, `category`, `gender`, `usage` and `pattern`: of each the values stated, in the
        order of the sentence, by the names that the Kaggle catalogue "Fashion Product Images" has for them
        (`moda.data.synonyms`); of a word that may mean several values, the likeliest.
    """
    return {name: list(values) for name, values in _attributes(sentence)}


@functools.lru_cache(maxsize=65536)
def _attributes(sentence):
    from moda.data.lexicon import statements  # takes a second to import, which is not needed for a plain sentence

    said = statements(_lexicon().read(sentence))
    read = [
        (name, [mention.values[0] for mention in said if mention.attribute == attribute])
        for name, attribute in ATTRIBUTES.items()
    ]
    return tuple((name, tuple(dict.fromkeys(values))) for name, values in read)


@functools.cache
def _lexicon():
    from moda.data.lexicon import Lexicon

    return Lexicon({})  # the full vocabulary, whatever the catalogue


@contextmanager
def replacing(path):
    """Opens a file, for writing text, that takes its place when all is written, and else leaves what was there."""
    path = Path(path)
    unfinished = path.with_name(f"{path.name}.unfinished")
    try:
        with open(unfinished, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except BaseException:
        with suppress(OSError):
            unfinished.unlink()
        raise


@contextmanager
def locked(path, patience=-1):
    """Holds the lock of a file, `PATH.lock`; what waits longer for it than some seconds (-1: forever) raises a `Timeout`."""
    lock = FileLock(f"{path}.lock", timeout=patience)
    lock.acquire()
    try:
        yield
    finally:
        with suppress(OSError):  # Windows deletes no open file; there release() does it
            os.unlink(lock.lock_file)
        lock.release()


def write_table(path, rows):
    """Writes a table, atomically.

    Args:
        path (`Path`): `.jsonl`, `.csv` or `.parquet`.
        rows (`Iterable[dict]`): With the keys of `COLUMNS`.

    Raises:
        `OSError`: If it can't be written; what was there before stays.
    """
    with replacing(path) as file:
        WRITERS[Path(path).suffix.lower()](file, rows)


def _write_jsonl(file, rows):
    for row in rows:
        file.write(json.dumps(row, ensure_ascii=False).encode() + b"\n")


def _write_csv(file, rows):
    text = io.TextIOWrapper(file, encoding="utf-8", newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({**row, **{name: SEPARATOR.join(row[name]) for name in ATTRIBUTES}})
    text.flush()
    text.detach()


def _write_parquet(file, rows):
    import pyarrow as pa
    import pyarrow.parquet as pq

    kinds = {"confidence": pa.float64(), **dict.fromkeys(ATTRIBUTES, pa.list_(pa.string()))}
    schema = pa.schema([(name, kinds.get(name, pa.string())) for name in COLUMNS])
    rows = iter(rows)
    with pq.ParquetWriter(file, schema) as writer:
        while group := list(itertools.islice(rows, GROUP)):
            writer.write_table(pa.Table.from_pylist(group, schema))


WRITERS = {".jsonl": _write_jsonl, ".csv": _write_csv, ".parquet": _write_parquet}
