"""From metadata to a sentence, and back: one table of words for both ways."""

import functools
import random
import re

import inflect

from .lexicon import Lexicon
from .words import ARTICLE_WORDS, DRAWN, GENDER_WORDS, PAIRS


ATTRIBUTES = ("articleType", "baseColour", "pattern", "gender", "usage")
WORN = ("Apparel", "Footwear", "Accessories")
# {look}: colour and pattern. A clause in brackets falls away when the row lacks what it says.
TEMPLATES = (
    "{a} [{counted} ][{look} ][{unisex} ]{thing}[ for {people}][, made for {occasion}].",
    "{a} [{counted} ][{whose} ][{pattern} ]{thing}[ in {colour}][, made for {occasion}].",
    "{a} [{counted} ][{look} ][{unisex} ]{thing}[ for {people}][, suited to {occasion}].",
    "{a} [{counted} ][{whose} ][{look} ]{thing}[ for {occasion}].",
    "This is {a} [{counted} ][{whose} ][{look} ]{thing}[ for {occasion}].",
    "[For {occasion}: ]{a} [{counted} ][{whose} ][{look} ]{thing}.",
    "[In {colour}, ]{a} [{counted} ][{whose} ][{pattern} ]{thing}[ for {occasion}].",
    "Here is {a} [{counted} ][{whose} ][{pattern} ]{thing}[ in {colour}][, designed for {occasion}].",
)


class Wording:
    """The words of a catalogue: writes sentences from metadata and reads attributes back from any sentence.

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
        self._inflect = inflect.engine()
        self._with_article = functools.lru_cache(self._inflect.a)
        self.articles = {name: self._article(name) for name in values.get("articleType", ())}
        self.words = {
            attribute: {
                name: DRAWN[attribute][name] if name in DRAWN[attribute] else name.lower()
                for name in values.get(attribute, ())
            }
            for attribute in ("baseColour", "pattern", "usage")
        }
        self.words["baseColour"].update({name: "multicoloured" for name in self.words["baseColour"] if name == "Multi"})
        self.genders = {name: self._gender(name) for name in values.get("gender", ())}
        self.lexicon = Lexicon(values)

    def _article(self, name):
        if name in ARTICLE_WORDS:
            return ARTICLE_WORDS[name]
        phrase = name.lower()
        *before, last = phrase.split()
        if last in PAIRS:
            return {"phrase": phrase, "unit": "pair of", "noun": "wear"}
        last = self._inflect.singular_noun(last) or last
        return {"phrase": " ".join([*before, last]), "unit": "", "noun": None}

    def _gender(self, name):
        if name in GENDER_WORDS:
            return GENDER_WORDS[name]
        plain = name.lower()
        return {"plain": plain, "possessive": plain + ("'" if plain.endswith("s") else "'s")}

    def write(self, row, template=None, rng=random):
        """Writes one factual sentence about a product.

        Args:
            row (`Mapping`):
                Metadata; `articleType` must be there, and `baseColour`, `pattern`, `gender`, `usage` are said where
                they are neither missing nor null. `masterCategory` tells what is worn from what is used.
            template (`int`, *optional*): Number of the wording, of `len(TEMPLATES)`. Defaults to a draw from `rng`.
            rng (`random.Random`, *optional*): Draws the wording.

        Returns:
            `str`

        Raises:
            `ValueError`: If the row has no `articleType`, or a value that the catalogue does not hold.
        """
        if row.get("articleType") not in self.articles:
            raise ValueError(f"articleType is {row.get('articleType')!r}, which this catalogue does not hold.")
        article = self.articles[row["articleType"]]
        colour, pattern, usage = (self._word(row, name) for name in ("baseColour", "pattern", "usage"))
        gender = self.genders.get(row.get("gender"), {})
        unisex = gender.get("plain") == "unisex"
        noun = article["noun"] or ("wear" if row.get("masterCategory") in WORN else "use")
        fields = {
            "a": "<a>",
            "counted": article["unit"],
            "colour": colour,
            "pattern": pattern,
            "look": f"{colour} {pattern}".strip(),
            "thing": article["phrase"],
            "whose": gender.get("possessive", ""),
            "people": "" if unisex else gender.get("plain", ""),
            "unisex": "unisex" if unisex else "",
            "occasion": f"{usage} {noun}" if usage else "",
        }
        chosen = TEMPLATES[template % len(TEMPLATES)] if template is not None else rng.choice(TEMPLATES)

        def clause(match):
            said = re.findall(r"{(\w+)}", match[1])
            return match[1] if all(fields[name] for name in said) else ""

        sentence = re.sub(r"\[([^]]*)\]", clause, chosen).format(**fields)
        sentence = re.sub(r"<a> (\S+)", lambda match: self._with_article(match[1]), sentence)
        return sentence[0].upper() + sentence[1:]

    def _word(self, row, attribute):
        value = row.get(attribute)
        if not value:
            return ""
        if value not in self.words[attribute]:
            raise ValueError(f"{attribute} is {value!r}, which this catalogue does not hold.")
        return self.words[attribute][value]

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
