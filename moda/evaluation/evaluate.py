"""An evaluation: systems that describe the same rows, scored by the same judge, with intervals, side by side."""

import contextlib
import functools
import json
import math
import re
import time
from datetime import UTC, datetime
from types import SimpleNamespace

import numpy as np
import torch
import transformers

from moda.data.endpoint import EndpointError
from moda.data.pixels import fingerprint
from moda.data.wording import ATTRIBUTES
from pictures_moda import load_picture

from .agreement import agreement
from .clip import PREFIX, clip_score, found_at_k
from .five import OVERALL, SCORES, five_scores
from .intervals import accuracy, effective_units, paired
from .predictions import describe_kept, file_of, kept_sentences, model_digest, read_predictions
from .probes import draw_probes, probe_sheet, run_probes
from .report import write_report
from .rules import RuleJudge
from .sentences import question_of, references_of, spread
from .systems import System
from .tables import all_right, calibration, class_table, confusion, examples, sample, worst


SLOW = ("blind", "noise", "captioner")  # baselines whose sentences are kept
OWN_FILES = (
    "report.html",
    "scores.png",
    "curves.png",
    "losses.png",
    "calibration.png",
    "examples.png",
    "confusion-*.png",
)


class Evaluation:
    """Collects systems, and compares them.

    Args:
        selection ([`Selection`]): The rows.
        folder (`Path`): Where everything is kept.
        kept (`Sequence[int]`, *optional*): Which of them have pictures that can be read. Defaults to all.
        resamples, seed: Of the bootstrap; see [`bootstrap_weights`].

    Attributes:
        rows (`list[dict]`): The metadata, and whatever else the catalogue says, of the rows evaluated.
        systems (`list[System]`): In the order they were added; the first is the one that the report is about.
        problems (`list[str]`): What could not be done, a sentence each. The rest was.
    """

    def __init__(self, selection, folder, kept=None, resamples=2000, seed=0):
        self.selection, self.folder, self.resamples, self.seed = selection, folder, resamples, seed
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(f"The folder {folder} can't be made ({error.strerror}); give another --output.") from error
        self.kept = list(range(len(selection.rows)) if kept is None else kept)
        if not self.kept:
            raise ValueError(
                f"None of the {len(selection.rows):,} rows of {selection.catalogue.source} has a readable picture."
            )
        self.numbers = [selection.numbers[index] for index in self.kept]
        self.dataset = selection.rows.select(self.kept)
        self.rows = self.dataset.remove_columns("image").to_list()
        for row in self.rows:  # an empty cell is no value
            row.update({name: row[name] or None for name in ATTRIBUTES if name in row})
        self.groups = [row["group"] for row in self.rows] if "group" in self.dataset.column_names else None
        self.judge = RuleJudge(selection.catalogue.wording.lexicon)
        self.fingerprint = fingerprint(self.dataset)
        accepted = references_of(_columns(self.rows), range(len(self.rows)))
        self.references = [[text for text in texts if text and text.strip()] for texts in accepted]
        self.systems, self.problems, self.notes = [], [], list(selection.notes)
        self.probes, self.judge_record, self.agreement = [], {"name": "rules"}, {}
        self.seconds, self.model, self.curves, self.machine, self.shown = {}, {}, {}, "", None
        if self.groups:
            voices = effective_units(len(self.rows), self.groups)
            self.notes.append(
                f"Near-duplicates share a group, and intervals draw whole groups: these {len(self.rows):,} products are as much "
                f"evidence as {voices:,.0f} equal groups."
            )
        left_out = len(selection.rows) - len(self.kept)
        if left_out:
            self.notes.append(f"{left_out:,} rows were left out: their pictures can't be read.")
        missing = sum(not texts for texts in self.references)
        if missing:
            self.notes.append(f"{missing:,} rows have no reference: caption metrics leave them out.")

    def describe(self, name, model, processor, pictures, kind="model", **options):
        """Lets a model describe the rows; what is said is kept as it goes, and the next call goes on.

        Args:
            name (`str`): As the report calls it.
            model ([`ModaForConditionalGeneration`]): In evaluation mode.
            processor ([`ModaProcessor`]): Its own.
            pictures ([`PixelDataset`]): The rows, by this processor.
            kind (`str`, *optional*, defaults to `"model"`): Or `"other model"`.
            options: Of [`describe_kept`].
        """
        started = time.monotonic()
        count, precision = sum(p.numel() for p in model.parameters()), str(model.dtype).removeprefix("torch.")
        digest = model_digest(model, processor)
        file = file_of(self.folder, _slug(_last(name)), model=digest, **self._depends(options))
        options = {"title": f"Describing with {name}", "numbers": self.numbers, **options}
        said = describe_kept(model, processor, pictures, file, **options)
        self.seconds[f"describing with {name}"] = round(time.monotonic() - started, 1)
        if not self.systems:
            self.model = {"name": name, "parameters": count, "precision": precision, "digest": digest}
        return self.add(System(name, kind, f"{count:,} parameters, {precision}, greedy", *said))

    def _depends(self, options):
        """What sentences depend on besides the model."""
        questions = [question_of(row) for row in self.rows]
        return {"pictures": self.fingerprint, "questions": questions, "length": options.get("max_new_tokens", 48)}

    def read(self, name, file, kind="model"):
        """Takes the sentences of a system from a file; see [`read_predictions`]."""
        said = read_predictions(file, self.rows, self.numbers)
        return self.add(System(name, kind, f"sentences read from {_last(str(file))}", *said))

    def add(self, system):
        """Scores a system by rules and against references.

        Raises:
            `ValueError`: If it has not as many sentences as there are rows, or the name of another.
        """
        if len(system.sentences) != len(self.rows):
            raise ValueError(
                f"{system.name} has {len(system.sentences):,} sentences for {len(self.rows):,} rows; give one for each."
            )
        if any(system.name == other.name for other in self.systems):
            raise ValueError(f"Two systems are called {system.name!r}; rename one of the folders or files.")
        system.score(self.rows, self.judge)
        if any(self.references):
            system.compare(self.references)
        if system.facts["empty"]:
            count = system.facts["empty"]
            self.notes.append(
                f"{system.name} says nothing of {count:,} rows; they count as wrong, and have no details."
            )
        self.systems.append(system)
        return system

    def add_baselines(self, names, dataset, **material):
        """Adds baselines on the same rows; see [`Baselines`].

        Args:
            names (`list[str]`): Of `BASELINES`.
            dataset ([`PixelDataset`], *optional*): The rows with the first model's pixels; `None` where there are only sentences.
            material: Of [`Baselines`]: `model`, `processor`, `clip`, `captioner`, ...
        """
        from .baselines import BASELINES, Baselines

        dataset = SimpleNamespace(rows=self.dataset) if dataset is None else dataset
        train, wording = self.selection.train, self.selection.catalogue.wording
        baselines = Baselines(
            dataset, range(len(self.rows)), wording, train, seed=self.seed, shown=self.shown, **material
        )
        model, processor, captioner = (material.get(key) for key in ("model", "processor", "captioner"))
        depends = {**self._depends(material), "seed": self.seed}
        for name in names:
            title = name.replace("_", "-")
            with self.going_on(f"baseline {title}"):
                make = getattr(baselines, name)
                if name in SLOW:
                    digest = model_digest(model, processor) if model is not None else None
                    file = file_of(self.folder, f"baseline-{title}", model=digest, captioner=captioner, **depends)
                    make = functools.partial(kept_sentences, file, self.numbers, make)
                taken = any(system.name == title for system in self.systems)
                self.add(System(f"{title} (baseline)" if taken else title, "baseline", BASELINES[name], make()))

    @contextlib.contextmanager
    def going_on(self, what):
        """Times what is done within; what fails there is noted as a problem, and the evaluation goes on."""
        started = time.monotonic()
        try:
            yield
        except Exception as error:  # others' models may raise anything
            said = " ".join(str(error).split()) or type(error).__name__
            self.problems.append(f"{what[0].upper()}{what[1:]} could not be done: {said}")
        self.seconds[what] = round(time.monotonic() - started, 1)

    def embed(self, clip):
        """Embeds the rows' pictures by a CLIP, once for all that asks for them."""
        self.shown = clip.image_embeddings(self.dataset["image"], title="Embedding pictures")

    def add_clip(self, clip):
        """Gives every system its CLIPScore, and says how well sentences and pictures find each other among all; after [`embed`]."""
        for system in self.systems:
            said = clip.text_embeddings(
                [PREFIX + sentence for sentence in system.sentences], title=f"Embedding {system.name}"
            )
            scores = {"clip_score": clip_score(self.shown, said)}
            for way, found in found_at_k(self.shown, said).items():
                scores.update({f"{way.replace('_', ' ')} R@{k}": rows for k, rows in found.items()})
            system.rows["clip"] = {name: rows.numpy().astype(np.float64) for name, rows in scores.items()}
        if clip.cut:
            self.notes.append(f"The CLIP reads {clip.longest} tokens: {clip.cut:,} longer sentences were cut for it.")

    def add_probes(self, model, processor):
        """Asks the weakness probes; see [`run_probes`]."""
        drawn = draw_probes(seed=self.seed)
        for probe in run_probes(model, processor, seed=self.seed):
            share = accuracy(probe["right"], probe["groups"])
            told = {name: probe[name] for name in ("name", "about", "chance", "parts")}
            self.probes.append({**told, **share})
            sheet = probe_sheet(drawn[probe["name"]], probe["said"], probe["right"])
            sheet.save(self.folder / f"probe-{_slug(probe['name'])}.png")

    def add_judge_model(self, judge, count=None, prices=(None, None), ask=True):
        """Lets a judge model score the first system, and compares it with the rules; see [`ModelJudge`].

        Args:
            judge ([`ModelJudge`]): Asks, and keeps what it was answered.
            count (`int`, *optional*): Judge so many rows, evenly spread. Defaults to all.
            prices (`tuple[float, float]`, *optional*): Of a million tokens in and out, to tell the cost before.
            ask (`bool`, *optional*, defaults to `True`): Whether to ask, or to tell the cost and no more.
        """
        first = self.systems[0]
        chosen = spread(min(count or len(self.rows), len(self.rows)), len(self.rows))
        said = [first.sentences[index] for index in chosen]
        rows = [self.rows[index] for index in chosen]
        pictures = self.dataset.select(chosen)["image"]
        model = judge.endpoint.model
        print(f"{model}: {judge.estimate(said, rows, pictures, *prices)}")
        if not ask:
            return
        try:
            found = judge.judge_all(said, rows, pictures)
        except EndpointError as error:  # what was answered before counts
            found = judge.verdicts
            self.problems.append(f"{model} judged no further: {' '.join(str(error).split())}")
        verdicts = [None] * len(self.rows)
        for index, verdict in zip(chosen, found):
            verdicts[index] = verdict
        judged = sum(verdict is not None for verdict in verdicts)
        self.judge_record["model"] = judge.record()
        if judge.problem:
            self.problems.append(judge.problem)
        if not judged:
            if not judge.problem:
                why = f"{model} gave no verdict that could be read on {len(rows):,} sentences; choose a model that sees and writes JSON."
                self.problems.append(why)
            return
        if judged < len(rows):
            self.notes.append(
                f"{len(rows) - judged:,} of {len(rows):,} sentences have no verdict of {model}: see its counts."
            )
        about = f"the same sentences, {judged:,} of {len(rows):,} judged"
        system = System(f"{first.name}, judged by {model}", "judge model", about, first.sentences)
        system.verdicts, system.rows = verdicts, {"five": five_scores(verdicts)}
        self.systems.append(system)
        self.agreement = agreement(first.verdicts, verdicts, self.groups, self.resamples, self.seed)

    def results(self, command=""):
        """Sums everything up.

        Returns:
            `dict`: What `scores.json` holds and the report shows, plain numbers and text; see [`write_report`].
        """
        first = self.systems[0]
        settings = {"resamples": self.resamples, "seed": self.seed, "groups": self.groups}
        systems = [system.figures(**settings) for system in self.systems]
        compared = [system for system in self.systems[1:] if system.kind != "judge model"]
        reads = [verdict.read for verdict in first.verdicts]
        attributes = [name for name in ATTRIBUTES if name in first.rows.get("attributes", ())]
        source = self.selection.catalogue.source
        results = {
            "title": f"{first.name} on {_last(source)}",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "command": command,
            "model": self.model,
            "data": {
                "source": _last(source),
                "split": self.selection.split,
                "rows": len(self.rows),
                "train_rows": len(self.selection.train) if self.selection.train is not None else 0,
                "effective_groups": round(effective_units(len(self.rows), self.groups), 1),
                "fingerprint": self.fingerprint,
            },
            "machine": self.machine,
            "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
            "bootstrap": {"resamples": self.resamples, "seed": self.seed, "level": 0.95},
            "judge": self.judge_record,
            "agreement": self.agreement,
            "notes": [*self.notes, *_repetition(first)],
            "problems": self.problems,
            "systems": systems,
            "paired": [self._compared(first, other, settings) for other in compared],
            "classes": {name: class_table(self.rows, reads, name, self.groups) for name in attributes},
            "confusion": {name: confusion(self.rows, reads, name) for name in attributes},
            "probes": self.probes,
            "seconds": self.seconds,
            **self.curves,
        }
        if first.confidences is not None and attributes:
            results["calibration"] = calibration(
                first.confidences, all_right(first.rows["five"]), groups=self.groups, seed=self.seed
            )
        if attributes:
            shown = (first.sentences, self.rows, first.verdicts, first.rows["five"], attributes, first.confidences)
            results["examples"] = examples(sample(len(self.rows), 24, self.seed), *shown)
            results["worst"] = examples(worst(first.rows["five"], first.confidences), *shown)
        return plain(results)

    def _compared(self, first, other, settings):
        differences = paired(first.statistic, other.statistic, len(self.rows), **settings)
        named = {
            name if family == "five" else f"{family}: {name}": score for (family, name), score in differences.items()
        }
        return {"a": first.name, "b": other.name, "differences": named}

    def write(self, command=""):
        """Writes `scores.json`, `report.html` and its pictures, and returns what [`results`] gave."""
        results = self.results(command)
        for pattern in (
            OWN_FILES if self.probes else (*OWN_FILES, "probe-*.png")
        ):  # of an evaluation before this one, which may have shown other things
            for file in self.folder.glob(pattern):
                file.unlink()
        text = json.dumps(results, indent=1, ensure_ascii=False)
        (self.folder / "scores.json").write_text(text + "\n", encoding="utf-8")
        pictures = {}
        for index in sorted(
            {example["picture"] for part in ("examples", "worst") for example in results.get(part, ())}
        ):
            with contextlib.suppress(ValueError, OSError):  # one that can't be read leaves its place empty
                pictures[index] = load_picture(self.dataset[index]["image"])
        write_report(self.folder, results, pictures)
        return results


