"""The phrases around the words: what is broader, what states nothing, what is a part, and what takes a statement back."""

import re


SPELLINGS = {  # American: British
    "color": "colour",
    "gray": "grey",
    "jewelry": "jewellery",
    "pajama": "pyjama",
    "moisturizer": "moisturiser",
    "moisturizing": "moisturising",
    "woolen": "woollen",
    "traveling": "travelling",
    "traveler": "traveller",
}

# What a catalogue with fewer values calls it: where there is no Navy Blue, navy is Blue. "Olive green" is one colour for it, too.
BROADER = {
    "Navy Blue": "Blue",
    "Turquoise Blue": "Blue|Green",
    "Teal": "Blue|Green",
    "Sea Green": "Green|Blue",
    "Lime Green": "Green",
    "Fluorescent Green": "Green",
    "Olive": "Green",
    "Khaki": "Green|Brown|Beige",
    "Maroon": "Red",
    "Burgundy": "Red",
    "Rust": "Orange|Brown|Red",
    "Magenta": "Pink|Purple",
    "Rose": "Pink",
    "Peach": "Pink|Orange",
    "Lavender": "Purple|Pink",
    "Mauve": "Purple|Pink",
    "Mustard": "Yellow",
    "Gold": "Yellow",
    "Silver": "Grey",
    "Steel": "Grey|Silver",
    "Charcoal": "Grey|Black",
    "Grey Melange": "Grey",
    "Off White": "White",
    "Cream": "White|Beige",
    "Nude": "Beige|Pink",
    "Skin": "Beige",
    "Taupe": "Grey|Brown",
    "Tan": "Brown",
    "Coffee Brown": "Brown",
    "Mushroom Brown": "Brown",
    "Copper": "Brown",
    "Bronze": "Brown",
    "Kurtis": "Kurtas",
    "Tunics": "Tops",
    "Camisoles": "Tops",
    "Rain Jacket": "Jackets",
    "Nehru Jackets": "Jackets",
    "Blazers": "Jackets",
    "Jeggings": "Leggings|Jeans",
    "Lounge Tshirts": "Tshirts",
    "Lounge Shorts": "Shorts",
    "Lounge Pants": "Track Pants|Trousers",
    "Sports Sandals": "Sandals",
    "Rucksacks": "Backpacks|Bags",
    "Clutches": "Handbags|Bags",
    "Sweatshirts": "Sweaters",
    "Stoles": "Scarves",
    "Mufflers": "Scarves",
    "Hat": "Caps",
    "Robe": "Bath Robe",
    "Smart Casual": "Casual",
    "Boys": "Kids",
    "Girls": "Kids",
    **dict.fromkeys(("Casual Shoes", "Sports Shoes", "Formal Shoes", "Heels", "Flats", "Booties"), "Shoes|Footwear"),
    **dict.fromkeys(("Handbags", "Backpacks", "Duffel Bag", "Laptop Bag", "Messenger Bag", "Trolley Bag"), "Bags"),
    **dict.fromkeys(("Earrings", "Pendant", "Ring", "Bangle", "Bracelet", "Necklace and Chains"), "Jewellery"),
    **dict.fromkeys(("Briefs", "Boxers", "Trunk", "Bra"), "Innerwear|Underwear"),
}

# Phrases that state nothing, whatever words are in them.
NOTHING = (
    "in brief, multi purpose, multi pocket, multi functional, multi utility, multi way, "
    "dress code, dress to, activated charcoal, cream of, dress up, dress down, dress it up, "
    "dress it down, dress them up, top quality, top notch, top class, on top, top handle, top stitching, "
    "top it off, over the top, top to bottom, at the top, watch out, watch over, tie up, tie together, ties at, "
    "ties around, ties in, ties together, tie the look, third party, on the skin, your skin, the skin, skin type, "
    "skin friendly, skin care, against skin, sensitive skin, all skin, on skin, second skin, infra red, "
    "gold standard, golden hour, silver lining, red tape, red chief, red carpet, red bull, pink floyd, green day, "
    "black sabbath, red hot chili, wonder woman, spider man, iron man, ant man, bat man, super man, old navy, "
    "golds gym, white house, red rose, black panther, "
    "check out, check it out, check in, business as usual, out of the blue, run of the mill, runs small, "
    "runs large, run along, runs along, run down, runs down, in the long run, short run, "
    "ring the changes, off the rack, true to size, rose to fame, trip over, cap off, caps off, "
    "belt out, plain sailing, compact design, compact size, compact enough, compact yet, compact and, "
    "compact shape, compact form, boxer style, white label, denim look, leather look, silky feel, "
    "wrap around, wrap up, wrap style, slide on, slide out, slide in, home town, golden rule, "
    "button hole, rain or shine, wine glass, lemon scent, easy going, party trick"
)

