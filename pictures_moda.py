"""Any picture that a caller may hold, as an upright RGB `PIL.Image`."""

import io
import os
import struct
import urllib.error
import urllib.request
import warnings

import torch
from PIL import Image, ImageOps


def load_picture(source, name=None):
    """Opens a picture and makes it RGB, upright and opaque.

    Grey, palette, CMYK and 16-bit pictures are converted with their full range, transparency is laid on white, and the
    camera's EXIF rotation is applied; of an animation the first frame is taken.

    Args:
        source (`PIL.Image.Image`, `str`, `os.PathLike`, `bytes`, `numpy.ndarray`, `torch.Tensor` or `dict`):
            A picture, a path, an http(s) URL, an encoded file's bytes, an array of shape `(height, width)`,
            `(height, width, channels)` or `(channels, height, width)` with integers 0-255 or floats 0-1, or a row of
            `datasets` (`{"bytes": ..., "path": ...}`).
        name (`str`, *optional*): What to call the picture in an error. Defaults to its path or its kind.

    Returns:
        `PIL.Image.Image` in mode RGB.

    Raises:
        `ValueError`: If it can't be read (truncated, not a picture, too many pixels), naming it.
        `FileNotFoundError`: If the path does not exist.
    """
    if isinstance(source, dict):
        name = name or source.get("path")
        source = source["bytes"] if source.get("bytes") is not None else source["path"]
    if isinstance(source, (str, os.PathLike)):
        name = name or str(source)
        if not _is_url(source) and not os.path.exists(source):
            raise FileNotFoundError(f"There is no picture at {str(source)!r}; check the path.")
    name = name or getattr(source, "filename", None) or f"the given {type(source).__name__}"
    if not isinstance(source, Image.Image) and (hasattr(source, "__array__") or isinstance(source, torch.Tensor)):
        source = _from_array(torch.as_tensor(source), name)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            if _is_url(source):
                request = urllib.request.Request(str(source), headers={"User-Agent": "moda"})
                with urllib.request.urlopen(request, timeout=30) as response:
                    source = response.read()
            if isinstance(source, (bytes, bytearray)):
                source = io.BytesIO(source)
            image = source if isinstance(source, Image.Image) else Image.open(source)
            image.load()
            return _opaque_rgb(_upright(image))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(
            f"{name} has more than {Image.MAX_IMAGE_PIXELS:,} pixels and may be a decompression bomb; shrink it, or "
            "raise PIL.Image.MAX_IMAGE_PIXELS if you trust it."
        ) from error
    except (urllib.error.URLError, TimeoutError) as error:
        raise ValueError(f"{name} could not be fetched ({error}); check its address and the network.") from error
    except Exception as error:  # a broken file can fail anywhere in its decoder
        raise ValueError(f"{name} can't be read as a picture ({error}); remove or replace it.") from error


def _upright(image):
    try:
        return ImageOps.exif_transpose(image)
    except (struct.error, SyntaxError, ValueError, TypeError, LookupError, OSError, EOFError):
        return image  # its notes on how the camera was held are broken, the picture is not


def _is_url(source):
    return isinstance(source, str) and source.startswith(("http://", "https://"))


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
