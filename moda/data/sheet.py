"""Contact sheets: many pictures on one page, each with its sentence beneath."""

from collections.abc import Iterable, Mapping, Sequence

from PIL import Image, ImageDraw

from pictures_moda import load_picture

from .drawing import font


PAPER = (250, 249, 246)
TEXT = (44, 42, 50)


def _wrap(sentence: str, width: int, size: int) -> list[str]:
    face = font(size)
    lines: list[str] = []
    line = ""
    for word in sentence.split():
        # A single word wider than the cell is cut, so that nothing runs into the neighbouring sentence.
        while face.getlength(word) > width and len(word) > 1:
            cut = next(n for n in range(len(word) - 1, 0, -1) if n == 1 or face.getlength(word[:n]) <= width)
            lines.extend([line] if line else [])
            lines.append(word[:cut])
            line, word = "", word[cut:]
        longer = f"{line} {word}".strip()
        if line and face.getlength(longer) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line] if line else lines


def contact_sheet(
    pictures: Iterable[object],
    captions: Sequence[str] | None = None,
    columns: int = 8,
    colours: Sequence[tuple[int, int, int] | str | None] | None = None,
    cell: int = 192,
    text_size: int = 15,
) -> Image.Image:
    """Lay pictures out in a grid with a wrapped sentence beneath each.

    Args:
        pictures (`Iterable`): Pictures as PIL images, encoded bytes, paths or `{"bytes": ...}`; or catalogue rows
            (mappings with `image` and `description`), in which case `captions` may be left out.
        captions (`Sequence[str]`, *optional*): One sentence per picture; an empty string is allowed. A line break in a
            caption starts a new line.
        columns (`int`, defaults to 8): Pictures per line.
        colours (`Sequence`, *optional*): Text colour per caption, as RGB or a Pillow colour name; `None` entries use
            the dark default. Handy to tell right sentences from wrong ones.
        cell (`int`, defaults to 192): Width of a picture on the sheet, in pixels; the shape of a picture is kept.
        text_size (`int`, defaults to 15): Height of the letters, in pixels.

    Returns:
        `PIL.Image.Image`: The sheet, RGB, wide enough for `columns` pictures and as high as it needs to be.

    Raises:
        `ValueError`: If there is no picture, if `columns` or `cell` is below 1, or if captions or colours are not one
            per picture.
    """
    items = list(pictures)
    if not items:
        raise ValueError("A contact sheet needs at least one picture; got none, so pass some rows or images.")
    if columns < 1 or cell < 1:
        raise ValueError(
            f"columns and cell must be at least 1, not {columns} and {cell}; leave them out for a default."
        )
    rows = [item for item in items if isinstance(item, Mapping) and "image" in item]
    if len(rows) == len(items):
        captions = [str(row.get("description", "")) for row in rows] if captions is None else captions
        items = [row["image"] for row in rows]
    captions = [""] * len(items) if captions is None else captions
    for name, values in (("captions", captions), ("colours", colours)):
        if values is not None and len(values) != len(items):
            raise ValueError(f"{name} has {len(values)} entries for {len(items)} pictures; pass exactly one for each.")

    gap, leading = max(8, cell // 12), round(text_size * 1.3)
    texts = [[line for part in sentence.split("\n") for line in _wrap(part, cell, text_size)] for sentence in captions]
    columns = min(columns, len(items))
    starts = range(0, len(items), columns)
    heights = [max(len(text) for text in texts[start : start + columns]) * leading for start in starts]
    width = gap + columns * (cell + gap)
    sheet = Image.new("RGB", (width, gap + sum(cell + gap // 2 + height + gap for height in heights)), PAPER)
    pen = ImageDraw.Draw(sheet)
    y = gap
    for start, height in zip(starts, heights, strict=True):
        for column, index in enumerate(range(start, min(start + columns, len(items)))):
            x = gap + column * (cell + gap)
            picture = load_picture(items[index])
            ratio = cell / max(picture.size)
            fitted = picture.resize(
                (max(1, round(picture.width * ratio)), max(1, round(picture.height * ratio))), Image.Resampling.LANCZOS
            )
            sheet.paste(fitted, (x + (cell - fitted.width) // 2, y + (cell - fitted.height) // 2))
            colour = (colours[index] if colours is not None else None) or TEXT
            for number, line in enumerate(texts[index]):
                pen.text((x, y + cell + gap // 2 + number * leading), line, fill=colour, font=font(text_size))
        y += cell + gap // 2 + height + gap
    return sheet
