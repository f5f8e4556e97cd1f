"""Which rows are annotated, and which of them a model is trained, validated and tested on?"""

import hashlib
from collections import Counter
from dataclasses import dataclass
from numbers import Integral

import numpy as np


BY = ("gender", "masterCategory", "subCategory", "articleType", "baseColour", "usage")
SPLITS = ("train", "validation", "test")
CELL = 0.25  # what a row too many or too few in a cell weighs, where one of a column's value weighs 1
SWEEPS = 30  # most times that the drawn rows are gone through for better ones: more take long and better little


@dataclass
class Sample:
    """Rows drawn from a catalogue.

    Attributes:
        rows (`list[int]`): Positions of the rows drawn, in the catalogue's order.
        distances (`dict[str, float]`): Of each column, the total-variation distance of the sample's values to the whole
            catalogue's: 0 (the same shares) to 1.
        missing (`list[dict]`): `column`, `value`, `expected` (how many rows of it a sample of these proportions has) and
            `why`, of the values with an expected count of at least one that are not in the sample.
        skipped (`list[tuple[int, str, str]]`): Row, check (`near_duplicates` or `concept_caps`) and why, of the rows that
            would have been drawn without the checks.
        entropy (`dict[str, tuple[float, float]]`): Of each capped column, the entropy of its values in bits: in the
            catalogue, and in the sample.
    """

    rows: list
    distances: dict
    missing: list
    skipped: list
    entropy: dict


def draw_sample(table, count, seed, groups, by=BY, most_a_group=4, caps=None, ids=None):
    """Draws rows so that the values of every column keep the shares that they have in the catalogue.

    Rows that agree in all columns make a cell. First come rows of each value with an expected count of at least one; then
    the whole part of each cell's expected count; then row by row one of the cell that is furthest behind, counted over the
    cell and all its values; then rows are swapped as long as that helps. So what a cell can't give, since its rows are near-duplicates, others of the same values do.
    Within a cell come first rows of different groups, then a second of each, and so on.

    Args:
        table (`dict[str, list[str | None]]`): Columns of the catalogue. `None` is a value of its own.
        count (`int`): Rows to draw. Where there are not more, all are drawn that the checks let through.
        seed (`int`): Of the drawing.
        groups (`Sequence[int]`): One a row, shared by near-duplicates; see [`near_duplicates`].
        by (`Sequence[str]`, *optional*): Columns whose shares are kept. Those that the table does not have don't count.
        most_a_group (`int`, *optional*, defaults to 4): Most rows of a group; `False` for no limit.
        caps (`dict[str, int]`, *optional*): Most rows of any one value of a column, as in `{"articleType": 500}`. Rows of
            other values take their places (balancing as in MetaCLIP, arXiv 2309.16671, section 3.3).
        ids (`Sequence[str]`, *optional*): One a row, unique. With them the sample does not depend on the rows' order.

    Returns:
        [`Sample`]

    Raises:
        `ValueError`: If columns, groups and ids are not of one length, a capped column is not there, or a number is not a
            whole one above 0.
    """
    caps, total = caps or {}, len(groups)
    _check(table, total, count, most_a_group, caps, ids)
    columns = [name for name in dict.fromkeys((*by, *caps)) if name in table]
    values = [sorted(set(table[name]), key=lambda value: (value is None, value or "")) for name in columns]
    codes = [_code(table[name], found) for name, found in zip(columns, values)]
    groups = np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    drawing = _Drawing(codes, groups, _keys(total, seed, ids), seed)
    plain = drawing.draw(count) if count < total else np.arange(total)
    rows = drawing.draw(count, most_a_group, [caps.get(name) for name in columns]) if caps or most_a_group else plain

    sizes = [np.bincount(code, minlength=len(found)) for code, found in zip(codes, values)]
    drawn = [np.bincount(code[rows], minlength=len(found)) for code, found in zip(codes, values)]
    shares = {name: (a / max(total, 1), b / max(len(rows), 1)) for name, a, b in zip(columns, sizes, drawn)}
    missing = []
    for name, found, size, had in zip(columns, values, sizes, drawn):
        for value in np.flatnonzero((size * count >= total) & (had == 0)):
            why = f"The checks and the other values that must be there left no place for its {size[value]} rows."
            expected = float(size[value] * min(count / total, 1))
            missing.append({"column": name, "value": found[value], "expected": expected, "why": why})
    given = np.bincount(groups[rows], minlength=total)
    full = [(name, (had >= caps[name])[code]) for name, code, had in zip(columns, codes, drawn) if name in caps]
    skipped = []
    for row in np.setdiff1d(plain, rows).tolist():
        names = [name for name, rows_of in full if rows_of[row]]
        if most_a_group and given[groups[row]] >= most_a_group:
            why = f"{most_a_group} of its near-duplicates are drawn already, the most of a group."
            skipped.append((row, "near_duplicates", why))
        elif names:
            value = table[names[0]][row]
            why = f"{caps[names[0]]} rows of {names[0]} {value!r} are drawn already, the most of a value."
            skipped.append((row, "concept_caps", why))
    distances = {name: float(abs(a - b).sum() / 2) for name, (a, b) in shares.items() if name in by}
    entropy = {name: tuple(_entropy(share) for share in shares[name]) for name in caps}
    return Sample(rows.tolist(), distances, missing, skipped, entropy)


