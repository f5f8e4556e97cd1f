"""Opens a catalogue, or a mixture of several, from wherever it lies: pictures, and what is said of them."""

import random
from collections import Counter

from datasets import Dataset

from .conversations import hold_out_pictures, read_rows
from .mixture import mix_splits, weights_of
from .sources import lift_metadata, need_column, open_splits, place_of
from .wording import ATTRIBUTES, Wording


SPLITS = ("train", "validation", "test")
SHARED = ("validation", "wordings", "limit", "seed")  # what holds for the parts of a mixture that say nothing else
OTHER_NAMES = {"val": "validation", "valid": "validation", "dev": "validation", "all": "train"}


class Catalogue:
    """A catalogue's described rows, in splits.

    Args:
        splits (`dict[str, datasets.Dataset]`):
            `train`, `validation` and, where there is one, `test`, with the columns `image` (undecoded); `description`, or
            `messages` where rows hold conversations, or both, one of them null, where a mixture holds both kinds;
            `prompt` and `answers` of questions; `descriptions` of several sentences; and whatever metadata there is
            under Kaggle's names (`articleType`, `baseColour`, `gender`, `usage`).
        wording ([`Wording`]): The words that the rows' metadata is spoken with; reads it back from sentences.
        source (`str`): Where the rows came from, for the model card.
        written (`bool`, *optional*, defaults to `False`): Whether descriptions were written from the metadata.
    """

    def __init__(self, splits, wording, source, written=False):
        self.splits, self.wording, self.source, self.written = splits, wording, source, written


def load_catalogue(data, training=True):
    """Opens the catalogue that a recipe's `data` names.

    Args:
        data (`dict`): `demo` (`count`, `seed`, `size`, `folder` of the drawn catalogue) or `path`: a parquet, JSON, JSONL,
            CSV or TSV file, a folder of parquet files, a folder of pictures with `metadata.csv`, `.jsonl` or `.parquet`, a
            folder in Kaggle's layout (`styles.csv` and `images/`), or the id of a dataset on the Hub; or `mix`, a list of
            parts, each a `data` of its own with a `weight` (defaults to 1): see [`mix_splits`]. Rows may hold metadata,
            descriptions, several sentences, questions with answers, or conversations: see [`read_rows`]; metadata may be
            packed in one column, see [`lift_metadata`]. Paths of pictures begin at the file's folder, or in `images/`
            there. Rows that can't be used are left out, and counted in a line for each reason. Further:

            - `columns` (`dict[str, str]`): what the catalogue calls `image`, `description`, `prompt`, `messages`,
              `question`, `answer`, `articleType`, `baseColour`, `gender`, `usage`, `masterCategory`, `pattern`, `split`.
            - `validation` (`float`, defaults to 0.05): share that is held out where the catalogue names no splits; of
              questions and conversations whole pictures are.
            - `wordings` (`int`, defaults to 4): how many of the sentence patterns are used, where rows have no
              `description` and are described from their metadata.
            - `fold` (`bool`, defaults to `False`): whether all that is asked about one picture becomes one conversation.
            - `limit` (`int`): most rows of a split. `seed` (`int`, defaults to 0): of split, wordings and mixture. `size`
              (`int`): most training rows of a mixture; what it says of the others holds for parts that don't themselves.
        training (`bool`, *optional*, defaults to `True`): Whether rows are to be trained on. Without, nothing is held out
            where the catalogue names no splits, and neither a split `train` nor something to say is needed.

    Returns:
        [`Catalogue`]

    Raises:
        `FileNotFoundError`: If there is nothing at the path.
        `ValueError`: If a column is missing, a folder holds no catalogue, no row can be used, or a mixture can't be
            made, naming what is there.
    """
    return _mix(data, training) if "mix" in data else _load(data, training)


def _mix(data, training):
    weights = weights_of(data["mix"])
    shared = {name: data[name] for name in SHARED if name in data}
    parts = [{**shared, **part} for part in data["mix"]]
    opened = [_mix(part, training) if "mix" in part else _load(part, training, sourced=True) for part in parts]
    wording = Wording(_values(split for part in opened for split in part.splits.values()))
    splits = mix_splits([part.splits for part in opened], weights, data.get("seed", 0), data.get("size"))
    source, written = " + ".join(part.source for part in opened), any(part.written for part in opened)
    return Catalogue(splits, wording, source, written)


