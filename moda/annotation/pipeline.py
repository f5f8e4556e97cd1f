"""The four steps of the annotation, each by itself: sample, describe, refine, assemble."""

import json
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock, Timeout

from moda.data.sources import KINDS
from moda.data.wording import ATTRIBUTES, Wording

from .annotators import open_annotator
from .assemble import assemble
from .card import write_card
from .checks import TEXT_CHECKS, failures
from .drafts import parse_draft, parse_refined
from .pictures import picture_url
from .recipe import STEPS
from .report import write_report
from .sample import split_by_group
from .sampling import distances, sample_catalogue, sampling_key
from .source import open_source
from .steps import StepFolder, annotate_records, digest, file_digest, read_lines, read_note, write_json


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
        self.folder, self.source = Path(recipe.output_dir), open_source(recipe.data)
        values = self.source.table(ATTRIBUTES)
        self.wording = Wording({name: sorted(set(found) - {None}) for name, found in values.items()})

    def run(self, steps=STEPS):
        """Runs some of the steps, in their order. Who annotates is looked at before anything is computed.

        Returns:
            `dict`: Of each step what its `step.json` holds.

        Raises:
            `ValueError`: If a step before them has not been run, or no row is left; or another run writes into the folder.
        """
        for step in ("describe", "refine"):
            if step in steps:
                self._annotator(step)
        if "assemble" in steps and self.recipe.dataset["splits"] == "keep":
            self._check_splits()
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.folder / ".lock", timeout=0)
        try:
            with lock:
                (self.folder / "recipe.yaml").write_text(self.recipe.to_yaml(), encoding="utf-8")
                return {step: getattr(self, step)() for step in STEPS if step in steps}
        except Timeout:
            raise ValueError(f"Another run writes into {self.folder}; wait for it, or give another --output.") from None
        except ValueError as error:
            stale = self.folder / "dataset"
            told = f" ({stale} is still that of an earlier run.)" if "assemble" in steps and stale.is_dir() else ""
            raise ValueError(f"{error}{told}") from error

    def sample(self):
        """Step 0: leaves out what can't be used, and draws rows that keep the catalogue's shares."""
        folder = StepFolder(self.folder / "sample", sampling_key(self.recipe, self.source))
        if note := folder.note():
            return self._told(note, again=True)
        note = sample_catalogue(self.recipe, self.source, folder, self.folder / "answers" / "print.jsonl")
        return self._told(folder.finish(note))

    def describe(self):
        """Step 1: a vision-language model sees the picture and drafts (Prompt I)."""
        annotator, pictures = self._annotator("describe"), self.source.rows.select_columns("image")

        def ask(record):
            picture = {"type": "image_url", "image_url": {"url": picture_url(pictures[record["row"]]["image"])}}
            return [picture, {"type": "text", "text": annotator.prompt.instruction()}]

        def as_it_is(text):
            return {"draft": {"description": text, "gender": None, "category": None, "colour": None, "usage": None}}

        def read(text, finish_reason):
            return self._read(lambda *said: {"draft": parse_draft(*said)}, as_it_is, text, finish_reason)

        def check(record):  # what is wrong with a draft is for the second step to mend
            return {}, failures(record["draft"]["description"], record, self.recipe.checks, "drafts")

        return self._annotate("describe", annotator, ask, read, check)

    def refine(self):
        """Step 2: an instruct model merges the draft with the metadata (Prompt II)."""
        annotator = self._annotator("refine")

        def ask(record):
            told = {"draft": record["draft"], "metadata": {name: record["metadata"].get(name) for name in TOLD}}
            return annotator.prompt.instruction(
                **{name: json.dumps(value, ensure_ascii=False) for name, value in told.items()}
            )

        def as_it_is(text):
            return {"description": text}

        def read(text, finish_reason):
            return self._read(lambda *said: {"description": parse_refined(*said)}, as_it_is, text, finish_reason)

        def check(record):
            return failures(record["description"], record, self.recipe.checks, "refined"), {}

        return self._annotate("refine", annotator, ask, read, check)

    def assemble(self):
        """Step 3: pairs each picture with its description, in splits that cut through no group; writes card and report."""
        before, settings = self._before("assemble"), self.recipe.dataset
        checks, folder = self.recipe.checks, self.folder / "assemble"
        steps = {step: read_note(self.folder / step) for step in STEPS[:3]}
        key = digest(file_digest(before), steps, settings, checks, self.recipe.sample["seed"], self.source.guessed)
        note = read_note(folder)
        if note and note["key"] == key and note["files"] == self._files():
            return self._told(note, again=True)
        started, pictures = time.monotonic(), self.source.rows.select_columns("image")
        places, rows, moved = self._places(before, settings["splits"])
        (folder / "step.json").unlink(missing_ok=True)  # from here on, what lies there is not what it says
        summary = self._summary(steps, moved)
        told = {"distances": distances(self.source, rows), "input_sha256": file_digest(before), "key": key}

        def picture_of(row):
            return pictures[row]["image"]

        def write_beside(dataset, assembled):
            summary["steps"]["assemble"] = {**assembled, **told, "seconds": round(time.monotonic() - started, 1)}
            write_card(dataset, summary, picture_of)

        assembled = assemble(
            read_lines(before),
            self.source,
            places,
            {step: self._who(steps[step]) for step in ("describe", "refine")},
            self.folder,
            checks=[name for name, chosen in checks.items() if chosen is not False],
            clip_score=self.clip_score,
            floor=(checks["clip_score"] or {}).get("floor"),
            shard_bytes=int(settings["shard_mb"] * 2**20),
            finish=write_beside,
            total=len(places),
        )
        note = {**assembled, **told, "seconds": round(time.monotonic() - started, 1)}
        summary["steps"]["assemble"] = note
        write_report(self.folder, summary, picture_of)
        write_json(folder / "step.json", {**note, "files": self._files()})
        return self._told(note)

    def _read(self, parse, as_it_is, text, finish_reason):
        """What an answer says; where the check `json` is off, of one that is no JSON the text itself."""
        try:
            return parse(text, finish_reason)
        except ValueError:
            plain = text.strip() and not text.lstrip().startswith(("{", "[", "`")) and finish_reason != "length"
            if self.recipe.checks["json"] is not False or not plain:
                raise
            return as_it_is(" ".join(text.split()))

    def _annotator(self, step):
        settings, accepted, seed = getattr(self.recipe, step), self.recipe.accept_licences, self.recipe.sample["seed"]
        return open_annotator(step, settings, self.wording, self.folder / "answers", accepted, seed)

    def _annotate(self, step, annotator, ask, read, check):
        before = self._before(step)
        key = digest(file_digest(before), annotator.depends_on(), self._text_checks())
        folder = StepFolder(self.folder / step, key)
        if note := folder.note():
            return self._told(note, again=True)
        note, problems = annotate_records(step, before, folder, annotator, ask, read, check, self._text_checks())
        self.problems += problems
        return self._told(note)

    def _text_checks(self):
        return {name: self.recipe.checks[name] for name in ("json", *TEXT_CHECKS)}

    def _before(self, step):
        """What the step before has left. It must have been made of what the steps before it have left by now."""
        earlier = STEPS[: STEPS.index(step)]
        notes = [read_note(self.folder / name) for name in earlier]
        all_of_it = f"run --step {','.join([*earlier, step])}"
        for place, (name, note) in enumerate(zip(earlier, notes)):
            if note is None or file_digest(self.folder / name / "rows.jsonl") != note["output_sha256"]:
                raise ValueError(
                    f"{step} needs what {name} writes, and {self.folder / name} holds nothing whole; {all_of_it}."
                )
            if place and note["input_sha256"] != notes[place - 1]["output_sha256"]:
                raise ValueError(f"{name} has not seen what {earlier[place - 1]} has written since; {all_of_it}.")
        if notes[0]["source"] != self.source.fingerprint:
            raise ValueError(f"{self.source.origin} has changed since its sample was drawn; {all_of_it}.")
        if notes[0]["key"] != sampling_key(self.recipe, self.source):
            raise ValueError(f"The sample was drawn by other settings than these; repeat them, or {all_of_it}.")
        for name, note in zip(earlier[1:], notes[1:]):
            if note["settings"] != self._text_checks():
                raise ValueError(f"{name} was run with other checks than these; repeat them, or {all_of_it}.")
        return self.folder / earlier[-1] / "rows.jsonl"

    def _check_splits(self):
        without = self.source.table(["split"])["split"].count(None)
        if without:
            raise ValueError(
                f"dataset.splits is keep, and {without:,} rows of {self.source.origin} are in no split called train, validation or "
                "test; give shares, as in dataset.splits='{train: 0.8, test: 0.2}'."
            )

    def _places(self, before, splits):
        """Of each record the split and the row; and what there is to say of records that changed their split."""
        lines = [
            (line["group"], line["split"], line["metadata"].get("articleType"), line["row"])
            for line in read_lines(before)
        ]
        groups, own, strata, rows = zip(*lines)
        keep, seed = splits == "keep", self.recipe.sample["seed"]
        places = split_by_group(groups, {"train": 1.0} if keep else splits, seed, own if keep else None, strata)
        moved = sum(place != was for place, was in zip(places, own)) if keep else 0
        told = f"{moved:,} rows were moved to the split of others that belong to their group, so that none lies in two."
        return places, rows, [told] if moved else []

    def _who(self, note):
        prompt = note["prompt"] or {}
        return {**note["annotator"], "prompt": prompt.get("name"), "prompt_sha256": prompt.get("sha256")}

    def _files(self):
        """What was assembled, with its size where nobody but a step has business to change it."""
        files = [*sorted((self.folder / "dataset" / "data").glob("*.parquet")), self.folder / "report.html"]
        sizes = {str(file.relative_to(self.folder)): file.stat().st_size for file in files if file.is_file()}
        return {**sizes, "card": (self.folder / "dataset" / "README.md").is_file()}

    def _summary(self, steps, notes):
        recipe, origin = self.recipe, self.source.origin
        name = origin[: -len(Path(origin).suffix)] if Path(origin).suffix in (*KINDS, ".csv", ".tsv") else origin
        return {
            "name": recipe.dataset["name"] or f"{name}, described",
            "origin": origin,
            "licence": recipe.dataset["licence"],
            "clip": self.clip,
            "steps": dict(steps),
            "checks": recipe.checks,
            "columns": self.source.columns,
            "guessed": self.source.guessed,
            "notes": notes,
            "facts": {
                "date": f"{datetime.now(UTC):%Y-%m-%d}",
                "seed": recipe.sample["seed"],
                "versions": f"moda {version('moda')}, transformers {version('transformers')}",
            },
        }

    def _told(self, note, again=False):
        """Prints what came of a step."""
        counts, step = note["counts"], note["step"]
        counts = {**counts, "quarantined": counts.get("quarantined", 0) - counts.get("unanswered", 0)}
        names = ("skipped", "not drawn", "quarantined", "unanswered")
        lost = ", ".join(f"{counts[name]:,} {name}" for name in names if counts.get(name))
        reasons = ", ".join(f"{name} {found['count']:,}" for name, found in note.get("checks", {}).items())
        line = f"{step}: {counts['kept']:,} of {counts['in']:,} rows" + (f", {lost}" if lost else "")
        print(line + (f" ({reasons})" if reasons else "") + (", as before" if again else f", {note['seconds']:.1f} s"))
        for said in self._remarks(step, note):
            print(f"  note: {said}")
        return note

    def _remarks(self, step, note):
        """What a user should know of a step beside its counts."""
        if step == "sample":
            yield from note["notes"]
            yield from (f"{lost['column']} {lost['value']!r} has no row: {lost['why']}" for lost in note["missing"][:3])
            if "split" in self.source.columns and self.recipe.dataset["splits"] != "keep":
                yield "The catalogue's own splits are not kept; dataset.splits=keep does."
        if step == "describe" and self.recipe.describe["annotator"] == "metadata":
            names = {"articleType": "kind", "baseColour": "colour", "gender": "gender", "usage": "usage"}
            absent = [told for name, told in names.items() if name not in self.source.columns]
            if absent:
                yield f"The catalogue has no column for {', '.join(absent)}, so no sentence says it; name it in data.columns."