def _repetition(system):
    """A note where factual consistency says nothing that the other scores do not."""
    five = system.rows.get("five")
    if five is None:
        return []
    table = np.stack([five[name] for name in SCORES if name != "factual"])
    both = ~np.isnan(five["factual"]) & ~np.isnan(table).all(0)
    others = np.nanmean(table[:, both], axis=0)
    repeats = np.isclose(others, five["factual"][both]).mean() if both.any() else 0.0
    if repeats <= 0.5:
        return []
    return [
        f"In {100 * repeats:.1f} % of rows factual consistency is the mean of the other four scores: {system.name} mentions "
        "little else, so the overall score counts the same facts twice."
    ]


def scoreboard(results):
    """The systems' scores as lines of text, for a terminal: the guide's, or caption metrics where there is no metadata.

    Args:
        results (`dict`): Of [`Evaluation.results`].

    Returns:
        `list[str]`
    """
    family = next((name for name in ("five", "captions") if name in results["systems"][0]), None)
    names = {"five": (*SCORES, OVERALL), "captions": ("bleu_4", "rouge_l", "meteor", "cider")}.get(family, ())
    width = max(len(system["name"]) for system in results["systems"])
    lines = [" " * width + "".join(f"{name:>21}" for name in names)] if names else []
    for system in results["systems"]:
        if family in system:
            told = [
                "–" if c["value"] is None else f"{c['value']:.2f} ({_ends(c)})" for c in map(system[family].get, names)
            ]
            lines.append(f"{system['name']:<{width}}" + "".join(f"{cell:>21}" for cell in told))
    return lines


def _ends(score):
    return "no interval" if score["low"] is None else f"{score['low']:.2f}–{score['high']:.2f}"


def plain(value):
    """Makes of numbers, arrays and what holds them what JSON can hold; NaN becomes `None`."""
    if isinstance(value, dict):
        return {str(name): plain(inner) for name, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(inner) for inner in value]
    if isinstance(value, (np.ndarray, np.generic, torch.Tensor)):
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _columns(rows):
    return {name: [row[name] for row in rows] for name in rows[0]}


def _slug(name):
    return re.sub(r"[^\w.-]+", "-", name).strip("-.") or "system"


def _last(source):
    """A path's last part: where it lies is nobody's business."""
    return source.rstrip("/").rsplit("/", 1)[-1]
