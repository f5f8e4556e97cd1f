"""The `moda` command: `demo-data`, `describe`, `backbones`. Training is `python train.py RECIPE`, in the repository."""

import argparse
import json
import os
import sys


def main(arguments=None):
    """Runs the command line.

    Args:
        arguments (`list[str]`, *optional*): Defaults to `sys.argv[1:]`.

    Returns:
        `int`: 0, or 1 if anything could not be done.
    """
    parser = argparse.ArgumentParser(prog="moda", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    raw = argparse.RawDescriptionHelpFormatter

    demo = commands.add_parser(
        "demo-data",
        help="draw the demo catalogue",
        description="Draws a catalogue of products, with metadata and sentences, as parquet files.",
        epilog="examples:\n  moda demo-data\n  moda demo-data --count 500 --folder small --sheet sheet.png",
        formatter_class=raw,
    )
    demo.add_argument("--folder", default="demo-data", help="where to (default: %(default)s)")
    demo.add_argument("--count", type=int, default=10000, help="rows in all (default: %(default)s)")
    demo.add_argument("--size", type=int, default=96, help="edge of a picture in pixels (default: %(default)s)")
    demo.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    demo.add_argument("--sheet", help="also draw 48 of the pictures with their sentences into this PNG")
    demo.set_defaults(run=demo_data)

    describe = commands.add_parser(
        "describe",
        help="describe pictures",
        description="Describes pictures, files or folders, a line each.",
        epilog=(
            "examples:\n  moda describe shirt.jpg photos/ --model runs/demo\n"
            "  moda describe photos/ --model me/moda --json > descriptions.jsonl"
        ),
        formatter_class=raw,
    )
    describe.add_argument("paths", nargs="+", metavar="PATH", help="a picture, a folder of them, or a URL")
    describe.add_argument("--model", default="runs/demo", help="folder or id of a repository (default: %(default)s)")
    describe.add_argument("--json", action="store_true", help="one JSON object a line: path, description, error")
    describe.add_argument("--prompt", help="what to ask (default: the model's own prompt)")
    describe.add_argument("--batch-size", type=int, default=16, help="pictures at once (default: %(default)s)")
    describe.add_argument("--max-new-tokens", type=int, default=48, help="longest answer (default: %(default)s)")
    describe.set_defaults(run=describe_pictures)

    backbones = commands.add_parser(
        "backbones",
        help="train a small CLIP and a small language model from nothing",
        description=(
            "Trains a CLIP and a language model on a described catalogue, without a download: FOLDER/clip and "
            "FOLDER/language, ordinary transformers folders, for a recipe's model: {vision: FOLDER/clip, text: "
            "FOLDER/language}. Started again after it was stopped, it goes on."
        ),
        epilog=(
            "examples:\n  moda backbones runs/backbones\n"
            "  moda backbones runs/backbones --data products.parquet --clip-epochs 20\n"
            "  moda demo-data --count 500 --folder small && moda backbones runs/try --data small --clip-epochs 5"
        ),
        formatter_class=raw,
    )
    backbones.add_argument("folder", metavar="FOLDER", help="where to")
    backbones.add_argument("--data", help="catalogue: a file, folder or dataset id (default: 10,000 drawn products)")
    backbones.add_argument("--clip-epochs", type=int, default=20, help="of the CLIP (default: %(default)s)")
    backbones.add_argument(
        "--language-epochs", type=int, default=6, help="of the language model (default: %(default)s)"
    )
    backbones.add_argument("--batch-size", type=int, default=64, help="rows of a step (default: %(default)s)")
    backbones.add_argument("--image-size", type=int, default=64, help="edge of a picture, n x 8 (default: %(default)s)")
    backbones.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    backbones.set_defaults(run=train_small_backbones)

    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError) as error:
        print(f"moda {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"moda {options.command}: stopped; what is printed is done.", file=sys.stderr)
        return 130


def demo_data(options):
    """Draws the demo catalogue; see `moda demo-data --help`."""
    from moda.data.demo import demo_rows, write_demo

    folder = write_demo(options.folder, options.count, options.seed, options.size, workers=os.cpu_count() or 1)
    print(f"{folder}: {options.count:,} drawn products, in train.parquet, validation.parquet and test.parquet")
    if options.sheet:
        from moda.data.sheet import contact_sheet

        contact_sheet(list(demo_rows(min(48, options.count), options.seed, options.size))).save(options.sheet)
        print(f"{options.sheet}: some of them")
    return 0


def describe_pictures(options):
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


def train_small_backbones(options):
    """Trains a CLIP and a language model; see `moda backbones --help`."""
    os.environ.setdefault(
        "OMP_WAIT_POLICY", "PASSIVE"
    )  # beside other programs, threads that spin cost several times over
    from moda.training.backbones import train_backbones

    figures = train_backbones(
        options.folder,
        {"path": options.data} if options.data else {"demo": {}},
        clip_epochs=options.clip_epochs,
        language_epochs=options.language_epochs,
        batch_size=options.batch_size,
        image_size=options.image_size,
        seed=options.seed,
    )
    minutes = figures["clip"]["minutes"] + figures["language"]["minutes"]
    print(f"{options.folder}: clip and language, {minutes:.1f} min; figures in backbones.json, curves in loss.png")
    return 0


def _with_progress(results, total):
    from tqdm.auto import tqdm

    # A bar only where the sentences themselves do not show the progress.
    return tqdm(results, total=total, unit="picture", disable=sys.stdout.isatty() or total < 32)


if __name__ == "__main__":
    sys.exit(main())
