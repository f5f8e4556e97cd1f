"""Samples keep the catalogue's shares, hold every value that they should, and splits never cut through a group."""

from collections import Counter
from math import log2

import numpy as np
import pytest

from moda.annotation.sample import draw_sample, split_by_group


BY = ("gender", "articleType", "baseColour", "usage")


def catalogue(count, seed=0, most=40, group_size=3):
    """A catalogue of skewed columns that depend on each other, and groups of neighbours."""
    draw = np.random.default_rng(seed)
    kinds = (1 + draw.pareto(0.8, count)).astype(int) % most
    table = {
        "gender": [("Men", "Women", None)[kind % 3 if draw.random() < 0.8 else 0] for kind in kinds],
        "articleType": [f"type {kind}" for kind in kinds],
        "baseColour": [None if draw.random() < 0.05 else f"colour {int(draw.pareto(1)) % 20}" for _ in kinds],
        "usage": [("Casual", "Formal", "Party")[int(draw.pareto(1.5)) % 3] for _ in kinds],
        "notes": ["not looked at"] * count,
    }
    return table, draw.integers(0, max(1, count // group_size), count).tolist()


def distance(column, rows):
    whole, part = Counter(column), Counter(column[row] for row in rows)
    return sum(abs(whole[value] / len(column) - part[value] / len(rows)) for value in whole) / 2


def rounding(column, count):
    """The distance of the nearest sample of one column."""
    exact = [there * count / len(column) for there in Counter(column).values()]
    up = sorted((part - int(part) for part in exact), reverse=True)[: count - sum(map(int, exact))]
    left = sum(part - int(part) for part in exact) - sum(up)
    return (left + sum(1 - part for part in up)) / count / 2


@pytest.mark.parametrize("seed", range(4))
def test_every_column_keeps_its_shares(seed):
    table, groups = catalogue(6000, seed)
    sample = draw_sample(table, 800, seed, groups, BY)
    assert len(sample.rows) == len(set(sample.rows)) == 800 and sample.rows == sorted(sample.rows)
    assert list(sample.distances) == list(BY)
    for name in BY:
        assert sample.distances[name] == pytest.approx(distance(table[name], sample.rows))
        assert sample.distances[name] <= rounding(table[name], 800) + 0.002
    by_chance = np.random.default_rng(seed).permutation(6000)[:800].tolist()
    assert sum(sample.distances.values()) < sum(distance(table[name], by_chance) for name in BY) / 5


@pytest.mark.parametrize("seed", range(12))
def test_every_value_that_is_expected_is_there(seed):
    draw = np.random.default_rng(seed)
    table, groups = catalogue(int(draw.integers(60, 900)), seed, most=int(draw.integers(5, 120)))
    total = len(groups)
    expected = {(name, value) for name in BY for value in table[name]}
    count = int(draw.integers(min(len(expected), total), total + 1))
    expected = {(n, v) for n, v in expected if table[n].count(v) * count >= total}
    sample = draw_sample(table, count, seed, groups, BY, most_a_group=False)
    assert len(sample.rows) == count
    assert expected <= {(name, table[name][row]) for name in BY for row in sample.rows}
    assert sample.missing == [] and sample.skipped == []
    # With a limit for groups, what is not there is said, and nothing else.
    limited = draw_sample(table, count, seed, groups, BY, most_a_group=1)
    there = {(name, table[name][row]) for name in BY for row in limited.rows}
    assert {(line["column"], line["value"]) for line in limited.missing} == expected - there
    assert all(line["expected"] >= 1 and line["why"] for line in limited.missing)


@pytest.mark.parametrize(("seed", "times"), [(2, 3), (8, 2), (39, 4), (46, 2), (95, 2), (146, 3)])
def test_rare_values_are_there_where_columns_pull_apart(seed, times):
    draw = np.random.default_rng(seed)
    most, count = int(draw.integers(5, 40)), int(draw.integers(100, 500))
    table = {}
    for name in "abcd":
        values = (draw.pareto(1.0, count) * draw.integers(1, 6)).astype(int) % most
        table[name] = [str(value) for value in values]
    sample = draw_sample(table, most * times, 0, range(count), "abcd", most_a_group=False)
    expected = {(n, v) for n in table for v in table[n] if table[n].count(v) * most * times >= count}
    assert len(sample.rows) == most * times and sample.missing == []
    assert expected <= {(name, table[name][row]) for name in table for row in sample.rows}


def test_the_same_seed_draws_the_same_rows():
    table, groups = catalogue(900)
    rows = [draw_sample(table, 200, seed, groups, BY).rows for seed in (0, 0, 1)]
    assert rows[0] == rows[1] != rows[2]


def test_with_ids_the_order_does_not_matter():
    table, groups = catalogue(700)
    ids, order = [f"id {row}" for row in range(700)], np.random.default_rng(1).permutation(700).tolist()
    moved = {name: [column[row] for row in order] for name, column in table.items()}
    first = draw_sample(table, 150, 3, groups, BY, ids=ids, caps={"usage": 70})
    second = draw_sample(
        moved, 150, 3, [groups[row] for row in order], BY, ids=[ids[row] for row in order], caps={"usage": 70}
    )
    assert {ids[row] for row in first.rows} == {ids[order[row]] for row in second.rows}
    assert first.distances == pytest.approx(second.distances)


def test_a_group_gives_few_rows_and_other_groups_first():
    table = {"articleType": ["Shirts"] * 60 + ["Jeans"] * 40}
    groups = [0] * 30 + list(range(1, 31)) + [50] * 40
    sample = draw_sample(table, 20, 0, groups, ["articleType"])
    given = Counter(groups[row] for row in sample.rows)
    assert len(sample.rows) == 20 and given[50] == 4  # eight were expected; shirts take the other places
    assert all(count == 1 for group, count in given.items() if group != 50)
    assert [check for _, check, _ in sample.skipped] == ["near_duplicates"] * 4
    assert all(groups[row] == 50 and row not in sample.rows for row, _, _ in sample.skipped)
    assert draw_sample(table, 20, 0, groups, ["articleType"], most_a_group=False).distances["articleType"] == 0


def test_where_one_cell_gives_too_little_others_of_its_values_do():
    table, _ = catalogue(3000)
    pairs = zip(table["articleType"], table["baseColour"])
    blocked = [-1 if pair == ("type 1", "colour 0") else row for row, pair in enumerate(pairs)]
    assert blocked.count(-1) > 100
    sample = draw_sample(table, 300, 0, blocked, BY)
    assert sum(blocked[row] == -1 for row in sample.rows) <= 4 and len(sample.rows) == 300
    assert max(sample.distances.values()) < 0.05


def test_all_rows_are_taken_but_for_the_checks():
    table, groups = catalogue(400, group_size=8)
    assert draw_sample(table, 400, 0, groups, BY, most_a_group=False).rows == list(range(400))
    assert draw_sample(table, 5000, 0, list(range(400)), BY).rows == list(range(400))
    sample = draw_sample(table, 5000, 0, groups, BY, most_a_group=6, caps={"articleType": 20})
    assert sorted(sample.rows + [row for row, _, _ in sample.skipped]) == list(range(400))
    assert Counter(check for _, check, _ in sample.skipped).keys() == {"near_duplicates", "concept_caps"}
    assert max(Counter(groups[row] for row in sample.rows).values()) == 6
    assert max(Counter(table["articleType"][row] for row in sample.rows).values()) == 20


def bits(values):
    return -sum(count / len(values) * log2(count / len(values)) for count in Counter(values).values())


def test_caps_balance_and_the_sample_is_still_full():
    table, groups = catalogue(4000)
    sample = draw_sample(table, 500, 0, groups, BY, caps={"articleType": 60})
    assert len(sample.rows) == 500
    assert max(Counter(table["articleType"][row] for row in sample.rows).values()) == 60
    before, after = sample.entropy["articleType"]
    kinds = table["articleType"]
    assert before == pytest.approx(bits(kinds)) and after == pytest.approx(bits([kinds[row] for row in sample.rows]))
    assert after > before + 0.5
    capped = [why for _, check, why in sample.skipped if check == "concept_caps"]
    assert capped and "60 rows of articleType 'type 1'" in capped[0]
    assert max(sample.distances[name] for name in ("gender", "baseColour", "usage")) < 0.01  # the others keep theirs
    few = draw_sample(table, 500, 0, groups, ["gender"], caps={"usage": 10})
    assert len(few.rows) == 30 and list(few.distances) == ["gender"]


@pytest.mark.parametrize("count", [1, 5, 9])
def test_one_value_no_value_and_no_column(count):
    groups = list(range(9))
    for table in ({"gender": ["Men"] * 9}, {"gender": [None] * 9, "usage": [None] * 9}, {}):
        sample = draw_sample(table, count, 0, groups)
        assert len(set(sample.rows)) == count and set(sample.rows) <= set(groups)
        assert sample.distances == dict.fromkeys(table, 0.0) and sample.missing == []


def test_an_empty_catalogue():
    sample = draw_sample({"gender": []}, 10, 0, [], caps={"gender": 3})
    assert (sample.rows, sample.distances, sample.missing, sample.skipped) == ([], {"gender": 0.0}, [], [])
    assert sample.entropy == {"gender": (0.0, 0.0)}


def test_too_few_rows_for_all_that_must_be_there():
    # Each value is expected once, but no two rows hold all six.
    table = {"a": list("0011"), "b": list("0101"), "c": list("0110")}
    sample = draw_sample(table, 2, 0, range(4), "abc")
    assert len(sample.rows) == 2 and [line["expected"] for line in sample.missing] == [1.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": 0}, "count is 0; give a whole number above 0"),
        ({"count": 2.5}, "count is 2.5"),
        ({"most_a_group": True}, "most_a_group is True"),
        ({"caps": {"usage": 5}}, "concept_caps names 'usage'.*gender"),
        ({"caps": {"gender": "5"}}, "concept_caps of gender is '5'"),
        ({"ids": ["1"]}, "ids has 1 entries where there are 3 groups"),
        ({"table": {"gender": ["Men"]}}, "gender has 1 entries"),
    ],
)
def test_what_can_not_be_drawn_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        draw_sample(**{"table": {"gender": ["Men"] * 3}, "count": 2, "seed": 0, "groups": [0, 1, 2], **change})


SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}


