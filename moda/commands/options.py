"""Values of options that several commands have."""

import argparse


def positive(text):
    """Reads a number of at least 1."""
    if not text.isdigit() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1")
    return int(text)


def read_columns(text):
    """Reads `image=COLUMN,id=COLUMN`, or one of them, as [`open_inputs`] takes it."""
    pairs = [part.partition("=") for part in text.split(",")] if text else []
    for name, _, column in pairs:
        if name.strip() not in ("image", "id") or not column.strip():
            raise ValueError(f"--columns is {text!r}; give image=COLUMN, id=COLUMN or both, with a comma between.")
    return {name.strip(): column.strip() for name, _, column in pairs}


def add_precision(parser):
    """Adds `--dtype` and `--quantize`, which are measured unless they are given."""
    add = parser.add_argument
    add("--dtype", choices=("auto", "float32", "bfloat16"), default="auto", help="default: the faster one here")
    add("--quantize", choices=("auto", "none", "int8"), default="auto", help="default: int8 where that is faster")
