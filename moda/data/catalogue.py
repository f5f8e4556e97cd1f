"""Opens a catalogue, from wherever it lies, as described rows: picture, metadata, sentence."""

import csv
import difflib
import random
from pathlib import Path

from datasets import Dataset, Image, load_dataset

from .demo import write_demo
from .wording import ATTRIBUTES, Wording


METADATA_FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
OTHER_NAMES = {"val": "validation", "valid": "validation", "dev": "validation", "all": "train"}
DEFAULT_DEMO = {"count": 10000, "seed": 0, "size": 96, "folder": "demo-data"}


class Catalogue:
    """A catalogue's described rows, in splits.

    Args:
        splits (`dict[str, datasets.Dataset]`):
            `train`, `validation` and, where there is one, `test`, with the columns `image` (undecoded), `description`
            and whatever metadata there is under Kaggle's names (`articleType`, `baseColour`, `gender`, `usage`).
        wording ([`Wording`]): The words that the rows' metadata is spoken with; reads it back from sentences.
        source (`str`): Where the rows came from, for the model card.
    """

    def __init__(self, splits, wording, source):
        self.splits, self.wording, self.source = splits, wording, source


def load_catalogue(data):
    """Opens the catalogue that a recipe's `data` names.

    Args:
        data (`dict`): `demo` (`count`, `seed`, `size`, `folder` of the drawn catalogue) or `path`: a parquet file, a
            folder of parquet files, a folder of pictures with `metadata.csv`, `.jsonl` or `.parquet`, a folder in Kaggle's
            layout (`styles.csv` and `images/`), or the id of a dataset on the Hub. Further:

            - `columns` (`dict[str, str]`): what the catalogue calls `image`, `description`, `articleType`, `baseColour`,
              `gender`, `usage`, `masterCategory`, `pattern`, `split`.
            - `validation` (`float`, defaults to 0.05): share that is held out where the catalogue names no splits.
            - `wordings` (`int`, defaults to 4): how many of the sentence patterns are used, where rows have no
              `description` and are described from their metadata.
            - `limit` (`int`): most rows of a split. `seed` (`int`, defaults to 0): of the split and the wordings.

    Returns:
        [`Catalogue`]

    Raises:
        `FileNotFoundError`: If there is nothing at the path.
        `ValueError`: If a column is missing or a folder holds no catalogue, naming what is there.
    """
    seed = data.get("seed", 0)
    if "demo" in data:
        demo = {**DEFAULT_DEMO, **(data["demo"] or {})}
        source = str(write_demo(**demo))
    else:
        source = str(data["path"])
    rows = _open(source)
    rows = {name: _rename(split, data.get("columns") or {}, source) for name, split in rows.items()}
    rows = _splits(rows, data.get("validation", 0.05), seed)
    if data.get("limit"):
        rows = {name: split.select(range(min(data["limit"], len(split)))) for name, split in rows.items()}
    for attribute in ATTRIBUTES:
        kind = rows["train"].features.get(attribute)
        if kind is not None and getattr(kind, "dtype", None) not in ("string", "large_string", "null"):
            raise ValueError(f"Column {attribute!r} of {source} holds {kind}, where MODA reads words, as in 'Jeans'.")
    wording = Wording(_values(rows))
    described = "description" in rows["train"].column_names
    for name, split in rows.items():
        if not described:
            split = _describe(split, wording, data.get("wordings", 4), seed, source)
        rows[name] = _without_silent(split, name)
    return Catalogue(rows, wording, source)


def _open(source):
    path = Path(source)
    if path.is_file() and path.suffix == ".parquet":
        return {"all": load_dataset("parquet", data_files=str(path), split="train")}
    if path.is_dir():
        if (path / "styles.csv").is_file():
            return {"all": _kaggle(path)}
        if shards := sorted(path.glob("*.parquet")):
            names = {name: [str(p) for p in shards if p.name.startswith(name)] for name in ("train", "val", "test")}
            files = {name: found for name, found in names.items() if found} or {"all": [str(p) for p in shards]}
            return dict(load_dataset("parquet", data_files=files))
        if any((path / name).is_file() for name in METADATA_FILES):
            return dict(load_dataset("imagefolder", data_dir=str(path)))
        raise ValueError(
            f"Folder {source!r} holds no catalogue: no *.parquet, no {', '.join(METADATA_FILES)}, no styles.csv with "
            "images/; give a folder with one of them."
        )
    if path.exists() or path.suffix or source.startswith((".", "/", "~")):
        raise FileNotFoundError(f"There is no catalogue at {source!r}; give a parquet file, a folder or a dataset id.")
    return dict(load_dataset(source))


