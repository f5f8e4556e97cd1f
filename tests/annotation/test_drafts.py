"""From answers, however models put them, to drafts and sentences; or one sentence why not."""

import json
from pathlib import Path

import pytest

from moda.annotation.drafts import KEYS, LABELS_WITHIN, parse_draft, parse_refined
from moda.data.loose_json import MOST_READ


GOLDEN = "A pink women's blouse with lace trim, perfect for formal occasions."
EMPTY = dict.fromkeys(KEYS)


def test_the_guides_own_example():
    draft = parse_draft(
        '{"description": "A pink women\'s blouse with lace trim, perfect for formal occasions."}', "stop"
    )
    assert draft == {**EMPTY, "description": GOLDEN}


def test_all_keys_by_the_names_that_models_give_them():
    ours = '{"description": "A bag.", "gender": "women", "category": "bag", "colour": "red", "usage": "party"}'
    theirs = (
        '{"Product Description": "A bag.", "gender_association": "women", "product-category": "bag", "Color": "red", '
        '"Intended usage": "party", "mood": "good"}'
    )
    assert parse_draft(ours) == parse_draft(theirs)
    assert list(parse_draft(ours).values()) == ["A bag.", "women", "bag", "red", "party"]


@pytest.mark.parametrize(
    "value", ['"unknown"', '"N/A"', '"None"', '""', '"Not specified."', "null", "true", '{"a": "b"}', "[]"]
)
def test_what_is_unknown_is_none(value):
    assert parse_draft(f'{{"description": "A bag.", "gender": {value}}}') == {**EMPTY, "description": "A bag."}


def test_values_are_plain_text():
    text = '{"description": "**A bag**\\n\\n in  _red_ &amp; blue.", "colour": ["red", "blue", "N/A", "red"], "usage": "`party`"}'
    draft = parse_draft(text)
    assert draft["description"] == 'A bag in "red" & blue.' and draft["colour"] == "red and blue"
    assert parse_draft('{"description": ["A bag.", "It is red."]}')["description"] == "A bag. It is red."


@pytest.mark.parametrize(
    "text, finish_reason, why",
    [
        ("", "stop", "The answer is empty"),
        ("  ", "content_filter", "withheld by a content filter"),
        ("I'm sorry, but I can't help with that.", "stop", "holds no JSON object"),
        ('{"description": "I cannot see the product."}', "stop", "declines to describe the product"),
        ('{"gender": "men"}', "stop", "has no 'description'"),
        (
            '{"description": "unknown", "gender": "men"}',
            "stop",
            "'description' in the answer is 'unknown', not a sentence",
        ),
        ('{"description": {"en": "A bag."}, "gender": "men"}', "stop", "not a sentence"),
        ('{"description": "string", "gender": "men"}', "stop", "not a sentence"),
        ('{"description": "...", "gender": "..."}', "stop", "nothing filled in"),
        ('{"description": 5}', "stop", "holds no description"),
        ('{"description": "A pink', "length", "cut off"),
        ("<think>Perhaps a", "length", "cut off"),
    ],
)
def test_what_is_no_draft(text, finish_reason, why):
    with pytest.raises(ValueError, match=why) as error:
        parse_draft(text, finish_reason)
    assert str(error.value).endswith(".") and str(error.value).count(". ") == 0


def test_a_description_that_ended_before_the_cut_is_used():
    assert parse_draft('{"description": "A bag.", "gender": "wo', "length") == {**EMPTY, "description": "A bag."}


@pytest.mark.parametrize(
    "text",
    [
        GOLDEN,
        f'"{GOLDEN}"',
        f"“{GOLDEN}”",
        f"**{GOLDEN}**",
        f"- {GOLDEN}",
        f"```\n{GOLDEN}\n```",
        f"Refined description: {GOLDEN}",
        f"**Final Description:** {GOLDEN}",
        f'Sure! Here is the refined description:\n\n"{GOLDEN}"',
        f"{GOLDEN}\n\nNote: I removed the brand name.",
        f"I have merged the metadata.\n{GOLDEN}\n(Removed the slogan.)",
        f"<think>It says {{LOVE}}.</think>{GOLDEN}<|end|>",
        f'```json\n{{"description": "{GOLDEN}"}}\n```',
        f"{{'refined_description': '{GOLDEN}'}}",
    ],
)
def test_a_refined_sentence_however_it_is_said(text):
    assert parse_refined(text, "stop") == GOLDEN


@pytest.mark.parametrize(
    "text",
    [
        "Here is a bag for women.",
        "Draft beer mug print on a red tee.",
        'A tee "Dream" and "Big".',
        "A boys' cap for girls' mums",
    ],
)
def test_a_sentence_stays_as_it_is(text):
    assert parse_refined(text, "stop") == text


@pytest.mark.parametrize(
    "text, finish_reason, why",
    [
        ("", "stop", "The answer is empty"),
        ("...", "stop", "holds no description"),
        ("A pink women's blouse with", "length", "cut off before the description ended"),
        ('{"description": "A pink', "length", "cut off before its JSON object was complete"),
        ("I'm sorry, I can't do that.", "stop", "declines"),
        ("Refined description: N/A", "stop", "holds no description"),
        ('{"gender": "men"}', "stop", "has no 'description'"),
        ("A bag", "content_filter", "content filter"),
    ],
)
def test_what_is_no_refined_sentence(text, finish_reason, why):
    with pytest.raises(ValueError, match=why):
        parse_refined(text, finish_reason)


