"""The English of the Kaggle catalogue "Fashion Product Images": its kinds, colours and occasions that the drawn one lacks.

Kinds stand by what one piece is counted in ("" for a plain "a kurti") and what it is for. Where one name covers two
kinds, as "Foundation and Primer", the commoner one is said.
"""

GROUPS = (
    (
        "",
        "wear",
        {
            "Baby Dolls": "babydoll",
            "Bangle": "bangle",
            "Bath Robe": "bathrobe",
            "Blazers": "blazer",
            "Bra": "bra",
            "Bracelet": "bracelet",
            "Camisoles": "camisole",
            "Churidar": "churidar",
            "Clothing Set": "clothing set",
            "Dupatta": "dupatta",
            "Hair Accessory": "hair accessory",
            "Hat": "hat",
            "Headband": "headband",
            "Innerwear Vests": "innerwear vest",
            "Jewellery Set": "jewellery set",
            "Jumpsuit": "jumpsuit",
            "Kurta Sets": "kurta set",
            "Kurtis": "kurti",
            "Lehenga Choli": "lehenga choli",
            "Lounge Tshirts": "lounge t-shirt",
            "Mufflers": "muffler",
            "Necklace and Chains": "necklace",
            "Nehru Jackets": "Nehru jacket",
            "Night suits": "night suit",
            "Nightdress": "nightdress",
            "Pendant": "pendant",
            "Rain Jacket": "rain jacket",
            "Ring": "ring",
            "Robe": "robe",
            "Rompers": "romper",
            "Salwar": "salwar",
            "Salwar and Dupatta": "salwar and dupatta set",
            "Sarees": "saree",
            "Shrug": "shrug",
            "Stoles": "stole",
            "Sweatshirts": "sweatshirt",
            "Swimwear": "swimsuit",
            "Ties and Cufflinks": "tie and cufflink set",
            "Tracksuits": "tracksuit",
            "Tunics": "tunic",
            "Waistcoat": "waistcoat",
        },
    ),
    (
        "pair of",
        "wear",
        {
            "Booties": "booties",
            "Boxers": "boxers",
            "Briefs": "briefs",
            "Capris": "capris",
            "Cufflinks": "cufflinks",
            "Earrings": "earrings",
            "Flats": "flats",
            "Jeggings": "jeggings",
            "Leggings": "leggings",
            "Lounge Pants": "lounge pants",
            "Lounge Shorts": "lounge shorts",
            "Patiala": "patiala pants",
            "Rain Trousers": "rain trousers",
            "Sports Sandals": "sports sandals",
            "Stockings": "stockings",
            "Suspenders": "suspenders",
            "Tights": "tights",
            "Trunk": "trunks",
            "Wristbands": "wristbands",
        },
    ),
    ("item of", "wear", {"Shapewear": "shapewear"}),
    ("pair of", "use", {"Shoe Laces": "shoelaces"}),
    (
        "",
        "use",
        {
            "Accessory Gift Set": "accessory set",
            "Basketballs": "basketball",
            "Beauty Accessory": "beauty accessory",
            "Clutches": "clutch",
            "Compact": "compact powder",
            "Concealer": "concealer",
            "Cushion Covers": "cushion cover",
            "Duffel Bag": "duffel bag",
            "Eyeshadow": "eyeshadow",
            "Face Wash and Cleanser": "face cleanser",
            "Footballs": "football",
            "Fragrance Gift Set": "fragrance gift set",
            "Free Gifts": "free gift",
            "Highlighter and Blush": "blusher",
            "Ipad": "iPad",
            "Kajal and Eyeliner": "eyeliner",
            "Key chain": "key chain",
            "Laptop Bag": "laptop bag",
            "Lip Care": "lip balm",
            "Lip Liner": "lip liner",
            "Lip Plumper": "lip plumper",
            "Makeup Remover": "makeup remover",
            "Mask and Peel": "face mask",
            "Mens Grooming Kit": "grooming kit",
            "Messenger Bag": "messenger bag",
            "Mobile Pouch": "mobile pouch",
            "Rucksacks": "rucksack",
            "Shoe Accessories": "shoe accessory",
            "Sunscreen": "sunscreen",
            "Tablet Sleeve": "tablet sleeve",
            "Travel Accessory": "travel accessory",
            "Trolley Bag": "trolley bag",
            "Waist Pouch": "waist pouch",
            "Water Bottle": "water bottle",
        },
    ),
    (
        "bottle of",
        "use",
        {
            "Body Lotion": "body lotion",
            "Body Wash and Scrub": "body wash",
            "Deodorant": "deodorant",
            "Face Serum and Gel": "face serum",
            "Foundation and Primer": "foundation",
            "Nail Essentials": "nail polish remover",
            "Toner": "toner",
        },
    ),
    ("box of", "use", {"Hair Colour": "hair colour"}),
    ("jar of", "use", {"Eye Cream": "eye cream", "Face Moisturisers": "face moisturiser"}),
    ("tube of", "use", {"Face Scrub and Exfoliator": "face scrub", "Lip Gloss": "lip gloss", "Mascara": "mascara"}),
)
KINDS = {
    name: {"phrase": phrase, "unit": unit, "noun": noun}
    for unit, noun, phrases in GROUPS
    for name, phrase in phrases.items()
}

