"""The dataset card's charts and its sheet of pictures, as PNGs."""

import warnings
from contextlib import contextmanager, suppress

import matplotlib
from matplotlib.figure import Figure

from moda.data.charts import CHART_STYLE, FAINT, PAPER
from moda.data.sheet import contact_sheet
from pictures_moda import load_picture

from .tally import EXAMPLES, UNKNOWN


BAR, LINE = "#0f6f6c", "#b85116"
STYLE = {**CHART_STYLE, "axes.spines.left": False, "ytick.major.size": 0}
VALUES = 12  # of an attribute; the others share a bar
LONGEST = 24


def draw(folder, dataset, pictures=None):
    """Writes `lengths.png`, `marginals.png`, `clip.png` and `sheet.png`, as far as there is something to show.

    Args:
        folder (`Path`): Where to; made when missing.
        dataset (`dict`): What [`assemble`] returned.
        pictures (`Callable[[int], object]`, *optional*): Of a source's row the picture, as [`load_picture`] takes it.

    Returns:
        `list[str]`: Names of those written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lengths = [[length - 0.5, length + 0.5, count] for length, count in dataset["words"]["histogram"]]
    _histogram(folder / "lengths.png", lengths, dataset["words"]["median"], "words of a description")
    written = ["lengths.png"]
    if dataset["marginals"]:
        _marginals(folder / "marginals.png", dataset["marginals"])
        written.append("marginals.png")
    if clip := dataset["clip"]:
        _histogram(folder / "clip.png", clip["histogram"], clip["median"], "CLIPScore")
        written.append("clip.png")
    shown = []
    for record in dataset["examples"] if pictures is not None else ():
        with suppress(ValueError, OSError):  # one that can't be read
            shown.append((load_picture(pictures(record["row"])), record["description"]))
    if shown:
        contact_sheet(*zip(*shown), columns=EXAMPLES // 2).save(folder / "sheet.png")
        written.append("sheet.png")
    return written


def shortened(values, most=VALUES):
    """The most frequent values, what is not known, and a line for all others.

    Args:
        values (`dict[str, int]`): Of each value its rows, the most frequent first.
        most (`int`, *optional*, defaults to 12): Lines at most.

    Returns:
        `list[tuple[str, int, float | None]]`: Of each its name, its rows, and how many these are to the most frequent value's;
        `None` for the others, whose sum is no bar among bars.
    """
    known = [(value, count) for value, count in values.items() if value != UNKNOWN]
    ends = [(UNKNOWN, values[UNKNOWN])] if UNKNOWN in values else []
    if len(known) + len(ends) > most:
        shown = most - 1 - len(ends)
        ends.insert(0, (f"{len(known) - shown} others", sum(count for _, count in known[shown:])))
        known = known[:shown]
    most = max(values.values())
    return [(value, count, count / most if value in values else None) for value, count in (*known, *ends)]


@contextmanager
def _saved(file, width, height, **options):
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box is drawn
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure.subplots(**options, squeeze=False)
        figure.savefig(file, dpi=130, facecolor=PAPER, metadata={"Software": None})


def _histogram(file, bins, middle, label):
    with _saved(file, 6.4, 3.0) as axes:
        axis = axes[0, 0]
        lows, highs, counts = zip(*bins)
        widths = [high - low for low, high in zip(lows, highs)]
        axis.bar(lows, counts, widths, align="edge", color=BAR, edgecolor=PAPER, linewidth=0.6)
        axis.axvline(middle, color=LINE, linewidth=1.4)
        axis.annotate(f"median {middle:,.3g}", (middle, 1), xycoords=("data", "axes fraction"), xytext=(5, 0),
                      textcoords="offset points", color=LINE, fontsize=9, va="top")  # fmt: skip
        axis.set(xlabel=label, ylabel="rows", ylim=(0, 1.15 * max(counts)))
        axis.grid(axis="x", visible=False)
        axis.yaxis.set_major_formatter("{x:,.0f}")


def _marginals(file, marginals):
    columns = min(3, len(marginals))
    bars = {name: shortened(values) for name, values in marginals.items()}
    names = sorted(bars, key=lambda name: len(bars[name]))  # neighbours of like height share a line
    lines = [names[start : start + columns] for start in range(0, len(names), columns)]
    heights = [max(len(bars[name]) for name in line) + 2 for line in lines]
    with _saved(
        file, 3.6 * columns, 0.23 * sum(heights), nrows=len(lines), ncols=columns, height_ratios=heights
    ) as axes:
        for axis in axes.flat[len(names) :]:
            axis.set_visible(False)
        for axis, name in zip(axes.flat, names):
            found = bars[name]
            high = heights[names.index(name) // columns] - 2
            axis.set(title=name, ylim=(high - 0.5, -0.6), xlim=(0, 1.22), xticks=())
            axis.set_yticks(range(len(found)), [_short(value) for value, *_ in found])
            for place, (value, count, share) in enumerate(found):
                axis.barh(place, share or 0, 0.68, color=FAINT if value == UNKNOWN else BAR)
                offset = {"xytext": (4, 0), "textcoords": "offset points"}
                axis.annotate(f"{count:,}", (share or 0, place), va="center", fontsize=8, **offset)
            axis.grid(visible=False)
            axis.spines.bottom.set_visible(False)


def _short(text):
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
