"""Opens a catalogue's rows from wherever they lie, and accounts for those that its file has and nobody can use."""

import csv
import difflib
import os
from dataclasses import dataclass, field
from pathlib import Path

from datasets import Dataset, Image, Value, concatenate_datasets, load_dataset
from datasets.exceptions import DatasetGenerationError
from PIL import Image as Pillow

from .demo import write_demo


KINDS = {".parquet": "parquet", ".json": "json", ".jsonl": "json"}
TABLES = (".csv", ".tsv")
METADATA_FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
DEFAULT_DEMO = {"count": 10000, "seed": 0, "size": 96, "folder": "demo-data"}
DELIMITERS = ",;\t|"
LARGEST_VALUE = 2**31 - 1  # bytes; csv's own limit of 128 KB is too low for a picture that is spelt out
LONGEST_VALUE = 100  # lines of a quoted value; behind them the quote was never meant to be one


@dataclass
class Opened:
    """What a catalogue's files hold.

    Args:
        splits (`dict[str, datasets.Dataset]`): By name; `all` where nothing tells splits apart.
        folder (`Path`, *optional*): Where the paths of pictures begin; none of a dataset of the Hub.
        left_out (`list[dict]`):
            Lines of a table that became no row: `id`, `row` (always `None`), `check` (`"cut_off"` or `"no_picture"`) and
            `why`, a sentence.
        notes (`list[str]`): What else is wrong and was mended or passed over, a sentence with its count each.
    """

    splits: dict
    folder: Path | None = None
    left_out: list = field(default_factory=list)
    notes: list = field(default_factory=list)


def place_of(data):
    """Returns where a recipe's `data` says that the catalogue lies, a path or a dataset's id; draws the demo if it is that.

    Args:
        data (`dict`): With `path`, or `demo` (`count`, `seed`, `size`, `folder` of the drawn catalogue).
    """
    if "demo" in data:
        return str(write_demo(**{**DEFAULT_DEMO, **(data["demo"] or {})}))
    return str(data["path"])


def open_splits(source):
    """Opens what a catalogue's files hold, whatever their layout.

    Args:
        source (`str`): A parquet, JSON, JSONL, CSV or TSV file, a folder of parquet files, a folder of pictures with
            `metadata.csv`, `.jsonl` or `.parquet`, a folder in Kaggle's layout (`styles.csv` and `images/`), or the id of
            a dataset on the Hub.

    Returns:
        [`Opened`]

    Raises:
        `FileNotFoundError`: If there is nothing at the path.
        `ValueError`: If a folder holds no catalogue, or a file no rows, or can't be read.
    """
    path = Path(source)
    if path.is_file() and path.suffix in KINDS:
        return Opened({"all": _read_files(KINDS[path.suffix], source, data_files=str(path))["train"]}, path.parent)
    if path.is_file() and path.suffix in TABLES:
        return _table(path)
    if path.is_dir():
        if (path / "styles.csv").is_file():
            return _kaggle(path)
        if shards := sorted(path.glob("*.parquet")) or sorted(path.glob("data/*.parquet")):  # as on the Hub
            names = {name: [str(p) for p in shards if p.name.startswith(name)] for name in ("train", "val", "test")}
            files = {name: found for name, found in names.items() if found}
            if not files:
                return Opened({"all": _read_files("parquet", source, data_files=[*map(str, shards)])["train"]}, path)
            return Opened(_read_files("parquet", source, data_files=files), path)
        if any((path / name).is_file() for name in METADATA_FILES):
            return _picture_folder(path, source)
        raise ValueError(
            f"Folder {source!r} holds no catalogue: no *.parquet, no {', '.join(METADATA_FILES)}, no styles.csv with "
            "images/; give a folder with one of them."
        )
    if path.exists() or path.suffix or source.startswith((".", "/", "~")):
        raise FileNotFoundError(f"There is no catalogue at {source!r}; give a parquet file, a folder or a dataset id.")
    return Opened(dict(load_dataset(source)))


def lift_metadata(rows):
    """Brings the fields of a `metadata` column up as columns, as `moda annotate` packs what a catalogue knew of a product.

    Args:
        rows (`datasets.Dataset`): Any rows; those whose `metadata` is no struct of strings come back as they are.

    Returns:
        `datasets.Dataset`: With the fields as columns, but those that the rows have a column of that name for.
    """
    kind = rows.features.get("metadata")
    texts = (Value("string"), Value("large_string"), Value("null"))
    if not isinstance(kind, dict) or not kind or any(value not in texts for value in kind.values()):
        return rows
    fields = rows.select_columns("metadata").flatten()
    fields = fields.rename_columns({name: name.removeprefix("metadata.") for name in fields.column_names})
    fields = fields.select_columns([name for name in kind if name not in rows.column_names])
    return concatenate_datasets([rows, fields], axis=1) if fields.column_names else rows


