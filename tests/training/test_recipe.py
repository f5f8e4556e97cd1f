"""Recipes are checked before anything is computed, and say what is wrong in a sentence."""

import math
from pathlib import Path

import pytest
from conftest import make_model

from moda.data.machine import cpu_computes_bfloat16
from moda.training.machine import choose_attention, choose_precision
from moda.training.recipe import load_recipe
from moda.training.stage import plan_batches, training_arguments


RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
DEMO, PAPER, GUIDE = (
    str(Path(__file__).parents[2] / "recipes" / f"{name}.yaml") for name in ("demo", "alignment-0.9b", "moda-519m")
)


STEPS = {"stage-0": 922, "stage-1": 922, "stage-2": 4360, "stage-3": 6172}  # of 118k, 118k, 558k and 790k rows


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_of_the_repository_are_valid(path):
    recipe = load_recipe(path, ["use_cpu=true"])
    for stage in recipe.stage_list:
        assert stage.arguments("runs/test").learning_rate > 0
    assert recipe.name == path.stem


def test_the_papers_recipe_is_the_papers_table():
    recipe = load_recipe(PAPER, ["use_cpu=true"])
    table = {
        stage.name: (
            stage.image_attention,
            stage.token_noise,
            {part: r["learning_rate"] for part, r in stage.rates.items()},
        )
        for stage in recipe.stage_list
    }
    assert table == {
        "stage-0": ("full", 0.2, {"connector": 1e-3}),
        "stage-1": ("image_bidirectional", 0.0, {"connector": 1e-3}),
        "stage-2": ("image_bidirectional", 0.0, {"vision": 5e-6, "connector": 2e-3, "language": 2e-5}),
        "stage-3": ("image_bidirectional", 0.0, {"vision": 5e-6, "connector": 1e-4, "language": 2e-5}),
    }
    rows = {"stage-0": 118_000, "stage-1": 118_000, "stage-2": 558_000, "stage-3": 790_000}
    for stage in recipe.stage_list:
        settings = stage.arguments("runs/test")
        batch = settings.per_device_train_batch_size * settings.gradient_accumulation_steps
        assert batch == 128 and math.ceil(rows[stage.name] / batch) == STEPS[stage.name]
        assert (settings.adam_beta1, settings.adam_beta2, stage.min_learning_rate) == (0.9, 0.999, 1e-8)
        assert all(rate["weight_decay"] == 0.01 for rate in stage.rates.values())
        assert settings.optim.startswith("adamw") and settings.num_train_epochs == 1


def test_the_guides_recipe_is_the_guides():
    stage = load_recipe(GUIDE, ["use_cpu=true"]).stage_list[0]
    settings = stage.arguments("runs/test")
    assert {part: rate["learning_rate"] for part, rate in stage.rates.items()} == {"connector": 1e-3, "language": 1e-3}
    assert (settings.num_train_epochs, settings.warmup_steps, stage.min_learning_rate) == (40, 0, 1e-4)
    assert "adamw" in settings.optim.value and settings.lr_scheduler_type == "cosine"
    assert (settings.per_device_train_batch_size, settings.gradient_accumulation_steps) == (32, 8)


def test_overrides_reach_all_stages_and_nested_keys():
    recipe = load_recipe(DEMO, ["learning_rate=2e-4", "max_steps=3", "data.demo.count=100", "output_dir=elsewhere"])
    (stage,) = recipe.stage_list
    assert stage.rates["connector"]["learning_rate"] == 2e-4 and stage.trainer["max_steps"] == 3
    assert recipe.data["demo"]["count"] == 100 and recipe.output_dir == "elsewhere"
    assert load_recipe(DEMO).stage_list[0].rates["connector"]["learning_rate"] != 2e-4
    recipe = load_recipe(
        PAPER, ["max_steps=3", "stages.stage-2.max_steps=5", "token_noise=0.1", "stages.stage-3.train.vision=0"]
    )
    assert [stage.trainer["max_steps"] for stage in recipe.stage_list] == [3, 3, 5, 3]
    assert {stage.token_noise for stage in recipe.stage_list} == {0.1}
    assert set(recipe.stage_list[3].rates) == {"connector", "language"}


