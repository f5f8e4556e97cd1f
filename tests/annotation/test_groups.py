"""Near-duplicates are found exactly, without chains, in whatever way they are alike."""

import numpy as np
import pytest
from PIL import Image
from scipy.sparse.csgraph import connected_components

from moda.annotation.groups import near_duplicates


def looks(count, seed=0, side=8):
    """Random pictures, and some of them again with a few bits and a little colour changed, shuffled."""
    draw = np.random.default_rng(seed)
    hashes = draw.integers(0, 1 << 63, count, dtype=np.uint64)
    thumbs = draw.integers(0, 256, (count, side, side, 3)).astype(np.uint8)
    again = draw.integers(0, count, count)
    flipped = np.zeros(count, np.uint64)
    for _ in range(6):
        flipped |= np.uint64(1) << draw.integers(0, 64, count).astype(np.uint64)
        flipped *= draw.random(count) < 0.9
    change = (draw.random((count, side, side, 3)) < draw.random((count, 1, 1, 1)) * 0.6) * 2
    near = np.clip(thumbs[again].astype(int) + change, 0, 255).astype(np.uint8)
    order = draw.permutation(2 * count)
    return np.concatenate([hashes, hashes[again] ^ flipped])[order], np.concatenate([thumbs, near])[order]


def numbered(groups):
    first = {}
    return [first.setdefault(group, len(first)) for group in groups]


def brute_force(hashes, thumbs, distance, tolerance):
    bits = np.array([[bin(int(a) ^ int(b)).count("1") for b in hashes] for a in hashes])
    apart = np.abs(thumbs[:, None].astype(float) - thumbs[None]).mean((2, 3, 4))
    return numbered(connected_components((bits <= distance) & (apart <= tolerance))[1].tolist())


@pytest.mark.parametrize(("distance", "tolerance"), [(0, 1.0), (1, 0.3), (4, 1.0), (4, 0.5), (9, 2.0), (63, 0.7)])
def test_all_pairs_and_no_other_are_joined(distance, tolerance):
    hashes, thumbs = looks(70, seed=distance)
    found = near_duplicates(hashes, thumbs, range(140), distance=distance, tolerance=tolerance)
    expected = brute_force(hashes, thumbs, distance, tolerance)
    assert found.tolist() == expected
    assert len(set(expected)) < 140 or distance == 0


def test_crowded_bands_are_searched_wholly(monkeypatch):
    # Hashes of few set bits agree in nearly every band, and with a small buffer pairs are joined many times over.
    monkeypatch.setattr("moda.annotation.groups._BUFFER", 3)
    draw = np.random.default_rng(3)
    hashes = (np.uint64(1) << draw.integers(0, 64, 90).astype(np.uint64)) | (
        np.uint64(1) << draw.integers(0, 64, 90).astype(np.uint64)
    )
    thumbs = draw.integers(0, 6, (90, 2, 2, 3)).astype(np.uint8)
    expected = brute_force(hashes, thumbs, 2, 1.5)
    assert near_duplicates(hashes, thumbs, range(90), distance=2, tolerance=1.5, longest_chain=90).tolist() == expected
    assert 1 < len(set(expected)) < 90


def test_a_chain_does_not_grow_through_the_catalogue():
    shades = np.repeat(np.arange(200, dtype=np.uint8), 12).reshape(200, 2, 2, 3)  # each a little lighter than the last
    hashes = np.zeros(200, np.uint64)
    chained = near_duplicates(hashes, shades, range(200), tolerance=1, longest_chain=200)
    assert chained.tolist() == [0] * 200
    cut = near_duplicates(hashes, shades, range(200), tolerance=1)
    assert cut.tolist() == [row // 2 for row in range(200)]
    # What looks like the first of its group stays together, however much of it there is.
    same = near_duplicates(hashes, np.repeat(shades[:2], 100, axis=0), range(200), tolerance=1)
    assert same.tolist() == [0] * 200


def test_one_placeholder_many_times():
    thumbs = np.full((20_000, 8, 8, 3), 255, np.uint8)
    thumbs[0] = 0
    groups = near_duplicates(np.zeros(20_000, np.uint64), thumbs, [None] * 20_000)
    assert groups.tolist() == [0] + [1] * 19_999


def test_colours_tell_pictures_of_one_shape_apart():
    thumbs = np.zeros((3, 8, 8, 3), np.uint8)
    thumbs[1, ..., 2] = 200
    assert near_duplicates(np.zeros(3, np.uint64), thumbs, "abc").tolist() == [0, 1, 0]


def test_digests_and_titles_join_too():
    hashes = np.array([0, 2**40 - 1, 2**64 - 1, 2**20 - 1, 7 * 2**50], np.uint64)
    thumbs = np.arange(5, dtype=np.uint8).repeat(192).reshape(5, 8, 8, 3) * 40
    assert near_duplicates(hashes, thumbs, [b"a", b"b", b"a", None, None]).tolist() == [0, 1, 0, 2, 3]
    raw = np.array([[1] * 8, [2] * 8, [1] * 8, [3] * 8, [4] * 8], np.uint8)
    titles = ["Red  Shirt", None, "Blue", "red shirt ", ""]
    assert near_duplicates(hashes, thumbs, raw, titles).tolist() == [0, 1, 0, 0, 2]


def test_a_title_that_many_share_says_nothing():
    draw = np.random.default_rng(0)
    hashes = draw.integers(0, 1 << 63, 12, dtype=np.uint64)
    thumbs = draw.integers(0, 256, (12, 8, 8, 3)).astype(np.uint8)
    titles = ["Shirt"] * 10 + ["Acme cuff"] * 2
    found = near_duplicates(hashes, thumbs, range(12), titles, most_a_title=9)
    assert found.tolist() == [*range(10), 10, 10]


def test_a_picture_at_two_sizes_is_one():
    imagehash = pytest.importorskip("imagehash")
    draw = np.random.default_rng(5)
    small = [Image.fromarray(draw.integers(0, 256, (6, 5, 3)).astype(np.uint8)) for _ in range(8)]
    pictures = [one.resize(size, Image.Resampling.BICUBIC) for one in small for size in ((240, 320), (90, 120))]
    hashes = [np.packbits(imagehash.phash(picture).hash).view(">u8")[0] for picture in pictures]
    thumbs = np.stack([np.asarray(picture.resize((8, 8), Image.Resampling.BICUBIC)) for picture in pictures])
    assert near_duplicates(np.array(hashes), thumbs, range(16)).tolist() == [row // 2 for row in range(16)]


def test_nothing_and_what_does_not_fit():
    assert near_duplicates(np.zeros(0, np.uint64), np.zeros((0, 8, 8, 3), np.uint8), []).shape == (0,)
    hashes, thumbs = looks(2)
    with pytest.raises(ValueError, match=r"\[3, 4\].*one each a row"):
        near_duplicates(hashes, thumbs, range(3))
    with pytest.raises(ValueError, match="distance is 64.*0 to 63"):
        near_duplicates(hashes, thumbs, range(4), distance=64)
    with pytest.raises(ValueError, match="tolerance -1"):
        near_duplicates(hashes, thumbs, range(4), tolerance=-1)
