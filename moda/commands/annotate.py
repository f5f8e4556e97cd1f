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


def steps(text):
    """Names of steps with commas between them, for argparse."""
    names, known = [name.strip() for name in text.split(",")], ("sample", "describe", "refine", "assemble")
    wrong = [name for name in names if name not in known]
    if wrong:
        raise argparse.ArgumentTypeError(f"there is no step {wrong[0]!r}; there are {', '.join(known)}")
    return names


def register(commands):
    """Adds the command and its options."""
    parser = commands.add_parser(
        "annotate",
        help="make a described dataset of a bare catalogue",
        description=(
            "Samples a catalogue, describes each picture, refines the drafts with the metadata, checks both, and assembles a "
            "dataset with a card and a report. Stopped, the same command goes on: answers are kept in OUTPUT/answers, and no model is "
            "asked twice. docs/annotation.md has the checks and all settings."
        ),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source",
        metavar="CATALOGUE",
        help="a folder with styles.csv and images/, a folder with metadata.jsonl or .csv, a parquet, CSV or JSONL file, a Hub "
        "dataset id; or a recipe (.yaml)",
    )
    parser.add_argument(
        "overrides", metavar="KEY=VALUE", nargs="*", help="of the recipe, as in sample.count=1000 (default: 5,400 rows)"
    )
    parser.add_argument(
        "--annotator",
        metavar="WHO",
        help="who describes and refines: metadata (no model), local (transformers) or the URL of an OpenAI-compatible endpoint, "
        "whose key is read from $MODA_API_KEY (default: metadata)",
    )
    parser.add_argument(
        "--step",
        type=steps,
        metavar="STEP[,STEP]",
        help="only these of sample, describe, refine, assemble (default: all; what has not changed is not done again)",
    )
    parser.add_argument("--output", metavar="FOLDER", help="where to (default: the recipe's output_dir, or annotated)")
    parser.set_defaults(run=run)


def run(options):
    """Annotates; see `moda annotate --help`."""
    import datasets
    from transformers.utils import logging

    from moda.annotation.pipeline import Annotation
    from moda.annotation.recipe import STEPS, load_annotation_recipe

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    datasets.disable_progress_bars()  # the steps have their own
    datasets.logging.set_verbosity_error()
    recipe = load_annotation_recipe(options.source, options.overrides, options.annotator, options.output)
    annotation = Annotation(recipe, *_clip(recipe.dataset["clip"]))
    try:
        done = annotation.run(options.step or STEPS)
        if "assemble" in done:
            print(f"{recipe.output_dir}: dataset/ (load_dataset opens it) with its card, and report.html")
    finally:
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
