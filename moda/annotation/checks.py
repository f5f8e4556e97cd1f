"""The checks between the steps of `moda annotate`: what a picture or a sentence must be like to stay.

Each is removed by a recipe that sets it to `false`, and changed by other settings:

```yaml
checks: {language: false, length: {max_words: 30}}
```

`near_duplicates` and `concept_caps` choose rows (see [`moda.annotation.sample`]), `json` reads answers (see
[`moda.annotation.drafts`]) and `clip_score` is taken when the dataset is assembled; the others are here. The filters by
language, length, repetition, size and aspect are those of image-text corpora: Gadre et al., "DataComp" (2023), and Sharma et
al., "Conceptual Captions" (2018).
"""

import functools
import itertools
import re
from collections import Counter

from moda.data.lexicon import Lexicon
from moda.data.phrases import BROADER
from moda.data.synonyms import WORDS

from .leaks import leaked_print
from .ordinary import WORD, is_ordinary, plain


DEFAULTS = {
    "picture_size": {"min_side": 32},
    "picture_aspect": {"most": 5.0},
    "near_duplicates": {"most": 4},
    "concept_caps": False,
    "json": {},
    "leaked_print": {"ocr": "auto", "overlap": 0.5},
    "contradiction": {"attributes": ["gender", "articleType"]},
    "length": {"min_words": 3, "max_words": 45},
    "language": {"language": "en"},
    "repetition": {},
    "clip_score": False,
}

ENGLISH = frozenset("a an the of for with in and on by to from is are this that it its at as or has".split())
FOREIGN = frozenset(  # small words of languages whose words for clothes look English
    "et pour avec dans une un le les des du aux sur est femme homme y el los las del para con sin mujer hombre und mit für fuer ein "
    "eine einen der das dem den von aus ist damen herren il lo gli di per una uno donna uomo em com um uma mulher homem het een "
    "voor met van och med til ek hai ki ka ke ko aur yeh ye liye mein wala wali wale är och czy dla".split()
)
ALMOST_ENGLISH = ("en", "pcm")  # Nigerian Pidgin is what py3langid hears in "A saree for women."
LATIN_END = "\u0250"
TWICE = frozenset("pom very so really bling cha yo tom pow super that had".split())
LONGEST_WORD = 40  # characters, with the blank
MOST_CHECKED = 2_000  # characters; of what is longer and too long, nothing else is worth the time
LOOP = re.compile(r"(\S{2,12}?)\1{3,}|([^\W\d])\2{3,}|([!?])\3{3,}")


def picture_size(width, height, settings):
    """Says why a picture is too small: its shorter side has fewer than `min_side` pixels; else `None`."""
    side = min(width, height)
    if side < settings["min_side"]:
        return f"The picture is {width} by {height} pixels; its shorter side must have {settings['min_side']}."
    return None


def picture_aspect(width, height, settings):
    """Says why a picture is too long: its sides differ by a factor of more than `most`; else `None`."""
    short, long = sorted((width, height))
    if long > short * settings["most"]:
        return f"The picture is {width} by {height} pixels; one side must not be more than {settings['most']:g} times the other."
    return None


def length(sentence, record, settings):
    """Says why a sentence is too short or too long, in words, or has more characters than so many words can; else `None`."""
    words = len(WORD.findall(sentence))
    if words < settings["min_words"]:
        return f"The description has {_count(words)}; write at least {settings['min_words']}."
    if words > settings["max_words"]:
        return f"The description has {_count(words)}; write at most {settings['max_words']}."
    if len(sentence) > LONGEST_WORD * settings["max_words"]:
        return f"The description has {len(sentence):,} characters; write at most {settings['max_words']} words."
    return None


def language(sentence, record, settings):
    """Says why a sentence is not in the language of the dataset; else `None`.

    `py3langid` alone takes one short product sentence in thirty for another language, so English is first known by its words:
    where half of them describe products and no foreign small words outweigh the English ones, nothing else is asked.
    """
    wanted, words = settings["language"], [word.casefold() for word in WORD.findall(sentence)]
    if wanted == "en":
        letters = [character for character in sentence if character.isalpha()]
        if sum(character < LATIN_END for character in letters) >= 0.8 * len(letters):
            known = sum(map(is_ordinary, words))
            foreign, english = (sum(word in small for word in words) for small in (FOREIGN, ENGLISH))
            if 2 * known >= len(words) and foreign <= english or 3 * known >= len(words) and foreign < english:
                return None
            if foreign <= english and _identifier().classify(sentence[:MOST_CHECKED])[0] in ALMOST_ENGLISH:
                return None
        return "The description is not in English; write it in English."
    if wanted not in _identifier().labels:
        raise ValueError(
            f"checks.language.language is {wanted!r}; give a code of two letters that py3langid knows, such as en."
        )
    heard = _identifier().classify(sentence[:MOST_CHECKED])[0]
    return None if heard == wanted else f"The description seems to be in {heard!r}; write it in {wanted!r}."


