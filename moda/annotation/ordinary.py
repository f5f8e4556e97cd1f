"""Ordinary words of product descriptions: in a title or in capitals they are no name, and a sentence of them is English."""

import functools
import re
import unicodedata

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from moda.data.synonyms import WORDS

from .vocabulary import DESCRIBING, DRAWN, PROPER, TALK
from .vocabulary_of_goods import GOODS


# Ordinary words of which fashion's makers made names: where the title has them and the sentence does not speak of the thing.
NAMES = frozenset(
    "arrow basics catwalk champion classics coach columbia connection diesel dreams elements essentials fossil gap gas guess image jockey "
    "lee levis locomotive machine mango nation only originals police roots sepia spice statements tantra tape times titan vans woodland".split()
)
# Makers, teams and leagues whose names are no ordinary words; others are found by the title or by their capital.
FAMOUS = frozenset(
    "abercrombie adidas allensolly arsenal asics aurelia balenciaga barcelona bata benetton biba billabong birkenstock bmw budweiser "
    "burberry burton calvin casio chanel cocacola converse crocs decathlon diadora dior disney dkny dolce domyos ducati espn esprit "
    "fabindia fastrack fcuk fendi ferrari fifa fila gabbana garnier givenchy gucci hanes harley hermes hilfiger hollister hyundai "
    "jansport juventus kappa kipling klein lacoste lakers lakme lamborghini lavie lego levi levis liverpool loreal lotto "
    "manchester marvel maybelline mercedes microsoft mlb motorola mufc nascar nba netflix neutrogena nfl nhl nike nivea oakley olay "
    "patagonia pepsi playboy porsche prada provogue puma pumas quechua quiksilver ralph rayban reebok revlon rolex roxy salomon "
    "samsonite samsung scullers seiko skechers skybags slazenger sony spalding speedo spykar superdry swarovski swatch timberland "
    "timex titleist tommy toyota tumi ucb uefa umbro uniqlo versace vuitton wildcraft wrangler yamaha yankees zara".split()
)
FAMOUS_CAPITAL = frozenset(
    "Apple Champion Coach Columbia Diesel Fossil Guess Lee Mango Titan Vans Woodland Clarks Only Gap".split()
)
FAMOUS_PHRASE = re.compile(  # names of ordinary words
    r"\b(?:hello kitty|angry birds|bugs bunny|ben (?:ten|10)|hot wheels|star wars|toy story|pink panther|iron man|red bull|"
    r"captain america|tom (?:and|&) jerry|powerpuff girls|rolling stones|guns n['’]? roses|hard rock cafe|pink floyd|"
    r"new york|los angeles|red tape|flying machine|hush puppies|black panther|peppa pig|paw patrol|ninja turtles)\b",
    re.IGNORECASE,
)
ENDINGS = tuple("s es ed d ing er r est y ly like ish less ness ful able".split())
OF_Y = tuple("ies ied ier iest ily iness".split())  # of words that end in y
PREFIXES = tuple("un non anti multi semi over under pre mid".split())


WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


@functools.lru_cache(maxsize=65536)
def plain(word):
    """A word without capitals, accents and the possessive, as words are compared."""
    word = unicodedata.normalize("NFKD", re.sub(r"['’](?:s|S)?$", "", word)).casefold()
    return "".join(filter(str.isalnum, word))


def _words(*tables):
    known = {word for word in ENGLISH_STOP_WORDS if len(word) > 1 or word in "ai"}
    known |= {plain(word) for words in tables for word in words.split()}
    for table in WORDS.values():
        for values, words in table.items():
            known |= {plain(word) for word in WORD.findall(f"{values} {words}")}
    return frozenset(known)


PLAIN = _words(*DESCRIBING.values(), *GOODS.values(), PROPER)
THINGS = PLAIN | frozenset(map(plain, DRAWN.split()))
KNOWN = THINGS | frozenset(map(plain, TALK.split()))
PROPER_WORDS = frozenset(PROPER.split())


@functools.lru_cache(maxsize=65536)
def is_ordinary(word, known=None):
    """Whether a word, in whatever form, is one that describes products.

    Args:
        word (`str`): One word without hyphens.
        known (`frozenset[str]`, *optional*): The words that count. Defaults to all, [`KNOWN`].

    Returns:
        `bool`
    """
    word, known = plain(word), known or KNOWN
    rest = next((word[len(prefix) :] for prefix in PREFIXES if word.startswith(prefix)), "")
    return any(_is_form(form, known) for form in (word, rest) if len(form) > 2 or form in known)


def _is_form(word, known, endings=2):
    """Whether a word is a known one with at most so many endings: "fasteners", "zipped", "silkiness"."""
    if not known.isdisjoint((word, word + "s")):
        return True
    bases = {word[: -len(ending)] + "y" for ending in OF_Y if word.endswith(ending)}
    for ending in ENDINGS:
        base = word[: -len(ending)]
        if word.endswith(ending) and len(base) >= 3:
            doubled = base[-1] == base[-2] and len(base) > 3 and ending != "y"
            bases |= {base, base + "e"} | ({base[:-1]} if doubled else set())
    return any(
        len(base) >= 3 and (base in known or endings > 1 and _is_form(base, known, endings - 1)) for base in bases
    )
