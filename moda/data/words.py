"""The words of the drawn catalogue: one small table for each attribute. [`Wording`] speaks and reads with them."""

# "unit" is what one piece is counted in ("" for a plain "a shirt"); "noun" is what the piece is for.
ARTICLE_WORDS: dict[str, dict[str, str]] = {
    "Tshirts": {"phrase": "t-shirt", "unit": "", "noun": "wear"},
    "Shirts": {"phrase": "shirt", "unit": "", "noun": "wear"},
    "Tops": {"phrase": "top", "unit": "", "noun": "wear"},
    "Sweaters": {"phrase": "sweater", "unit": "", "noun": "wear"},
    "Jackets": {"phrase": "jacket", "unit": "", "noun": "wear"},
    "Kurtas": {"phrase": "kurta", "unit": "", "noun": "wear"},
    "Dresses": {"phrase": "dress", "unit": "", "noun": "wear"},
    "Skirts": {"phrase": "skirt", "unit": "", "noun": "wear"},
    "Jeans": {"phrase": "jeans", "unit": "pair of", "noun": "wear"},
    "Trousers": {"phrase": "trousers", "unit": "pair of", "noun": "wear"},
    "Track Pants": {"phrase": "track pants", "unit": "pair of", "noun": "wear"},
    "Shorts": {"phrase": "shorts", "unit": "pair of", "noun": "wear"},
    "Socks": {"phrase": "socks", "unit": "pair of", "noun": "wear"},
    "Casual Shoes": {"phrase": "casual shoes", "unit": "pair of", "noun": "wear"},
    "Sports Shoes": {"phrase": "sports shoes", "unit": "pair of", "noun": "wear"},
    "Formal Shoes": {"phrase": "formal shoes", "unit": "pair of", "noun": "wear"},
    "Heels": {"phrase": "heels", "unit": "pair of", "noun": "wear"},
    "Sandals": {"phrase": "sandals", "unit": "pair of", "noun": "wear"},
    "Flip Flops": {"phrase": "flip flops", "unit": "pair of", "noun": "wear"},
    "Handbags": {"phrase": "handbag", "unit": "", "noun": "use"},
    "Backpacks": {"phrase": "backpack", "unit": "", "noun": "use"},
    "Watches": {"phrase": "watch", "unit": "", "noun": "wear"},
    "Sunglasses": {"phrase": "sunglasses", "unit": "pair of", "noun": "wear"},
    "Belts": {"phrase": "belt", "unit": "", "noun": "wear"},
    "Caps": {"phrase": "cap", "unit": "", "noun": "wear"},
    "Ties": {"phrase": "tie", "unit": "", "noun": "wear"},
    "Wallets": {"phrase": "wallet", "unit": "", "noun": "use"},
    "Scarves": {"phrase": "scarf", "unit": "", "noun": "wear"},
    "Gloves": {"phrase": "gloves", "unit": "pair of", "noun": "wear"},
    "Umbrellas": {"phrase": "umbrella", "unit": "", "noun": "use"},
    "Perfume and Body Mist": {"phrase": "perfume", "unit": "bottle of", "noun": "use"},
    "Lipstick": {"phrase": "lipstick", "unit": "tube of", "noun": "use"},
    "Nail Polish": {"phrase": "nail polish", "unit": "bottle of", "noun": "use"},
}

COLOUR_WORDS: dict[str, str] = {
    "Black": "black",
    "White": "white",
    "Grey": "grey",
    "Navy Blue": "navy blue",
    "Blue": "blue",
    "Red": "red",
    "Maroon": "maroon",
    "Pink": "pink",
    "Purple": "purple",
    "Green": "green",
    "Olive": "olive",
    "Yellow": "yellow",
    "Orange": "orange",
    "Brown": "brown",
    "Beige": "beige",
    "Teal": "teal",
}

# A solid colour is the silent default, as in shop listings: no word for it.
PATTERN_WORDS: dict[str, str] = {
    "Solid": "",
    "Striped": "striped",
    "Checked": "checked",
    "Polka Dots": "polka dot",
    "Floral": "floral",
}

GENDER_WORDS: dict[str, dict[str, str]] = {
    "Men": {"plain": "men", "possessive": "men's"},
    "Women": {"plain": "women", "possessive": "women's"},
    "Boys": {"plain": "boys", "possessive": "boys'"},
    "Girls": {"plain": "girls", "possessive": "girls'"},
    "Unisex": {"plain": "unisex", "possessive": "unisex"},
}

USAGE_WORDS: dict[str, str] = {
    "Casual": "casual",
    "Formal": "formal",
    "Sports": "sports",
    "Ethnic": "ethnic",
    "Party": "party",
}

DRAWN = {
    "articleType": ARTICLE_WORDS,
    "baseColour": COLOUR_WORDS,
    "pattern": PATTERN_WORDS,
    "gender": GENDER_WORDS,
    "usage": USAGE_WORDS,
}

# What comes in twos is "a pair of" them; the last word decides.
PAIRS = frozenset(
    "boots booties boxers briefs bottoms capris cufflinks earrings flats flops gloves heels jeans jeggings laces leggings "
    "loafers mules pants pyjamas sandals shoes shorts slippers socks stockings sunglasses suspenders tights trousers "
    "wristbands".split()
)

# Further pairs that are spoken as such; a single one of them is read as well.
SPOKEN_PAIRS = PAIRS | frozenset(
    "binoculars bloomers breeches chinos clogs crocs culottes dungarees earphones espadrilles eyeglasses glasses goggles "
    "headphones joggers jodhpurs knickers mittens moccasins overalls pajamas palazzos panties plimsolls pumps scissors "
    "shoelaces slacks sliders sneakers spectacles stilettos sweatpants trainers trunks tweezers underpants wedges".split()
)

# What is not counted: "an item of luggage"; whatever ends in "wear" is none either.
MASS = frozenset(
    "apparel attire bedding care clothes clothing cosmetics crockery cutlery equipment furniture headgear hosiery jewellery "
    "jewelry lingerie linen luggage makeup merchandise skincare stationery".split()
)

# What a catalogue writes where it knows nothing.
UNKNOWN = frozenset("- -- ? n/a na nan nil none null other others unknown unspecified undefined".split()) | {
    "not applicable",
    "not available",
    "not specified",
}
