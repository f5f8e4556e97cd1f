"""The five scores: their definition at its edges, and planted errors that must cost exactly their share."""

import math
import random

import numpy as np
import pytest

from moda.data.demo import KINDS
from moda.data.wording import Wording
from moda.data.words import COLOUR_WORDS
from moda.evaluation.five import BINARY, OVERALL, SCORES, Verdict, five_scores, summary
from moda.evaluation.intervals import bootstrap_weights, interval
from moda.evaluation.rules import RuleJudge


def one(**fields):
    return {name: values[0] for name, values in five_scores([Verdict(**fields)]).items()}


def test_the_guides_example():
    assert one(colours_right=2, colours=3)["colour"] == pytest.approx(6.667, abs=1e-3)


def test_right_and_wrong():
    right = one(colours_right=1, colours=1, style=True, category=True, gender=True, details_right=3, details=3)
    assert right == dict.fromkeys((*SCORES, OVERALL), 10)
    wrong = one(colours=1, style=False, category=False, gender=False, details=3)
    assert wrong == dict.fromkeys((*SCORES, OVERALL), 0)


def test_zero_denominators_are_excluded():
    scores = one(category=True, gender=False)
    assert [name for name in SCORES if math.isnan(scores[name])] == ["colour", "style", "factual"]
    assert scores[OVERALL] == 5
    assert all(math.isnan(value) for value in one(unverifiable=4).values())


def test_failed_verdicts_are_excluded():
    scores = five_scores([None, Verdict(gender=True)])
    assert all(math.isnan(values[0]) for values in scores.values()) and scores["gender"][1] == scores[OVERALL][1] == 10
    assert summary(scores)["gender"] == summary(scores)[OVERALL] == 10
    for verdicts in ([None, None], []):
        scores = five_scores(verdicts)
        assert all(values.shape == (len(verdicts),) and np.isnan(values).all() for values in scores.values())
        assert all(math.isnan(value) for value in summary(scores).values())


def test_summary_equals_the_rows_written_out():
    generator = random.Random(0)

    def maybe():
        return generator.choice([None, True, False])

    verdicts = [
        generator.choice(
            [None, Verdict(generator.randrange(2), 2, maybe(), maybe(), maybe(), 1, generator.randrange(1, 4))]
        )
        for _ in range(30)
    ]
    verdicts += [Verdict()]
    scores = five_scores(verdicts)
    weights = np.random.default_rng(0).integers(0, 4, size=(5, len(verdicts)))
    means = summary(scores, weights)
    for number, drawn in enumerate(weights):
        rows = [row for row, count in enumerate(drawn) for _ in range(count)]
        expected = {}
        for name in SCORES:
            known = [scores[name][row] for row in rows if not math.isnan(scores[name][row])]
            expected[name] = sum(known) / len(known)
        expected[OVERALL] = sum(expected.values()) / len(expected)
        assert {name: means[name][number] for name in means} == pytest.approx(expected)
    assert summary(scores, np.ones(len(verdicts))) == summary(scores)


WORDING = Wording()
JUDGE = RuleJudge(WORDING.lexicon)
ROWS = 400


@pytest.fixture(scope="module")
def products():
    """Metadata as the drawn catalogue has it."""
    generator = random.Random(7)
    rows = []
    for _ in range(ROWS):
        article = generator.choice(list(KINDS))
        kind = KINDS[article]
        row = {
            "articleType": article,
            "masterCategory": kind.master,
            "baseColour": generator.choice(list(COLOUR_WORDS)),
            "gender": generator.choice(kind.genders),
            "usage": generator.choice(kind.usages),
            "pattern": generator.choice(kind.patterns),
        }
        rows.append(row)
    return rows


def said(rows, seed=3):
    generator = random.Random(seed)
    return [WORDING.write(row, rng=generator) for row in rows]


def test_truth_scores_full(products):
    scores = five_scores(JUDGE.judge_all(said(products), products))
    assert all((values == 10).all() for values in scores.values())


