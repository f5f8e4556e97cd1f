"""How sure a number is: bootstrap intervals over products, paired ones between two systems, Wilson intervals of shares."""

import math

import numpy as np
from scipy.stats import norm, t
from tqdm.auto import tqdm


CHUNK = 4_000_000  # weights drawn at once: 32 MB as float64


def _units(rows, groups):
    """Numbers the groups by first appearance; a row without one is a group of its own."""
    if groups is None:
        return None, rows
    if len(groups) != rows:
        raise ValueError(
            f"There are {len(groups)} groups for {rows} rows; give one for each row, None for a row of its own."
        )
    numbers = {}
    unit = [
        numbers.setdefault(("row", row) if group is None else group, len(numbers)) for row, group in enumerate(groups)
    ]
    return np.array(unit, dtype=np.int64), len(numbers)


def _drawn(rows, resamples, seed, groups, title=None):
    """Yields `(count, rows)` arrays of weights, a chunk of the resamples at a time."""
    if rows < 1 or resamples < 1:
        raise ValueError(f"rows and resamples must be at least 1, not {rows} and {resamples}.")
    unit, units = _units(rows, groups)
    generator = np.random.default_rng(seed)
    step = max(1, CHUNK // max(rows, units))
    for first in tqdm(range(0, resamples, step), desc=title, unit="chunk", disable=not title):
        count = min(step, resamples - first)
        drawn = generator.integers(0, units, size=(count, units)) + units * np.arange(count)[:, None]
        weights = np.bincount(drawn.ravel(), minlength=count * units).reshape(count, units)
        yield weights if unit is None else weights[:, unit]


def bootstrap_weights(rows, resamples=2000, seed=0, groups=None):
    """Says how often the bootstrap (Efron 1979) draws each row.

    Args:
        rows (`int`): How many there are.
        resamples (`int`, *optional*, defaults to 2000): How many times as many rows are drawn, with replacement.
        seed (`int`, *optional*, defaults to 0): Of the draw. The same seed, rows and groups draw the same.
        groups (`Sequence`, *optional*): Of each row the group it belongs to, `None` for one of its own. Whole groups are
            then drawn, as many as there are (Davison & Hinkley 1997, section 3.8): ten pictures of one shirt are not ten
            independent pieces of evidence, and drawn one by one they would pass for that.

    Returns:
        `np.ndarray` of shape `(resamples, rows)`, int64. At 100,000 rows that is 1.6 GB: [`bootstrap`] holds a chunk at a time.

    Raises:
        `ValueError`: If there are no rows, no resamples, or not as many groups as rows.

    Example:

    ```python
    >>> bootstrap_weights(4, resamples=2, groups=["shirt", "shirt", "belt", None])
    array([[0, 0, 2, 1],
           [3, 3, 0, 0]])
    ```
    """
    return np.concatenate(list(_drawn(rows, resamples, seed, groups)))


def effective_units(rows, groups=None):
    """Says how many groups of one size would tell as much as these (Kish 1965): n² / Σ size².

    Args:
        rows (`int`): How many there are.
        groups (`Sequence`, *optional*): See [`bootstrap_weights`]. Without, each row is a unit.

    Returns:
        `float`: From 1, where one group holds all, to `rows`.

    Raises:
        `ValueError`: If there are not as many groups as rows.

    Example:

    ```python
    >>> effective_units(5, ["shirt", "shirt", "shirt", "belt", None])
    2.272727272727273
    ```
    """
    unit, _ = _units(rows, groups)
    return float(rows) if unit is None or not rows else rows**2 / float((np.bincount(unit) ** 2).sum())


def interval(values, level=0.95, units=None):
    """Takes the expanded percentile interval of what the resamples gave (Hesterberg 2015, "What Teachers Should Know About
    the Bootstrap", section 5.3).

    The percentile interval (Efron & Tibshirani 1993, chapter 13) is as much too narrow as a normal interval of n
    independent units that has 1/n in its variance and no t: by a fifth at 10, by 2 % at 100. Quantiles further out make
    up for both. Not BCa (their chapter 14): its correction vanishes with the number of products, it costs one more
    evaluation for each group, and it is not defined where all products agree.

    Args:
        values (`np.ndarray` of shape `(resamples, ...)`): A statistic of each resample. NaN, where a resample holds nothing
            to take it of, is left out.
        level (`float`, *optional*, defaults to 0.95): How often the interval should hold the truth.
        units (`float`, *optional*): How many independent units were drawn from; see [`effective_units`]. Without, they
            pass for infinitely many: the plain percentile interval.

    Returns:
        `tuple`: Lower and upper end, of shape `(...)`; NaN where no resample has a value. NaN, too, where there are fewer
        units than the level asks for, 6 for 0.95: resamples reach no further than the units do, and all n lie on the same
        side of the truth once in 2^(n − 1) times.
    """
    values = np.asarray(values, dtype=np.float64)
    tail = (1 - level) / 2
    defined = ~np.isnan(values).all(0)
    if units is not None and _least(units) > 1 - level:
        defined = np.zeros_like(defined)
    elif units is not None:
        tail = norm.sf(_widening(units) * t.isf(tail, units - 1))
    low, high = np.nanquantile(np.where(defined, values, 0), [tail, 1 - tail], axis=0)
    return np.where(defined, low, np.nan)[()], np.where(defined, high, np.nan)[()]


def _widening(units):
    """By how much the spread of a mean of n units is larger than that of its resamples, which divide by n."""
    return math.sqrt(units / (units - 1))


def _least(units):
    """How often so many units all lie on the same side of the middle: no test without assumptions is surer than that."""
    return 2.0 ** (1 - units)


def _as_dict(value):
    return (value, True) if isinstance(value, dict) else ({"": value}, False)


def _resampled(statistics, rows, resamples, seed, groups, title):
    """Of each statistic, by name, its value on all rows and those on the same resamples; and whether it gave names."""
    whole = [_as_dict(statistic(np.ones((1, rows)))) for statistic in statistics]
    chunks = [{name: [] for name in values} for values, _ in whole]
    for weights in _drawn(rows, resamples, seed, groups, title):
        weights = weights.astype(np.float64)  # once, and not in every product that a statistic takes
        for statistic, found in zip(statistics, chunks):
            for name, values in _as_dict(statistic(weights))[0].items():
                found[name].append(np.asarray(values, dtype=np.float64))
    drawn = [{name: np.concatenate(values) for name, values in found.items()} for found in chunks]
    values = [{name: float(np.asarray(value)[0]) for name, value in values.items()} for values, _ in whole]
    return values, drawn, whole[0][1]


def bootstrap(statistic, rows, resamples=2000, seed=0, groups=None, level=0.95, title=None):
    """Gives a statistic an interval.

    Args:
        statistic (`Callable`): From weights of shape `(n, rows)` to an array of shape `(n,)`, or to several by name, as
            [`summary`] does: `lambda weights: summary(scores, weights)`.
        rows (`int`): How many rows it looks at.
        resamples, seed, groups: See [`bootstrap_weights`].
        level (`float`, *optional*, defaults to 0.95): See [`interval`].
        title (`str`, *optional*): Of a progress bar; none without.

    Returns:
        `dict`: `{"value", "low", "high"}`, the value on all rows once; or one such for each name. NaN where not defined,
        and for the ends where the rows are too few units; see [`interval`].

    Raises:
        `ValueError`: If there are no rows, no resamples, or not as many groups as rows.
    """
    (values,), (drawn,), named = _resampled([statistic], rows, resamples, seed, groups, title)
    units, found = effective_units(rows, groups), {}
    for name, value in values.items():
        low, high = interval(drawn[name], level, units)
        found[name] = {"value": value, "low": float(low), "high": float(high)}
    return found if named else found[""]


def paired(statistic_a, statistic_b, rows, resamples=2000, seed=0, groups=None, level=0.95, title=None):
    """Compares two systems on the same rows: both are taken on the same resamples (Koehn 2004), so that what is hard for
    both cancels out.

    Args:
        statistic_a, statistic_b (`Callable`): Of the two systems; see [`bootstrap`].
        rows, resamples, seed, groups, level, title: See [`bootstrap`].

    Returns:
        `dict`: Of a − b `{"value", "low", "high", "p", "p_floor"}`, or one such for each name that both give. `p` is the
        two-sided significance level: twice the smaller share of resamples on either side of no difference (Davison &
        Hinkley 1997, section 4.4), brought from the normal to Student's distribution as [`interval`] brings its ends; 1
        for equal systems. `p_floor` is the least that so many resamples of so many units can give. Both are NaN where the
        rows are fewer than 2 units.

    Raises:
        `ValueError`: If there are no rows, no resamples, or not as many groups as rows.
    """
    (a, b), (drawn_a, drawn_b), named = _resampled([statistic_a, statistic_b], rows, resamples, seed, groups, title)
    units, found = effective_units(rows, groups), {}
    for name in [name for name in a if name in b]:
        differences = drawn_a[name] - drawn_b[name]
        low, high = interval(differences, level, units)
        differences = differences[~np.isnan(differences)].round(12)  # equal up to the order of a sum is equal
        beyond = min((differences <= 0).sum(), (differences >= 0).sum())
        p, floor = (_significance(count, len(differences), units) for count in (beyond, 0))
        found[name] = {"value": a[name] - b[name], "low": float(low), "high": float(high), "p": p, "p_floor": floor}
    return found if named else found[""]


def _significance(beyond, resamples, units):
    """Of so many of the resamples beyond no difference, two-sided."""
    if not resamples or units < 2:
        return math.nan
    z = norm.isf(min(0.5, (beyond + 1) / (resamples + 1)))
    return max(float(2 * t.sf(z / _widening(units), units - 1)), _least(units))


def intraclass_correlation(right, groups):
    """Estimates how alike the rows of one group are: the correlation of being right between two rows of the same group.

    Of pairs of rows, by their number (Ridout, Demétrio & Firth 1999, section 2), with two changes on the safe side. One
    error more than there are is taken to be shared by its whole group: without an error nothing is known, and each group
    passes for one voice. And as few groups estimate badly, the design effect is raised by the square of Student's
    quantile over the normal one, at 95 % (Korn & Graubard 1998).

    Args:
        right (`Sequence[bool]`): Of each row whether it is right.
        groups (`Sequence`): Of each row its group; see [`bootstrap_weights`].

    Returns:
        `float`: 0 to 1; 0 where no two rows share a group.

    Raises:
        `ValueError`: If there are not as many groups as rows.
    """
    right = np.asarray(right, dtype=bool)
    unit, units = _units(len(right), groups)
    if unit is None or units == len(right):
        return 0.0
    sizes, share = np.bincount(unit), right.mean()
    besides = (sizes**2).sum() / len(right) - 1  # how many rows share a row's group, on average
    alike = (np.bincount(unit, right - share) ** 2).sum() - len(right) * share * (1 - share)
    all_alike = share * (1 - share) * len(right) * besides
    found = max((alike + besides) / (all_alike + besides), 0)
    freedom = effective_units(len(right), groups) - 1
    raised = (1 + besides * found) * (t.isf(0.025, freedom) / norm.isf(0.025)) ** 2 if freedom > 0 else math.inf
    return float(min((raised - 1) / besides, 1))


def accuracy(right, groups=None, level=0.95, correlation=None):
    """Counts how many are right, with Wilson's interval (1927): unlike the bootstrap's, it says something where all are.

    Groups take from the rows what rows of one group say together: Wilson's formula is given the rows divided by their
    design effect (Kish 1965; Franco, Little, Louis & Slud 2019 compare such intervals), which is 1 + (m − 1) ρ, for groups
    of m rows and a correlation ρ within them.

    Args:
        right (`Sequence[bool]`): Of each row whether it is right.
        groups (`Sequence`, *optional*): Of each row its group; see [`bootstrap_weights`].
        level (`float`, *optional*, defaults to 0.95): How often the interval should hold the truth.
        correlation (`float`, *optional*): Within a group, 0 to 1, where more rows than these tell it. Defaults to that of
            these; see [`intraclass_correlation`].

    Returns:
        `dict`: `{"accuracy", "low", "high", "right", "rows"}`; of no rows the first three are NaN.

    Raises:
        `ValueError`: If there are not as many groups as rows.
    """
    right = np.asarray(right, dtype=bool)
    rows, count = len(right), int(right.sum())
    if not rows:
        return {"accuracy": math.nan, "low": math.nan, "high": math.nan, "right": 0, "rows": 0}
    share = count / rows
    correlation = intraclass_correlation(right, groups) if correlation is None else correlation
    effective = rows / (1 + (rows / effective_units(rows, groups) - 1) * correlation)
    z = norm.isf((1 - level) / 2)
    middle = (share + z**2 / (2 * effective)) / (1 + z**2 / effective)
    half = z / (1 + z**2 / effective) * math.sqrt(share * (1 - share) / effective + z**2 / (4 * effective**2))
    low, high = max(0.0, float(middle - half)), min(1.0, float(middle + half))
    return {"accuracy": share, "low": min(low, share), "high": max(high, share), "right": count, "rows": rows}