@pytest.mark.parametrize(
    "text",
    [
        "description: A red bag.\ngender: women\nusage: N/A\n",
        '---\ndescription: "A red bag."\ngender: women\n...',
        "- **Description:** A red bag.\n- **Gender:** women",
        "<product><description>A red bag.</description><gender>women</gender></product>",
        '"description": "A red bag.", "gender": "women"}',
        '"description": "A red bag.",\n"gender": "women"',
        "{&quot;description&quot;: &quot;A red bag.&quot;, &quot;gender&quot;: &quot;women&quot;}",
    ],
)
def test_a_draft_without_braces(text):
    assert parse_draft(text, "stop") == {**EMPTY, "description": "A red bag.", "gender": "women"}


@pytest.mark.parametrize(
    "text, finish_reason",
    [
        ("description: A red", "length"),
        ("The description: it is red.", "stop"),
        ("description: string\ngender: string", "stop"),
        ("description: I'm sorry, but no.", "stop"),
        ("gender: women\ncategory: bag", "stop"),
    ],
)
def test_no_draft_without_braces(text, finish_reason):
    with pytest.raises(ValueError):
        parse_draft(text, finish_reason)


def test_bad_answers_by_another_hand():
    """Nothing is used of what can't be used, and nearly all of what can; the rest is asked for again."""
    lines = Path(__file__).with_name("bad_answers.jsonl").read_text(encoding="utf-8").splitlines()
    answers, read = [json.loads(line) for line in lines], 0
    for answer in answers:
        try:
            said = parse_draft(answer["answer"], answer["finish_reason"])["description"]
        except ValueError as error:
            assert str(error).endswith(".")
            continue
        assert answer["usable"], answer
        assert said == " ".join(answer["description"].split())
        read += 1
    assert read >= 0.95 * sum(answer["usable"] for answer in answers)


FORMS = {
    "json": json.dumps,
    "python": repr,
    "inner quotes": lambda draft: "{" + ", ".join(f'"{key}": "{value}"' for key, value in draft.items()) + "}",
    "single quotes": lambda draft: "{" + ", ".join(f"'{key}': '{value}'" for key, value in draft.items()) + ",}",
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "sentence",
    [
        "A women's tee, in red and white, for girls' days out.",
        'A men\'s tee that says "Dream, Big", with short sleeves.',
        "A boy's tee with 'Little Champ' above a lion, in navy.",
    ],
)
def test_a_description_cut_anywhere_is_whole_or_not_used(sentence, form):
    for draft in ({"description": sentence, "colour": "red, navy"}, {"gender": "men", "description": sentence}):
        text, used = FORMS[form](draft), 0
        for end in range(1, len(text) + 1):
            try:
                said = parse_draft(text[:end])["description"]
            except ValueError:
                continue
            assert said.replace('"', "") == sentence.replace('"', "")  # a repair may drop quotes; words it may not
            used += 1
        assert parse_draft(text)["description"].replace('"', "") == sentence.replace('"', "") and used


HOSTILE = {
    "tags": "> <description>\n" * 3000,
    "more tags": "><usage> " * 200 + " " * 20_000,
    "quoted tags": ("> <usage: " + "'" * 10) * 2000,
    "thoughts": "<think>" * 5000,
    "brackets": "[" * 20_000,
    "links": "![a" * 7000,
    "bold": "**a " * 7000,
    "marks": "!" * 20_000 + "x ",
    "blanks": "description:" + " " * 20_000,
    "lines": "description:\n" * 2000,
    "prefaces": "refined " * 4000,
    "nested": '{"description": ' + "[" * 900 + "]" * 900 + "}",
    "deeper": '{"description": ' * 900 + "1" + "}" * 900,
    "cut": '{"description": "A tee", ' * 800,
    "sentences": '{"description": "' + '. " ' * 5000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("parse", [parse_draft, parse_refined])
def test_hostile_answers_end_soon_and_in_one_sentence(parse, name):
    try:
        said = parse(HOSTILE[name], "stop")
    except ValueError as error:
        assert str(error).startswith("The ") and str(error).endswith(".") and len(str(error)) < 200
    else:
        assert len(said if parse is parse_refined else said["description"]) <= MOST_READ


def test_so_much_of_an_answer_is_read():
    assert parse_refined("a " * (MOST_READ // 2), "stop") == ("a " * (MOST_READ // 2)).strip()
    with pytest.raises(ValueError, match="cut off before the description ended; make it shorter"):
        parse_refined("a " * (MOST_READ // 2 + 1), "stop")
    labelled = "-" * (LABELS_WITHIN - 32) + "\ndescription: A bag.\nusage: {}\n"
    assert parse_draft(labelled.format("eat"))["usage"] == "eat"
    assert parse_draft(labelled.format("eating"))["usage"] is None
    assert parse_draft(f"<think>{'x' * MOST_READ}</think>" + '{"description": "A bag."}')["description"] == "A bag."


def test_what_is_read_can_be_written():
    answer = '{"description": "A red \\ud83d bag \\ud83d\\ude00 \\ude00.", "colour": "\\udfff"}'
    assert parse_draft(answer) == {**EMPTY, "description": "A red bag 😀 ."}
    assert parse_refined(answer) == parse_refined("A red \ud83d bag 😀 .") == "A red bag 😀 ."
    assert parse_draft(answer.replace('"', "'"))["description"].encode()


@pytest.mark.parametrize("form", ["{}", '{{"description": "{}"}}'])
def test_a_sentence_in_capitals_is_asked_for_again(form):
    with pytest.raises(ValueError, match="^The description is all in capitals; write it as a sentence.$"):
        parse_refined(form.format("A NAVY BLUE SHIRT FOR MEN."))
    for sentence in ("A USB CABLE for men.", "USB CABLE."):
        assert parse_refined(form.format(sentence)) == sentence
    draft = '{"description": "A NAVY BLUE SHIRT."}'
    assert parse_draft(draft)["description"] == "A NAVY BLUE SHIRT."  # which is rewritten anyway
