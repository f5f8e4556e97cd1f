"""Descriptions as in the captions of shops: plain, natural, and read back."""

import itertools
import re

import pytest

from moda.data.kaggle_words import KINDS, PURPOSES, SHADES
from moda.data.sentence_patterns import CAPTIONS
from moda.data.wording import DRAWN_TEMPLATES, TEMPLATES, Wording
from moda.data.words import ARTICLE_WORDS, DRAWN, GENDER_WORDS
from moda.evaluation.rules import RuleJudge


KAGGLE = {
    "articleType": [*ARTICLE_WORDS, *KINDS],
    "baseColour": [*SHADES, *DRAWN["baseColour"], "Rose", "Gold"],
    "gender": list(GENDER_WORDS),
    "usage": list(PURPOSES),
}
ROW = {
    "articleType": "Jeans",
    "baseColour": "Navy Blue",
    "gender": "Men",
    "usage": "Casual",
    "masterCategory": "Apparel",
}


@pytest.fixture(scope="module")
def kaggle():
    return Wording(KAGGLE)


def at(start):
    [found] = [
        number for number, template in enumerate(TEMPLATES) if number >= DRAWN_TEMPLATES and template.startswith(start)
    ]
    return found


LIPS, BOTTLE, BAG = {"articleType": "Lipstick"}, {"articleType": "Perfume and Body Mist"}, {"articleType": "Handbags"}
SPORTS = {"articleType": "Sports Shoes", "usage": "Sports"}


@pytest.mark.parametrize(
    "start, row, expected",
    [
        ("[{whose} ]{item}[ for", {}, "Men's navy blue jeans for casual wear."),
        ("[{whose} ]{item}[ for", {**BOTTLE, "gender": None}, "Perfume in a navy blue bottle for everyday use."),
        ("{one} {styled_item}", {}, "A pair of navy blue casual jeans for men."),
        ("{one} {styled_item}", {"usage": "Party"}, "A pair of navy blue party jeans for men."),
        ("{one} {styled_item}", {"usage": "Home"}, "A pair of men's navy blue jeans for home wear."),
        ("{one} {manner}", {"usage": "Travel"}, "A pair of navy blue jeans for men, right for travel."),
        ("{one} {manner}", {**LIPS, "baseColour": "Rose"}, "An everyday lipstick in a rose shade for men."),
        ("{manner} {item}", {**LIPS, "baseColour": "Red"}, "Everyday red lipstick for men."),
        ("{manner} [{whose}", {"baseColour": "Multi"}, "Casual men's jeans in a mix of colours."),
        ("{wear} for", {"usage": "Ethnic", "gender": "Unisex"}, "Ethnic wear for men and women: a pair of navy blue jeans."),
        ("{wear} for", BAG, "For everyday use: navy blue handbag for men."),
        ("Something", {"usage": "Sports", "articleType": "Caps"}, "Something sporty for men: a navy blue cap."),
        ("Something", {**BAG, "usage": "Formal"}, "A navy blue handbag for men, fine for formal occasions."),
        ("{item}[ for {audience}], {style}", {"usage": "Ethnic"}, "Navy blue jeans for men, traditional in style."),
        ("{this} [{whose} ]{piece} {come}", {}, "These men's jeans come in navy blue, for casual wear."),
        ("{this} [{whose} ]{piece} {come}", {"baseColour": None}, "These men's jeans are for casual wear."),
        ("{this} {styled_piece}", {**BAG, "gender": "Women"}, "This everyday handbag for women comes in navy blue."),
        ("{this} {styled_item}", {"usage": None}, "These navy blue jeans are for men."),
        ("{this} [{whose} ]{item} {work}", {}, "These men's navy blue jeans work well for casual wear."),
        ("{one} {item}[ for {audience}].[", {}, "A pair of navy blue jeans for men. Good for casual wear."),
        ("{item}[ for {audience}]. {wear}", {}, "Navy blue jeans for men. Casual wear."),
        ("{item}[ for {audience}]. {wear}", {"usage": "Travel"}, "Navy blue jeans for men. For travel."),
        ("[{whose} ]{piece}[ in {colour}][, for", {"articleType": "Ipad", "gender": None}, "iPad in navy blue, for everyday use."),
        ("[{whose} ]{item}[ for", {"articleType": "Shapewear", "baseColour": "Skin"}, "Men's skin-coloured shapewear for casual wear."),
        ("{this} {is} [{some} ][{whose} ]{styled", {"articleType": None, "subCategory": "Bags"}, "This is a men's navy blue everyday bag."),
        ("{one} {item} made", {"articleType": "Accessory Gift Set"}, "A navy blue accessory set made for men, good for everyday use."),
    ],
)  # fmt: skip
def test_captions(kaggle, start, row, expected):
    assert kaggle.write({**ROW, **row}, at(start)) == expected


