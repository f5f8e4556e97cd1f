"""What is written from metadata must be read back from the sentence, and nothing else."""

import itertools
import random
import re

import pytest

from moda.data.kaggle_words import KINDS, PURPOSES, SHADES
from moda.data.lexicon import states
from moda.data.synonyms import WORDS
from moda.data.wording import ATTRIBUTES, DRAWN_TEMPLATES, TEMPLATES, Wording
from moda.data.words import ARTICLE_WORDS, DRAWN, GENDER_WORDS
from moda.evaluation.rules import RuleJudge


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


def read_back(wording, sentence, row):
    """What a sentence states, with the occasion of "sports shoes", if it is the row's, where no other is said."""
    found = wording.read(sentence)
    if not found["usage"] and row.get("usage") and states(wording.lexicon.read(sentence), "usage", row["usage"]):
        found["usage"] = [row["usage"]]
    return found


def test_every_wording_of_every_combination_reads_back(wording):
    for values in itertools.product(*VALUES.values(), range(len(TEMPLATES))):
        row, template = dict(zip(VALUES, values)), values[-1]
        sentence = wording.write(row, template)
        found = read_back(wording, sentence, row)
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
        assert read_back(wording, sentence, row) == expected, sentence


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


KAGGLE = {
    "articleType": [*ARTICLE_WORDS, *KINDS],
    "baseColour": list(dict.fromkeys([*SHADES, *DRAWN["baseColour"], "Rose", "Cream", "Grey Melange", "Gold"])),
    "gender": list(GENDER_WORDS),
    "usage": list(PURPOSES),
}


@pytest.fixture(scope="module")
def kaggle():
    return Wording(KAGGLE)


@pytest.mark.parametrize("template", range(len(TEMPLATES)))
def test_the_judge_gives_full_marks_to_every_kind_in_every_wording(kaggle, template):
    judge = RuleJudge(kaggle.lexicon)
    silent = {name: [*found, None] for name, found in KAGGLE.items()}
    for number, article in enumerate(KAGGLE["articleType"]):
        row = {name: found[(number * 3 + template) % len(found)] for name, found in silent.items()}
        row["articleType"] = article
        sentence = kaggle.write(row, template)
        verdict = judge.judge(sentence, row)
        full = (verdict.colours, {True, None})
        assert (verdict.colours_right, {verdict.style, verdict.gender, True, None}) == full, sentence
        assert verdict.category and not verdict.wrong and not verdict.unverifiable, sentence
        kinds = {m.values for m in kaggle.lexicon.read(sentence) if m.attribute == "articleType"}
        assert kinds == {(article,)}, sentence


def test_every_wording_is_whole_whatever_is_missing():
    wording, row = Wording(), {**ROW, "pattern": "Checked"}
    for article, gender in (("Jeans", "Men"), ("Umbrellas", "Unisex"), ("Perfume and Body Mist", "Girls")):
        for template, *known in itertools.product(range(len(TEMPLATES)), *[(True, False)] * 4):
            kept = dict(zip(("baseColour", "gender", "usage", "pattern"), known))
            row = {**row, "articleType": article, "gender": gender}
            asked = {name: value if kept.get(name, True) else None for name, value in row.items()}
            sentence = wording.write(asked, template)
            assert re.fullmatch(r"(?:[A-Z][\w', :-]*[\w]\.(?: |$))+", sentence), sentence
            assert not re.search(r"None|  | [,.:]|\ba [aeio]|\ban [^aeiou]|[,:] (?:and|for|in)? ?[.,]", sentence), (
                sentence
            )
            found = read_back(wording, sentence, asked)
            assert found == {name: [asked[name]] if asked.get(name) else [] for name in ATTRIBUTES}, sentence


def test_the_first_wordings_are_those_that_models_were_trained_with(wording):
    assert [wording.write(ROW, template) for template in range(DRAWN_TEMPLATES)] == [
        "A pair of navy blue jeans for men, made for casual wear.",
        "A pair of men's jeans in navy blue, made for casual wear.",
        "A pair of navy blue jeans for men, suited to casual wear.",
        "A pair of men's navy blue jeans for casual wear.",
        "This is a pair of men's navy blue jeans for casual wear.",
        "For casual wear: a pair of men's navy blue jeans.",
        "In navy blue, a pair of men's jeans for casual wear.",
        "Here is a pair of men's jeans in navy blue, designed for casual wear.",
    ]
    drawn = {wording.write(ROW, rng=random.Random(seed)) for seed in range(100)}
    assert drawn == {wording.write(ROW, template) for template in range(DRAWN_TEMPLATES)}


@pytest.mark.parametrize(
    "name, expected",
    [
        ("T-Shirts", "A t-shirt."),
        ("Dress", "A dress."),
        ("Glasses", "A pair of glasses."),
        ("Ankle boot", "A pair of ankle boots."),
        ("Trouser", "A pair of trousers."),
        ("USB Cables", "A USB cable."),
        ("iPhone Cases", "An iPhone case."),
        ("Cases for Phones", "A case for phones."),
        ("Necklaces & Pendants", "A necklace or pendant."),
        ("T-Shirt/Top", "A t-shirt or top."),
        ("Jeans and Trousers", "A pair of jeans or trousers."),
        ("3/4 Pants", "A pair of 3/4 pants."),
        ("Loungewear and Nightwear", "An item of loungewear or nightwear."),
        ("Luggage", "An item of luggage."),
        ("Women's Tops", "A women's top."),
        ("MENS SHIRTS", "A mens shirt."),
        ("Bikinis", "A bikini."),
        ("Buses", "A bus."),
    ],
)
def test_names_that_no_table_knows_are_spoken_by_a_rule(name, expected):
    wording = Wording({"articleType": [name, "Spoons"], "gender": ["Women"]})
    assert wording.write({"articleType": name}, 3) == expected
    assert wording.read(expected)["articleType"] == [name]
    assert wording.write({"articleType": name, "gender": "Women"}, 3).lower().count("women's") == (
        name != "MENS SHIRTS"
    )


def test_values_that_no_table_knows_are_read_back():
    values = {
        "articleType": ["Gown"],
        "baseColour": ["Red/White", "Black, Gold", "Dark Blue", "Multicolor", "#ff0000", "Infrared"],
        "gender": ["Male", "Baby", "Kids", "Adults", "Men & Women"],
        "usage": ["Office Wear", "Beach", "casual"],
    }
    wording = Wording(values)
    for name, value in [(name, value) for name, found in values.items() for value in found]:
        for template in range(len(TEMPLATES)):
            sentence = wording.write({"articleType": "Gown", name: value}, template)
            assert wording.read(sentence)[name] == [value], sentence
    assert wording.write({"articleType": "Gown", "gender": "Baby", "usage": "Office Wear"}, 17) == (
        "For office wear, a gown for babies."
    )
    assert wording.write({"articleType": "Gown", "gender": "Male", "baseColour": "Black, Gold"}, 3) == (
        "A men's black and gold gown."
    )


def test_what_says_that_nothing_is_known_is_not_said():
    row = {"articleType": "Gown", "baseColour": "N/A", "usage": "NA", "gender": "Unknown"}
    wording = Wording({name: [value] for name, value in row.items()})
    assert {wording.write(row, template) for template in range(DRAWN_TEMPLATES, len(TEMPLATES))} <= {
        "This is a gown.",
        "Here is a gown.",
    }
    with pytest.raises(ValueError, match="Neither articleType nor a broader category"):
        wording.write({"articleType": None, "subCategory": "Nails"})
