"""Do two judges agree?"""

import numpy as np

from .intervals import bootstrap


def agreement(verdicts_a, verdicts_b, groups=None, resamples=2000, seed=0):
    """Compares two judges of the same sentences, score by score.

    Each score becomes a yes or no: all colours found; style, category and gender right; all details right. Of these,
    Cohen's kappa (Cohen 1960, "A Coefficient of Agreement for Nominal Scales") is the agreement beyond what two judges
    would reach by chance who say yes as often as these do: 1 is full agreement, 0 is chance. Where both give every row one
    and the same label, chance alone agrees fully, and kappa is undefined: `None`. Where nearly all rows have one label
    kappa is small however often the judges agree, so the agreement and how often each says yes are given too.

    Args:
        verdicts_a, verdicts_b (`list[Verdict | None]`): One a row. A row counts for a score where both judges have it.
        groups, resamples, seed: Of kappa's interval; see [`bootstrap`].

    Returns:
        `dict[str, dict]`: For `colour`, `style`, `category`, `gender` and `factual`: `{"kappa": -1 to 1 or None,
        "low", "high": its interval, "agreement": share or None, "yes_a": share or None, "yes_b": share or None, "rows": n}`.

    Raises:
        `ValueError`: If the judges did not judge the same number of rows.
    """
    if len(verdicts_a) != len(verdicts_b):
        raise ValueError(
            f"One judge has {len(verdicts_a)} rows, the other {len(verdicts_b)}; compare them on the same."
        )
    table = {}
    for score, label in LABELS.items():
        pairs = [(label(a), label(b)) if a and b else (None, None) for a, b in zip(verdicts_a, verdicts_b)]
        counted = [index for index, pair in enumerate(pairs) if None not in pair]
        both = np.array([pairs[index] for index in counted], dtype=np.float64).reshape(-1, 2)
        found = dict.fromkeys(("value", "low", "high"))
        if len(np.unique(both)) > 1:
            of = groups and [groups[index] for index in counted]
            found = bootstrap(lambda weights, both=both: _kappa(both, weights), len(both), resamples, seed, of)
        shares = both.mean(0).tolist() if len(both) else (None, None)
        table[score] = {
            "kappa": found["value"],
            "low": found["low"],
            "high": found["high"],
            "agreement": float((both[:, 0] == both[:, 1]).mean()) if len(both) else None,
            "yes_a": shares[0],
            "yes_b": shares[1],
            "rows": len(both),
        }
    return table


def _kappa(both, weights):
    total = weights.sum(1)
    agreed = weights @ (both[:, 0] == both[:, 1]) / total
    a, b = (weights @ both).T / total
    chance = a * b + (1 - a) * (1 - b)
    with np.errstate(invalid="ignore", divide="ignore"):
        return (agreed - chance) / (1 - chance)


def _all(right, total):
    return right == total if total else None


LABELS = {
    "colour": lambda verdict: _all(verdict.colours_right, verdict.colours),
    "style": lambda verdict: verdict.style,
    "category": lambda verdict: verdict.category,
    "gender": lambda verdict: verdict.gender,
    "factual": lambda verdict: _all(verdict.details_right, verdict.details),
}
