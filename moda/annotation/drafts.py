"""From what an annotator answered to a draft, and to a refined sentence."""

import html
import itertools
import re

from moda.data.answer_cache import REFUSAL
from moda.data.loose_json import MOST_READ, is_placeholder, read_object, without_thoughts, writable


# What models call the keys, in lower case; the first is ours.
KEYS = {
    "description": "description product_description short_description item_description desc caption refined_description "
    "final_description sentence text",
    "gender": "gender gender_association associated_gender target_gender for_whom audience target_audience wearer sex",
    "category": "category product_category product_type item_type article_type articletype garment_type subcategory "
    "type article product item",
    "colour": "colour color colours colors base_colour base_color basecolour main_colour main_color primary_colour "
    "primary_color dominant_color",
    "usage": "usage intended_usage intended_use use occasion purpose usage_occasion suitable_for",
}
UNKNOWN = re.compile(
    r"\W*(?:unknown|n/?a|none|null|nil|not (?:specified|applicable|visible|known|available|sure|clear|given|stated|determined"
    r"|mentioned)|unspecified|undetermined|unclear|undefined|cannot (?:be )?(?:tell|told|determined?)|can['’]t tell|other"
    r")?\W*",
    re.IGNORECASE,
)
# What stands before the sentence: "Sure! Here is the refined description:", "**Description:**".
PREFACE = re.compile(
    r"[\s*_#>]*(?:(?:sure|certainly|of course|okay|ok|absolutely|understood)\b[!.,:]*\s*)?"
    r"(?:(?:here(?: is|['’]s)|this is|below is)\b[^:\n]{0,80}:|"
    r"(?:the )?(?:(?:refined|final|revised|updated|edited|improved|corrected|product|short)\s+)*"
    r"(?:description|sentence|answer|output|result|caption)(?:\s+is)?\W*:)?[\s*_]*",
    re.IGNORECASE,
)
# A paragraph that speaks of the work and not of the product.
REMARK = re.compile(
    r"\W*(?:note|explanation|reasoning|changes?(?: made)?|i (?:have|removed|hope|kept|changed|left|did|omitted|merged)|"
    r"i['’]ve|this description|the (?:text|slogan|logo|quoted|printed|brand)\b.{0,60}\b(?:removed|omitted)|let me know|"
    r"removed|metadata|draft|please|is there anything|please note)\b",
    re.IGNORECASE,
)
MARKS = (  # of markdown, and what is left of it
    (re.compile(r"^\s*(?:[#>]+|[-*•+]|\d+[.)])\s+", re.MULTILINE), ""),
    (re.compile(r"!?\[([^\[\]]{0,300})\]\([^()]{0,300}\)"), r"\1"),
    (re.compile(r"(\*{2,3}|_{2,3}|~~)(?=\S)(.{1,300}?)(?<=\S)\1"), r"\2"),
    (re.compile(r"(?<!\w)([*_`])(?=\S)([^*_`]+)(?<=\S)\1(?!\w)"), r'"\2"'),  # as quotes: it may be what is printed
    (re.compile(r"<\|[^|<>]{1,30}\|>|</?(?:s|b|i|p|em|strong|br)\s*/?>", re.IGNORECASE), " "),
)
LABELLED = re.compile(  # each repetition has an end, or it would take minutes over what a model says in a loop
    r"(?:^[^\w\n]*|> ?<)(description|gender|category|colou?r|usage)[\"'*`]{0,4}\s?[:>][*\s\"']{0,6}"
    r"(\S[^\n]{0,600}?)[\"'*]{0,4},?\s?(?:</[^\n>]{0,40}(?=>)|\n)",
    re.IGNORECASE | re.MULTILINE,
)
LABELS_WITHIN = 4_000  # characters
LONGEST_UNKNOWN = 60  # characters
QUOTED = re.compile(r"([\"“'‘])(.*)[\"”'’]", re.DOTALL)


def parse_draft(text, finish_reason=None):
    """Reads a draft from what the first annotator answered.

    Args:
        text (`str`): The answer: JSON with at least a `description`, however wrapped; see
            [`~moda.data.loose_json.read_object`]. Other names that models give the keys are known.
        finish_reason (`str`, *optional*): Why the answer ended; `"length"` means that it was cut off. A description that
            was complete before is used all the same.

    Returns:
        `dict[str, str | None]`: `description`, and `gender`, `category`, `colour`, `usage`, which are `None` where the answer
        lacks them or calls them unknown; all can be written as UTF-8. Of a list the items are joined with "and"; markdown is gone.

    Raises:
        `ValueError`: With one sentence why there is no description, which tells the model as well.

    Example:

    ```python
    >>> parse_draft('```json\\n{"description": "A pink women\\'s blouse with lace trim, perfect for formal occasions."}\\n```')
    {'description': "A pink women's blouse with lace trim, perfect for formal occasions.", 'gender': None, ...}
    ```
    """
    text, cut = _spoken(text, finish_reason)
    text = html.unescape(text) if "&quot;" in text else text
    if "{" not in text and text.lstrip().startswith(('"', "'")):
        text = "{" + text
    try:
        return read_object(text, accept=_as_draft, partial=True)
    except ValueError:
        labelled = _labelled(text, cut)
        if "description" not in labelled:
            raise
        return _as_draft(labelled)


