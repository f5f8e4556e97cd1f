"""`moda evaluate`: how good a model is, against what, and how sure that is."""

import argparse
import os
import sys
import time
from pathlib import Path


EXAMPLES = """examples:
  moda evaluate runs/demo                                   on the rows that its own training held out
  moda evaluate runs/mine products.parquet --baselines all  beside what knows less
  moda evaluate runs/mine --against runs/other sentences.csv --probes
  moda evaluate sentences.csv products.parquet --split test  sentences of any system, by id
  moda evaluate runs/mine --clip openai/clip-vit-base-patch32 --captioner Salesforce/blip-image-captioning-base
  MODA_API_KEY=... moda evaluate runs/mine --judge https://api.openai.com/v1 --judge-model gpt-4o-mini --judge-rows 500
"""


def register(commands):
    """Adds the command and its options."""
    parser = commands.add_parser(
        "evaluate",
        help="score a model, with intervals and baselines, in a report",
        description=(
            "Describes held-out rows and scores the sentences: the guide's five scores, attributes, caption metrics, each with "
            "an interval, per class, beside baselines; a report with pictures. Stopped, the same command goes on."
        ),
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", metavar="MODEL", help="a repository, or a file of sentences (.csv, .jsonl, .parquet)")
    parser.add_argument("data", metavar="DATA", nargs="?", help="a catalogue (default: what the model was trained on)")
    rows = parser.add_argument_group("rows")
    rows.add_argument(
        "--split", help="train, validation or test (default: what training held out, or the last there is)"
    )
    rows.add_argument("--rows", type=int, metavar="N", help="evaluate N rows, evenly spread (default: all)")
    rows.add_argument("--columns", nargs="+", metavar="OURS=THEIRS", help="as in articleType=kind baseColour=colour")
    rows.add_argument("--batch-size", type=int, default=64, metavar="N", help="rows at once (default: %(default)s)")
    rows.add_argument(
        "--max-new-tokens", type=int, default=48, metavar="N", help="longest sentence (default: %(default)s)"
    )
    beside = parser.add_argument_group("beside what")
    beside.add_argument(
        "--against", nargs="+", default=[], metavar="MODEL", help="other repositories or files of sentences"
    )
    beside.add_argument(
        "--baselines",
        nargs="+",
        default=[],
        metavar="NAME",
        help="all, or some of: majority blind noise nearest probe zero-shot (needs --clip) captioner (needs --captioner)",
    )
    beside.add_argument("--clip", help="a CLIP, for zero-shot, CLIPScore and retrieval: folder or id")
    beside.add_argument("--captioner", help="any captioner of transformers, as a baseline: folder or id")
    beside.add_argument("--probes", action="store_true", help="also counting, left and right, binding, prompts, print")
    judge = parser.add_argument_group(
        "a judge model, behind an OpenAI-compatible endpoint; its key is read from $MODA_API_KEY"
    )
    judge.add_argument("--judge", metavar="URL", help="the endpoint")
    judge.add_argument("--judge-model", metavar="NAME", default="gpt-4o-mini", help="(default: %(default)s)")
    judge.add_argument("--judge-rows", type=int, metavar="N", help="judge N rows, evenly spread (default: all)")
    judge.add_argument("--parallel", type=int, default=8, metavar="N", help="requests at once (default: %(default)s)")
    judge.add_argument("--per-minute", type=int, metavar="N", help="most requests a minute (default: no limit)")
    judge.add_argument(
        "--price", type=float, nargs=2, metavar=("IN", "OUT"), help="of a million tokens, to tell the cost before"
    )
    out = parser.add_argument_group("result")
    out.add_argument("--output", metavar="FOLDER", help="where to (default: MODEL-evaluation, beside the model)")
    out.add_argument("--resamples", type=int, default=2000, metavar="N", help="of the bootstrap (default: %(default)s)")
    out.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.set_defaults(run=run)


def run(options):
    """Evaluates; see `moda evaluate --help`."""
    started = time.monotonic()
    # Beside other programs, threads that spin cost several times over.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from transformers.utils import logging

    from moda.data.pixels import PixelDataset
    from moda.evaluation.curves import read_curves
    from moda.evaluation.evaluate import Evaluation, scoreboard
    from moda.evaluation.predictions import is_predictions, model_digest
    from moda.evaluation.rows import select_rows
    from moda.inference.describe import load_model
    from moda.training.machine import describe_machine

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    columns = dict(pair.split("=", 1) for pair in options.columns or () if "=" in pair)
    if len(columns) != len(options.columns or ()):
        raise ValueError(f"--columns takes OURS=THEIRS, as in articleType=kind, not {' '.join(options.columns)!r}.")
    wanted = _baselines(options)
    judge = _judge(options) if options.judge else None
    clip = _clip(options.clip) if options.clip else None
    names = [options.model, *options.against]
    models = {name: load_model(name) for name in names if not is_predictions(name)}
    selection = select_rows(
        options.data, None if is_predictions(options.model) else options.model, options.split, columns, options.rows
    )
    for note in selection.notes:
        print(f"note: {note}")
    folder = Path(options.output or f"{os.path.splitext(options.model.rstrip('/'))[0]}-evaluation")

    pictures = {}
    for name, (_, processor) in models.items():
        kinds = [column for column in selection.rows.column_names if column != "image"]
        pictures[name] = PixelDataset(selection.rows, processor.image_processor, kinds)
    kept = next(iter(pictures.values())).kept.tolist() if pictures else None
    evaluation = Evaluation(selection, folder, kept, options.resamples, options.seed)
    for name in names:
        kind = "model" if name == options.model else "other model"
        if name not in models:
            evaluation.read(_short(name), name, kind)
            continue
        model, processor = models[name]
        count = sum(parameter.numel() for parameter in model.parameters())
        about = f"{count:,} parameters, {str(model.dtype).removeprefix('torch.')}, greedy"
        made_with = {
            "model": model_digest(model),
            "pictures": pictures[name].fingerprint,
            "question": processor.default_prompt,
            "length": str(options.max_new_tokens),
        }
        settings = {"batch_size": options.batch_size, "max_new_tokens": options.max_new_tokens}
        evaluation.describe(_short(name), model, processor, pictures[name], about, made_with, kind, **settings)
        if name == options.model:
            evaluation.model = {
                "name": _short(name),
                "parameters": count,
                "precision": str(model.dtype).removeprefix("torch."),
            }
            evaluation.model["digest"] = made_with["model"]
            evaluation.curves = read_curves(name)
    shown = evaluation.embed(clip) if clip is not None else None
    if wanted:
        model, processor = models.get(options.model, (None, None))
        evaluation.add_baselines(
            wanted,
            dataset=pictures.get(options.model),
            model=model,
            processor=processor,
            clip=clip,
            shown=shown,
            captioner=options.captioner,
            batch_size=options.batch_size,
            max_new_tokens=options.max_new_tokens,
        )
    if clip is not None:
        evaluation.add_clip(clip)
    if options.probes and options.model in models:
        evaluation.add_probes(*models[options.model])
    if judge is not None:
        evaluation.add_judge_model(judge, options.judge_rows, options.price or (None, None))
    evaluation.machine = describe_machine()
    evaluation.seconds["in all, the report apart"] = round(time.monotonic() - started, 1)
    results = evaluation.write(" ".join(["moda", *sys.argv[1:]]))
    print("\n".join(scoreboard(results)))
    print(f"{folder}: report.html, its pictures, scores.json and every system's sentences")
    for problem in evaluation.problems:
        print(f"moda evaluate: {problem}", file=sys.stderr)
    return 1 if evaluation.problems else 0


def _baselines(options):
    from moda.evaluation.baselines import BASELINES

    names = {name.replace("_", "-"): name for name in BASELINES}
    if options.baselines == ["all"]:
        needs = {"zero-shot": options.clip, "captioner": options.captioner}
        return [name for said, name in names.items() if needs.get(said, True)]
    unknown = [name for name in options.baselines if name not in names]
    if unknown:
        raise ValueError(f"There is no baseline {unknown[0]!r}; choose among all, {', '.join(names)}.")
    return [names[name] for name in options.baselines]


def _judge(options):
    from moda.data.endpoint import Endpoint
    from moda.evaluation.model_judge import ModelJudge

    settings = {"parallel": options.parallel, "requests_per_minute": options.per_minute}
    return ModelJudge(Endpoint(options.judge, options.judge_model, **settings))


def _clip(name):
    from moda.evaluation.clip import load_clip

    return load_clip(name)


def _short(name):
    """A model's or file's name without where it lies."""
    return Path(name.rstrip("/")).name
