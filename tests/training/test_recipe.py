"""Recipes are checked before anything is computed, and say what is wrong in a sentence."""

from pathlib import Path

import pytest

from moda.training.recipe import load_recipe, training_arguments


RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))
DEMO = str(Path(__file__).parents[2] / "recipes" / "demo.yaml")


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_of_the_repository_are_valid(path):
    recipe = load_recipe(path)
    training_arguments("runs/test", recipe.trainer)
    training_arguments("runs/test", recipe.warmup)
    assert recipe.name == path.stem


def test_overrides_reach_trainer_and_nested_keys():
    recipe = load_recipe(DEMO, ["learning_rate=2e-4", "max_steps=3", "data.demo.count=100", "output_dir=elsewhere"])
    assert recipe.trainer["learning_rate"] == 2e-4 and recipe.trainer["max_steps"] == 3
    assert recipe.data["demo"]["count"] == 100 and recipe.output_dir == "elsewhere"
    assert load_recipe(DEMO).trainer["learning_rate"] != 2e-4


@pytest.mark.parametrize(
    "override, sentence",
    [
        ("lerning_rate=1", "did you mean 'learning_rate'"),
        ("trainer.max_step=1", "trainer has no key 'max_step'; did you mean 'max_steps'"),
        ("model.prest=x", "model has no key 'prest'; did you mean 'preset'"),
        ("data.demo.cuont=1", "data.demo has no key 'cuont'; did you mean 'count'"),
        ("train=[conector]", "train has no key 'conector'; did you mean 'connector'"),
        ("train=[]", "trains nothing"),
        ("max_steps", "has no '='"),
        ("learning_rates={vision: 1e-4}", r"learning_rates names \['vision'\], which train leaves out"),
        ("data.path=x", "one of the two"),
        ("data.columns={gendr: sex}", "data.columns has no key 'gendr'; did you mean 'gender'"),
        ("trainer=3", "trainer is 3 in the recipe; it takes keys"),
        ("warmup=null", "neither trains it nor warms it up"),
        ("model.vision=x", "model is {preset: a name}, or"),
    ],
)
def test_a_mistake_is_named_with_the_way_out(override, sentence):
    with pytest.raises(ValueError, match=sentence):
        load_recipe(DEMO, [override])


def test_a_recipe_that_is_not_there_names_those_that_are(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    with pytest.raises(FileNotFoundError, match="no recipe 'demmo.yaml'; there are recipes/demo.yaml"):
        load_recipe("demmo.yaml")


def test_what_is_no_recipe_is_refused(tmp_path):
    (tmp_path / "a.yaml").write_text("model: {preset: moda-mini}\n")
    with pytest.raises(ValueError, match="lacks data, output_dir"):
        load_recipe(tmp_path / "a.yaml")
    (tmp_path / "b.yaml").write_text("model: [")
    with pytest.raises(ValueError, match="is not YAML"):
        load_recipe(tmp_path / "b.yaml")
    (tmp_path / "c.yaml").write_text("- 1\n")
    with pytest.raises(ValueError, match="holds no recipe"):
        load_recipe(tmp_path / "c.yaml")


def test_the_guides_recipe_is_the_guides():
    recipe = load_recipe(Path(DEMO).with_name("moda-519m.yaml"))
    settings = training_arguments("runs/test", recipe.trainer)
    assert settings.learning_rate == 1e-3 and settings.num_train_epochs == 40 and settings.warmup_steps == 0
    assert settings.lr_scheduler_kwargs == {"min_lr_rate": 0.1} and "adamw" in settings.optim.value
    assert recipe.train == ["connector", "language"] and not recipe.warmup


def test_no_is_a_strategy_and_not_false():
    recipe = load_recipe(DEMO, ["save_strategy=no"])
    assert training_arguments("runs/test", recipe.trainer).save_strategy.value == "no"


def test_settings_that_the_trainer_gets_wrong_are_refused():
    for settings, sentence in (
        ({"label_smoothing_factor": 0.1}, "shifts no labels"),
        ({"max_steps": "ten"}, "max_steps is 'ten', where a number"),
    ):
        with pytest.raises(ValueError, match=sentence):
            training_arguments("runs/test", settings)
