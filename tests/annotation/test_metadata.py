"""The annotator without a model: grammatical, varied, the same again, and nothing made up."""

import json
from collections import Counter

import pytest

from moda.annotation.metadata import PATTERNS, MetadataAnnotator
from moda.data.demo import demo_row
from moda.data.wording import ATTRIBUTES, Wording
from moda.evaluation.rules import RuleJudge


def record(row, **more):
    metadata = {name: value for name, value in row.items() if isinstance(value, str)}
    return {"id": str(row["id"]), "row": 0, "group": "0", "split": None, "metadata": metadata, **more}


@pytest.fixture(scope="module")
def rows():
    return [demo_row(index) for index in range(800)]


@pytest.fixture
def writer():
    return MetadataAnnotator(Wording())


def test_drafts_have_full_marks_and_many_patterns(writer, rows):
    answers = list(writer.ask_all([{"record": record(row)} for row in rows]))
    drafts = [json.loads(answer.text) for answer in answers]
    judge = RuleJudge(writer.wording.lexicon)
    for row, draft in zip(rows, drafts):
        verdict = judge.judge(draft["description"], row)
        assert verdict.colours_right == verdict.colours == 1 and not verdict.wrong and not verdict.unverifiable
        assert verdict.style and verdict.category and verdict.gender
        assert list(draft) == ["description", "gender", "category", "colour", "usage"]
        assert [draft[name] for name in list(draft)[1:]] == [
            row[name] for name in ("gender", "articleType", "baseColour", "usage")
        ]
    assert len({draft["description"] for draft in drafts}) > 0.95 * len(drafts)
    assert writer.counts == {"asked": len(rows)} and writer.problem is None
    assert all(answer.finish_reason == "stop" and len(answer.date) == 10 and not answer.error for answer in answers)


def test_patterns_are_drawn_evenly_by_seed_and_id(writer, rows):
    row = rows[0]
    said = {number: writer.draft(record({**row, "id": number}))["description"] for number in range(100 * len(PATTERNS))}
    counts = Counter(said.values())
    assert len(PATTERNS) == len(counts) >= 16
    assert 60 < min(counts.values()) and max(counts.values()) < 145  # of 100 each
    again = MetadataAnnotator(Wording())
    assert all(again.draft(record({**row, "id": number}))["description"] == said[number] for number in (1599, 3, 77))
    other = MetadataAnnotator(Wording(), seed=1)
    assert sum(other.draft(record({**row, "id": number}))["description"] != said[number] for number in range(100)) > 80


def test_a_record_with_a_draft_is_refined_to_the_same_sentence(writer, rows):
    draft = writer.draft(record(rows[5]))
    [answer] = writer.ask_all([{"record": record(rows[5], draft={**draft, "description": "A cat."})}])
    assert json.loads(answer.text) == {"description": draft["description"]}


@pytest.mark.parametrize("missing", ["baseColour", "gender", "usage"])
@pytest.mark.parametrize("value", [None, "", "N/A", "unknown", "Ultraviolet"])
def test_what_is_missing_or_not_held_is_not_said(writer, rows, missing, value):
    for row in rows[:40]:
        draft = writer.draft(record({**row, missing: value}) if value else record({**row, missing: None}))
        found = writer.wording.read(draft["description"])
        said = {name: [row[name]] for name in ATTRIBUTES if name != missing and row[name] != "Solid"}
        assert found == {**dict.fromkeys(ATTRIBUTES, []), **said}
        assert draft[{"baseColour": "colour"}.get(missing, missing)] is None


def test_without_an_article_a_broader_kind_is_said_or_nothing(writer):
    def ask(**metadata):
        return next(writer.ask_all([{"record": {"id": "1", "metadata": {"gender": "Women", **metadata}}}]))

    for article in (None, "Other", "Spaceships"):
        draft = json.loads(ask(articleType=article, subCategory="Bags", masterCategory="Accessories").text)
        assert "women" in draft["description"].lower() and " bag" in draft["description"]
        assert draft["category"] == "Bags"
        silent = ask(articleType=article, subCategory="Nails", masterCategory="Personal Care")
        assert (silent.text, silent.finish_reason, silent.error) == ("", "nothing_to_say", None)
    assert writer.counts == {"asked": 6, "silent": 3}
    footwear = ask(articleType=None, subCategory="Nails", masterCategory="Footwear")
    assert json.loads(footwear.text)["category"] == "Footwear"


def test_identity_names_the_words_the_seed_and_the_catalogues_values(writer):
    assert {**writer.identity, "revision": ""} == {
        "kind": "metadata",
        "model": "metadata",
        "revision": "",
        "parameters": {"seed": 0},
        "licence": None,
    }
    assert MetadataAnnotator(Wording()).identity == writer.identity
    assert MetadataAnnotator(Wording(), seed=1).identity["parameters"] == {"seed": 1}
    fewer = MetadataAnnotator(Wording({"articleType": ["Jeans"]}))
    assert fewer.identity["revision"] != writer.identity["revision"]


def test_a_kind_alone_makes_a_sentence_of_three_words(writer):
    for number in range(100):
        said = writer.draft({"id": str(number), "metadata": {"articleType": "Shirts"}})["description"]
        assert len(said.split()) >= 3 and "shirt" in said
    assert writer.known({"record": {}}) is None
