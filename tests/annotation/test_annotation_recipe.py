"""Recipes of the annotation are checked before anything is opened, and say what is wrong in a sentence."""

from pathlib import Path

import pytest
import yaml

from moda.annotation.prompts import PROMPTS, Prompt
from moda.annotation.recipe import AnnotationRecipe, check_licence, load_annotation_recipe


RECIPES = sorted((Path(__file__).parents[2] / "recipes" / "annotation").glob("*.yaml"))


@pytest.mark.parametrize("path", RECIPES, ids=lambda path: path.stem)
def test_recipes_of_the_repository_are_valid(path):
    recipe = load_annotation_recipe(str(path))
    assert recipe.sample["count"] == 5400 and recipe.describe["model"].startswith("microsoft/Phi")
    for step in (recipe.describe, recipe.refine):
        check_licence("describe", step["model"], step["licence"], ())


def test_a_catalogue_is_a_recipe_that_asks_no_model():
    recipe = load_annotation_recipe("products.parquet", ["sample.count=20", "checks.language=false"])
    assert recipe.data == {"path": "products.parquet"} and recipe.sample["count"] == 20
    assert recipe.describe == recipe.refine == {"annotator": "metadata", "attempts": 1}
    assert recipe.checks["language"] is False and recipe.checks["length"] == {"min_words": 3, "max_words": 45}
    assert (
        AnnotationRecipe(**yaml.safe_load(recipe.to_yaml())).checks == recipe.checks
    )  # may be run again as it is written


