"""What is written from metadata must be read back from the sentence, and nothing else."""

import itertools

import pytest

from moda.data.wording import TEMPLATES, Wording


VALUES = {
    "articleType": [
        "Tshirts",
        "Sports Shoes",
        "Jeans",
        "Innerwear Vests",
        "Umbrellas",
        "Lip Gloss",
        "Ties",
        "Ties and Cufflinks",
    ],
    "baseColour": ["Blue", "Navy Blue", "Orange", "Multi"],
    "gender": ["Men", "Women", "Unisex", "Boys"],
    "usage": ["Sports", "Smart Casual", "Casual"],
}
ROW = {
    "articleType": "Jeans",
    "baseColour": "Navy Blue",
    "gender": "Men",
    "usage": "Casual",
    "masterCategory": "Apparel",
}


@pytest.fixture(scope="module")
def wording():
    return Wording(VALUES)


def test_every_wording_of_every_combination_reads_back(wording):
    for values in itertools.product(*VALUES.values(), range(len(TEMPLATES))):
        row, template = dict(zip(VALUES, values)), values[-1]
        sentence = wording.write(row, template)
        found = wording.read(sentence)
        assert {name: found[name] for name in VALUES} == {name: [row[name]] for name in VALUES}, sentence


@pytest.mark.parametrize("missing", ["baseColour", "usage", "gender"])
def test_what_is_not_known_is_not_said(wording, missing):
    for template in range(len(TEMPLATES)):
        sentence = wording.write({**ROW, missing: None}, template)
        assert wording.read(sentence)[missing] == []
        assert "None" not in sentence and "  " not in sentence and " ," not in sentence and " ." not in sentence


def test_grammar(wording):
    assert wording.write(ROW, 0) == "A pair of navy blue jeans for men, made for casual wear."
    assert wording.write({**ROW, "articleType": "Innerwear Vests", "baseColour": "Orange"}, 0).startswith(
        "An orange innerwear vest"
    )
    assert wording.write({**ROW, "articleType": "Umbrellas", "baseColour": None, "gender": "Boys"}, 5) == (
        "For casual use: a boys' umbrella."
    )
    assert wording.write({**ROW, "gender": "Unisex"}, 3) == "A pair of unisex navy blue jeans for casual wear."


def test_longest_words_win(wording):
    found = wording.read("A navy blue tie and cufflinks? No: sports shoes, smart casual.")
    assert found["baseColour"] == ["Navy Blue"] and found["usage"] == ["Smart Casual"]
    assert found["articleType"] == ["Ties", "Sports Shoes"]


def test_all_that_is_said_is_read(wording):
    assert wording.read("A blue, then orange t-shirt for men and boys.")["baseColour"] == ["Blue", "Orange"]
    assert wording.read("A shirtless man.")["articleType"] == []


def test_unknown_values_are_refused(wording):
    with pytest.raises(ValueError, match="articleType is 'Spoons'"):
        wording.write({"articleType": "Spoons"})
    with pytest.raises(ValueError, match="baseColour is 'Infrared'"):
        wording.write({**ROW, "baseColour": "Infrared"})
