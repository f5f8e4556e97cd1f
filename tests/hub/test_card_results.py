"""The model card says what an evaluation measured, also where a baseline is ahead, and nothing of the machine."""

import json
import re

import pytest
from cards import RESULTS, RUN, STAGE, evaluation_of, written

from moda.hub.results import told, weakest


@pytest.mark.parametrize("name", ["demo", "fashion-small"])
def test_card_says_the_evaluations_numbers(tmp_path, name):
    evaluation = evaluation_of(name)
    parts = [{"name": "all", "kind": "moda", "parameters": evaluation["model"]["parameters"]}]
    text, card = written(
        tmp_path, run=json.loads((RESULTS / f"{name}.json").read_text()), parts=parts, evaluation=evaluation
    )
    first, *others = evaluation["systems"]
    for system in evaluation["systems"]:
        cells = [f"{score['value']:.2f} ({score['low']:.2f}–{score['high']:.2f})" for score in system["five"].values()]
        called = f"**{system['name']}**" if system is first else f"{system['name']} (baseline)"
        assert f"| {called} | {' | '.join([cells[-1], *cells[:-1]])} |" in text  # the overall score first
    overall = {system["name"]: system["five"]["overall"]["value"] for system in others}
    assert f"Overall **{first['five']['overall']['value']:.2f}** of 10" in text
    assert f"without the picture the same model gets {overall.pop('blind'):.2f}" in text
    best = max(overall, key=overall.get)
    assert f"the best other baseline, {best}, {overall[best]:.2f}." in text
    for attribute, score in first["attributes"].items():
        ends = f"{100 * score['low']:.1f}–{100 * score['high']:.1f} %"
        most = max(system["attributes"][attribute]["accuracy"] for system in others)
        row = rf"\| {100 * score['accuracy']:.1f} % \| {ends} \| {score['rows']:,} \| \S+ {100 * most:.1f} % \|"
        assert re.search(row, text), attribute
    for probe in evaluation["probes"]:
        assert re.search(rf"\| {probe['name']} \| [^|]+ \| {100 * probe['accuracy']:.1f} % ", text), probe["name"]
    assert r"Weakest in colour, found in so many of the rows that have it: Red\|Pink (3 of 20)." in text
    assert "Blue (0 of 9)" not in text and "Tan" not in text  # too few, and none wrong
    assert all(note.replace("_", r"\_") in text for note in evaluation["notes"])
    assert "Command: `moda evaluate demo rows.parquet --judge URL --baselines all`" in text


def test_a_baseline_that_is_ahead_is_named(tmp_path):
    evaluation = evaluation_of()
    for pair in evaluation["paired"]:
        pair["differences"] = {name: {"value": 1, "low": 0.5, "high": 1.5} for name in pair["differences"]}
    text, _ = written(tmp_path, evaluation=evaluation)
    assert "In each of these scores it is ahead of every baseline" in text and "does better" not in text
    found = next(pair for pair in evaluation["paired"] if pair["b"] == "probe")["differences"]
    found["style"] = {"value": -0.5, "low": -0.75, "high": -0.25}
    found["gender"] = {"value": -0.1, "low": -0.3, "high": 0.1}
    found["colour"] = {"value": 0.1, "low": -0.1, "high": 0.3}
    text, _ = written(tmp_path, evaluation=evaluation)
    assert "**A baseline does better:** probe, in style by 0.50 (0.25–0.75)." in text
    assert re.search(r"These rows do not tell it from probe in colour, gender.", text)
    evaluation["paired"] = []
    assert "by more than chance was not evaluated" in written(tmp_path, evaluation=evaluation)[0]
    evaluation["systems"] = evaluation["systems"][:1]
    alone, _ = written(tmp_path, evaluation=evaluation)
    assert "No baseline was evaluated beside it" in alone


def test_captions_alone_are_a_table_as_well(tmp_path):
    evaluation = evaluation_of()
    for system in evaluation["systems"]:
        for family in ("five", "attributes"):
            del system[family]
    text, card = written(tmp_path, run={}, evaluation=evaluation)
    score = evaluation["systems"][0]["captions"]["cider"]
    assert f"| **demo** | {score['value']:.2f} ({score['low']:.2f}–{score['high']:.2f}) |" in text
    assert "a picture in, a sentence out, as its training data would put it" in text and "gender" not in text
    assert {found.metric_type for found in card.data.eval_results} == {
        "cider",
        "bleu",
        "rouge",
        "meteor",
        "exact_match",
    }


