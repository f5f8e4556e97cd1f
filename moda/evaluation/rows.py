"""Which rows a model is evaluated on: those that its own training held out, or those of any catalogue."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import datasets
import yaml

from moda.data.catalogue import Catalogue, load_catalogue
from moda.data.pixels import fingerprint

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
    own = data is None or _same(data, model, recipe)
    if own:
        named = {**trained_on, **({"path": data} if data is not None else {})}
        named["columns"] = {**(named.get("columns") or {}), **(columns or {})}
        try:
            catalogue = load_catalogue(named)
        except FileNotFoundError as error:
            way_out = f"; that is the path in {Path(model) / 'recipe.yaml'}: name the catalogue, as in moda evaluate {model} DATA."
            raise FileNotFoundError(str(error).split(";")[0] + way_out) from error if data is None else error
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
    elif own and split == "train":
        notes.append("These are rows that the model was trained on: the scores say how well it remembers them.")
    else:
        notes.append("There are no training rows beside these: whether a model was trained on them is not known.")
    if catalogue.written:
        notes.append(
            "The references are written from the metadata: caption metrics tell how alike the wording is, no more."
        )
    numbers = list(range(len(rows)))
    if count is not None and count < len(rows):
        notes.append(f"{count:,} of {len(rows):,} rows were evaluated, evenly spread.")
        numbers = spread(count, len(rows))
        rows = rows.select(numbers)
    return Selection(catalogue, split, rows, numbers, train, notes)


def _recipe_of(model):
    file = Path(model or "") / "recipe.yaml"
    if model is None or not file.is_file():
        return {}
    try:
        recipe = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} can't be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(recipe, dict):
        raise ValueError(
            f"{file} holds no recipe but a {type(recipe).__name__}; mend it, or move it away and name DATA."
        )
    return recipe


def _same(data, model, recipe):
    """Whether a catalogue is the one that the model's recipe names: by its name, its place, or the pictures trained on."""
    trained_on = recipe.get("data") or {}
    path = trained_on.get("path")
    if path is None:
        return False
    if data == path:
        return True
    if not Path(data).exists():
        return False
    places = [Path(path)]
    output = Path(recipe.get("output_dir") or "")
    if Path(model).resolve().parts[-len(output.parts) or None :] == output.parts:
        # A path in a recipe begins where train.py was called: above the model, by as much as its output_dir says.
        places.append(Path(*Path(model).resolve().parts[: -len(output.parts)]) / path)
    if any(Path(data).resolve() == place.resolve() for place in places):
        return True
    return _same_pictures(data, model, trained_on)


def _same_pictures(data, model, trained_on):
    """Whether training would take the same pictures from a catalogue as it took: a copy, or one that was moved."""
    file = Path(model) / "run.json"
    if not file.is_file():
        return False
    stages = json.loads(file.read_text(encoding="utf-8")).get("stages", ())
    known = {stage["data"]["fingerprint"] for stage in stages if "data" in stage}
    try:
        return fingerprint(load_catalogue({**trained_on, "path": data}).splits["train"]) in known
    except ValueError:  # another catalogue altogether
        return False


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
