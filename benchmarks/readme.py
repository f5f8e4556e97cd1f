"""Writes the README's results from benchmarks/results/: `python benchmarks/readme.py` (with `--check`, compares only).

The results come from the runs of `train.py` (`python benchmarks/keep_run.py runs/demo` keeps one) and from
`python benchmarks/parameters.py`.
"""

import csv
import json
import re
import sys
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
NAMES = {"baseColour": "colour", "articleType": "article", "gender": "gender", "usage": "usage"}
DATA = {
    "demo": "drawn catalogue, items never seen in training",
    "fashion-small": "Kaggle's Fashion Product Images at 60×80 px, validation split",
}


def scores_table():
    lines = [
        "| recipe | data | colour | article | gender | usage | rows | training | pictures/s | command |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |",
    ]
    for name, data in DATA.items():
        file = RESULTS / f"{name}.json"
        if not file.is_file():
            continue
        run = json.loads(file.read_text())
        shares = " | ".join(f"{100 * run['scores'][key]['accuracy']:.1f} %" for key in NAMES)
        minutes = run["warmup_minutes"] + run["train_minutes"]
        pictures = (run["warmup_pictures"] + run["pictures_seen"]) / (60 * minutes)
        lines.append(
            f"| `{name}` | {data} | {shares} | {run['evaluated_rows']:,} | {minutes:.1f} min | {pictures:.0f} "
            f"| `python train.py recipes/{name}.yaml` |"
        )
    run = json.loads((RESULTS / "demo.json").read_text())
    return [
        *lines,
        "",
        f"`moda-mini`, {run['parameters']:,} parameters, from random weights, on {run['machine']}; a share is right when the "
        "greedy sentence states the row's value and no other. Training includes the warm-up of the encoder.",
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
    return [*lines, "", f"On {rows[0]['machine']}: a shared machine, so read the rows against each other."]


def main():
    readme = ROOT / "README.md"
    before = readme.read_text()
    marks = (
        "<!-- results: written by benchmarks/readme.py from benchmarks/results/, do not edit -->",
        "<!-- /results -->",
    )
    text = "\n".join([marks[0], "", *scores_table(), *presets_table(), "", marks[1]])
    after = re.sub(re.escape(marks[0]) + ".*?" + re.escape(marks[1]), lambda _: text, before, flags=re.S)
    if "--check" in sys.argv:
        if after != before:
            sys.exit("README.md does not say what benchmarks/results/ say; run python benchmarks/readme.py.")
        return
    readme.write_text(after)


if __name__ == "__main__":
    main()
