"""What a sentence states, whatever words it takes; and what it only seems to state."""

import random

import pytest

from moda.data.lexicon import Lexicon, Mention, _keys, statements, states
from moda.data.phrases import BROADER, NOTHING
from moda.data.synonyms import WORDS


@pytest.fixture(scope="module")
def lexicon():
    return Lexicon({})  # every word under its well-known name


def read(lexicon, sentence):
    return [mention.values[0] for mention in lexicon.read(sentence)]


@pytest.mark.parametrize(
    "sentence, expected",
    [
        # hyphens, spaces, plurals, spelling, capitals, apostrophes
        ("t-shirt, T shirt, tshirts, tee-shirt, TEES", ["Tshirts"] * 5),
        ("a gray color, a grey colour", ["Grey", "Grey"]),
        ("navy, navy-blue, NAVY BLUE, navy, blue", ["Navy Blue"] * 4 + ["Blue"]),
        ("men's mens men’s male gents gentlemen's", ["Men"] * 6),
        ("ladies' female woman's women", ["Women"] * 4),
        ("boys' shoes; girl's tops", ["Boys", "Casual Shoes", "Girls", "Tops"]),
        ("two scarves, three watches, a dress, dresses", ["Scarves", "Watches", "Dresses", "Dresses"]),
        ("jewellery / jewelry", ["Jewellery Set"] * 2),
        # the longest phrase
        ("sports shoes for smart-casual days", ["Sports Shoes", "Smart Casual"]),
        (
            "a multi-coloured polka-dot skirt with 3/4 sleeves and a v neck",
            ["Multi", "Polka Dots", "Skirts", "Three-Quarter Sleeves", "V-Neck"],
        ),
        ("a faux-leather belt", ["Faux Leather", "Belts"]),
        # one colour, one audience
        ("olive green, teal blue, metallic silver", ["Olive", "Teal", "Silver"]),
        ("olive and green; blue, teal", ["Olive", "Green", "Blue", "Teal"]),
        ("for men and women", ["Unisex"]),
        ("for both ladies and gents; women's/men's", ["Unisex", "Unisex"]),
        ("for men and boys", ["Men", "Boys"]),
        # kinds in words of other kinds, and parts
        ("a shirt dress, a dress shirt, a denim jacket", ["Dresses", "Shirts", "Formal", "Denim", "Jackets"]),
        ("a jacket with a shirt collar and a watch pocket", ["Jackets", "Collar"]),
        ("a dress with a matching belt", ["Dresses"]),
        ("a bag-shaped charm for jeans", []),
        # what only seems to be said
        ("The dress code: dress up", []),
        ("lip balm with rose extract and peach scent", ["Lip Care"]),
        ("on a white background", []),
        # occasions in names give way to those that are said
        ("running shoes", ["Sports Shoes", "Sports"]),
        ("running shoes for casual wear", ["Sports Shoes", "Casual"]),
    ],
)
def test_reads(lexicon, sentence, expected):
    assert sorted(read(lexicon, sentence)) == sorted(expected)


@pytest.mark.parametrize(
    "sentence, expected",
    [
        ("A shirt that isn't red but blue.", ["Shirts", "Blue"]),
        ("Blue rather than red, without stripes, for women.", ["Blue", "Women"]),
        ("Not for men: a top for women.", ["Tops", "Women"]),
        ("A kurta, neither formal nor casual", ["Kurtas"]),
        ("A non-leather belt, leather-free.", ["Belts"]),
        ("No sleeves, no collar; green", ["Sleeveless", "Green"]),
        ("Not only red but also casual", ["Red", "Casual"]),
        ("You can't go wrong with a red belt", ["Red", "Belts"]),
        ("Don't miss this red belt", ["Red", "Belts"]),
        ("Nothing beats a red belt", ["Red", "Belts"]),
        ("A non-iron shirt in red", ["Shirts", "Red"]),
        ("White top not included: blue skirt", ["Blue", "Skirts"]),
    ],
)
def test_what_is_denied_is_not_stated(lexicon, sentence, expected):
    assert read(lexicon, sentence) == expected


@pytest.mark.parametrize(
    "sentence, expected",
    [
        ("A red shirt, pairs well with blue jeans, white sneakers and a cap.", ["Red", "Shirts"]),
        ("A pair of red socks with white stripes", ["Red", "Socks", "White", "Striped"]),
        ("Worn over a white shirt, this black blazer is formal.", ["Black", "Blazers", "Formal"]),
        ("Team these golden heels with a red saree", ["Gold", "Heels"]),
        ("A brown belt that goes with black trousers, for men", ["Brown", "Belts", "Men"]),
        ("A tie that matches your blue shirt at formal events", ["Ties", "Formal"]),  # the occasion is the tie's, too
        ("All over floral print", ["Floral"]),
    ],
)
def test_what_is_worn_with_it_is_not_stated(lexicon, sentence, expected):
    assert read(lexicon, sentence) == expected


def test_a_mention_says_where_and_what_else(lexicon):
    assert lexicon.read("Nice SNEAKERS!") == [
        Mention("articleType", ("Casual Shoes", "Sports Shoes"), "SNEAKERS", 5, 13)
    ]


