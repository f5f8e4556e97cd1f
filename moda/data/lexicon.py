"""Reads what any sentence states of a product: its kind, colours, for whom, for which occasion, and details."""

import functools
import re
from dataclasses import dataclass

from .phrases import (
    BROADER,
    ELSEWHERE,
    NEGATION,
    NEGATION_END,
    NO_COLOUR,
    NOTHING,
    PAIRING,
    PAIRING_END,
    PARTS,
)
from .synonyms import WORDS
from .word_forms import TOKEN, forms_of, key_of, plain_word
from .words import DRAWN


# What may stand between the words of one phrase: "navy blue", "navy-blue", "3/4 sleeves".
JOINER = re.compile(r"\s+|[\-‐‑–/]")
SUFFIXED = re.compile(r"-(?:free|like|inspired|shaped)\b|\?\s*no\b", re.IGNORECASE)
FOLLOWING = {"articleType": frozenset(PARTS.split(", ")), "baseColour": frozenset(NO_COLOUR.split(", "))}
ALSO = frozenset("and or both for as well".split())
WITH = frozenset("with includes including features featuring plus".split())
OTHERS = frozenset("this these the . , ; : ! ?".split())


@dataclass(frozen=True)
class Mention:
    """What a sentence states of a product in one place.

    Args:
        attribute (`str`): Such as `"baseColour"`, or a detail: `"material"`, `"neckline"`, `"sleeves"`, `"closure"`, `"fit"`.
        values (`tuple[str, ...]`): What is meant: the likeliest value first, then others that the words may mean as well.
        text (`str`): The words.
        start, end (`int`): Where they stand in the sentence, in characters.
    """

    attribute: str
    values: tuple[str, ...]
    text: str
    start: int
    end: int


class Lexicon:
    """The words for a catalogue's values: reads mentions of them in any sentence.

    Words are those of the values themselves and of [`WORDS`]. Where the catalogue calls a value otherwise, as in "Female",
    or knows only a broader one, as "Blue" for navy, its own value is read; a value that it lacks altogether is read under its
    well-known name, so that a sentence that names it is seen to be wrong. The longest phrase wins. Not read is

    - what is denied ("not red", "rather than blue", "without stripes") or worn with the product ("pairs well with jeans");
    - what is said of a part ("shirt collar", "with a belt"), and phrases such as "dress code" or "Red Tape";
    - the first of two kinds in one word: a shirt dress is a dress.

    Colours of parts are read: a black bag with gold hardware is black and gold.

    Args:
        values (`dict[str, Iterable[str]]`, *optional*): For each attribute the values that the catalogue holds. Defaults to
            the drawn catalogue's.

    Example:

    ```python
    >>> [(m.values[0], m.text) for m in Lexicon().read("A navy tee for ladies, not for sports.")]
    [('Navy Blue', 'navy'), ('Tshirts', 'tee'), ('Women', 'ladies')]
    ```
    """

    def __init__(self, values=None):
        values = DRAWN if values is None else values
        self.values = {attribute: tuple(names) for attribute, names in values.items()}
        self._meanings = {}
        for attribute in WORDS:
            own = self.values.get(attribute, ())
            called = _called(attribute, own)
            for names, keys in _keys(attribute):
                found = tuple(dict.fromkeys(value for name in names for value in _resolved(name, own, called)))
                known = tuple(value for value in found if value in own)
                for key in keys:
                    self._meanings.setdefault(key, {})[attribute] = known or found
        for attribute, own in self.values.items():  # its own name means a value and no other
            named = {}
            for value in own:
                for key in forms_of(value, attribute, own=True):
                    named[key] = (*named.get(key, ()), value)
            for key, found in named.items():
                self._meanings.setdefault(key, {})[attribute] = found
        for value in self.values.get("articleType", ()):  # "Women's Tops" tells for whom, too
            whose = self._meanings.get(plain_word(value.split(" ")[0]), {}).get("gender")
            for key in forms_of(value, "articleType", own=True) if whose else ():
                self._meanings[key].setdefault("gender", whose)
        for key in _nothing():
            self._meanings.setdefault(key, {})
        self._longest = max(map(len, self._meanings))

    def read(self, sentence):
        """Reads what a sentence states.

        Args:
            sentence (`str`): Any sentence, or several.

        Returns:
            `list[Mention]`: In order. Words with a meaning in two attributes are two mentions.
        """
        tokens = [(match.group(), match.start(), match.end()) for match in TOKEN.finditer(sentence)]
        plain = [plain_word(token) for token, _, _ in tokens]
        found, index = [], 0
        while index < len(tokens):
            length, meanings = self._match(sentence, tokens, plain, index)
            found += [(attribute, values, index, index + length) for attribute, values in meanings.items()]
            index += length
        found = self._joined(_own(found, tokens, plain, sentence), tokens, plain, sentence)
        spans = [(attribute, values, tokens[first][1], tokens[last - 1][2]) for attribute, values, first, last in found]
        unsaid, worn_with = _clauses(sentence) if spans else ([], [])
        return [
            Mention(attribute, values, sentence[start:end], start, end)
            for attribute, values, start, end in spans
            if not any(
                first <= start < last
                for first, last in (unsaid if attribute in ("gender", "usage") else unsaid + worn_with)
            )
            and not SUFFIXED.match(sentence, end)
        ]

    def _match(self, sentence, tokens, plain, index):
        key, best = "", (1, {})
        for last in range(index, len(tokens)):
            if not plain[last]:
                break
            if last > index and not JOINER.fullmatch(sentence, tokens[last - 1][2], tokens[last][1]):
                break
            key += plain[last]
            if len(key) > self._longest:
                break
            if key in self._meanings:
                best = (last + 1 - index, self._meanings[key])
        return best

    def _joined(self, found, tokens, plain, sentence):
        """Makes one of "olive green", and of "men and women"."""
        joined, latest = [], {}
        for attribute, values, first, last in found:
            place = latest.get(attribute)
            before = joined[place] if place is not None else (attribute, (), -1, -1)
            whole = None
            if attribute == "baseColour" and before[3] == first and _adjacent(sentence, tokens, first):
                if before[1] == ("Metallic",):
                    whole = values
                elif values[0] in BROADER.get(before[1][0], "").split("|"):
                    whole = before[1]
            elif attribute == "gender" and before[1] and ALSO.issuperset(plain[before[3] : first]):
                for one, other, both in (("man", "woman", "unisex"), ("boy", "girl", "kid")):
                    if {before[1], values} == {self._meanings[one]["gender"], self._meanings[other]["gender"]}:
                        whole = self._meanings[both]["gender"]
            if whole:
                joined[place] = (attribute, whole, before[2], last)
            else:
                latest[attribute] = len(joined)
                joined.append((attribute, values, first, last))
        return joined


