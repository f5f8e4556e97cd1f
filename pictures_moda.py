"""Any picture that a caller may hold, as an upright RGB `PIL.Image`."""

import io
import os
import stat
import struct
import warnings

import torch
from PIL import Image, ImageOps, JpegImagePlugin


try:  # as remote code
    from .fetching_moda import fetch
except ImportError:  # from the repository root, or installed
    from fetching_moda import fetch

# Times the pixels that Pillow opens. At a fraction of its size a JPEG takes less memory than the largest of those, but its
# decoder keeps a progressive one as a whole, whatever size is asked for.
LARGEST_JPEG, LARGEST_PROGRESSIVE_JPEG = 4, 2
LARGE_EDGE = 2048  # pixels that the shorter edge of such a one keeps at least
ORIENTATION = 0x0112  # the EXIF tag


def load_picture(source, name=None, allow_private=True):
    """Opens a picture and makes it RGB, upright and opaque.

    Grey, palette, CMYK and 16-bit pictures are converted with their full range, transparency is laid on white, and the
    camera's EXIF rotation is applied; of an animation the first frame is taken. A JPEG of more pixels than Pillow opens
    (89 million, `PIL.Image.MAX_IMAGE_PIXELS`), up to four times as many (progressive: twice), is decoded at 1/2, 1/4 or 1/8 of its size; all
    others in full.

    Args:
        source (`PIL.Image.Image`, `str`, `os.PathLike`, `bytes`, `numpy.ndarray`, `torch.Tensor` or `dict`):
            A picture, a path, an `http(s)://` or `data:` URL, an encoded file's bytes, an array of shape `(height, width)`,
            `(height, width, channels)` or `(channels, height, width)` with integers 0-255 or floats 0-1, or a row of
            `datasets` (`{"bytes": ..., "path": ...}`).
        name (`str`, *optional*): What to call the picture in an error. Defaults to its path or its kind.
        allow_private (`bool`, *optional*, defaults to `True`):
            Whether a URL may lead to this machine or its network; see [`fetch`]. `False` where others choose the URL.

    Returns:
        `PIL.Image.Image` in mode RGB.

    Raises:
        `ValueError`: If it can't be read (truncated, empty, not a picture, too many pixels), fetched, or may not be, naming
            it.
        `FileNotFoundError`: If the path does not exist.
    """
    if isinstance(source, dict):
        name = name or source.get("path")
        source = source["bytes"] if source.get("bytes") is not None else source.get("path")
    if _is_url(source):
        source = fetch(source, name, allow_private)
    elif isinstance(source, (str, os.PathLike)):
        name = name or str(source)
        _check_file(source, name)
    name = name or getattr(source, "filename", None) or f"the given {type(source).__name__}"
    if not isinstance(source, Image.Image) and (hasattr(source, "__array__") or isinstance(source, torch.Tensor)):
        source = _from_array(torch.as_tensor(source), name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if isinstance(source, (bytes, bytearray)):
                if not source:
                    raise ValueError("it is empty")
                source = io.BytesIO(source)
            image = source if isinstance(source, Image.Image) else _open(source)
            image.load()
            return _opaque_rgb(_upright(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(
            f"{name} has more than {Image.MAX_IMAGE_PIXELS:,} pixels and may be a decompression bomb; shrink it, or "
            "raise PIL.Image.MAX_IMAGE_PIXELS if you trust it."
        ) from error
    except Exception as error:  # a broken file can fail anywhere in its decoder
        raise ValueError(f"{name} can't be read as a picture ({error}); remove or replace it.") from error


def _check_file(path, name):
    """Looks at what lies at a path before it is opened, which could hang."""
    try:
        found = os.stat(path)
    except FileNotFoundError as error:
        if os.path.islink(path):
            raise FileNotFoundError(
                f"{name} is a link to {os.readlink(path)!r}, where nothing lies; mend it."
            ) from error
        raise FileNotFoundError(f"There is no picture at {str(path)!r}; check the path.") from error
    except (OSError, ValueError) as error:  # not a directory, a loop of links, too long a name, a zero byte
        raise ValueError(f"{name} can't be read as a picture ({error}); check the path.") from error
    if stat.S_ISDIR(found.st_mode):
        raise ValueError(f"{name} can't be read as a picture (it is a folder); give a file in it.")
    if not stat.S_ISREG(found.st_mode):
        raise ValueError(f"{name} can't be read as a picture (it is a pipe, socket or device); give a file.")
    if not found.st_size:
        raise ValueError(f"{name} can't be read as a picture (it is empty); remove or replace it.")
    if not os.access(path, os.R_OK):
        raise ValueError(f"{name} can't be read as a picture (permission denied); make it readable to you.")


def _open(source):
    try:
        return Image.open(source)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        if hasattr(source, "seek"):
            source.seek(0)
        try:
            image = JpegImagePlugin.JpegImageFile(source)
        except SyntaxError:  # what Pillow's readers raise at another format
            image = None
        most = LARGEST_PROGRESSIVE_JPEG if image and "progressive" in image.info else LARGEST_JPEG
        if not image or _pixels(image) > most * Image.MAX_IMAGE_PIXELS:
            raise
        image.draft(None, (LARGE_EDGE, LARGE_EDGE))
        if _pixels(image) > Image.MAX_IMAGE_PIXELS:  # a strip
            raise
        return image


def _pixels(image):
    return image.width * image.height


def _upright(image):
    try:
        # Where there is nothing to turn, exif_transpose would copy the picture.
        return ImageOps.exif_transpose(image) if image.getexif().get(ORIENTATION, 1) != 1 else image
    except (struct.error, SyntaxError, ValueError, TypeError, LookupError, OSError, EOFError):
        return image  # its notes on how the camera was held are broken, the picture is not


def _is_url(source):
    return isinstance(source, str) and source[:8].lower().startswith(("http://", "https://", "data:"))


def _opaque_rgb(image):
    if image.mode.startswith("I") or image.mode == "F":  # 16 bits; a plain convert would cut all above 255 to white
        values = torch.frombuffer(bytearray(image.convert("F").tobytes()), dtype=torch.float32)
        brightest = 65535 if image.mode.startswith("I;16") or values.max() > 255 else 255 if values.max() > 1 else 1
        grey = (values * 255 / brightest).clamp(0, 255).to(torch.uint8)
        return Image.frombytes("L", image.size, grey.numpy().tobytes()).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


def _from_array(array, name):
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or not ({array.shape[0], array.shape[-1]} & {1, 3, 4}):
        raise ValueError(
            f"{name} has shape {tuple(array.shape)}, which is no picture; give (height, width), "
            "(height, width, channels) or (channels, height, width) with 1, 3 or 4 channels."
        )
    if array.shape[-1] not in (1, 3, 4):
        array = array.permute(1, 2, 0)
    if array.is_floating_point():
        array = (array.float() * 255).round()
    elif array.dtype == torch.bool:
        array = array.to(torch.uint8) * 255
    else:
        array = array.long()  # some integer types know no comparison
    if not (array.min() >= 0 and array.max() <= 255):  # so put, it catches NaN too
        raise ValueError(
            f"{name} holds values from {array.min():g} to {array.max():g} (floats counted × 255), outside of a "
            "picture's range; give integers 0-255 or floats 0-1, before normalisation."
        )
    pixels = array.to(torch.uint8).contiguous()
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[pixels.shape[-1]]
    return Image.frombytes(mode, (pixels.shape[1], pixels.shape[0]), pixels.numpy().tobytes())
