"""What is written from metadata must be read back from the sentence, and nothing else."""

import itertools

import pytest

from moda.data.synonyms import WORDS
from moda.data.wording import ATTRIBUTES, TEMPLATES, Wording
from moda.data.words import DRAWN


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


KNOWN = {
    name: [value for value in WORDS[name] if "|" not in value]
    for name in ("articleType", "baseColour", "gender", "usage")
}


@pytest.mark.parametrize("values", [DRAWN, KNOWN], ids=["the drawn catalogue", "every well-known value"])
def test_every_value_in_every_wording_reads_back(values):
    wording = Wording(values)
    values = {name: [*values[name], None] if name != "articleType" else list(values[name]) for name in values}
    longest = max(map(len, values.values()))
    for number, template in itertools.product(range(3 * longest), range(len(TEMPLATES))):
        # Coprime steps: each value meets others in each round.
        row = {name: found[(number * (1 + place)) % len(found)] for place, (name, found) in enumerate(values.items())}
        row["masterCategory"] = "Apparel" if number % 2 else None
        sentence = wording.write(row, template)
        silent = {None, "Solid"}
        expected = {name: [] if row.get(name) in silent else [row[name]] for name in ATTRIBUTES}
        assert wording.read(sentence) == expected, sentence


def test_what_something_is_called_is_no_occasion(wording):
    assert wording.read("A pair of sports shoes.")["usage"] == []
    assert wording.read("A pair of sports shoes for casual wear.")["usage"] == ["Casual"]


def test_values_need_not_be_words():
    odd = Wording({"articleType": ["T-Shirt/Top", "Ankle boot", "Größe 1", "+"], "baseColour": ["", "#ff0000"]})
    assert odd.read("A t-shirt/top.")["articleType"] == ["T-Shirt/Top"]
    assert odd.read("Two ankle boots, größe 1 +.")["articleType"] == ["Ankle boot", "Größe 1"]


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
    found = wording.read("A navy blue tie and cufflinks. And sports shoes, smart casual.")
    assert found["baseColour"] == ["Navy Blue"] and found["usage"] == ["Smart Casual"]
    assert found["articleType"] == ["Ties and Cufflinks", "Sports Shoes"]


def test_all_that_is_said_is_read(wording):
    assert wording.read("A blue, then orange t-shirt for men and boys.")["baseColour"] == ["Blue", "Orange"]
    assert wording.read("A shirtless man.")["articleType"] == []


def test_unknown_values_are_refused(wording):
    with pytest.raises(ValueError, match="articleType is 'Spoons'"):
        wording.write({"articleType": "Spoons"})
    with pytest.raises(ValueError, match="baseColour is 'Infrared'"):
        wording.write({**ROW, "baseColour": "Infrared"})
