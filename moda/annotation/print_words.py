"""How sentences speak of print: the words and patterns by which [`~moda.annotation.leaks.leaked_print`] finds it."""

import re


def _words(*lists):
    """A pattern of phrases, given with commas between: each in singular and plural."""
    phrases = [phrase.strip().replace(" ", r"[\s-]+") for text in lists for phrase in text.split(",")]
    return "(?:" + "|".join(rf"{phrase}s?" for phrase in phrases) + ")"


def _pattern(*parts):
    return re.compile("|".join(parts), re.IGNORECASE)


# Quotes of any style. They open after a space and close before one, so that 15" and men's are none, nor are 'n' and '90s.
_OPENS = r"(?:^|(?<=[\s(\[,:;—–-]))"
QUOTES = (
    re.compile(_OPENS + r"(?:[\"“”„«‹「]|``|'')(?=\S)([^\"“”„«»‹›「」]{1,120}?)(?:[\"“”»›」]|'')"),
    re.compile(
        _OPENS + r"['‘’](?!n['’]|\d0s\b|tis\b)(?=[^\s'’])((?:[^'‘’]|(?<=\w)['’](?=\w)){1,80}?)['’](?!\w)", re.IGNORECASE
    ),
    re.compile(r"(?<!\w)(?:\*{1,2}|`|_)(?=\w)([^*`_]{1,80}?)(?<=[\w!?.])(?:\*{1,2}|`|_)(?!\w)"),
)
# A letter that names a cut: a "V" neck, an A line.
CUT = re.compile(r"[\"'”’]?[-\s]*(?:neck|line|shape|cut|strap|back|fit|bar)", re.IGNORECASE)
NON_LATIN = re.compile(r"[\u0370-\u1cff\u2c80-\ud7ff\uf900-\ufaff]+")

# Where print stands, right after it: "printed ...", "on the chest", "in bold white".
_MADE = (
    "printed|stamped|embroidered|stitched|emblazoned|written|engraved|embossed|spelled|spelt|painted|stencilled|woven|worked|"
    "knitted|displayed|arched|set"
)
_INK = "white|black|red|blue|green|yellow|gold|golden|silver|pink|orange|purple|grey|navy|cream"
_PLACE = r"(?:on|across|over|above|below|beneath|under|down|along|around|at|inside|upon)\s+(?:the|its|one|both|each|an?|either|his|her)\b"
PRINTED = re.compile(
    rf"[\"'”’*`]?,?\s*(?:(?:(?:is|are|was|were)\s+)?(?:(?:boldly|neatly|clearly)\s+)?(?:{_MADE})\b|{_PLACE}|"
    r"in\s+(?:(?:big|large|small|bold|bright|dark|light|pale|neon|faded|tiny|shiny|glittery|metallic|cracked)\s+)*"
    rf"(?:{_INK}|glitter|foil|contrast|bold|script|capitals|letters|print)\b)",
    re.IGNORECASE,
)
# Print without quotes or capitals: "with carpe diem printed on it". What begins with an article is a thing.
SLOGAN = re.compile(
    r"\b(?:with|and|shows?|showing|says|has|having|features?|featuring|bears?|bearing|carries|carrying|displays?|displaying|stamped)\s+"
    r"(?!(?:an?|the|its|some|two|three|small|large|big|tiny|bold)\b)(?P<said>(?:[^\s,.;:]+\s+){1,6}?)"
    rf"(?=(?:boldly\s+)?(?:{_MADE})\b|(?:across|on|over)\s+the\s+(?:front|back|chest|sleeve|pocket|leg|hem|side|lid|cap|bottle|"
    r"buckle|strap|dial|tongue|heel|waistband|panel|peak|brim)\b|in\s+(?:white|black|red|gold|silver|blue|pink|yellow|green)\b)",
    re.IGNORECASE,
)
SPOKEN = frozenset("be me my i im i'm you your yours we us our am dont don't never always lets let's who why".split())
URGED = frozenset("born believe chase choose eat explore follow get hello keep live stay think".split())
PLACES = frozenset("all around back bottom front over side throughout top".split())
LITTLE = frozenset("a an the to of in on and or no my your is it for with at by n be".split())
# Before a letter that stands alone.
BIG = re.compile(
    r"\b(?:large|big|bold|letters?|initial|single|giant|huge|oversized|block|capital|printed|varsity)\s+$",
    re.IGNORECASE,
)
SHOWING = re.compile(
    r"\b(?:print|printed|front|chest|across|embroidered|reads|says|words?|text|logo|slogan)\b", re.IGNORECASE
)

