"""What a model said holds an object or it does not; nothing is read that is not there, and nothing that was cut off."""

import pytest

from moda.data.loose_json import MOST_READ, is_placeholder, read_object, without_thoughts, writable


SHIRT = {"description": "A men's shirt.", "gender": None}
JSON = '{"description": "A men\'s shirt.", "gender": null}'


def described(found):
    if "description" not in found:
        raise ValueError("It has no description.")
    return found


@pytest.mark.parametrize(
    "text",
    [
        JSON,
        f"```json\n{JSON}\n```",
        f"Sure! Here it is: {JSON} I hope {{that}} helps.",
        f"<think>{{'description': 'A dress.'}} No.</think>\n{JSON}",
        f"which it isn't {{}}</think>{JSON}",
        f"[{JSON}]",
        f'[1, {{"product": {JSON}}}]',
        f'{{"thought": "a bag?"}}\n{JSON}\n{{"description": "A bag."}}',
        "{'description': 'A men's shirt.', 'gender': None,}",
        "Well {my} answer: {'description': 'A men's shirt.', 'gender': None} and it's done {x}.",
        "{“description”: “A men's shirt.”, “gender”: null}",
        '{description: "A men\'s shirt.", gender: null}',
        '{\n "description": "A men\'s shirt.", // the text\n "gender": null /* unknown */\n}',
        '{"description": "A men\'s shirt." "gender": null}',
        '"{\\"description\\": \\"A men\'s shirt.\\", \\"gender\\": null}"',
        f"{{{JSON}}}",
    ],
)
def test_an_object_is_read_however_it_is_wrapped(text):
    assert read_object(text, accept=described) == SHIRT


@pytest.mark.parametrize(
    "text, said",
    [
        ('{"description": "A tee with "DREAM BIG" on it.", "gender": "men"}', 'A tee with "DREAM BIG" on it.'),
        ('{"description": "A bag for a 15" laptop.", "gender": "men"}', 'A bag for a 15" laptop.'),
        ('{"description": "A tee.\nIt is red.", "gender": "men",}', "A tee.\nIt is red."),
    ],
)
def test_quotes_and_line_breaks_inside_a_string(text, said):
    assert read_object(text) == {"description": said, "gender": "men"}


@pytest.mark.parametrize(
    "text", ["", "A fine shirt.", "I'm sorry, I can't.", "description: A shirt", "{A shirt}", "[1, 2]"]
)
def test_prose_is_no_object(text):
    with pytest.raises(ValueError, match="^The answer holds no JSON object.$"):
        read_object(text)


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        '{"description": null, "gender": []}',
        '{"description": "string", "gender": "string"}',
        '{"description": "...", "gender": "<gender>"}',
        "{'description': 'the description of the product', 'gender': 'string or null',}",
        '{"description": {"type": "string"}}',
    ],
)
def test_a_form_with_nothing_filled_in_is_no_answer(text):
    with pytest.raises(ValueError, match="repeats the form with nothing filled in"):
        read_object(text)


@pytest.mark.parametrize("cut", range(1, len(JSON)))
def test_what_was_cut_off_is_never_used(cut):
    """Cut anywhere: whole is whole, and a partial object has the description as it was, or none."""
    with pytest.raises(ValueError):
        read_object(JSON[:cut])
    try:
        assert read_object(JSON[:cut], accept=described, partial=True)["description"] == SHIRT["description"]
        assert cut >= JSON.index('", "gender') + 1
    except ValueError as error:
        assert cut <= JSON.index('", "gender') and str(error).endswith(("JSON object.", "was complete."))


@pytest.mark.parametrize(
    "text",
    [
        '{"description": "A tee that says "',
        '{"description": "A tee that says "DREAM',
        '{"description": "A tee in red, ',
        '{"description": "A tee for boys\', ',
        '{"description": "In size: 23, ',
        "{'description': 'A pink shirt, bl",
        '<think>{"description": "A tee."}',
    ],
)
def test_a_sentence_that_goes_on_is_not_used(text):
    with pytest.raises(ValueError, match="cut off"):
        read_object(text, accept=described, partial=True)


def test_of_a_cut_object_the_whole_values_stay():
    text = '{"description": "A tee.", "usage": null, "gender": "wom'
    whole = read_object(text, partial=True)
    assert whole["description"] == "A tee." and "gender" not in whole and set(whole.values()) <= {"A tee.", None}
    assert read_object('{"answer": {"description": "A tee.", "gender": "wom', accept=described, partial=True) == {
        "description": "A tee."
    }


def test_half_a_string_is_not_taken_for_the_whole():
    text = "{'description': 'A boy's tee with 'Little Champ' above a lion, size: 8, in navy.',}"
    with pytest.raises(ValueError):  # the mended object ends at "lion"
        read_object(text)


def test_the_reason_is_the_first_that_is_given():
    with pytest.raises(ValueError, match="^It has no description.$"):
        read_object('{"a": 1} {"b": 2}', accept=described)


@pytest.mark.parametrize(
    "text",
    [
        *("{" * 100_000, '{"a":' * 20_000, '{"a":[{' * 15_000, '{"a" ' * 20_000, "x{'" * 30_000, "'\"{,:" * 20_000),
        *("{'a':{}" * 15_000, '"' * 100_000, '{"d": "' + '\\"' * 50_000, '{"d": ' + ", " * 50_000, "{'a','b'" * 12_000),
        *("<think>" * 15_000, "<think></thinking" * 9000, "</think>" * 15_000, '{"a": ' + "[" * 900 + "]" * 900 + "}"),
        *('{"a":' * 900 + "1" + "}" * 900, '{"a": ' + "[" * 9000 + "]" * 9000 + "}", '{"a": "b", ' + "!" * 90_000),
    ],
)
def test_garbage_neither_hangs_nor_crashes(text):
    with pytest.raises(ValueError, match=r"^The .*\.$"):
        read_object(text, accept=described, partial=True)


@pytest.mark.parametrize(
    "text, said, thinking",
    [
        ("<think>A?</think>B<thinking>C?</thinking> D", "B D", False),
        ("A?</think>B", "B", False),
        ("B<think>A?", "B", True),
        ("<think>A? <think>B?</think>C", "C", False),
        ("<think>A?</think>B</think>C", "C", False),
        ("A <b", "A <b", False),
    ],
)
def test_thoughts_fall_away(text, said, thinking):
    assert without_thoughts(text) == (said, thinking)


def test_so_much_is_read_and_no_more():
    assert read_object("x" * (MOST_READ - len(JSON)) + JSON) == SHIRT
    with pytest.raises(ValueError, match="cut off"):
        read_object("x" * (MOST_READ - len(JSON) + 1) + JSON)
    assert read_object(f"<think>{'x' * MOST_READ}</think>" + JSON + "x" * MOST_READ) == SHIRT
    assert read_object('{"a": ' + "[" * 29 + "1" + "]" * 29 + "}")
    with pytest.raises(ValueError, match="nested deeper than 30 levels"):
        read_object('{"a": ' + "[" * 30 + "1" + "]" * 30 + "}")


def test_halves_of_characters_are_left_out():
    assert writable("A \ud83d\ude00 tee\ud83d, \ude00red\ud83d") == "A 😀 tee, red"
    assert writable("Été 😀") == "Été 😀"


def test_placeholders():
    assert all(
        map(is_placeholder, ("", "...", "string", "<your text>", "[description]", "A short description", "text here"))
    )
    assert not any(map(is_placeholder, ("A shirt.", "red", "none", "A string bikini.", "text print")))
