"""What the pages of reports share: their templates, small pictures that lie within them, and facts as lines."""

import base64
import io
from pathlib import Path

import jinja2


THUMBNAIL = 160  # pixels of the longer side


def page_template(folder, filters=None, **names):
    """Opens `report.html` of a folder. Any text in it is escaped, and it may include `page.css`, the style of all pages.

    Args:
        folder (`str` or `Path`): Of the template.
        filters (`dict[str, Callable]`, *optional*): That the template may use.
        names: Whatever else the template may use.

    Returns:
        `jinja2.Template`
    """
    loader = jinja2.FileSystemLoader([folder, Path(__file__).parent])
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(filters or {})
    environment.globals.update(names)
    return environment.get_template("report.html")


def thumbnail(picture, side=THUMBNAIL):
    """A small copy of a picture.

    Args:
        picture (`PIL.Image.Image`): Stays as it is.
        side (`int`, *optional*, defaults to 160): Most pixels of the longer side.

    Returns:
        `PIL.Image.Image`: In RGB.
    """
    copy = picture.convert("RGB")
    copy.thumbnail((side, side))
    return copy


def data_uri(picture):
    """An address that holds a picture.

    Args:
        picture (`PIL.Image.Image`): In RGB.

    Returns:
        `dict`: `uri`, of a JPEG, and `width` and `height` in pixels.
    """
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=82)
    code = base64.b64encode(buffer.getvalue()).decode()
    return {"uri": f"data:image/jpeg;base64,{code}", "width": picture.width, "height": picture.height}


def lines(facts, path=""):
    """Lists facts as pairs of a name and a text.

    Args:
        facts (`dict`): Texts, numbers, lists, and further such dicts, in which each is named by its path; what is `None` or
            empty is left out.
        path (`str`, *optional*): What stands before each name.

    Returns:
        `list[tuple[str, str]]`
    """
    found = []
    for name, value in facts.items():
        if isinstance(value, dict):
            found += lines(value, f"{path}{name} · ")
        elif value not in (None, "", []):
            form = {int: "{:,}", float: "{:,.4g}"}.get(type(value), "{}")
            found.append(
                (f"{path}{name}", ", ".join(map(str, value)) if isinstance(value, list) else form.format(value))
            )
    return found
