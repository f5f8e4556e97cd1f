"""Attribute accuracy, against counts made by hand."""

import math

import pytest

from moda.data.wording import Wording
from moda.evaluation.attributes import attribute_accuracy, attribute_rows


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


def test_row_by_row():
    rows = [{"gender": "Men", "baseColour": None, "pattern": "Solid"}, {"gender": None, "pattern": "Striped"}, {}]
    scores = attribute_rows(["A red shirt for guys.", "A checked shirt.", ""], rows, WORDING.lexicon)
    assert {name: [None if math.isnan(value) else value for value in values] for name, values in scores.items()} == {
        "pattern": [1.0, 0.0, None],
        "gender": [1.0, None, None],
    }
    assert attribute_rows([], [], WORDING.lexicon) == {}
    with pytest.raises(ValueError, match="1 sentences for 3 rows"):
        attribute_rows(["a"], rows, WORDING.lexicon)


def test_vague_words_are_right_where_they_may_be():
    rows = {"articleType": ["Sports Shoes", "Casual Shoes", "Sandals"]}
    scores = attribute_accuracy(["Red sneakers"] * 3, rows, WORDING)
    assert scores["articleType"]["right"] == 2


def test_other_words_for_the_same_are_right():
    scores = attribute_accuracy(
        ["Navy tee, guys"], {"articleType": ["Tshirts"], "baseColour": ["Navy Blue"], "gender": ["Men"]}, WORDING
    )
    assert all(score["accuracy"] == 1 for score in scores.values())


def test_what_no_row_has_has_no_score():
    assert attribute_accuracy(["A shirt"], {"usage": [None], "articleType": ["Shirts"]}, WORDING).keys() == {
        "articleType"
    }
