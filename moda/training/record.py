"""The record of a run beside its weights: figures, predictions, curves, a sheet of pictures, the card."""

import csv
import json
import time

import datasets
import torch
import transformers

from moda.data.machine import describe_machine
from moda.data.sheet import contact_sheet
from moda.data.wording import ATTRIBUTES
from moda.evaluation.sentences import describe_rows, score_sentences, spread
from pictures_moda import load_picture

from .curve import loss_phases, write_curve, write_scores
from .resume import write_whole


def evaluate(model, processor, held_out, catalogue, options):
    """Describes held-out rows and scores the sentences.

    Args:
        model ([`ModaForConditionalGeneration`]): In evaluation mode.
        processor ([`ModaProcessor`]): The model's.
        held_out ([`PixelDataset`]): The rows.
        catalogue ([`Catalogue`]): Reads the sentences.
        options (`dict`): A recipe's `evaluation`.

    Returns:
        `tuple[list[str], dict]`: The sentences, and `evaluated_rows`, `described_per_second`, `scores`, `exact_match`,
        and the `guide`'s scores.
    """
    count = min(len(held_out), options.get("rows") or len(held_out))
    if count == 0:
        raise ValueError(f"{catalogue.source} has no rows to evaluate on; set data.validation higher.")
    chosen = {key: options[key] for key in ("batch_size", "max_new_tokens") if key in options}
    started = time.monotonic()
    rows = spread(count, len(held_out))
    sentences = describe_rows(model, processor, held_out, rows, title="Describing held-out pictures", **chosen)
    seconds = time.monotonic() - started
    scores, exact, guide = score_sentences(sentences, held_out.columns, rows, catalogue.wording)
    figures = {"evaluated_rows": count, "described_per_second": round(count / seconds, 1), "scores": scores}
    return sentences, {**figures, "exact_match": exact, "guide": guide}


def run_figures(recipe, catalogue, model, warmup, records):
    """Sums up a run: what was trained on what, how long, on which machine, with which versions."""
    minutes = max(sum(record["minutes"] for record in records), 1e-3)
    seen = sum(record["rows_seen"] for record in records)
    return {
        "recipe": recipe.name,
        "source": catalogue.source,
        "train_rows": records[-1]["rows"],
        "pictures_seen": seen,
        "steps": sum(record["steps"] for record in records),
        "tokens": sum(record["tokens"] for record in records),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "warmup_pictures": warmup["pictures"],
        "warmup_minutes": round(warmup["minutes"], 2),
        "train_minutes": round(minutes, 2),
        "images_per_second": round(seen / (60 * minutes), 1),
        "machine": describe_machine(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "datasets": datasets.__version__,
        "seed": recipe.trainer.get("seed", 42),
        "stages": [{key: value for key, value in record.items() if key != "log"} for record in records],
    }


def write_record(output, held_out, sentences, warmup, records, figures):
    """Writes `predictions.csv`, `sheet.png`, `loss.csv`, `scores.csv` with their pictures, and, last, `run.json`.

    Args:
        output (`Path`): The run's folder.
        held_out ([`PixelDataset`]): Of these, as many rows as there are sentences were described, evenly spread.
        sentences (`list[str]`): What was said of them; empty if nothing was.
        warmup (`dict`): Its `losses`.
        records (`list[dict]`): The stages'.
        figures (`dict`): The run's.
    """
    if sentences:
        rows = spread(len(sentences), len(held_out))
        names = [name for name in held_out.columns if name in ("description", *ATTRIBUTES)]
        columns = {name: [held_out.columns[name][row] for row in rows] for name in names}
        with open(output / "predictions.csv", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["sentence", *columns])
            writer.writerows(zip(sentences, *columns.values()))
        shown = min(32, len(sentences))
        pictures = [load_picture(held_out.rows[row]["image"]) for row in rows[:shown]]
        contact_sheet(pictures, sentences[:shown], columns=8).save(output / "sheet.png")
    write_curve(output, {"warm-up": warmup["losses"], **loss_phases(records)})
    write_scores(output, records)
    write_whole(output / "run.json", json.dumps(figures, indent=2) + "\n")  # it says that all is done
