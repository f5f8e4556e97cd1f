"""Tables, against counts made by hand."""

import math

import numpy as np
import pytest

from moda.evaluation.five import Verdict, five_scores
from moda.evaluation.tables import all_right, calibration, class_table, confusion, examples, sample, worst


COLOURS = [  # what is true, what the sentence was read to say
    ("Black", ["Black"]),
    ("Black", ["Black", "White"]),
    ("Black", ["White"]),
    ("Black", []),
    ("White", ["Black"]),
    ("White", ["White"]),
    ("Teal", ["Teal"]),
    ("Rust", ["Mustard"]),
    (None, ["Black"]),
]
ROWS = [{"baseColour": truth} for truth, _ in COLOURS]
READS = [{"baseColour": values} for _, values in COLOURS]


def test_classes_are_counted():
    table = {line["value"]: line for line in class_table(ROWS, READS, "baseColour")}
    assert list(table) == ["Black", "White", "Rust", "Teal", "Mustard"]
    black, white = table["Black"], table["White"]
    assert (black["rows"], black["said"], black["right"]) == (4, 3, 2)
    assert (black["recall"], black["precision"], black["f1"]) == (0.5, pytest.approx(2 / 3), pytest.approx(4 / 7))
    assert (white["rows"], white["said"], white["right"]) == (2, 3, 1)
    assert black["low"] < 0.5 < black["high"] and black["precision_low"] < 2 / 3 < black["precision_high"]
    assert math.isnan(table["Mustard"]["recall"]) and table["Mustard"]["precision"] == 0
    assert math.isnan(table["Rust"]["precision"]) and table["Rust"]["recall"] == 0 == table["Rust"]["f1"]


def test_near_duplicates_widen_a_class():
    rows, reads = ROWS * 5, READS * 5
    alone = class_table(rows, reads, "baseColour")[0]
    grouped = class_table(rows, reads, "baseColour", groups=[*range(9)] * 5)[0]
    assert grouped["recall"] == alone["recall"]
    assert grouped["low"] < alone["low"] and grouped["high"] > alone["high"]


def test_confusion_has_right_on_its_diagonal_and_wrong_elsewhere():
    found = confusion(ROWS, READS, "baseColour", top=2)
    assert found["labels"] == ["Black", "White", "other"]
    assert found["said"] == ["Black", "White", "other", "wrong other", "nothing said"]
    assert found["counts"] == [[2, 1, 0, 0, 1], [1, 1, 0, 0, 0], [0, 0, 1, 1, 0]]
    whole = confusion(ROWS, READS, "baseColour")
    assert whole["labels"] == ["Black", "White", "Rust", "Teal"] and "other" not in whole["said"]
    assert sum(map(sum, whole["counts"])) == 8


def test_the_order_of_rows_does_not_matter():
    turned = class_table(ROWS[::-1], READS[::-1], "baseColour")
    assert [line["value"] for line in turned] == ["Black", "White", "Rust", "Teal", "Mustard"]
    assert confusion(ROWS[::-1], READS[::-1], "baseColour") == confusion(ROWS, READS, "baseColour")


@pytest.mark.parametrize("function", [class_table, confusion])
def test_what_does_not_align_is_refused(function):
    with pytest.raises(ValueError, match="There are 8 reads for 9 rows"):
        function(ROWS, READS[:-1], "baseColour")


VERDICTS = [
    Verdict(colours=1, colours_right=1, category=True, gender=True, style=True),
    Verdict(colours=1, colours_right=0, category=False, gender=False),
    Verdict(colours=2, colours_right=1, category=True, gender=True),
    None,
    Verdict(colours=1, colours_right=0, category=False, gender=False, read={"baseColour": ["Red"]}, wrong=["red"]),
    Verdict(colours=1, colours_right=0, category=True, style=None),
]
SCORES = five_scores(VERDICTS)


def test_worst_are_the_lowest_and_of_those_the_surest():
    assert worst(SCORES, [-0.1, -0.5, -0.1, -0.0, -0.2, -0.3]) == [4, 1, 5, 2]
    assert worst(SCORES) == [1, 4, 5, 2]
    assert worst(SCORES, [-0.1, -0.5, -0.1, -0.0, math.nan, -0.3], count=2) == [1, 4]


def test_all_right_asks_for_every_known_attribute():
    assert np.array_equal(all_right(SCORES), [1, 0, 0, np.nan, 0, 0], equal_nan=True)
    nothing_but_details = five_scores([Verdict(details=2, details_right=2)])
    assert np.isnan(all_right(nothing_but_details)).all()


def test_examples_hold_what_a_reader_needs():
    rows = [{"baseColour": "Blue", "gender": None, "id": 7}] * 6
    found = examples(
        [4, 3], ["a", "b", "c", "d", "e", "f"], rows, VERDICTS, SCORES, ("baseColour", "gender"), [math.log(0.5)] * 6
    )
    assert found[0] == {
        "picture": 4,
        "sentence": "e",
        "confidence": pytest.approx(0.5),
        "truth": {"baseColour": "Blue"},
        "read": {"baseColour": ["Red"], "gender": []},
        "verdict": {"colour": 0, "style": None, "category": 0, "gender": 0, "factual": None, "overall": 0},
        "wrong": ["red"],
    }
    assert found[1]["read"] == {} and found[1]["verdict"]["overall"] is None  # its judge failed


def test_samples_are_drawn_by_the_seed():
    assert sample(100, 5) == sample(100, 5) != sample(100, 5, seed=1)
    assert len(set(sample(100, 30))) == 30 and sample(3, 30) == [0, 1, 2]


def test_calibration_by_hand():
    confidences = np.log([0.95, 0.95, 0.95, 0.95, 0.55, 0.55, 0.3, 0.9])
    found = calibration(confidences, [1, 1, 1, 0, 1, 0, 0, math.nan], bins=10)
    assert found["rows"] == 7 and found["accuracy"] == pytest.approx(4 / 7)
    assert [(part["rows"], part["right"]) for part in found["bins"]] == [(1, 0), (2, 1), (4, 3)]
    assert found["bins"][0]["from"] == pytest.approx(0.2) and found["bins"][0]["to"] == pytest.approx(0.3)  # (0.2, 0.3]
    assert found["ece"] == pytest.approx((4 * 0.2 + 2 * 0.05 + 1 * 0.3) / 7)
    # Of the 4 × 3 pairs of a right and a wrong one: three right at .95 win 2 and tie 1; the one at .55 wins 1, ties 1.
    assert found["auroc"] == pytest.approx((3 * 2.5 + 1.5) / 12)
    assert found["kept"][-1] == [1, pytest.approx(4 / 7)] and found["kept"][0] == [pytest.approx(1 / 7), 1]


def test_a_model_that_knows_its_chances_is_calibrated():
    generator = np.random.default_rng(0)
    chance = generator.uniform(0.2, 1, size=20_000)
    honest = calibration(np.log(chance), generator.random(20_000) < chance)
    boast = calibration(np.log(chance), generator.random(20_000) < chance**3)
    assert honest["ece"] < 0.015 < 0.15 < boast["ece"]
    shares = [share for _, share in honest["kept"]]
    assert shares[0] > 0.95 and shares == sorted(shares, reverse=True)


def test_calibration_of_nothing_and_of_one_kind():
    nothing = calibration([], [])
    assert nothing["rows"] == 0 and nothing["bins"] == nothing["kept"] == [] and math.isnan(nothing["ece"])
    assert math.isnan(calibration([-0.1, -0.2], [1, 1])["auroc"])
