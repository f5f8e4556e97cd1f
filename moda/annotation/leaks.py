"""Finds print that leaked into a description: what a vision model read off a product, or that there is something to read.

A leak repeats or reports writing on the product or its packaging: quoted words, "reads ...", names of makers, teams and logos,
printed numbers, slogans, addresses and prices; and the bare report that there is text, lettering, a slogan or a logo. No leaks
are prints without letters (floral, graphic, cartoon), the letters of a cut (V-neck, A-line, T-shirt), sizes, the short
names of materials and techniques, a monogram pattern, and what is denied ("without visible text").

Why: a small model that learns such captions learns to read, and reads badly what it can't see at 224 pixels.
"""

import functools
import itertools
import re

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from moda.data.lexicon import Lexicon
from moda.data.phrases import NEGATION, NEGATION_END

from . import print_words as patterns
from .ordinary import (
    FAMOUS,
    FAMOUS_CAPITAL,
    FAMOUS_PHRASE,
    NAMES,
    PLAIN,
    PROPER_WORDS,
    THINGS,
    WORD,
    is_ordinary,
    plain,
)
from .printed import read_off


LONGEST = 2_000  # characters that are looked at; a sentence has fewer
LEXICON = Lexicon()
SHOUTED = frozenset(
    "t shirt tshirt the and for a in with of not".split()
)  # beside the words of attributes, no slogan by themselves
BRANDS = ("brand", "brandName")  # columns that some catalogues have


def leaked_print(sentence, record, settings):
    """Says what print leaked into a sentence.

    Args:
        sentence (`str`): A description.
        record (`dict`): With `metadata`, of which the title (`productDisplayName`) tells names; and, where the picture was read,
            with `printed`, the words that stand on it (see [`~moda.annotation.printed.printed_words`]).
        settings (`dict`): `overlap`, the share of the sentence's own words that may stand on the picture.

    Returns:
        `str`, *optional*: One sentence that names it, or `None`.

    Example:

    ```python
    >>> leaked_print('A tee that reads "DREAM BIG".', {"metadata": {}}, {"overlap": 0.5})
    'The description quotes "DREAM BIG", which is printed text; leave it out.'
    ```
    """
    sentence = sentence[:LONGEST]
    for find in (_quoted, _reported, _numbers, _capitals, _names):
        why = find(sentence, record)
        if why:
            return f"The description {why}; leave it out."
    return read_off(sentence, record.get("printed") or (), settings["overlap"])


def _quoted(sentence, record):
    length = len(sentence.strip())
    for quotes in patterns.QUOTES:
        for match in quotes.finditer(sentence):
            said = match[1].strip()
            if not re.search(r"\w", said) or len(said) > 0.9 * length:  # the whole sentence is quoted
                continue
            if len(said) == 1 and patterns.CUT.match(sentence, match.end()):
                continue
            words, after = WORD.findall(said), WORD.match(sentence[match.end() :].lstrip())
            term = len(words) < 3 and said.islower() and all(map(is_ordinary, words))  # a "boyfriend" fit
            before_thing = after and ENGLISH_STOP_WORDS.isdisjoint((*words, after.group().lower()))
            if not (term and before_thing) or patterns.SHOWING.search(sentence):
                return f"quotes {_shown(said)}, which is printed text"
    return None


def _reported(sentence, record):
    """The report that something is written there."""
    foreign = patterns.NON_LATIN.search(sentence)
    if foreign:
        return f"repeats writing ({_shown(foreign.group())})"
    found = list(patterns.WRITING.finditer(sentence))
    if not found:
        return None
    denied = [
        (match.end(), NEGATION_END.search(sentence, match.end()).start()) for match in NEGATION.finditer(sentence)
    ]
    denied += [
        match.span() for pattern in (patterns.NO_WRITING, patterns.DENIED) for match in pattern.finditer(sentence)
    ]
    for match in found:
        if not any(start <= match.start() < end for start, end in denied):
            return f"reports writing on the product ({_shown(match.group())})"
    return None


