"""Intervals, against scipy's and against a truth that is known."""

import numpy as np
import pytest
from scipy.stats import binomtest, norm, t
from scipy.stats import bootstrap as reference

from moda.evaluation import intervals
from moda.evaluation.five import OVERALL, SCORES, Verdict, five_scores, summary
from moda.evaluation.intervals import (
    accuracy,
    bootstrap,
    bootstrap_weights,
    effective_units,
    interval,
    intraclass_correlation,
    paired,
)


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
    weights = bootstrap_weights(len(values), resamples=20_000)
    low, high = interval(weights @ values / 200)
    assert bootstrap(mean(values), 200, resamples=100)["value"] == pytest.approx(values.mean())
    theirs = reference(
        (values,), np.mean, n_resamples=20_000, method="percentile", rng=np.random.default_rng(5), batch=500
    )
    assert low == pytest.approx(theirs.confidence_interval.low, abs=0.005)
    assert high == pytest.approx(theirs.confidence_interval.high, abs=0.005)


def test_a_level_is_that_of_the_interval():
    values = np.linspace(0, 1, 1001)
    assert interval(values, 0.8) == pytest.approx((0.1, 0.9)) and interval(values) == pytest.approx((0.025, 0.975))
    assert interval(np.append(values, [np.nan] * 500), 0.8) == pytest.approx((0.1, 0.9))
    tail = norm.sf(np.sqrt(10 / 9) * t.isf(0.1, 9))  # Hesterberg 2015, section 5.3
    narrow, wide = (bootstrap(mean(values[:50]), 50, resamples=500, level=level) for level in (0.8, 0.95))
    assert narrow["high"] - narrow["low"] < 0.75 * (wide["high"] - wide["low"])
    zero = mean(np.zeros(50))
    assert paired(mean(values[:50]), zero, 50, 500, level=0.8)["high"] == narrow["high"] < wide["high"]
    assert interval(values, 0.8, units=10) == pytest.approx((tail, 1 - tail)) and tail < 0.1


def test_units_are_counted():
    assert effective_units(7) == effective_units(7, list("abcdefg")) == effective_units(7, [None] * 7) == 7
    assert effective_units(6, list("aabbcc")) == 3 and effective_units(6, ["a"] * 6) == 1
    assert effective_units(5, ["a", "a", "a", "b", None]) == pytest.approx(25 / 11)
    with pytest.raises(ValueError, match="There are 1 groups for 3 rows"):
        effective_units(3, ["a"])


@pytest.mark.parametrize("rows, groups", [(1, None), (60, ["a"] * 60), (60, ["a"] * 59 + ["b"])])
def test_one_unit_proves_nothing(rows, groups):
    a, b = np.full(rows, 10.0), np.zeros(rows)
    found = paired(mean(a), mean(b), rows, groups=groups)
    assert found["value"] == 10 and all(np.isnan(found[name]) for name in ("low", "high", "p", "p_floor"))
    assert np.isnan(bootstrap(mean(a), rows, groups=groups)["low"])


def test_few_groups_give_no_interval_and_a_cautious_p():
    a, groups = np.ones(30), [*range(3)] * 10
    found = paired(mean(a), mean(0 * a), 30, groups=groups)
    assert np.isnan(found["low"]) and found["p"] == found["p_floor"] == 0.25
    six = paired(mean(a), mean(0 * a), 30, groups=[*range(6)] * 5)
    assert six["low"] == six["high"] == 1 and six["p"] == six["p_floor"] == 1 / 32  # as a coin that falls alike 6 times
    assert np.isnan(interval(np.ones(9), 0.95, units=5)[0]) and interval(np.ones(9), 0.9, units=5) == (1, 1)


@pytest.mark.parametrize("count, most", [(6, 0.05), (10, 0.065), (40, 0.065)])
def test_few_groups_do_not_make_differences(count, most):
    generator, tries, size = np.random.default_rng(count), 600, 6
    groups = np.repeat(np.arange(count), size)
    rows = count * size
    samples = np.repeat(generator.normal(size=(tries, count)), size, axis=1) + generator.normal(size=(tries, rows))

    def several(samples):
        return lambda weights: {str(index): weights @ row / rows for index, row in enumerate(samples)}

    found = paired(several(samples), several(0 * samples), rows, groups=groups).values()
    wrong, outside = (
        np.mean([one["p"] < 0.05 for one in found]),
        np.mean([not one["low"] <= 0 <= one["high"] for one in found]),
    )
    assert wrong <= most and outside <= 0.075  # the percentile interval misses 0.16, 0.10, 0.06
    assert count == 6 or wrong >= 0.03


