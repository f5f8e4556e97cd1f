"""Writes model cards for the tests, and looks at each as a whole."""

import json
import re
from pathlib import Path

import yaml
from conftest import make_model
from huggingface_hub import ModelCard

from moda.hub.card import write_card


RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
STAGE = {
    "stage": "align",
    "trained": {"connector": {"learning_rate": 1e-3}, "language": {"learning_rate": 2e-5}},
    "image_attention": "full",
    "data": {"source": "products.parquet"},
    "steps": 1200,
    "batch": {"rows": 128},
    "tokens": 3_456_789,
}
RUN = {
    "recipe": "mine",
    "source": "products.parquet",
    "train_rows": 4321,
    "pictures_seen": 8642,
    "tokens": 3_456_789,
    "train_minutes": 12.34,
    "warmup_pictures": 9999,
    "warmup_minutes": 0.0,
    "images_per_second": 56.7,
    "machine": "2 cores, no GPU",
    "transformers": "5.23.0",
    "torch": "2.13.0",
    "seed": 42,
    "evaluated_rows": 1234,
    "described_per_second": 308.7,
    "stages": [STAGE],
    "scores": {
        "baseColour": {"accuracy": 0.875, "right": 7, "rows": 8},
        "gender": {"accuracy": 0.5, "right": 4, "rows": 8},
    },
    "exact_match": {"accuracy": 0.25, "right": 2, "rows": 8},
    "guide": {"overall": 8.765432},
}
DRAWN = {"model": {"preset": "moda-mini"}, "data": {"demo": {"count": 6000}}, "evaluation": {"split": "test"}}
GUIDE = {"model": {"vision": "patrickjohncyh/fashion-clip", "text": "HuggingFaceTB/SmolLM-360M"}}
DEMO = [  # the demo's parts, which its evaluation is of
    {"name": "vision", "kind": "resnet", "parameters": 5_175_840},
    {"name": "connector", "kind": "mlp", "parameters": 656_640},
    {"name": "language", "kind": "llama", "parameters": 2_106_112},
]


def written(folder, recipe=None, run=RUN, parts=DEMO, config=None, **options):
    """Writes a card; returns its text as one line, and the card as huggingface_hub reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    if recipe is not None:
        (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    card = ModelCard.load(write_card(folder, config or make_model().config, parts, run, "MODA, test", **options))
    well_formed(card.text)
    return " ".join(card.text.split()), card


def well_formed(text):
    """Tables are tables, headings have something below them, and nothing of the template is left."""
    lines = text.split("\n")
    for number, line in enumerate(lines):
        if line.startswith("| ---"):
            assert lines[number - 2] == "", lines[number - 2]
            end = next(n for n in range(number, len(lines)) if not lines[n].startswith("|"))
            bars = [row.replace(r"\|", "").count("|") for row in lines[number - 1 : end]]
            assert len(bars) > 2 and len(set(bars)) == 1 and lines[end] == "", lines[number - 1 : end + 1]
        if line.startswith("#"):
            assert lines[number + 1] == "" and not lines[number + 2].startswith("#"), line
        assert line.rstrip() == line, line
    assert "\n\n\n" not in text
    prose = re.sub(r"```.*?```|`[^`\n]+`", "code", text, flags=re.S)
    left = re.search(r"\{\{|\}\}|\{%|%\}|None|[Uu]ndefined| [,.;:]|\bnan\b|,,|\.\.|\(\)", prose)
    assert not left, prose[max(left.start() - 80, 0) : left.end() + 80]


def evaluation_of(name="demo"):
    """A kept evaluation, with what is not kept of them: classes, and the command."""
    found = json.loads((RESULTS / f"evaluation-{name}.json").read_text())
    red = {"value": "Red|Pink", "rows": 20, "right": 3, "recall": 0.15}
    blue = {"value": "Blue", "rows": 9, "right": 0, "recall": 0.0}
    tan = {"value": "Tan", "rows": 10, "right": 10, "recall": 1.0}
    found["classes"] = {"baseColour": [red, tan, blue], "usage": [tan]}
    found["command"] = "moda evaluate demo ../shared/rows.parquet --judge https://inside/v1 --baselines all"
    return found
