"""`moda backbones`: trains a small CLIP and a small language model from nothing."""

import argparse
import os


def register(commands):
    """Adds the command and its options."""
    parser = commands.add_parser(
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
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="FOLDER", help="where to")
    parser.add_argument("--data", help="catalogue: a file, folder or dataset id (default: 10,000 drawn products)")
    parser.add_argument("--clip-epochs", type=int, default=20, help="of the CLIP (default: %(default)s)")
    parser.add_argument("--language-epochs", type=int, default=6, help="of the language model (default: %(default)s)")
    parser.add_argument("--batch-size", type=int, default=64, help="rows of a step (default: %(default)s)")
    parser.add_argument("--image-size", type=int, default=64, help="edge of a picture, n x 8 (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.set_defaults(run=run)


def run(options):
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
