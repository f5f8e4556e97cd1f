"""Opens the bare catalogue that is to be described: any layout, any column names, and each of its rows accounted for."""

import functools
import hashlib
import json
from collections import Counter
from pathlib import Path

import pyarrow.compute as pc
from datasets import ClassLabel, Dataset, Value, concatenate_datasets

from moda.data.conversations import read_pictures
from moda.data.pixels import fingerprint
from moda.data.sources import DEFAULT_DEMO, lift_metadata, many, need_column, open_splits, place_of

from .columns import guess_columns, is_text


FIELDS = (
    "gender",
    "masterCategory",
    "subCategory",
    "articleType",
    "baseColour",
    "season",
    "usage",
    "pattern",
    "productDisplayName",
)
PLACES = ("image", "id", "group", "split")  # what a product is filed under, and nothing that is known of it
WRITTEN = ("description", "initial_description", "clip_score")  # beside `annotators`: what was said here once, no fact
SPLITS = {"val": "validation", "valid": "validation", "dev": "validation"}
SPLITS.update({name: name for name in ("train", "validation", "test")})
NOTHING = frozenset(("", "na", "n/a", "nan", "none", "null"))
REASONS = {
    "without a picture": "The row names no picture.",
    "with several pictures": "The row has several pictures, and one is described.",
    "whose picture is not there": "There is no picture at {!r}.",
}


class Source:
    """A bare catalogue.

    Args:
        rows (`datasets.Dataset`): The rows that can be used: `image`, undecoded, and all other columns, those that MODA
            has a name for under it. On disk, no picture in memory.
        ids (`list[str]`): Of the rows, each once.
        columns (`dict[str, str]`): Our names, and the catalogue's own.
        guessed (`dict[str, str]`): Those of them that nobody named.
        skipped (`list[dict]`): Rows of the catalogue that can't be used, and are none of `rows`: `id` (or `None`), `row`
            (always `None`), `check` (`"no_picture"`, `"duplicate_id"` or `"cut_off"`) and `why`, a sentence.
        notes (`list[str]`): What else is wrong with the catalogue, a sentence with its count each.
        origin (`str`): The catalogue's name, without the folders of this machine.
    """

    def __init__(self, rows, ids, columns, guessed, skipped, notes, origin):
        self.rows, self.ids, self.columns, self.guessed = rows, ids, columns, guessed
        self.skipped, self.notes, self.origin = skipped, notes, origin
        self._kinds = rows.features
        filed = {*PLACES, *(WRITTEN if "annotators" in self._kinds else ())}
        own = [name for name, kind in self._kinds.items() if name not in filed and _is_plain(kind)]
        self._fields = [name for name in FIELDS if name in own] + [name for name in own if name not in FIELDS]
        self._known = rows.select_columns(self._fields).with_format("arrow")

    @property
    def count(self):
        """Rows of the catalogue in all, used or not."""
        return len(self.rows) + len(self.skipped)

    @functools.cached_property
    def picture_fingerprint(self):
        """Digest of the pictures, in order."""
        return fingerprint(self.rows)

    @functools.cached_property
    def fingerprint(self):
        """Digest of all that is here: pictures, ids, and what is known of each."""
        key = hashlib.sha256(self.picture_fingerprint.encode())
        filed = [self.ids, self.table(["group", "split"]), self._fields, self.skipped, self.notes]
        key.update(json.dumps(filed).encode())
        for batch in self._known.iter(1000) if self._fields else ():
            key.update(json.dumps(batch.to_pydict(), default=str).encode())
        return key.hexdigest()[:16]

    def metadata(self, index):
        """Returns what is known of a row: `dict[str, str | None]`, Kaggle's columns first, then others under their own names."""
        row = self._known[index].to_pylist()[0] if self._fields else {}
        return {name: _text(row[name], self._kinds[name]) for name in self._fields}

    def table(self, names):
        """Returns columns as `dict[str, list[str | None]]`; of a column that the catalogue lacks, `None` for each row."""
        columns = {name: [None] * len(self.rows) for name in names}
        for name in names:
            if name == "id":
                columns[name] = list(self.ids)
            elif name in self._kinds and name != "image":
                kind = self._kinds[name]
                columns[name] = [_text(value, kind) for value in self.rows[name][:]]
            if name == "split":
                columns[name] = [SPLITS.get(value and value.casefold()) for value in columns[name]]
        return columns


