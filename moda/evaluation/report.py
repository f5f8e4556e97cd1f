"""The report of an evaluation: one HTML file that needs nothing else, and charts beside it."""

import math
import re
from pathlib import Path

from markupsafe import Markup

from moda.data.page import data_uri, lines, page_template, thumbnail

from . import figures
from .five import OVERALL, SCORES


NAME_OF = {"baseColour": "colour", "articleType": "article"}  # as a judge by rules calls them
# Of each attribute the score that judges it; others are details, judged within `factual`.
SCORE_OF = {"baseColour": "colour", "articleType": "category", "gender": "gender", "usage": "style"}
SIGNS = {"right": "✓", "part": "◐", "wrong": "✗", "other": "–"}
MEANINGS = {
    "colour": (
        "10 × colours of the product that the sentence names / colours of the product",
        "its colour is not known",
    ),
    "style": ("10 if the occasion is right (casual, formal, sports, …), else 0", "its style is not known"),
    "category": ("10 if the kind of article is right, else 0", "its category is not known"),
    "gender": ("10 if it is right who the product is for, else 0", "its gender is not known"),
    "factual": (
        "10 × details mentioned that are true / details mentioned that can be checked",
        "nothing in the sentence can be checked",
    ),
    OVERALL: ("the mean of the five", "none of the five is there"),
}
SECTIONS = (
    "title", "systems", "notes", "problems", "paired", "curves", "losses", "examples", "worst", "classes", "confusion",
    "calibration", "probes", "agreement",
)  # fmt: skip
FACTS = "command date machine versions model data bootstrap judge seconds".split()


def write_report(folder, results, pictures):
    """Writes `report.html`, and beside it `scores.png`, `curves.png`, `losses.png`, `confusion-<attribute>.png`,
    `calibration.png` and `examples.png`, as far as there is something to show.

    Args:
        folder (`str` or `Path`): Where to; made when missing.
        results (`dict`): `title` and `systems`, the first of which the report is about. All else may be missing, empty, `None`
            or NaN, and is then left out: lists `notes` and `problems` of sentences; `paired`, `classes`, `confusion`, `curves`,
            `losses`, `calibration`, `probes`, `agreement`, `examples` and `worst`, as [`paired`], [`tables`], [`read_curves`],
            [`run_probes`] and [`agreement`] make them; and how it was measured: `command`, `date`, `machine`, `versions`,
            `model`, `data`, `bootstrap`, `judge`, `seconds`. Of a system:

            - `name`, `about`, and `kind`: `model`, `other model`, `baseline` or `judge model`;
            - `five`: for each score `{"value", "low", "high", "rows", "excluded"}`;
            - `attributes`, for each attribute, and `exact_match`: `{"accuracy", "low", "high", "right", "rows"}`;
            - `captions` and `clip`: for each metric `{"value", "low", "high"}`, or a number;
            - `retrieval`: for each direction, of each k the share found;
            - `unverifiable`: how many details could not be checked.

            Of a probe: `name`, `about`, `accuracy`, `low`, `high`, `rows`, `chance` (`None` where not defined) and `parts`,
            of each its accuracy.
        pictures (`dict[int, PIL.Image.Image]`): Those that `examples` and `worst` show, by their `picture`.

    Returns:
        `Path`: Of the HTML file. It loads nothing: no address, no script, no font; any text in it is escaped.

    Raises:
        `ValueError`: If there is no system.
    """
    results = _clean(results)
    if not results.get("systems"):
        raise ValueError("A report needs at least one system; results['systems'] is empty.")
    for example in (results.get("examples") or []) + (results.get("worst") or []):
        example["marks"], example["wrong"] = marks(example), wrong_besides(example)
    pictures = {index: thumbnail(picture) for index, picture in pictures.items()}
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    charts = _draw(folder, results, pictures)
    filters = {"fixed": fixed, "span": span, "metric": metric, "significance": significance}
    template = page_template(
        Path(__file__).parent, filters, variable_of=lambda system: figures.VARIABLES[figures.colour_of(system)]
    )
    page = template.render(
        **_sections(results),
        headline=headline(results),
        charts=charts,
        thumbnails={index: data_uri(picture) for index, picture in pictures.items()},
        facts=lines({name: results.get(name) for name in FACTS}),
        names=(OVERALL, *SCORES),
        meanings=MEANINGS,
    )
    file = folder / "report.html"
    file.write_text(page, encoding="utf-8")
    return file


