"""The report's charts: PNGs on white, and the same drawings as SVG whose colours follow the page's light or dark theme."""

import contextlib
import functools
import io
import re
import warnings

import matplotlib
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font

from moda.data.charts import CHART_STYLE, FAINT, GRID, INK, PAPER

from .five import OVERALL, SCORES


SERIES = (
    "#0f6f6c",
    "#b85116",
    "#5a55b0",
    "#a8326e",
    "#4f7f1f",
    "#8a6a00",
)  # each ≥ 4.5:1 on white, and told apart by marker
RIGHT, PART, WRONG = "#1a7a45", "#8a6a00", "#b5361f"
MARKERS = "osD^vP"
# The page gives these variables a value for either theme.
VARIABLES = {INK: "ink", FAINT: "faint", GRID: "rule", **{colour: f"s{n}" for n, colour in enumerate(SERIES, 1)}}
STYLE = {
    **CHART_STYLE,
    "axes.prop_cycle": matplotlib.cycler(color=SERIES),
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "svg.fonttype": "none",
}
SHADES = LinearSegmentedColormap.from_list("shades", [PAPER, "#579a98"])  # ink is ≥ 4.5:1 on all of them
SMALL = 7.5


@contextlib.contextmanager
def _canvas(width, height, columns=1, **options):
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots(1, columns, squeeze=False, **options)[0]


def png(figure, file):
    """Writes a chart on white."""
    with matplotlib.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # a box is drawn
        figure.savefig(file, dpi=130, facecolor=PAPER)


def svg(figure, name):
    """Returns a chart as an `<svg>` element to lay into a page: no background, colours as variables of the page.

    Args:
        figure (`Figure`): One of this file's.
        name (`str`): Unique on the page: its clip paths are called after it.

    Returns:
        `str`: Without declarations, so that it names no address.
    """
    buffer = io.StringIO()
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing")  # the browser has it
        figure.savefig(
            buffer, format="svg", transparent=True, metadata=dict.fromkeys(("Creator", "Date", "Format", "Type"))
        )
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', "", text, count=2).replace("xlink:href", "href")
    text = re.sub(r'(?<= id=")|(?<=href="#)|(?<=url\(#)', f"{name}-", text)
    for colour, variable in VARIABLES.items():
        text = text.replace(colour, f"var(--{variable})")
    return re.sub(r"'DejaVu Sans'[^;\"]*", "system-ui, sans-serif", text)


def scores(systems):
    """Draws the overall and the five scores of all systems, each with its interval.

    Args:
        systems (`list[dict]`): With `name`, `kind` and `five`.

    Returns:
        `Figure`
    """
    names = [name for name in (OVERALL, *SCORES) if any(_value(system, name) is not None for system in systems)]
    height = 1.1 + 0.34 * len(systems)
    with _canvas(2.1 + 1.75 * len(names), height, max(len(names), 1), sharey=True, sharex=True) as (figure, axes):
        for axis, name in zip(axes, names):
            axis.set(title=name, xlim=(0, 10), ylim=(len(systems) - 0.4, -0.6), xticks=(0, 5, 10))
            axis.grid(axis="y", visible=False)
            axis.tick_params(axis="y", length=0)
            for place, system in enumerate(systems):
                value, found = _value(system, name), (system.get("five") or {}).get(name) or {}
                if value is None:
                    continue
                colour = colour_of(system)
                if found.get("low") is not None and found.get("high") is not None:
                    axis.plot(
                        (found["low"], found["high"]), (place, place), color=colour, linewidth=10, alpha=0.4,
                        solid_capstyle="butt", clip_on=False,
                    )  # fmt: skip
                axis.plot(value, place, MARKERS[KINDS.index(_kind(system))], color=colour, markersize=3, clip_on=False)
                left = value > 7
                end = found.get("low" if left else "high")  # beside the interval, on the side with room
                place_of = {"xytext": (-7 if left else 7, 0), "textcoords": "offset points", "va": "center"}
                side = "right" if left else "left"
                axis.annotate(f"{value:.1f}", (value if end is None else end, place), ha=side, fontsize=8, **place_of)
        axes[0].set_yticks(range(len(systems)), [_short(system["name"], 32) for system in systems])
        figure.supxlabel("0 to 10, with 95 % interval", fontsize=9, color=FAINT)
    return figure