@pytest.mark.parametrize(
    "article, colour, usage, expected",
    [
        ("Deodorant", "Gold", "Casual", "For everyday use, a deodorant in a gold can for women."),
        ("Toner", "Rose", "Casual", "For everyday use, a toner in a rose-coloured bottle for women."),
        ("Fragrance Gift Set", "White", "Party", "For parties, a fragrance gift set in a white box for women."),
        ("Foundation and Primer", "Skin", "Casual", "For everyday use, a foundation in a skin tone for women."),
        ("Kajal and Eyeliner", "Olive", "Casual", "For everyday use, an eyeliner in an olive shade for women."),
        ("Nail Polish", "Pink", "Casual", "For everyday use, a pink nail polish for women."),
        ("Bra", "Skin", "Casual", "For casual wear, a skin-coloured bra for women."),
        ("Sports Shoes", "Red", "Sports", "A pair of red sports shoes for women."),
        ("Sports Shoes", "Red", "Casual", "For casual wear, a pair of red sports shoes for women."),
        ("Travel Accessory", "Red", "Travel", "A red travel accessory for women."),
        ("Footballs", "Red", "Sports", "A red football for women."),
    ],
)
def test_colours_and_occasions_are_said_as_people_say_them(kaggle, article, colour, usage, expected):
    row = {"articleType": article, "baseColour": colour, "usage": usage, "gender": "Women"}
    sentence = kaggle.write(row, at("[For {purpose}, "))
    assert sentence == expected
    verdict = RuleJudge(kaggle.lexicon).judge(sentence, row)
    assert verdict.style and verdict.colours_right == 1 and not verdict.wrong


def test_no_occasion_is_said_before_a_kind_that_it_would_change():
    wording = Wording(
        {"articleType": ["Shoes", "Formal Shoes"], "usage": ["Formal", "Sports", "Ethnic", "Traditional"]}
    )
    assert {
        usage: wording.write({"articleType": "Shoes", "usage": usage}, at("{one} {manner}"))
        for usage in KAGGLE["usage"]
        if usage in wording.words["usage"]
    } == {
        "Ethnic": "A pair of shoes, right for ethnic wear.",  # "traditional" would be the other value
        "Formal": "A pair of shoes, right for formal wear.",  # "formal shoes" would be the other kind
        "Sports": "A pair of sporty shoes.",
    }


def test_captions_are_plain_and_of_three_words_or_more(kaggle):
    assert len(set(CAPTIONS)) == len(CAPTIONS) >= 24
    stiff = re.compile(r"\b(?:[Mm]eant|[Ii]ntended|[Dd]esigned|[Ss]uited|[Mm]ade)\b")
    assert sum(bool(stiff.search(caption)) for caption in CAPTIONS) <= len(CAPTIONS) / 3
    judge = RuleJudge(kaggle.lexicon)
    for article, template in itertools.product(
        ("Jeans", "Shirts", "Deodorant", "Shapewear", "Ring"), range(DRAWN_TEMPLATES, len(TEMPLATES))
    ):
        for known in itertools.product((True, False), repeat=3):
            row = {name: ROW[name] for name, kept in zip(("baseColour", "gender", "usage"), known) if kept}
            sentence = kaggle.write({**row, "articleType": article}, template)
            verdict = judge.judge(sentence, {**row, "articleType": article})
            assert len(sentence.split()) >= 3 and not verdict.wrong and not verdict.unverifiable, sentence
            assert not re.search(r"\band\b.*\band\b", sentence)