def test_an_evaluation_of_another_model_is_refused(tmp_path):
    evaluation = evaluation_of()
    with pytest.raises(ValueError, match=r"of 7,938,592 parameters, and this one has 3;"):
        written(tmp_path, parts=[{"name": "all", "kind": "moda", "parameters": 3}], evaluation=evaluation)
    with pytest.raises(ValueError, match="of the sentences 'demo', of no model"):
        written(tmp_path, evaluation={**evaluation, "model": {}})
    with pytest.raises(ValueError, match="it is none; give the scores.json"):
        written(tmp_path, evaluation=RUN)
    assert not (tmp_path / "README.md").exists()


def test_no_machine_is_told_of(tmp_path):
    run = {
        **RUN,
        "source": "/home/me/a.parquet + /srv/b",
        "stages": [{**STAGE, "data": {"source": "/srv/c"}}],
    }
    recipe = {
        "model": {"vision": "/srv/clip", "text": "/srv/language"},
        "data": {"mix": [{"path": "/home/me/a.parquet"}]},
    }
    evaluation = {**evaluation_of(), "command": "moda evaluate /srv/m ~/x --judge http://10.0.0.1/?key=1 --price 1 2"}
    text, card = written(tmp_path, recipe, run, evaluation=evaluation)
    assert not re.search(r"/home|/srv|10\.0\.0|key=1", card.content) and str(tmp_path) not in card.content
    assert "`c`, `a.parquet`, `b`. Descriptions are" in text
    assert "from `clip`" in text and "from `language`" in text
    assert "moda evaluate m x --judge URL --price 1 2" in text
    assert told("m data.path=/a/b/ --judge=http://x clip=../c") == "m data.path=b --judge=URL clip=c"
    assert told("") == "" and told("moda evaluate 'a b' --output ../x/y") == "moda evaluate 'a b' --output y"


def test_an_exports_scores_are_the_float_models(tmp_path):
    (tmp_path / "export.json").write_text(json.dumps({"to": "int8"}))
    assert "Measured before the weights were turned to int8" in written(tmp_path)[0]
    assert "Measured before" not in written(tmp_path, evaluation=evaluation_of())[0]


def test_the_weakest_are_below_what_is_usual():
    def value(name, rows, right):
        return {"value": name, "rows": rows, "right": right, "recall": right / rows}

    table = [
        value("Men", 100, 90),
        value("Women", 100, 91),
        value("Girls", 20, 5),
        value("Boys", 9, 0),
        value("Unisex", 10, 2),
    ]
    assert weakest({"gender": table, "articleType": table[:1]}) == {"gender": "Unisex (2 of 10), Girls (5 of 20)"}
    many = [value(f"v{number}", 10 + number, 1) for number in range(9)]
    assert weakest({"x": many})["x"].count("of") == 4 and weakest({}) == {}


def test_what_has_no_value_is_left_out(tmp_path):
    evaluation = evaluation_of()
    first = evaluation["systems"][0]
    nothing = {"value": None, "low": None, "high": None, "accuracy": None, "right": 0, "rows": 0}
    first["attributes"]["usage"] = first["exact_match"] = first["captions"]["cider"] = first["five"]["style"] = nothing
    for name in ("calibration", "probes", "classes", "notes", "bootstrap", "command"):
        evaluation[name] = None
    text, card = written(tmp_path, evaluation=evaluation)
    assert "CIDEr" not in text and "word for word" not in text and "| usage |" not in text and "| – |" in text
    assert "not evaluated; `moda evaluate` names them" in text and "Command: `moda evaluate`" in text
    assert not {"CIDEr-D", "Exact match", "Accuracy, usage"} & {found.metric_name for found in card.data.eval_results}


@pytest.mark.parametrize(
    "source, evaluated, kind",
    [
        ("me/products", "products", "me/products"),
        ("me/products", "others.parquet", "others.parquet"),
        ("a b/Röcke.parquet", None, "R-cke.parquet"),
        ("me/a + me/b", None, "me-a-me-b"),
    ],
)
def test_the_dataset_is_the_one_that_was_scored(tmp_path, source, evaluated, kind):
    evaluation = evaluation_of()
    evaluation["data"]["source"] = evaluated
    _, card = written(tmp_path, run={**RUN, "source": source}, evaluation=evaluation if evaluated else None)
    assert {found.dataset_type for found in card.data.eval_results} == {kind}