def _short(text, length):
    return text if len(text) <= length else text[: length - 1] + "…"


KINDS = ("model", "other model", "baseline", "judge model")


def _kind(system):
    return system.get("kind") if system.get("kind") in KINDS else "model"


def colour_of(system):
    """The colour that a system has in every chart: by what kind it is."""
    return dict(zip(KINDS, (SERIES[0], SERIES[1], FAINT, SERIES[2])))[_kind(system)]


def _value(system, name):
    return ((system.get("five") or {}).get(name) or {}).get("value")


def lines(curves, xlabel, ylabel, limit=None, scale=1.0):
    """Draws curves on one axis.

    Args:
        curves (`list[dict]`): With `name` and `points`: `[x, y]` each.
        xlabel, ylabel (`str`): What is drawn.
        limit (`float`, *optional*): Upper end of the axis. Defaults to what the points need.
        scale (`float`, *optional*, defaults to 1.0): Of x.

    Returns:
        `Figure`
    """
    with _canvas(6.4, 4.2) as (figure, (axis,)):
        for number, curve in enumerate(curve for curve in curves if curve["points"]):
            points = [(x * scale, y) for x, y in curve["points"] if x is not None and y is not None]
            few = len(points) <= 40
            heavy = curve["name"] == OVERALL
            axis.plot(
                *zip(*points) if points else ((), ()), color=INK if heavy else SERIES[number % len(SERIES)],
                marker=MARKERS[number % len(MARKERS)] if few else None, label=_short(curve["name"], 32),
                linewidth=2.8 if heavy else 1.5, linestyle="--" if number >= len(SERIES) else "-",
            )  # fmt: skip
        lowest = min((y for curve in curves for _, y in curve["points"] if y is not None), default=0)
        axis.set(xlabel=xlabel, ylabel=ylabel, xlim=(0, None))
        if lowest >= 0:
            axis.set_ylim(0, limit)
        figure.legend(loc="outside lower center", ncols=min(len(curves), 3))
    return figure


def confusion(table, title):
    """Draws a confusion: of each true value (a line) the share that each value said has.

    Args:
        table (`dict`): Of [`tables.confusion`].
        title (`str`): Name of the attribute.

    Returns:
        `Figure`
    """
    labels, said = ([_short(name, 24) for name in table.get(side) or table["labels"]] for side in ("labels", "said"))
    longest = max(map(len, (*labels, *said)))
    shares = [[count / max(sum(line), 1) for count in line] for line in table["counts"]]
    size = (2.2 + 0.08 * longest + 0.5 * len(said), 1.4 + 0.06 * longest + 0.36 * len(labels))
    with _canvas(*size) as (figure, (axis,)):
        axis.imshow(shares, cmap=SHADES, vmin=0, vmax=1, aspect="auto")
        axis.set(title=_short(title, 32), xlabel="said, in % of the line", ylabel="true")
        axis.set_xticks(range(len(said)), said, rotation=40, ha="right", rotation_mode="anchor")
        axis.set_yticks(
            range(len(labels)), [f"{label}  ({sum(line):,})" for label, line in zip(labels, table["counts"])]
        )
        axis.grid(visible=False)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        for y, line in enumerate(shares):
            for x, share in enumerate(line):
                if share >= 0.005:
                    axis.text(x, y, f"{100 * share:.0f}", ha="center", va="center", fontsize=8)
    return figure