def test_one_part_of_a_list_can_get_a_rate_of_its_own():
    (stage,) = load_recipe(DEMO, ["stages.describe.train.language=1e-5"]).stage_list
    assert stage.rates["language"]["learning_rate"] == 1e-5 and stage.rates["connector"]["learning_rate"] == 2e-3
    (stage,) = load_recipe(DEMO, ["stages.describe.train.language.weight_decay=0.3"]).stage_list
    assert stage.rates["language"] == {"learning_rate": 2e-3, "weight_decay": 0.3}
    assert stage.rates["connector"]["weight_decay"] == 0.05


@pytest.mark.parametrize(
    "override, sentence",
    [
        ("lerning_rate=1", "did you mean 'learning_rate'"),
        ("trainer.max_step=1", "trainer has no key 'max_step'; did you mean 'max_steps'"),
        ("stages.describe.max_step=1", "stages.describe has no key 'max_step'; did you mean 'max_steps'"),
        ("stages.descrbe.max_steps=1", "stages has no key 'descrbe'; did you mean 'describe'"),
        ("model.prest=x", "model has no key 'prest'; did you mean 'preset'"),
        ("data.demo.cuont=1", "data.demo has no key 'cuont'; did you mean 'count'"),
        ("train=[conector]", "train has no key 'conector'; did you mean 'connector'"),
        ("stages.describe.train={conector: 1e-3}", "train has no key 'conector'; did you mean 'connector'"),
        ("stages.describe.train.vison=1e-3", "train has no key 'vison'; did you mean 'vision'"),
        ("train=[]", "stages.describe trains nothing"),
        ("stages.describe.train={vision: 0, connector: 0}", "stages.describe trains nothing"),
        ("stages.describe.train={connector: fast}", "learning_rate of connector is 'fast', where a number"),
        ("stages.describe.train={connector: -1}", "learning_rate of connector is -1"),
        ("stages.describe.train={connector: {rate: 1}}", "has no key 'rate'; it takes learning_rate, weight_decay"),
        ("train=[language, lora]", "an adapter stands in for the language model"),
        ("stages.describe.lora={r: 4}", "does not train it; add lora"),
        ("token_noise=1.5", "token_noise is 1.5; it is a share"),
        ("min_learning_rate=1", "a floor lies between 0 and that"),
        ("image_attention=ful", "image_attention has no key 'ful'; did you mean 'full'"),
        ("features=float8", "features has no key 'float8'; did you mean 'float"),
        ("stages={}", "has no stages"),
        ("stages={a b: {train: [connector]}}", "'a b'; letters"),
        ("max_steps", "has no '='"),
        ("data.path=x", "one of the three"),
        ("data={mix: a.parquet}", "data.mix is a list of data"),
        ("data={mix: [{path: a, weigth: 1}]}", "data.mix.0 has no key 'weigth'; did you mean 'weight'"),
        ("data.limit=some", "data.limit is 'some'; it is a number of rows"),
        ("data.columns={gendr: sex}", "data.columns has no key 'gendr'; did you mean 'gender'"),
        ("trainer=3", "trainer is 3 in the recipe; it takes keys"),
        ("warmup=null", "neither trains it nor warms it up"),
        ("model.vision=x", "model is {preset: a name}, {vision"),
        ("model={vision: x}", "model is {preset: a name}, {vision"),
    ],
)
def test_a_mistake_is_named_with_the_way_out(override, sentence):
    with pytest.raises(ValueError, match=sentence):
        load_recipe(DEMO, [override])


