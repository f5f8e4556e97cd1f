"""From metadata to a sentence, and back: one table of words for both ways."""

import functools
import random
import re

from .kaggle_words import KINDS, MAKE_UP, PACKS, PURPOSES, SCENTS, SHADED, SHADES, SORTS, STYLES
from .lexicon import Lexicon, states
from .sentence_patterns import DRAWN_TEMPLATES, TEMPLATES, WHOLE
from .well_known import counted, well_known
from .word_forms import PARTED, inflector, same_name
from .words import ARTICLE_WORDS, DRAWN, GENDER_WORDS, UNKNOWN


ATTRIBUTES = ("articleType", "baseColour", "pattern", "gender", "usage")
WORN = ("Apparel", "Footwear", "Accessories")
CLAUSE = re.compile(r"\[([^]]*)\]")
FIELD = re.compile(r"{(\w+)}")
FEWEST_WORDS = 3  # of a caption


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
        self._told = functools.cache(self._read)
        self._fits = functools.cache(self._is_read_before)
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
        ways += [counted(name.lower() if self._shouts else name), {"phrase": name.lower(), "unit": "", "noun": None}]
        said = self._first_read("articleType", name, [way["phrase"] for way in ways], "A {}.")
        return next((way for way in ways if way["phrase"] == said), ways[0])

    def _said(self, name, attribute):
        known = same_name(name, DRAWN[attribute], attribute)
        if known and not DRAWN[attribute][known]:
            return ""
        ways = [DRAWN[attribute][known]] if known else []
        if attribute == "baseColour":
            shade = same_name(name, SHADES, attribute) or well_known(name, attribute)
            ways += [SHADES[shade][0]] if shade in SHADES else []
            ways += [" and ".join(PARTED.split(name.lower()))]
        ways += [name.lower()]
        return "" if name.lower() in UNKNOWN else self._first_read(attribute, name, ways) or ""

    def _gender(self, name):
        known = well_known(name, "gender")
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
        template %= len(TEMPLATES)
        if template < DRAWN_TEMPLATES:
            return self._fill(TEMPLATES[template], self._fields(row, article))
        fields = self._caption_fields(row, article)
        sentence = self._fill(TEMPLATES[template], fields)
        return sentence if len(sentence.split()) >= FEWEST_WORDS else self._fill(WHOLE, fields)

    def _fields(self, row, article):
        colour, pattern, usage = (self._word(row, name) for name in ("baseColour", "pattern", "usage"))
        unit, noun, gender = article["unit"], _noun(row, article), self._people(row, article)
        shade = _shade(colour)
        if unit.endswith(" of") and unit != "pair of" and colour.replace(" brown", "") in SCENTS:
            colour = f"{colour}-coloured".replace(" ", "-")
        unisex = gender.get("plain") == "unisex"
        return {
            "a": "<a>",
            "counted": unit,
            "thing": article["phrase"],
            "colour": shade,
            "pattern": pattern,
            "look": _joined(colour, pattern),
            "whose": gender.get("possessive", ""),
            "people": "" if unisex else gender.get("plain", ""),
            "unisex": "unisex" if unisex else "",
            "occasion": _occasion(usage, noun),
        }

    def _caption_fields(self, row, article):
        thing, noun, gender = article["phrase"], _noun(row, article), self._people(row, article)
        colour, pattern, usage = (self._word(row, name) for name in ("baseColour", "pattern", "usage"))
        before, after = _placed(colour, well_known(thing, "articleType"))
        named = self._told(thing, "usage")
        if states(named, "usage", row.get("usage")):
            usage = ""  # "sports shoes" are no more for sports than they say
        known = same_name(usage, PURPOSES, "usage") if usage and not named else None
        manner, sort = (
            word if word and self._fits(word, thing, row["usage"]) else ""
            for word in (STYLES.get(known, ("", ""))[noun == "use"], SORTS.get(known, ""))
        )
        sort, purpose = manner or sort, _purpose(usage, noun)
        late = f"in {after}" if after and not before else ""
        pair, unisex = article["unit"] == "pair of", gender.get("plain") == "unisex"
        one = f"<a> {article['unit']}" if article["unit"] in ("pair of", "item of") else "<a>"
        return {
            "one": one,
            "some": "" if pair else one,
            "this": "these" if pair else "this",
            "is": "are" if pair else "is",
            "come": "come" if pair else "comes",
            "work": "work" if pair else "works",
            "colour": after,
            "item": _joined(before, pattern, thing, late),
            "styled_item": sort and _joined(before, pattern, sort, thing, late),
            "piece": _joined(pattern, thing),
            "styled_piece": sort and _joined(pattern, sort, thing),
            "manner": manner,
            "style": manner if noun == "wear" else "",
            "whose": gender.get("possessive", ""),
            "audience": "men and women" if unisex else gender.get("plain", ""),
            "purpose": purpose,
            "wear": purpose if purpose.endswith("wear") else "",
        }

    def _people(self, row, article):
        return {} if self._told(article["phrase"], "gender") else self.genders.get(row.get("gender"), {})

    def _is_read_before(self, word, thing, usage):
        """Whether a usage is read from a word before a kind, and the kind as without it: "sports jacket" is a blazer."""
        found = self.lexicon.read(f"A {word} {thing}.")
        kinds = [mention.values for mention in self._told(thing, "articleType")]
        return states(found, "usage", usage) and kinds == [m.values for m in found if m.attribute == "articleType"]

    def _fill(self, template, fields):
        def clause(match):
            return match[1] if all(fields[name] for name in FIELD.findall(match[1])) else ""

        ways = template.split("|")
        chosen = next(
            (way for way in ways if all(fields[name] for name in FIELD.findall(CLAUSE.sub("", way)))), ways[-1]
        )
        sentence = CLAUSE.sub(clause, chosen).format(**fields)
        sentence = re.sub(r"<a> (\S+)", lambda match: self._with_article(match[1]), sentence)
        return re.sub(r"(?:^|\. )\w(?![A-Z])", lambda match: match[0].upper(), sentence)  # "iPad" stays

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
        return article if self._told(article["phrase"], "articleType") else None

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


def _joined(*words):
    return " ".join(filter(None, words))


def _noun(row, article):
    return article["noun"] or ("wear" if row.get("masterCategory") in WORN else "use")


def _shade(colour):
    return next((noun for said, noun in SHADES.values() if said == colour), colour)


def _placed(colour, kind):
    """A colour as it is said before a kind, "" where nobody would, and after "in": "a red lipstick", "a toner in a red bottle"."""
    if colour and kind in PACKS:
        return "", f"<a> {colour}{'-coloured' * (colour in SCENTS)} {PACKS[kind]}"
    if colour in SHADED and kind in MAKE_UP:
        return "", f"<a> {colour} shade" if _shade(colour) == colour else _shade(colour)
    return colour, _shade(colour)


def _possessive(people):
    return people + ("'" if people.endswith("s") else "'s")


def _purpose(usage, noun):
    known = same_name(usage, PURPOSES, "usage") if usage else None
    return PURPOSES[known][noun == "use"] if known else _occasion(usage, noun)


def _occasion(usage, noun):
    return f"{usage} {noun}" if usage and not usage.endswith(("wear", "use")) else usage