def _load(data, training, sourced=False):
    seed = data.get("seed", 0)
    source = place_of(data)
    opened = open_splits(source)
    if opened.left_out:
        print(f"left out: {len(opened.left_out):,} rows of {source} that are cut off or have no picture")
    rows, reasons = {}, Counter()
    for name, split in opened.splits.items():
        split = _rename(lift_metadata(split), data.get("columns") or {}, source)
        if sourced:
            split = split.remove_columns({"source"} & set(split.column_names))
            split = split.add_column("source", [source] * len(split))
        rows[name], left_out = read_rows(split, opened.folder, data.get("fold", False))
        reasons += left_out
    for reason, count in reasons.items():
        print(f"left out: {count:,} rows of {source} {reason}")
    rows = {name: split for name, split in rows.items() if len(split)}
    if not rows:
        why = ", ".join(f"{count:,} {reason}" for reason, count in reasons.items()) or "there is none"
        raise ValueError(f"No row of {source} can be used: {why}; see load_catalogue for what rows may hold.")
    rows = _splits(rows, data.get("validation", 0.05) if training else 0, seed, source, training)
    if data.get("limit"):
        rows = {name: split.select(range(min(data["limit"], len(split)))) for name, split in rows.items()}
    first = next(iter(rows.values()))
    for attribute in ATTRIBUTES:
        kind = first.features.get(attribute)
        if kind is not None and getattr(kind, "dtype", None) not in ("string", "large_string", "null"):
            raise ValueError(f"Column {attribute!r} of {source} holds {kind}, where MODA reads words, as in 'Jeans'.")
    wording = Wording(_values(rows.values()))
    said = {"description", "messages"} & set(first.column_names)
    for name, split in rows.items():
        if not said and (training or "articleType" in split.column_names):
            split = _describe(split, wording, data.get("wordings", 4), seed, source)
        rows[name] = _without_silent(split, name) if training and "messages" not in said else split
    return Catalogue(
        rows, wording, source, written=not said and "description" in next(iter(rows.values())).column_names
    )


def _rename(rows, columns, source):
    names = rows.column_names
    for ours, theirs in columns.items():
        need_column(names, theirs, source, f"which data.columns calls {ours!r}", ours)
        if ours != theirs:
            rows = rows.rename_column(theirs, ours)
    if not {"image", "images"} & set(rows.column_names):
        need_column(names, "image", source, "the pictures")
    return rows


def _splits(rows, share, seed, source, training):
    """Finds train, validation and test by file or by a `split` column; validation may be held out of train, never test."""
    if "all" in rows and "split" in rows["all"].column_names:
        places = {}
        for index, name in enumerate(rows["all"]["split"][:]):
            places.setdefault(name, []).append(index)
        rows = {name: rows["all"].select(found) for name, found in places.items()}
    rows = {OTHER_NAMES.get(name, name): split for name, split in rows.items()}
    for name in [name for name in rows if name not in SPLITS]:
        print(
            f"left out: {len(rows[name]):,} rows of {source} in split {name!r}, since only {', '.join(SPLITS)} are read"
        )
    if "train" not in rows and (training or not set(SPLITS) & set(rows)):
        raise ValueError(f"The splits of {source} are {', '.join(map(str, rows))}, and none is 'train'; rename one.")
    rows = {name: rows[name] for name in SPLITS if name in rows}
    if "validation" not in rows and share:
        asked = {"messages", "answers"} & set(rows["train"].column_names)
        split = hold_out_pictures if asked else Dataset.train_test_split
        halves = split(rows["train"], test_size=share, seed=seed)
        rows = {**rows, "train": halves["train"], "validation": halves["test"]}
    return rows


def _values(splits):
    values = {attribute: set() for attribute in ATTRIBUTES}
    for split in splits:
        for attribute in set(ATTRIBUTES) & set(split.column_names):
            values[attribute].update(split[attribute][:])
    return {attribute: sorted(value for value in found if value) for attribute, found in values.items()}


def _describe(rows, wording, wordings, seed, source):
    what = "what the product is; without it, and without a description, nothing can be said"
    need_column(rows.column_names, "articleType", source, what)
    known = [name for name in (*ATTRIBUTES, "masterCategory") if name in rows.column_names]
    table = {name: rows[name][:] for name in known}
    sentences = []
    for index in range(len(rows)):
        row = {name: table[name][index] for name in known}
        template = random.Random(f"{seed}-{index}").randrange(wordings)
        sentences.append(wording.write(row, template) if row["articleType"] else None)
    return rows.add_column("description", sentences)


def _without_silent(rows, name):
    sentences = rows["description"][:]
    said = [index for index, sentence in enumerate(sentences) if sentence and sentence.strip()]
    if not said:
        raise ValueError(f"No row of {name} has a description, or an articleType to describe it from.")
    if len(said) == len(sentences):
        return rows
    print(f"left out: {len(sentences) - len(said):,} rows of {name} without anything to say")
    return rows.select(said)
