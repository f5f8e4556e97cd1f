"""The five scores of the MODA guide, from 0 to 10: colour, style, category, gender, factual consistency; overall, their mean."""

from dataclasses import dataclass, field

import numpy as np


SCORES = ("colour", "style", "category", "gender", "factual")
OVERALL = "overall"
# What is right or wrong as a whole, and the catalogue's name of it.
BINARY = {"style": "usage", "category": "articleType", "gender": "gender"}


@dataclass
class Verdict:
    """What a judge, by rules or a model, finds in one sentence about one product.

    Args:
        colours_right (`int`, defaults to 0): How many of the product's colours the sentence names.
        colours (`int`, defaults to 0): How many colours the product has; 0 where it is not known to have any.
        style (`bool`, *optional*): Whether the style (the catalogue's `usage`) is right; `None` where it is not known.
        category (`bool`, *optional*): Whether the category (the catalogue's `articleType`) is right; `None` likewise.
        gender (`bool`, *optional*): Whether the gender is right; `None` likewise.
        details_right (`int`, defaults to 0): How many of the details mentioned are true of the product.
        details (`int`, defaults to 0): How many details the sentence mentions that can be checked.
        unverifiable (`int`, defaults to 0): How many it mentions besides that nothing is known about.
        read (`dict[str, list[str]]`): What was read in the sentence, for people: of each attribute the values.
        wrong (`list[str]`): What was wrong, in words, for people.
    """

    colours_right: int = 0
    colours: int = 0
    style: bool | None = None
    category: bool | None = None
    gender: bool | None = None
    details_right: int = 0
    details: int = 0
    unverifiable: int = 0
    read: dict = field(default_factory=dict)
    wrong: list = field(default_factory=list)


def five_scores(verdicts):
    """Turns verdicts into the five scores of the MODA guide ("Training Small Vision Language Models", evaluation metrics).

    | score | of one sentence | excluded where |
    | --- | --- | --- |
    | colour | 10 × colours identified / colours of the item | the item has no known colour |
    | style, category, gender | 10 or 0 | the catalogue does not say |
    | factual | 10 × right details / details mentioned | the sentence mentions none that can be checked |

    The guide leaves open what a zero denominator means: such a sentence is excluded from that score, and counted. It
    leaves open, too, whether the overall score is a sum or a mean; it draws it on the axis of the others, so it is the
    mean. The overall score of a sentence is the mean of its scores that are not excluded, that of many sentences the mean
    of the five scores; see [`summary`]. A colour named in excess costs nothing in colour and counts against factual.

    Args:
        verdicts (`list[Verdict | None]`): One a row; `None` where a judge failed, which excludes the row from all.

    Returns:
        `dict[str, np.ndarray]`: For each of `SCORES` and for `overall` an array of shape `(len(verdicts),)`, float64 in
        0–10; NaN where excluded.
    """

    def share(right, total):
        return 10 * right / total if total else np.nan

    def binary(right):
        return np.nan if right is None else 10.0 * right

    rows = [
        (
            share(verdict.colours_right, verdict.colours),
            binary(verdict.style),
            binary(verdict.category),
            binary(verdict.gender),
            share(verdict.details_right, verdict.details),
        )
        if verdict is not None
        else (np.nan,) * len(SCORES)
        for verdict in verdicts
    ]
    table = np.array(rows, dtype=np.float64).reshape(len(rows), len(SCORES))
    known = ~np.isnan(table)
    counts = known.sum(1)
    overall = np.where(counts > 0, np.where(known, table, 0).sum(1) / np.maximum(counts, 1), np.nan)
    return {**dict(zip(SCORES, table.T)), OVERALL: overall}


def summary(scores, weights=None):
    """Averages scores over rows.

    Args:
        scores (`dict[str, np.ndarray]`): Of [`five_scores`]: arrays of shape `(rows,)`.
        weights (`np.ndarray` of shape `(rows,)` or `(resamples, rows)`, *optional*): How often each row counts, as a
            bootstrap draws it. Defaults to once.

    Returns:
        `dict[str, float | np.ndarray]`: The mean of each of `SCORES` over the rows that have it, NaN where none has, and
        `overall`, the mean of those means; arrays of shape `(resamples,)` for two-dimensional weights.
    """
    weights = np.ones(len(scores[SCORES[0]])) if weights is None else np.asarray(weights, dtype=np.float64)
    means = {}
    for name in SCORES:
        known = ~np.isnan(scores[name])
        total = weights @ known
        with np.errstate(invalid="ignore", divide="ignore"):
            means[name] = (weights @ np.where(known, scores[name], 0)) / total
    # The same scores make up every resample's overall: one that has no row of a score has no overall score.
    counted = [means[name] for name in SCORES if not np.isnan(scores[name]).all()]
    means[OVERALL] = np.mean(counted, axis=0) if counted else np.full_like(means[SCORES[0]], np.nan)
    return means
