"""A judge by rules: what a sentence states, read with a lexicon, against the product's metadata. No model, no network."""

import re

from moda.data.lexicon import statements, states

from .five import BINARY, Verdict


TITLES = ("productDisplayName", "title")


class RuleJudge:
    """Judges sentences by rules, for the five scores of the MODA guide ("Training Small Vision Language Models"); see [`five_scores`].

    The guide names the scores and lets a model judge them. By rules, and with nothing but metadata, this is how they are meant here:

    | of the guide | here |
    | --- | --- |
    | colours present | `baseColour`: a list, or several separated by `/` or `,`; "Multi" is one colour |
    | colours identified | those of them that the sentence names; others that it names cost nothing here, but see details |
    | style, category, gender right | the sentence states `usage`, `articleType`, `gender`, and no other value of the same attribute |
    | details mentioned | each distinct statement: colour, article, gender, usage, pattern, material, neckline, sleeves, ... |
    | details relevant | those that the metadata holds, or where it is silent on that attribute, those that the product's title holds |

    Words that may mean several values ("shoes") are right where the true value is one of them. What is known and not said is
    wrong. A detail of which neither metadata nor title says anything is unverifiable: no part of the share, but counted. An
    article whose name tells the occasion ("running shoes") states a `usage` where the sentence states no other, but is one detail.

    Args:
        lexicon ([`Lexicon`]): Reads sentences.

    Example:

    ```python
    >>> row = {"articleType": "Tshirts", "baseColour": "Navy Blue", "gender": "Men", "usage": "Casual"}
    >>> verdict = RuleJudge(Lexicon()).judge("A red tee for men.", row)
    >>> verdict.category, verdict.gender, verdict.wrong
    (True, True, ['colour: says red, is Navy Blue', 'usage: not said'])
    ```
    """

    def __init__(self, lexicon):
        self.lexicon = lexicon

    def judge(self, sentence, row):
        """Judges one sentence.

        Args:
            sentence (`str`): About the product; may be empty.
            row (`Mapping`): Its metadata: `articleType`, `baseColour`, `gender`, `usage`, `pattern`, and any other attribute
                that the lexicon reads, such as `material`, each a string or `None`; perhaps its title in
                `productDisplayName` or `title`.

        Returns:
            [`Verdict`]: In `read` of each attribute the values stated, where words may mean several the true one; in `wrong`
            what is wrong, such as `"usage: not said"`.
        """
        said = statements(self.lexicon.read(sentence))
        colours = _colours(row.get("baseColour"))
        title = {
            pair for name in TITLES for mention in self.lexicon.read(row.get(name) or "") for pair in _pairs(mention)
        }
        named = {colour for mention in said if mention.attribute == "baseColour" for colour in _colours(mention.values)}
        verdict = Verdict(colours_right=len(named.intersection(colours)), colours=len(colours))
        articles = {mention.start for mention in said if mention.attribute == "articleType"}
        for mention in said:
            attribute = mention.attribute
            values = _colours(mention.values) if attribute == "baseColour" else mention.values
            true = colours if attribute == "baseColour" else _values(row.get(attribute))
            right = next((value for value in values if value in true), None)
            verdict.read.setdefault(attribute, []).append(right or mention.values[0])
            if attribute == "usage" and mention.start in articles:
                continue
            if right or (not true and title.intersection(_pairs(mention))):
                verdict.details_right += 1
            elif true:
                verdict.wrong.append(f"{_name(attribute)}: says {mention.text.lower()}, is {' and '.join(true)}")
            else:
                verdict.unverifiable += 1
                continue
            verdict.details += 1
        for score, attribute in BINARY.items():
            if row.get(attribute):
                setattr(verdict, score, states(said, attribute, row[attribute]))
        silent = [name for name in ("baseColour", *BINARY.values()) if row.get(name) and name not in verdict.read]
        verdict.wrong += [f"{_name(attribute)}: not said" for attribute in silent]
        return verdict

    def judge_all(self, sentences, rows):
        """Judges many sentences.

        Args:
            sentences (`list[str]`): One a row.
            rows (`list[Mapping]`): Metadata; see `judge`.

        Returns:
            `list[Verdict]`: One a row.

        Raises:
            `ValueError`: If there are not as many sentences as rows.
        """
        if len(sentences) != len(rows):
            raise ValueError(f"There are {len(sentences)} sentences for {len(rows)} rows; give one for each row.")
        return [self.judge(sentence, row) for sentence, row in zip(sentences, rows)]


def _name(attribute):
    return {"baseColour": "colour", "articleType": "article"}.get(attribute, attribute)


def _pairs(mention):
    return [(mention.attribute, value) for value in mention.values]


def _values(value):
    return (value,) if isinstance(value, str) and value else tuple(value or ())


def _colours(value):
    """Of `"Red/White"` or `["Red", "White"]` the two colours, in order."""
    parts = [part.strip() for text in _values(value) for part in re.split(r"[/,]", text)]
    return list(dict.fromkeys(filter(None, parts)))