def test_upper_case_reads_alike(lexicon):
    sentence = "A women's olive green T-shirt with long sleeves, not for sports, goes with blue jeans."
    assert [m.values for m in lexicon.read(sentence)] == [m.values for m in lexicon.read(sentence.upper())]
    assert read(lexicon, sentence.upper()) == ["Women", "Olive", "Tshirts", "Long Sleeves"]


def test_a_catalogue_has_its_own_names():
    lexicon = Lexicon(
        {"gender": ["Male", "Female"], "articleType": ["T-Shirts", "Gown"], "baseColour": ["navy", "gray"]}
    )
    assert read(lexicon, "A grey tee for men, a navy blue dress for ladies") == [
        "gray",
        "T-Shirts",
        "Male",
        "navy",
        "Gown",
        "Female",
    ]
    assert read(lexicon, "A red hat, unisex") == [
        "Red",
        "Hat",
        "Unisex",
    ]  # it lacks them: read all the same, to be seen as wrong


def test_a_catalogue_with_fewer_values_has_broader_ones():
    lexicon = Lexicon(
        {"baseColour": ["Blue", "Green", "Grey"], "articleType": ["Shoes", "Kurtas"], "gender": ["Men", "Kids"]}
    )
    assert [m.values for m in lexicon.read("navy or teal sneakers for boys, or a charcoal kurti")] == [
        ("Blue",),
        ("Blue", "Green"),
        ("Shoes",),
        ("Kids",),
        ("Grey",),
        ("Kurtas",),
    ]


def test_its_own_name_means_a_value_and_no_other():
    assert Lexicon({}).read("rucksack")[0].values == ("Rucksacks", "Backpacks")
    assert Lexicon({"articleType": ["Rucksacks", "Backpacks"]}).read("rucksack")[0].values == ("Rucksacks",)
    assert Lexicon({"articleType": ["Backpacks"]}).read("rucksack")[0].values == ("Backpacks",)
    assert Lexicon({"articleType": ["Loafers", "Shoes"]}).read("loafers")[0].values == ("Loafers",)


def test_names_of_several_kinds_or_colours_and_for_whom():
    lexicon = Lexicon(
        {
            "articleType": ["Necklaces & Pendants", "Women's Tops", "3/4 Pants"],
            "baseColour": ["Red/White", "Red"],
            "gender": ["Men & Women", "Women"],
        }
    )
    assert [m.values for m in lexicon.read("A necklace or pendant in red and white for men and women")] == [
        ("Necklaces & Pendants",),
        ("Red/White",),
        ("Men & Women",),
    ]
    assert {(m.attribute, m.values) for m in lexicon.read("A red women's top")} == {
        ("baseColour", ("Red",)),
        ("articleType", ("Women's Tops",)),
        ("gender", ("Women",)),
    }
    assert read(lexicon, "a white 3/4 pants") == ["White", "3/4 Pants"]


def test_a_mix_of_colours_is_one_colour(lexicon):
    assert read(lexicon, "A scarf in a mix of colors, a bag in several colours") == [
        "Scarves",
        "Multi",
        "Handbags",
        "Multi",
    ]


def test_statements_leave_out_repeats_and_vaguer_words(lexicon):
    mentions = lexicon.read("Shoes: red sneakers. These red running shoes, and shoes again, are black.")
    assert [m.text for m in statements(mentions)] == ["red", "running shoes", "running shoes", "black"]
    assert statements([]) == []


def test_states(lexicon):
    mentions = lexicon.read("A navy and white sneaker")
    assert states(mentions, "articleType", "Sports Shoes") and states(mentions, "articleType", "Casual Shoes")
    assert not states(mentions, "articleType", "Shirts")
    assert not states(mentions, "baseColour", "White")  # another is stated as well
    assert not states(mentions, "gender", "Men")  # none is stated


def test_any_text_can_be_read(lexicon):
    words = [word for table in WORDS.values() for words in table.values() for word in words.split(", ")]
    words += [
        *NOTHING.split(", "),
        "not",
        "with",
        "pairs well with",
        "isn’t",
        "and",
        "&",
        "/",
        "-",
        "–",
        ",",
        ".",
        "?",
        "'",
        "’s",
    ]
    words += ["İstanbul", "naïve", "红色", "🎽", "\x00", "\n", "ﬁt", "٣", "_", "é́", "\ud800"]
    generator = random.Random(0)
    for _ in range(400):
        text = "".join(
            generator.choice(words) + generator.choice(["", " ", "  ", "-"]) for _ in range(generator.randrange(25))
        )
        mentions = lexicon.read(text)
        assert all(0 <= m.start < m.end <= len(text) and m.text == text[m.start : m.end] and m.values for m in mentions)
        assert [m.start for m in mentions] == sorted(m.start for m in mentions)
    assert lexicon.read("") == lexicon.read(" \n") == []


@pytest.mark.parametrize("attribute", WORDS)
def test_no_word_stands_in_two_lines(attribute):
    lines = {}
    for values, keys in _keys(attribute):
        for key in keys:
            assert lines.setdefault(key, values) == values, key


def test_broader_values_are_not_the_values_themselves():
    known = {value for table in WORDS.values() for names in table for value in names.split("|")}
    assert BROADER.keys() <= known
    assert all(value not in broader.split("|") for value, broader in BROADER.items())
