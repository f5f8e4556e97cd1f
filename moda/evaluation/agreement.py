"""Do two judges agree?"""

import numpy as np
from sklearn.metrics import cohen_kappa_score


def agreement(verdicts_a, verdicts_b):
    """Compares two judges of the same sentences, score by score.

    Each score becomes a yes or no: all colours found; style, category and gender right; all details right. Of these,
    Cohen's kappa (Cohen 1960, "A Coefficient of Agreement for Nominal Scales") is the agreement beyond what two judges
    would reach by chance who say yes as often as these do: 1 is full agreement, 0 is chance. Where both give every row one
    and the same label, chance alone agrees fully, and kappa is undefined: `None`. Where nearly all rows have one label
    kappa is small however often the judges agree, so the agreement and how often each says yes are given too.

    Args:
        verdicts_a, verdicts_b (`list[Verdict | None]`): One a row. A row counts for a score where both judges have it.

    Returns:
        `dict[str, dict]`: For `colour`, `style`, `category`, `gender` and `factual`: `{"kappa": -1 to 1 or None,
        "agreement": share or None, "yes_a": share or None, "yes_b": share or None, "rows": n}`.

    Raises:
        `ValueError`: If the judges did not judge the same number of rows.
    """
    if len(verdicts_a) != len(verdicts_b):
        raise ValueError(
            f"One judge has {len(verdicts_a)} rows, the other {len(verdicts_b)}; compare them on the same."
        )
    table = {}
    for score, label in LABELS.items():
        labels = [(label(a), label(b)) for a, b in zip(verdicts_a, verdicts_b) if a is not None and b is not None]
        both = np.array([pair for pair in labels if None not in pair], dtype=bool).reshape(-1, 2)
        shares = both.mean(0) if len(both) else (None, None)
        table[score] = {
            "kappa": float(cohen_kappa_score(*both.T)) if len(np.unique(both)) > 1 else None,
            "agreement": float((both[:, 0] == both[:, 1]).mean()) if len(both) else None,
            "yes_a": None if shares[0] is None else float(shares[0]),
            "yes_b": None if shares[1] is None else float(shares[1]),
            "rows": len(both),
        }
    return table


def _all(right, total):
    return right == total if total else None


LABELS = {
    "colour": lambda verdict: _all(verdict.colours_right, verdict.colours),
    "style": lambda verdict: verdict.style,
    "category": lambda verdict: verdict.category,
    "gender": lambda verdict: verdict.gender,
    "factual": lambda verdict: _all(verdict.details_right, verdict.details),
}
