"""Near-duplicates: which rows of a catalogue show the same thing?"""

from collections import Counter

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components


_ONES = np.unpackbits(np.arange(1 << 16, dtype=np.uint16).view(np.uint8)).reshape(-1, 16).sum(1, dtype=np.uint8)
_BUFFER = 1 << 18  # pairs that are kept before they are joined


def near_duplicates(
    hashes, thumbs, digests, titles=None, distance=4, tolerance=1.0, longest_chain=50, most_a_title=100
):
    """Puts rows that show the same thing into one group.

    Two rows belong together where their files are the same; where their perceptual hashes differ in few bits and their
    thumbnails in little colour, since a hash of the shapes alone takes one white shirt for the next; or where they have the
    same title. What belongs together is joined from row to row. Of more than `longest_chain` pictures joined that way each
    must look like the first one of its group, so that small steps don't lead through a whole catalogue.

    The search is exact: hashes that differ in at most d of 64 bits agree wholly in one of d + 1 bands (Norouzi et al. 2012,
    arXiv 1307.2982, section 3), so only rows that agree in a band are compared.

    Args:
        hashes (`np.ndarray`): Perceptual hashes (`imagehash.phash`), `uint64`, `(rows,)`.
        thumbs (`np.ndarray`): Thumbnails, `uint8`, `(rows, ...)`. The default tolerance was measured for 8 x 8 RGB that
            Pillow drew with its bicubic filter; coarser or unsmoothed ones tell pictures apart less well.
        digests (`Sequence` or `np.ndarray`): Of the files or their pixels: bytes, words or numbers, or an array of bytes
            each; `None` where there is none.
        titles (`Sequence[str | None]`, *optional*): Of the products. Case and spaces don't matter.
        distance (`int`, *optional*, defaults to 4): Most bits of 64 that hashes of the same thing differ in.
        tolerance (`float`, *optional*, defaults to 1.0): Most that their thumbnails differ on average, of 255.
        longest_chain (`int`, *optional*, defaults to 50): Most pictures that are joined only from row to row.
        most_a_title (`int`, *optional*, defaults to 100): Most rows that share a title which says anything: what more rows
            are called, as in 'Shirt', names a kind of thing.

    Returns:
        `np.ndarray`: `int64`, `(rows,)`: the group of each row, counted from 0 by first appearance.

    Raises:
        `ValueError`: If the arrays are not of the same length, `distance` is not within 0 and 63, or `tolerance` is below 0.
    """
    hashes, thumbs = np.ascontiguousarray(hashes, np.uint64), np.asarray(thumbs, np.uint8)
    lengths = {len(hashes), len(thumbs), len(digests), len(hashes if titles is None else titles)}
    if len(lengths) > 1:
        raise ValueError(f"There are {sorted(lengths)} hashes, thumbnails, digests and titles; pass one each a row.")
    if not 0 <= distance < 64 or tolerance < 0:
        raise ValueError(
            f"distance is {distance} and tolerance {tolerance}; hashes have 64 bits, so give a distance of 0 to 63, and a "
            "tolerance of 0 or more."
        )
    if not len(hashes):
        return np.zeros(0, np.int64)
    looks = _same_look(hashes, thumbs.reshape(len(hashes), -1), distance, tolerance, longest_chain)
    names = [" ".join(title.casefold().split()) if title else None for title in titles or ()]
    shared = Counter(names)
    names = [name if name and shared[name] <= most_a_title else None for name in names]
    digests = [digest.tobytes() if isinstance(digest, np.ndarray) else digest for digest in digests]
    return joined(looks.tolist(), digests, *([names] if titles is not None else []))


def joined(*labels):
    """Joins rows that share a label in any of several labellings.

    Args:
        labels (`Sequence`): Each of a label a row; `None` is shared with nobody.

    Returns:
        `np.ndarray`: `int64`, `(rows,)`: the group of each row, counted from 0 by first appearance.
    """
    if not len(labels[0]):
        return np.zeros(0, np.int64)
    return _by_appearance(_join(len(labels[0]), *map(_same, labels)))


def _same_look(hashes, thumbs, distance, tolerance, longest_chain):
    # Copies of one picture are looked at once, however many there are: a shop's 'no picture yet' may be there 10,000 times.
    whole = np.concatenate([hashes.view(np.uint8).reshape(len(hashes), 8), thumbs], axis=1)
    _, first, copy_of = np.unique(whole, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # by first appearance, as chains are cut along it
    rank, copy_of = np.argsort(order), copy_of.reshape(-1)
    hashes, thumbs = hashes[first[order]], thumbs[first[order]]
    groups, kept = np.arange(len(hashes)), []
    for a, b in _near(hashes, distance):
        apart = groups[a] != groups[b]
        a, b = a[apart], b[apart]
        alike = _difference(thumbs[a], thumbs[b]) <= tolerance
        kept.append((a[alike], b[alike]))
        if sum(len(pair[0]) for pair in kept) > _BUFFER:
            groups, kept = _join(len(hashes), (np.arange(len(hashes)), groups), *kept), []
            groups = _first_of(groups)
    groups = _first_of(_join(len(hashes), (np.arange(len(hashes)), groups), *kept))
    for chain in np.flatnonzero(np.bincount(groups) > longest_chain):
        rows = np.flatnonzero(groups == chain)
        while len(rows):
            near = rows[_distance(hashes[rows[0]], hashes[rows]) <= distance]
            near = near[_difference(thumbs[rows[0]], thumbs[near]) <= tolerance]
            groups[near] = rows[0]
            rows = np.setdiff1d(rows, near, assume_unique=True)
    return groups[rank[copy_of]]


def _near(hashes, distance):
    """Yields the pairs within the distance, some of them more than once."""
    bits = np.linspace(0, 64, distance + 2).astype(int).tolist()
    for low, high in zip(bits, bits[1:]):
        bands = (hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1)
        order = np.argsort(bands, kind="stable")
        bands, places, step = bands[order], np.arange(len(order)), 0
        while len(places):  # each row with the next of its band, the one after that, ...
            step += 1
            places = places[places + step < len(order)]
            places = places[bands[places] == bands[places + step]]
            a, b = order[places], order[places + step]
            near = _distance(hashes[a], hashes[b]) <= distance
            yield a[near], b[near]


def _distance(a, b):
    return _ONES[(a ^ b).view(np.uint16)].reshape(-1, 4).sum(1)


def _difference(a, b):
    return np.abs(a.astype(np.int16) - b.astype(np.int16)).mean(-1)


def _same(values):
    first = {}
    pairs = [(first.setdefault(value, row), row) for row, value in enumerate(values) if value is not None]
    return np.array(pairs, np.int64).reshape(-1, 2).T


def _join(count, *pairs):
    a, b = (np.concatenate(ends) for ends in zip(*pairs))
    return connected_components(coo_matrix((np.ones(len(a), bool), (a, b)), (count, count)), directed=False)[1]


def _first_of(groups):
    return np.unique(groups, return_index=True)[1][groups]


def _by_appearance(groups):
    numbers = {}
    return np.array([numbers.setdefault(group, len(numbers)) for group in groups.tolist()], np.int64)
