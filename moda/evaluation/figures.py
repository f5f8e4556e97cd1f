"""The report's charts: PNGs on white, and the same drawings as SVG whose colours follow the page's light or dark theme."""

import contextlib
import io
import re
import textwrap

import matplotlib
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from .five import OVERALL, SCORES


PAPER, INK, FAINT, GRID = "#ffffff", "#24222b", "#6f6b76", "#dedbd5"
SERIES = (
    "#0f6f6c",
    "#c2571a",
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
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.titlesize": 11,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "axes.prop_cycle": matplotlib.cycler(color=SERIES),
    "font.size": 10,
    "grid.color": GRID,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "lines.linewidth": 1.8,
    "lines.markersize": 4.5,
    "svg.fonttype": "none",
    "text.color": INK,
    "text.parse_math": False,  # a name may hold a dollar sign
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
}
SHADES = LinearSegmentedColormap.from_list("shades", [PAPER, SERIES[0]])


@contextlib.contextmanager
def _canvas(width, height, columns=1, **options):
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        yield figure, figure.subplots(1, columns, squeeze=False, **options)[0]


def png(figure, file):
    """Writes a chart on white."""
    with matplotlib.rc_context(STYLE):
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
    with matplotlib.rc_context({**STYLE, "svg.hashsalt": name}):
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
            axis.set(title=name, xlim=(0, 10.2), ylim=(len(systems) - 0.4, -0.6), xticks=(0, 5, 10))
            axis.grid(axis="y", visible=False)
            axis.tick_params(axis="y", length=0)
            for place, system in enumerate(systems):
                value, found = _value(system, name), (system.get("five") or {}).get(name) or {}
                if value is None:
                    continue
                colour = colour_of(system)
                if found.get("low") is not None and found.get("high") is not None:
                    axis.plot((found["low"], found["high"]), (place, place), color=colour, linewidth=3.5, alpha=0.45)
                axis.plot(value, place, MARKERS[KINDS.index(_kind(system))], color=colour)
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
        axis.set(xlabel=xlabel, ylabel=ylabel, xlim=(0, None), ylim=(0, limit))
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
    with _canvas(2.2 + 0.08 * longest + 0.5 * len(said), 1.4 + 0.06 * longest + 0.36 * len(labels)) as (
        figure,
        (axis,),
    ):
        axis.imshow(shares, cmap=SHADES, vmin=0, vmax=1, aspect="auto")
        axis.set(title=_short(title, 32), xlabel="said", ylabel="true")
        axis.set_xticks(range(len(said)), said, rotation=40, ha="right", rotation_mode="anchor")
        axis.set_yticks(
            range(len(labels)),
            [f"{label}  ({sum(line):,})" for label, line in zip(labels, table["counts"])],
        )
        axis.grid(visible=False)
        axis.tick_params(length=0)
        axis.spines[:].set_visible(False)
        for y, line in enumerate(shares):
            for x, share in enumerate(line):
                if share >= 0.005:
                    axis.text(
                        x,
                        y,
                        f"{100 * share:.0f}",
                        ha="center",
                        va="center",
                        fontsize=8,
                        color=PAPER if share > 0.8 else INK,
                    )
    return figure


def calibration(found):
    """Draws the reliability of the confidence, and the share right among the most confident sentences.

    Args:
        found (`dict`): Of [`tables.calibration`].

    Returns:
        `Figure`
    """
    bins, kept = found.get("bins") or [], found.get("kept") or []
    with _canvas(8.6, 3.9, 2, sharey=True) as (figure, (left, right)):
        left.plot((0, 100), (0, 100), color=FAINT, linewidth=1, linestyle=":")
        left.text(3, 8, "as sure as right", color=FAINT, fontsize=8, rotation=38, rotation_mode="anchor")
        most = max((part["rows"] for part in bins), default=1)
        for part in bins:
            left.bar(
                100 * part["from"],
                22 * part["rows"] / most,
                100 * (part["to"] - part["from"]),
                align="edge",
                color=GRID,
            )
            ends = [[100 * (part["accuracy"] - part["low"])], [100 * (part["high"] - part["accuracy"])]]
            left.errorbar(
                100 * part["confidence"],
                100 * part["accuracy"],
                ends,
                fmt="o",
                color=SERIES[0],
                ecolor=SERIES[0],
                elinewidth=1.2,
            )
        left.set(
            title="Confidence against truth",
            xlabel="confidence, %  (bars: how many)",
            ylabel="all known attributes right, %",
        )
        left.set(xlim=(0, 100), ylim=(0, 102))
        right.plot([100 * share for share, _ in kept], [100 * share for _, share in kept], color=SERIES[0])
        if found.get("accuracy") is not None:
            right.axhline(100 * found["accuracy"], color=FAINT, linewidth=1, linestyle=":")
            right.text(99, 100 * found["accuracy"] - 2, "all sentences", color=FAINT, fontsize=8, ha="right", va="top")
        right.set(title="Keeping only the most confident", xlabel="share of sentences kept, %", xlim=(0, 100))
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
    texts = [
        [(line, INK) for line in textwrap.wrap(_short(example["sentence"] or "(nothing said)", 200), 42)]
        + [
            (line, colours.get(state, FAINT))
            for state, text in example["marks"]
            for line in textwrap.wrap(text, 44, subsequent_indent="    ")
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
                figure.text(left, top - (1.72 + 0.16 * number) * inch, words, color=colour, fontsize=7.5, va="top")
    return figure