def planted(products, attribute, percent):
    """The products as k % of the sentences wrongly describe them, and which those are."""
    generator = random.Random(f"{attribute}{percent}")
    changed = set(generator.sample(range(ROWS), ROWS * percent // 100))
    values = list(WORDING.lexicon.values[attribute])
    return [
        {**row, attribute: generator.choice([value for value in values if value != row[attribute]])}
        if index in changed
        else row
        for index, row in enumerate(products)
    ], changed


@pytest.mark.parametrize("percent", [2, 10, 25, 60, 100])
@pytest.mark.parametrize("score", ["colour", *BINARY])
def test_planted_errors_cost_their_share(products, score, percent):
    claimed, changed = planted(products, {"colour": "baseColour", **BINARY}[score], percent)
    scores = five_scores(JUDGE.judge_all(said(claimed), products))
    means = summary(scores)
    assert means[score] == pytest.approx(10 * (1 - percent / 100))
    assert set(np.flatnonzero(scores[score] == 0)) == changed
    assert all(means[name] == 10 for name in SCORES if name not in (score, "factual"))
    # Of a changed sentence one detail is wrong: of article, colour, gender, usage, and pattern unless it is solid.
    details = [4 + (row["pattern"] != "Solid") for row in products]
    assert means["factual"] == pytest.approx(10 - 10 * sum(1 / details[index] for index in changed) / ROWS)
    resampled = summary(scores, bootstrap_weights(ROWS, resamples=500))
    for name in (score, "factual", OVERALL):
        low, high = interval(resampled[name])
        assert low <= means[name] <= high and (percent == 100 or low < high < 10)


@pytest.mark.parametrize("percent", [10, 50, 100])
def test_planted_details_cost_their_share_of_factual_alone(products, percent):
    """k % of all sentences add that the product is of a material that it is not; nothing else is wrong."""
    rows = [{**row, "material": "Cotton"} for row in products]
    sentences = said(products)
    changed = random.Random(percent).sample(range(ROWS), ROWS * percent // 100)
    for index in changed:
        sentences[index] += " It is made of denim."
    scores = five_scores(JUDGE.judge_all(sentences, rows))
    assert all((scores[name] == 10).all() for name in SCORES[:-1])
    lost = {index: 10 / (5 + (products[index]["pattern"] != "Solid")) for index in changed}
    assert scores["factual"] == pytest.approx([10 - lost.get(index, 0) for index in range(ROWS)])
    low, high = interval(summary(scores, bootstrap_weights(ROWS, resamples=500))["factual"])
    assert low <= 10 - sum(lost.values()) / ROWS <= high < 10


@pytest.mark.parametrize("score", ["colour", *BINARY])
def test_errors_at_random_are_recovered_within_the_interval(products, score):
    """As many intervals hold the share that errors were drawn with as a 95 % interval should, give or take."""
    attribute = {"colour": "baseColour", **BINARY}[score]
    held = []
    for trial in range(40):
        generator = random.Random(f"{score}{trial}")
        share = generator.choice([0.1, 0.3, 0.5])
        values = list(WORDING.lexicon.values[attribute])
        rows = generator.sample(products, 150)
        claimed = [
            {**row, attribute: generator.choice([value for value in values if value != row[attribute]])}
            if generator.random() < share
            else row
            for row in rows
        ]
        scores = five_scores(JUDGE.judge_all(said(claimed, seed=trial), rows))
        low, high = interval(summary(scores, bootstrap_weights(len(rows), resamples=300, seed=trial))[score])
        held.append(low <= 10 * (1 - share) <= high)
    assert sum(held) >= 34  # of 40; a 95 % interval holds fewer about once in a thousand times


def test_the_overall_score_is_made_of_the_same_scores_in_every_resample():
    """Fifty right rows, the style of a single one known, and wrong: a draw without that row has no overall score."""
    scores = five_scores([Verdict(1, 1, None, True, True, 3, 3)] * 49 + [Verdict(1, 1, False, True, True, 3, 4)])
    weights = np.ones((2, 50))
    weights[1, -1] = 0
    means = summary(scores, weights)
    assert means[OVERALL][0] == pytest.approx((10 + 0 + 10 + 10 + np.mean(scores["factual"])) / 5)
    assert np.isnan(means[OVERALL][1]) and np.isnan(means["style"][1])
    without = five_scores([Verdict(1, 1, None, True, True, 3, 3)])
    assert summary(without)[OVERALL] == 10  # a score that no row has is no part of it
