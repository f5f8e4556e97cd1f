"""From what a language model said to the JSON object in it, however it is wrapped and however it is broken."""

import json
import re

import json_repair


THINK = re.compile(r"<(/?)think(?:ing)?>")
MOST_READ = 20_000  # characters of an answer without its thoughts
MOST_BRACES = 40  # as many places are tried at most
MOST_REPAIRED = 4_000  # characters; the time that a repair takes grows with their square
DEEPEST = 30
ENDS = {'"': '"', "'": "'", "“": '”"', "‘": "’'"}  # of strings, by how the first of them begins
QUOTE = "[" + "".join(ENDS) + "]"
PLACEHOLDER = re.compile(
    r"\W*|<[^<>]*>|\[[^\[\]]*\]|\{[^{}]*\}|(?:the |your |a )?(?:brief |short |product |item )*"
    r"(?:string|str|text|value|number|boolean|bool|object|array|integer|null|description|placeholder|todo)"
    r"(?: (?:here|goes here|of (?:the )?(?:product|item)|or null))?[.…]*",
    re.IGNORECASE,
)


def read_object(text, accept=None, partial=False):
    """Reads the JSON object in what a model said.

    Whatever stands around it falls away: prose, a code fence, a list, `<think>` blocks. Well-formed objects come first, outer
    before inner; then those that `json_repair` can mend: single or smart quotes, trailing commas, comments, Python's words,
    quotes and line breaks inside a string, a missing end. Nothing is read that is not there: not an empty object, nor one that
    echoes the schema, as in `{"description": "string"}`.

    Args:
        text (`str`): What the model said. Without `<think>` blocks the first 20,000 characters of it are read.
        accept (`Callable[[dict], Any]`, *optional*): Gets each object in turn until it raises no `ValueError`. Defaults to
            the first object as it is.
        partial (`bool`, defaults to `False`): Whether an object will do that the end of the text cut off. It comes without
            the value that was cut, so that each string in it is whole; lists and objects in it may lack their last items.

    Returns:
        What `accept` returned; without it a `dict`.

    Raises:
        `ValueError`: If there is no such object: what `accept` said of the first, or one sentence why there is none.

    Example:

    ```python
    >>> read_object("Sure! {'description': 'A women's shirt', 'usage': None,}")
    {'description': "A women's shirt", 'usage': None}
    ```
    """
    text, thinking = without_thoughts(text)
    trouble, cut = None, thinking or len(text) > MOST_READ
    for found, whole in _objects(text[:MOST_READ]):
        if not whole and (not partial or not found):
            cut = True
        elif _depth(found) > DEEPEST:
            trouble = trouble or f"The JSON object in the answer is nested deeper than {DEEPEST} levels."
        elif not _says_something(found):
            trouble = trouble or "The answer repeats the form with nothing filled in."
        else:
            try:
                return accept(found) if accept else found
            except ValueError as error:
                trouble = trouble or str(error)
                cut = cut or not whole
    if cut and (partial or not trouble):
        raise ValueError("The answer was cut off before its JSON object was complete.")
    raise ValueError(trouble or "The answer holds no JSON object.")


def without_thoughts(text):
    """Leaves out what a model thought before it spoke, since drafts may lie there.

    Args:
        text (`str`): What the model said, with any number of `<think>` or `<thinking>` blocks. The first may lack its begin.

    Returns:
        `tuple[str, bool]`: The rest, and whether the last block lacks its end.
    """
    kept, place, thinking = [], 0, False
    for mark in THINK.finditer(text):
        if not thinking:
            kept.append(text[place : mark.start()])
        if mark[1] and not thinking:
            kept.clear()
        place, thinking = mark.end(), not mark[1]
    return "".join(kept) + ("" if thinking else text[place:]), thinking


def writable(text):
    """A text without the halves of characters that JSON's escapes can spell and no file can hold, as in `"\\ud83d"` alone."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")


def is_placeholder(value):
    """Whether a string stands for a value instead of being one: `"string"`, `"..."`, `"<the description>"`, or nothing."""
    return PLACEHOLDER.fullmatch(value.strip()) is not None


def _objects(text):
    """Yields each object, and whether it is whole: the well-formed ones first."""
    braces = [match.start() for match in re.finditer(r"\{", text)]
    braces = braces[:MOST_BRACES] + [place for place in braces[-MOST_BRACES:] if place not in braces[:MOST_BRACES]]
    decoder = json.JSONDecoder(strict=False)
    broken = []
    for brace in braces:
        try:
            yield decoder.raw_decode(text, brace)[0], True
        except (ValueError, RecursionError):
            broken.append(brace)
    for brace in broken:
        piece, depth, deepest = _braced(text[brace : brace + MOST_REPAIRED])
        if deepest <= DEEPEST and (depth == 0 or re.search(QUOTE, piece)):
            found = _repaired(piece if depth == 0 else _before_the_cut(piece))
            if isinstance(found, dict) and not any(_torn(value, piece) for value in found.values()):
                yield found, depth == 0


def _braced(text):
    """The text up to where the braces that it opens are closed, how many are not, and how deep it goes."""
    depth = deepest = 0
    for place, character in enumerate(text):
        depth += (character in "{[") - (character in "}]")
        deepest = max(deepest, depth)
        if depth <= 0:
            return text[: place + 1], 0, deepest
    return text, depth, deepest


def _before_the_cut(piece):
    """The text up to the last value that surely ended: it is closed, and what follows is nothing, or a comma and a key."""
    quotes = ENDS[re.search(QUOTE, piece).group()]
    sentence = rf"[.!?][{quotes}]"  # what ends like this is no inner quote and no apostrophe
    simple = r"[\"”]\s*:\s*[\"“][^\"“”\\]*(?<=\S)[\"”]" if quotes != ENDS["'"] else sentence
    plain = r"[\"'”’]\s*:\s*(?:null|none|true|false|[\d.]+)"
    start, key = r"(?:[\"'“‘]\w*[\"'”’]?)?", r"[\"'“‘]?\w+[\"'”’]?\s*:[^:]*"
    for closed in (
        rf"(?:{sentence}|{simple})(?=\s*$)",
        rf"(?:{sentence}|{simple}|{plain})(?=\s*,\s*{start}$)",
        rf"(?:{sentence}|{plain}|(?<=[^\s\\:,{{\[(])[{quotes}])(?=\s*,\s*{key}$)",
    ):
        end = re.search(closed, piece, re.IGNORECASE)
        if end:
            return piece[: end.end()]
    return ""


def _repaired(piece):
    if not piece:
        return {}
    try:
        found = json_repair.loads(piece, skip_json_loads=True)
    except (ValueError, RecursionError):
        return None
    return found[0] if isinstance(found, list) and found else found


def _torn(value, piece):
    """Whether a repair took the beginning of a quoted string for the whole of it."""
    place = piece.find(value) if isinstance(value, str) and value else -1
    if place < 1 or piece[place - 1] not in "\"'“‘":
        return False
    return value[-1] not in "\"'”’" and piece[place + len(value) :].lstrip()[:1] not in ('"', "'", "”", "’", "\\")


def _depth(value):
    """How many lists and objects lie within each other; counted without recursion, which has an end of its own."""
    depth, level = 0, [value]
    while level := [part for part in level if isinstance(part, (dict, list))]:
        depth += 1
        level = [part for each in level for part in (each.values() if isinstance(each, dict) else each)]
    return depth


def _says_something(value):
    if isinstance(value, dict):
        return any(map(_says_something, value.values()))
    if isinstance(value, list):
        return any(map(_says_something, value))
    return not is_placeholder(value) if isinstance(value, str) else value is not None
