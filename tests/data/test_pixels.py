"""The pixel cache gives what the processor gives, once, and leaves unreadable pictures out."""

import pytest
import torch
from conftest import make_picture, make_png, make_processor
from datasets import Dataset, Image

from moda.data.pixels import PixelDataset


def rows(pictures):
    table = {
        "image": [None if picture is None else {"bytes": picture, "path": None} for picture in pictures],
        "description": list("abcdefgh")[: len(pictures)],
    }
    return Dataset.from_dict(table).cast_column("image", Image(decode=False))


@pytest.fixture
def image_processor():
    return make_processor().image_processor


def test_pixels_are_the_processors(tmp_path, image_processor):
    data = PixelDataset(rows([make_png(seed) for seed in range(4)]), image_processor, cache=tmp_path)
    expected = image_processor([make_picture(seed) for seed in range(4)], return_tensors="pt")["pixel_values"]
    got = torch.stack([row["pixel_values"] for row in data.__getitems__([0, 1, 2, 3])])
    torch.testing.assert_close(got, expected, atol=1e-5, rtol=0)
    assert [data[index]["description"] for index in range(4)] == list("abcd")


def test_second_time_reads_the_cache_and_other_pixels_do_not(tmp_path, image_processor):
    table = rows([make_png(seed) for seed in range(4)])
    PixelDataset(table, image_processor, cache=tmp_path)
    files = {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
    PixelDataset(table, image_processor, cache=tmp_path)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == files
    PixelDataset(table, make_processor(size=16).image_processor, cache=tmp_path)
    assert len(list(tmp_path.glob("*.npy"))) == 2


def test_unreadable_pictures_are_left_out_and_named(tmp_path, image_processor):
    broken = make_png(1)[:200]
    for _ in range(2):  # as built, and as read from the cache
        data = PixelDataset(rows([make_png(0), broken, b"", make_png(3), None]), image_processor, cache=tmp_path)
        assert len(data) == 2 and [data[index]["description"] for index in range(2)] == ["a", "d"]
        assert [index for index, _ in data.unreadable] == [1, 2, 4]
        assert "row 1" in data.unreadable[0][1]
    with pytest.raises(ValueError, match="None of 2 pictures can be read"):
        PixelDataset(rows([broken, b""]), image_processor, cache=tmp_path)


def test_augmentation_moves_pixels_within_their_picture(tmp_path, image_processor):
    table = rows([make_png(0)])
    plain = PixelDataset(table, image_processor, cache=tmp_path)[0]["pixel_values"]

    def views(augment, count=60):
        data = PixelDataset(table, image_processor, augment=augment, cache=tmp_path)
        for data.epoch in range(count):
            yield data[0]["pixel_values"]

    flips = [torch.equal(view, plain.flip(-1)) for view in views(["flip"])]
    keeps = [torch.equal(view, plain) for view in views(["flip"])]
    assert sum(flips) + sum(keeps) == 60 and 15 < sum(flips) < 45
    moved = torch.stack(list(views(["shift"])))
    assert len(torch.unique(moved, dim=0)) > 10
    # A move of two pixels at most: the middle of every view is a window of the picture.
    windows = torch.stack([plain[:, y : y + 28, x : x + 28] for y in range(5) for x in range(5)])
    assert all((windows == view[:, 2:30, 2:30]).flatten(1).all(1).any() for view in moved)


def test_augmentation_follows_from_seed_epoch_and_rows_alone(tmp_path, image_processor):
    def pixels(seed, epoch, indices):
        table = rows([make_png(number) for number in range(6)])
        data = PixelDataset(table, image_processor, augment=["flip", "shift"], seed=seed, cache=tmp_path)
        data.epoch = epoch
        torch.rand(3)  # whatever else was drawn in between
        return torch.stack([row["pixel_values"] for row in data.__getitems__(indices)])

    first = pixels(0, 0, [0, 1, 2, 3])
    assert torch.equal(first, pixels(0, 0, [0, 1, 2, 3]))
    assert not torch.equal(first, pixels(0, 1, [0, 1, 2, 3]))
    assert not torch.equal(first, pixels(1, 0, [0, 1, 2, 3]))
    # Neither the batch nor the place in it matters, so that one process and several see the same.
    whole = pixels(0, 0, [0, 1, 2, 3, 4, 5])
    assert torch.equal(whole[[4, 2]], pixels(0, 0, [4, 2])) and torch.equal(whole[3], pixels(0, 0, [3])[0])
    assert torch.equal(whole[5], pixels(0, 0, [-1])[0])


def test_every_row_is_moved_by_its_own_draw(tmp_path, image_processor):
    """Flips are even and moves reach everywhere, over the rows of one epoch as over the epochs of one row."""
    table = rows([make_png(0)] * 8)
    plain = PixelDataset(table, image_processor, cache=tmp_path)[0]["pixel_values"]
    data = PixelDataset(table, image_processor, augment=["flip"], cache=tmp_path)
    flips = []
    for data.epoch in range(50):
        flips.append([torch.equal(row["pixel_values"], plain.flip(-1)) for row in data.__getitems__(list(range(8)))])
    flips = torch.tensor(flips).float()
    assert 0.4 < flips.mean() < 0.6 and flips.mean(0).min() > 0.2 and flips.mean(0).max() < 0.8
    assert torch.corrcoef(flips.T).triu(1).abs().max() < 0.6
    data = PixelDataset(table, image_processor, augment=["shift"], cache=tmp_path)
    moved = []
    for data.epoch in range(40):
        moved += [row["pixel_values"] for row in data.__getitems__(list(range(8)))]
    assert len(torch.unique(torch.stack(moved), dim=0)) == 25  # 5 x 5 places, all of them


def test_rows_are_named_and_pictures_fingerprinted(tmp_path, image_processor):
    data = PixelDataset(rows([make_png(0), b"", make_png(2)]), image_processor, cache=tmp_path)
    assert [row["row"] for row in data.__getitems__([1, 0])] == [1, 0] and list(data.kept) == [0, 2]
    assert data.columns == {"description": ["a", "c"]}
    other = PixelDataset(rows([make_png(0), b"", make_png(2)]), make_processor(size=16).image_processor, cache=tmp_path)
    assert data.fingerprint == other.fingerprint and data.file != other.file
    changed = PixelDataset(rows([make_png(0), b"", make_png(3)]), image_processor, cache=tmp_path)
    assert data.fingerprint != changed.fingerprint


def test_pictures_of_several_shapes_are_refused(tmp_path):
    image_processor = make_processor().image_processor
    image_processor.size = {"shortest_edge": 32}
    table = rows([make_png(seed, size=(40 + seed, 30)) for seed in range(3)])
    with pytest.raises(ValueError, match=r"makes \(3, 32, 43\) of the picture of row 1 and \(3, 32, 42\) of another"):
        PixelDataset(table, image_processor, cache=tmp_path)


def test_of_several_sentences_each_epoch_draws_one_by_row_alone(tmp_path, image_processor):
    table = rows([make_png(seed) for seed in range(8)])
    table = table.add_column("descriptions", [[f"{letter}{n}" for n in range(5)] for letter in "abcdefgh"])
    data = PixelDataset(table, image_processor, ["description", "descriptions"], cache=tmp_path)
    first = [row["description"] for row in data.__getitems__(list(range(8)))]
    assert first == list("abcdefgh")
    data.draws_sentence = True
    drawn = {}
    for data.epoch in (0, 1, 2):
        drawn[data.epoch] = [row["description"] for row in data.__getitems__(list(range(8)))]
        assert [said[0] for said in drawn[data.epoch]] == first
        assert data[5]["description"] == drawn[data.epoch][5]
    assert len(set(map(tuple, drawn.values()))) == 3
