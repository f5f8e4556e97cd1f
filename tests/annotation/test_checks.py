"""Each check fails what it is for and leaves the rest: the lines that pass are as many as those that do not."""

import random
import time

import pytest

from moda.annotation.checks import DEFAULTS, POINTS, SENTENCES, TEXT_CHECKS, failures, picture_aspect, picture_size
from moda.data.demo import demo_rows
from moda.data.synonyms import WORDS
from moda.data.wording import TEMPLATES, Wording


GOLDEN = "A pink women's blouse with lace trim, perfect for formal occasions."
BLOUSE = {"gender": "Women", "articleType": "Tops", "baseColour": "Pink", "usage": "Formal"}


def fails(check, sentence, metadata=None, **settings):
    return SENTENCES[check](sentence, {"metadata": metadata or {}}, {**DEFAULTS[check], **settings})


@pytest.fixture(scope="module")
def written():
    """True sentences, about all kinds that the words are known for, and the drawn catalogue's rows."""
    wording = Wording({name: tuple(dict.fromkeys("|".join(WORDS[name]).split("|"))) for name in WORDS})
    rng, rows = random.Random(0), []
    for place in range(3000):
        row = {name: rng.choice(list(wording.words.get(name) or wording.articles)) for name in ("baseColour", "usage")}
        row |= {"articleType": rng.choice(list(wording.articles)), "gender": rng.choice([*wording.genders, None])}
        row["usage"] = row["usage"] if place % 3 else None
        rows.append(row)
    return [(wording.write(row, template=place % len(TEMPLATES)), {"metadata": row}) for place, row in enumerate(rows)]


def test_true_sentences_pass_all_checks_and_quickly(written):
    failures(GOLDEN, {"metadata": BLOUSE}, {}, "refined")  # loads what is loaded once
    started = time.process_time()
    found = [(sentence, why) for sentence, record in written if (why := failures(sentence, record, {}, "refined"))]
    assert time.process_time() - started < 5 * len(written) / 5400 * 2
    assert [sentence for sentence, why in found if "language" in why or "leaked_print" in why] == []
    assert len(found) <= 0.001 * len(written), found[:5]


def test_the_guides_own_example_passes():
    record = {"metadata": BLOUSE, "draft": {"gender": "female", "category": "blouse", "colour": "pink", "usage": None}}
    assert failures(GOLDEN, record, DEFAULTS, "drafts") == {}


def test_picture_size_and_aspect():
    assert picture_size(32, 400, {"min_side": 32}) is None
    assert picture_size(400, 31, {"min_side": 32}) == "The picture is 400 by 31 pixels; its shorter side must have 32."
    assert picture_aspect(100, 500, {"most": 5.0}) is None
    assert "501 by 100 pixels; one side must not be more than 5 times" in picture_aspect(501, 100, {"most": 5.0})
    assert list(failures((20, 300), {}, {}, "pictures")) == ["picture_size", "picture_aspect"]
    assert list(failures((20, 300), {}, {"picture_size": {"min_side": 10}}, "pictures")) == ["picture_aspect"]


def test_length():
    assert fails("length", "A tee.") == "The description has 2 words; write at least 3."
    assert fails("length", "Tee.") == "The description has 1 word; write at least 3."
    assert fails("length", "A red tee.") is None
    assert fails("length", "very " * 45) is None
    assert "has 46 words; write at most 45" in fails("length", "very " * 46)
    assert fails("length", "A red tee.", min_words=4) and fails("length", GOLDEN, max_words=10)


@pytest.mark.parametrize(
    "sentence",
    [
        "A saree for women.",
        "A kurta for men.",
        "Red tee.",
        "Navy jeans.",
        "A pair of jutti in beige.",
        "Maroon lehenga choli with zari work.",
        "An exquisite timepiece boasting impeccable craftsmanship.",
        "A crêpe blouse, à la mode.",
        "MEN'S BLACK LEATHER WALLET",
        "An eau de toilette for women in a glass bottle.",
        "Capri pants in noir denim for ladies.",
    ],
)
def test_english_is_english(sentence):
    assert fails("language", sentence) is None


