"""Tables, against counts made by hand."""

import math

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from moda.evaluation.five import Verdict, five_scores
from moda.evaluation.intervals import accuracy
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


def test_rows_without_a_group_are_their_own():
    rows, reads = ROWS * 5, READS * 5
    alone, none = (class_table(rows, reads, "baseColour", groups) for groups in (None, [None] * 45))
    assert str(alone) == str(none)
    one = class_table(rows, reads, "baseColour", groups=["x"] * 45)
    assert one[0]["low"] < alone[0]["low"]


def test_a_class_without_an_error_is_no_surer_than_one_with_one():
    rows = [
        {"gender": gender} for gender, count in (("Men", 240), ("Women", 240), ("Girls", 120)) for _ in range(count)
    ]
    said = [["Men"]] * 239 + [[]] + [["Women"], ["Women", "Boys"]] * 120 + ([["Girls"]] * 4 + [[]] * 4) * 15
    groups = [number // 4 for number in range(600)]
    table = {line["value"]: line for line in class_table(rows, [{"gender": word} for word in said], "gender", groups)}
    men, women = table["Men"], table["Women"]
    assert men["right"] == 239 and women["right"] == 240 and abs(men["low"] - women["low"]) < 0.015
    # What is not found, are whole groups: 60 voices. What is said wrongly, is not.
    assert women["low"] == pytest.approx(accuracy([True] * 60)["low"], abs=0.005)
    assert women["precision_low"] == pytest.approx(accuracy([True] * 240)["low"], abs=0.003)


def test_a_value_said_twice_is_said_once():
    table = class_table([{"baseColour": "Black"}], [{"baseColour": ["Black", "Black", "Red", "Red"]}], "baseColour")
    assert [(line["value"], line["said"], line["right"]) for line in table] == [("Black", 1, 1), ("Red", 1, 0)]


def test_what_is_said_first_counts_as_said():
    assert confusion([{"a": "x"}] * 2 + [{"a": "y"}, {"a": "z"}], [{"a": ["y", "z"]}] * 4, "a")["counts"] == [
        [0, 2, 0],
        [0, 1, 0],
        [0, 0, 1],
    ]


def test_one_rare_value_keeps_its_name_and_two_are_pooled():
    rows = [{"a": value} for value in "xxxyyz"]
    reads = [{"a": [value]} for value in "xxxyyz"]
    assert confusion(rows, reads, "a", top=2)["labels"] == ["x", "y", "z"]  # "other" would take as much room
    assert confusion(rows, reads, "a", top=1)["labels"] == ["x", "other"]


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
    assert found["kept"][-1] == [1, pytest.approx(4 / 7)] and found["kept"][0] == [pytest.approx(1 / 7), 3 / 4]


def test_ties_in_confidence_do_not_depend_on_the_order():
    sure = np.log([0.9] * 6 + [0.5] * 4)
    found = calibration(sure, [1, 1, 1, 0, 0, 0, 1, 0, 0, 0])
    turned = calibration(sure, [0, 0, 0, 1, 1, 1, 0, 0, 0, 1])
    assert all(found[name] == turned[name] for name in ("kept", "bins", "ece", "auroc"))
    assert found["kept"] == [[count / 10, pytest.approx(0.5 if count <= 6 else (3 + (count - 6) / 4) / count)]
                             for count in range(1, 11)]  # fmt: skip


def test_rows_without_a_confidence_are_left_out_and_counted():
    confidences = [-0.1, None, math.nan, math.inf, -math.inf, 3.0, -0.2, None]
    found = calibration(confidences, [1, 1, 1, 1, 0, 1, 0, math.nan], groups=list("abcdefgh"))
    assert (found["rows"], found["left_out"], found["auroc"]) == (2, 5, 1)
    assert found["confidence"] == pytest.approx((math.exp(-0.1) + math.exp(-0.2)) / 2)
    rows = [{"gender": "Men"}] * 6
    shown = examples(
        [0, 1, 2, 3], ["s"] * 6, rows, VERDICTS, SCORES, ("gender",), [None, math.nan, math.inf, -0.5, 0, 0]
    )
    assert [one["confidence"] for one in shown] == [None, None, None, pytest.approx(math.exp(-0.5))]


def test_calibration_knows_its_groups():
    generator = np.random.default_rng(0)
    sure, right = np.repeat(generator.uniform(0.3, 0.9, 60), 5), np.repeat(generator.random(60) < 0.6, 5).astype(float)
    groups = np.repeat(np.arange(60), 5)
    alone, grouped = (calibration(np.log(sure), right, groups=given, resamples=100) for given in (None, groups))
    for name in ("ece", "auroc"):
        width = [found[f"{name}_high"] - found[f"{name}_low"] for found in (alone, grouped)]
        assert width[1] > 1.5 * width[0] and grouped[f"{name}_low"] <= grouped[name] <= grouped[f"{name}_high"]
    for one, other in zip(alone["bins"], grouped["bins"]):
        assert other["high"] - other["low"] > 1.3 * (one["high"] - one["low"])
    right[:103] = math.nan  # the groups of what counts, and not the first ones
    given = [
        calibration(np.log(sure), right, groups=groups),
        calibration(np.log(sure[103:]), right[103:], groups=groups[103:]),
    ]
    assert given[0] == given[1] != calibration(np.log(sure[103:]), right[103:], groups=groups[:197])


def test_calibration_has_the_intervals_of_a_bootstrap():
    generator = np.random.default_rng(5)
    sure = generator.uniform(0.2, 1, 300)
    right = (generator.random(300) < sure).astype(float)
    found = calibration(np.log(sure), right)
    drawn = []
    for _ in range(400):
        index = generator.integers(0, 300, 300)
        drawn.append(roc_auc_score(right[index], sure[index]))
    assert (found["auroc_low"], found["auroc_high"]) == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.015)
    assert found["ece_low"] <= found["ece"] < found["ece_high"] < 0.2


def test_a_model_that_knows_its_chances_is_calibrated():
    generator = np.random.default_rng(0)
    chance = generator.uniform(0.2, 1, size=20_000)
    honest = calibration(np.log(chance), generator.random(20_000) < chance, resamples=10)
    boast = calibration(np.log(chance), generator.random(20_000) < chance**3, resamples=10)
    assert honest["ece"] < 0.015 < 0.15 < boast["ece"]
    shares = [share for _, share in honest["kept"]]
    assert shares[0] > 0.95 and shares == sorted(shares, reverse=True)


def test_calibration_of_nothing_and_of_one_kind():
    nothing = calibration([], [])
    assert nothing["rows"] == 0 and nothing["bins"] == nothing["kept"] == [] and math.isnan(nothing["ece"])
    assert set(nothing) == set(calibration([-0.1], [1]))
    assert math.isnan(calibration([-0.1, -0.2], [1, 1])["auroc"])
