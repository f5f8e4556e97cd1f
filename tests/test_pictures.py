"""Pictures of every kind come out upright, opaque and RGB, with the right colours; what can't be read is named."""

import io
import os

import numpy as np
import pytest
import torch
from conftest import make_picture, make_processor
from PIL import Image

from pictures_moda import load_picture


RGB = np.array(make_picture(3, (20, 10)))  # 10 rows, 20 columns


GREY = RGB[..., 0]


ALPHA = RGB[..., 1]


def on_white(rgb, alpha):
    """Alpha compositing over white, in floats."""
    share = alpha[..., None].astype(float) / 255
    return rgb * share + 255 * (1 - share)


def encoded(image, kind, **kwargs):
    buffer = io.BytesIO()
    image.save(buffer, kind, **kwargs)
    return buffer.getvalue()


def palette_picture():
    """Four colours, of which the third is transparent."""
    image = Image.new("P", (20, 10))
    image.putdata([int(value) for value in (RGB[..., 2] // 64).flatten()])
    image.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 8, 7])
    colours = np.array([[255, 0, 0], [0, 255, 0], [255, 255, 255], [9, 8, 7]])
    return image, colours[RGB[..., 2] // 64]


def files():
    """kind -> (encoded file, suffix, expected pixels, tolerance)."""
    rgb = Image.fromarray(RGB)
    rgba = Image.fromarray(np.concatenate([RGB, ALPHA[..., None]], -1))
    la = Image.merge("LA", (Image.fromarray(GREY), Image.fromarray(ALPHA)))
    grey3 = np.repeat(GREY[..., None], 3, -1)
    palette, palette_pixels = palette_picture()
    deep = (GREY.astype(np.uint16) * 257).astype(np.uint16)  # 16 bits: 255 -> 65535
    smooth = Image.linear_gradient("L").resize((20, 10)).convert("RGB")  # survives JPEG
    lying = Image.Exif()
    lying[0x0112] = 6  # the camera was turned: show it rotated by 90° clockwise
    return {
        "png": (encoded(rgb, "PNG"), ".png", RGB, 0),
        "jpeg": (encoded(smooth, "JPEG", quality=95), ".jpg", np.array(smooth), 6),
        "grey": (encoded(Image.fromarray(GREY), "PNG"), ".png", grey3, 0),
        "palette": (encoded(palette, "PNG", transparency=2), ".png", palette_pixels, 0),
        "gif": (encoded(palette, "GIF", transparency=2), ".gif", palette_pixels, 0),
        "rgba": (encoded(rgba, "PNG"), ".png", on_white(RGB, ALPHA), 1),
        "la": (encoded(la, "PNG"), ".png", on_white(grey3, ALPHA), 1),
        "colour key": (encoded(rgb, "PNG", transparency=tuple(int(v) for v in RGB[0, 0])), ".png",
                       np.where((RGB == RGB[0, 0]).all(-1)[..., None], 255, RGB), 0),
        "cmyk": (encoded(smooth.convert("CMYK"), "JPEG", quality=95), ".jpg", np.array(smooth), 8),
        "16 bit": (encoded(Image.fromarray(deep), "PNG"), ".png", grey3, 1),
        "exif": (encoded(smooth, "JPEG", quality=95, exif=lying), ".jpg", np.rot90(np.array(smooth), -1), 6),
        "webp": (encoded(rgba, "WEBP", lossless=True, exact=True), ".webp", on_white(RGB, ALPHA), 1),
        "1 bit": (encoded(Image.fromarray(GREY > 127), "PNG"), ".png", np.where(grey3 > 127, 255, 0), 0),
    }  # fmt: skip


FILES = files()


@pytest.fixture(scope="module")
def processor():
    return make_processor()


@pytest.mark.parametrize("kind", FILES)
def test_every_kind_of_file(kind, tmp_path):
    data, suffix, expected, tolerance = FILES[kind]
    path = tmp_path / f"picture{suffix}"
    path.write_bytes(data)
    for source in (str(path), path, data, bytearray(data), Image.open(path), {"bytes": data, "path": None},
                   {"bytes": None, "path": str(path)}):  # fmt: skip
        picture = load_picture(source)
        assert picture.mode == "RGB"
        pixels = np.array(picture).astype(float)
        assert pixels.shape == expected.shape, type(source)
        assert np.abs(pixels - expected).max() <= tolerance, type(source)


def test_pictures_by_url_are_read_as_files_are(tmp_path, serve):
    names = {}
    for number, (kind, (data, suffix, _, _)) in enumerate(FILES.items()):
        names[kind] = f"{number}{suffix}"
        (tmp_path / names[kind]).write_bytes(data)
    address = serve(tmp_path)
    for kind, name in names.items():
        assert load_picture(f"{address}/{name}") == load_picture(FILES[kind][0]), kind
    with pytest.raises(
        ValueError, match=f"^{address}/none.png could not be fetched .*check its address and the network"
    ):
        load_picture(f"{address}/none.png")


def test_arrays_and_tensors():
    rgba = np.concatenate([RGB, ALPHA[..., None]], -1)
    grey3 = np.repeat(GREY[..., None], 3, -1)
    for array, expected, tolerance in (
        (RGB, RGB, 0),
        (RGB.transpose(2, 0, 1), RGB, 0),
        (RGB.astype(np.float32) / 255, RGB, 0),
        (RGB.transpose(2, 0, 1).astype(np.float64) / 255, RGB, 0),
        (RGB.astype(np.int64), RGB, 0),
        (GREY, grey3, 0),
        (GREY[..., None], grey3, 0),
        (GREY[None], grey3, 0),
        (rgba, on_white(RGB, ALPHA), 1),
        (GREY > 127, np.where(grey3 > 127, 255, 0), 0),
    ):
        for source in (array, torch.from_numpy(np.ascontiguousarray(array))):
            pixels = np.array(load_picture(source)).astype(float)
            assert pixels.shape == expected.shape and np.abs(pixels - expected).max() <= tolerance, (
                array.shape,
                array.dtype,
            )
    assert np.array_equal(
        np.array(load_picture(torch.from_numpy(RGB / 255).to(torch.bfloat16)).convert("L")).shape, (10, 20)
    )
    dim = np.array(load_picture(Image.fromarray(GREY.astype(np.float32) / 255)))  # mode F with 0-1
    assert np.abs(dim.astype(int) - grey3).max() <= 1


@pytest.mark.parametrize(
    "array, sentence",
    [
        (np.zeros((5, 6, 7)), "shape \\(5, 6, 7\\), which is no picture"),
        (np.zeros(12), "shape \\(12,\\), which is no picture"),
        (np.full((4, 5, 3), 2.5), "outside of a picture's range"),
        (np.full((4, 5, 3), -1.0), "before normalisation"),
        (np.full((4, 5, 3), np.nan), "outside of a picture's range"),
        (np.full((4, 5, 3), 300, dtype=np.uint16), "outside of a picture's range"),
    ],
)
def test_arrays_that_are_no_pictures(array, sentence):
    with pytest.raises(ValueError, match=f"^the given ndarray .*{sentence}"):
        load_picture(array)


def test_unreadable_files_are_named(tmp_path, processor, monkeypatch):
    whole = encoded(make_picture(0, (200, 200)), "JPEG")
    broken = {
        "truncated.jpg": whole[: len(whole) // 2],
        "truncated.png": FILES["png"][0][:200],
        "empty.png": b"",
        "letter.jpg": b"Dear reader, this is not a picture.",
    }
    for name, data in broken.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ValueError, match=f"{name} can't be read as a picture .*remove or replace it"):
            processor(images=str(path))
        with pytest.raises(ValueError, match=f"{name} can't be read"):
            load_picture({"bytes": data, "path": name})
        with pytest.raises(ValueError, match="the given bytes can't be read"):
            load_picture(data)
    with pytest.raises(ValueError, match="truncated.png can't be read"):
        load_picture(Image.open(tmp_path / "truncated.png"))
    with pytest.raises(FileNotFoundError, match="no picture at .*missing.png"):
        load_picture(tmp_path / "missing.png")
    with pytest.raises(ValueError, match="the given NoneType can't be read"):
        load_picture(None)

    path = tmp_path / "bomb.png"
    path.write_bytes(FILES["png"][0])  # 200 pixels
    for limit in (150, 50):  # above the limit Pillow warns, above twice the limit it raises
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        with pytest.raises(ValueError, match=f"bomb.png has more than {limit} pixels"):
            load_picture(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 200)
    assert load_picture(path).size == (20, 10)


def test_broken_notes_on_rotation_do_not_cost_the_picture():
    picture = make_picture(0)
    for exif in (b"Exif\x00\x00II*\x00", b"Exif\x00\x00", b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\xff\xff"):
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", exif=exif)
        assert load_picture(buffer.getvalue()).size == picture.size


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "TIFF", "WEBP"])
def test_damaged_bytes_give_a_picture_or_one_sentence(kind):
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    make_picture(0).save(buffer, kind, exif=exif)
    whole = buffer.getvalue()
    generator = torch.Generator().manual_seed(0)
    for _ in range(150):
        damaged = bytearray(whole[: int(torch.randint(len(whole), (), generator=generator))])
        for _ in range(3):
            place = int(torch.randint(max(len(damaged), 1), (), generator=generator))
            damaged[place : place + 1] = bytes([int(torch.randint(256, (), generator=generator))])
        try:
            assert load_picture(bytes(damaged), name="damaged").mode == "RGB"
        except ValueError as error:
            assert str(error).startswith("damaged ")


def test_pixel_values_are_the_image_processors(processor):
    expected = processor.image_processor(Image.fromarray(RGB), return_tensors="pt")["pixel_values"]
    for source in (RGB, FILES["png"][0], torch.from_numpy(RGB), Image.fromarray(RGB)):
        assert torch.equal(processor(images=source)["pixel_values"], expected)
    batch = torch.from_numpy(np.stack([RGB, RGB[::-1]]))  # a batch in one tensor
    pixels = processor(images=batch)["pixel_values"]
    assert (
        pixels.shape == (2, 3, 32, 32) and torch.equal(pixels[:1], expected) and not torch.equal(pixels[1:], expected)
    )


@pytest.fixture
def odd_files(tmp_path):
    """What lies at a path and is no picture file; reading some of them would never end."""
    (tmp_path / "folder.jpg").mkdir()
    (tmp_path / "empty.jpg").touch()
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "broken.jpg").symlink_to("nothing.jpg")
    (tmp_path / "circle.jpg").symlink_to("circle.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    return tmp_path


@pytest.mark.parametrize(
    "name, sentence",
    [
        ("folder.jpg", "can't be read as a picture \\(it is a folder\\); give a file in it"),
        ("empty.jpg", "can't be read as a picture \\(it is empty\\); remove or replace it"),
        ("pipe.jpg", "can't be read as a picture \\(it is a pipe, socket or device\\); give a file"),
        ("zero.jpg", "can't be read as a picture \\(it is a pipe, socket or device\\)"),
        ("broken.jpg", "is a link to 'nothing.jpg', where nothing lies; mend it"),
        ("circle.jpg", "can't be read as a picture .*check the path"),
        ("empty.jpg/below.jpg", "can't be read as a picture .*check the path"),
        ("a\0b.jpg", "can't be read as a picture .*check the path"),
        ("x" * 300, "can't be read as a picture .*check the path"),
    ],
)
def test_paths_where_no_picture_lies(odd_files, name, sentence):
    with pytest.raises((ValueError, FileNotFoundError), match=sentence) as raised:
        load_picture(odd_files / name)
    assert "\n" not in str(raised.value) and name in str(raised.value)
    with pytest.raises((ValueError, FileNotFoundError), match=f"^row 7 {sentence}"):
        load_picture({"bytes": None, "path": str(odd_files / name)}, name="row 7")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(tmp_path):
    make_picture(0).save(tmp_path / "mine.png")
    (tmp_path / "mine.png").chmod(0)
    with pytest.raises(
        ValueError, match="mine.png can't be read as a picture \\(permission denied\\); make it readable"
    ):
        load_picture(tmp_path / "mine.png")


def test_large_jpegs_are_decoded_at_a_fraction_of_their_size(tmp_path, monkeypatch):
    smooth = Image.radial_gradient("L").resize((2400, 1600)).convert("RGB")  # 3.84 million pixels
    turned = Image.Exif()
    turned[0x0112] = 6
    monkeypatch.setattr("pictures_moda.LARGE_EDGE", 400)
    files = {
        "plain": encoded(smooth, "JPEG"),
        "turned": encoded(smooth, "JPEG", exif=turned),
        "cmyk": encoded(smooth.convert("CMYK"), "JPEG"),
        "progressive": encoded(smooth, "JPEG", progressive=True),
    }
    for kind, data in files.items():
        (tmp_path / f"{kind}.jpg").write_bytes(data)
        whole = load_picture(data)
        assert sorted(whole.size) == [1600, 2400]  # not above the limit: in full
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2_000_000)
        small = load_picture(tmp_path / f"{kind}.jpg")
        assert small.size == (whole.width // 4, whole.height // 4) and small == load_picture(data)
        difference = np.abs(np.array(small, float) - np.array(whole.reduce(4), float))
        assert difference.max() <= 6
        monkeypatch.undo()
        monkeypatch.setattr("pictures_moda.LARGE_EDGE", 400)

    for limit, refused in ((1_900_000, ["progressive"]), (900_000, list(files))):
        monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
        for kind, data in files.items():
            if kind in refused:
                with pytest.raises(ValueError, match=f"{kind}.jpg has more than {limit:,} pixels"):
                    load_picture(tmp_path / f"{kind}.jpg")
            else:
                assert sorted(load_picture(data).size) == [400, 600]
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1_000_000)
    strip = encoded(smooth.resize((6000, 399)), "JPEG")  # too narrow to be shrunk
    with pytest.raises(ValueError, match="the given bytes has more than 1,000,000 pixels"):
        load_picture(strip)
    with pytest.raises(ValueError, match="has more than 1,000,000 pixels"):
        load_picture(encoded(smooth, "PNG"))
