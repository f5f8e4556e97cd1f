"""The four steps of the annotation, each by itself: sample, describe, refine, assemble."""

import json
import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from tqdm.auto import tqdm

from moda.data.wording import ATTRIBUTES, Wording
from pictures_moda import load_picture

from .annotators import open_annotator
from .assemble import assemble
from .card import write_card
from .checks import failures
from .drafts import parse_draft, parse_refined
from .groups import near_duplicates
from .pictures import inspect_pictures, picture_url
from .printed import ocr_available, printed_words
from .recipe import STEPS
from .report import write_report
from .sample import draw_sample, split_by_group
from .source import open_source
from .steps import StepFolder, annotate_records, digest, file_digest, note_example, read_lines, read_note, write_json


TOLD = ("gender", "masterCategory", "subCategory", "articleType", "usage")  # to the one who refines (guide, step 2)


class Annotation:
    """Makes a described dataset of a bare catalogue, after the MODA guide ("Training Small Vision Language Models").

    Each step reads what the step before has written, and is left out where nothing that it depends on has changed. A run
    that was killed goes on with the answers that it has.

    Args:
        recipe ([`AnnotationRecipe`]): What, by whom, and what is checked.
        clip_score (`Callable[[list, list[str]], list[float]]`, *optional*): CLIPScores of pictures and sentences.
        clip (`str`, *optional*): Whose they are, for the card.

    Attributes:
        problems (`list[str]`): What went wrong and what to do, a sentence each.
    """

    def __init__(self, recipe, clip_score=None, clip=None):
        self.recipe, self.clip_score, self.clip, self.problems = recipe, clip_score, clip, []
        self.folder = Path(recipe.output_dir)
        self.source = open_source(recipe.data)
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "recipe.yaml").write_text(recipe.to_yaml(), encoding="utf-8")

    def run(self, steps=STEPS):
        """Runs some of the steps, in their order.

        Returns:
            `dict`: Of each step what its `step.json` holds.

        Raises:
            `ValueError`: If a step before them has not been run, or no row is left.
        """
        return {step: getattr(self, step)() for step in STEPS if step in steps}

    def sample(self):
        """Step 0: leaves out what can't be used, and draws rows that keep the catalogue's shares."""
        checks, source, started = self.recipe.checks, self.source, time.monotonic()
        names = ("picture_size", "picture_aspect", "near_duplicates", "concept_caps")
        reads = self._reads_print()
        key = digest(source.fingerprint, source.columns, self.recipe.sample, [checks[name] for name in names], reads)
        folder = StepFolder(self.folder / "sample", key)
        if note := folder.note():
            return self._told(note, again=True)
        pictures = inspect_pictures(source)
        skipped, usable = list(source.skipped), []
        for row, (width, height) in enumerate(zip(pictures.width.tolist(), pictures.height.tolist())):
            reasons = failures((width, height), {}, checks, "pictures")
            if row in pictures.unreadable:
                reasons = {"unreadable": pictures.unreadable[row]}
            if reasons:
                check, why = next(iter(reasons.items()))
                skipped.append({"id": source.ids[row], "row": row, "check": check, "why": why})
            else:
                usable.append(row)
        looks, groups = self._groups(pictures, usable)
        drawn = self._drawn(usable, looks)
        for place, check, why in drawn.skipped:
            row = usable[place]
            skipped.append({"id": source.ids[row], "row": row, "check": check, "why": why})
        part, noted = folder.begin(), {}
        splits = source.table(["split"])["split"]
        chosen = [(usable[place], str(groups[place])) for place in drawn.rows]
        with open(part / "rows.jsonl", "w", encoding="utf-8") as file:
            for (row, group), printed in zip(chosen, self._printed([row for row, _ in chosen], reads)):
                record = {"id": source.ids[row], "row": row, "group": group, "split": splits[row]}
                record |= {"metadata": source.metadata(row), **printed}
                file.write(json.dumps(record, ensure_ascii=False) + "\n")
        with open(part / "skipped.jsonl", "w", encoding="utf-8") as file:
            for line in skipped:
                note_example(noted, line["check"], line)
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        left = source.count - len(chosen) - len(skipped)
        counts = {"in": source.count, "kept": len(chosen), "skipped": len(skipped), "not drawn": left}
        note = {"step": "sample", "counts": counts, "checks": noted, "notes": source.notes}
        note |= {"distances": drawn.distances, "missing": drawn.missing, "entropy": drawn.entropy}
        return self._told(folder.finish({**note, "seconds": round(time.monotonic() - started, 1)}))

    def describe(self):
        """Step 1: a vision-language model sees the picture and drafts (Prompt I)."""
        annotator, pictures = self._annotator("describe"), self.source.rows.select_columns("image")

        def ask(record):
            picture = {"type": "image_url", "image_url": {"url": picture_url(pictures[record["row"]]["image"])}}
            return [picture, {"type": "text", "text": annotator.prompt.instruction()}]

        def read(text, finish_reason):
            return {"draft": parse_draft(text, finish_reason)}

        def check(record):  # what is wrong with a draft is for the second step to mend
            return {}, failures(record["draft"]["description"], record, self.recipe.checks, "drafts")

        return self._annotate("describe", annotator, ask, read, check)

    def refine(self):
        """Step 2: an instruct model merges the draft with the metadata (Prompt II)."""
        annotator = self._annotator("refine")

        def ask(record):
            told = {"draft": record["draft"], "metadata": {name: record["metadata"].get(name) for name in TOLD}}
            told = {name: json.dumps(value, ensure_ascii=False) for name, value in told.items()}
            return annotator.prompt.instruction(**told)

        def read(text, finish_reason):
            return {"description": parse_refined(text, finish_reason)}

        def check(record):
            return failures(record["description"], record, self.recipe.checks, "refined"), {}

        return self._annotate("refine", annotator, ask, read, check)

    def assemble(self):
        """Step 3: pairs each picture with its description, in splits that cut through no group; writes card and report."""
        recipe, before = self.recipe, self._before("assemble")
        settings, floor = recipe.dataset, (recipe.checks["clip_score"] or {}).get("floor")
        steps = {step: read_note(self.folder / step) for step in ("sample", "describe", "refine")}
        key = digest(steps, settings, floor, recipe.checks, recipe.sample["seed"])
        note = read_note(self.folder / "assemble")
        if note and note["key"] == key and (self.folder / "dataset").is_dir():
            return self._told(note, again=True)
        started, (groups, splits, strata) = time.monotonic(), self._filed(before)
        shares = {"train": 1.0} if settings["splits"] == "keep" else settings["splits"]
        places = split_by_group(
            groups, shares, recipe.sample["seed"], splits if settings["splits"] == "keep" else None, strata
        )
        prompts = {step: steps[step]["prompt"] or {} for step in ("describe", "refine")}
        annotators = {
            step: {**steps[step]["annotator"], "prompt": prompt.get("name"), "prompt_sha256": prompt.get("sha256")}
            for step, prompt in prompts.items()
        }
        pictures, summary = self.source.rows.select_columns("image"), self._summary(steps)

        def picture_of(row):
            return pictures[row]["image"]

        def write_beside(folder, assembled):
            summary["steps"]["assemble"] = {**assembled, "seconds": round(time.monotonic() - started, 1)}
            write_card(folder, summary, picture_of)

        assembled = assemble(
            read_lines(before),
            self.source,
            places,
            annotators,
            self.folder,
            checks=[name for name, chosen in recipe.checks.items() if chosen is not False],
            clip_score=self.clip_score,
            floor=floor,
            shard_bytes=int(settings["shard_mb"] * 2**20),
            finish=write_beside,
            total=len(places),
        )
        note = {"key": key, **assembled, "seconds": round(time.monotonic() - started, 1)}
        write_json(self.folder / "assemble" / "step.json", note)
        summary["steps"]["assemble"] = note
        write_report(self.folder, summary, picture_of)
        return self._told(note)

    def _drawn(self, usable, groups):
        recipe, caps = self.recipe, self.recipe.checks["concept_caps"] or {}
        by = [name for name in recipe.sample["by"] if name in self.source.columns]
        columns = list(dict.fromkeys([*by, *caps]))
        absent = [name for name in caps if name not in self.source.columns]
        if absent:
            raise ValueError(
                f"checks.concept_caps names {absent[0]!r}, and the catalogue has no such column; see data.columns."
            )
        table = self.source.table(columns)
        return draw_sample(
            {name: [values[row] for row in usable] for name, values in table.items()},
            recipe.sample["count"],
            recipe.sample["seed"],
            groups,
            by=by,
            most_a_group=(recipe.checks["near_duplicates"] or {}).get("most", False),
            caps=caps,
            ids=[self.source.ids[row] for row in usable],
        )

    def _groups(self, pictures, rows):
        """Of each row its near-duplicates: those that look the same, of which few are taken; and those that may not be split,
        to which rows of one title belong too. A catalogue's own groups are both."""
        if "group" in self.source.columns:
            own = self.source.table(["group"])["group"]
            groups = [own[row] or f"row {row}" for row in rows]
            return groups, groups
        titles = self.source.table(["productDisplayName"])["productDisplayName"]
        seen = (pictures.hash[rows], pictures.thumb[rows], list(pictures.digest[rows]))
        return near_duplicates(*seen), near_duplicates(*seen, titles=[titles[row] for row in rows])

    def _reads_print(self):
        """Whether the pictures' print is to be read: with an engine, and for annotators who see it."""
        settings = self.recipe.checks["leaked_print"]
        wanted = settings and settings["ocr"] is not False and self.recipe.describe["annotator"] != "metadata"
        if wanted and settings["ocr"] is True and not ocr_available():
            raise ValueError(
                "checks.leaked_print.ocr is true, and pytesseract or the program tesseract is missing; install both, or say auto."
            )
        return bool(wanted and ocr_available())

    def _printed(self, rows, reads):
        """Yields what a record knows of the print on each picture. The engine is a program of its own, so threads do."""
        if not reads:
            yield from ({} for _ in rows)
            return
        os.environ.setdefault("OMP_THREAD_LIMIT", "1")  # for the engine, of which as many run at once as there are cores
        images = self.source.rows.select_columns("image")

        def read(row):
            try:
                return {"printed": printed_words(load_picture(images[row]["image"]))}
            except (ValueError, OSError):
                return {"printed": []}

        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            yield from tqdm(pool.map(read, rows), total=len(rows), desc="Reading print", unit="picture")

    def _annotator(self, step):
        values = self.source.table(ATTRIBUTES)
        wording = Wording({name: sorted(set(found) - {None}) for name, found in values.items()})
        settings, recipe = getattr(self.recipe, step), self.recipe
        return open_annotator(
            step, settings, wording, self.folder / "answers", recipe.accept_licences, recipe.sample["seed"]
        )

    def _annotate(self, step, annotator, ask, read, check):
        before = self._before(step)
        key = digest(file_digest(before), annotator.depends_on(), self.recipe.checks)
        folder = StepFolder(self.folder / step, key)
        if note := folder.note():
            return self._told(note, again=True)
        note, problems = annotate_records(step, before, folder, annotator, ask, read, check)
        self.problems += problems
        self._told(note)
        if not note["counts"].get("kept"):
            why = next(iter(note["checks"].values()))["examples"][0]["why"]
            raise ValueError(
                f"No row came through {step}; the first: {why} All are in {folder.folder}/quarantine.jsonl."
            )
        return note

    def _before(self, step):
        earlier = STEPS[: STEPS.index(step)]
        file = self.folder / earlier[-1] / "rows.jsonl"
        if not file.is_file():
            raise ValueError(
                f"{step} needs what {earlier[-1]} writes, and there is no {file}; run --step {' '.join(earlier)}."
            )
        return file

    def _filed(self, before):
        """Of each record the group, the catalogue's own split and the kind, in the records' order."""
        filed = [(line["group"], line["split"], line["metadata"].get("articleType")) for line in read_lines(before)]
        if not filed:
            raise ValueError(f"{before} holds no row, so there is nothing to assemble; see the quarantine beside it.")
        return zip(*filed)

    def _summary(self, steps):
        recipe = self.recipe
        return {
            "name": recipe.dataset["name"] or f"{Path(self.source.origin).stem}, described",
            "origin": self.source.origin,
            "licence": recipe.dataset["licence"],
            "clip": self.clip,
            "steps": dict(steps),
            "checks": recipe.checks,
            "columns": self.source.columns,
            "guessed": self.source.guessed,
            "facts": {
                "date": f"{datetime.now(UTC):%Y-%m-%d}",
                "seed": recipe.sample["seed"],
                "versions": f"moda {version('moda')}, transformers {version('transformers')}",
            },
        }

    def _told(self, note, again=False):
        """Prints what came of a step."""
        counts, step = note["counts"], note["step"]
        lost = ", ".join(
            f"{counts[name]:,} {name}" for name in ("skipped", "not drawn", "quarantined") if counts.get(name)
        )
        reasons = ", ".join(f"{name} {found['count']:,}" for name, found in note.get("checks", {}).items())
        line = f"{step}: {counts['kept']:,} of {counts['in']:,} rows" + (f", {lost}" if lost else "")
        print(line + (f" ({reasons})" if reasons else "") + (", as before" if again else f", {note['seconds']:.1f} s"))
        return note
