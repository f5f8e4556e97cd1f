"""`moda classify`: ranks given labels for pictures."""

import argparse
import json
import sys
from pathlib import Path

from .options import positive, read_columns


ATTRIBUTES = {
    "article": "articleType",
    "articleType": "articleType",
    "colour": "baseColour",
    "baseColour": "baseColour",
}


def register(commands):
    """Adds the command and its options."""
    parser = commands.add_parser(
        "classify",
        help="rank given labels for pictures",
        description="Ranks labels by how likely the model says them of a picture, a picture a line. Nothing is generated.",
        epilog=(
            "examples:\n  moda classify photos/ --model runs/demo --attribute colour\n"
            '  moda classify shirt.jpg --labels "t-shirt,shirt,top" --template "A {label}"\n'
            "  moda classify photos/ --labels-file kinds.txt --prompt 'What is it?' --json > kinds.jsonl"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", metavar="PICTURES", help="pictures, folders, globs, tables or URLs")
    parser.add_argument("--model", default="runs/demo", help="folder or id of a repository (default: %(default)s)")
    parser.add_argument("--revision", help="branch, tag or commit of a repository on the Hub")
    parser.add_argument(
        "--columns", metavar="image=COLUMN,id=COLUMN", help="what a table calls its pictures and their ids"
    )
    labels = parser.add_mutually_exclusive_group(required=True)
    labels.add_argument("--labels", metavar="A,B,…", help="the labels, with commas between them")
    labels.add_argument("--labels-file", metavar="FILE", help="a text file, a label a line")
    labels.add_argument(
        "--attribute",
        choices=ATTRIBUTES,
        help="all article types or colours, said as in the sentences that MODA learns",
    )
    parser.add_argument(
        "--template",
        default="{label}",
        help='the answer around a label, as in "A {label}" or "It is {label}." (default: the label alone)',
    )
    parser.add_argument(
        "--complete",
        action=argparse.BooleanOptionalAction,
        help="the answer ends there, or may go on (default: it ends where the template is the label alone or ends in . ! or ?)",
    )
    parser.add_argument("--prompt", help="what to ask (default: the model's own prompt)")
    parser.add_argument("--normalise", action="store_true", help="rank by the mean over a label's tokens, not the sum")
    parser.add_argument(
        "--prior", nargs="+", metavar="PICTURES", help="rank by what a picture adds to these on average"
    )
    parser.add_argument("--top", type=positive, default=3, metavar="N", help="labels to print (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line: id, labels, error")
    parser.add_argument(
        "--batch-size", type=positive, default=8, metavar="N", help="pictures at once (default: %(default)s)"
    )
    parser.add_argument(
        "--dtype", choices=("float32", "bfloat16"), default="float32", help="of the weights (default: %(default)s)"
    )
    parser.add_argument("--threads", type=positive, metavar="N", help="of PyTorch (default: its own choice)")
    parser.add_argument("--allow-private-urls", action="store_true", help="fetch from private networks, too")
    parser.set_defaults(run=run)


def run(options):
    """Ranks labels; see `moda classify --help`."""
    import torch
    from tqdm.auto import tqdm
    from transformers.utils import logging

    from moda.inference.classify import classify
    from moda.inference.export import refuse_graph
    from moda.inference.inputs import open_inputs
    from moda.inference.labels import attribute_labels
    from moda.inference.load import load_model

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    refuse_graph(options.model)
    if options.threads:
        torch.set_num_threads(options.threads)
    complete = options.complete
    if options.attribute:
        labels = attribute_labels(ATTRIBUTES[options.attribute])
        complete = False if complete is None else complete
    else:
        labels = _labels(options)
    columns = read_columns(options.columns)
    inputs = open_inputs(options.paths, columns, options.allow_private_urls)
    prior = open_inputs(options.prior, columns, options.allow_private_urls) if options.prior else None
    for note in inputs.notes:
        print(f"moda classify: {note}", file=sys.stderr)
    model, processor = load_model(options.model, options.dtype, options.revision)
    rankings = classify(
        model,
        processor,
        map(inputs.picture, range(len(inputs))),
        labels,
        template=options.template,
        complete=complete,
        prompt=options.prompt,
        normalise=options.normalise,
        prior=None if prior is None else map(prior.picture, range(len(prior))),
        batch_size=options.batch_size,
        allow_private=options.allow_private_urls,
    )
    quiet = sys.stdout.isatty() or len(inputs) < 32  # the lines themselves show the progress
    bad = {row["id"]: row["error"] for row in inputs.skipped}
    for name, ranking in zip(inputs.ids, tqdm(rankings, total=len(inputs), unit="picture", disable=quiet)):
        best = ranking.scores[: options.top]
        if ranking.error is not None:
            bad[name] = ranking.error
        if options.json:
            said = [{"label": s.label, "probability": s.probability, "log_likelihood": s.log_likelihood} for s in best]
            line = {"id": name, "labels": said, "error": ranking.error}
            print(json.dumps(line, ensure_ascii=False), flush=True)
        elif ranking.error is None:
            print("\t".join([name, *(f"{score.label} {score.probability:.3f}" for score in best)]), flush=True)
    for error in bad.values():
        print(f"moda classify: {error}", file=sys.stderr)
    if bad:
        total = len(inputs) + len(inputs.skipped)
        print(f"moda classify: {len(bad)} of {total} pictures could not be read.", file=sys.stderr)
    return 1 if bad else 0


def _labels(options):
    if options.labels is not None:
        return [label.strip() for label in options.labels.split(",")]
    file = Path(options.labels_file)
    if not file.is_file():
        raise FileNotFoundError(f"There is no file of labels at {options.labels_file!r}; check the path.")
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{file} is no UTF-8 text ({error}); save it as such, a label a line.") from error
    return [line.strip() for line in lines if line.strip()]