def _labelled(text, cut):
    """The fields of an answer that has them without braces: as YAML, as a list, in tags. The last line may be cut."""
    text = re.sub(r"[^\S\n]+", " ", text[:LABELS_WITHIN]) + ("" if cut or len(text) > LABELS_WITHIN else "\n")
    return {match[1].lower(): match[2].rstrip(",") for match in LABELLED.finditer(text)} if "{" not in text else {}


def parse_refined(text, finish_reason=None):
    """Reads the refined sentence from what the second annotator answered: as JSON, or as plain text.

    Args:
        text (`str`): The answer. It must not be all in capitals. In plain text, "Here is the refined description:" and remarks after the sentence fall away.
        finish_reason (`str`, *optional*): Why the answer ended; plain text that ended by `"length"` is not used.

    Returns:
        `str`

    Raises:
        `ValueError`: With one sentence why there is none, which tells the model as well.
    """
    plain, cut = _spoken(text, finish_reason)
    if "{" in plain:
        return read_object(plain, accept=lambda found: _quiet(_as_draft(found)["description"]), partial=True)
    if cut:
        raise ValueError("The answer was cut off before the description ended; make it shorter.")
    plain = re.sub(r"```\w*", "", plain)
    lines = [line.strip() for line in PREFACE.sub("", plain, count=1).splitlines() if line.strip()]
    while len(lines) > 1 and REMARK.match(lines[0]):
        del lines[0]
    said = lines[:1] + list(itertools.takewhile(lambda line: not REMARK.match(line), lines[1:]))
    return _quiet(_description(" ".join(said)))


def _quiet(sentence):
    """The sentence, which must not be in capitals: drafts may, since they are rewritten, but nobody would train on these."""
    if sentence.isupper() and len(sentence.split()) >= 3:
        raise ValueError("The description is all in capitals; write it as a sentence.")
    return sentence


def _spoken(text, finish_reason):
    """What is read of an answer, and whether its end is missing."""
    if finish_reason == "content_filter":
        raise ValueError("The answer was withheld by a content filter.")
    spoken, thinking = without_thoughts(text)
    if not spoken.strip():
        raise ValueError("The answer was cut off before the description began." if thinking else "The answer is empty.")
    return spoken[:MOST_READ], thinking or finish_reason == "length" or len(spoken) > MOST_READ


def _as_draft(found):
    named = {re.sub(r"[^a-z]+", "_", str(key).lower()).strip("_"): value for key, value in found.items()}
    draft = {}
    for key, names in KEYS.items():
        name = next((name for name in names.split() if name in named), None)
        value = named.get(name)
        if key == "description" and isinstance(value, list):
            value = " ".join(filter(None, map(_plain, value)))
        draft[key] = _plain(value)
        if name and not draft[key] and key == "description":
            raise ValueError(f"The {key!r} in the answer is {_shown(named[name])}, not a sentence.")
    if not draft["description"]:
        raise ValueError("The JSON object in the answer has no 'description'.")
    return {**draft, "description": _description(draft["description"])}


def _shown(value):
    return repr(value) if len(repr(value)) <= 60 else repr(value)[:57] + "..."


def _plain(value):
    """A string of a value, or `None` where it says nothing."""
    if isinstance(value, list):
        return " and ".join(dict.fromkeys(filter(None, map(_plain, value)))) or None
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        return None
    text = writable(html.unescape(str(value)))
    for pattern, instead in MARKS:
        text = pattern.sub(instead, text)
    text = " ".join(text.split()).strip("*_`# ")
    unknown = len(text) <= LONGEST_UNKNOWN and UNKNOWN.fullmatch(text)
    return None if unknown or is_placeholder(text) else text


def _description(text):
    text = _plain(text) or ""
    quoted = QUOTED.fullmatch(text)
    if quoted and not re.search(r"[\"“”]", quoted[2]):
        text = quoted[2].strip()
    elif re.search(r"[.!?]'$", text) and len(re.findall(r"'(?!\w)", text)) > len(re.findall(r"(?<!\S)'", text)):
        text = text[:-1]  # what a repair leaves of 'A women's top.'
    if REFUSAL.match(text):
        raise ValueError("The answer declines to describe the product; describe what can be seen of it.")
    if not re.search(r"[^\W\d_]", text):
        raise ValueError("The answer holds no description.")
    return text
