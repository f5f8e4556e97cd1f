"""The pictures that a repository shows: drawn anew, so that nothing that a camera or a program wrote into them goes along."""

from pathlib import Path

from PIL import Image, ImageChops

from moda.data.sheet import PAPER
from pictures_moda import load_picture


DRAWN = ("sheet.png", "loss.png", "scores.png")  # by a training
MOST_SAMPLES, SAMPLE_EDGE = 4, 512
CELL, GAP = 192, 16  # of the sheet


def write_pictures(run, folder, samples=None):
    """Writes a run's sheet and curves, and a few sample pictures.

    Args:
        run, folder (`Path`): From where, to where.
        samples (`str` or `os.PathLike`, *optional*): Folder of pictures, of which the first four go along. Defaults to the
            first four of the run's sheet.

    Raises:
        `ValueError`: If there are none in that folder, or one can't be read.
    """
    for name in DRAWN:
        if (run / name).is_file():
            redrawn(run / name).save(folder / name)
    if samples is not None:
        known = Image.registered_extensions()
        files = sorted(path for path in Path(samples).glob("*") if path.suffix.lower() in known)
        if not files:
            raise ValueError(
                f"There is no picture in {samples}; name a folder of pictures by --samples, or leave it out."
            )
        pictures = map(redrawn, files[:MOST_SAMPLES])
    elif (folder / DRAWN[0]).is_file():
        pictures = cut_sheet(Image.open(folder / DRAWN[0]))[:MOST_SAMPLES]
    else:
        return
    (folder / "samples").mkdir()
    for number, picture in enumerate(pictures, 1):
        picture.thumbnail((SAMPLE_EDGE, SAMPLE_EDGE))
        picture.save(folder / "samples" / f"{number}.png")


def redrawn(path):
    """The picture of a file and no more: no place, no date, no name, no colour profile."""
    picture = load_picture(path)
    return Image.frombytes(picture.mode, picture.size, picture.tobytes())


def cut_sheet(sheet):
    """Cuts the first line of pictures out of a contact sheet.

    Args:
        sheet (`PIL.Image.Image`): What [`~moda.data.sheet.contact_sheet`] drew with its defaults.

    Returns:
        `list[PIL.Image.Image]`: Empty where the sheet is laid out otherwise.
    """
    if (sheet.width - GAP) % (CELL + GAP) or sheet.height < CELL + 2 * GAP:
        return []
    cells = [sheet.crop((x, GAP, x + CELL, GAP + CELL)) for x in range(GAP, sheet.width - GAP, CELL + GAP)]
    drawn = [ImageChops.difference(cell, Image.new("RGB", cell.size, PAPER)).getbbox() for cell in cells]
    return [cell.crop(box) for cell, box in zip(cells, drawn) if box]
