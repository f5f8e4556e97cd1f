"""`moda evaluate`: how good a model is, against what, and how sure that is."""

import argparse
import os
import shlex
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


def positive(text):
    """A whole number above zero, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is less than 1")
    return number


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
    parser.add_argument(
        "model", metavar="MODEL", help="a repository, or a file of sentences (.csv, .json, .jsonl, .parquet)"
    )
    parser.add_argument("data", metavar="DATA", nargs="?", help="a catalogue (default: what the model was trained on)")
    rows = parser.add_argument_group("rows")
    rows.add_argument(
        "--split", help="train, validation or test (default: what training held out, or the last there is)"
    )
    rows.add_argument("--rows", type=positive, metavar="N", help="evaluate N rows, evenly spread (default: all)")
    rows.add_argument("--columns", nargs="+", metavar="OURS=THEIRS", help="as in articleType=kind baseColour=colour")
    rows.add_argument(
        "--batch-size", type=positive, default=64, metavar="N", help="rows at once (default: %(default)s)"
    )
    rows.add_argument(
        "--max-new-tokens", type=positive, default=48, metavar="N", help="longest sentence (default: %(default)s)"
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
    judge.add_argument("--judge-rows", type=positive, metavar="N", help="judge N rows, evenly spread (default: all)")
    judge.add_argument(
        "--parallel", type=positive, default=8, metavar="N", help="requests at once (default: %(default)s)"
    )
    judge.add_argument("--per-minute", type=positive, metavar="N", help="most requests a minute (default: no limit)")
    judge.add_argument(
        "--price", type=float, nargs=2, metavar=("IN", "OUT"), help="of a million tokens, to tell the cost before"
    )
    judge.add_argument(
        "--timeout", type=float, default=60, metavar="S", help="seconds for an answer (default: %(default)s)"
    )
    judge.add_argument("--estimate-only", action="store_true", help="tell what judging would cost, and do not ask")
    out = parser.add_argument_group("result")
    out.add_argument("--output", metavar="FOLDER", help="where to (default: MODEL-evaluation, beside the model)")
    out.add_argument(
        "--resamples", type=positive, default=2000, metavar="N", help="of the bootstrap (default: %(default)s)"
    )
    out.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.set_defaults(run=run)


def run(options):
    """Evaluates; see `moda evaluate --help`."""
    started = time.monotonic()
    # Beside other programs, threads that spin cost several times over.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from transformers.utils import logging

    from moda.data.machine import describe_machine
    from moda.evaluation.clip import load_clip
    from moda.evaluation.curves import read_curves
    from moda.evaluation.evaluate import Evaluation, scoreboard
    from moda.evaluation.predictions import is_predictions
    from moda.evaluation.rows import select_rows
    from moda.inference.load import load_model

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    options.model = options.model.rstrip("/")
    # What is wrong with the command is told before anything takes time.
    wanted, columns = _baselines(options), _columns(options.columns)
    judge = _judge(options) if options.judge else None
    clip = load_clip(options.clip) if options.clip else None
    names = _names([options.model, *options.against])
    models = {path: load_model(path) for path in names if not is_predictions(path)}
    trained = options.model if options.model in models else None
    selection = select_rows(options.data, trained, options.split, columns, options.rows)
    for note in selection.notes:
        print(f"note: {note}")

    pictures = {path: _pixels(selection.rows, processor) for path, (_, processor) in models.items()}
    kept = next(iter(pictures.values())).kept.tolist() if pictures else None
    stem = Path(options.model).with_suffix("") if trained is None else options.model
    folder = Path(options.output or f"{stem}-evaluation")
    evaluation = Evaluation(selection, folder, kept, options.resamples, options.seed)
    speaking = {"batch_size": options.batch_size, "max_new_tokens": options.max_new_tokens}
    for path, name in names.items():
        kind = "model" if path == options.model else "other model"
        if path in models:
            evaluation.describe(name, *models[path], pictures[path], kind, **speaking)
        else:
            evaluation.read(name, path, kind)
    own = (*models.get(options.model, (None, None)), pictures.get(options.model))
    _put_beside(evaluation, options, wanted, clip, judge, *own)
    evaluation.curves, evaluation.machine = read_curves(options.model), describe_machine()
    evaluation.seconds["in all, the report apart"] = round(time.monotonic() - started, 1)
    results = evaluation.write(_told(sys.argv[1:]))
    print("\n".join(scoreboard(results)))
    print(f"{folder}: report.html, its pictures, scores.json and every model's sentences")
    for problem in evaluation.problems:
        print(f"moda evaluate: {problem}", file=sys.stderr)
    return 1 if evaluation.problems else 0


def _put_beside(evaluation, options, wanted, clip, judge, model, processor, pictures):
    """Adds what was asked for beside the systems; what fails there costs nothing else."""
    if clip is not None:
        with evaluation.going_on("embedding pictures"):
            evaluation.embed(clip)
    if wanted:
        material = {"model": model, "processor": processor, "clip": clip, "captioner": options.captioner}
        material |= {"batch_size": options.batch_size, "max_new_tokens": options.max_new_tokens}
        evaluation.add_baselines(wanted, pictures, **material)
    if evaluation.shown is not None:
        with evaluation.going_on("CLIPScore"):
            evaluation.add_clip(clip)
    if options.probes and model is None:
        evaluation.problems.append(
            f"The probes ask a model, and {options.model} is a file of sentences; give the model."
        )
    elif options.probes:
        with evaluation.going_on("probes"):
            evaluation.add_probes(model, processor)
    if judge is not None:
        with evaluation.going_on("the judge model"):
            prices = options.price or (None, None)
            evaluation.add_judge_model(judge, options.judge_rows, prices, ask=not options.estimate_only)


def _names(paths):
    """Of each path what the report calls it: its last part, or as much of it as tells it from the others."""
    paths = [path.rstrip("/") for path in reversed(paths)]
    paths = {Path(path).resolve() if Path(path).exists() else path: path for path in paths}
    paths, parts = list(reversed(paths.values())), 1  # each once, as it is called first
    longest = max(len(Path(path).parts) for path in paths)
    while parts < longest and len({Path(path).parts[-parts:] for path in paths}) < len(paths):
        parts += 1
    return {path: "/".join(Path(path).parts[-parts:]) for path in paths}


def _told(arguments):
    """The command as the report tells it: where things lie on this machine is nobody's business."""
    return shlex.join(["moda", *(Path(word).name if Path(word).is_absolute() else word for word in arguments)])