def test_p_leaves_out_resamples_where_nothing_can_be_compared():
    a = np.array([1.0, 2.0, 3.0, 2.0, 1.0, 2.0, *[np.nan] * 60])
    known = ~np.isnan(a)

    def statistic(weights):
        with np.errstate(invalid="ignore"):
            return weights @ np.where(known, a, 0) / (weights @ known)

    found = paired(statistic, lambda weights: 0 * weights[:, 0], 66, resamples=4000)
    drawn = bootstrap_weights(66, resamples=4000)[:, :6].any(1).sum()
    assert drawn < 4000
    z = norm.isf(1 / (drawn + 1))
    assert found["p"] == pytest.approx(2 * t.sf(z * np.sqrt(65 / 66), 65), rel=1e-9)


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
    assert 0 < found["low"] < found["high"] and found["p"] == found["p_floor"] < 0.002
    turned = paired(mean(b), mean(a), 300)
    assert (turned["low"], turned["high"]) == pytest.approx((-found["high"], -found["low"])) and turned["p"] == found[
        "p"
    ]


def test_equal_systems_do_not_differ():
    values = np.random.default_rng(0).normal(size=100)
    found = paired(mean(values), mean(values.copy()), 100)
    assert found.pop("p_floor") < 0.002 and found == {"value": 0.0, "low": 0.0, "high": 0.0, "p": 1.0}
    rounded = paired(mean(values), lambda weights: mean(values)(weights) + 1e-15, 100)
    assert rounded["p"] == 1  # equal but for the rounding of a sum


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


def test_alike_is_what_a_group_shares():
    generator = np.random.default_rng(0)
    groups = np.repeat(np.arange(4000), 5)
    for rho in (0, 0.3, 1):
        chance = generator.beta(*(np.array([0.8, 0.2]) * (1 / rho - 1)), 4000) if 0 < rho < 1 else np.full(4000, 0.8)
        whole = generator.random(4000) < 0.8
        right = np.repeat(whole, 5) if rho == 1 else generator.random(20_000) < np.repeat(chance, 5)
        assert intraclass_correlation(right, groups) == pytest.approx(rho, abs=0.03)
    assert intraclass_correlation([True, False, True], [None] * 3) == intraclass_correlation([True], None) == 0
    assert intraclass_correlation([True] * 9, list("aaabbbccc")) == 1  # without an error nothing is known
    assert intraclass_correlation([True, False] * 9, ["a"] * 18) == 1
    opposed = [True, False] * 200, np.repeat(np.arange(200), 2)
    assert 0 <= intraclass_correlation(*opposed) < 0.03
    assert accuracy(*opposed)["low"] <= accuracy(opposed[0])["low"]  # never more rows than there are


@pytest.mark.parametrize(
    "groups",
    [[0] * 140 + list(range(1, 101)), np.repeat(np.arange(60), 4), np.repeat(np.arange(6), [4, 9, 16, 31, 60, 120])],
)
@pytest.mark.parametrize("spread", [False, True])
def test_one_error_changes_an_interval_little(groups, spread):
    order = np.random.default_rng(0).permutation(240) if spread else np.arange(240)[::-1]
    found = []
    for errors in range(25):
        right = np.ones(240, dtype=bool)
        right[order[:errors]] = False
        found.append(accuracy(right, groups))
    widths = np.array([one["high"] - one["low"] for one in found])
    assert (widths[1:] / widths[:-1]).min() > 0.7 and (widths[1:] / widths[:-1]).max() < 1.6
    assert abs(np.diff([one["low"] for one in found])).max() < 0.06


def test_a_known_correlation_sets_the_design_effect():
    right, groups = [True] * 30 + [False] * 10, np.repeat(np.arange(10), 4)
    for rho in (0, 0.25, 1):
        effective = 40 / (1 + 3 * rho)
        found = accuracy(right, groups, correlation=rho)
        z, p = norm.isf(0.025), 0.75
        half = z / (1 + z**2 / effective) * np.sqrt(p * (1 - p) / effective + z**2 / 4 / effective**2)
        assert found["high"] - found["low"] == pytest.approx(2 * half)
    assert accuracy(right, groups, correlation=0)["low"] == pytest.approx(accuracy(right)["low"])


@pytest.mark.parametrize("count, share, rho", [(5, 0.9, 0.5), (8, 0.6, 0.5), (10, 0.9, 0.2), (10, 0.9, 1), (8, 0.7, 0)])
def test_shares_of_few_unequal_groups_hold_the_truth(count, share, rho):
    generator, held = np.random.default_rng(1), []
    for _ in range(400):
        sizes = generator.geometric(1 / 10, count)
        chance = generator.random(count) < share if rho == 1 else np.full(count, share)
        if 0 < rho < 1:
            chance = generator.beta(share * (1 / rho - 1), (1 - share) * (1 / rho - 1), count)
        right = generator.random(sizes.sum()) < np.repeat(chance, sizes)
        found = accuracy(right, np.repeat(np.arange(count), sizes))
        held.append(found["low"] <= share <= found["high"])
    assert np.mean(held) >= 0.925
