"""Step 0 of the annotation: leaves out what can't be used, and draws rows that keep the catalogue's shares."""

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from tqdm.auto import tqdm

from moda.data.lines import many
from pictures_moda import load_picture

from .checks import failures
from .groups import joined, near_duplicates
from .pictures import inspect_pictures
from .printed import PrintReader, ocr_available
from .sample import draw_sample, total_variation
from .source import FIELDS
from .steps import digest, note_example, open_lines, write_line


CHECKS = ("picture_size", "picture_aspect", "near_duplicates", "concept_caps")
MARGINALS = tuple(name for name in FIELDS if name != "productDisplayName")


def sampling_key(recipe, source):
    """Digest of all that the sample depends on."""
    chosen = [recipe.checks[name] for name in CHECKS]
    return digest(
        source.fingerprint, source.columns, sorted(source.guessed), recipe.sample, chosen, reads_print(recipe)
    )


def sample_catalogue(recipe, source, folder, print_file):
    """Writes `rows.jsonl` and `skipped.jsonl`.

    Args:
        recipe ([`AnnotationRecipe`]): With `sample` and `checks`.
        source ([`Source`]): The catalogue.
        folder ([`StepFolder`]): Where to.
        print_file (`Path`): Where words that were read off pictures are kept.

    Returns:
        `dict`: What `step.json` holds: `counts`, `checks`, `notes`, `near_duplicates` (`rows` that look like others, in how
        many `groups`), `distances` (of each marginal of the metadata to that of all rows with a picture), `missing` (values
        that should have a row and have none), `entropy` (of capped columns).
    """
    started, pictures = time.monotonic(), inspect_pictures(source)
    skipped, usable = list(source.skipped), []
    for row, size in enumerate(zip(pictures.width.tolist(), pictures.height.tolist())):
        reasons = failures(size, {}, recipe.checks, "pictures")
        if row in pictures.unreadable:
            reasons = {"unreadable": pictures.unreadable[row]}
        if reasons:
            check, why = next(iter(reasons.items()))
            skipped.append({"id": source.ids[row], "row": row, "check": check, "why": why})
        else:
            usable.append(row)
    looks, groups = _groups(source, pictures, usable)
    drawn = _draw(recipe, source, usable, looks)
    for place, check, why in drawn.skipped:
        skipped.append({"id": source.ids[usable[place]], "row": usable[place], "check": check, "why": why})
    if not drawn.rows:
        check, count = Counter(line["check"] for line in skipped).most_common(1)[0]
        why = next(line["why"] for line in skipped if line["check"] == check)
        raise ValueError(f"No row of {source.origin} can be used, {count:,} for {check}; the first: {why}")
    splits, chosen, part, noted = source.table(["split"])["split"], [usable[p] for p in drawn.rows], folder.begin(), {}
    with open_lines(part / "rows.jsonl") as file:
        printed = _printed(recipe, source, pictures, chosen, print_file)
        for place, row, words in zip(drawn.rows, chosen, printed):
            picture = pictures.digest[row].tobytes().hex()
            record = {"id": source.ids[row], "row": row, "picture": picture, "group": str(groups[place])}
            write_line(file, {**record, "split": splits[row], "metadata": source.metadata(row), **words})
    with open_lines(part / "skipped.jsonl") as file:
        for line in skipped:
            note_example(noted, line["check"], line)
            write_line(file, line)
    left = len(usable) - len(chosen) - len(drawn.skipped)
    counts = {"in": source.count, "kept": len(chosen), "skipped": len(skipped), "not drawn": left}
    sizes = np.bincount(looks)
    return {
        "step": "sample",
        "counts": counts,
        "checks": noted,
        "notes": source.notes,
        "source": source.fingerprint,
        "near_duplicates": {"rows": int(sizes[sizes > 1].sum()), "groups": int((sizes > 1).sum())},
        "distances": distances(source, chosen),
        "missing": drawn.missing + _lost(recipe, source, usable),
        "entropy": drawn.entropy,
        "seconds": round(time.monotonic() - started, 1),
    }