def _numbers(sentence, record):
    if not patterns.NUMBER_LIKE.search(sentence):
        return None
    dial = patterns.DIAL.search(sentence)
    match = patterns.NUMBERS.search(sentence)
    if match and not (dial and match.lastgroup == "number"):
        return f"repeats {'an' if match.lastgroup == 'address' else 'a'} {match.lastgroup} ({_shown(match.group())})"
    for match in patterns.NUMBER.finditer(sentence):
        said, before = match.group(), sentence[: match.start()]
        if patterns.LISTED.match(sentence, match.end()) and patterns.SENTENCE_START.search(before):
            continue
        if not said.replace(".", "").replace(",", "").isdigit():
            if (
                re.search("[A-Za-z]", said)
                and not patterns.MEASURE.fullmatch(said.replace("-", ""))
                and said.lower() not in patterns.ABBREVIATIONS
            ):
                return f"repeats a model number ({_shown(said)})"
        elif patterns.YEAR.fullmatch(said) and not patterns.DECADE.match(sentence, match.end()):
            return f"repeats a year ({_shown(said)})"
        elif not dial and not patterns.UNIT.match(sentence, match.end()):
            printed = patterns.PRINTED.match(sentence, match.end()) and not patterns.SIZE.search(before)
            alone = len(said) > 1 or sentence[match.end() : match.end() + 1] in ("", *".,;!")
            if printed or alone and not patterns.COUNTED.search(before):
                return f"repeats a number ({_shown(said)})"
    return None


def _capitals(sentence, record):
    letters = [character for character in sentence if character.isalpha()]
    if sum(map(str.isupper, letters)) > 0.6 * len(letters):
        return None  # a sentence in capitals: none of them stands out
    for match in WORD.finditer(sentence):
        word = re.sub(r"['’]s$", "", match.group())
        if len(word) == 1 and word.isupper() and not patterns.CUT.match(sentence, match.end()):
            before = sentence[: match.start()]
            shown = word not in "AI" and before.endswith(" ") and patterns.PRINTED.match(sentence, match.end())
            if (patterns.BIG.search(before) or shown) and not re.search(
                r"\b(?:size|vitamin|type|cup) $", before, re.IGNORECASE
            ):
                return f"repeats a letter ({_shown(word)})"
        if len(word) < 2 or not word.isupper() or not word.isalpha() or plain(word) in patterns.ABBREVIATIONS:
            continue
        if not (_is_value(plain(word)) or patterns.LABEL.match(sentence, match.end()) and is_ordinary(word)):
            return f"repeats a word in capitals ({_shown(word)})"
    return None


def _names(sentence, record):
    metadata = record["metadata"]
    title = WORD.findall(metadata.get("productDisplayName") or "")
    told = title + WORD.findall(" ".join(metadata.get(name) or "" for name in BRANDS))
    other = {
        plain(word)
        for name, value in metadata.items()
        if name not in ("productDisplayName", *BRANDS) and value
        for word in WORD.findall(value)
    }
    unusual = [word for word in told if len(word) > 1 and _is_name(plain(word), PLAIN)]
    names = set(map(plain, unusual)) - other
    names |= {"".join(map(plain, pair)) for pair in zip(title, title[1:]) if names.intersection(map(plain, pair))}
    words = list(WORD.finditer(sentence))
    capital = [_is_name_like(match.group()) for match in words]
    content = [like for like, match in zip(capital, words) if match.group().lower() not in ENGLISH_STOP_WORDS | SHOUTED]
    long = sum(len(match.group()) > 3 for match in words)
    heading = len(content) > 3 and sum(content) > 0.6 * max(len(content), long)
    phrase = FAMOUS_PHRASE.search(sentence)
    if phrase:
        return f"repeats a name ({_shown(phrase.group())})"
    for place, match in enumerate(words):
        word = plain(match.group())
        pair = word + plain(words[place + 1].group()) if place + 1 < len(words) else ""
        if (word in names or pair in names and not is_ordinary(word)) and not _is_thing(match, sentence, word):
            return f"repeats a name from the title ({_shown(match.group())})"
        if word in FAMOUS:
            return f"names a brand ({_shown(match.group())})"
        if capital[place] and not heading and not patterns.SENTENCE_START.search(sentence[: match.start()]):
            if match.group() in FAMOUS_CAPITAL:
                return f"names a brand ({_shown(match.group())})"
            if word not in other and _is_name(word, PLAIN):
                return f"repeats a name ({_shown(match.group())})"
    return _brand_of_ordinary_words(sentence, title) or (None if heading else _slogan(sentence, words, other))


