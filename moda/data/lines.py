"""Reads the lines of CSV, TSV, JSON and JSONL files, however broken: what is no row is counted, and the rest goes on."""

import codecs
import csv
import hashlib
import json
import os
from itertools import islice

import pyarrow as pa
from tqdm.auto import tqdm


DELIMITERS = ",;\t|"
LARGEST_VALUE = 2**31 - 1  # bytes; csv's own limit of 128 KB is too low for a picture that is spelt out
LONGEST_VALUE = 100  # lines of a quoted value; behind them the quote was never meant to be one
LOOKED_AT = 1000  # rows at once
SCALARS = {str: pa.string(), int: pa.int64(), float: pa.float64(), bool: pa.bool_()}


def many(count, noun):
    """Counts in words: `"1 row"`, `"2,000 rows"`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def cut_off(why, key=None):
    """Returns what is said of a line that is no row."""
    return {"id": key or None, "row": None, "check": "cut_off", "why": why}


def read_table(file):
    """Reads a CSV or TSV file: its column names, `(number, values)` of each line that is not blank, and notes.

    Args:
        file (`Path`): Commas, semicolons, tabs or bars between values, whichever the first line has most of.

    Returns:
        `tuple[list[str], list[tuple[int, list[str]]], list[str]]`

    Raises:
        `ValueError`: If the first line does not hold the columns' names, each once.
    """
    with open(file, encoding="utf-8-sig", errors="replace", newline="") as text:
        first, *lines = text.readlines() or [""]
    if not first.strip() and not lines:
        raise ValueError(f"{file} has no rows: it is empty.")
    delimiter = max(DELIMITERS, key=first.count)
    header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    if not any(header) or len(set(header)) < len(header):
        raise ValueError(f"The first line of {file} is {first.strip()!r}; it takes the columns' names, each once.")
    unclosed, most = 0, csv.field_size_limit(LARGEST_VALUE)
    try:
        found = list(_numbered(csv.reader(lines, delimiter=delimiter, strict=True)))
    except csv.Error:
        found, unclosed = _mended(lines, delimiter, len(header))
    finally:
        csv.field_size_limit(most)
    notes = [f"In {file.name}, {many(unclosed, 'line')} had a quote that is never closed."] if unclosed else []
    return header, [(number, values) for number, values in found if any(map(str.strip, values))], notes


def read_objects(file):
    """Reads a JSONL file, or a JSON file that lists objects.

    Text stays text (`"007"`, `"2026-11-21"`). A column that holds text in some rows and numbers in others is text; one that
    holds either beside lists or objects is left as it is, a `datasets.Json`. The file is read twice, in batches.

    Args:
        file (`Path`): One object a line, or a list of them.

    Returns:
        `tuple[datasets.Dataset, list[dict]]`: The rows, on disk; and what is said of each line that is no object.

    Raises:
        `ValueError`: If there is no row.
    """
    import datasets
    from datasets import Dataset, Features

    left_out, kinds, key = [], {}, hashlib.sha256(str(file).encode())
    with tqdm(total=os.path.getsize(file), unit="B", unit_scale=True, desc=f"Reading {file.name}", delay=2) as bar:

        def seen(content):
            key.update(content)
            bar.update(len(content))

        rows = read_lines(file, left_out, seen)
        while batch := list(islice(rows, LOOKED_AT)):
            for name in dict.fromkeys(name for row in batch for name in row):
                kinds[name] = _common(kinds.get(name, pa.null()), _kind([row.get(name) for row in batch]))
    if not kinds:
        why = left_out[0]["why"] if left_out else "it is empty."
        raise ValueError(f"{file} has no rows or can't be read as json: {why}")
    plain = Features.from_arrow_schema(pa.schema([(name, kind) for name, kind in kinds.items() if kind is not None]))
    features = Features({name: plain[name] if name in plain else datasets.Json() for name in kinds})
    asked = {"file": file, "features": features, "key": key.hexdigest()}
    return Dataset.from_generator(_rows, features, gen_kwargs=asked), left_out


def _rows(file, features, key):  # the key tells datasets' cache the file's contents apart
    texts = {name for name, kind in features.items() if getattr(kind, "dtype", None) == "string"}
    for row in read_lines(file, []):
        made = {}
        for name in features:
            value = row.get(name)
            made[name] = json.dumps(value) if name in texts and not isinstance(value, (str, type(None))) else value
        yield made


def read_lines(file, left_out, seen=len, kinds=dict):
    """Reads what a JSONL file, or a JSON file that is a list, holds, one after the other.

    Args:
        file (`Path`): A value a line, or a list of them.
        left_out (`list[dict]`): Gets what is said of each line that is none; see [`cut_off`].
        seen (`Callable[[bytes], Any]`, *optional*): Called with each line before what it holds is given, or with the list.
        kinds (`type` or `tuple`, *optional*, defaults to `dict`): What is wanted: objects, or other values too.

    Yields:
        `dict`, or another of `kinds`.
    """
    with open(file, "rb") as lines:
        listed = lines.read(1000).removeprefix(codecs.BOM_UTF8).lstrip().startswith(b"[") and file.suffix == ".json"
        lines.seek(0)
        for number, content in enumerate([lines.read()] if listed else lines, 1):
            seen(content)
            text = content.decode("utf-8-sig", errors="replace").strip()
            try:
                found = json.loads(text, parse_constant=lambda name: None) if text else []  # NaN is no value
                if b"\\ud" in content.lower():  # halves of a character can't be written down
                    json.dumps(found, ensure_ascii=False).encode()
            except (ValueError, RecursionError) as error:
                what = getattr(error, "msg", "it can't be decoded").removesuffix(" at")
                place = f" at character {error.pos + 1}" if hasattr(error, "pos") else ""
                left_out.append(cut_off(f"Line {number} of {file.name} is no JSON: {what}{place}."))
                continue
            if not listed and text:
                found = [found]
            for entry, row in enumerate(found, 1):
                if isinstance(row, kinds):
                    yield row
                else:
                    place = f"Entry {entry}" if listed else f"Line {number}"
                    left_out.append(cut_off(f"{place} of {file.name} is no object, but {json.dumps(row)[:40]}."))


def _kind(values):
    """What Arrow would keep values as; `None` where it would not."""
    types = {type(value) for value in values} - {type(None)}
    if not types:
        return pa.null()
    if types <= SCALARS.keys():
        if types == {int} and any(abs(value) >= 2**63 for value in values if value is not None):
            return pa.string()
        return SCALARS[types.pop()] if len(types) == 1 else pa.float64() if types == {int, float} else pa.string()
    try:
        return pa.array(values).type if not types & SCALARS.keys() else None
    except (pa.ArrowException, OverflowError):
        return None


def _common(first, second):
    if first is None or second is None or pa.types.is_null(first) or first == second:
        return None if first is None else second
    if pa.types.is_null(second):
        return first
    if {first, second} == {pa.int64(), pa.float64()}:
        return pa.float64()
    scalars = SCALARS.values()
    if first in scalars and second in scalars:
        return pa.string()
    if first in scalars or second in scalars:
        return None
    try:
        both = [pa.schema([("column", kind)]) for kind in (first, second)]
        return pa.unify_schemas(both, promote_options="permissive").field("column").type
    except pa.ArrowException:
        return None


def _numbered(reader):
    number = 2  # behind the header
    for values in reader:
        yield number, values
        number = reader.line_num + 2


def _mended(lines, delimiter, width):
    """Reads lines with stray quotes one by one, since each would else swallow the lines up to the next quote."""
    found, unclosed, start = [], 0, 0
    lines = [line.rstrip("\r\n") + "\n" for line in lines]
    while start < len(lines):
        end = start + 1
        values = _values(lines[start:end], delimiter)
        while _is_open(values) and end < min(len(lines), start + LONGEST_VALUE):
            if len(_values(lines[end : end + 1], delimiter)) >= width:  # a row of its own
                break
            end += 1
            values = _values(lines[start:end], delimiter)
        if _is_open(values):
            unclosed, end = unclosed + 1, start + 1
            values = lines[start].rstrip("\n").split(delimiter)
        found.append((start + 2, values))
        start = end
    return found, unclosed


def _values(lines, delimiter):
    return next(csv.reader(lines, delimiter=delimiter))


def _is_open(values):
    return bool(values) and values[-1].endswith("\n")  # the end of the line became a part of the value
