"""Trains MODA from a recipe and leaves a model repository that `AutoModel.from_pretrained` loads.

    python train.py recipes/demo.yaml
    python train.py recipes/fashion-small.yaml data.path=products.parquet
    python train.py recipes/alignment-mini.yaml max_steps=20 output_dir=runs/try
    torchrun --nproc_per_node 2 train.py recipes/moda-519m.yaml stages.train.batch_size=256

What follows the recipe are overrides: its keys (with dots inside), or fields of its stages or of
`transformers.TrainingArguments`, which are then set in every stage. Stopped at any point, the same command goes on to the
same weights. The output folder gets the weights, the processor, the Hub files, the model card, the recipe as it ran, the
curves, the scores, and a sheet of pictures with the model's sentences.
"""

import os


os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # beside other programs, threads that spin cost several times over

import argparse
import sys
from itertools import takewhile
from pathlib import Path

from accelerate import PartialState
from datasets.exceptions import DatasetsError
from transformers import set_seed

from moda.data.catalogue import load_catalogue
from moda.data.pixels import PixelDataset
from moda.hub.card import write_card
from moda.training.build import build_model_and_processor, load_model_and_processor
from moda.training.parts import count_parts
from moda.training.recipe import load_recipe
from moda.training.record import evaluate, run_figures, write_record
from moda.training.resume import claim, finished_run, recall_stage
from moda.training.stages import columns_of, run_stage
from moda.training.warmup import warm_up


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0], epilog=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("recipe", help="a YAML file, such as recipes/demo.yaml")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="changes to the recipe")
    options = parser.parse_args(arguments)
    try:
        run(load_recipe(options.recipe, options.overrides))
    except (ValueError, OSError, ImportError, DatasetsError) as error:
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
    folders = [checkpoints / f"{number}-{stage.name}" for number, stage in enumerate(recipe.stage_list, 1)]
    targets = [*(folder / "model" for folder in folders[:-1]), output]
    settings = [stage.arguments(folder) for stage, folder in zip(recipe.stage_list, folders)]  # a wrong one is told now
    state = PartialState()
    if (finished := finished_run(output, checkpoints, recipe)) is not None:
        state.print(f"{output} holds the finished run of this recipe; delete it to train again.")
        return finished
    set_seed(settings[0].seed)
    with state.local_main_process_first():  # which draws the demo, or fetches from the Hub, for all
        catalogue = load_catalogue(recipe.data)
        # Those of later stages, too: what is wrong with them is told before the first has run.
        own = [stage.data and load_catalogue({"validation": 0, **stage.data}) for stage in recipe.stage_list]
    rows = catalogue.splits
    state.print(f"{catalogue.source}: " + ", ".join(f"{len(split):,} {name}" for name, split in rows.items()))
    split = recipe.evaluation.get("split", "validation")
    if split not in rows:
        raise ValueError(f"evaluation.split is {split!r}, and {catalogue.source} has {', '.join(rows)}; choose one.")

    records = list(takewhile(lambda record: record is not None, map(recall_stage, folders)))
    if records:
        state.print(f"Finished before: {', '.join(record['stage'] for record in records)}.")
        if not (targets[len(records) - 1] / "config.json").is_file():
            raise ValueError(
                f"The model of stage {records[-1]['stage']} is no longer in {targets[len(records) - 1]}; delete {checkpoints} to "
                "train again."
            )
        model, processor = load_model_and_processor(targets[len(records) - 1])
    else:
        model, processor = build_model_and_processor(recipe.model, sentences_of(rows["train"]))
    held_out = PixelDataset(rows[split], processor.image_processor, columns_of(rows[split]))
    for _, reason in held_out.unreadable:
        state.print(f"left out: {reason}")
    if state.is_main_process:
        claim(output, checkpoints, recipe)
    watched = held_out
    if split != "validation" and any(arguments.eval_strategy != "no" for arguments in settings):
        # The best checkpoint is not to be chosen on the rows that are reported.
        watched = PixelDataset(rows["validation"], processor.image_processor, columns_of(rows["validation"]))
    warmup = warm_up(recipe, model, processor, catalogue, checkpoints, done=bool(records))

    for stage, data, folder, target in list(zip(recipe.stage_list, own, folders, targets))[len(records) :]:
        model, record = run_stage(
            recipe, stage, model, processor, data or catalogue, watched, catalogue.wording, folder, target
        )
        records.append(record)

    sentences, figures = [], {"evaluated_rows": 0, "scores": {}}
    if model.config.image_attention == "full":
        state.print("Nothing is described: the last stage's mask is full, under which nothing can be generated.")
    else:
        model.to(settings[-1].device)
        sentences, figures = evaluate(model.eval(), processor, held_out, catalogue, recipe.evaluation)
    figures = {**run_figures(recipe, catalogue, model, warmup, records), **figures}
    if state.is_main_process:
        write_card(output, model.config, count_parts(model), figures, f"MODA, {recipe.name}")
        write_record(output, held_out, sentences, warmup, records, figures)
        for name, score in figures["scores"].items():
            print(f"{name:<12} {100 * score['accuracy']:5.1f} %  ({score['right']:,} of {score['rows']:,})")
        print(f"{output}: the model repository, with sheet.png (pictures and its sentences), loss.png and scores.csv")
    state.wait_for_everyone()
    return figures


def sentences_of(rows):
    """All that is said in a split, for a tokenizer that is made from it."""
    said = {
        name: rows[name][:]
        for name in ("prompt", "description", "descriptions", "messages")
        if name in rows.column_names
    }
    for values in said.values():
        for value in filter(None, values):
            texts = [value] if isinstance(value, str) else value
            yield from (text if isinstance(text, str) else text["content"] for text in texts)


if __name__ == "__main__":
    main()