def _adjacent(sentence, tokens, index):
    return 0 < index < len(tokens) and JOINER.fullmatch(sentence, tokens[index - 1][2], tokens[index][1])


def _own(found, tokens, plain, sentence):
    """Leaves out words that are not about the product: the shirt of a shirt collar or a shirt dress, the belt of a dress with a
    belt, the peach of a peach scent; and the occasion in a product's name ("running shoes") where another is said."""
    starts = {first for attribute, _, first, _ in found if attribute == "articleType"}
    own, articles = [], []
    for mention in found:
        attribute, _, first, last = mention
        if attribute in FOLLOWING and _adjacent(sentence, tokens, last):
            if (attribute == "articleType") if last in starts else plain[last] in FOLLOWING[attribute]:
                continue
        if attribute == "articleType":
            if plain[first - 1 : first] == ["for"] or (articles and _comes_with(tokens, articles, first)):
                continue
            articles.append(last)
        own.append(mention)
    named = {(first, last) for attribute, _, first, last in own if attribute == "articleType"}
    usages = [mention[2:] for mention in own if mention[0] == "usage"]
    if all(place in named for place in usages):
        return own
    return [mention for mention in own if mention[0] != "usage" or mention[2:] not in named]


def _comes_with(tokens, articles, first):
    """Whether the article that begins at a token comes with one before it, as a belt with a dress."""
    before = [token.lower() for token, _, _ in tokens[max(first - 4, articles[-1]) : first]]
    place = next((place for place in reversed(range(len(before))) if before[place] in WITH), None)
    return place is not None and not OTHERS.intersection(before[place:])


def _clauses(sentence):
    """Where the sentence does not say what the product is, and where it speaks of what is worn with it: `(start, end)` each."""
    unsaid = [
        (match.end(), NEGATION_END.search(sentence, match.end()).start()) for match in NEGATION.finditer(sentence)
    ]
    unsaid += [match.span() for match in ELSEWHERE.finditer(sentence)]
    worn = [(match.end(), PAIRING_END.search(sentence, match.end()).start()) for match in PAIRING.finditer(sentence)]
    return unsaid, worn


def statements(mentions):
    """Leaves out what is said again, or more vaguely: of "shoes" and "sneakers" the sneakers stay.

    Args:
        mentions (`list[Mention]`): Of one sentence.

    Returns:
        `list[Mention]`
    """
    distinct = list({(mention.attribute, frozenset(mention.values)): mention for mention in reversed(mentions)}.items())
    return [
        mention
        for (attribute, values), mention in reversed(distinct)
        if not any(attribute == other and fewer < values for (other, fewer), _ in distinct)
    ]


def states(mentions, attribute, value):
    """Says whether a sentence states a value, and no other of its attribute.

    Args:
        mentions (`list[Mention]`): Of one sentence.
        attribute, value (`str`): What is true.

    Returns:
        `bool`: Whether the attribute is mentioned, and each mention of it may mean the value.
    """
    said = [mention.values for mention in mentions if mention.attribute == attribute]
    return bool(said) and all(value in values for values in said)


@functools.cache
def _keys(attribute):
    """Of each line of a table the values and the keys of its words."""
    return [
        (tuple(names.split("|")), frozenset(key for word in words.split(", ") for key in forms_of(word, attribute)))
        for names, words in WORDS[attribute].items()
    ]


@functools.cache
def _nothing():
    return frozenset(map(key_of, NOTHING.split(", ")))


def _called(attribute, own):
    """What the catalogue calls well-known values: {"Women": "Female"}."""
    called = {}
    for names, keys in _keys(attribute):
        if len(names) == 1 and names[0] not in own:
            same = [value for value in own if keys & forms_of(value, attribute)]
            if len(same) == 1:
                called[names[0]] = same[0]
    return called


def _resolved(name, own, called):
    """What a catalogue calls a well-known value: by its name, by another, by those of broader ones; if not at all, its name."""
    if name in own or name in called:
        return (called.get(name, name),)
    broader = [called.get(value, value) for value in BROADER.get(name, "").split("|")]
    return tuple(value for value in broader if value in own) or (name,)
