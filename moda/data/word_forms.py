"""The forms of words: singular and plural, British spelling, and keys under which they are found whatever their hyphens."""

import functools
import re

from .phrases import SPELLINGS
from .words import PAIRS, SPOKEN_PAIRS


TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[^\s\w\-‐‑–/]|_")
# What parts the values of one name: "Necklaces & Pendants", "Red/White", but not "3/4 Pants".
PARTED = re.compile(r"\s*[&,]\s*|\s+and\s+|(?<=[^\W\d])\s*/\s*(?=[^\W\d])")
CONTRACTED = re.compile(r"['’](?:ll|d|ve|re)$")
THEY = frozenset("they them their theirs themselves".split())  # a plural of "he", to inflect
COUNTED = ("articleType", "gender", "usage", "pattern", "sleeves", "neckline")  # words with a plural


@functools.lru_cache(maxsize=65536)
def plain_word(word):
    """Without capitals and apostrophes, the British way."""
    word = CONTRACTED.sub("", word.lower())
    for american, british in SPELLINGS.items():
        if american in word:
            word = word.replace(american, british)
    return "and" if word == "&" else "".join(filter(str.isalnum, word))


def key_of(phrase):
    """What a phrase is found under: its words without what divides them."""
    return "".join(map(plain_word, TOKEN.findall(phrase)))


@functools.cache
def inflector():
    """The engine of singulars, plurals and articles, imported only here: that takes a second or more."""
    import inflect

    return inflect.engine()


@functools.cache
def forms_of(phrase, attribute, own=False):
    """The keys of a phrase in singular and plural, of people also the possessive. A word of the tables that is a plural is read
    as it stands; a catalogue's own value is read in the singular as well."""
    phrase = phrase.lower()
    forms = {phrase}
    if attribute in COUNTED and phrase[-1:].isalpha():
        *before, last = phrase.split(" ")
        single = inflector().singular_noun(last)
        if not single:
            forms |= {
                " ".join([*before, plural]) for plural in (inflector().plural_noun(last), last + "s")
            }  # "stilettoes"
        elif own and last.lower() not in PAIRS:
            forms.add(" ".join([*before, single]))
    parts = PARTED.split(phrase) if own else ()
    if attribute == "articleType":
        forms |= {singular(phrase)} if own else set()
        if len(parts) > 1:  # "a necklace or pendant" of "Necklaces & Pendants"
            forms |= {word.join(map(singular, parts)) for word in (" or ", " and ")}
    elif len(parts) > 1:  # "red and white" of "Red/White"
        forms.add(" and ".join(parts))
    keys = {key_of(form) for form in forms} - THEY - {""}
    if attribute == "gender":
        keys |= {key + "s" for key in keys if not key.endswith("s")}
    return frozenset(keys)


@functools.cache
def singular(phrase):
    """Of a phrase in the plural the singular; what comes in pairs stays as it is, as does a phrase in the singular."""
    head, last, rest = re.fullmatch(r"(.*?)([^\s-]*?)((?:\s(?:for|of|with|in)\s.*)?)", phrase).groups()
    if last.lower() in SPOKEN_PAIRS or not last.isalpha() or last.lower().endswith(("ss", "us", "sis")):
        return phrase
    return head + (inflector().singular_noun(last) or last) + rest


def same_name(name, names, attribute):
    """Finds a name among others, whatever its number, capitals and hyphens.

    Args:
        name (`str`): Such as `"t-shirt"`.
        names (`Iterable[str]`): Such as `["Tshirts", "Shirts"]`.
        attribute (`str`): Whose value it is.

    Returns:
        `str`, or `None` if it is not among them.
    """
    if name in names:
        return name
    keys = forms_of(name, attribute, own=True)
    return next((other for other in names if keys & forms_of(other, attribute, own=True)), None)
