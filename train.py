"""Trains MODA from a recipe and leaves a model repository that `AutoModel.from_pretrained` loads.

    python train.py recipes/demo.yaml
    python train.py recipes/fashion-small.yaml data.path=products.parquet
    python train.py recipes/moda-519m.yaml learning_rate=5e-4 max_steps=100 output_dir=runs/try

What follows the recipe are overrides: keys of the recipe (with dots inside) or any field of `transformers.TrainingArguments`.
The output folder gets the weights, the processor, the Hub files, the model card, the recipe as it ran, the loss curve, the
scores, and a sheet of pictures with the model's sentences.
"""

import os


os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # beside other programs, threads that spin cost several times over

import argparse
import csv
import json
import platform
import sys
import time
from pathlib import Path

import torch
import transformers
from datasets.exceptions import DatasetsError
from tqdm.auto import tqdm
from transformers import set_seed

from moda.data.catalogue import load_catalogue
from moda.data.pixels import PixelDataset
from moda.data.sheet import contact_sheet
from moda.data.wording import ATTRIBUTES
from moda.evaluation.attributes import attribute_accuracy
from moda.hub.card import write_card
from moda.inference.describe import generate_sentences
from moda.training.build import build_model_and_processor
from moda.training.curve import losses, write_curve
from moda.training.parts import FollowEpoch, PartsTrainer, count_parts, freeze_all_but, freeze_table
from moda.training.recipe import load_recipe, training_arguments
from moda.training.resume import Clock, finished_run, keep_warmup, last_checkpoint, recall_warmup
from moda.training.warmup import warm_up, warmup_settings
from pictures_moda import load_picture
from processing_moda import ModaDataCollator


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", help="a YAML file, such as recipes/demo.yaml")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="changes to the recipe")
    options = parser.parse_args(arguments)
    try:
        run(load_recipe(options.recipe, options.overrides))
    except (ValueError, OSError, DatasetsError) as error:
        sys.exit(f"train.py: {' '.join(str(error).split())}")
    except KeyboardInterrupt:
        sys.exit("train.py: stopped; the same command goes on from the last checkpoint, if one was saved.")