# What reports that there is writing.
_OWNER = (
    "(?:brand|team|club|company|maker|manufacturer|designer|player|band|athlete|sponsor|model|product|university|college|city|"
    "character|label|owner)(?:['’]?s)?"
)
_COLOURED = (
    "printed|bold|block|capital|embroidered|big|large|single|varsity|gold|silver|white|black|red|metal|upper-?case"
)
SCRIPTS = "japanese|chinese|korean|arabic|hindi|devanagari|cyrillic|greek|thai|urdu|tamil|bengali|hebrew|foreign|latin|written|printed"
WRITING = _pattern(
    r"\b(?:"
    + _words(
        "text, logo, logotype, wordmark, lettering, slogan, tagline, motto, catchphrase, wording, sentence, typography, typographic",
        "typographical, calligraphy, calligraphic, alphabet, alphabetic, initial, hashtag, branding, branded, trademark",
        "autograph, autographed, barcode, caption, quote, quotation, acronym, watermark, swoosh, verse, lyric, phrase, font",
        "inscription, inscribed, lettered, handwriting, writing, written, spelled, spelt, spelling, captioned, labelled, labeled",
        "kanji, hiragana, katakana, hangul, devanagari, cyrillic, saying, reads out",
    )
    + r")\b",
    r"\bbrand(?:\s+name)?\s*[:=]",
    r"\breads(?!\s+(?:as|like|more|less)\b)",
    r"\b(?:says|spells)(?!\s+(?:it all|style|summer|elegance|class|luxury|comfort|casual|formal|party|fun)\b)",
    r"\b(?<!for )(?<!easy )(?<!light )reading(?!\s+(?:glass|spectacle|lamp|light|room|lens|eyewear|frame|or|and|in))",
    r"\b(?:proclaim|declar)(?:e?s|ing)\b|\bemblazoned with (?:the|its)\b",
    r"\b(?<!in other )(?<!of )words?\b(?!\s+of\s+mouth)|\bmessages?\b(?!\s+bag)",
    rf"\bletters\b(?!\s*-?siz)|\b(?:{_COLOURED})\s+letter\b(?!\s*-?siz)",
    r"\bletter(?=\s+(?:prints?|motif|graphic|design|pattern|detail|logo|patch|embroider\w+|[A-Z])\b)",
    r"\bscript(?=\s+(?:on|print|across|lettering|font|text|detail|design|along|in)\b)",
    rf"\b{_OWNER}\s+(?:names?|emblems?|labels?|marks?|markings?|signatures?|insignias?|tags?|symbols?|badges?|crests?|monograms?)\b",
    r"\bnames?(?=\s+(?:on|across|printed|embroidered|engraved|in|and number|tag|is|stamped|along|at|of the)\b)",
    r"\b(?:its|the|a|printed|embroidered)\s+names?\b",
    r"\b(?:the|its|a|visible|prominent)\s+brand(?=\s*(?:on|across|at|in|over|printed|is|visible|embroidered|patch|plate|badge|mark|stamp)\b|[,.])",
    r"\b(?:from|by|of)\s+(?:the|an?)\s+(?:[\w-]+\s+)?brand\b(?!\s*-?new)",
    r"\bin\s+(?:(?:upper|lower)[- ]?case|(?:(?:block|bold)\s+)?capitals)\b",
    rf"\b(?:{SCRIPTS})\s+(?:characters?|letters?|scripts?|symbols?)\b",
    r"\bsignature(?=\s+(?:printed (?:on|across)|on the|across|embroider\w+)\b)",
    r"\b(?:care|price|brand|name|size|printed)\s+(?:label|tag)s?\b",
    r"\bmonogram(?:s|med)?\b(?!\s+(?:pattern|print|canvas|motif|design|jacquard))",
)
NO_WRITING = _pattern(  # the words, but not the thing
    r"\b\w+-(?:free|less)\b|\b(?:un|non)-?branded|\b(?:text|logo|letter|word|brand|slogan)s? ?(?:free|less)\b|\bletterman\b|"
    r"\bletter[- ]?siz\w+|\bbrand[- ]new\b|\binitial (?:design|look)"
)
DENIED = _pattern(  # beside the denials that the lexicon knows; the second from its clause's start on
    r"\b(?:devoid|absence|bare|clear|empty|lack) of\b[^.,;]*|\b(?:avoids?|omits?|omitting|zero)\b[^.,;]*",
    r"[^.,;]*\b(?:(?:is|are) (?:not|absent|missing|nowhere)|isn['’]t|aren['’]t|can(?:not|['’]t) be (?:seen|read)|absent)\b",
)