@pytest.mark.parametrize(
    "sentence",
    [
        "Mahilaon ke liye laal saree.",
        "Yeh ek neeli shirt hai purushon ke liye.",
        "T-shirt orange pour femme.",
        "Un sac à main en cuir noir pour femmes.",
        "Una camisa azul para hombre.",
        "Bolso de mano negro para mujer.",
        "Ein graues T-Shirt mit rundem Ausschnitt.",
        "Schwarze Handtasche aus Leder.",
        "T-shirt grigia casual per bambini.",
        "Uma camisa azul para homens.",
        "Een blauw overhemd voor heren.",
        "Niebieska koszula dla mężczyzn.",
        "一件男士蓝色衬衫。",
        "メンズの青いシャツです。",
        "पुरुषों के लिए नीली शर्ट।",
        "Синяя мужская рубашка.",
        "قميص أزرق للرجال",
        "A blue shirt 一件男士蓝色衬衫 for men.",
    ],
)
def test_other_languages_are_not(sentence):
    assert fails("language", sentence) == "The description is not in English; write it in English."


def test_another_language_can_be_wanted():
    assert fails("language", "Ein graues Hemd mit rundem Ausschnitt für Herren.", language="de") is None
    assert "write it in 'de'" in fails("language", "Une chemise bleue pour homme, avec un col rond.", language="de")
    with pytest.raises(ValueError, match="checks.language.language is 'german'; give a code of two letters"):
        fails("language", GOLDEN, language="german")


@pytest.mark.parametrize(
    "sentence",
    [
        "A red red red shirt.",
        "A shirt with with buttons.",
        "A blue shirt for men. A blue shirt for men.",
        "Red tee. It is nice. Red tee.",
        "A shirt with a collar and buttons and a collar and buttons and a collar.",
        "A top with a print, a bold print, a floral print and another print.",
        "A black, white, black, white, black, white scarf.",
        "A shirt redredredredred.",
        "A niiiiiice shirt!!!!!!",
    ],
)
def test_repetition(sentence):
    assert fails("repetition", sentence).endswith(("once.", "word once."))


@pytest.mark.parametrize(
    "sentence",
    [
        GOLDEN,
        "A t-shirt with a t-shirt print.",
        "A beanie with a pom-pom.",
        "A bag with two front pockets and two back pockets.",
        "A black shirt with a black collar and a black placket.",
        "A pair of shoes with a round toe and a flat sole, with a lace-up front.",
        "A watch with a 40 mm case and a 40 mm strap. It has a date display.",
    ],
)
def test_no_repetition(sentence):
    assert fails("repetition", sentence) is None


@pytest.mark.parametrize(
    "sentence, metadata",
    [
        ("A men's shirt in red.", {"gender": "Women"}),
        ("A shirt for boys.", {"gender": "Men"}),
        ("A unisex cap.", {"gender": "Men"}),
        ("A dress in red.", {"articleType": "Shirts"}),
        ("A pair of sandals.", {"articleType": "Casual Shoes"}),
        ("A kurta for him.", {"articleType": "Kurtas", "gender": "Female"}),
    ],
)
def test_contradiction(sentence, metadata):
    why = fails("contradiction", sentence, metadata)
    assert why.startswith('The description says "') and why.endswith(f"is {list(metadata.values())[-1]}.")


@pytest.mark.parametrize(
    "sentence, metadata",
    [
        (GOLDEN, BLOUSE),
        ("A pair of shoes.", {"articleType": "Casual Shoes", "gender": None}),
        ("A pair of footwear items.", {"articleType": "Flip Flops", "masterCategory": "Footwear"}),
        ("A blouse for ladies.", {"articleType": "Tops", "gender": "Women"}),
        ("A kurta for ladies.", {"articleType": "Kurtis", "gender": "Women"}),
        ("A sweatshirt.", {"articleType": "Sweaters"}),
        ("A jacket for kids.", {"articleType": "Jackets", "gender": "Boys"}),
        ("A cap for men and women.", {"gender": "Unisex"}),
        ("A men's dress.", {"gender": None, "articleType": None}),
        ("A men's dress.", {}),
        ("A dress with a shirt collar.", {"articleType": "Dresses"}),
        ("A top, not for men.", {"articleType": "Tops", "gender": "Women"}),
        ("A gadget for her.", {"articleType": "Gadgets", "gender": "F"}),
        ("A ladies' top.", {"gender": "Female", "articleType": "Ladies Tops"}),
        ("A jacket in red.", {"articleType": "Sweatshirts", "productDisplayName": "Zorba Men Red Jacket"}),
    ],
)
def test_no_contradiction(sentence, metadata):
    assert fails("contradiction", sentence, metadata) is None