def test_settings_of_a_check_are_changed_one_by_one():
    recipe = load_annotation_recipe("x.parquet", ["checks.length.max_words=30", "checks.concept_caps={articleType: 9}"])
    assert recipe.checks["length"] == {"min_words": 3, "max_words": 30}
    assert recipe.checks["concept_caps"] == {"articleType": 9} and recipe.checks["clip_score"] is False


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("sampel.count=3", "did you mean 'sample'"),
        ("sample.cuont=3", "did you mean 'count'"),
        ("sample.count=0", "from 1 up"),
        ("sample=3", "takes keys"),
        ("count", "has no '='"),
        ("checks.lenght=false", "did you mean 'length'"),
        ("checks.length.most=4", "checks.length has no key 'most'"),
        ("checks.length=4", "false for none"),
        ("checks.clip_score=true", "has no default"),
        ("checks.clip_score={flor: 0.5}", "floor and nothing else"),
        ("checks.clip_score={floor: 0.5}", "no CLIP; name one"),
        ("checks.near_duplicates.most=0", "checks.near_duplicates.most is 0"),
        ("sample.seed=abc", "sample.seed is 'abc'"),
        ("sample.by=3", "a list of names"),
        ("describe.annotator=http://me:secret@host/v1", "holds a user, a password"),
        ("dataset.shard_mb=big", "dataset.shard_mb is 'big'"),
        ("describe.annotator=gpt", "metadata, local or an endpoint's URL"),
        ("describe.annotator=http://localhost:1/v1", "names no model"),
        ("describe.model=x", "asks no model"),
        ("refine.parallel=3", "refine has no key 'parallel'"),
        ("dataset.splits=half", "it is keep, or shares"),
        ("dataset.splits=[train]", "it is keep, or shares"),
        ("data.columns=[a]", "gives our names the catalogue's"),
        ("sample.count=.inf", "sample.count is inf"),
        ("checks.length.max_words=null", "checks.length.max_words is None"),
        ("describe.annotator=http://localhost:abc/v1", "metadata, local or an endpoint's URL"),
        ("dataset.splits={train: -1}", "a number from 0 to 1"),
        ("dataset.splits={train: 0}", "give each a share"),
        ("data.columns={a: [", "not YAML"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(override, told):
    with pytest.raises(ValueError, match="^[^\n]+$") as error:
        load_annotation_recipe("products.parquet", [override])
    assert told in str(error.value)


def test_words_may_look_like_dates_and_a_name_may_stand_without_its_list():
    asked = ["refine.model=2024-08-06", "refine.licence=mit", "accept_licences=gemma", "sample.by=gender"]
    recipe = load_annotation_recipe(
        "x.parquet", ["refine.annotator=http://localhost:1/v1", *asked], output="2026-11-21"
    )
    assert recipe.refine["model"] == "2024-08-06" and recipe.output_dir == "2026-11-21"
    assert recipe.accept_licences == ["gemma"] and recipe.sample["by"] == ["gender"]


def test_the_commands_annotator_comes_before_what_is_said_of_one_step(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text("data: {path: x.parquet}\nrefine: {annotator: local, model: big, licence: mit}\n")
    kinds = [
        (recipe.describe["annotator"], recipe.refine["annotator"])
        for recipe in (
            load_annotation_recipe(str(file)),
            load_annotation_recipe(str(file), annotator="metadata"),
            load_annotation_recipe("x.parquet", ["refine.annotator=metadata"], annotator="local"),
        )
    ]
    assert kinds == [("metadata", "local"), ("metadata", "metadata"), ("local", "metadata")]


def test_a_missing_recipe_names_those_there_are(monkeypatch):
    monkeypatch.chdir(Path(__file__).parents[2])
    with pytest.raises(FileNotFoundError, match="recipes/annotation/guide.yaml"):
        load_annotation_recipe("mine.yaml")


def test_annotators_without_a_permissive_licence_are_refused_unless_accepted():
    check_licence("describe", "a-model", "Apache-2.0", ())
    check_licence("describe", "a-model", "llama3.2", ["llama3.2"])
    with pytest.raises(ValueError, match="llama3.2.*accept_licences"):
        check_licence("describe", "a-model", "llama3.2", ())
    with pytest.raises(ValueError, match="not known.*refine.licence"):
        check_licence("refine", "a-model", None, ["llama3.2"])


def test_the_prompts_say_what_the_guide_asks_for():
    describe, refine = Prompt("describe-v1"), Prompt("refine-v1")
    told = describe.instruction()
    for word in (
        "gender",
        "category",
        "colour",
        "usage",
        "JSON object and nothing else",
        "wears",
        "Ignore all writing",
    ):
        assert word in told
    metadata = '{"gender": "Men", "masterCategory": "Apparel", "subCategory": "Topwear", "articleType": "Shirts", "usage": null}'
    told = refine.instruction(draft='{"description": "A shirt that reads HI."}', metadata=metadata)
    assert metadata in told and "that reads HI" in told
    for word in ("Merge them", "the metadata is right", "read off the product", "Add nothing"):
        assert word in told
    assert "It is empty." in refine.reminder("It is empty.") and "{{" not in refine.reminder("x") + told


def test_another_prompt_is_a_file_and_its_digest_follows_its_text(tmp_path):
    own = tmp_path / "mine-v2.md"
    own.write_text((PROMPTS / "describe-v1.md").read_text())
    assert Prompt(own).name == "mine-v2" and Prompt(own).sha256 == Prompt("describe-v1").sha256
    own.write_text("Describe it.\n---\nAgain: {{ why }}")
    assert Prompt(own).sha256 != Prompt("describe-v1").sha256
    assert (Prompt(own).instruction(), Prompt(own).reminder("too long")) == ("Describe it.", "Again: too long")


@pytest.mark.parametrize(
    ("text", "told"),
    [("no parts", "0 lines"), ("{% if %}\n---\nx", "no Jinja2 template"), ("{{ size }}\n---\nx", "size")],
)
def test_a_prompt_that_is_none_is_told(tmp_path, text, told):
    own = tmp_path / "mine.md"
    own.write_text(text)
    with pytest.raises(ValueError, match=told):
        Prompt(own).instruction()
    with pytest.raises(FileNotFoundError, match="describe-v1, refine-v1"):
        Prompt("describe-v9")
