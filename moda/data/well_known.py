"""How a catalogue's own names are understood and spoken by what everybody knows, whatever the catalogue."""

import functools
import re

from .kaggle_words import KINDS
from .lexicon import Lexicon
from .word_forms import PARTED, inflector, singular
from .words import ARTICLE_WORDS, MASS, SPOKEN_PAIRS


@functools.cache
def well_known(name, attribute):
    """The well-known value that a name means, whatever the catalogue; `None` if it means none, or may mean several."""
    found = {mention.values for mention in _any_lexicon().read(name) if mention.attribute == attribute}
    return next(iter(found))[0] if len(found) == 1 and len(next(iter(found))) == 1 else None


@functools.cache
def _any_lexicon():
    return Lexicon({})


def counted(name):
    """How one piece of what a name in the plural or the singular names is called: by a rule, for what no table knows."""
    # "USB" and "iPhone" keep their capitals.
    name = name.lower() if name.isupper() and " " in name else name
    words = " ".join(word if re.search(r"\w[A-Z]", word) else word.lower() for word in name.split())
    known = [mention.values[0] for mention in _any_lexicon().read(name) if mention.attribute == "articleType"]
    noun = ({**ARTICLE_WORDS, **KINDS}.get(known[-1]) if known else {"noun": None})["noun"]
    parts = [re.fullmatch(r"(.*?)([^\s-]*)", part).groups() for part in PARTED.split(words) if part]
    plural = [last if last in SPOKEN_PAIRS else inflector().plural_noun(last) or last for _, last in parts]
    if parts and SPOKEN_PAIRS.issuperset(plural):
        phrase = " or ".join(before + last for (before, _), last in zip(parts, plural))
        return {"phrase": phrase, "unit": "pair of", "noun": noun}
    mass = [last in MASS or last.endswith("wear") for _, last in parts]
    if any(mass) or SPOKEN_PAIRS.intersection(last for _, last in parts):
        return {"phrase": " or ".join(map("".join, parts)) if all(mass) else words, "unit": "item of", "noun": noun}
    phrase = " or ".join(singular(before + last) for before, last in parts)
    return {"phrase": phrase or name.lower(), "unit": "", "noun": noun}