def test_a_drafts_fields_count_until_it_is_refined():
    record = {
        "metadata": BLOUSE,
        "draft": {"description": GOLDEN, "gender": "men", "category": "blouse", "colour": None},
    }
    why = 'The description says "men", but the product\'s gender is Women.'
    assert failures(GOLDEN, record, {}, "drafts") == {"contradiction": why}
    assert failures(GOLDEN, record, {}, "refined") == {}
    assert failures(GOLDEN, record, {"contradiction": {"attributes": ["articleType"]}}, "drafts") == {}


def test_other_attributes_can_be_compared():
    settings = {"contradiction": {"attributes": ["baseColour", "usage"]}}
    assert failures(GOLDEN, {"metadata": BLOUSE}, settings, "refined") == {}
    other = {**BLOUSE, "baseColour": "Black"}
    assert list(failures(GOLDEN, {"metadata": other}, settings, "refined")) == ["contradiction"]


def test_each_check_can_be_removed():
    sentence, record = (
        'T-shirt "LOVE LOVE" pour pour femme homme femme.',
        {"metadata": {"gender": "Boys", "articleType": "Ties"}},
    )
    found = failures(sentence, record, DEFAULTS, "drafts")
    assert list(found) == ["language", "repetition", "leaked_print", "contradiction"]
    for name in found:
        assert list(failures(sentence, record, {**DEFAULTS, name: False}, "drafts")) == [
            each for each in found if each != name
        ]
    assert all(why.endswith(".") and why.count("\n") == 0 for why in found.values())


def test_the_registry_knows_checks_with_defaults_and_no_other_point():
    assert all(name in DEFAULTS for checks in POINTS.values() for name in checks)
    with pytest.raises(ValueError, match="no checks at 'end'; the points are pictures, drafts, refined"):
        failures(GOLDEN, {}, {}, "end")


def test_the_drawn_catalogue_contradicts_nothing():
    for row in demo_rows(60):
        metadata = {name: value for name, value in row.items() if isinstance(value, str) and name != "description"}
        assert failures(row["description"], {"metadata": metadata}, {}, "refined") == {}, row["description"]


@pytest.mark.parametrize(
    "text",
    ["A " * 5000, "a" * 20_000, "logo is " * 2500, "Aa Bb " * 3000, "'a " * 5000, "1 " * 5000, "a b " + "c" * 20_000],
)
def test_of_a_sentence_far_too_long_nothing_else_is_checked(text, monkeypatch):
    def fail(*given):
        raise AssertionError("is not asked")

    for name in set(TEXT_CHECKS) - {"length"}:
        monkeypatch.setitem(SENTENCES, name, fail)
    assert list(failures(text, {"metadata": BLOUSE}, {}, "drafts")) == ["length"]


def test_a_sentence_a_little_too_long_is_checked_by_all():
    text = 'A shirt "LOVE LOVE" ' + "with buttons of wood and " * 10
    assert {"length", "repetition", "leaked_print"} <= set(failures(text, {"metadata": {}}, {}, "refined"))
    assert "length" not in failures("word " * 500, {"metadata": {}}, {"length": {"max_words": 500}}, "refined")
    assert "repetition" in failures("word " * 500, {"metadata": {}}, {"length": {"max_words": 500}}, "refined")


def test_characters_count_too():
    assert fails("length", "A red " + "x" * 1794) is None
    why = "The description has 1,801 characters; write at most 45 words."
    assert fails("length", "A red " + "x" * 1795) == why


def test_no_check_hangs_where_no_length_is_wanted():
    for text in ("A " * 5000, "a" * 20_000, "logo is " * 2500, "a b " + "c" * 16_000, "ab cd-" * 3000, "'" * 20_000):
        assert isinstance(failures(text, {"metadata": BLOUSE}, {"length": False}, "drafts"), dict)
