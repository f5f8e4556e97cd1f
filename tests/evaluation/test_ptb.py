"""The Penn Treebank tokenizer, against what Stanford's Java program answers.

`ptb_golden.json` holds sentences and that program's tokens. To write it anew, with Java and `pip install "moda[coco]"`:

    python tests/evaluation/test_ptb.py
"""

import json
import shutil
from pathlib import Path

import pytest

from moda.evaluation.ptb import ABBREVIATIONS, BEFORE_NUMBERS, ptb_tokenize, tokenize_rows


GOLDEN = Path(__file__).with_name("ptb_golden.json")


def java_tokens(sentences):
    """What COCO's evaluation makes of sentences; a line between them keeps each from reading into the next."""
    from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

    lines = [line for sentence in sentences for line in (sentence, "next")]
    found = PTBTokenizer().tokenize({index: [{"caption": line}] for index, line in enumerate(lines)})
    return [[token for token in found[index][0].split(" ") if token] for index in range(0, len(lines), 2)]


def golden():
    return json.loads(GOLDEN.read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", golden(), ids=lambda case: case["sentence"][:30] or "empty")
def test_tokens_are_those_of_java(case):
    assert ptb_tokenize(case["sentence"]) == case["tokens"]


def test_golden_tokens_cover_what_the_rules_are_for():
    tokens = {token for case in golden() for token in case["tokens"]}
    assert len(golden()) >= 60
    assert {"n't", "'s", "-lrb-", "u.s.", "t-shirt", "1,000.5", "can", "gon", "&", "#"} <= tokens


def test_java_agrees_still():
    pytest.importorskip("pycocoevalcap")
    if shutil.which("java") is None:
        pytest.skip("no Java")
    sentences = [case["sentence"] for case in golden()]
    sentences += [f"the {word.title()}. dog" for word in ABBREVIATIONS.split()]
    sentences += [f"the {word}. dog" for word in (ABBREVIATIONS + BEFORE_NUMBERS).split()]
    sentences += [f"the {word}. 5" for word in BEFORE_NUMBERS.split()]
    assert [ptb_tokenize(sentence) for sentence in sentences] == java_tokens(sentences)


def test_plain_captions_take_the_short_way_to_the_same_tokens():
    """An unreadable character sends a sentence the long way and leaves nothing behind."""
    for sentence in [
        "A man , a t-shirt and a dog.",
        "We cannot see him .",
        "a Dr.",
        "It is plan B.",
        "gonna , run",
        "x",
    ]:
        assert ptb_tokenize(sentence) == ptb_tokenize("\U0001f600 " + sentence)


@pytest.mark.parametrize("sentence", ["", " ", "\n", ".", "...", "-", "' '", "😀"])
def test_nothing_said(sentence):
    assert ptb_tokenize(sentence) == []


def test_line_breaks_and_spaces_only_divide():
    assert ptb_tokenize(" a red\nshirt,\t for \r\n men ") == "a red shirt for men".split()


def test_long_and_odd_texts_come_back():
    for text in (
        "a" * 20000,
        "a-" * 10000,
        "a." * 10000,
        "'" * 20000,
        "<a " * 5000,
        "1 " * 10000,
        "a@" * 5000,
        "$" * 20000,
    ):
        assert sum(map(len, ptb_tokenize(text))) <= len(text)  # it comes back, and makes nothing up


def test_rows():
    candidates, references = tokenize_rows(["A shirt."], ["a shirt"])
    assert candidates == [["a", "shirt"]] and references == [[["a", "shirt"]]]


@pytest.mark.parametrize(
    "sentences, references, said",
    [
        (["a"], [["a"], ["b"]], "There are 1 sentences for 2 rows"),
        (["a", "b"], [["a"], []], "Row 1 has no reference"),
        (["a", "b"], [None, ["a"]], "Row 0 has no reference"),
        (["a", None], [["a"], ["b"]], "Row 1 has the sentence None"),
        (["a"], [["a", 3]], "Row 0 has the reference 3"),
        ("a", [["a"]], "The sentences are one str"),
    ],
)
def test_rows_that_do_not_align(sentences, references, said):
    with pytest.raises(ValueError, match=said):
        tokenize_rows(sentences, references)


if __name__ == "__main__":
    sentences = [case["sentence"] for case in golden()]
    cases = [{"sentence": text, "tokens": tokens} for text, tokens in zip(sentences, java_tokens(sentences))]
    GOLDEN.write_text(
        "[\n" + ",\n".join(json.dumps(case, ensure_ascii=False) for case in cases) + "\n]\n", encoding="utf-8"
    )
