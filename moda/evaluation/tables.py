"""What lies behind a score: classes, confusions, examples good and bad, and whether the model knows when it is wrong."""

import math
import random
from collections import Counter, defaultdict

import numpy as np
from sklearn.metrics import roc_auc_score

from .five import OVERALL
from .intervals import accuracy, bootstrap, intraclass_correlation


OTHER, WRONG_OTHER, NOTHING = "other", "wrong other", "nothing said"
KNOWN = ("colour", "style", "category", "gender")


def _aligned(rows, **others):
    for name, values in others.items():
        if values is not None and len(values) != len(rows):
            raise ValueError(f"There are {len(values)} {name} for {len(rows)} rows; give one for each row.")


def class_table(rows, reads, attribute, groups=None):
    """Tells of each value of an attribute how often it is found, and how often it is true when it is said.

    Args:
        rows (`list[dict]`): Metadata.
        reads (`list[dict[str, list[str]]]`): Of each row what a judge read in its sentence: [`Verdict`]`.read`.
        attribute (`str`): Such as `articleType`. Rows without it are not counted.
        groups (`Sequence`, *optional*): Of each row its group of near-duplicates; see [`accuracy`]. How alike the rows of a
            group are is estimated over all classes, so that one without an error is no surer than one with one.

    Returns:
        `list[dict]`: Most frequent first, values that are only said last: `value`, `rows` that have it, `said`, `right`;
        `recall` = right / rows and `precision` = right / said with their intervals `low`, `high`, `precision_low` and
        `precision_high`, and `f1`. NaN for a share of nothing.

    Raises:
        `ValueError`: If there are not as many reads or groups as rows.
    """
    _aligned(rows, reads=reads, groups=groups)
    true, said = defaultdict(list), defaultdict(list)
    for index, (row, read) in enumerate(zip(rows, reads)):
        truth, values = row.get(attribute), dict.fromkeys(read.get(attribute) or ())
        if truth is None:
            continue
        group = index if groups is None or groups[index] is None else ("group", groups[index])
        true[truth].append((truth in values, group))
        for value in values:
            said[value].append((value == truth, group))
    alike = [intraclass_correlation(*_columns(sum(found.values(), []))) for found in (true, said)]
    table = []
    for value in sorted(true.keys() | said.keys(), key=lambda value: (-len(true[value]), value)):
        recall, precision = (
            accuracy(*_columns(found[value]), correlation=rho) for found, rho in zip((true, said), alike)
        )
        hits, wanted, given = recall["right"], recall["rows"], precision["rows"]
        table.append(
            {"value": value, "rows": wanted, "said": given, "right": hits, "recall": recall["accuracy"]}
            | {"low": recall["low"], "high": recall["high"], "precision": precision["accuracy"]}
            | {
                "precision_low": precision["low"],
                "precision_high": precision["high"],
                "f1": 2 * hits / (wanted + given),
            }
        )
    return table


def _columns(pairs):
    return zip(*pairs) if pairs else ((), ())


def confusion(rows, reads, attribute, top=12):
    """Counts what is said of what.

    A row counts where its value is among the values said, otherwise where the first of them is. On the diagonal is what is
    right, everywhere else what is not: rare values are pooled as `other` where they are right and as `wrong other` where not.

    Args:
        rows, reads, attribute: See [`class_table`].
        top (`int`, *optional*, defaults to 12): How many of the most frequent values have a line of their own.

    Returns:
        `dict`: `labels`, the true values down the side; `said`, along the top; `counts`, integers, a list for each label.

    Raises:
        `ValueError`: If there are not as many reads as rows.
    """
    _aligned(rows, reads=reads)
    pairs = [
        (row[attribute], read.get(attribute) or []) for row, read in zip(rows, reads) if row.get(attribute) is not None
    ]
    frequent = Counter(truth for truth, _ in pairs)
    labels = sorted(frequent, key=lambda value: (-frequent[value], value))
    labels = labels if len(labels) <= top + 1 else [*labels[:top], OTHER]
    counts = Counter()
    for truth, values in pairs:
        value = truth if truth in values else (values or [NOTHING])[0]
        line = truth if truth in labels else OTHER
        counts[line, line if value == truth else value if value in (*labels, NOTHING) else WRONG_OTHER] += 1
    ends = [name for name in (WRONG_OTHER, NOTHING) if any(said == name for _, said in counts)]
    said = [*labels, *ends]
    return {"labels": labels, "said": said, "counts": [[counts[line, name] for name in said] for line in labels]}


