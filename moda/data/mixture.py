"""Mixes the splits of several catalogues by weight."""

from datasets import concatenate_datasets, interleave_datasets

from .wording import ATTRIBUTES


COLUMNS = (
    "image",
    "description",
    "descriptions",
    "prompt",
    "messages",
    "answers",
    "masterCategory",
    *ATTRIBUTES,
    "source",
)


def weights_of(parts):
    """Reads the weights of a mixture's parts.

    Args:
        parts (`list[dict]`): What a recipe's `data.mix` holds; `weight` defaults to 1.

    Returns:
        `list[float]`: Of each part, adding up to 1.

    Raises:
        `ValueError`: If there are no parts, or a weight is not a positive number, naming the part.
    """
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) for part in parts):
        raise ValueError(
            f"data.mix is {parts!r}; it takes a list of parts, as in mix: [{{path: a.parquet, weight: 0.7}}]."
        )
    weights = [part.get("weight", 1) for part in parts]
    for number, (part, weight) in enumerate(zip(parts, weights), 1):
        if isinstance(weight, bool) or not isinstance(weight, (int, float)) or not 0 < weight < float("inf"):
            name = part.get("path") or "a " + next(iter({"demo", "mix"} & set(part)), "part without a path")
            raise ValueError(
                f"Part {number} of data.mix ({name}) has the weight {weight!r}; give a number above 0, or leave the part out."
            )
    return [weight / sum(weights) for weight in weights]


def mix_splits(parts, weights, seed=0, size=None):
    """Mixes the training splits of several catalogues, and puts their validation and test splits behind each other.

    Training rows are drawn from the parts by their weights, each part in its own order and from its beginning again when
    it is through, until every part has been seen whole (`all_exhausted` of `datasets.interleave_datasets`). So a small
    part of a large weight is repeated, and a large part of a small weight makes the mixture long.

    Args:
        parts (`list[dict[str, datasets.Dataset]]`): Splits by name, with a `train` each.
        weights (`list[float]`): Of the parts, adding up to 1.
        seed (`int`, *optional*, defaults to 0): Of the drawing.
        size (`int`, *optional*): Most training rows; parts that are cut off there may not be seen whole.

    Returns:
        `dict[str, datasets.Dataset]`: With the columns that MODA reads, null where a part has none.
    """
    mixed = {}
    for name in ("train", "validation", "test"):
        splits = [part[name] for part in parts if name in part]
        splits = [split.select_columns([c for c in COLUMNS if c in split.column_names]) for split in splits]
        if name == "train":
            rows = interleave_datasets(splits, weights, seed=seed, stopping_strategy="all_exhausted")
            mixed[name] = rows.select(range(min(size or len(rows), len(rows))))
        elif splits:
            mixed[name] = concatenate_datasets(splits)
    return mixed
