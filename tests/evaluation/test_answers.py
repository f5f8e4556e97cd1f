"""Answers match when they differ in nothing but form."""

import pytest

from moda.evaluation.answers import exact_match, normalize_answer


@pytest.mark.parametrize(
    "one, other",
    [
        ("The collagen", "Collagen"),
        ("yes.", "Yes"),
        ("  An  apple\n", "apple"),
        ("two dogs", "2 dogs"),
        ("Ten", "10"),
        ("none", "0"),
        ("1,000", "1000"),
        ("red, white", "red white"),
        ("black-and-white", "black and white"),
        ("don't", "dont"),
        ("It’s red!", "it's red"),
        ('"red" (dark)', "red dark"),
    ],
)
def test_form_does_not_matter(one, other):
    assert normalize_answer(one) == normalize_answer(other) != ""


@pytest.mark.parametrize(
    "one, other",
    [("1.5", "15"), ("10:30", "1030"), ("50%", "50"), ("yes", "no"), ("A", "the"), ("then", "n"), ("$5", "5")],
)
def test_content_does(one, other):
    assert normalize_answer(one) != normalize_answer(other)


def test_counts():
    sentences = ["The collagen.", "no", "Navy blue", "red", "anything", ""]
    references = ["Collagen", ["yes", "No."], "blue", ["green", "blue"], None, [None, "x"]]
    assert exact_match(sentences, references) == {"accuracy": 2 / 5, "right": 2, "rows": 5}


def test_rows_without_a_reference_do_not_count():
    assert exact_match(["a hat", "a shoe"], [[None], []]) == {"accuracy": 0.0, "right": 0, "rows": 0}


def test_sentences_and_rows_must_align():
    with pytest.raises(ValueError, match="3 sentences for 2 rows"):
        exact_match(["a", "b", "c"], ["a", "b"])