def worst(scores, confidences=None, count=12):
    """Chooses the rows with the lowest overall score: of equal ones the most confident first, then in the rows' order.

    Args:
        scores (`dict[str, np.ndarray]`): Of [`five_scores`].
        confidences (`Sequence[float]`, *optional*): Mean log-probabilities of the sentences.
        count (`int`, *optional*, defaults to 12): How many.

    Returns:
        `list[int]`: Row numbers; rows without an overall score, or with a perfect one, are never among them.
    """
    overall = np.asarray(scores[OVERALL])
    sure = np.zeros(len(overall)) if confidences is None else np.nan_to_num(np.asarray(confidences, float), nan=-np.inf)
    order = np.lexsort((np.arange(len(overall)), -sure, overall))
    return [int(index) for index in order if overall[index] < 10][:count]


def sample(rows, count=24, seed=0):
    """Draws rows to look at, none twice, in their order; drawn and not chosen, so that they show what is usual.

    Args:
        rows (`int`): How many there are.
        count (`int`, *optional*, defaults to 24): Most rows.
        seed (`int`, *optional*, defaults to 0): Of the draw.

    Returns:
        `list[int]`: Row numbers.
    """
    return sorted(random.Random(seed).sample(range(rows), min(count, rows)))


def examples(indices, sentences, rows, verdicts, scores, attributes, confidences=None):
    """Puts together what the report shows of some rows.

    Args:
        indices (`Iterable[int]`): Which rows.
        sentences (`list[str]`): One a row.
        rows (`list[dict]`): Metadata.
        verdicts (`list[Verdict | None]`): A judge's.
        scores (`dict[str, np.ndarray]`): Of [`five_scores`].
        attributes (`Sequence[str]`): Which metadata to show.
        confidences (`Sequence[float]`, *optional*): Mean log-probabilities of the sentences.

    Returns:
        `list[dict]`: `picture` (the row's number), `sentence`, `confidence` (0–1, `None` where there is none), `truth`, `read`, `verdict` (the scores,
        `None` where excluded) and `wrong`.
    """
    found = []
    for index in indices:
        verdict = verdicts[index]
        found.append(
            {
                "picture": index,
                "sentence": sentences[index],
                "confidence": _chance(None if confidences is None else confidences[index]),
                "truth": {name: rows[index][name] for name in attributes if rows[index].get(name) is not None},
                "read": {name: list(verdict.read.get(name) or ()) for name in attributes} if verdict else {},
                "verdict": {
                    name: None if math.isnan(values[index]) else float(values[index]) for name, values in scores.items()
                },
                "wrong": list(verdict.wrong) if verdict else [],
            }
        )
    return found


def _chance(log):
    return None if log is None or not math.isfinite(log) else math.exp(min(log, 0))


def all_right(scores):
    """Says of each row whether all of its known attributes are right: colour, style, category and gender at 10.

    Args:
        scores (`dict[str, np.ndarray]`): Of [`five_scores`].

    Returns:
        `np.ndarray` of shape `(rows,)`: 1.0, 0.0, or NaN where nothing is known.
    """
    table = np.stack([scores[name] for name in KNOWN])
    known = ~np.isnan(table)
    return np.where(known.any(0), ((table == 10) | ~known).all(0), np.nan)