def run(recipe):
    """Runs a recipe from its data to its model card; see the module's docstring.

    Args:
        recipe ([`Recipe`]): What to train, on what, and where to leave it.

    Returns:
        `dict`: The run's figures, as in `run.json`.
    """
    output = Path(recipe.output_dir)
    checkpoints = output.with_name(f"{output.name}-checkpoints")  # beside the repository, which is to be published
    if (finished := finished_run(output, checkpoints, recipe)) is not None:
        return finished
    settings = training_arguments(checkpoints, recipe.trainer)
    set_seed(settings.seed)
    catalogue = load_catalogue(recipe.data)
    rows = catalogue.splits
    print(f"{catalogue.source}: " + ", ".join(f"{len(split):,} {name}" for name, split in rows.items()))

    model, processor = build_model_and_processor(recipe.model, list(rows["train"]["description"]))
    # Convolutions on a CPU are a fifth faster with the channels last; to other encoders it makes no difference.
    model.model.vision_tower.to(memory_format=torch.channels_last)
    known = [name for name in ATTRIBUTES if name in rows["train"].column_names]
    columns = ["description", *known, *(["prompt"] if "prompt" in rows["train"].column_names else [])]
    train_data = PixelDataset(rows["train"], processor.image_processor, columns, recipe.augment, settings.seed)
    split = recipe.evaluation.get("split", "validation")
    if split not in rows:
        raise ValueError(f"evaluation.split is {split!r}, and {catalogue.source} has {', '.join(rows)}; choose one.")
    held_out = rows[split]
    held_out_data = PixelDataset(held_out, processor.image_processor, columns)
    for _, reason in train_data.unreadable + held_out_data.unreadable:
        print(f"left out: {reason}")

    output.mkdir(parents=True, exist_ok=True)
    (output / "recipe.yaml").write_text(recipe.to_yaml())
    tower = model.model.vision_tower
    warmup = recall_warmup(checkpoints, tower) or {"pictures": 0, "minutes": 0.0, "losses": []}
    if recipe.warmup and warmup["pictures"] == 0:
        if "preset" not in recipe.model or not known:
            why = "it comes trained" if known else "there is no metadata to learn from"
            print(f"The encoder is not warmed up: {why}.")
        else:
            print("Warming up the encoder: it learns to read the metadata off the pictures.")
            values = {name: sorted(set(train_data.columns[name]) - {None, ""}) for name in known}
            warmup = warm_up(model, train_data, values, warmup_settings(recipe), checkpoints / "warmup")
            keep_warmup(checkpoints, tower, warmup)

    freeze_all_but(model, recipe.train)
    print(freeze_table(model, settings.learning_rate, recipe.learning_rates))
    clock = Clock()
    collator = ModaDataCollator(processor, token_noise=recipe.token_noise, seed=settings.seed)
    trainer = PartsTrainer(
        model,
        settings,
        learning_rates=recipe.learning_rates,
        train_dataset=train_data,
        eval_dataset=held_out_data,
        processing_class=processor,
        data_collator=collator,
        callbacks=[FollowEpoch(train_data, collator), clock],
    )
    trainer.train(resume_from_checkpoint=last_checkpoint(checkpoints))
    model.save_pretrained(output)
    processor.save_pretrained(output)
    write_curve(output, {"warm-up": warmup["losses"], "training": losses(trainer.state.log_history)})
    seen = trainer.state.global_step * trainer.get_total_train_batch_size(settings)
    minutes = clock.minutes
    figures = {
        "recipe": recipe.name,
        "source": catalogue.source,
        "train_rows": len(train_data),
        "pictures_seen": seen,
        "steps": trainer.state.global_step,
        "parameters": sum(part["parameters"] for part in count_parts(model)),
        "warmup_pictures": warmup["pictures"],
        "warmup_minutes": round(warmup["minutes"], 2),
        "train_minutes": round(minutes, 2),
        "images_per_second": round(seen / (60 * minutes), 1),
        "machine": f"{os.cpu_count()} cores, {platform.machine()}"
        + (f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ", no GPU"),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "seed": settings.seed,
    }
    figures.update(evaluate(model.eval(), processor, held_out_data, held_out, catalogue, recipe, output))
    write_card(output, model.config, count_parts(model), figures, f"MODA, {recipe.name}")
    (output / "run.json").write_text(json.dumps(figures, indent=2) + "\n")  # last: it says that all is done
    for name, score in figures["scores"].items():
        print(f"{name:<12} {100 * score['accuracy']:5.1f} %  ({score['right']:,} of {score['rows']:,})")
    print(
        f"{output}: the model repository; {output}/sheet.png: pictures with its sentences; {output}/loss.png: the curve"
    )
    return figures


def evaluate(model, processor, data, rows, catalogue, recipe, output):
    """Describes held-out pictures, scores the sentences, writes them to `predictions.csv` and draws `sheet.png`."""
    options = {"rows": None, "batch_size": 64, "max_new_tokens": 48, **recipe.evaluation}
    count = min(len(data), options["rows"] or len(data))
    if count == 0:
        raise ValueError(f"{catalogue.source} has no validation rows to evaluate on; set data.validation higher.")
    sentences = []
    started = time.monotonic()
    for first in tqdm(range(0, count, options["batch_size"]), desc="Describing held-out pictures", unit="batch"):
        batch = data.__getitems__(list(range(first, min(first + options["batch_size"], count))))
        inputs = processor(
            text=[row["prompt"] for row in batch] if "prompt" in batch[0] else None,
            pixel_values=torch.stack([row["pixel_values"] for row in batch]),
        )
        sentences += generate_sentences(model, processor, dict(inputs), max_new_tokens=options["max_new_tokens"])
    seconds = time.monotonic() - started
    truth = {name: values[:count] for name, values in data.columns.items()}
    with open(output / "predictions.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["sentence", *truth])
        writer.writerows(zip(sentences, *truth.values()))
    shown = min(32, count)
    pictures = [load_picture(rows[int(data.kept[index])]["image"]) for index in range(shown)]
    contact_sheet(pictures, sentences[:shown], columns=8).save(output / "sheet.png")
    scores = attribute_accuracy(
        sentences, {name: truth[name] for name in truth if name in ATTRIBUTES}, catalogue.wording
    )
    return {"evaluated_rows": count, "described_per_second": round(count / seconds, 1), "scores": scores}


if __name__ == "__main__":
    main()
