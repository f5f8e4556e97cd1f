"""Agreement of two judges, beyond chance."""

import pytest

from moda.evaluation.agreement import agreement
from moda.evaluation.five import Verdict


def verdicts_of(score, labels):
    """Verdicts that say yes (1), no (0) or nothing (`None`) in one score; `"-"` is no verdict at all."""
    made = []
    for label in labels:
        if label == "-":
            made.append(None)
        elif label is None:
            made.append(Verdict())
        elif score == "colour":
            made.append(Verdict(colours_right=1 + label, colours=2))
        elif score == "factual":
            made.append(Verdict(details_right=3 + label, details=4))
        else:
            made.append(Verdict(**{score: bool(label)}))
    return made


@pytest.mark.parametrize("score", ["colour", "style", "category", "gender", "factual"])
def test_the_textbook(score):
    # 20 yes-yes, 5 yes-no, 10 no-yes, 15 no-no: observed 0.7, by chance 0.5.
    a = [1] * 20 + [1] * 5 + [0] * 10 + [0] * 15
    b = [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    table = agreement(verdicts_of(score, a), verdicts_of(score, b))
    low, high = table[score].pop("low"), table[score].pop("high")
    assert table[score] == pytest.approx({"kappa": 0.4, "agreement": 0.7, "yes_a": 0.5, "yes_b": 0.6, "rows": 50})
    # Fleiss, Cohen & Everitt (1969): a standard error of 0.128 for this table.
    assert low == pytest.approx(0.4 - 1.96 * 0.128, abs=0.06) and high == pytest.approx(0.4 + 1.96 * 0.128, abs=0.06)
    others = [row for name, row in table.items() if name != score]
    assert len(others) == 4
    assert all(row.pop("rows") == 0 and set(row.values()) == {None} for row in others)


def test_only_rows_that_both_judged_count():
    a = verdicts_of("style", [1, 0, None, "-", 1, 0])
    b = verdicts_of("style", [1, 0, 1, 1, "-", None])
    row = agreement(a, b)["style"]
    assert (row["kappa"], row["agreement"], row["yes_a"], row["yes_b"], row["rows"]) == (1.0, 1.0, 0.5, 0.5, 2)


@pytest.mark.parametrize("b, kappa, share", [([1, 1, 1], None, 1.0), ([0, 0, 0], 0.0, 0.0), ([1, 1, 0], 0.0, 2 / 3)])
def test_constant_labels(b, kappa, share):
    row = agreement(verdicts_of("gender", [1, 1, 1]), verdicts_of("gender", b))["gender"]
    assert row["kappa"] == kappa and row["agreement"] == pytest.approx(share)


def test_judges_of_other_rows():
    with pytest.raises(ValueError, match="One judge has 1 rows, the other 2"):
        agreement([None], [None, None])


def test_kappa_is_that_of_a_library():
    import random

    from sklearn.metrics import cohen_kappa_score

    generator = random.Random(0)
    a = [generator.random() < 0.7 for _ in range(200)]
    b = [label if generator.random() < 0.8 else not label for label in a]
    row = agreement(verdicts_of("gender", a), verdicts_of("gender", b), resamples=200)["gender"]
    assert row["kappa"] == pytest.approx(cohen_kappa_score(a, b)) and row["low"] < row["kappa"] < row["high"]
