"""Attribute accuracy, against counts made by hand."""

import pytest

from moda.data.wording import Wording
from moda.evaluation.attributes import attribute_accuracy


WORDING = Wording()
ROWS = {
    "articleType": ["Jeans", "Shirts", "Casual Shoes", "Watches"],
    "baseColour": ["Navy Blue", "Blue", None, "Black"],
    "gender": ["Men", "Men", "Women", "Unisex"],
    "usage": ["Casual", "Formal", "Casual", "Casual"],
}


def test_counts():
    sentences = [
        "A pair of blue jeans for men, made for casual wear.",  # colour wrong: blue is not navy blue
        "A blue shirt for men and women, made for formal wear.",  # gender says two, so it is wrong
        "A pair of red casual shoes for women, made for casual wear.",  # the row has no colour to be right about
        "A black watch.",  # gender and usage unsaid
    ]
    scores = attribute_accuracy(sentences, ROWS, WORDING)
    assert {name: (score["right"], score["rows"]) for name, score in scores.items()} == {
        "articleType": (4, 4),
        "baseColour": (2, 3),
        "gender": (2, 4),
        "usage": (3, 4),
    }
    assert scores["baseColour"]["accuracy"] == pytest.approx(2 / 3)


def test_truth_scores_full_and_planted_errors_cost_their_share():
    rows = {name: [value or "Black" for value in values] * 25 for name, values in ROWS.items()}
    table = [dict(zip(rows, values)) for values in zip(*rows.values())]
    sentences = [WORDING.write(row, index) for index, row in enumerate(table)]
    assert all(score["accuracy"] == 1.0 for score in attribute_accuracy(sentences, rows, WORDING).values())
    wrong = [
        WORDING.write({**row, "gender": "Girls"}, 0) if index < 20 else text
        for index, (row, text) in enumerate(zip(table, sentences))
    ]
    scores = attribute_accuracy(wrong, rows, WORDING)
    assert scores["gender"]["accuracy"] == pytest.approx(0.8)
    assert scores["articleType"]["accuracy"] == scores["baseColour"]["accuracy"] == 1.0


def test_a_solid_colour_goes_without_saying():
    rows = {"articleType": ["Shirts"] * 2, "pattern": ["Solid", "Striped"]}
    scores = attribute_accuracy(["A red shirt.", "A red shirt."], rows, WORDING)
    assert (scores["pattern"]["right"], scores["pattern"]["rows"]) == (1, 2)


def test_sentences_and_rows_must_align():
    with pytest.raises(ValueError, match=r"3 sentences for \[4\] rows"):
        attribute_accuracy(["a", "b", "c"], ROWS, WORDING)
