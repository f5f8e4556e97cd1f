"""The rule judge, on sentences whose verdict is plain, and its lexicon on sentences that others labelled."""

import json

import pytest

from benchmarks.rule_judge import ATTRIBUTES, FIXTURE, RESULTS, compare, labels, load_fixture, measure, results_of
from moda.data.lexicon import Lexicon, Mention
from moda.evaluation.five import Verdict, five_scores
from moda.evaluation.rules import RuleJudge


ROW = {"articleType": "Tshirts", "baseColour": "Navy Blue", "gender": "Men", "usage": "Casual"}


@pytest.fixture(scope="module")
def judge():
    return RuleJudge(Lexicon({}))


def test_all_right(judge):
    verdict = judge.judge("A navy tee for guys, casual.", ROW)
    assert verdict == Verdict(
        colours_right=1,
        colours=1,
        style=True,
        category=True,
        gender=True,
        details_right=4,
        details=4,
        read={"baseColour": ["Navy Blue"], "articleType": ["Tshirts"], "gender": ["Men"], "usage": ["Casual"]},
    )


def test_wrong_and_unsaid(judge):
    verdict = judge.judge("A RED tee for men and for sports.", {**ROW, "usage": None, "gender": "Women"})
    assert (verdict.colours_right, verdict.colours, verdict.style, verdict.category, verdict.gender) == (
        0,
        1,
        None,
        True,
        False,
    )
    assert (verdict.details_right, verdict.details, verdict.unverifiable) == (1, 3, 1)  # nothing is known of sports
    assert verdict.wrong == ["colour: says red, is Navy Blue", "gender: says men, is Women"]
    assert judge.judge("A red tee.", ROW).wrong == [
        "colour: says red, is Navy Blue",
        "usage: not said",
        "gender: not said",
    ]


def test_another_value_beside_the_true_one_is_wrong(judge):
    verdict = judge.judge("A navy shirt, or a tee, for men, boys.", ROW)
    assert not verdict.category and not verdict.gender
    assert (verdict.details_right, verdict.details) == (3, 5)


def test_colours_in_excess_count_against_details_only(judge):
    verdict = judge.judge("A navy and white tee", ROW)
    assert (verdict.colours_right, verdict.colours, verdict.details_right, verdict.details) == (1, 1, 2, 3)


@pytest.mark.parametrize(
    "colours", [["Red", "White", "Blue"], "Red/White/Blue", "Red, White,Blue", "Red / White / Blue / "]
)
def test_several_colours(judge, colours):
    verdict = judge.judge("A red and blue tee", {"baseColour": colours})
    assert (verdict.colours_right, verdict.colours) == (2, 3)
    assert five_scores([verdict])["colour"][0] == pytest.approx(6.667, abs=1e-3)  # the guide's example


def test_several_colours_under_one_name_are_read_as_themselves():
    judge = RuleJudge(Lexicon({"baseColour": ["Red/White", "Multi"]}))
    for sentence in ("A red/white tee", "A white tee in red"):
        verdict = judge.judge(sentence, {"baseColour": "Red/White"})
        assert (verdict.colours_right, verdict.colours, verdict.details - verdict.details_right) == (2, 2, 0)
    multi = judge.judge("A multicoloured tee", {"baseColour": "Multi"})
    assert (multi.colours_right, multi.colours) == (1, 1)


def test_vague_words_are_right_and_read_as_the_truth(judge):
    verdict = judge.judge("Navy sneakers", {"articleType": "Sports Shoes"})
    assert verdict.category and verdict.read["articleType"] == ["Sports Shoes"]
    assert not judge.judge("Navy sneakers", {"articleType": "Sandals"}).category


def test_what_a_product_is_called_is_one_detail(judge):
    row = {"articleType": "Sports Shoes", "usage": "Casual"}
    verdict = judge.judge("Running shoes", row)
    assert verdict.category and verdict.style is False and (verdict.details_right, verdict.details) == (1, 1)
    assert judge.judge("Running shoes", {**row, "usage": "Sports"}).style is True


def test_details_that_the_metadata_lacks_may_be_in_the_title(judge):
    sentence = "A striped cotton tee with long sleeves"
    bare = judge.judge(sentence, ROW)
    assert (bare.details_right, bare.details, bare.unverifiable) == (1, 1, 3)
    titled = judge.judge(sentence, {**ROW, "productDisplayName": "Larkmoor Men Stripes Full-Sleeve Navy T-shirt"})
    assert (titled.details_right, titled.details, titled.unverifiable) == (3, 3, 1)
    known = judge.judge(sentence, {**ROW, "pattern": "Solid", "material": "Cotton", "title": "Striped tee"})
    assert (known.details_right, known.details, known.unverifiable) == (2, 3, 1)
    assert "pattern: says striped, is Solid" in known.wrong


@pytest.mark.parametrize("sentence", ["", "  ", "?!", "Lovely."])
def test_silence_is_wrong_where_something_is_known(judge, sentence):
    verdict = judge.judge(sentence, ROW)
    assert (verdict.style, verdict.category, verdict.gender, verdict.details) == (False, False, False, 0)
    assert verdict.wrong == ["colour: not said", "usage: not said", "article: not said", "gender: not said"]
    assert judge.judge(sentence, {}) == judge.judge(sentence, dict.fromkeys(ROW)) == Verdict()


def test_sentences_and_rows_must_align(judge):
    assert judge.judge_all(["A navy tee"], [ROW]) == [judge.judge("A navy tee", ROW)]
    with pytest.raises(ValueError, match="1 sentences for 2 rows"):
        judge.judge_all([""], [ROW, ROW])


def test_mentions_match_labels_one_to_one():
    said = [Mention("baseColour", values, "", 0, 0) for values in (("Red",), ("Red",), ("Blue", "Teal"))]
    assert compare(said, [("red", "maroon"), ("Teal",), ("Blue",)]) == (2, [said[1]], [("teal",)])


@pytest.mark.parametrize("attribute", ATTRIBUTES)
def test_reads_what_people_read(attribute):
    rows = load_fixture()
    assert len(rows) >= 200 and sum(len(labels(row, attribute)) for row in rows) >= 100
    assert measure(rows, attribute, Lexicon({}))["f1"] >= 0.97


def test_the_published_figures_are_those_of_this_lexicon():
    assert FIXTURE.is_file()
    assert json.loads(RESULTS.read_text(encoding="utf-8")) == results_of(load_fixture(), Lexicon({}))
