"""Opens a catalogue's rows from wherever they lie, and accounts for those that its file has and nobody can use."""

import difflib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, Image, Value, concatenate_datasets, load_dataset
from datasets.exceptions import DatasetGenerationError
from PIL import Image as Pillow

from .hub_rows import load_hub_rows, quiet
from .lines import cut_off, many, read_objects, read_table


KINDS = {".parquet": "parquet", ".json": "json", ".jsonl": "json"}
TABLES = (".csv", ".tsv")
METADATA_FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
DEFAULT_DEMO = {"count": 10000, "seed": 0, "size": 96, "folder": "demo-data"}
SPLITS = ("train", "validation", "val", "valid", "dev", "test")
NOTHING = ("", "NA")
EXAMPLE = {"articleType": "Jeans", "baseColour": "Blue"}


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
        from .demo import write_demo  # imports inflect, which takes seconds

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
    if path.is_file():
        return _file(path)
    if path.is_dir():
        if (path / "styles.csv").is_file():
            return _kaggle(path)
        shards = sorted(file for file in path.glob("*.parquet") if file.name not in METADATA_FILES)
        if shards := shards or sorted(path.glob("data/*.parquet")):  # as on the Hub
            names = {name: [p for p in shards if p.name.startswith(name)] for name in ("train", "val", "test")}
            files = {name: found for name, found in names.items() if found}
            return Opened(_parquet(files, source) if files else _shards(shards, source), path)
        if named := [path / name for name in METADATA_FILES if (path / name).is_file()]:
            return _picture_folder(path, named[0])
        line = json.dumps({"file_name": next(_pictures_in(path), "a.jpg"), **EXAMPLE})
        raise ValueError(
            f"Folder {source!r} holds no catalogue: no *.parquet, no {', '.join(METADATA_FILES)}, no styles.csv with images/; "
            f"give a folder with one of them, as with a metadata.jsonl of a line for each picture: {line}."
        )
    return Opened(load_hub_rows(source))


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


def need_column(names, column, source, what, ours=None):
    """Raises a `ValueError` that names the nearest column, if a catalogue lacks one.

    Args:
        names (`list[str]`): What the catalogue's own columns are called.
        column (`str`): The one that is needed.
        source (`str`): The catalogue.
        what (`str`): What the column would hold.
        ours (`str`, *optional*): MODA's name of it. Defaults to `column`.
    """
    if column in names:
        return
    plain = {name.casefold(): name for name in names if len(name) > 3 or name.casefold() == column.casefold()}
    near = [plain[name] for name in difflib.get_close_matches(column.casefold(), plain, 1, 0.65)]
    said = f"{{{ours or column}: {near[0] if near else 'your column'}}}"
    raise ValueError(
        f"{source} has no column {column!r} ({what}) among {', '.join(names)}; "
        + (f"is it {near[0]!r}? Say so" if near else "name yours")
        + f", as in data: {{columns: {said}}} in a recipe, or data.columns='{said}' behind a command."
    )


def _file(path):
    kind = path.suffix.lower()
    if kind in TABLES:
        header, lines, notes = read_table(path)
        fits = [values for _, values in lines if len(values) == len(header)]
        # A comma too many may stand in any column, and would push values into others.
        left_out = [_unfit(line, header, number, path) for number, line in lines if len(line) != len(header)]
        if not fits:
            why = f"no line has {len(header)} values" if lines else "there is nothing below the columns' names"
            raise ValueError(f"{path} has no rows or can't be read as csv: {why}.")
        return Opened({"all": Dataset.from_dict(_columns(header, fits))}, path.parent, left_out, notes)
    if KINDS.get(kind) == "json":
        rows, left_out = read_objects(path)
        return Opened({"all": rows}, path.parent, left_out)
    if kind in KINDS:
        return Opened(_shards([path], path), path.parent)
    raise ValueError(f"{path} is none of {', '.join([*KINDS, *TABLES])}, which a catalogue may be; convert it to one.")


def _shards(shards, source):
    return {"all": _parquet({"train": shards}, source)["train"]}


def _parquet(files, source):
    filled = {}
    for name, shards in files.items():
        try:
            filled[name] = [str(shard) for shard in shards if pq.read_metadata(shard).num_rows]
        except (pa.ArrowInvalid, OSError) as error:
            raise ValueError(f"{source} has no rows or can't be read as parquet: {error}") from error
    filled = {name: shards for name, shards in filled.items() if shards}
    if not filled:
        raise ValueError(f"{source} has no rows.")
    return _read_files("parquet", source, data_files=filled)


