"""Writes the README's results from benchmarks/results/: `python benchmarks/readme.py` (with `--check`, compares only).

What is in there comes from runs of `train.py` (`python benchmarks/keep_run.py runs/demo` keeps one), from
`python benchmarks/parameters.py` and from `python benchmarks/full_size.py FOLDER`.
"""

import csv
import json
import re
import sys
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
MARKS = ("<!-- results: written by benchmarks/readme.py from benchmarks/results/, do not edit -->", "<!-- /results -->")
NAMES = {"baseColour": "colour", "articleType": "article", "gender": "gender", "usage": "usage"}
RUNS = {
    "demo": ("drawn catalogue", "python train.py recipes/demo.yaml"),
    "demo-linear": (
        "the same, linear connector",
        "python train.py recipes/demo.yaml model.connector_type=linear output_dir=runs/linear",
    ),
    "fashion-small": (
        "Kaggle's Fashion Product Images, 60×80 px",
        "python train.py recipes/fashion-small.yaml data.path=…",
    ),
    "fashion-small-seed1": (
        "the same, another seed",
        "python train.py recipes/fashion-small.yaml data.path=… seed=1 output_dir=runs/seed1",
    ),
}


def read(name):
    file = RESULTS / name
    return json.loads(file.read_text()) if file.is_file() else None


def scores_table():
    lines = [
        "| data | colour | article | gender | usage | held-out rows | training | pictures/s | parameters |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    commands = []
    for name, (data, command) in RUNS.items():
        run = read(f"{name}.json")
        if run is None:
            continue
        shares = " | ".join(f"{100 * run['scores'][key]['accuracy']:.1f} %" for key in NAMES)
        minutes = run["warmup_minutes"] + run["train_minutes"]
        pictures = (run["warmup_pictures"] + run["pictures_seen"]) / (60 * minutes)
        lines.append(
            f"| {data} | {shares} | {run['evaluated_rows']:,} | {minutes:.1f} min | {pictures:.0f} "
            f"| {run['parameters']:,} |"
        )
        commands.append(f"`{command}`")
    demo = read("demo.json")
    return [
        *lines,
        "",
        f"`moda-mini` from random weights, on {demo['machine']}, shared with others. A row is right when the "
        "greedy sentence states its value and no other; no held-out row was trained on. Training includes the encoder's "
        "warm-up. In the drawings gender and usage are told by conventions (swing tag, backdrop), so those two columns say "
        f"nothing about photographs. Commands: {'; '.join(commands)}.",
    ]


def presets_table():
    file = RESULTS / "presets.csv"
    if not file.is_file():
        return []
    with open(file) as stream:
        rows = list(csv.DictReader(stream))
    lines = ["", "| preset, random weights, float32 | encode a picture | a sentence of 24 tokens | least – most |"]
    lines.append("| --- | ---: | ---: | ---: |")
    for row in rows:
        lines.append(
            f"| `{row['preset']}` | {row['encode_ms']} ms | {row['sentence_of_24_tokens_ms']} ms "
            f"| {row['sentence_ms_min']} – {row['sentence_ms_max']} ms |"
        )
    return [
        *lines,
        "",
        f"On {rows[0]['machine']}: a shared machine, so read the rows against each other (`make bench`).",
    ]


def full_size_line():
    run = read("full-size.json")
    if run is None:
        return []
    return [
        "",
        f"`recipes/moda-519m.yaml` at full size ({run['parameters']:,} parameters, random backbones laid out as on the Hub): "
        f"{run['steps']} steps of {run['rows_a_step']} rows in {run['train_minutes']} minutes on {run['machine']} "
        "(`python benchmarks/full_size.py FOLDER`).",
    ]


def main():
    readme = ROOT / "README.md"
    before = readme.read_text()
    text = "\n".join([MARKS[0], "", *scores_table(), *presets_table(), *full_size_line(), "", MARKS[1]])
    after = re.sub(re.escape(MARKS[0]) + ".*?" + re.escape(MARKS[1]), lambda _: text, before, flags=re.S)
    if "--check" in sys.argv:
        if after != before:
            sys.exit("README.md does not say what benchmarks/results/ say; run python benchmarks/readme.py.")
        return
    readme.write_text(after)


if __name__ == "__main__":
    main()