def test_a_rate_that_nothing_reads_is_refused():
    with pytest.raises(ValueError, match="every part of every stage has its own; set it there, as in stages.stage-0"):
        load_recipe(PAPER, ["learning_rate=1e-4"])


def test_a_last_stage_does_not_inherit_the_full_mask():
    with pytest.raises(ValueError, match="stage-1 would go on under the full mask"):
        load_recipe(
            PAPER, ["stages={stage-0: {train: [connector], image_attention: full}, stage-1: {train: [connector]}}"]
        )


def test_a_recipe_that_is_not_there_names_those_that_are(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    with pytest.raises(FileNotFoundError, match="no recipe 'demmo.yaml'; there are recipes/alignment-0.9b.yaml"):
        load_recipe("demmo.yaml")


def test_what_is_no_recipe_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("model: {preset: moda-mini}\n")
    with pytest.raises(ValueError, match="lacks data, output_dir, stages"):
        load_recipe(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text("model: [")
    with pytest.raises(ValueError, match="is not YAML"):
        load_recipe(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").write_text("- 1\n")
    with pytest.raises(ValueError, match="holds no recipe"):
        load_recipe(tmp_path / "c.yaml")


def test_no_is_a_strategy_and_not_false():
    recipe = load_recipe(DEMO, ["save_strategy=no", "use_cpu=true"])
    assert recipe.stage_list[0].arguments("runs/test").save_strategy.value == "no"


def test_settings_that_the_trainer_gets_wrong_are_refused():
    for settings, sentence in (
        ({"label_smoothing_factor": 0.1}, "shifts no labels"),
        ({"max_steps": "ten"}, "max_steps is 'ten', where a number"),
    ):
        with pytest.raises(ValueError, match=sentence):
            training_arguments("runs/test", settings)


@pytest.mark.parametrize(
    "settings, made",
    [
        ({}, (24, 1)),
        ({"per_device_train_batch_size": 8}, (8, 3)),
        ({"gradient_accumulation_steps": 4}, (6, 4)),
        ({"per_device_train_batch_size": 12, "gradient_accumulation_steps": 2}, (12, 2)),
    ],
)
def test_a_batch_is_divided(settings, made):
    arguments = training_arguments("runs/test", {**settings, "use_cpu": True})
    plan_batches(arguments, 24, settings, "stages.a")
    assert (arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps) == made


@pytest.mark.parametrize(
    "settings",
    [
        {"per_device_train_batch_size": 7},
        {"gradient_accumulation_steps": 5},
        {"per_device_train_batch_size": 48},
        {"per_device_train_batch_size": 12, "gradient_accumulation_steps": 3},
    ],
)
def test_a_batch_that_does_not_divide_is_refused_with_all_numbers(settings):
    arguments = training_arguments("runs/test", {**settings, "use_cpu": True})
    with pytest.raises(ValueError, match="stages.a.batch_size is 24, and 1 device.*do not make it; change one"):
        plan_batches(arguments, 24, settings, "stages.a")


def test_precision_is_chosen_with_a_reason_and_left_alone_where_named():
    settings, notes = choose_precision({"use_cpu": True})
    assert settings.get("bf16", False) == cpu_computes_bfloat16()
    assert notes[0].startswith("precision: ") and "processor" in notes[0] and notes[1].startswith("compile: off: ")
    settings, notes = choose_precision({"bf16": False, "torch_compile": True})
    assert settings == {"bf16": False, "torch_compile": True}
    assert notes == ["precision: as the recipe says", "compile: as the recipe says"]


@pytest.mark.parametrize("bf16", [True, False])
def test_attention_follows_the_precision(bf16):
    model = make_model()
    before = model.config._attn_implementation
    notes = choose_attention(model, training_arguments("runs/test", {"use_cpu": True, "bf16": bf16}))
    assert model.config._attn_implementation == model.model.language_model.config._attn_implementation
    assert model.config._attn_implementation == ("eager" if bf16 else before) and len(notes) == bf16