def _kaggle(path):
    without_picture = 0
    with open(path / "styles.csv", encoding="utf-8", errors="replace", newline="") as file:
        header, *lines = csv.reader(file)
    columns = {name: [] for name in [*header, "image"]}
    for line in lines:
        picture = path / "images" / f"{line[0]}.jpg" if line else path
        if len(line) < len(header) or not picture.is_file():
            without_picture += 1
            continue
        # Some product names hold commas that are not quoted: what is too much belongs to the last column.
        values = [*line[: len(header) - 1], ",".join(line[len(header) - 1 :])]
        for name, value in zip(header, values):
            columns[name].append(value if value not in ("", "NA") else None)
        columns["image"].append(str(picture))
    if not columns["image"]:
        raise ValueError(f"{path / 'styles.csv'} names no picture that lies in {path / 'images'}; check the layout.")
    if without_picture:
        print(f"left out: {without_picture:,} rows of {path / 'styles.csv'} that are cut off or have no picture")
    return Dataset.from_dict(columns).cast_column("image", Image())


def _rename(rows, columns, source):
    for ours, theirs in columns.items():
        _need(rows, theirs, source, f"which the recipe's data.columns calls {ours!r}")
        if ours != theirs:
            rows = rows.rename_column(theirs, ours)
    _need(rows, "image", source, "the pictures")
    if not isinstance(rows.features["image"], Image):
        rows = rows.cast_column("image", Image())
    return rows.cast_column("image", Image(decode=False))


def _need(rows, column, source, what):
    if column not in rows.column_names:
        near = difflib.get_close_matches(column, rows.column_names, 1, 0.4)
        hint = f"; is it {near[0]!r}? Say so" if near else "; name yours"
        raise ValueError(
            f"{source} has no column {column!r} ({what}) among {', '.join(rows.column_names)}{hint} in the recipe, as in "
            f"data: {{columns: {{{column}: {near[0] if near else 'your_column'}}}}}."
        )


def _splits(rows, share, seed):
    """Finds train, validation and test by file or by a `split` column; validation may be held out of train, never test."""
    if "all" in rows and "split" in rows["all"].column_names:
        names = list(rows["all"]["split"])
        rows = {
            name: rows["all"].select([index for index, value in enumerate(names) if value == name])
            for name in dict.fromkeys(names)
            if name is not None
        }
    rows = {OTHER_NAMES.get(name, name): split for name, split in rows.items()}
    if "train" not in rows:
        raise ValueError(f"The catalogue's splits are {', '.join(rows)}, and none is 'train'; rename one.")
    rows = {name: rows[name] for name in ("train", "validation", "test") if name in rows}
    if "validation" not in rows:
        halves = rows["train"].train_test_split(test_size=share, seed=seed)
        rows = {**rows, "train": halves["train"], "validation": halves["test"]}
    return rows


def _values(rows):
    values = {}
    for attribute in ATTRIBUTES:
        found = {
            value for split in rows.values() if attribute in split.column_names for value in split.unique(attribute)
        }
        values[attribute] = sorted(value for value in found if value)
    return values


def _describe(rows, wording, wordings, seed, source):
    _need(
        rows, "articleType", source, "what the product is; without it, and without a description, nothing can be said"
    )
    known = [name for name in (*ATTRIBUTES, "masterCategory") if name in rows.column_names]
    table = {name: list(rows[name]) for name in known}
    sentences = []
    for index in range(len(rows)):
        row = {name: table[name][index] for name in known}
        template = random.Random(f"{seed}-{index}").randrange(wordings)
        sentences.append(wording.write(row, template) if row["articleType"] else None)
    return rows.add_column("description", sentences)


def _without_silent(rows, name):
    sentences = list(rows["description"])
    said = [index for index, sentence in enumerate(sentences) if sentence and sentence.strip()]
    if not said:
        raise ValueError(f"No row of {name} has a description, or an articleType to describe it from.")
    if len(said) == len(sentences):
        return rows
    print(f"left out: {len(sentences) - len(said):,} rows of {name} without anything to say")
    return rows.select(said)