# What follows an article as a part or a manner of it: a shirt collar is no shirt.
PARTS = (
    "collar, collared, sleeve, strap, dial, case, loop, style, styled, cut, length, buckle, fastening, "
    "closure, height, counter, cuff, waist, hem, pocket, toe, sole, neck, neckline, holder, rack, box, stand, "
    "size, code, fabric, material, movement, face, detail, detailed, detailing, heel, up, front, back, width, "
    "band, lover, brand, bed, slot, compartment, hanger, lace, charm, season, rise, stitch"
)

# What follows a colour that is none: rose extract, peach scent.
NO_COLOUR = (
    "scented, scent, extract, juice, oil, blossom, flavour, flavoured, infused, notes, petals, water, wood, "
    "background, backdrop, fragrance, fragranced, musk, leaf, tea, butter"
)


def _any(*patterns):
    return re.compile(rf"\b(?:{'|'.join(patterns)})\b", re.IGNORECASE)


def _ends(*patterns):
    return re.compile(rf"[.;:!?()\n—–]|\s-\s|{'|'.join(patterns)}|$", re.IGNORECASE)


# What is denied, to the end of the clause: these words, and small ones after them.
NEGATION = re.compile(
    r"\b(?:not|no|without|never|nor|neither|lacks|lacking|minus|free (?:of|from)|rather than|instead of|unlike|opposed to|than|"
    r"cannot|nothing|as (?!well|much|long|soon|good)\w+ as|anything but|far from|\w+n['’]t|isnt|arent|less)(?=\s+\w)"
    # "not only", "no doubt", "nothing beats", "can't miss" deny nothing.
    r"(?!\s+(?:only|just|merely|doubt|matter|wonder|but|beats?|better|like|ordinary|average|mere|longer|fuss|nonsense|question|"
    r"least|more|miss|resist|wait|help|fails?|fades?|stop)\b)"
    r"(?:\s+(?:an?|any|the|for|in|to|be|of|as|made|meant|suit(?:ed|able)|designed|intended|described|called|considered|seen|"
    r"come|with|have|really|quite|too|exactly|your|typical|on|at|all)\b)*",
    re.IGNORECASE,
)
NEGATION_END = _ends(
    r",", r"\b(?:but|with|for|in|on|from|that|which|who|is|are|it|at|by|made)\b", r"\band (?:an?|the|has|comes)\b"
)
# What is worn with the product, to the end of the clause; a comma may go on listing.
PAIRING = _any(
    r"pair(?:s|ed|ing)?(?! of\b)(?:\s+\w+){0,3}? (?:with|to)",
    r"match(?:es|ed|ing)?(?: (?:it|them|well|nicely|perfectly))? with",
    r"match(?:es)? (?:your|any|all|an?)",
    r"(?:goes|go(?! wrong)|going|looks?|works?|combines?|combined|teams?|teamed|sits)(?:\s+(?!of\b)\w+){0,3}? (?:with(?! its)|alongside)",
    r"w(?:ear|orn|earing)(?: (?:it|them|this|these|best|well))? (?:with|over|under|underneath|beneath|inside|alongside|atop)",
    r"styled? (?:it|them|(?:this|these|the|your)(?:\s+\w+){0,3}) with",
    r"(?:shown|seen|pictured|photographed|displayed|modelled)(?: here)? with",
    r"(?:model|mannequin) in(?=[^.,;]{,60}\b(?:shows|holds|presents|carries|displays)\b)",
    r"(?:lifts?|elevates?|brightens?|finish(?:es)?|transforms?|upgrades?|suits?|complements?) (?:both )?(?:your|any|all|an?)",
    r"layer(?:s|ed|ing)?(?:\s+\w+){0,2}? (?:over|under|with|beneath)",
    r"(?:ideal|great|perfect|best|good|nice|lovely|stunning) with|companion to",
    r"(?:tuck(?:s|ed)?|throw(?:n|s)?)(?:\s+\w+)? (?:into|over)",
    r"(?<!all )(?<!all-)(?:over|under|underneath|beneath|alongside|atop|next to|on top of) (?:an?|your|any|other)",
    r"that (?:holds|fits) (?:an?|your)",
    r"(?<=, )(?:wear|add|try|throw on)",
)
PAIRING_END = _ends(
    r",\s*(?:this|these|it|they|the|for|made|ideal|perfect|suited|designed|in|which|that|and (?:it|is|are|has)|crafted|featuring|"
    r"while|yet|but|making|suitable|great)\b",
    r"\b(?:for|but|while|this|making|because|thanks|shows?|showing|holds|holding|carries|carrying)\b",
)
# The whole of it states nothing: what is around the product, what does not belong to it, "non-iron".
ELSEWHERE = _any(
    r"(?:on|against|before|in front of) (?:an?|the) (?:\w+[\s-]+){0,3}?(?:background|backdrop|surface|floor|wall|table|hanger)",
    r"(?:\w+[\s-]+){1,3}?(?:border around|background|backdrop|lighting)",
    r"[^.,;:!?]{1,80}\b(?:(?:not|isn['’]t|aren['’]t) (?:included|part of|sold with|for sale)|sold separately)",
    r"(?:non|not?|never)-\w+(?:-\w+)*",
    r"non \w+",
)