# Numbers that are print, and those that measure and count.
NUMBER_LIKE = re.compile(r"[\d$€£₹¥#@™®©]|www|http|number|numer|digit|\w\.\w", re.IGNORECASE)
_DIGITS = r"(?:[\"'“‘]?\d+|(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b)"
NUMBERS = _pattern(
    r"(?P<address>\bhttps?://\S+|\bwww\.\S+|\b[\w-]+\.(?:com|net|org|co\.\w\w|in|co|uk|de|fr|eu|io|shop|store)\b|(?<!\w)@\w{2,})",
    r"(?P<price>[$€£₹¥]\s?\d[\d.,]*|\b(?:rs|inr|usd|eur|mrp|rupees)\b\.?\s?\d[\d.,]*|\b\d[\d.,]*\s?(?:rupees|dollars|euros|usd|inr|rs)\b)",
    r"(?P<mark>[™®©]|(?<![\w&])#\s?\w+)",
    rf"(?P<number>\b(?:numbers?|numerals?|no\.|nr\.?|digits?)\s+{_DIGITS}|\b(?:big|large|bold|printed|huge|oversized|contrast|jersey|"
    rf"player|squad|team|race|block|embroidered|appliqu\w+|{_INK})\s+(?:numbers?|numerals?|digits?)\b|"
    r"\bnumbers?\s+(?:print|graphic|patch|appliqu\w+|detail|motif|(?:printed )?(?:on|across))\b|\bnumbered\b)",
)
NUMBER = re.compile(
    r"(?<![\w.,/-])(?:[A-Z]{1,4}-)?[A-Za-z0-9]*\d[A-Za-z0-9]*(?:[-.,][A-Za-z0-9]*\d[A-Za-z0-9]*)*(?!\w)"
)
YEAR = re.compile(r"(?:18|19|20)\d\d")
DECADE = re.compile(r"['’]?s\b")
UNIT = re.compile(
    r"\s*(?:[%°\"”″'′/xX×]|in\b(?=[.,;)]|\s+(?:wide|long|tall|high|deep|by|x)\b|$)|[-–]?\s*(?:"
    + _words(
        "cm, mm, m, inch, inche, ft, feet, ml, l, litre, liter, g, gm, gram, kg, oz, denier, gsm, percent, per cent, atm, bar, pack",
        "piece, pc, pair, pocket, button, compartment, slot, strap, hour, hr, minute, day, year, month, degree, metre, meter, panel",
        "panelled, gear, thread, ply, karat, carat, k, kt, ct, in 1, in one, way, tier, tiered, layer, shade, colour, color, coloured",
        "stone, bead, eyelet, card, wheel, jewel, stripe, row, gb, mah, w, v, mp, mpx, quarter, sleeve, length, fourth, th, st, nd, rd",
        "s, d, spf, style, ring, bangle, lense, lens, to, or, individual, different, small, large, front, side, inner, outer, separate",
        "main, zip, zipped, zippered, interior, exterior, matching, point, fold, step, blade, sterling, tc, thread count, second, week",
        "teeth, speed, volt, watt, amp, hz, needle, pin, prong, yard, pound, lb, micron, tog, person, people, strand, hook, spinner",
        "wheeled, note, coin, pleat, waist",
    )
    + r"\b|and \d))",
    re.IGNORECASE,
)
SIZE = re.compile(r"\b(?:sizes?|uk|us|eu|of|grade|aged?|ages|spf|to)\s*$", re.IGNORECASE)
COUNTED = re.compile(
    r"(?:\b(?:sizes?|uk|us|eu|spf|upf|uv|aged?|ages|of|about|around|approximately|to|over|under|least|than|with|has|have|by|x|holds|"
    r"fits|includes|contains|grade|sterling|cut|and|or|for|waist|leg|inseam|length|width|height|quantity|from|between)|[-–/.,×+:]|\d)\s*$",
    re.IGNORECASE,
)
MEASURE = re.compile(  # 3D, 50mm, 18k, 1970s, 4XL, SPF50, Y2K
    r"\d+(?:[.,]\d+)?(?:d|x|k|kt|ct|mm|cm|m|in|ml|l|g|gm|gms|kg|oz|gsm|atm|bar|hr|hrs|h|w|v|mp|gb|mah|pc|pcs|s|st|nd|rd|th|xl|way|"
    r"ply|mpx|pm|am)|(?:spf|uv|upf|usb|mp|tr|a|eu|uk|us|size|rj)\d+|y2k|x\d|\d+x\d+\w*",
    re.IGNORECASE,
)
DIAL = re.compile(r"\b(?:dials?|watch|watches|clock|hours?|chronograph)\b", re.IGNORECASE)  # has numbers by nature

