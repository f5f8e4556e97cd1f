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
    assert table[score] == pytest.approx({"kappa": 0.4, "agreement": 0.7, "yes_a": 0.5, "yes_b": 0.6, "rows": 50})
    others = [row for name, row in table.items() if name != score]
    assert len(others) == 4
    assert all(row == {"kappa": None, "agreement": None, "yes_a": None, "yes_b": None, "rows": 0} for row in others)


def test_only_rows_that_both_judged_count():
    a = verdicts_of("style", [1, 0, None, "-", 1, 0])
    b = verdicts_of("style", [1, 0, 1, 1, "-", None])
    assert agreement(a, b)["style"] == {"kappa": 1.0, "agreement": 1.0, "yes_a": 0.5, "yes_b": 0.5, "rows": 2}


@pytest.mark.parametrize("b, kappa, share", [([1, 1, 1], None, 1.0), ([0, 0, 0], 0.0, 0.0), ([1, 1, 0], 0.0, 2 / 3)])
def test_constant_labels(b, kappa, share):
    row = agreement(verdicts_of("gender", [1, 1, 1]), verdicts_of("gender", b))["gender"]
    assert row["kappa"] == kappa and row["agreement"] == pytest.approx(share)


def test_judges_of_other_rows():
    with pytest.raises(ValueError, match="One judge has 1 rows, the other 2"):
        agreement([None], [None, None])
