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
