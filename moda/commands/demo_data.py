"""`moda demo-data`: draws the demo catalogue."""

import argparse
import os


def register(commands):
    """Adds the command and its options."""
    parser = commands.add_parser(
        "demo-data",
        help="draw the demo catalogue",
        description="Draws a catalogue of products, with metadata and sentences, as parquet files.",
        epilog="examples:\n  moda demo-data\n  moda demo-data --count 500 --folder small --sheet sheet.png",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--folder", default="demo-data", help="where to (default: %(default)s)")
    parser.add_argument("--count", type=int, default=10000, help="rows in all (default: %(default)s)")
    parser.add_argument("--size", type=int, default=96, help="edge of a picture in pixels (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument("--sheet", help="also draw 48 of the pictures with their sentences into this PNG")
    parser.set_defaults(run=run)


def run(options):
    """Draws the demo catalogue; see `moda demo-data --help`."""
    from moda.data.demo import demo_rows, write_demo

    folder = write_demo(options.folder, options.count, options.seed, options.size, workers=os.cpu_count() or 1)
    print(f"{folder}: {options.count:,} drawn products, in train.parquet, validation.parquet and test.parquet")
    if options.sheet:
        from moda.data.sheet import contact_sheet

        contact_sheet(list(demo_rows(min(48, options.count), options.seed, options.size))).save(options.sheet)
        print(f"{options.sheet}: some of them")
    return 0
