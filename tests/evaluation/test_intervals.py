"""Intervals, against scipy's and against a truth that is known."""

import numpy as np
import pytest
from scipy.stats import binomtest
from scipy.stats import bootstrap as reference

from moda.evaluation import intervals
from moda.evaluation.five import OVERALL, SCORES, Verdict, five_scores, summary
from moda.evaluation.intervals import accuracy, bootstrap, bootstrap_weights, interval, paired


def mean(values):
    return lambda weights: weights @ values / weights.sum(-1)


def test_weights_draw_as_many_rows_as_there_are_and_the_seed_decides():
    weights = bootstrap_weights(50, resamples=300, seed=1)
    assert weights.shape == (300, 50) and (weights.sum(1) == 50).all()
    assert weights.mean() == 1 and weights.var() == pytest.approx(1 - 1 / 50, abs=0.05)  # binomial
    assert (weights == bootstrap_weights(50, resamples=300, seed=1)).all()
    assert (weights != bootstrap_weights(50, resamples=300, seed=2)).any()


def test_chunks_change_nothing(monkeypatch):
    groups = [index // 3 for index in range(100)]
    whole = bootstrap_weights(100, resamples=40), bootstrap_weights(100, resamples=40, groups=groups)
    monkeypatch.setattr(intervals, "CHUNK", 700)
    assert (bootstrap_weights(100, resamples=40) == whole[0]).all()
    assert (bootstrap_weights(100, resamples=40, groups=groups) == whole[1]).all()


def test_groups_are_drawn_whole_and_none_is_a_row_of_its_own():
    groups = ["shirt", None, "shirt", "belt", None]
    weights = bootstrap_weights(5, resamples=500, groups=groups)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 1] != weights[:, 4]).any()
    assert (weights[:, [0, 1, 3, 4]].sum(1) == 4).all()  # four groups are drawn


@pytest.mark.parametrize(
    "arguments, message",
    [((0,), "rows and resamples must be at least 1, not 0"), ((3, 5, 0, ["a"]), "There are 1 groups for 3 rows")],
)
def test_what_cannot_be_drawn_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_weights(*arguments)


def test_equals_scipy_on_a_mean():
    values = np.random.default_rng(0).exponential(size=200)
    ours = bootstrap(mean(values), len(values), resamples=20_000)
    theirs = reference(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(5), batch=500
    )
    assert ours["value"] == pytest.approx(values.mean())
    assert ours["low"] == pytest.approx(theirs.confidence_interval.low, abs=0.005)
    assert ours["high"] == pytest.approx(theirs.confidence_interval.high, abs=0.005)


def test_covers_the_truth_as_often_as_it_says():
    generator = np.random.default_rng(3)
    weights = bootstrap_weights(150, resamples=600).T / 150
    truth, tries = 10 * 0.75, 1000
    samples = 10.0 * (generator.random((tries, 150)) < 0.75)
    low, high = interval((samples @ weights).T)
    covered = ((low <= truth) & (truth <= high)).mean()
    assert 0.925 <= covered <= 0.97  # two standard errors of the simulation: ±0.014, and the percentile's own 0.01


def test_covers_the_truth_when_rows_come_in_groups_and_forgetting_them_does_not():
    generator = np.random.default_rng(4)
    sizes, truth = 6, 0.6
    groups = np.repeat(np.arange(60), sizes)
    honest = fooled = wilson = 0
    tries = 300
    with_groups = bootstrap_weights(360, resamples=400, groups=groups)
    without = bootstrap_weights(360, resamples=400)
    for _ in range(tries):
        right = np.repeat(generator.random(60) < truth, sizes)  # a group is right or wrong as one
        for weights, add in ((with_groups, "honest"), (without, "fooled")):
            low, high = interval(weights @ right / weights.sum(1))
            honest += add == "honest" and low <= truth <= high
            fooled += add == "fooled" and low <= truth <= high
        share = accuracy(right, groups)
        wilson += share["low"] <= truth <= share["high"]
    assert honest / tries >= 0.91 and wilson / tries >= 0.91
    assert fooled / tries <= 0.7