# As in "a multicoloured scarf", and as in "a scarf in a mix of colours".
SHADES = {
    "Metallic": ("metallic", "a metallic shade"),
    "Multi": ("multicoloured", "a mix of colours"),
    "Nude": ("nude", "a nude shade"),
    "Off White": ("off-white", "off-white"),
    "Skin": ("skin-coloured", "a skin tone"),
    "Steel": ("steel grey", "steel grey"),
}
# A bottle of rose perfume would smell of it: "rose-coloured".
SCENTS = frozenset("coffee cream lavender peach rose".split())

# What these come in has the colour that the catalogue gives them: "a toner in a green bottle".
PACKS = {
    "Body Lotion": "bottle",
    "Body Wash and Scrub": "bottle",
    "Deodorant": "can",
    "Eye Cream": "pack",
    "Face Moisturisers": "pack",
    "Face Scrub and Exfoliator": "pack",
    "Face Serum and Gel": "bottle",
    "Face Wash and Cleanser": "pack",
    "Fragrance Gift Set": "box",
    "Makeup Remover": "bottle",
    "Mask and Peel": "pack",
    "Mens Grooming Kit": "box",
    "Nail Essentials": "bottle",
    "Perfume and Body Mist": "bottle",
    "Sunscreen": "pack",
    "Toner": "bottle",
}
# Make-up has its colour itself, but these are said after it: "a lipstick in a peach shade", "a foundation in a skin tone".
MAKE_UP = frozenset(
    {
        "Compact",
        "Concealer",
        "Eyeshadow",
        "Foundation and Primer",
        "Highlighter and Blush",
        "Kajal and Eyeliner",
        "Lip Care",
        "Lip Gloss",
        "Lip Liner",
        "Lip Plumper",
        "Lipstick",
        "Mascara",
        "Nail Polish",
    }
)
SHADED = SCENTS | {"beige", "charcoal", "metallic", "mustard", "nude", "olive", "rust", "skin-coloured", "steel grey"}

# What something worn is for, and what something used is for.
PURPOSES = {
    "Casual": ("casual wear", "everyday use"),
    "Ethnic": ("ethnic wear", "traditional occasions"),
    "Formal": ("formal wear", "formal occasions"),
    "Home": ("home wear", "home use"),
    "Party": ("parties", "parties"),
    "Smart Casual": ("smart casual wear", "smart casual occasions"),
    "Sports": ("sports", "sports"),
    "Travel": ("travel", "travel"),
}

# How something worn is, and something used: "a casual shirt", "an everyday backpack".
STYLES = {
    "Casual": ("casual", "everyday"),
    "Ethnic": ("traditional", ""),
    "Formal": ("formal", ""),
    "Smart Casual": ("smart casual", ""),
    "Sports": ("sporty", ""),
}
# Said only right before the kind: "a red party dress".
SORTS = {"Party": "party", "Travel": "travel"}