ABBREVIATIONS = frozenset(
    "2d 3d 4d aa aaa abs ac ai am amoled aop atm bb bpa cc cd cm cr39 cz dc dd diy dslr dvd edp edt eu eur eva fm gb gps gmt gsm hd hdpe id ii iii "
    "ipad iphone iv ix lbs lcd led macbook mah ml mm mop mp3 nato nfc ok oled oz pa pc pe pet pm pp pu pvc qi qr rfid rgb sd sim spf ss tc tpe tpr tpu tsa "
    "tr90 tv uk upf us usb uv uva uvb vi vii viii vip xi xii xl xs xxl xxs xxxl".split()
)
SENTENCE_START = re.compile(r"(?:^|[.!?—–]\s+|[:;•·|►✓✔]\s*|\s-\s+|\n|(?:^|\s)\d{1,2}[.)]\s+)[\s\"'“‘(*•·►✓✔-]*$")
LABEL = re.compile(r"(?:\s\w+)?\s?:\s|\s[-–—]\s")  # what stands before it: "Sleeve Length: Long", "FABRIC - Cotton"
LISTED = re.compile(r"[.)]\s+\w")  # the number of a list's item
THING = re.compile(
    r"[-\s]+(?:colou?r|hue|shade|tone|tint|flavou?r|scent|fragrance|motif|print|pattern|shape|fruit|design)",
    re.IGNORECASE,
)
MAKER = re.compile(r"\b(?:by|from|brand|called|named) $", re.IGNORECASE)
# Where the maker's name in a title ends.
TITLE_END = frozenset(
    "men mens man women womens woman ladies boys boy girls girl kids unisex male female teens infant infants teen gents".split()
)
