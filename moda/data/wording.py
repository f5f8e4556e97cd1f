"""From metadata to a sentence, and back: one table of words for both ways."""

import functools
import random
import re

from .kaggle_words import KINDS, PURPOSES, SCENTS, SHADES
from .lexicon import Lexicon, states
from .word_forms import PARTED, inflector, same_name, singular
from .words import ARTICLE_WORDS, DRAWN, GENDER_WORDS, MASS, SPOKEN_PAIRS, UNKNOWN


ATTRIBUTES = ("articleType", "baseColour", "pattern", "gender", "usage")
WORN = ("Apparel", "Footwear", "Accessories")
# {look}: colour and pattern. A clause in brackets falls away when the row lacks what it says. Of several sentences, divided
# by "|", the first is written that lacks nothing outside of its brackets.
TEMPLATES = (
    "{a} [{counted} ][{look} ][{unisex} ]{thing}[ for {people}][, made for {occasion}].",
    "{a} [{counted} ][{whose} ][{pattern} ]{thing}[ in {colour}][, made for {occasion}].",
    "{a} [{counted} ][{look} ][{unisex} ]{thing}[ for {people}][, suited to {occasion}].",
    "{a} [{counted} ][{whose} ][{look} ]{thing}[ for {occasion}].",
    "This is {a} [{counted} ][{whose} ][{look} ]{thing}[ for {occasion}].",
    "[For {occasion}: ]{a} [{counted} ][{whose} ][{look} ]{thing}.",
    "[In {colour}, ]{a} [{counted} ][{whose} ][{pattern} ]{thing}[ for {occasion}].",
    "Here is {a} [{counted} ][{whose} ][{pattern} ]{thing}[ in {colour}][, designed for {occasion}].",
    # The drawn catalogue speaks with those above; what is described for the first time, with those below.
    "{this} [{look} ]{thing} {is} made for {audience}[, with {purpose} in mind].|{this} [{look} ]{thing} {is} made for {purpose}."
    "|{this} {is} [{one} ][{look} ]{thing}.",
    "[For {audience}: ]{a} [{counted} ][{look} ]{thing}[ for {purpose}].",
    "{a} [{counted} ][{pattern} ]{thing}[ in {colour}][ for {audience}][, intended for {purpose}].",
    "{this} [{whose} ][{pattern} ]{thing} {come} in {colour}[ and {is} meant for {purpose}]."
    "|{this} [{whose} ][{pattern} ]{thing} {is} meant for {purpose}.|{this} {is} [{one} ][{whose} ][{pattern} ]{thing}.",
    "Intended for {purpose}, {this} [{look} ]{thing} {is} made for {audience}."
    "|{this} [{look} ]{thing} {is} intended for {purpose}.|{this} {is} [{one} ][{look} ]{thing} made for {audience}."
    "|{this} {is} [{one} ][{look} ]{thing}.",
    "{a} [{counted} ][{look} ]{thing} designed for {audience}[ and meant for {purpose}]."
    "|{a} [{counted} ][{look} ]{thing}[ meant for {purpose}].",
    "[For {purpose}, ]{a} [{counted} ][{look} ]{thing}[ for {audience}].",
    "{a} [{counted} ][{whose} ][{pattern} ]{thing} for {purpose}[, in {colour}]."
    "|{a} [{counted} ][{whose} ][{pattern} ]{thing}[ in {colour}].",
    "{this} {is} [{one} ][{whose} ][{look} ]{thing}[, intended for {purpose}].",
    "{this} [{whose} ][{look} ]{thing} {is} suited to {purpose}.|{this} {is} [{one} ][{whose} ][{look} ]{thing}.",
    "{a} [{counted} ][{look} ]{thing}[ for {purpose}][, made for {audience}].",
    "[In {colour}: ]{a} [{counted} ][{pattern} ]{thing}[ for {audience}][, meant for {purpose}].",
    "Here {is} [{one} ][{look} ]{thing}[ for {audience}][, designed for {purpose}].",
    "{a} [{counted} ][{whose} ][{look} ]{thing}[ that {is} meant for {purpose}].",
    "Designed for {audience}, {this} [{pattern} ]{thing} {come} in {colour}[ and {is} suited to {purpose}]."
    "|Designed for {audience}, {this} [{pattern} ]{thing} {is} suited to {purpose}."
    "|{this} [{pattern} ]{thing} {come} in {colour}[ and {is} suited to {purpose}]."
    "|{this} [{pattern} ]{thing} {is} designed for {audience}.|{this} [{pattern} ]{thing} {is} suited to {purpose}."
    "|{this} {is} [{one} ][{pattern} ]{thing}.",
    "{this} {is} [{one} ][{look} ]{thing}[ for {audience}]. {it} {is} meant for {purpose}."
    "|{this} {is} [{one} ][{look} ]{thing}[ for {audience}].",
)
DRAWN_TEMPLATES = 8  # of them the drawn catalogue's
CLAUSE = re.compile(r"\[([^]]*)\]")
FIELD = re.compile(r"{(\w+)}")