def calibration(found):
    """Draws the reliability of the confidence, and the share right among the most confident sentences.

    Args:
        found (`dict`): Of [`tables.calibration`].

    Returns:
        `Figure`
    """
    bins, kept = found.get("bins") or [], found.get("kept") or []
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(8.6, 4.4), layout="constrained")
        axes = figure.subplot_mosaic([["truth", "kept"], ["rows", "kept"]], height_ratios=(5, 1))
        truth, kept_axis, rows = axes["truth"], axes["kept"], axes["rows"]
        truth.plot((0, 100), (0, 100), color=FAINT, linewidth=1, linestyle=":")
        truth.text(3, 8, "as sure as right", color=FAINT, fontsize=8, rotation=38, rotation_mode="anchor")
        for part in bins:
            ends = [[100 * (part["accuracy"] - part["low"])], [100 * (part["high"] - part["accuracy"])]]
            truth.errorbar(
                100 * part["confidence"], 100 * part["accuracy"], ends, fmt="o", color=SERIES[0], elinewidth=1.2,
                clip_on=False,
            )  # fmt: skip
            width = 100 * (part["to"] - part["from"])
            rows.bar(100 * part["from"], part["rows"], width, align="edge", color=FAINT, edgecolor=PAPER)
        truth.set(title="Confidence against truth", ylabel="all known attributes right, %")
        truth.set(xlim=(0, 100), ylim=(0, 100))
        truth.tick_params(labelbottom=False)
        most = max((part["rows"] for part in bins), default=1)
        rows.set(xlabel="confidence, %", ylabel="sentences", xlim=(0, 100), ylim=(0, most))
        rows.set_yticks((0, most), ("0", f"{most:,}"))
        rows.grid(axis="y", visible=False)
        kept_axis.plot([100 * share for share, _ in kept], [100 * share for _, share in kept], color=SERIES[0])
        if found.get("accuracy") is not None:
            level = 100 * found["accuracy"]
            kept_axis.axhline(level, color=FAINT, linewidth=1, linestyle=":")
            kept_axis.text(1, level - 2, "all sentences", color=FAINT, fontsize=8, va="top")
        kept_axis.set(title="Keeping only the most confident", xlabel="share of sentences kept, %", xlim=(0, 100))
        kept_axis.set(ylabel="of those kept all right, %", ylim=(0, 100))
    return figure


def examples(shown, pictures, columns=4):
    """Draws a grid of pictures, each with its sentence and what is right and wrong in it.

    Args:
        shown (`list[dict]`): With `picture`, `sentence` and `marks`: pairs of a state (right, part, wrong, other) and a text.
        pictures (`dict[int, PIL.Image.Image]`): By number.
        columns (`int`, *optional*, defaults to 4): Of the grid.

    Returns:
        `Figure`
    """
    colours = {"right": RIGHT, "part": PART, "wrong": WRONG}
    width = 0.92 * 2.75 * 72
    texts = [
        [(line, INK) for line in _wrapped(_short(example["sentence"] or "(nothing said)", 200), width)]
        + [
            (line, colours.get(state, FAINT))
            for state, text in example["marks"]
            for line in _wrapped(_short(text, 200), width, "    ")
        ]
        for example in shown
    ]
    lines_needed = [max(map(len, texts[start : start + columns])) for start in range(0, len(shown), columns)]
    heights = [1.75 + 0.16 * count for count in lines_needed]
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(2.75 * columns, sum(heights)))
        for index, (example, text) in enumerate(zip(shown, texts)):
            line, column = divmod(index, columns)
            top = 1 - sum(heights[:line]) / sum(heights)
            inch = 1 / sum(heights)
            left = (column + 0.04) / columns
            if example["picture"] in pictures:
                axis = figure.add_axes((left, top - 1.6 * inch, 0.92 / columns, 1.5 * inch), anchor="W")
                axis.imshow(pictures[example["picture"]].convert("RGB"))
                axis.axis("off")
            for number, (words, colour) in enumerate(text):
                figure.text(left, top - (1.72 + 0.16 * number) * inch, words, color=colour, fontsize=SMALL, va="top")
    return figure


@functools.cache
def _advance(character):
    """Width in points; of what the font lacks, that of the box drawn instead."""
    font = get_font(findfont("DejaVu Sans"))
    font.set_size(SMALL, 72)
    there = font.get_char_index(ord(character))
    return font.load_char(ord(character)).linearHoriAdvance / 65536 if there else 1.2 * SMALL


def _wide(text):
    return sum(map(_advance, text))


def _wrapped(text, width, indent=""):
    """Lines no wider than so many points: broken between words, and within those that are wider than a line."""
    lines, line = [], ""
    for word in text.split():
        if line.strip() and _wide(f"{line} {word}") > width:
            lines.append(line)
            line = indent
        elif line.strip():
            line += " "
        for character in word:
            if line.strip() and _wide(line + character) > width:
                lines.append(line)
                line = indent
            line += character
    return [*lines, line] if line.strip() else lines
