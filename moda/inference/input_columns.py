"""Which columns of a table hold pictures and ids, and which place a value names."""

import difflib
import os
import re
from urllib.parse import unquote, urlsplit


# HEIC is among them although Pillow can't open it alone: a telephone's pictures must not be passed over without a word.
PICTURE_SUFFIXES = frozenset(
    ".jpg .jpeg .jpe .jfif .png .apng .webp .avif .gif .bmp .tif .tiff .jp2 .tga .ppm .pgm .pbm .pnm .heic .heif".split()
)
# Without capitals, spaces and underscores, the likeliest first.
NAMES = {
    "image": "image picture photo img images file_name image_path picture_path photo_path img_path image_file image_url "
    "picture_url photo_url img_url image_link image_src img_src main_image primary_image product_image main_image_url "
    "primary_image_url product_image_url image_name image_filename pictures photos filename file path file_path filepath "
    "url link src thumbnail",
    "id": "id sku product_id item_id article_id product_code item_code article_code article_number product_number sku_id "
    "uniq_id uid uuid asin variant_sku image_id key handle",
}
CREDENTIALS = re.compile(r"^(https?://)[^/?#]*@", re.IGNORECASE)
NOTHING = frozenset(("", "na", "n/a", "nan", "none", "null"))


def choose_columns(values, columns, source, folder):
    """Chooses the columns with pictures and with ids, those given or the likeliest.

    Args:
        values (`dict[str, list]`): Names of the columns, and what the first rows hold.
        columns (`dict[str, str]`): `image` and `id`, as far as they are given.
        source: What to call the table in an error.
        folder (`str`): Where relative paths begin.

    Returns:
        `tuple[str, str | None, str | None]`: Both, and a sentence on what was guessed.

    Raises:
        `ValueError`: If one that is given is not there, or none tells of pictures.
    """
    names, name = list(values), os.path.basename(str(source))
    for ours, own in columns.items():
        if own not in names:
            near = difflib.get_close_matches(own, names, 1)
            asked = f"; did you mean {near[0]!r}?" if near else "; name one of these."
            raise ValueError(f"{name} has no column {own!r} ({ours}) among {', '.join(names)}{asked}")
    image = columns.get("image") or _likeliest(
        "image", [own for own in names if own != columns.get("id") and shows(values[own], folder)]
    )
    if image is None:  # nothing speaks against a column whose first rows are empty
        empty = [own for own in names if all(str(value).strip().lower() in NOTHING for value in values[own])]
        image = _likeliest("image", [own for own in empty if own != columns.get("id")])
    if image is None:
        plain = [own for own in names if own != columns.get("id") and shows(values[own], None)]
        if len(plain) != 1:
            said = f"{' and '.join(plain)} may each" if plain else "none seems to"
            raise ValueError(
                f"Of the columns of {name}, {said} hold pictures, their paths or addresses ({', '.join(names)}); name the "
                f"one that does, as --columns image={(plain or names)[0]} on the command line does."
            )
        image = plain[0]
    key = columns.get("id") or _likeliest("id", [own for own in names if own != image])
    guessed = [f"pictures from column {image!r}"] if image not in (columns.get("image"), "image") else []
    guessed += [f"ids from column {key!r}"] if key not in (None, columns.get("id"), "id") else []
    return image, key, f"From {name}, {' and '.join(guessed)} are taken." if guessed else None


def _likeliest(ours, names):
    likely = [_plain(name) for name in NAMES[ours].split()]
    named = [name for name in names if _plain(name) in likely]
    return min(named, key=lambda name: likely.index(_plain(name)), default=None)


def _plain(name):
    return re.sub(r"[\W_]", "", name).lower()


def shows(values, folder):
    """Whether most values are pictures, or their places; without a folder only what tells so by itself counts."""
    values = [value for value in values if place_in(value) is not None or isinstance(value, (bytes, dict, list))]
    return sum(_shows_one(value, folder) for value in values) > len(values) / 2


def _shows_one(value, folder):
    value = value[0] if isinstance(value, list) else value
    if isinstance(value, dict):
        return bool(value.keys() & {"bytes", "path", "url", "src"})
    if isinstance(value, bytes):
        return True
    place = place_in(value) or ""
    path = urlsplit(place).path if is_address(place) and not place.startswith("data:") else place
    told = place.startswith("data:image/") or os.path.splitext(path)[1].lower() in PICTURE_SUFFIXES
    return told or (folder is not None and (is_address(place) or os.path.isfile(located(place, folder))))


def place_in(value):
    """Returns the path or address that a table's value names, or `None`."""
    if isinstance(value, list):
        value = next((one for one in value if place_in(one) or isinstance(one, dict)), None)
    if isinstance(value, dict):
        value = next((value[key] for key in ("path", "url", "src", "file_name") if value.get(key)), None)
    if not isinstance(value, str) or value.strip().lower() in NOTHING:
        return None
    value = value.strip()
    return unquote(urlsplit(value).path) if value.lower().startswith("file://") else value


def located(place, folder):
    """Returns an address or absolute path as it is, and where a relative path leads: below the folder, or its images/."""
    if is_address(place) or os.path.isabs(place):
        return place
    beside = [os.path.join(folder, place), os.path.join(folder, "images", place)]
    return next((path for path in (*beside, os.path.abspath(place)) if os.path.exists(path)), beside[0])


def public_name(place):
    """A path or address as text that can be written down: without bytes that are no text, and without an address's password."""
    return CREDENTIALS.sub(r"\1", os.fsencode(place).decode("utf-8", "replace"))


def is_address(place):
    """Whether it is an `http(s)://` or `data:` URL."""
    return place[:8].lower().startswith(("http://", "https://", "data:"))
