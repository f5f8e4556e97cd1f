"""`moda describe`: describes pictures, a line each or into a table."""

import argparse
import json
import os
import sys

from .options import add_precision, positive, read_columns


LARGEST_BATCH = 1024  # pictures


def register(commands):
    """Adds the command and its options."""
    parser = commands.add_parser(
        "describe",
        help="describe pictures",
        description=(
            "Describes pictures: prints a line each, or writes a table, which goes on where it was when it is killed and "
            "started again, and describes what is new when there are more pictures."
        ),
        epilog=(
            "examples:\n"
            "  moda describe shirt.jpg https://example.com/shoe.jpg --model runs/demo\n"
            "  moda describe photos/ --model me/moda --output descriptions.jsonl\n"
            "  moda describe products.csv --columns image=URL,id=SKU --output descriptions.csv\n"
            "  moda describe 'photos/**/*.jpg' --prompt 'What colour is it?' --json > colours.jsonl"
        ),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "sources",
        nargs="+",
        metavar="SOURCE",
        help="a picture, folder, glob, URL, table (parquet, CSV, JSONL) or id of a dataset on the Hub",
    )
    add = parser.add_argument
    add("--model", default="runs/demo", help="folder or id of a repository (default: %(default)s)")
    add("--revision", help="branch, tag or commit of a repository on the Hub")
    add("--output", metavar="FILE", help="write a table: .jsonl, .csv or .parquet")
    add("--overwrite", action="store_true", help="begin the output anew, whatever is there")
    add("--failures", metavar="FILE", help="where bad pictures are listed (default: failures.jsonl beside the output)")
    add("--columns", metavar="image=COLUMN,id=COLUMN", help="what a table calls its pictures and their ids")
    add("--prompt", help="what to ask (default: the model's own prompt)")
    add("--max-new-tokens", type=positive, default=48, metavar="N", help="longest answer (default: %(default)s)")
    add_precision(parser)
    add("--batch-size", type=_batch_size, metavar="N", help="pictures at once (default: auto, by memory)")
    add("--threads", type=positive, metavar="N", help="of PyTorch (default: the cores that it may use)")
    add("--workers", type=_count, metavar="N", help="processes beside this one (default: by the model's size)")
    add(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="this machine, or a Ray cluster (default: %(default)s)",
    )
    add("--allow-private-urls", action="store_true", help="fetch from this machine and its network, too")
    add("--json", action="store_true", help="print JSON: an object a picture, or the summary of an output")
    parser.set_defaults(run=run)


def run(options):
    """Describes pictures; see `moda describe --help`."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")  # it warns of every process that is started later
    if options.output:
        from moda.inference.tables import check_output

        check_output(options.output)  # before anything that takes time
    from transformers.utils import logging

    from moda.inference.describer import Settings
    from moda.inference.inputs import open_inputs

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    inputs = open_inputs(options.sources, read_columns(options.columns), options.allow_private_urls)
    for note in inputs.notes:
        _say(note)
    settings = Settings(
        model=options.model,
        revision=options.revision,
        dtype=options.dtype,
        quantize=options.quantize,
        prompt=options.prompt,
        max_new_tokens=options.max_new_tokens,
        threads=options.threads,
        batch_size=options.batch_size,
        workers=options.workers,
        allow_private=options.allow_private_urls,
    )
    if options.output:
        return _write(inputs, settings, options)
    return _print(inputs, settings, options)


def _write(inputs, settings, options):
    from moda.inference.describer import choose
    from moda.inference.run import describe_catalogue

    try:
        done = describe_catalogue(
            inputs,
            settings,
            options.output,
            _engine(options.engine),
            sources=options.sources,
            failures=options.failures,
            overwrite=options.overwrite,
            choose=choose,
            say=_say,
        )
    except KeyboardInterrupt:
        _say(f"stopped; what was done is kept beside {options.output}, and the same command goes on from there.")
        return 130
    if options.json:
        print(json.dumps(done))
    else:
        failed = f", {done['failed']:,} failed ({done['failures']})" if done["failed"] else ""
        rate = f", {done['new'] / max(done['seconds'], 0.01):,.1f} pictures/s" if done["new"] else ""
        print(f"{done['described']:,} described{failed}{rate}: {done['output']}")
    return 1 if done["failed"] else 0


def _print(inputs, settings, options):
    from moda.inference.describer import choose
    from moda.inference.run import identify
    from moda.inference.tables import COLUMNS, read_attributes

    settings, reason = choose(settings, len(inputs))
    if reason:
        _say(reason)
    model, revision = identify(settings.model, settings.revision) if options.json else (None, None)
    failed = len(inputs.skipped)
    for row in _in_order(_engine(options.engine)(inputs, range(len(inputs)), settings), len(inputs)):
        failed += row["error"] is not None
        if options.json:
            if row["error"] is None:
                row = {**row, **read_attributes(row["description"]), "confidence": round(row["confidence"], 4)}
            row = {**row, "model": model, "revision": revision}
            print(json.dumps({name: row.get(name) for name in (*COLUMNS, "error")}, ensure_ascii=False), flush=True)
        elif row["error"] is None:
            print("\t".join((_one_line(row["id"]), row["description"])), flush=True)
        else:
            _say(row["error"])
    for row in inputs.skipped:
        if options.json:
            row = {**row, "model": model, "revision": revision}
            print(json.dumps({name: row.get(name) for name in (*COLUMNS, "error")}, ensure_ascii=False), flush=True)
        else:
            _say(row["error"])
    if failed:
        _say(f"{failed:,} of {len(inputs) + len(inputs.skipped):,} pictures could not be read.")
    return 1 if failed else 0


def _one_line(name):
    return name.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t") if {"\n", "\t"} & set(name) else name


def _in_order(batches, total):
    """Puts the rows of an engine, which may come in any order, into the pictures' order, with a bar where it is of use."""
    from tqdm.auto import tqdm

    waiting, place = {}, 0
    # A bar only where the sentences themselves do not show the progress.
    with tqdm(total=total, unit=" pictures", disable=sys.stdout.isatty() or total < 64) as bar:
        for rows in batches:
            waiting.update((row["index"], row) for row in rows)
            bar.update(len(rows))
            while place in waiting:
                yield waiting.pop(place)
                place += 1


def _engine(name):
    if name == "ray":
        from moda.inference.ray_engine import describe_on_ray

        return describe_on_ray
    from moda.inference.local import describe_locally

    return describe_locally


def _say(sentence):
    from tqdm.auto import tqdm

    tqdm.write(f"moda describe: {sentence}", file=sys.stderr)  # above a bar, if there is one


def _count(text):
    if not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no number; give 0 or more")
    return int(text)


def _batch_size(text):
    size = None if text == "auto" else positive(text)
    if size and size > LARGEST_BATCH:
        raise argparse.ArgumentTypeError(f"{text} pictures at once are no faster; give {LARGEST_BATCH:,} at most")
    return size
