"""The model card says the run's own numbers, and its metadata is what the Hub reads."""

import copy
import json
import re
import shlex
from pathlib import Path

import huggingface_hub
import pytest
from cards import DRAWN, GUIDE, RESULTS, RUN, STAGE, evaluation_of, written
from conftest import make_model
from hub_server import hub  # noqa: F401
from huggingface_hub import SpaceCard
from huggingface_hub.repocard_data import eval_results_to_model_index, model_index_to_eval_results
from huggingface_hub.utils import validate_repo_id
from jinja2 import Template
from safetensors.torch import load_file

from configuration_moda import ModaConfig
from moda.cli import parse
from moda.hub.card import hub_id, licence_of, weight_sizes
from moda.training.parts import count_parts
from moda.training.recipe import load_recipe
from quantization_moda import quantize_int8


ROOT = Path(__file__).parents[2]


def test_card_says_the_runs_numbers(tmp_path):
    model = make_model()
    text, card = written(tmp_path, config=model.config, parts=count_parts(model))
    count = sum(parameter.numel() for parameter in model.parameters())
    for said in (
        f"{count:,} parameters",
        "states its colour and gender.",
        "4,321 rows to train on, 8,642 pictures and 3,456,789 tokens",
        "12.3 minutes of training on 2 cores, no GPU, 57 pictures a second",
        "| align | connector 0.001, language 2e-05 | full | 1,200 of 128 | 3,456,789 |",
        "| colour | 87.5 % | 52.9–97.8 % | 8 |",  # Wilson's, as Brown, Cai & DasGupta 2001 have it for 7 of 8
        "in 25.0 % (7.1–59.1 %) of the rows",
        "by rules: 8.77.",
        "went at 309 a second on 2 cores, no GPU.",
        "Command: `python train.py recipe.yaml`",
        "No baseline was evaluated",
    ):
        assert said in text, said
    assert "warming up" not in text
    rows = [
        line.split("|") for line in card.text.splitlines() if line.startswith(("| vision", "| connector", "| language"))
    ]
    assert sum(int(row[3].replace(",", "")) for row in rows) == count


def test_card_tells_of_the_warmup(tmp_path):
    text, _ = written(tmp_path, run={**RUN, "warmup_minutes": 3.21})
    assert "off 9,999 pictures (3.2 minutes of warming up the encoder)" in text
    assert "12.3 minutes of training and 3.2 minutes of warming up" in text


def test_metadata_is_what_the_hub_reads(tmp_path, hub, monkeypatch):  # noqa: F811
    recipe = {**GUIDE, "data": {"path": "me/products"}}
    run = {**RUN, "source": "me/products", "stages": [{**STAGE, "data": {"source": "me/products"}}]}
    _, card = written(tmp_path, recipe, run, evaluation=evaluation_of(), repository="me/moda", licence="CC-BY-4.0")
    data = card.data.to_dict()
    assert (data["pipeline_tag"], data["library_name"], data["language"]) == ("image-to-text", "transformers", "en")
    assert data["base_model"] == ["patrickjohncyh/fashion-clip", "HuggingFaceTB/SmolLM-360M"]
    assert data["datasets"] == ["me/products"] and data["license"] == "cc-by-4.0" and "license_name" not in data
    for name in (*data["base_model"], *data["datasets"]):
        validate_repo_id(name)
    name, results = model_index_to_eval_results(data["model-index"])
    assert name == "moda" and data["model-index"] == eval_results_to_model_index(name, results)
    first = evaluation_of()["systems"][0]
    values = {found.metric_name: found.metric_value for found in results}
    assert values["Accuracy, article"] == round(first["attributes"]["articleType"]["accuracy"], 4)
    assert values["Overall score of the MODA guide, 0 to 10, by rules"] == round(first["five"]["overall"]["value"], 4)
    assert values["Exact match"] == round(first["exact_match"]["accuracy"], 4)
    assert values["CIDEr-D"] == round(first["captions"]["cider"]["value"], 4)
    assert {(found.task_type, found.dataset_split) for found in results} == {("image-to-text", "test")}
    assert all(re.fullmatch(r"([\w-]+/)?[\w.-]+", found.dataset_type) for found in results)
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.url)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    if not huggingface_hub.__version__.startswith("0."):  # which asks huggingface.co whatever the endpoint
        card.validate()