def need_column(rows, column, source, what):
    """Raises a `ValueError` that names the nearest column, if `rows` lack one; `what` says what it would hold."""
    if column not in rows.column_names:
        near = difflib.get_close_matches(column, rows.column_names, 1, 0.4)
        hint = f"; is it {near[0]!r}? Say so" if near else "; name yours"
        raise ValueError(
            f"{source} has no column {column!r} ({what}) among {', '.join(rows.column_names)}{hint} in the recipe, as in "
            f"data: {{columns: {{{column}: {near[0] if near else 'your_column'}}}}}."
        )


def many(count, noun):
    """Counts in words: `"1 row"`, `"2,000 rows"`."""
    return f"{count:,} {noun}{'s' * (count != 1)}"


def _read_files(kind, source, **where):
    try:
        return dict(load_dataset(kind, **where))
    except (ValueError, StopIteration, DatasetGenerationError) as error:  # StopIteration of an empty JSON file
        cause = " ".join(str(error.__cause__ or error).split()) or "it is empty"
        raise ValueError(f"{source} has no rows or can't be read as {kind}: {cause}") from error


def _picture_folder(path, source):
    splits = _read_files("imagefolder", source, data_dir=str(path))
    named = set()
    for rows in splits.values():
        if "image" in rows.column_names:
            paths = rows.data.column("image").combine_chunks().field("path").to_pylist()
            named.update(os.path.abspath(file) for file in paths if file)
    unnamed = sum(os.path.abspath(file) not in named for file in path.rglob("*") if _is_picture(file.name))
    notes = [f"In {path.name}/, {many(unnamed, 'picture')} belonged to no row."] if unnamed else []
    return Opened(splits, path, notes=notes)


def _kaggle(path):
    file = path / "styles.csv"
    header, lines, notes = _read_table(file)
    pictures = {}
    for name in sorted(entry.name for entry in path.glob("images/*") if _is_picture(entry.name)):
        if Path(name).stem not in pictures or Path(name).suffix == ".jpg":
            pictures[Path(name).stem] = name
    columns, left_out, named, joined = {name: [] for name in [*header, "image"]}, [], set(), 0
    for number, line in lines:
        key = line[0].strip()
        named.add(key)
        if len(line) < len(header):
            left_out.append(_cut_off(line, header, number, file))
            continue
        if key not in pictures:
            why = f"There is no picture of {key!r} in images/."
            left_out.append({"id": key or None, "row": None, "check": "no_picture", "why": why})
            continue
        # Some product names hold commas that are not quoted: what is too much belongs to the last column.
        joined += len(line) > len(header)
        values = [*line[: len(header) - 1], ",".join(line[len(header) - 1 :])]
        for name, value in zip(header, values):
            columns[name].append(value if value not in ("", "NA") else None)
        columns["image"].append(str(path / "images" / pictures[key]))
    if not columns["image"]:
        raise ValueError(f"{file} names no picture that lies in {path / 'images'}; check the layout.")
    if joined:
        notes.append(f"In {file.name}, {many(joined, 'line')} had commas too many; they went into {header[-1]}.")
    if unnamed := len(pictures.keys() - named):
        notes.append(f"In images/, {many(unnamed, 'picture')} belonged to no row.")
    return Opened({"all": Dataset.from_dict(columns).cast_column("image", Image())}, path, left_out, notes)


def _table(file):
    header, lines, notes = _read_table(file)
    columns, left_out = {name: [] for name in header}, []
    for number, line in lines:
        if len(line) != len(header):  # a comma too many may stand in any column, and would push values into others
            left_out.append(_cut_off(line, header, number, file))
            continue
        for name, value in zip(header, line):
            columns[name].append(value if value not in ("", "NA") else None)
    if not columns[header[0]]:
        raise ValueError(f"{file} has no rows or can't be read as csv: no line has {len(header)} values.")
    return Opened({"all": Dataset.from_dict(columns)}, file.parent, left_out, notes)


def _cut_off(line, header, number, file):
    why = f"Line {number} of {file.name} has {many(len(line), 'value')} for {len(header)} columns."
    return {"id": line[0].strip() or None, "row": None, "check": "cut_off", "why": why}


def _read_table(file):
    """Reads a CSV file: its column names, `(number, values)` of each line that is not blank, and notes."""
    with open(file, encoding="utf-8-sig", errors="replace", newline="") as text:
        first, *lines = text.readlines() or [""]
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


def _is_picture(name):
    return Path(name).suffix.lower() in Pillow.registered_extensions()
