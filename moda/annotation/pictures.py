"""Looks at every picture of a catalogue once: size, hashes, a thumbnail; and makes what an annotator is sent of one."""

import base64
import hashlib
import io
import os

import imagehash
import numpy as np
from PIL import Image

from moda.data.pixels import prepared
from moda.data.store import CACHE, open_or_build
from pictures_moda import load_picture


THUMB = (8, 8)
ROW = np.dtype(
    [
        ("width", "<i4"),
        ("height", "<i4"),
        ("hash", "<u8"),
        ("digest", "u1", (8,)),
        ("thumb", "u1", (*THUMB, 3)),
    ]
)
SENT = {"JPEG": "image/jpeg", "PNG": "image/png", "WEBP": "image/webp"}
ORIENTATION, SIDEWAYS = 0x0112, (5, 6, 7, 8)  # the EXIF tag, and what it says of a camera held upright
ENOUGH, FULL_SIZE = 256, "full size"  # pixels an edge, for a hash of 32 x 32


class Pictures:
    """What was seen of a catalogue's pictures, an entry for each of its rows; all 0 where a picture can't be read.

    Attributes:
        width, height (`np.ndarray` of `int32`, shape `(rows,)`): In pixels, upright.
        hash (`np.ndarray` of `uint64`, shape `(rows,)`): Perceptual hash; the fewer bits differ, the more alike are two
            pictures (`phash` of the ImageHash library: signs of the lowest 8 × 8 frequencies of the grey picture).
        thumb (`np.ndarray` of `uint8`, shape `(rows, 8, 8, 3)`): The picture at 8 × 8 pixels, RGB, bicubic.
        digest (`np.ndarray` of `uint8`, shape `(rows, 8)`): Of size and pixels (of a
            large JPEG at a fraction of its size); equal where two pictures are the same.
        unreadable (`dict[int, str]`): Rows whose picture can't be read, with a sentence why.
    """

    def __init__(self, seen, unreadable):
        self.width, self.height, self.hash, self.thumb, self.digest = (
            np.ascontiguousarray(seen[name]) for name in ("width", "height", "hash", "thumb", "digest")
        )
        self.unreadable = unreadable


def inspect_pictures(source, cache=CACHE / "inspected"):
    """Decodes each picture once, in worker processes, and keeps what was seen of it; a killed run goes on where it was.

    Args:
        source ([`Source`]): The catalogue.
        cache (`Path`, *optional*, defaults to `~/.cache/moda/inspected`, or below `$MODA_CACHE`): Folder.

    Returns:
        [`Pictures`]

    Raises:
        `ValueError`: If no picture can be read.
        `OSError`: If the folder is full or can't be written.
    """

    def compute(first):
        for _, seen, unreadable in prepared(_Reduced(source.rows), _look, first):
            yield seen, unreadable

    key = hashlib.sha256(f"{source.picture_fingerprint} phash {ROW}".encode()).hexdigest()[:16]
    count = len(source.rows)
    file, left_out = open_or_build(
        cache, key, source.picture_fingerprint, (ROW.itemsize,), np.uint8, count, compute, "Inspecting pictures"
    )
    names = {row: (f"the picture of row {row}", f"The picture of {source.ids[row]!r}") for row, _ in left_out}
    unreadable = {row: why.replace(*names[row], 1) for row, why in left_out}
    seen = np.zeros(count, ROW)
    seen[np.array([row not in unreadable for row in range(count)])] = np.load(file, mmap_mode="r").view(ROW)[:, 0]
    return Pictures(seen, unreadable)


def picture_url(image, longest=768):
    """Makes a data URL of a picture, as requests to vision-language models take it.

    A JPEG, PNG or WebP file that is upright, opaque, RGB or grey and not too large is sent as it is; anything else upright
    and shrunk, as JPEG of quality 90. A large JPEG is decoded at a fraction of its size. Threads may do this side by side.

    Args:
        image (`dict`, `bytes`, `str` or `PIL.Image.Image`): A row's `image`, or whatever [`load_picture`] opens.
        longest (`int`, *optional*, defaults to 768): Most pixels of the longer edge.

    Returns:
        `str`: `"data:image/jpeg;base64,..."`.

    Raises:
        `ValueError`: If the picture can't be read.
        `FileNotFoundError`: If there is none at its path.
    """
    content = _content(image)
    kind = content and _sent_as_it_is(content, longest)
    if not kind:
        picture = _jpeg(content)
        if picture:
            picture.draft(None, [-(-side * longest // max(picture.size)) for side in picture.size])
        picture = load_picture(picture or image, image.get("path") if isinstance(image, dict) else None)
        picture.thumbnail((longest, longest), Image.Resampling.LANCZOS)
        file, kind = io.BytesIO(), SENT["JPEG"]
        picture.save(file, "JPEG", quality=90)
        content = file.getvalue()
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _content(image):
    if isinstance(image, dict):
        image = image["bytes"] if image.get("bytes") is not None else image["path"]
    if isinstance(image, os.PathLike) or (isinstance(image, str) and "://" not in image):
        try:
            with open(image, "rb") as file:
                return file.read()
        except OSError:  # load_picture says what is wrong
            return None
    return image if isinstance(image, bytes) else None


def _sent_as_it_is(content, longest):
    """Returns the media type of a file that needs nothing done, or `None`; only its header is read."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            fits = max(picture.size) <= longest and picture.mode in ("RGB", "L") and "transparency" not in picture.info
            still = getattr(picture, "n_frames", 1) == 1 and picture.getexif().get(ORIENTATION, 1) == 1
            return SENT.get(picture.format) if fits and still else None
    except Exception:  # a broken file can fail anywhere in its decoder; load_picture says how
        return None


class _Reduced:
    """Rows whose large JPEG pictures are opened at a fraction of their size, as their decoder can: several times as fast."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        image = self.rows[index]["image"]
        picture = _jpeg(_content(image))
        if not picture:
            return {"image": image}
        sideways = picture.getexif().get(ORIENTATION, 1) in SIDEWAYS
        picture.info[FULL_SIZE] = picture.size[::-1] if sideways else picture.size
        picture.draft(None, (ENOUGH, ENOUGH))
        return {"image": picture}


def _jpeg(content):
    """Opens a JPEG file whose header can be read and whose size is no attack; `None` of anything else. Nothing is decoded."""
    try:
        picture = Image.open(io.BytesIO(content))
        picture.getexif()
        too_large = Image.MAX_IMAGE_PIXELS and picture.width * picture.height > Image.MAX_IMAGE_PIXELS
        return picture if picture.format == "JPEG" and not too_large else None
    except Exception:  # a broken file can fail anywhere in its decoder; load_picture says how
        return None


def _look(picture):
    seen = np.zeros((), ROW)
    size = seen["width"], seen["height"] = picture.info.get(FULL_SIZE, picture.size)
    seen["digest"] = np.frombuffer(hashlib.sha256(b"%d x %d" % size + picture.tobytes()).digest()[:8], np.uint8)
    if max(picture.size) >= 2 * ENOUGH:
        picture = picture.reduce(max(picture.size) // ENOUGH)
    seen["hash"] = np.packbits(imagehash.phash(picture).hash).view(">u8")[0]
    seen["thumb"] = np.asarray(picture.resize(THUMB, Image.Resampling.BICUBIC))
    return np.frombuffer(seen.tobytes(), np.uint8)
