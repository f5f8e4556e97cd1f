"""What was read off a product is found in the words of a description, and nothing else is."""

import json
from pathlib import Path

import pytest

from moda.annotation.checks import DEFAULTS
from moda.annotation.leaks import leaked_print


PLANTED = [
    json.loads(line) for line in Path(__file__).with_name("leak_drafts.jsonl").read_text(encoding="utf-8").splitlines()
]


def leak(sentence, title=None, **metadata):
    return leaked_print(sentence, {"metadata": {"productDisplayName": title, **metadata}}, DEFAULTS["leaked_print"])


@pytest.mark.parametrize("part, least", [("tuning", 0.97), ("held-out", 0.95)])
def test_the_planted_drafts(part, least):
    """Drafts by another hand, half of them with print; the held-out half was not looked at."""
    drafts = [draft for draft in PLANTED if draft["part"] == part]
    found = [
        leaked_print(draft["draft"], {"metadata": draft["metadata"]}, {"overlap": 0.5}) is not None for draft in drafts
    ]
    both = sum(hit and draft["leak"] for hit, draft in zip(found, drafts))
    assert len(drafts) == 150 and sum(draft["leak"] for draft in drafts) == 75
    assert both / sum(draft["leak"] for draft in drafts) >= least and both / sum(found) >= least


@pytest.mark.parametrize(
    "sentence, said",
    [
        ('A tee that reads "DREAM BIG".', 'quotes "DREAM BIG"'),
        ("A tee with 'hello world' on it.", 'quotes "hello world"'),
        ("A tee with “Love” in pink.", 'quotes "Love"'),
        ("A tee with «Bonjour» on it.", 'quotes "Bonjour"'),
        ("A tee with *Stay Wild* on it.", 'quotes "Stay Wild"'),
        ("A tee saying be happy.", "writing"),
        ("A red tee with some text.", "writing"),
        ("A polo with a small logo.", "writing"),
        ("A tote bag with bold lettering.", "writing"),
        ("A vest with a slogan in red.", "writing"),
        ("A bag with a gold monogram.", "writing"),
        ("A shirt with the brand name on the cuff.", "writing"),
        ("A tee with 東京 in red.", "writing"),
        ("A jersey with number 23.", 'number ("number 23")'),
        ("A jersey with a large 7 on the back.", 'number ("7")'),
        ("A jersey with 10 in green on the chest.", 'number ("10")'),
        ("A tee with 1984 on the front.", 'year ("1984")'),
        ("A GA-2100 watch in black.", 'model number ("GA-2100")'),
        ("A shirt from www.shop.example.", "an address"),
        ("A tee at $20.", "a price"),
        ("A tee with DREAM on the chest.", 'capitals ("DREAM")'),
        ("A cap embroidered with NY.", 'capitals ("NY")'),
        ("A belt with a large H.", 'letter ("H")'),
        ("A tee with Never Look Back across the front.", 'capitals ("Never Look Back")'),
        ("A tee with carpe diem printed on it.", 'printed ("carpe diem")'),
        ("A tee printed with just do it in white.", 'printed ("just do it")'),
        ("A pair of grey nike shorts.", "names a brand"),
        ("A football jersey of the Riverton Hawks.", "repeats a name"),
    ],
)
def test_print_is_found_and_named(sentence, said):
    why = leak(sentence)
    assert said in why and why.startswith("The description ") and why.endswith("; leave it out.")


@pytest.mark.parametrize(
    "sentence, title",
    [
        ("A zorbex top in red.", "Zorbex Women Red Top"),
        ("Zorbex's top in red.", "Zorbex Women Red Top"),
        ("A Zorbéx top in red.", "Zorbex Women Red Top"),
        ("A top by Zor Bex in red.", "ZorBex Women Red Top"),
        ("A zorbex top in red.", "Zor Bex Women Red Top"),
        ("A pair of black Red Tape shoes.", "Red Tape Men Black Shoes"),
        ("A Mango dress in red.", "Mango Women Red Dress"),
        ("A mango dress in red.", "Mango Women Red Dress"),
        ("A shirt by Basics in blue.", "Basics Men Blue Shirt"),
        ("A peach Red Rose nightdress.", "Red Rose Women Peach Nightdress"),
        ("A puma tee.", "Puma Men Black Tee"),
    ],
)
def test_names_that_the_title_has(sentence, title):
    assert "name" in leak(sentence, title)


def test_names_of_a_brand_column():
    assert "Zorbex" in leak("A top by Zorbex.", brand="Zorbex") and "zorbex" in leak(
        "A zorbex top.", brandName="Zorbex"
    )


@pytest.mark.parametrize(
    "sentence, title",
    [
        ("A black printed check shirt with a slim fit.", "Zorbex Men Black Printed Check Slim Fit Shirt"),
        ("A Black Shirt in a Slim Fit.", "Black Slim Fit Men Shirt"),
        ("A top in a warm mango colour.", "Mango Women Orange Top"),
        ("A wardrobe of basics: a white tee.", "Basics Men White Tee"),
        ("A pair of brown Chelsea boots.", "Zorbex Men Chelsea Boots"),
        ("A striped shirt for men.", None),
    ],
)
def test_ordinary_words_of_a_title(sentence, title):
    assert leak(sentence, title) is None


@pytest.mark.parametrize(
    "sentence",
    [
        "A graphic print t-shirt with a printed floral pattern.",
        "A boys' t-shirt with a cartoon octopus printed on the front.",
        "A navy polo neck jumper with a V-neck, an A-line dress and a T-shirt.",
        'A "V" neck sweater and a "boyfriend" fit.',
        "A text-free tee, a logo-free cap and an unbranded bag.",
        "A white t-shirt without any visible text or logo.",
        "A black bag with no logo, free of any writing.",
        "A cap on which no lettering can be seen.",
        "A shirt with a letter-sized pocket under a letterman jacket.",
        "A bag in monogram pattern.",
        "A pair of reading glasses; the look reads as formal.",
        'A bag for a 15" laptop.',
        "A men's shirt, rock 'n' roll in style, and girls' shorts.",
        "A '90s style jacket for boys' wardrobes.",
        "A watch with an LED dial, a USB port and UV400 lenses, size XL.",
        "A watch with Arabic numerals, 3 sub-dials and a date at 6.",
        "A backpack with 2 side pockets, 30 litres, 100% cotton.",
        "A pack of 3 briefs in size 32.",
        "An 18k gold ring, a 50 ml bottle and a 1970s dress.",
        "A Mandarin collar kurta in Navy Blue for Men, an Oxford shirt and a Nehru jacket.",
        "A number of pockets, a signature silhouette, a message bag.",
        "Brown Leather Wallet For Men With Several Card Slots And A Coin Pocket.",
        "MEN'S BLACK LEATHER WALLET",
        "Only two buttons close this coat. Apple prints cover it.",
    ],
)
def test_what_is_no_print(sentence):
    assert leak(sentence) is None


def test_words_that_the_engine_read():
    record = {"metadata": {}, "printed": ["Zorbly", "TEAM"]}
    assert '"zorbly"' in leaked_print("A tee with zorbly stripes.", record, {"overlap": 0.5})
    assert leaked_print("A team tee with stripes in red.", record, {"overlap": 0.5}) is None