def total_variation(values, others):
    """Half the sum of what the shares of all values differ by: 0 (the same shares) to 1.

    Args:
        values, others (`Sequence`): Two columns.
    """
    one, other = Counter(values), Counter(others)
    sizes = max(len(values), 1), max(len(others), 1)
    return sum(abs(one[value] / sizes[0] - other[value] / sizes[1]) for value in {**one, **other}) / 2


class _Drawing:
    """The cells of a catalogue, and each one's rows in the order in which they are drawn."""

    def __init__(self, codes, groups, keys, seed):
        self.codes, self.groups, self.total = np.stack([np.zeros(len(groups), np.int64), *codes]), groups, len(groups)
        self.cells, cell_of, self.sizes = np.unique(self.codes, axis=1, return_inverse=True, return_counts=True)
        cell_of = cell_of.reshape(-1)
        order = np.lexsort((keys, groups, cell_of))
        changes = np.diff(cell_of[order], prepend=-1).astype(bool) | np.diff(groups[order], prepend=-1).astype(bool)
        starts = np.flatnonzero(changes)
        nth = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))  # of its group in the cell
        order = order[np.lexsort((keys[order], nth, cell_of[order]))]
        self.order = [rows.tolist() for rows in np.split(order, np.cumsum(self.sizes)[:-1])]
        self.cells_of = [
            np.split(np.argsort(code, kind="stable"), np.cumsum(np.bincount(code))[:-1]) for code in self.cells
        ]
        self.ties = np.random.default_rng(seed).random(len(self.sizes)) / 1e6

    def draw(self, count, most_a_group=False, caps=()):
        count, cells = min(count, self.total), self.cells
        self.most_a_group, self.caps = most_a_group or self.total, [None, *(caps or [None] * len(cells[1:]))]
        quota = self.sizes * (count / max(self.total, 1))
        targets = [np.bincount(code, quota) for code in cells]
        self.wanted = [np.bincount(code) * count >= self.total for code in self.codes]
        self.had, self.given = [np.zeros(len(target), np.int64) for target in targets], np.zeros(self.total, np.int64)
        self.queues, self.drawn = [rows[::-1] for rows in self.order], [[] for _ in self.order]
        self.open = np.ones(len(quota), bool)
        behind = CELL * quota + self.ties + sum(target[code] for target, code in zip(targets, cells))
        self.behind, left = behind.copy(), count

        while left:  # what must be there, the cells first that have most of it
            absent = sum((needed & (had == 0))[code] for needed, had, code in zip(self.wanted, self.had, cells))
            absent = absent * self.open
            if not absent.any():
                break
            left -= self._add(np.argmax(np.where(absent == absent.max(), self.behind, -np.inf)))
        short = np.maximum(quota - [len(rows) for rows in self.drawn], 0)
        whole = np.floor(short * min(1, left / max(short.sum(), 1e-9)) + 1e-9).astype(np.int64)
        whole *= not any(self.caps)  # which the first cells would fill
        left -= sum(self._add(cell, count=False) for cell in np.repeat(np.arange(len(whole)), whole))
        self.behind = behind - CELL * np.array([len(rows) for rows in self.drawn])
        self.behind -= sum(had[code] for had, code in zip(self.had, cells))
        while left and self.open.any():
            left -= self._add(np.argmax(np.where(self.open, self.behind, -np.inf)))
        self._swap()
        return np.sort(np.array([row for rows in self.drawn for row in rows], np.int64))

    def _add(self, cell, count=True):
        values, queue = self.cells[:, cell], self.queues[cell]
        if not any(cap and had[value] >= cap for cap, had, value in zip(self.caps, self.had, values)):
            while queue:
                row = queue.pop()
                if self.given[self.groups[row]] < self.most_a_group:
                    self.drawn[cell].append(row)
                    self._count(cell, row, 1, count)
                    return True
        self.open[cell] = False
        return False

    def _count(self, cell, row, change, count=True):
        self.given[self.groups[row]] += change
        for had, value in zip(self.had, self.cells[:, cell]):
            had[value] += change
        if count:
            self.behind[cell] -= change * CELL
            for cells_of, value in zip(self.cells_of, self.cells[:, cell]):
                self.behind[cells_of[value]] -= change

    def _swap(self):
        """Gives rows back for others as long as that brings the counts nearer to the expected ones, in squares."""
        for _ in range(SWEEPS):
            swapped = False
            for cell in np.argsort(self.behind, kind="stable"):
                if not self.drawn[cell]:
                    continue
                others = np.flatnonzero(self.open & (self.behind > self.behind[cell] + 1 + CELL))
                if not len(others):
                    break
                values = self.cells[:, cell]
                if any(needed[v] and had[v] == 1 for needed, had, v in zip(self.wanted, self.had, values)):
                    continue  # the last row of what must be there
                unlike = (self.cells[:, others] != values[:, None]).sum(0)
                gain = self.behind[others] - self.behind[cell] - CELL - unlike
                if gain.max() > 1e-3:
                    row = self.drawn[cell].pop()
                    self._count(cell, row, -1)
                    if self._add(others[np.argmax(gain)]):
                        self.queues[cell].append(row)
                        swapped = True
                    else:
                        self.drawn[cell].append(row)
                        self._count(cell, row, 1)
            if not swapped:
                break