def calibration(confidences, right, bins=15, groups=None, resamples=400, seed=0):
    """Asks whether the model's confidence tells right sentences from wrong ones.

    | figure | what |
    | --- | --- |
    | `ece` | expected calibration error (Guo et al. 2017, eq. 3): mean distance of confidence and share right over the bins |
    | `auroc` | how often a right sentence is more confident than a wrong one (Hendrycks & Gimpel 2017); 0.5 is chance |
    | `kept` | risk and coverage (Geifman & El-Yaniv 2017): of the most confident share of sentences, the share that is right |

    The confidence of a sentence is exp(its mean log-probability per token). That is a claim about words, not about facts:
    a high `ece` says that it must not be read as a chance of being right, a high `auroc` that it can still sort.

    Args:
        confidences (`Sequence[float]`): Mean log-probabilities, one a row. What is none (`None`, NaN, infinite, above 0) is
            left out.
        right (`Sequence[float]`): 1, 0, or NaN for rows that do not count; see [`all_right`].
        bins (`int`, *optional*, defaults to 15): As in Guo et al.
        groups (`Sequence`, *optional*): Of each row its group; see [`accuracy`].
        resamples (`int`, *optional*, defaults to 400): For the intervals of `ece` and `auroc`; see [`bootstrap`].
        seed (`int`, *optional*, defaults to 0): Of the resamples.

    Returns:
        `dict`: `rows`; `left_out`, how many more would count if they had a confidence; `confidence` (its mean), `accuracy`;
        `ece` and `auroc` (NaN where all or none are right), each with its interval: `ece_low`, `ece_high`, `auroc_low`,
        `auroc_high`; `kept`: `[share kept, share right]` in steps of a twentieth, where equally confident sentences count
        as if drawn in any order; and `bins`, those with rows: `from`, `to`, `confidence`, and what [`accuracy`] gives.

    Raises:
        `ValueError`: If there are not as many confidences or groups as rows.
    """
    right = np.asarray(right, dtype=np.float64)
    _aligned(right, confidences=confidences, groups=groups)
    logs = np.asarray(confidences, dtype=np.float64)
    said = np.isfinite(logs) & (logs <= 1e-6)  # a sum of probabilities rounds
    known = ~np.isnan(right)
    counts = np.flatnonzero(said & known)
    sure, hits = np.exp(np.minimum(logs[counts], 0)), right[counts].astype(bool)
    groups = None if groups is None else [groups[index] for index in counts]
    rows, left_out = len(hits), int((known & ~said).sum())
    if not rows:
        nothing = ("confidence", "accuracy", "ece", "auroc", "ece_low", "ece_high", "auroc_low", "auroc_high")
        return {"rows": 0, "left_out": left_out, **dict.fromkeys(nothing, math.nan), "kept": [], "bins": []}
    edges = np.linspace(0, 1, bins + 1)
    which = np.clip(np.digitize(sure, edges, right=True) - 1, 0, bins - 1)
    alike, found = intraclass_correlation(hits, groups), []
    for number in np.unique(which):
        inside = np.flatnonzero(which == number)
        own = None if groups is None else [groups[index] for index in inside]
        limits = {
            "from": float(edges[number]),
            "to": float(edges[number + 1]),
            "confidence": float(sure[inside].mean()),
        }
        found.append({**limits, **accuracy(hits[inside], own, correlation=alike)})

    within = which[:, None] == np.arange(bins)

    def statistic(weights):
        distances = abs((weights * (sure - hits)) @ within)
        return {
            "ece": distances.sum(-1) / weights.sum(-1),
            "auroc": np.array([_auroc(hits, sure, drawn) for drawn in weights]),
        }

    title = "Resampling the confidences" if rows > 10_000 else None
    measured = bootstrap(statistic, rows, resamples, seed, groups, title=title)
    _, tie, sizes = np.unique(-sure, return_inverse=True, return_counts=True)
    ranked = np.repeat(np.bincount(tie, hits) / sizes, sizes).cumsum()
    kept = sorted({math.ceil(rows * share / 20) for share in range(1, 21)})
    return {
        "rows": rows,
        "left_out": left_out,
        "confidence": float(sure.mean()),
        "accuracy": float(hits.mean()),
        **{name: figure["value"] for name, figure in measured.items()},
        # An error is never below 0: that of the resamples of a model that knows its chances lies above its own.
        **{f"{name}_low": min(figure["low"], figure["value"]) for name, figure in measured.items()},
        **{f"{name}_high": max(figure["high"], figure["value"]) for name, figure in measured.items()},
        "kept": [[count / rows, float(ranked[count - 1] / count)] for count in kept],
        "bins": found,
    }


def _auroc(hits, sure, weights):
    there = weights > 0
    if hits[there].all() or not hits[there].any():
        return math.nan
    return roc_auc_score(hits[there], sure[there], sample_weight=weights[there])
