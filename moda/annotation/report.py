"""The report of an annotation: one HTML file that needs nothing else."""

import functools
from pathlib import Path

from moda.data.page import data_uri, lines, page_template, thumbnail
from pictures_moda import load_picture

from .assemble import without_paths
from .card import MEANINGS, accounts, authors, caught, off, together
from .figures import shortened


SPOKEN = ("said", "description", "draft", "metadata", "most_repeated", "frequent")  # not ours to change
SETTLED = {"leaked_print": "Printed text in the sentence", "contradiction": "Sentence against the metadata"}
TRUTH = ("gender", "articleType", "baseColour", "usage")
SHOWN, LONGEST = 6, 300


def write_report(folder, summary, pictures=None):
    """Writes `report.html`.

    Args:
        folder (`str` or `Path`): Where to; made when missing.
        summary (`dict`): Of the run:

            - `name` (`str`): of the dataset; `origin` (`str`): of the catalogue; *optional* are `licence` (`str`) of the
              dataset, `repository` (`str`), its id on the Hub, and `clip` (`str`), whose CLIPScores they are;
            - `steps`: what the `step.json` of `sample`, `describe`, `refine` and `assemble` hold, in this order. Of each
              `counts` (`in`, `kept`, `quarantined`; of the sample `skipped` and `not drawn`; of annotators `asked`, `cached`,
              `retried`, `tokens_in`, `tokens_out`), `checks` and `flags` (of each check `count` and `examples`: lines with
              `id`, `row`, `why` and, where there are, `said` and `metadata`), `seconds`, `annotator` (`kind`, `model`,
              `revision`, `adapter`, `licence`, `parameters`) and `prompt` (`name`, `sha256`). The `checks` of a text count all
              reasons against a row, so their sum may exceed `quarantined`. Of the sample also `distances` (of each attribute
              the total variation to the catalogue's rows with a picture), `near_duplicates` (`rows` that look like another
              one, in how many `groups`), `missing` and `entropy`, as [`Sample`] has them, and `notes` (sentences about the
              source). Of `assemble` what [`assemble`] returned, and `distances`, the finished dataset's. All but `counts`,
              and of `assemble` all, may be missing;
            - `checks`: of each check its settings, or `False` where the recipe has removed it;
            - *optional*: `notes` (sentences about the run), `columns` and `guessed` (`dict[str, str]`, our name to the
              catalogue's), `facts` (`dict`): how it was made, such as `command`, `date`, `machine`, `versions`.
        pictures (`Callable[[int], object]`, *optional*): Of a source's row the picture, as [`load_picture`] takes it.

    Returns:
        `Path`: Of the HTML file. It loads nothing, names no path of this machine, and escapes any text.

    Raises:
        `ValueError`: If the accounts do not come out.
    """
    summary = _public(summary)
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    steps = summary["steps"]
    found = caught(summary)
    page = page_template(Path(__file__).parent, FILTERS, thumbnail=_thumbnails(pictures), shown=SHOWN).render(
        summary=summary,
        steps=steps,
        dataset=steps["assemble"],
        accounts=accounts(summary),
        authors=authors(summary) if "annotators" in steps["assemble"] else None,
        together=together(summary),
        headline=headline(summary),
        funnel=funnel(summary),
        settled=settled(summary),
        caught=found,
        looked_at=[step for step in steps if any(step in places for places in found.values())],
        off=off(summary),
        meanings=MEANINGS,
        notes=[*(steps["sample"].get("notes") or ()), *(summary.get("notes") or ())],
        facts=lines(summary.get("facts") or {}),
    )
    file = folder / "report.html"
    file.write_text(page, encoding="utf-8")
    return file


def headline(summary):
    """Says in a sentence what came out.

    Args:
        summary (`dict`): Of the run; see [`write_report`].

    Returns:
        `str`: Such as "5,312 of 5,400 drawn products are described; printed text fell from 12.4 % of the drafts to
        0.3 % of the refined sentences."
    """
    found = accounts(summary)
    drawn = summary["steps"]["sample"]["counts"]["kept"]
    sentence = f"{found['kept']:,} of {drawn:,} drawn products are described"
    print_of = settled(summary).get("leaked_print")
    if print_of and print_of["before"]:
        before, after = percent(print_of["before"]), percent(print_of["after"])
        verb = "rose" if print_of["after"] > print_of["before"] else "fell" if before != after else "stays"
        change = f"from {before} of the drafts to" if verb != "stays" else "at"
        sentence += f"; printed text {verb} {change} {after} of the refined sentences"
    return sentence + "."


def funnel(summary):
    """How many rows are left after each step.

    Args:
        summary (`dict`): Of the run; see [`write_report`].

    Returns:
        `list[tuple[str, int, str]]`: Of each stage a name, rows, and what was lost there.
    """
    counts = {step: note["counts"] for step, note in summary["steps"].items()}
    sample = counts["sample"]

    def lost(count, how):
        return f"{count:,} {how}" if count else ""

    stages = [
        ("in the catalogue", sample["in"], ""),
        ("usable", sample["in"] - sample["skipped"], lost(sample["skipped"], "skipped")),
        ("drawn", sample["kept"], lost(sample["not drawn"], "not drawn")),
    ]
    for step, name in (("describe", "described"), ("refine", "refined"), ("assemble", "in the dataset")):
        stages.append((name, counts[step]["kept"], lost(counts[step].get("quarantined", 0), "put aside")))
    return stages


def settled(summary):
    """Shares of the sentences with a fault before and after `refine`, which is there to mend it.

    Args:
        summary (`dict`): Of the run; see [`write_report`].

    Returns:
        `dict[str, dict]`: Of each such check that is on `title`, `before` and `after` (shares of the texts that could be read),
        and `drafts` and `refined` (how many had the fault).
    """
    found, counted = {}, caught(summary)
    for name, title in SETTLED.items():
        if not summary["checks"].get(name):
            continue
        before, after = (counted[name][step] for step in ("describe", "refine"))
        drafts, refined = (at["out"] + at["flagged"] for at in (before, after))
        shares = {"before": drafts / max(before["in"], 1), "after": refined / max(after["in"], 1)}
        found[name] = {"title": title, **shares, "drafts": drafts, "refined": refined}
    return found


def percent(share):
    """Writes a share: one digit behind the point, two below one per cent."""
    return f"{100 * share:.{1 if share == 0 or share >= 0.01 else 2}f}\N{NO-BREAK SPACE}%"


def _public(value):
    """A copy without machine paths, but in what was said."""
    if isinstance(value, dict):
        return {name: item if name in SPOKEN else _public(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_public(item) for item in value]
    return without_paths(value)


def _thumbnails(pictures):
    """Of a row a small picture as an address that holds it, with its size; `None` where there is none."""

    @functools.cache
    def small(row):
        if pictures is None or row is None:
            return None
        try:
            return data_uri(thumbnail(load_picture(pictures(row))))
        except (ValueError, OSError):
            return None

    return small


FILTERS = {
    "count": lambda number: "–" if number is None else f"{number:,}",
    "percent": percent,
    "shortened": shortened,
    "clipped": lambda text: text if len(text) <= LONGEST else text[: LONGEST - 1] + "…",
    "truth": lambda metadata: ", ".join(metadata[name] for name in TRUTH if (metadata or {}).get(name)),
}