def open_source(data):
    """Opens a catalogue that is to be described.

    Splits are put behind each other; `split` remembers where files or a column of that name tell them apart. Columns that
    nobody named are guessed, and a line says how. Values are stripped; `NA`, `N/A`, `nan`, `None` and `null` are none.

    Args:
        data (`dict`): `path`, see [`open_splits`], or `demo` (`count`, `seed`, `size`, `folder` of the drawn catalogue).
            Further `columns` (`dict[str, str]`): what the catalogue calls `image`, `id`, `group`, `split`, `gender`,
            `masterCategory`, `subCategory`, `articleType`, `baseColour`, `season`, `usage`, `pattern`, `productDisplayName`.
            Without ids, row numbers are.

    Returns:
        [`Source`]

    Raises:
        `FileNotFoundError`: If there is nothing at the path.
        `ValueError`: If a column is named that is not there, none holds pictures, or no row can be used.
    """
    if not {"path", "demo"} & set(data):
        raise ValueError(
            f"data is {data!r} and names no catalogue; give a path, as in data: {{path: products.parquet}}, or demo."
        )
    place = place_of(data)
    opened = open_splits(place)
    origin = _origin(data, place)
    rows = lift_metadata(_joined(opened.splits))
    rows, columns, guessed = _under_our_names(rows, data.get("columns") or {}, place, origin)
    ids, notes = _ids(rows)
    notes = [*opened.notes, *notes, *_unusual_splits(rows)]
    rows, missing = _with_pictures(rows, opened.folder)
    skipped, kept, seen = list(opened.left_out), [], set()
    for index, (key, why) in enumerate(zip(ids, missing)):
        if why:
            skipped.append({"id": key, "row": None, "check": "no_picture", "why": why})
        elif key in seen:
            why = f"An earlier row has the id {key!r} too."
            skipped.append({"id": key, "row": None, "check": "duplicate_id", "why": why})
        else:
            seen.add(key)
            kept.append(index)
    if not kept:
        first = f"; the first: {skipped[0]['why']}" if skipped else ": there is none."
        raise ValueError(f"No row of {origin} can be used{first}")
    if len(kept) < len(rows):
        rows = rows.select(kept)
    return Source(rows, [ids[index] for index in kept], columns, guessed, skipped, notes, origin)


def _origin(data, place):
    if "demo" in data:
        demo = {**DEFAULT_DEMO, **(data["demo"] or {})}
        return f"MODA's demo catalogue ({demo['count']:,} drawn products, seed {demo['seed']})"
    return Path(place).resolve().name if Path(place).exists() else place


def _joined(splits):
    if len(splits) == 1 and set(splits) <= {"all", "train"}:  # what rows are called that nobody split
        return next(iter(splits.values()))
    parts = []
    for name, rows in splits.items():
        rows = rows.remove_columns([column for column in rows.column_names if column == "split"])
        parts.append(rows.add_column("split", [name] * len(rows)))
    return concatenate_datasets(parts)


def _under_our_names(rows, named, place, origin):
    names = rows.column_names
    for ours, theirs in named.items():
        need_column(names, theirs, place, f"which data.columns calls {ours!r}", ours)
        if list(named.values()).count(theirs) > 1:
            raise ValueError(f"data.columns gives {theirs!r} two names ({', '.join(named)}); give each column one.")
        if ours != theirs and ours in rows.column_names and ours not in named.values():
            raise ValueError(
                f"data.columns calls {theirs!r} {ours!r}, and {origin} has a column {ours!r} too; name that one as well, as "
                f"in data: {{columns: {{{ours}: {theirs}, other_{ours}: {ours}}}}}."
            )
    guessed, others = guess_columns(rows, named)
    if guessed:
        said = [
            f"{ours} = {theirs!r}" + (f" (not {', '.join(map(repr, others[ours]))})" if others[ours] else "")
            for ours, theirs in guessed.items()
        ]
        print(f"columns of {origin}, guessed: {', '.join(said)}; say otherwise in data.columns")
    own = {name: name for name in (*PLACES, *FIELDS) if name in rows.column_names and name not in named.values()}
    columns = {**own, **named, **guessed}
    rows = rows.rename_columns({theirs: ours for ours, theirs in columns.items() if ours != theirs})
    if "image" not in rows.column_names:
        need_column(names, "image", place, "the pictures")
    return rows, columns, guessed


def _ids(rows):
    if "id" not in rows.column_names:
        return [f"{index:06d}" for index in range(len(rows))], []
    kind = rows.features["id"]
    ids = [_text(value, kind) for value in rows["id"][:]]
    absent = ids.count(None)
    notes = [f"For lack of an id, {many(absent, 'row')} took the row number as one."] if absent else []
    return [f"row-{index:06d}" if key is None else key for index, key in enumerate(ids)], notes


def _unusual_splits(rows):
    if "split" not in rows.column_names:
        return []
    kind = rows.features["split"]
    counts = Counter(_text(value, kind) for value in rows["split"][:])
    return [
        f"The split {name!r} of {many(count, 'row')} is none of train, validation and test, and was taken for none."
        for name, count in counts.items()
        if name is not None and name.casefold() not in SPLITS
    ]


def _with_pictures(rows, folder):
    """Finds the pictures; returns the rows, and of each the sentence why it has none."""
    paths = _paths(rows)
    if paths is not None:
        rest = rows.remove_columns("image")
        shown = Dataset.from_dict({"image": paths})
        rows = concatenate_datasets([rest, shown], axis=1) if rest.column_names else shown
    rows, reasons = read_pictures(rows, folder)
    paths = paths or [None] * len(reasons)
    return rows, [reason and REASONS[reason].format(path) for reason, path in zip(reasons, paths)]


def _paths(rows):
    """Where the pictures lie, if none is in the rows themselves."""
    if is_text(rows.features["image"]):
        return rows["image"][:]
    stored = rows.data.column("image")
    names = [stored.type.field(index).name for index in range(stored.type.num_fields)]
    if "path" not in names or ("bytes" in names and pc.struct_field(stored, ["bytes"]).null_count < len(stored)):
        return None
    return pc.struct_field(stored, ["path"]).to_pylist()


def _is_plain(kind):
    return isinstance(kind, (Value, ClassLabel)) and "binary" not in str(kind)


def _text(value, kind):
    if isinstance(kind, ClassLabel) and value is not None:
        value = kind.int2str(value)
    if isinstance(value, float) and value.is_integer():  # years beside a missing one
        value = int(value)
    text = "" if value is None else str(value).strip()
    return None if text.casefold() in NOTHING else text
