"""Each picture of a catalogue is looked at once; what an annotator is sent is upright and small."""

import base64
import io
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from conftest import make_picture, make_png
from datasets import Dataset
from PIL import Image

from moda.annotation.pictures import inspect_pictures, picture_url
from moda.annotation.source import open_source
from pictures_moda import load_picture


def encoded(picture, kind="JPEG", **options):
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def rotated(picture, **options):
    exif = Image.Exif()
    exif[0x0112] = 6  # held upright: to be turned by 90 degrees
    return encoded(picture, exif=exif, **options)


def sent(url):
    kind, content = url.removeprefix("data:").split(";base64,")
    return kind, base64.b64decode(content)


def scene(size):
    """Something smooth, as photographs are: hashes of noise mean nothing."""
    return make_picture(3, size=(5, 4)).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    large = scene((1200, 800))
    contents = [
        encoded(large, quality=95),
        encoded(scene((300, 200)), quality=60),
        rotated(large.transpose(Image.Transpose.ROTATE_90), quality=95),
        encoded(make_picture(1))[:300],
        make_png(2),
        make_png(2),
        b"no picture",
        encoded(Image.new("RGBA", (20, 30), (255, 0, 0, 0)), "PNG"),
        encoded(large.resize((1200, 1200)), "PNG"),
    ]
    images = [{"bytes": content, "path": None} for content in contents]
    file = tmp_path_factory.mktemp("catalogue") / "products.parquet"
    Dataset.from_dict({"image": images, "id": [f"p{index}" for index in range(len(images))]}).to_parquet(file)
    return open_source({"path": str(file)})


def test_sizes_hashes_and_thumbnails(catalogue, tmp_path):
    seen = inspect_pictures(catalogue, tmp_path)
    assert seen.width.tolist() == [1200, 300, 1200, 0, 40, 40, 0, 20, 1200]
    assert seen.height.tolist() == [800, 200, 800, 0, 30, 30, 0, 30, 1200]
    assert (seen.width.dtype, seen.hash.dtype, seen.thumb.dtype) == (np.int32, np.uint64, np.uint8)
    bits = [int(seen.hash[0] ^ other).bit_count() for other in seen.hash]
    assert max(bits[1], bits[2], bits[8]) <= 6 and bits[4] > 16  # of 64; strangers differ in about half
    thumbs = seen.thumb.astype(int)
    assert seen.thumb.shape == (9, 8, 8, 3) and abs(thumbs[0] - thumbs[1]).max() < 12
    assert abs(thumbs[0] - thumbs[2]).max() < 12 < abs(thumbs[0] - thumbs[4]).max()
    assert (seen.thumb[7] == 255).all()  # transparent, on white
    same = [(seen.digest[4] == other).all() for other in seen.digest]
    assert same == [index in (4, 5) for index in range(9)]


def test_broken_pictures_are_named_and_stop_nothing(catalogue, tmp_path):
    unreadable = inspect_pictures(catalogue, tmp_path).unreadable
    assert list(unreadable) == [3, 6]
    assert unreadable[3].startswith("The picture of 'p3' can't be read as a picture (")
    assert "'p6'" in unreadable[6] and "row" not in unreadable[6]


def test_second_look_decodes_nothing(catalogue, tmp_path, monkeypatch):
    first = inspect_pictures(catalogue, tmp_path)
    monkeypatch.setattr("moda.annotation.pictures.prepared", None)
    again = inspect_pictures(catalogue, tmp_path)
    for name in ("width", "height", "hash", "thumb", "digest"):
        assert (getattr(first, name) == getattr(again, name)).all()
    assert first.unreadable == again.unreadable


def test_files_that_fit_are_sent_as_they_are():
    for kind, content in (
        ("jpeg", encoded(make_picture())),
        ("png", make_png()),
        ("webp", encoded(scene((9, 9)), "WEBP")),
    ):
        assert sent(picture_url({"bytes": content, "path": None})) == (f"image/{kind}", content)


@pytest.mark.parametrize(
    "content, size",
    [
        (rotated(scene((120, 80))), (80, 120)),
        (encoded(scene((1600, 400))), (768, 192)),
        (encoded(scene((1800, 2400))), (576, 768)),
        (rotated(scene((2000, 1500))), (576, 768)),
        (encoded(scene((1600, 1600)).convert("L")), (768, 768)),
        (encoded(scene((1600, 1600)).convert("CMYK")), (768, 768)),
        (encoded(Image.new("RGBA", (30, 20), (0, 0, 0, 0)), "PNG"), (30, 20)),
        (encoded(scene((30, 20)).convert("CMYK")), (30, 20)),
        (encoded(scene((30, 20)), "BMP"), (30, 20)),
        (encoded(scene((30, 20)), "GIF"), (30, 20)),
    ],
)
def test_anything_else_is_sent_upright_and_small(content, size):
    kind, made = sent(picture_url(content))
    picture = Image.open(io.BytesIO(made))
    assert (kind, picture.format, picture.mode, picture.size) == ("image/jpeg", "JPEG", "RGB", size)
    assert picture.getexif().get(0x0112, 1) == 1
    assert picture_url(content) == picture_url(content)


def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size(monkeypatch):
    decoded = []

    def open_and_note(picture, name):
        upright = load_picture(picture, name)
        decoded.append(upright.size)
        return upright

    monkeypatch.setattr("moda.annotation.pictures.load_picture", open_and_note)
    picture = scene((1500, 2000))
    fast, slow = (sent(picture_url(encoded(picture, kind)))[1] for kind in ("JPEG", "PNG"))
    assert decoded == [(750, 1000), (1500, 2000)]
    fast, slow = (np.asarray(Image.open(io.BytesIO(content))).astype(int) for content in (fast, slow))
    assert fast.shape == slow.shape == (768, 576, 3) and abs(fast - slow).mean() < 2


def test_threads_make_the_same_as_one(catalogue):
    large = [encoded(scene((900 + number, 1200))) for number in range(24)]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(picture_url, large)) == [picture_url(content) for content in large]


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_too_many_pixels_are_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000 * 1000)
    with pytest.raises(ValueError, match="may be a decompression bomb"):
        picture_url(encoded(scene((1200, 1000))))


def test_turned_picture_is_turned_back():
    picture = Image.new("RGB", (80, 120), "white")
    picture.paste("red", (0, 0, 80, 60))  # red above
    content = rotated(picture.transpose(Image.Transpose.ROTATE_90))
    upright = Image.open(io.BytesIO(sent(picture_url(content))[1]))
    assert upright.size == (80, 120)
    assert upright.getpixel((40, 20))[1] < 40 and upright.getpixel((40, 100))[1] > 200


def test_paths_are_read_and_what_is_broken_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(make_png())
    assert sent(picture_url({"bytes": None, "path": str(tmp_path / "a.png")}))[1] == make_png()
    assert sent(picture_url(make_picture()))[0] == "image/jpeg"
    with pytest.raises(FileNotFoundError, match="no picture at"):
        picture_url({"bytes": None, "path": str(tmp_path / "b.png")})
    with pytest.raises(ValueError, match="can't be read as a picture"):
        picture_url(b"no picture")