def _read_files(kind, source, **where):
    try:
        with quiet():
            return dict(load_dataset(kind, **where))
    except (ValueError, StopIteration, DatasetGenerationError) as error:
        cause = " ".join(str(error.__cause__ or error).split()) or "it is empty"
        raise ValueError(f"{source} has no rows or can't be read as {kind}: {cause}") from error


def _picture_folder(path, file):
    opened = Opened(_shards([file], file), path) if file.suffix == ".parquet" else _file(file)
    rows = opened.splits["all"]
    if "file_name" in rows.column_names:
        rows = rows.remove_columns([name for name in rows.column_names if name == "image"])
        opened.splits = _by_folder(rows.rename_column("file_name", "image"))
        shown = {os.path.normpath(name) for rows in opened.splits.values() for name in rows["image"][:] if name}
    elif any(name.endswith(("_file_name", "_file_names")) for name in rows.column_names):
        opened.splits, shown = _read_files("imagefolder", path, data_dir=str(path)), None
    else:
        shown = None
    if shown is not None:
        unnamed = sum(
            not shown & {name, os.path.relpath(name, "images"), os.path.join(os.path.abspath(path), name)}
            for name in _pictures_in(path)
        )
        opened.notes += [f"In {path.name}/, {many(unnamed, 'picture')} belonged to no row."] if unnamed else []
    return opened


def _by_folder(rows):
    """Splits rows by the folder that their picture lies in, if each lies in one that is called as a split."""
    found = {}
    for index, name in enumerate(rows["image"][:]):
        folders = os.path.dirname(name or "").split("/")
        found.setdefault(next((split for split in SPLITS if split in folders), None), []).append(index)
    if None in found or "split" in rows.column_names:
        return {"all": rows}
    return {split: rows.select(found[split]) for split in SPLITS if split in found}


def _pictures_in(folder):
    for place, folders, names in os.walk(folder):
        folders.sort()
        inner = os.path.relpath(place, folder)
        yield from (os.path.normpath(os.path.join(inner, name)) for name in sorted(names) if _is_picture(name))


def _kaggle(path):
    file = path / "styles.csv"
    header, lines, notes = read_table(file)
    pictures, images = {}, os.path.join(path, "images")
    for name in sorted(os.listdir(images) if os.path.isdir(images) else ()):
        stem, ending = os.path.splitext(name)
        if _is_picture(name) and (stem not in pictures or ending == ".jpg"):
            pictures[stem] = name
    fits, shown, left_out, named, joined, last = [], [], [], set(), 0, len(header) - 1
    for number, line in lines:
        key = line[0].strip()
        named.add(key)
        if len(line) < len(header):
            left_out.append(_unfit(line, header, number, file))
        elif key not in pictures:
            why = f"There is no picture of {key!r} in images/."
            left_out.append({"id": key or None, "row": None, "check": "no_picture", "why": why})
        else:
            # Some product names hold commas that are not quoted: what is too much belongs to the last column.
            joined += len(line) > len(header)
            fits.append([*line[:last], ",".join(line[last:])])
            shown.append(os.path.join(images, pictures[key]))
    if not fits:
        raise ValueError(f"{file} names no picture that lies in {images}; check the layout.")
    if joined:
        notes.append(f"In {file.name}, {many(joined, 'line')} had commas too many; they went into {header[-1]}.")
    if unnamed := len(pictures.keys() - named):
        notes.append(f"In images/, {many(unnamed, 'picture')} belonged to no row.")
    rows = Dataset.from_dict({**_columns(header, fits), "image": shown}).cast_column("image", Image())
    return Opened({"all": rows}, path, left_out, notes)


def _columns(header, lines):
    columns = zip(header, zip(*lines))
    return {name: [None if value in NOTHING else value for value in values] for name, values in columns}


def _unfit(line, header, number, file):
    return cut_off(
        f"Line {number} of {file.name} has {many(len(line), 'value')} for {len(header)} columns.", line[0].strip()
    )


def _is_picture(name):
    return os.path.splitext(name)[1].lower() in Pillow.registered_extensions()