@pytest.mark.parametrize("seed", range(3))
def test_splits_hit_the_shares_and_cut_no_group(seed):
    table, groups = catalogue(2000, seed)
    kinds = [kind if table["articleType"].count(kind) > 60 else None for kind in table["articleType"]]
    splits = split_by_group(groups, SHARES, seed, strata=kinds)
    assert len({(group, split) for group, split in zip(groups, splits)}) == len(set(groups))
    assert {name: count / 2000 for name, count in Counter(splits).items()} == pytest.approx(SHARES, abs=0.002)
    assert {(kind, split) for kind, split in zip(kinds, splits)} == {(k, s) for k in set(kinds) for s in SHARES}
    assert split_by_group(groups, SHARES, seed, strata=kinds) == splits
    assert split_by_group(groups, SHARES, seed + 1, strata=kinds) != splits


def test_a_large_group_goes_to_training():
    for seed in range(10):
        splits = split_by_group([0] * 50 + list(range(1, 51)), SHARES, seed)
        assert set(splits[:50]) == {"train"} and Counter(splits) == {"train": 80, "validation": 10, "test": 10}


def test_splits_of_the_source_are_kept():
    groups = [0, 0, 1, 1, 2, 2, 3, 4, 4]
    theirs = ["train", "test", "train", "validation", "train", None, "validation", None, None]
    found = split_by_group(groups, {"train": 0, "test": 1}, 0, splits=theirs)
    assert found == ["test", "test", "validation", "validation", "train", "train", "validation", "test", "test"]
    assert sum(a is not None and a != b for a, b in zip(theirs, found)) == 2


def test_splits_without_rows_and_shares_that_are_none():
    assert split_by_group([], SHARES, 0) == []
    assert split_by_group([3, 3, 4], {"train": 1}, 0) == ["train"] * 3
    for shares in ({"train": 0.5}, {"train": 1.2, "test": -0.2}, {"training": 1.0}, {}):
        with pytest.raises(ValueError, match="add up to 1"):
            split_by_group([0, 1], shares, 0)
    with pytest.raises(ValueError, match="a split 'dev'.*rename it"):
        split_by_group([0, 1], SHARES, 0, splits=["train", "dev"])