def headline(results):
    """Says in a sentence how good the first system is.

    Args:
        results (`dict`): See [`write_report`].

    Returns:
        `str`: Such as "Overall 8.14 of 10 (8.08–8.20) on 2,710 products, judged by rules; the same model without the picture
        gets 3.05, the best other baseline, majority, 4.00."
    """
    first, *others = results["systems"]
    name, score = _main_score(first)
    if name is None:
        return f"{first['name']} has no score."
    sentence = f"{name[0].upper()}{name[1:]} {fixed(score['value'])}" + (" of 10" if name == OVERALL else "")
    sentence += f" ({span(score)})" if span(score) else ""
    rows = score.get("rows") or (results.get("data") or {}).get("rows")
    sentence += f" on {rows:,} products" if rows else ""
    if name != OVERALL:
        return sentence + "."
    judge = (results.get("judge") or {}).get("name")
    sentence += f", judged by {judge}" if judge else ""
    values = {
        system["name"]: value
        for system in others
        if system.get("kind") == "baseline"
        and (value := _number(((system.get("five") or {}).get(OVERALL) or {}).get("value"))) is not None
    }
    beside = []
    if "blind" in values:
        beside.append(f"the same model without the picture gets {fixed(values.pop('blind'))}")
    if values:
        best = max(values, key=values.get)
        beside.append(f"the best {'other ' * bool(beside)}baseline, {best}, {fixed(values[best])}")
    return sentence + "".join(f"; {part}" if not number else f", {part}" for number, part in enumerate(beside)) + "."


def _main_score(system):
    """The score of a headline: overall; CIDEr, or whichever caption metric there is, where rows hold no metadata."""
    captions = system.get("captions") or {}
    candidates = {OVERALL: (system.get("five") or {}).get(OVERALL)}
    candidates.update(
        {name: captions[name] for name in sorted(captions, key=lambda name: not name.lower().startswith("cider"))}
    )
    for name, score in candidates.items():
        if isinstance(score, dict) and _number(score.get("value")) is not None:
            return name, score
    return None, None


def marks(example):
    """Says of each attribute of an example, and of what else was wrong in it, whether it is right, for people.

    Args:
        example (`dict`): Of [`tables.examples`].

    Returns:
        `list[tuple[str, str]]`: Of each a state (`right`, `part`, `wrong`, `other`) and a text that begins with its sign.
    """
    truth, read, verdict = (example.get(name) or {} for name in ("truth", "read", "verdict"))
    found = []
    for attribute in dict.fromkeys((*SCORE_OF, *truth, *read)):
        true, said = truth.get(attribute), read.get(attribute) or []
        if true is None and not said:
            continue
        score = verdict.get(SCORE_OF.get(attribute))
        if score is None and true is not None and attribute not in SCORE_OF:
            score = (10 if true in said else 0) if said else None
        state = (
            "other" if score is None or true is None else "right" if score >= 10 else "wrong" if score <= 0 else "part"
        )
        words = ", ".join(said) or ("nothing said" if state != "right" else true)
        words += f" · is {true}" if true is not None and words != true else " · not known" if true is None else ""
        found.append((state, f"{SIGNS[state]} {SCORE_OF.get(attribute, attribute)}: {words}"))
    return found