def distances(source, rows):
    """Total-variation distance of each marginal of the metadata in some rows to that in all rows with a picture, 0 to 1."""
    names = [name for name in MARGINALS if name in source.rows.column_names]
    table = source.table(names)
    return {name: round(total_variation(values, [values[row] for row in rows]), 5) for name, values in table.items()}


def reads_print(recipe):
    """Whether the pictures' print is to be read: with an engine, and for annotators who see it.

    Raises:
        `ValueError`: If the recipe wants it and no engine is there.
    """
    settings = recipe.checks["leaked_print"]
    wanted = settings and settings["ocr"] is not False and recipe.describe["annotator"] != "metadata"
    if wanted and settings["ocr"] is True and not ocr_available():
        raise ValueError(
            "checks.leaked_print.ocr is true, and pytesseract or the program tesseract is missing; install both, or say auto."
        )
    return bool(wanted and ocr_available())


def _groups(source, pictures, rows):
    """Of each row its near-duplicates, of which few are taken; and all that must not be split: these, products of one title, and
    the catalogue's own groups. What a catalogue calls `group` are near-duplicates, too."""
    seen = (pictures.hash[rows], pictures.thumb[rows], list(pictures.digest[rows]))
    table = source.table(["productDisplayName", "group"])
    own, titles = ([table[name][row] for row in rows] for name in ("group", "productDisplayName"))
    looks = near_duplicates(*seen)
    if "group" in source.columns and "group" not in source.guessed:
        looks = joined(looks.tolist(), own)
    return looks, joined(looks.tolist(), near_duplicates(*seen, titles=titles).tolist(), own)


def _draw(recipe, source, usable, looks):
    caps, by = recipe.checks["concept_caps"] or {}, recipe.sample["by"]
    absent = [name for name in (*caps, *by) if name not in source.rows.column_names]
    unknown = [name for name in absent if name not in FIELDS]
    if unknown:
        names = ", ".join(name for name in source.rows.column_names if name != "image")
        raise ValueError(
            f"sample.by or checks.concept_caps names {unknown[0]!r}, and the catalogue has {names}; name one of these."
        )
    table = source.table(dict.fromkeys(name for name in (*by, *caps) if name not in absent))
    return draw_sample(
        {name: [values[row] for row in usable] for name, values in table.items()},
        recipe.sample["count"],
        recipe.sample["seed"],
        looks,
        by=by,
        most_a_group=(recipe.checks["near_duplicates"] or {}).get("most", False),
        caps={name: most for name, most in caps.items() if name not in absent},
        ids=[source.ids[row] for row in usable],
    )


def _lost(recipe, source, usable):
    """Values that should have a row, and whose rows can't be used."""
    lost, share = [], min(recipe.sample["count"] / max(len(source.rows), 1), 1)
    for name in (name for name in recipe.sample["by"] if name in source.rows.column_names):
        values = source.table([name])[name]
        left = {values[row] for row in usable}
        for value, rows in sorted(Counter(value for value in values if value not in left).items(), key=str):
            if rows * share >= 1:
                why = f"Its {many(rows, 'row')} can't be used."
                lost.append({"column": name, "value": value, "expected": round(rows * share, 1), "why": why})
    return lost


def _printed(recipe, source, pictures, rows, file):
    """Yields what a record knows of the print on its picture. The engine is a program of its own, so threads do."""
    if not reads_print(recipe):
        yield from ({} for _ in rows)
        return
    print("Reading print off pictures takes some tenths of a second each; checks.leaked_print.ocr=false leaves it out.")
    os.environ.setdefault("OMP_THREAD_LIMIT", "1")  # as many engines run at once as there are cores
    images, reader = source.rows.select_columns("image"), PrintReader(file)

    def read(row):
        digest = pictures.digest[row].tobytes().hex()
        return {"printed": reader.read(digest, lambda: load_picture(images[row]["image"]))}

    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        yield from tqdm(pool.map(read, rows), total=len(rows), desc="Reading print", unit="picture")
