"""Fills the dataset card from a run's own numbers."""

from importlib.resources import files
from pathlib import Path

from datasets import DatasetInfo, SplitDict, SplitInfo
from datasets.info import DatasetInfosDict
from huggingface_hub import DatasetCard, DatasetCardData

from .assemble import features_of, without_paths
from .checks import DEFAULTS
from .figures import draw


SIZES = {"n<1K": 1e3, "1K<n<10K": 1e4, "10K<n<100K": 1e5, "100K<n<1M": 1e6, "1M<n<10M": 1e7, "10M<n<100M": 1e8}
SAMPLE, TEXT = ("sample",), ("describe", "refine")
# Of each check the steps that look, and when it passes.
MEANINGS = {
    "no_picture": (SAMPLE, "there is a picture"),
    "cut_off": (SAMPLE, "the row is whole"),
    "duplicate_id": (SAMPLE, "no other row has its id"),
    "unreadable": ((*SAMPLE, "describe", "assemble"), "the picture can be read"),
    "picture_size": (SAMPLE, "the picture is large enough"),
    "picture_aspect": (SAMPLE, "the picture is not much longer than wide, nor wider than long"),
    "near_duplicates": (SAMPLE, "few rows show nearly the same picture"),
    "concept_caps": (SAMPLE, "no value has more rows than it may"),
    "unanswered": (TEXT, "the annotator answered"),
    "nothing_to_say": (TEXT, "the metadata say what the product is"),
    "json": (TEXT, "the answer holds the sentence asked for"),
    "leaked_print": (TEXT, "the text repeats nothing that is printed on the product"),
    "contradiction": (TEXT, "the text does not contradict the metadata"),
    "length": (TEXT, "the text is neither too short nor too long"),
    "language": (TEXT, "the text is in the language asked for"),
    "repetition": (TEXT, "the text does not repeat itself"),
    "clip_score": (("assemble",), "a CLIP finds that text and picture go together"),
}
# What a row must have passed before the checks of the next line, and in the end all others, look at it.
GATES = (
    ("no_picture", "cut_off", "duplicate_id"),
    ("unreadable", "unanswered", "nothing_to_say"),
    ("json", "picture_size", "picture_aspect"),
)


def write_card(folder, summary, pictures=None):
    """Writes the dataset card: `README.md`, and `figures/` beside it.

    Args:
        folder (`str` or `Path`): The dataset's, with its `data/`.
        summary (`dict`): Of the run; see [`write_report`].
        pictures (`Callable[[int], object]`, *optional*): Of a source's row the picture, as [`load_picture`] takes it; for a
            sheet of examples.

    Returns:
        `Path`: Of the card. It names no path of this machine.

    Raises:
        `ValueError`: If the accounts do not come out.
    """
    folder, dataset = Path(folder), summary["steps"]["assemble"]
    title = without_paths(summary["name"])
    card = DatasetCard.from_template(
        _front_matter(dataset, title, summary.get("licence"), language_of(summary)),
        template_str=(files("hub_card") / "dataset_card.md").read_text(encoding="utf-8"),
        **{key: without_paths(summary.get(key)) for key in ("repository", "origin", "licence", "clip", "notes")},
        name=title,
        authors=authors(summary),
        together=together(summary),
        cell=_cell,
        accounts=accounts(summary),
        steps=summary["steps"],
        off=off(summary),
        meanings=MEANINGS,
        caught=caught(summary),
        dataset=dataset,
        figures=draw(folder / "figures", dataset, pictures),
    )
    path = folder / "README.md"
    card.save(path)
    return path


def accounts(summary):
    """Says where each row of the catalogue went.

    Args:
        summary (`dict`): Of the run; see [`write_report`].

    Returns:
        `dict[str, int]`: `input`, `kept`, `quarantined`, `skipped` and `not drawn`.

    Raises:
        `ValueError`: If the last four are not all of the first.
    """
    counts = {step: note["counts"] for step, note in summary["steps"].items()}
    sample = counts["sample"]
    found = {
        "input": sample["in"],
        "kept": counts["assemble"]["kept"],
        "quarantined": sum(found.get("quarantined", 0) for found in counts.values()),
        "skipped": sample["skipped"],
        "not drawn": sample["not drawn"],
    }
    whole, *parts = found.values()
    if whole != sum(parts):
        told = " + ".join(f"{count:,} {name}" for name, count in list(found.items())[1:])
        raise ValueError(f"The catalogue has {whole:,} rows and {told} make {sum(parts):,}; run the four steps again.")
    return found