def _pixels(rows, processor):
    from moda.data.pixels import PixelDataset

    return PixelDataset(rows, processor.image_processor, [name for name in rows.column_names if name != "image"])


def _columns(pairs):
    pairs = pairs or []
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise ValueError(f"--columns takes OURS=THEIRS, as in articleType=kind, not {wrong[0]!r}.")
    return dict(pair.split("=", 1) for pair in pairs)


def _baselines(options):
    """The baselines asked for, each once; `all` are those for which everything is given."""
    from moda.evaluation.baselines import BASELINES
    from moda.evaluation.predictions import is_predictions

    names = {name.replace("_", "-"): name for name in BASELINES}
    needs = {"zero-shot": ("--clip", options.clip), "captioner": ("--captioner", options.captioner)}
    chosen = list(options.baselines)
    if chosen == ["all"]:
        asking = {"blind", "noise", "nearest", "probe"} if is_predictions(options.model) else ()  # the model itself
        chosen = [name for name in names if name not in asking and needs.get(name, ("", True))[1]]
    elif options.captioner:  # what else would it be given for
        chosen.append("captioner")
    for name in chosen:
        if name not in names:
            raise ValueError(f"There is no baseline {name!r}; choose among all, {', '.join(names)}.")
        if not needs.get(name, ("", True))[1]:
            raise ValueError(f"The baseline {name} needs {needs[name][0]}; give a folder or id.")
    return [names[name] for name in dict.fromkeys(chosen)]


def _judge(options):
    from moda.data.endpoint import Endpoint
    from moda.evaluation.model_judge import ModelJudge

    settings = {"parallel": options.parallel, "requests_per_minute": options.per_minute, "timeout": options.timeout}
    return ModelJudge(Endpoint(options.judge, options.judge_model, **settings))