def repetition(sentence, record, settings):
    """Says what a sentence says again and again: a word, a phrase, a whole clause; else `None`."""
    loop = LOOP.search(sentence)
    if loop:
        return f"The description repeats {_shown(loop.group())}; write it once."
    words = [plain(word) for word in WORD.findall(sentence)]
    for word, again in itertools.pairwise(words):
        if word == again and len(word) > 1 and not word.isdigit() and word not in TWICE:
            return f'The description says "{word} {again}"; write each word once.'
    for size, most in ((4, 1), (3, 2), (2, 3), (1, 3)):
        counts = Counter(zip(*(words[start:] for start in range(size))))
        for phrase, count in counts.items():
            if count > most and (size > 2 or not ENGLISH.issuperset(phrase)):
                return f'The description says "{" ".join(phrase)}" {count} times; say it once.'
    clauses = [
        clause
        for clause in (" ".join(map(plain, WORD.findall(part))) for part in re.split(r"[.!?;\n]", sentence))
        if clause
    ]
    if len(clauses) > len(set(clauses)):
        return "The description says one sentence twice; write it once."
    return None


def contradiction(sentence, record, settings):
    """Says what a sentence states that the metadata contradicts; else `None`.

    Words are read by [`~moda.data.lexicon.Lexicon`]. Vaguer words ("shoes"), words that may mean the true value ("a blouse" for
    Tops) and narrower ones contradict nothing, nor do
    the words of the product's categories and title, nor anything where the metadata is silent or has a value of no known meaning.

    Args:
        sentence (`str`): A description.
        record (`dict`): With `metadata`, and with `draft` where its fields `gender`, `category`, `colour` and `usage` count too.
        settings (`dict`): `attributes`, names of metadata that are compared.
    """
    said = _lexicon().read(sentence)
    draft = record.get("draft") or {}
    for attribute in settings["attributes"]:
        value = record["metadata"].get(attribute)
        true = _true(attribute, value) if value else None
        if not true:
            continue
        vaguer = _words_of_the_shop(record["metadata"]) if attribute == "articleType" else ()
        fields = _read(attribute, draft.get(FIELDS.get(attribute)) or "")
        for mention in [mention for mention in said if mention.attribute == attribute] + list(fields):
            if not true.intersection(mention.values) and plain(mention.text) not in vaguer:
                return f'The description says "{mention.text}", but the {SPOKEN.get(attribute, attribute)} is {value}.'
    return None


FIELDS = {"gender": "gender", "articleType": "category", "baseColour": "colour", "usage": "usage"}
SPOKEN = {"articleType": "product's kind", "baseColour": "colour", "gender": "product's gender"}
PICTURES = {"picture_size": picture_size, "picture_aspect": picture_aspect}
SENTENCES = {
    "length": length,
    "language": language,
    "repetition": repetition,
    "leaked_print": leaked_print,
    "contradiction": contradiction,
}
TEXT_CHECKS = tuple(SENTENCES)
# Which checks apply where. A draft may break any of those that the second annotator mends; a refined sentence may break none.
POINTS = {"pictures": PICTURES, "drafts": SENTENCES, "refined": SENTENCES}


def failures(text, record, settings, point):
    """Runs all checks of one point.

    Args:
        text (`str` or `tuple[int, int]`): The sentence; of a picture its width and height.
        record (`dict`): Its row: with `metadata`, at `"drafts"` with `draft`, and with `printed` where the picture was read.
        settings (`dict`): Of each check its settings, or `False` for none, as in [`DEFAULTS`]; one that is not named has its default.
        point (`str`): `"pictures"`, `"drafts"` or `"refined"`.

    Returns:
        `dict[str, str]`: The checks that fail, in order, each with one sentence why, which tells the model as well. Only
        `length`, where a sentence too long has more than 2,000 characters.

    Raises:
        `ValueError`: If the point is unknown.
    """
    if point not in POINTS:
        raise ValueError(f"There are no checks at {point!r}; the points are {', '.join(POINTS)}.")
    if point == "refined":
        record = {
            name: value for name, value in record.items() if name != "draft"
        }  # what it was made of no longer counts
    found = {}
    for name, check in POINTS[point].items():
        chosen = settings.get(name, DEFAULTS[name])
        if chosen is False or chosen is None:
            continue
        chosen = {**(DEFAULTS[name] or {}), **chosen}
        why = check(*text, chosen) if point == "pictures" else check(text, record, chosen)
        if why:
            found[name] = why
            if name == "length" and len(text) > MOST_CHECKED:
                break
    return found


def _words_of_the_shop(metadata):
    """What else the catalogue calls a product, in its categories and its title: footwear, a jacket."""
    text = " ".join(metadata.get(name) or "" for name in ("masterCategory", "subCategory", "productDisplayName"))
    return {plain(mention.text) for mention in _read("articleType", text)} | set(map(plain, WORD.findall(text)))


@functools.cache
def _lexicon():
    """A lexicon that knows all well-known values by name, whichever of them a catalogue has."""
    return Lexicon({attribute: tuple(dict.fromkeys("|".join(WORDS[attribute]).split("|"))) for attribute in WORDS})


@functools.lru_cache(maxsize=4096)
def _read(attribute, text):
    return tuple(mention for mention in _lexicon().read(text) if mention.attribute == attribute)


@functools.lru_cache(maxsize=4096)
def _true(attribute, value):
    """The values that a statement may mean without contradicting one: itself or what its words mean, broader and narrower ones."""
    own = (
        {value}
        if value in _lexicon().values.get(attribute, ())
        else {v for m in _read(attribute, value) for v in m.values}
    )
    broader = {name for each in own for name in BROADER.get(each, each).split("|")}
    narrower = {name for name, values in BROADER.items() if own.intersection(values.split("|"))}
    return frozenset(own | broader | narrower)


@functools.cache
def _identifier():
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)


def _count(words):
    return f"{words} word" + "s" * (words != 1)


def _shown(said):
    return '"' + (said if len(said) <= 40 else said[:37] + "...") + '"'