def authors(summary):
    """Says who wrote the two sentences of each row, and of what.

    Args:
        summary (`dict`): Of the run; see [`write_report`].

    Returns:
        `dict[str, dict]`: Of `initial_description` and `description` `model`, its name, or `None` where no model wrote it, and
        `how`, a clause such as "rules wrote it from the metadata alone, and nothing of the draft is in it".
    """
    first, second = (_model(summary["steps"]["assemble"]["annotators"][step]) for step in TEXT)
    if first:
        initial = f"{first} saw the picture and drafted it"
    else:
        initial = "rules wrote it from the metadata, and no model saw the picture"
    if second and first:
        final = f"{second} merged the draft with the metadata, without seeing the picture"
    elif second:
        final = f"{second} reworded that sentence with the metadata at hand, and no model saw the picture"
    elif first:
        final = "rules wrote it from the metadata alone, and nothing of the draft is in it"
    else:
        final = "rules wrote it from the metadata once more, which gives the same sentence"
    return {
        "initial_description": {"model": first, "how": initial},
        "description": {"model": second, "how": final},
    }


def _model(who):
    return None if who["kind"] in (None, "metadata") else who["model"] or who["kind"]


def together(summary):
    """Says what the rows of a group have in common."""
    own = ", the catalogue's own groups" if "group" in (summary.get("columns") or {}) else ""
    return f"near-duplicate pictures, products of one title{own}"


def language_of(summary):
    """The code of the language that every sentence was checked to be in, or `None`."""
    return (summary["checks"].get("language") or {}).get("language")


def off(summary):
    """Says of the checks that are off why.

    Args:
        summary (`dict`): Of the run; see [`write_report`].

    Returns:
        `dict[str, str]`
    """
    names = [name for name, settings in summary["checks"].items() if settings is False]
    found = {name: "not asked for" if DEFAULTS.get(name) is False else "removed by the recipe" for name in names}
    if "json" in found:
        found["json"] += "; an answer without JSON is taken as plain text"
    return found


def caught(summary):
    """Counts what each check found at each step.

    Args:
        summary (`dict`): Of the run; see [`write_report`].

    Returns:
        `dict[str, dict[str, dict]]`: Of each check that looked or is off, of each step that looked:
        `in` (rows that it could look at: a text check at no row without a text that can be read), `out` (rows that it took
        out, perhaps together with others), `flagged` (rows it only noted) and `examples` (lines).
    """
    found = {name: {} for name in (*MEANINGS, *summary["checks"])}
    notes = summary["steps"]

    def at(name, step):
        nothing = {"in": _looked_at(notes[step], name), "out": 0, "flagged": 0, "examples": []}
        return found.setdefault(name, {}).setdefault(step, nothing)

    for name, settings in summary["checks"].items():
        for step in MEANINGS.get(name, [()])[0]:
            wrote = (notes[step].get("annotator") or {}).get("kind")
            if settings is not False and not (name == "json" and wrote == "metadata"):  # no model, no answer to read
                at(name, step)
    for step, note in notes.items():
        for kind, place in (("checks", "out"), ("flags", "flagged")):
            for name, noted in (note.get(kind) or {}).items():
                at(name, step)[place] += noted["count"]
                at(name, step)["examples"] += noted["examples"]
    return {name: steps for name, steps in found.items() if steps or name in off(summary)}


def _looked_at(note, name):
    """Rows of a step without those that an earlier gate had stopped."""
    gate = next((number for number, names in enumerate(GATES) if name in names), len(GATES))
    before = [earlier for names in GATES[:gate] for earlier in names]
    return note["counts"]["in"] - sum((note.get("checks") or {}).get(other, {"count": 0})["count"] for other in before)


def _front_matter(dataset, title, licence, language):
    splits = dataset["splits"]
    models = any(map(_model, dataset["annotators"].values()))
    data = DatasetCardData(
        language=language,
        license=licence,
        pretty_name=title,
        annotations_creators=["machine-generated"],
        task_categories=["image-to-text"],
        size_categories=[next((name for name, end in SIZES.items() if dataset["counts"]["kept"] < end), "n>100M")],
        tags=["moda", "image-captioning", "product-descriptions", *(["synthetic"] if models else [])],
    )  # no configs: the files' names tell the splits, and with them load_dataset would take any folder's former rows for these
    kept = SplitDict()
    for name, split in splits.items():
        kept.add(SplitInfo(name=name, num_bytes=split["size"], num_examples=split["rows"]))
    info = DatasetInfo(
        features=features_of(dataset["fields"]),
        splits=kept,
        download_size=sum(split["bytes"] for split in splits.values()),
        dataset_size=sum(split["size"] for split in splits.values()),
    )
    DatasetInfosDict({"default": info}).to_dataset_card_data(data)
    return data


def _cell(text):
    """A text that may stand in a Markdown table: no bar, no line break, no tag, no emphasis."""
    text = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    return "".join("\\" + sign if sign in "\\|`*_[]#" else sign for sign in text)
