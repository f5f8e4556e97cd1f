"""The `moda` command. Training is `python train.py RECIPE`, in the repository."""

import argparse
import os
import sys
from importlib.metadata import version

from .commands import annotate, backbones, classify, demo, demo_data, describe, evaluate, export, publish, serve


COMMANDS = (describe, classify, demo, serve, export, evaluate, publish, annotate, demo_data, backbones)


def make_parser():
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="moda", description=__doc__)
    parser.add_argument("--version", action="version", version=f"moda {version('moda')}")
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        command.register(commands)
    return parser


def parse(arguments=None):
    """Reads the command line. `KEY=VALUE` of a recipe may stand anywhere behind it, also between options.

    Args:
        arguments (`list[str]`, *optional*): Defaults to `sys.argv[1:]`.

    Returns:
        `argparse.Namespace`
    """
    parser = make_parser()
    options, rest = parser.parse_known_args(arguments)
    known = [word for word in rest if "=" in word and not word.startswith("-") and hasattr(options, "overrides")]
    if len(known) < len(rest):
        parser.error(f"unrecognized arguments: {' '.join(word for word in rest if word not in known)}")
    if known:
        options.overrides = [*options.overrides, *known]
    return options


def main(arguments=None):
    """Runs the command line.

    Args:
        arguments (`list[str]`, *optional*): Defaults to `sys.argv[1:]`.

    Returns:
        `int`: 0, or 1 if anything could not be done.
    """
    options = parse(arguments)
    try:
        return options.run(options)
    except BrokenPipeError:  # whoever read the output, such as `head`, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141  # what a shell calls it
    except (ValueError, OSError) as error:
        print(f"moda {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"moda {options.command}: stopped; what is printed is done.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