def _slogan(sentence, words, other):
    """Ordinary words that stand out by their capitals and by what is said of them, or unusual ones that are said to be printed."""
    runs, run = [], []
    for place, match in enumerate(words):
        if _is_name_like(match.group()) and not patterns.SENTENCE_START.search(sentence[: match.start()]):
            run.append(match)
            continue
        if (
            run
            and match.group() in patterns.LITTLE
            and place + 1 < len(words)
            and _is_name_like(words[place + 1].group())
        ):
            continue
        runs.append(run)
        run = []
    runs = list(filter(None, (*runs, run)))
    run = next((run for run in runs if _stands_out(run, sentence, other, alone=len(runs) == 1)), None)
    if run:
        return f"repeats words in capitals ({_shown(sentence[run[0].start() : run[-1].end()])})"
    for match in patterns.SLOGAN.finditer(sentence):
        said = [word.group() for word in WORD.finditer(match["said"])]
        strange = [
            word
            for word in said
            if not is_ordinary(word, THINGS) and not word.endswith("s") and plain(word) not in other
        ]
        ends = len(said) > 1 and (
            said[-1].lower() in ENGLISH_STOP_WORDS - patterns.PLACES or said[0].lower() in patterns.URGED
        )  # as no thing
        if ends or 2 * len(strange) > len(said) or patterns.SPOKEN.intersection(map(str.lower, said)):
            return f"repeats words that are printed ({_shown(match['said'])})"
    return None


def _stands_out(run, sentence, other, alone):
    said = sentence[run[0].start() : run[-1].end()]
    covered = {word for mention in LEXICON.read(said) for word in WORD.findall(mention.text)}
    rest = []
    for match in run:
        word = plain(match.group())
        known = {word, word[:-1]} & (PROPER_WORDS | patterns.ABBREVIATIONS | other) or match.group() in covered
        if not known and sentence[match.end() : match.end() + 1] != "-":
            rest.append(word)
    printed = patterns.PRINTED.match(sentence, run[-1].end())
    after = WORD.match(sentence[run[-1].end() :].lstrip())
    if alone and len(rest) == len(run) > 1 and not (after and _is_value(plain(after.group()))):
        return True
    return bool(rest and printed) or len(run) > 1 and not ENGLISH_STOP_WORDS.isdisjoint(rest)


def _brand_of_ordinary_words(sentence, title):
    """What stands before the wearer in a title, as in "Red Tape Men Shoes", said with its capitals."""
    brand = _before_wearer(title)
    if not brand or patterns.TITLE_END.isdisjoint(map(plain, title)):
        return None
    for length in range(len(brand), 0, -1):
        values = [_is_value(plain(word)) for word in brand[:length]]
        if length == 1 and values[0]:
            continue
        phrase = "[^a-z0-9]{1,3}".join(map(re.escape, brand[:length]))
        for match in re.finditer(rf"\b{phrase}\b", sentence, re.IGNORECASE):
            said, starts = match.group(), patterns.SENTENCE_START.search(sentence[: match.start()])
            capitals = not starts and all(word[0].isupper() for word in said.split())
            if capitals and not sentence.istitle() or length > 1 and not any(values):
                return f"repeats a name from the title ({_shown(said)})"
    return None


def _before_wearer(title):
    """The words of a title in which it names the maker."""
    brand = list(itertools.takewhile(lambda word: plain(word) not in patterns.TITLE_END, title))
    return brand[: 2 if len(brand) == len(title) else 3]


def _is_name(word, known=None):
    return word in NAMES or not (
        is_ordinary(word, known) or word in patterns.ABBREVIATIONS or word.isdigit() or {word, word[:-1]} & PROPER_WORDS
    )


def _is_thing(match, sentence, word):
    """Whether a word that could be a name is the ordinary one: a mango colour, a wardrobe of basics."""
    if not match.group().islower() or word in FAMOUS:
        return False
    if patterns.THING.match(sentence, match.end()):
        return True
    after = WORD.search(sentence, match.end())
    by = patterns.MAKER.search(sentence[: match.start()])
    before_thing = after and sentence[match.end() : after.start()].isspace() and _is_value(plain(after.group()))
    return word in NAMES and not by and not before_thing


def _is_name_like(word):
    return word[0].isupper() and len(word) > 1 and not word.isupper()


@functools.lru_cache(maxsize=4096)
def _is_value(word):
    """Whether a word is one for a kind, a colour, a wearer or an occasion, which may well be written in capitals."""
    return word in SHOUTED or bool(LEXICON.read(word))


def _shown(said):
    return '"' + " ".join(said.split())[:60] + '"'