def wrong_besides(example):
    """Of what was wrong in an example, what its marks do not say already.

    Args:
        example (`dict`): Of [`tables.examples`].

    Returns:
        `list[str]`
    """
    marked = {*SCORE_OF, *(example.get("truth") or ()), *(example.get("read") or ())}
    told = tuple(f"{NAME_OF.get(attribute, attribute)}:" for attribute in marked)
    return [text for text in example.get("wrong") or () if not text.startswith(told)]


def significance(found):
    """Writes a p value: `p = 0.012`, `p ≤ 0.001` where resamples could give none below, empty where there is none."""
    p, floor = (_number(found.get(name)) for name in ("p", "p_floor"))
    if p is None:
        return ""
    if floor is not None and p <= floor:
        return f"p ≤ {math.ceil(1e4 * p) / 1e4:.4f}"
    return f"p = {p:.3f}" if p >= 0.0095 else f"p = {p:.4f}" if p >= 0.0001 else "p < 0.0001"


def fixed(value, digits=2):
    """Writes a number with so many digits, and a dash for none."""
    return "–" if _number(value) is None else f"{value:,.{digits}f}".replace("-", "−")


def span(found, scale=1, digits=2):
    """Writes an interval; empty where there is none."""
    low, high = (_number((found or {}).get(end)) for end in ("low", "high"))
    if low is None or high is None:
        return ""
    between = " to " if low < 0 else "–"
    return f"{fixed(scale * low, digits)}{between}{fixed(scale * high, digits)}"


def metric(value):
    """Writes a caption metric, which lies from 0 to 1, to 10 or to 100."""
    return fixed(value, 3 if _number(value) is not None and abs(value) < 10 else 1)


def _number(value):
    return value if isinstance(value, (int, float)) and math.isfinite(value) else None


def _clean(value):
    """A copy without NaN and infinities, which JSON and people can do nothing with."""
    if isinstance(value, dict):
        return {name: _clean(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _sections(results):
    """What the template reads, each there, if only empty; a number alone is a measure without an interval."""
    found = {name: results.get(name) or [] for name in (*SECTIONS, *FACTS)}
    for system in found["systems"]:
        found_at = system.get("retrieval") or {}
        retrieval = {f"{way} R@{k}": share for way, shares in found_at.items() for k, share in shares.items()}
        system["clip"] = _measures({**(system.get("clip") or {}), **retrieval})
        system["captions"] = _measures(system.get("captions") or {})
    return {**found, "scored": _scored(found["systems"])}


def _measures(found):
    return {name: value if isinstance(value, dict) else {"value": value} for name, value in found.items()}


def _scored(systems):
    """Those with any of the five scores."""

    def has_score(system):
        return any(score.get("value") is not None for score in (system.get("five") or {}).values())

    return [system for system in systems if has_score(system)]


def _draw(folder, results, pictures):
    """Writes the PNGs; returns the SVGs that the page holds."""
    charts = {}

    def keep(figure, name, page=True):
        figures.png(figure, folder / f"{name}.png")
        if page:
            charts[name] = Markup(figures.svg(figure, name))

    if scored := _scored(results["systems"]):
        keep(figures.scores(scored), "scores", page=False)
    if curves := _with_points(results.get("curves")):
        keep(figures.lines(curves, "millions of tokens seen", "score, 0 to 10", limit=10, scale=1e-6), "curves")
    if losses := _with_points(results.get("losses")):
        keep(figures.lines(losses, "step", "loss"), "losses")
    for attribute, table in (results.get("confusion") or {}).items():
        if table and table.get("counts"):
            name = re.sub(r"[^\w-]", "_", attribute)
            keep(figures.confusion(table, attribute), f"confusion-{name}", page=False)
    if (results.get("calibration") or {}).get("rows"):
        keep(figures.calibration(results["calibration"]), "calibration")
    if results.get("examples"):
        keep(figures.examples(results["examples"], pictures), "examples", page=False)
    return charts


def _with_points(curves):
    return [curve for curve in curves or [] if curve.get("points")]