def test_metadata_without_scores_has_no_index(tmp_path):
    text, card = written(
        tmp_path, DRAWN, {**RUN, "evaluated_rows": 0, "scores": {}, "exact_match": None, "guide": None}
    )
    assert "model-index" not in card.data.to_dict() and "its run scored nothing" in text
    assert "sheet.png" not in text and "base_model" not in card.data.to_dict()


def test_nothing_is_said_of_a_training_without_a_record(tmp_path):
    text, card = written(tmp_path, run={}, repository="me/moda")
    for said in ("it came without a record", "the weights came without a record of their training", "Not known."):
        assert said in text, said
    assert not any(
        word in text for word in ("loss.png", "sheet.png", "recipe.yaml", "minutes of", "random weights", "| stage |")
    )
    assert card.data.license == "other" and card.data.license_name == "see-this-card"


@pytest.mark.parametrize(
    "recipe, licence, said",
    [
        (DRAWN, "apache-2.0", "made from pictures and sentences that MODA's own program made, which allows it"),
        ({**DRAWN, **GUIDE}, "apache-2.0", "`patrickjohncyh/fashion-clip` (mit), `HuggingFaceTB/SmolLM-360M` (apache-2.0), pictures"),
        ({**GUIDE, "data": {"path": "x.parquet"}}, "other", "depends on the data `products.parquet`, whose licence"),
        ({**DRAWN, "model": {"vision": "me/eye", "text": "Qwen/Qwen2.5-0.5B"}}, "other", "depends on the backbone `me/eye`, whose"),
        ({**DRAWN, "model": {"pretrained": "/home/x/moda"}}, "other", "depends on the model that it began as, `moda`, whose"),
        ({}, "other", "the model that it began as; the data `products.parquet`, whose"),
    ],
)  # fmt: skip
def test_a_licence_follows_from_what_is_known(tmp_path, recipe, licence, said):
    text, card = written(tmp_path, recipe)
    assert card.data.license == licence and said in text
    ids = [name for name in re.findall(r"huggingface.co/([\w/.-]+)\)", text) if not name.startswith("datasets")]
    assert set(ids) == set(card.data.base_model or [])
    assert ("Its own card" in text or "see its card" in text) == ("me/eye" in text)


def test_a_licence_is_an_identifier():
    nothing = {"backbones": [], "kind": None, "name": ""}, {"drawn": False, "names": []}
    assert licence_of(*nothing, "Apache-2.0") == (
        "apache-2.0",
        "The weights are under `apache-2.0`, as said by who published them.",
    )
    for wrong in ("", "all rights reserved", "x: y"):
        with pytest.raises(ValueError, match="give its identifier on the Hub"):
            licence_of(*nothing, wrong)


def test_a_path_is_no_id(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "clip").mkdir(parents=True)
    assert hub_id("Qwen/Qwen2.5-0.5B") == "Qwen/Qwen2.5-0.5B"
    for path in ("runs/clip", "runs/gone", "/a/b", "data/rows.parquet", "gpt2", "a/b/c", "../a", "a b/c"):
        assert hub_id(path) is None, path
    (tmp_path / "a" / "b" / "c" / "d").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b" / "c" / "d")  # where it is trained is not always where it is published
    assert hub_id("runs/demo") == "runs/demo" and hub_id("runs/demo", tmp_path / "runs" / "mine-hub") is None
    monkeypatch.chdir(tmp_path / "runs")
    assert hub_id("runs/demo") is None


def test_drawings_are_called_drawings(tmp_path):
    text, _ = written(tmp_path / "drawn", DRAWN)
    assert (
        "has never met a photograph" in text
        and "`moda demo-data --count 6000`" in text
        and "All from random weights" in text
    )
    parse(shlex.split("demo-data --count 6000"))
    text, _ = written(
        tmp_path / "real", {"model": {"preset": "moda-mini"}, "data": {"path": "products.parquet", "wordings": 2}}
    )
    assert "photograph" not in text and "in up to 2 wordings" in text and "demo-data" not in text


