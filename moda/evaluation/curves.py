"""The curves that a training run left beside its model: the guide's scores by tokens seen, losses by step."""

import csv
from collections import defaultdict
from pathlib import Path


def read_curves(folder):
    """Reads what `train.py` wrote.

    Args:
        folder (`str`): Of the model.

    Returns:
        `dict`: `curves`, the guide's scores from 0 to 10 by tokens seen, and `losses`, by step; each a list of `{"name",
        "points"}`, points `[x, value]` in order. Empty where there is none.
    """
    scores, losses = defaultdict(list), defaultdict(list)
    for row in _rows(Path(folder) / "scores.csv", ("name", "tokens", "value")):
        if row["name"].startswith("guide_"):
            scores[row["name"].removeprefix("guide_")].append([int(row["tokens"]), float(row["value"])])
    for row in _rows(Path(folder) / "loss.csv", ("phase", "step", "loss")):
        losses[row["phase"]].append([int(row["step"]), float(row["loss"])])
    return {
        "curves": [{"name": name, "points": points} for name, points in scores.items()],
        "losses": [{"name": name, "points": points} for name, points in losses.items()],
    }


def _rows(file, columns):
    """The rows of a file that training wrote; none of one that is missing, or that something else wrote."""
    if not file.is_file():
        return []
    with open(file, newline="", encoding="utf-8") as lines:
        reader = csv.DictReader(lines)
        return list(reader) if set(columns) <= set(reader.fieldnames or ()) else []
