"""The model card says the run's own numbers, and its metadata is what the Hub reads."""

import json

from conftest import make_model
from huggingface_hub import ModelCard

from moda.hub.card import write_card
from moda.training.parts import count_parts


RUN = {
    "source": "products.parquet",
    "train_rows": 4321,
    "train_minutes": 12.34,
    "warmup_minutes": 0.0,
    "images_per_second": 56.7,
    "machine": "2 cores, no GPU",
    "transformers": "5.23.0",
    "torch": "2.13.0",
    "evaluated_rows": 1234,
    "stages": [
        {
            "stage": "align",
            "trained": {"connector": {"learning_rate": 1e-3}, "language": {"learning_rate": 2e-5}},
            "image_attention": "full",
            "steps": 1200,
            "batch": {"rows": 128},
            "tokens": 3_456_789,
        }
    ],
    "scores": {"baseColour": {"accuracy": 0.8765, "right": 7, "rows": 8}},
}


def test_card_says_the_runs_numbers(tmp_path):
    model = make_model()
    card = ModelCard.load(write_card(tmp_path, model.config, count_parts(model), RUN, "MODA, test"))
    count = sum(parameter.numel() for parameter in model.parameters())
    for said in (
        f"{count:,} parameters",
        "4,321 rows",
        "12.3 minutes",
        "57 pictures a second",
        "| baseColour | 87.6 % | 8 |",
        "| align | connector 0.001, language 2e-05 | full | 1,200 of 128 | 3,456,789 |",
    ):
        assert said in card.text, said
    assert "warming up" not in card.text and "{" not in card.text.replace("```", "")
    rows = [
        line.split("|") for line in card.text.splitlines() if line.startswith(("| vision", "| connector", "| language"))
    ]
    assert sum(int(row[3].replace(",", "")) for row in rows) == count
    assert card.data.pipeline_tag == "image-to-text" and card.data.library_name == "transformers"
    assert json.dumps(card.data.to_dict())


def test_card_tells_of_the_warmup(tmp_path):
    model = make_model()
    write_card(tmp_path, model.config, count_parts(model), {**RUN, "warmup_minutes": 3.21}, "MODA, test")
    assert "3.2 minutes of warming up the encoder" in (tmp_path / "README.md").read_text()