def split_by_group(groups, shares, seed, splits=None, strata=None):
    """Splits rows into training, validation and test rows, never through a group.

    Groups are walked through stratum by stratum, the large ones of a stratum first, and each goes to the split that is
    furthest behind its share. So every stratum of many rows is in every split, and the sizes are as close to the shares as
    the last, small groups allow.

    Args:
        groups (`Sequence[int]`): One a row.
        shares (`dict[str, float]`): Of `train`, `validation` and `test`, adding up to 1; a share of 0 may be left out.
        seed (`int`): Of the order of the groups.
        splits (`Sequence[str | None]`, *optional*): Where the source says which split a row is in. Rows keep it, but a group
            that lies in several goes wholly to test, or where it has no row there to validation; `None` rows go with their
            group, and by `shares` where it has no other rows. Compare with the result to count the rows that moved.
        strata (`Sequence[str | None]`, *optional*): One a row, as the article types: what every split should hold.

    Returns:
        `list[str]`: The split of each row.

    Raises:
        `ValueError`: If a share is not of a split or below 0, the shares don't add up to 1, or a split is none of the three.
    """
    if not set(shares) <= set(SPLITS) or min(shares.values(), default=0) < 0 or abs(sum(shares.values()) - 1) > 1e-6:
        raise ValueError(f"The shares {shares} are not of train, validation and test and add up to 1; correct them.")
    for name in sorted(set(splits or ()) - {None, *SPLITS}):
        raise ValueError(f"The source has a split {name!r} where MODA knows train, validation and test; rename it.")
    members, place = {}, {}
    for row, group in enumerate(groups):
        members.setdefault(group, []).append(row)
    for group, rows in members.items():
        found = {splits[row] for row in rows} - {None} if splits is not None else ()
        if found:
            place[group] = max(found, key=SPLITS.index)
    free = [group for group in members if group not in place]
    keys = dict(zip(free, np.random.default_rng(seed).random(len(free)).tolist()))
    stratum = {group: (strata[members[group][0]] or "") if strata is not None else "" for group in free}
    had, walked = dict.fromkeys(shares, 0), 0
    for group in sorted(free, key=lambda group: (stratum[group], -len(members[group]), keys[group])):
        walked += len(members[group])
        place[group] = max(shares, key=lambda name: shares[name] * walked - had[name])
        had[place[group]] += len(members[group])
    return [place[group] for group in groups]


def _check(table, total, count, most_a_group, caps, ids):
    lengths = {**{name: len(column) for name, column in table.items()}, "ids": total if ids is None else len(ids)}
    for name, length in lengths.items():
        if length != total:
            raise ValueError(f"{name} has {length} entries where there are {total} groups; pass one each a row.")
    for name in caps:
        if name not in table:
            raise ValueError(
                f"concept_caps names {name!r}, which is none of the columns {', '.join(table)}; correct it."
            )
    numbers = {"count": count, "most_a_group": 1 if most_a_group is False else most_a_group}
    for name, number in {**numbers, **{f"concept_caps of {name}": cap for name, cap in caps.items()}}.items():
        if not isinstance(number, Integral) or isinstance(number, bool) or number < 1:
            raise ValueError(f"{name} is {number!r}; give a whole number above 0.")


def _keys(total, seed, ids):
    if ids is None:
        return np.random.default_rng(seed).random(total)
    digests = [hashlib.blake2b(f"{seed}-{name}".encode(), digest_size=8).digest() for name in ids]
    return np.frombuffer(b"".join(digests), ">u8").astype(np.uint64)


def _code(column, values):
    places = {value: place for place, value in enumerate(values)}
    return np.array([places[value] for value in column], np.int64)


def _entropy(share):
    share = share[share > 0]
    return float(abs((share * np.log2(share)).sum()))
