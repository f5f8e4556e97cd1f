"""Which rows a model is evaluated on: those that its own training held out, or those of any catalogue."""

import hashlib
from dataclasses import dataclass, field
from pathlib import Path

import datasets
import yaml

from moda.data.catalogue import Catalogue, load_catalogue

from .sentences import spread


ORDER = ("test", "validation", "train")


@dataclass
class Selection:
    """Rows to evaluate on.

    Args:
        catalogue ([`Catalogue`]): Where they are from.
        split (`str`): Which of its splits.
        rows (`datasets.Dataset`): The rows.
        numbers (`list[int]`): Their numbers in the split.
        train (`datasets.Dataset`, *optional*): What may be learnt from, for baselines; `None` where there is none.
        notes (`list[str]`): What a reader of the scores should know of the rows.
    """

    catalogue: Catalogue
    split: str
    rows: datasets.Dataset
    numbers: list[int]
    train: datasets.Dataset | None
    notes: list[str] = field(default_factory=list)


def select_rows(data=None, model=None, split=None, columns=None, count=None):
    """Opens the rows to evaluate on.

    Args:
        data (`str`, *optional*): A catalogue: a file, a folder or the id of a dataset; see [`load_catalogue`]. Defaults to
            the one in the recipe that lies in the model's folder.
        model (`str`, *optional*): Folder of the model. Where its recipe names the same catalogue, the rows are split as its
            training split them, so that held out stays held out.
        split (`str`, *optional*): Defaults to the recipe's, or to the last of train, validation and test that there is.
        columns (`dict[str, str]`, *optional*): What the catalogue calls what; see [`load_catalogue`].
        count (`int`, *optional*): Most rows, evenly spread over the split. Defaults to all.

    Returns:
        [`Selection`]

    Raises:
        `ValueError`: If no catalogue is named anywhere, or it has no such split.
        `FileNotFoundError`: If there is nothing at the path.
    """
    recipe = _recipe_of(model)
    trained_on = recipe.get("data") or {}
    if data is None and not trained_on:
        raise ValueError(
            f"{model} has no recipe.yaml that names a catalogue; name one, as in moda evaluate {model} DATA."
        )
    own = data is None or _same(data, trained_on.get("path"))
    if own:
        catalogue = load_catalogue({**trained_on, **({"columns": columns} if columns else {})})
        split = split or (recipe.get("evaluation") or {}).get("split", "validation")
    else:
        catalogue = load_catalogue({"path": data, "columns": columns or {}}, training=False)
    splits = catalogue.splits
    split = split or next(name for name in ORDER if name in splits)
    if split not in splits:
        raise ValueError(
            f"{catalogue.source} has no split {split!r}, only {', '.join(splits)}; choose one with --split."
        )
    rows, notes = splits[split], []
    train = splits.get("train") if split != "train" else None
    if train is not None:
        notes += _overlaps(rows, train, split)
    elif not own:
        notes.append(
            f"{catalogue.source} names no other split than {split!r}: whether the model was trained on these rows is not known."
        )
    else:
        notes.append("These are rows that the model was trained on: the scores say how well it remembers them.")
    numbers = list(range(len(rows)))
    if count is not None and count < len(rows):
        notes.append(f"{count:,} of {len(rows):,} rows were evaluated, evenly spread.")
        numbers = spread(count, len(rows))
        rows = rows.select(numbers)
    return Selection(catalogue, split, rows, numbers, train, notes)


def _recipe_of(model):
    file = Path(model or "") / "recipe.yaml"
    return (yaml.safe_load(file.read_text(encoding="utf-8")) or {}) if model and file.is_file() else {}


def _same(data, path):
    return path is not None and Path(data).exists() and Path(data).resolve() == Path(path).resolve()


def _overlaps(rows, train, split):
    """Says how many rows are also among those that were learnt from, by the very picture and by the group."""
    seen = set(_digests(train))
    again = sum(digest in seen for digest in _digests(rows))
    notes = [f"{again:,} of {len(rows):,} {split} pictures are, byte for byte, also among the {len(train):,} of train."]
    if "group" in rows.column_names and "group" in train.column_names:
        groups = set(train["group"][:])
        shared = sum(group is not None and group in groups for group in rows["group"][:])
        notes.append(f"{shared:,} of them share a group of near-duplicates with a row of train.")
    return notes


def _digests(rows):
    for batch in rows.select_columns("image").with_format("arrow").iter(1000):
        for image in batch["image"].to_pylist():
            content = image["bytes"] or (Path(image["path"]).read_bytes() if Path(image["path"]).is_file() else b"")
            yield hashlib.blake2b(content, digest_size=16).digest()
