"""The `moda` command: `demo-data`, `describe`, `evaluate`, `backbones`. Training is `python train.py RECIPE`, in the repository."""

import argparse
import sys

from .commands import backbones, demo_data, describe, evaluate


def make_parser():
    """The parser of all commands."""
    parser = argparse.ArgumentParser(prog="moda", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in (demo_data, describe, evaluate, backbones):
        command.register(commands)
    return parser


def main(arguments=None):
    """Runs the command line.

    Args:
        arguments (`list[str]`, *optional*): Defaults to `sys.argv[1:]`.

    Returns:
        `int`: 0, or 1 if anything could not be done.
    """
    options = make_parser().parse_args(arguments)
    try:
        return options.run(options)
    except (ValueError, OSError) as error:
        print(f"moda {options.command}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"moda {options.command}: stopped; what is printed is done.", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