def test_an_adapter_is_told_of(tmp_path):
    stage = {**STAGE, "trained": {"lora": {"learning_rate": 2e-4}}}
    text, card = written(tmp_path, {"model": {"pretrained": "me/other-moda"}}, {**RUN, "stages": [stage]})
    assert (
        "| align | lora 0.0002 |" in text and "merged into its weights afterwards" in text and "lora" in card.data.tags
    )
    assert card.data.base_model == ["me/other-moda"] and "training and footprint below are what came on top" in text
    assert "lora" not in written(tmp_path / "plain")[1].data.tags


def test_speed_is_told_of_the_shape_that_was_measured(tmp_path):
    found = json.loads((RESULTS / "inference.json").read_text())["sentence"]
    shape = [{"name": "all", "kind": "moda", "parameters": found["float32"]["MODA"]["parameters"] + 61_440}]
    text, _ = written(tmp_path, parts=shape, config=ModaConfig())
    took = found["float32"]["MODA"]["milliseconds"]["sentence"]
    assert f"{took['median']:,.0f} ms ({took['least']:,.0f}–{took['most']:,.0f}) in float32" in text
    assert '"519 million" counts its 63,428,097 parameters' in text
    assert "random weights, one picture" not in written(tmp_path)[0]
    fast = {**RUN, "machine": "8 cores, 1 x NVIDIA A100"}
    assert "without one it is slower, and was not measured" in written(tmp_path, run=fast)[0]


def test_sizes_are_those_of_the_files(tmp_path):
    model = make_model()
    for name, changed in {
        "float32": model,
        "bfloat16": copy.deepcopy(model).bfloat16(),
        "int8": quantize_int8(copy.deepcopy(model)),
    }.items():
        changed.save_pretrained(tmp_path / name)
        held = load_file(tmp_path / name / "model.safetensors")
        assert sum(tensor.nbytes for tensor in held.values()) == weight_sizes(model.config)[name], name
    int8 = ModaConfig.from_pretrained(tmp_path / "int8")
    text, _ = written(tmp_path / "int8", config=int8)
    assert f"{(tmp_path / 'int8' / 'model.safetensors').stat().st_size / 1e3:.0f} kB in all" in text
    assert "Trainer" not in text and "its head and the vision encoder are int8" in text and weight_sizes(int8) == {}


def test_the_cards_commands_are_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(ROOT)
    for name, options in {"local": {}, "hub": {"repository": "me/moda", "tag": "v1.0"}}.items():
        _, card = written(tmp_path / name, **options)
        called = options.get("repository", name)
        blocks = re.findall(r"```bash\n(.*?)```", card.text, re.S)
        describe, train = (shlex.split(block) for block in blocks)
        assert describe[0] == "moda" and train[:2] == ["python", "train.py"]
        found = parse(describe[1:])
        assert (found.model, found.revision) == (called, options.get("tag"))
        assert load_recipe(train[2], train[3:]).model == {"pretrained": called}
        assert ('revision="v1.0"' in card.text) == (name == "hub")
        assert len(re.findall(r"```python", card.text)) == 3


def test_files_are_named_as_far_as_they_are_there(tmp_path):
    text, _ = written(tmp_path, DRAWN, repository="me/moda", evaluation=evaluation_of())
    assert not any(name in text for name in ("sheet.png", "loss.png", "evaluation.json", "run.json"))
    for name in ("sheet.png", "loss.png", "evaluation.json"):
        (tmp_path / name).touch()
    text, _ = written(tmp_path, DRAWN, repository="me/moda", evaluation=evaluation_of())
    assert "](sheet.png)" in text and "](loss.png)" in text and "every figure is in `evaluation.json`" in text


def test_the_spaces_card_is_what_the_hub_reads():
    template = (ROOT / "hub_card" / "space_card.md").read_text()
    card = SpaceCard(Template(template).render(repository="me/moda"))
    assert card.data.models == ["me/moda"] and card.data.sdk == "gradio" and card.data.license == "apache-2.0"
    assert len(card.data.short_description) <= 60 and (ROOT / "hub_card" / card.data.app_file).is_file()
