"""`moda annotate`: a bare catalogue in, a described dataset out."""

import argparse
import sys


EXAMPLES = """examples:
  moda annotate products.parquet                             sentences from metadata alone: no model, no network
  moda annotate fashion-dataset sample.count=1000 --output runs/annotated
  moda annotate recipes/annotation/guide.yaml                the guide's two models, through transformers
  moda annotate products.parquet --annotator http://localhost:8000/v1 describe.model=vision-model \\
      describe.licence=mit refine.model=instruct-model refine.licence=apache-2.0
  moda annotate products.parquet --step sample               one step by itself; then describe, refine, assemble
  moda annotate products.parquet checks.language=false checks.length.max_words=30 data.columns='{articleType: kind}'
"""


def register(commands):
    """Adds the command and its options."""
    parser = commands.add_parser(
        "annotate",
        help="make a described dataset of a bare catalogue",
        description=(
            "Samples a catalogue, describes each picture, refines the drafts with the metadata, checks both, and assembles a "
            "dataset with a card and a report. Stopped, the same command goes on: no model is asked twice."
        ),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source",
        metavar="CATALOGUE",
        help="a folder with styles.csv and images/, a parquet or JSONL file, a folder with metadata.jsonl, a Hub dataset id; "
        "or a recipe (.yaml)",
    )
    parser.add_argument("overrides", metavar="KEY=VALUE", nargs="*", help="of the recipe, as in sample.count=1000")
    parser.add_argument(
        "--annotator",
        metavar="WHO",
        help="who describes and refines: metadata (no model), local (transformers) or an endpoint's URL (default: metadata)",
    )
    parser.add_argument(
        "--step",
        nargs="+",
        choices=("sample", "describe", "refine", "assemble"),
        metavar="STEP",
        help="only these of sample, describe, refine, assemble (default: all; what has not changed is not done again)",
    )
    parser.add_argument("--output", metavar="FOLDER", help="where to (default: the recipe's output_dir, or annotated)")
    parser.set_defaults(run=run)


def run(options):
    """Annotates; see `moda annotate --help`."""
    from transformers.utils import logging

    from moda.annotation.pipeline import Annotation
    from moda.annotation.recipe import STEPS, load_annotation_recipe

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    overrides = list(options.overrides)
    if options.annotator:
        overrides += [f"{step}.annotator={options.annotator}" for step in ("describe", "refine")]
    if options.output:
        overrides.append(f"output_dir={options.output}")
    recipe = load_annotation_recipe(options.source, overrides)
    annotation = Annotation(recipe, *_clip(recipe.dataset["clip"]))
    done = annotation.run(options.step or STEPS)
    if "assemble" in done:
        print(f"{recipe.output_dir}: dataset/ (load_dataset opens it) with its card, and report.html")
    for problem in annotation.problems:
        print(f"moda annotate: {problem}", file=sys.stderr)
    return 1 if annotation.problems else 0


def _clip(name):
    """What gives pictures and sentences their CLIPScores."""
    if not name:
        return (None,)
    from moda.evaluation.clip import PREFIX, clip_score, load_clip

    clip = load_clip(name)

    def score(pictures, sentences):
        said = clip.text_embeddings([PREFIX + sentence for sentence in sentences])
        return clip_score(clip.image_embeddings(pictures), said).tolist()

    return score, name