class Wording:
    """The words of a catalogue: writes sentences from metadata and reads attributes back from any sentence.

    Values that the tables lack are spoken by their names, in the singular where they are counted. Of several ways to say a
    value the first is taken that is read back as it; a colour, pattern or usage that nothing is read from is not said.

    Args:
        values (`dict[str, Iterable[str]]`, *optional*):
            For each of `articleType`, `baseColour`, `pattern`, `gender` and `usage` the values that the catalogue
            holds. Defaults to the drawn catalogue's.

    Example:

    ```python
    >>> wording = Wording()
    >>> wording.write({"articleType": "Jeans", "baseColour": "Navy Blue", "gender": "Men", "usage": None}, template=0)
    'A pair of navy blue jeans for men.'
    >>> wording.read("A pair of navy blue jeans for men.")["baseColour"]
    ['Navy Blue']
    ```
    """

    def __init__(self, values=None):
        values = DRAWN if values is None else values
        self.lexicon = Lexicon(values)
        self._with_article = functools.lru_cache(inflector().a)
        self._kind = functools.cache(self._broader_kind)
        self._tells_gender = functools.cache(lambda phrase: bool(self._read(phrase, "gender")))
        self._shouts = all(name.isupper() for name in values.get("articleType", ()))
        self.articles = {name: self._article(name) for name in values.get("articleType", ())}
        self.words = {
            attribute: {name: self._said(name, attribute) for name in values.get(attribute, ())}
            for attribute in ("baseColour", "pattern", "usage")
        }
        told = (name for name in values.get("gender", ()) if name.lower() not in UNKNOWN)
        self.genders = {name: self._gender(name) for name in told}

    def _first_read(self, attribute, value, ways, sentence="{}"):
        """Of several ways to say a value the first that is read back; `None` if none is."""
        found = (way for way in ways if states(self.lexicon.read(sentence.format(way)), attribute, value))
        return next(found, None)

    def _article(self, name):
        known = same_name(name, {**ARTICLE_WORDS, **KINDS}, "articleType")
        ways = [{**ARTICLE_WORDS, **KINDS}[known]] if known else []
        ways += [_counted(name.lower() if self._shouts else name), {"phrase": name.lower(), "unit": "", "noun": None}]
        said = self._first_read("articleType", name, [way["phrase"] for way in ways], "A {}.")
        return next((way for way in ways if way["phrase"] == said), ways[0])

    def _said(self, name, attribute):
        known = same_name(name, DRAWN[attribute], attribute)
        if known and not DRAWN[attribute][known]:
            return ""
        ways = [DRAWN[attribute][known]] if known else []
        if attribute == "baseColour":
            shade = same_name(name, SHADES, attribute) or _well_known(name, attribute)
            ways += [SHADES[shade][0]] if shade in SHADES else []
            ways += [" and ".join(PARTED.split(name.lower()))]
        ways += [name.lower()]
        return "" if name.lower() in UNKNOWN else self._first_read(attribute, name, ways) or ""

    def _gender(self, name):
        known = _well_known(name, "gender")
        plain = name.lower() if inflector().singular_noun(name.lower()) else inflector().plural_noun(name.lower())
        ways = [GENDER_WORDS[known]] if known in GENDER_WORDS else []
        ways += [{"plain": people, "possessive": _possessive(people)} for people in (plain, name.lower())]
        said = self._first_read("gender", name, [way["possessive"] for way in ways], "A {} shirt.")
        return next((way for way in ways if way["possessive"] == said), ways[0])

    def kind(self, row):
        """Finds which value of a row says what the product is.

        Args:
            row (`Mapping`): Metadata.

        Returns:
            `str`: Its `articleType`; where that is missing or null `subCategory` or else `masterCategory`, if the lexicon reads
            a kind of product in it, as in "Bags" and not in "Nails". `None` where nothing says it.
        """
        name = row.get("articleType")
        if name:
            return name if name in self.articles else None
        broader = (row.get(part) for part in ("subCategory", "masterCategory"))
        return next((value for value in broader if value and self._kind(value)), None)

    def write(self, row, template=None, rng=random):
        """Writes one factual sentence about a product.

        Args:
            row (`Mapping`):
                Metadata; `articleType` must be there, and `baseColour`, `pattern`, `gender`, `usage` are said where
                they are neither missing nor null. `masterCategory` tells what is worn from what is used. Where
                `articleType` is missing or null, a broader category may do: see `kind`.
            template (`int`, *optional*): Number of the wording, of `len(TEMPLATES)`. Defaults to a draw from `rng` among the
                drawn catalogue's.
            rng (`random.Random`, *optional*): Draws the wording.

        Returns:
            `str`

        Raises:
            `ValueError`: If nothing says what it is, or a value is none that the catalogue holds.
        """
        kind = self.kind(row)
        if kind is None:
            if row.get("articleType"):
                raise ValueError(f"articleType is {row['articleType']!r}, which this catalogue does not hold.")
            raise ValueError("Neither articleType nor a broader category says what it is; give an articleType.")
        article = self.articles[kind] if row.get("articleType") else self._kind(kind)
        if template is None:
            template = rng.randrange(DRAWN_TEMPLATES)
        return self._fill(TEMPLATES[template % len(TEMPLATES)], self._fields(row, article))

    def _fields(self, row, article):
        colour, pattern, usage = (self._word(row, name) for name in ("baseColour", "pattern", "usage"))
        unit, gender = article["unit"], self.genders.get(row.get("gender"), {})
        if self._tells_gender(article["phrase"]):
            gender = {}
        unisex, pair = gender.get("plain") == "unisex", unit == "pair of"
        noun = article["noun"] or ("wear" if row.get("masterCategory") in WORN else "use")
        shade = next((noun for said, noun in SHADES.values() if said == colour), colour)
        if unit.endswith(" of") and not pair and colour.replace(" brown", "") in SCENTS:
            colour = f"{colour}-coloured".replace(" ", "-")
        people = gender.get("plain", "")
        return {
            "a": "<a>",
            "counted": unit,
            "one": "" if pair else f"<a> {unit}".strip(),
            "this": "these" if pair else "this",
            "it": "they" if pair else "it",
            "is": "are" if pair else "is",
            "come": "come" if pair else "comes",
            "thing": article["phrase"],
            "colour": shade,
            "pattern": pattern,
            "look": f"{colour} {pattern}".strip(),
            "whose": gender.get("possessive", ""),
            "people": "" if unisex else people,
            "unisex": "unisex" if unisex else "",
            "audience": "men and women" if unisex else people,
            "occasion": _occasion(usage, noun),
            "purpose": _purpose(usage, noun),
        }

    def _fill(self, template, fields):
        def clause(match):
            return match[1] if all(fields[name] for name in FIELD.findall(match[1])) else ""

        ways = template.split("|")
        chosen = next(
            (way for way in ways if all(fields[name] for name in FIELD.findall(CLAUSE.sub("", way)))), ways[-1]
        )
        sentence = CLAUSE.sub(clause, chosen).format(**fields)
        sentence = re.sub(r"<a> (\S+)", lambda match: self._with_article(match[1]), sentence)
        return re.sub(r"(?:^|\. )\w", lambda match: match[0].upper(), sentence)

    def _word(self, row, attribute):
        value = row.get(attribute)
        if not value:
            return ""
        if value not in self.words[attribute]:
            raise ValueError(f"{attribute} is {value!r}, which this catalogue does not hold.")
        return self.words[attribute][value]

    def _broader_kind(self, name):
        """The words for a category, if it says what a product is; else `None`."""
        article = self._article(name)
        return article if self._read(article["phrase"], "articleType") else None

    def _read(self, phrase, attribute):
        return [mention for mention in self.lexicon.read(phrase) if mention.attribute == attribute]

    def read(self, sentence):
        """Reads the attributes that a sentence states; see [`Lexicon`].

        Args:
            sentence (`str`): Any sentence.

        Returns:
            `dict[str, list[str]]`: For each attribute the values found, the likeliest where words may mean several, in order
            and without repeats.
        """
        found = {attribute: [] for attribute in ATTRIBUTES}
        mentions = self.lexicon.read(sentence)
        named = {mention.start for mention in mentions if mention.attribute == "articleType"}
        for mention in mentions:
            if mention.attribute == "usage" and mention.start in named:
                continue  # "sports shoes" is what they are called
            if mention.values[0] not in found.get(mention.attribute, mention.values):
                found[mention.attribute].append(mention.values[0])
        return found


@functools.cache
def _well_known(name, attribute):
    """The well-known value that a name means, whatever the catalogue; `None` if it means none, or may mean several."""
    found = {mention.values for mention in _any_lexicon().read(name) if mention.attribute == attribute}
    return next(iter(found))[0] if len(found) == 1 and len(next(iter(found))) == 1 else None


@functools.cache
def _any_lexicon():
    return Lexicon({})


def _counted(name):
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


def _possessive(people):
    return people + ("'" if people.endswith("s") else "'s")


def _purpose(usage, noun):
    known = same_name(usage, PURPOSES, "usage") if usage else None
    return PURPOSES[known][noun == "use"] if known else _occasion(usage, noun)


def _occasion(usage, noun):
    return f"{usage} {noun}" if usage and not usage.endswith(("wear", "use")) else usage
