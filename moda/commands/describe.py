"""`moda describe`: describes pictures."""

import argparse
import json
import sys


def register(commands):
    """Adds the command and its options."""
    parser = commands.add_parser(
        "describe",
        help="describe pictures",
        description="Describes pictures, files or folders, a line each.",
        epilog=(
            "examples:\n  moda describe shirt.jpg photos/ --model runs/demo\n"
            "  moda describe photos/ --model me/moda --json > descriptions.jsonl"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("paths", nargs="+", metavar="PATH", help="a picture, a folder of them, or a URL")
    parser.add_argument("--model", default="runs/demo", help="folder or id of a repository (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line: path, description, error")
    parser.add_argument("--prompt", help="what to ask (default: the model's own prompt)")
    parser.add_argument("--batch-size", type=int, default=16, help="pictures at once (default: %(default)s)")
    parser.add_argument("--max-new-tokens", type=int, default=48, help="longest answer (default: %(default)s)")
    parser.set_defaults(run=run)


def run(options):
    """Describes pictures; see `moda describe --help`."""
    from transformers.utils import logging

    from moda.inference.describe import describe, find_pictures, load_model

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    pictures = find_pictures(options.paths)
    model, processor = load_model(options.model)
    failed = 0
    results = describe(
        model,
        processor,
        pictures,
        batch_size=options.batch_size,
        prompt=options.prompt,
        max_new_tokens=options.max_new_tokens,
    )
    for path, sentence, error in _with_progress(results, len(pictures)):
        failed += error is not None
        if options.json:
            print(json.dumps({"path": path, "description": sentence, "error": error}, ensure_ascii=False), flush=True)
        elif error is None:
            print(f"{path}\t{sentence}", flush=True)
        else:
            print(f"moda describe: {error}", file=sys.stderr)
    if failed:
        print(f"moda describe: {failed} of {len(pictures)} pictures could not be read.", file=sys.stderr)
    return 1 if failed else 0


def _with_progress(results, total):
    from tqdm.auto import tqdm

    # A bar only where the sentences themselves do not show the progress.
    return tqdm(results, total=total, unit="picture", disable=sys.stdout.isatty() or total < 32)