def test_duplicated_rows_widen_the_interval_only_when_they_pass_for_new_ones():
    values = np.random.default_rng(1).normal(size=100)
    groups = list(range(100)) * 4
    once = bootstrap(mean(values), 100)
    fooled = bootstrap(mean(np.tile(values, 4)), 400)
    grouped = bootstrap(mean(np.tile(values, 4)), 400, groups=groups)
    width = {name: found["high"] - found["low"] for name, found in (("1", once), ("4", fooled), ("g", grouped))}
    assert width["g"] == pytest.approx(width["1"], rel=0.1)
    assert width["4"] == pytest.approx(width["1"] / 2, rel=0.1)


def test_five_scores_get_an_interval_each():
    generator = np.random.default_rng(0)
    verdicts = [
        Verdict(colours_right=int(hit[0]), colours=1, category=bool(hit[1]), gender=None, details_right=1, details=2)
        for hit in generator.random((400, 2)) < (0.7, 0.9)
    ]
    scores = five_scores([*verdicts, None])
    found = bootstrap(lambda weights: summary(scores, weights), len(verdicts) + 1, resamples=500)
    assert list(found) == [*SCORES, OVERALL]
    assert found["colour"]["low"] < found["colour"]["value"] < found["colour"]["high"]
    assert found["factual"] == {"value": 5.0, "low": 5.0, "high": 5.0}
    assert all(np.isnan(value) for value in found["gender"].values())  # no row has one
    means = summary(scores)
    assert all(found[name]["value"] == pytest.approx(means[name], nan_ok=True) for name in found)


def test_resamples_without_the_thing_are_left_out():
    rare = np.array([1.0] + [np.nan] * 9)
    known = ~np.isnan(rare)

    def statistic(weights):
        with np.errstate(invalid="ignore"):
            return weights @ np.where(known, rare, 0) / (weights @ known)

    assert bootstrap(statistic, 10) == {"value": 1.0, "low": 1.0, "high": 1.0}


def test_paired_is_narrower_where_systems_agree_on_what_is_hard():
    generator = np.random.default_rng(2)
    hard = generator.normal(size=300)
    a, b = hard + 0.1 * generator.normal(size=300) + 0.05, hard + 0.1 * generator.normal(size=300)
    found = paired(mean(a), mean(b), 300)
    apart = interval(bootstrap_weights(300, seed=1) @ a / 300 - bootstrap_weights(300, seed=2) @ b / 300)
    assert found["high"] - found["low"] < 0.2 * (apart[1] - apart[0])
    assert found["value"] == pytest.approx((a - b).mean())
    assert 0 < found["low"] < found["high"] and found["p"] <= 0.001
    turned = paired(mean(b), mean(a), 300)
    assert (turned["low"], turned["high"]) == pytest.approx((-found["high"], -found["low"])) and turned["p"] == found[
        "p"
    ]


def test_equal_systems_do_not_differ():
    values = np.random.default_rng(0).normal(size=100)
    assert paired(mean(values), mean(values.copy()), 100) == {"value": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}


def test_p_is_uniform_where_nothing_differs():
    generator = np.random.default_rng(9)
    found = [paired(mean(generator.normal(size=80)), mean(generator.normal(size=80)), 80, 400)["p"] for _ in range(300)]
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.03)
    assert np.mean(found) == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("right, rows", [(0, 5), (3, 7), (50, 50), (81, 90), (1, 1)])
def test_shares_have_wilson_intervals(right, rows):
    found = accuracy([index < right for index in range(rows)])
    theirs = binomtest(right, rows).proportion_ci(method="wilson")
    assert (found["low"], found["high"]) == (
        pytest.approx(theirs.low, abs=1e-12),
        pytest.approx(theirs.high, abs=1e-12),
    )
    assert found["low"] <= found["accuracy"] <= found["high"] and (found["right"], found["rows"]) == (right, rows)


def test_a_share_counts_groups_once_where_they_speak_as_one():
    right = [index < 30 for index in range(40)]
    quadrupled = accuracy(np.repeat(right, 4), np.repeat(np.arange(40), 4))
    once = accuracy(right)
    assert quadrupled["low"] == pytest.approx(once["low"], abs=0.005)
    assert accuracy([True] * 40, [0] * 40)["low"] == pytest.approx(accuracy([True])["low"])  # one group is one voice
    assert accuracy(right, range(40)) == once
    assert np.isnan(accuracy([])["low"])
