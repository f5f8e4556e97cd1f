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
    "alignment-mini": (
        "drawn catalogue, four alignment stages, own CLIP and language model",
        "moda backbones runs/backbones && python train.py recipes/alignment-mini.yaml",
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
    demo, backbones = read("demo.json"), read("backbones.json")
    own = ""
    if backbones is not None:
        clip, language = backbones["clip"], backbones["language"]
        own = (
            f" The four stages' backbones took {clip['minutes'] + language['minutes']:.0f} minutes more: a CLIP that finds a "
            f"picture's sentence among 64 in {100 * clip['quality']['recall_at_1']:.0f} % (by chance "
            f"{100 * clip['quality']['recall_chance']:.1f} %), a language model of perplexity "
            f"{language['quality']['perplexity']:.1f} (by the words' frequency alone "
            f"{language['quality']['unigram_perplexity']:.0f})."
        )
    return [
        *lines,
        "",
        "`moda-mini` from random weights, on two shared cores without a GPU (`benchmarks/results/` names each run's machine; the "
        f"demo's: {demo['machine']}). A row is right when the "
        "greedy sentence states its value and no other; no held-out row was trained on. Training includes the encoder's "
        f"warm-up.{own} In the drawings gender and usage are told by conventions (swing tag, backdrop), so those two columns say "
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


WHAT = {
    "guide": "the guide's loop: encoder at every step, logits everywhere, padded, float32",
    "features": "+ kept features",
    "labels": "+ logits where there are labels",
    "precision": "+ precision and attention chosen by the machine",
    "packed": "+ packed rows",
    "compiled": "+ `torch_compile: true`",
}


def training_table():
    file = RESULTS / "training.csv"
    if not file.is_file():
        return []
    with open(file) as stream:
        rows = list(csv.DictReader(stream))
    lines = [
        "",
        "| training, frozen encoder | rows/s | tokens/s | times the guide's loop | least – most | times the line above |",
    ]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        lines.append(
            f"| {row['model']}: {WHAT[row['variant']]} | {float(row['rows_per_s']):.3g} | {float(row['tokens_per_s']):,.0f} "
            f"| {row['ratio']} | {row['ratio_min']} – {row['ratio_max']} | {row['to_previous']} |"
        )
    lines += [
        "",
        f"Medians within one run on {rows[0]['machine']}, shared with others (`python benchmarks/training.py`).",
    ]
    work = read("guides-work.json")
    if work is not None:
        lines[-1] += (
            f" The guide's work (5,400 pictures × 40 epochs) would take {work['hours_on_this_machine']} hours here at "
            f"{100 * work['share_of_matrix_rate']:.0f} % of the processor's {work['precision']} matrix rate: a projection from "
            "these steps, not a run."
        )
    file = RESULTS / "resume.csv"
    if file.is_file():
        with open(file) as stream:
            resumed = list(csv.DictReader(stream))
        most = max(float(row["more_than_a_fresh_start"]) for row in resumed)
        lines[-1] += (
            f" Going on from a checkpoint takes at most {most:.1f} seconds longer than a fresh start, whatever the step (up to "
            f"{resumed[-1]['cut_off_at_step']}; `python benchmarks/resume.py`)."
        )
    return lines


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
    text = "\n".join(
        [MARKS[0], "", *scores_table(), *presets_table(), *training_table(), *full_size_line(), "", MARKS[1]]
    )
    after = re.sub(re.escape(MARKS[0]) + ".*?" + re.escape(MARKS[1]), lambda _: text, before, flags=re.S)
    if "--check" in sys.argv:
        if after != before:
            sys.exit("README.md does not say what benchmarks/results/ say; run python benchmarks/readme.py.")
        return
    readme.write_text(after)


if __name__ == "__main__":
    main()
