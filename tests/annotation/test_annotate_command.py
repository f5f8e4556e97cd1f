"""`moda annotate` without a model: from a bare catalogue to a dataset, every row accounted for."""

import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

from datasets import load_dataset
from shop import COUNT, accounts, annotate, catalogue, lines_of, metadata, own, wording  # noqa: F401

from moda.annotation.recipe import STEPS
from moda.data.catalogue import load_catalogue
from moda.evaluation.rules import RuleJudge


ROOT = Path(__file__).parents[2]


def test_without_a_model_each_row_gets_a_true_sentence(catalogue, metadata, wording, tmp_path, capsys):
    out = tmp_path / "annotated"
    assert annotate(catalogue, out) == 0
    places = accounts(out)
    assert Counter(place for _, place in places)["kept"] == COUNT == len({name for name, _ in places})
    dataset, judge = load_dataset(str(out / "dataset")), RuleJudge(wording.lexicon)
    assert set(dataset) == {"train", "validation", "test"}
    for row in (row for split in dataset.values() for row in split):
        truth = metadata[row["id"]]
        verdict = judge.judge(row["description"], truth)
        assert verdict.colours_right == verdict.colours == 1 and verdict.category and verdict.gender, row["description"]
        assert verdict.style in (True, None) and verdict.details_right == verdict.details
        assert row["image"].size == (48, 48) and row["metadata"]["articleType"] == truth["articleType"]
    assert (out / "report.html").is_file() and (out / "dataset" / "README.md").is_file()
    told = capsys.readouterr().out
    assert f"{COUNT} of {COUNT} rows" in told and str(out) in told


def test_the_pages_python_opens_it(catalogue, tmp_path):
    assert annotate(catalogue, tmp_path / "annotated") == 0
    [block] = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "annotation.md").read_text(), re.S)
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.strip().endswith("."), done.stderr[-2000:]


def test_a_product_of_which_nothing_is_known_is_put_aside(catalogue, tmp_path):
    header, *lines = (catalogue / "styles.csv").read_text().splitlines()
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "images").symlink_to(catalogue / "images")
    bare = lines[0].split(",")[0] + ",NA,NA,NA,NA,NA,NA,NA"
    (tmp_path / "shop" / "styles.csv").write_text("\n".join([header, bare, *lines[1:20]]) + "\n")
    assert annotate(tmp_path / "shop", tmp_path / "out") == 0
    [line] = lines_of(tmp_path / "out" / "describe" / "quarantine.jsonl")
    assert line["id"] == "1000" and line["check"] == "nothing_to_say" and "what kind" in line["why"]
    assert Counter(place for _, place in accounts(tmp_path / "out"))["kept"] == 19


def test_what_has_not_changed_is_not_done_again(catalogue, tmp_path, capsys):
    out = tmp_path / "annotated"
    assert annotate(catalogue, out) == 0
    before = {
        path: path.stat().st_mtime_ns for path in sorted(out.rglob("*")) if path.name in ("rows.jsonl", "step.json")
    }
    capsys.readouterr()
    assert annotate(catalogue, out) == 0
    assert before == {path: path.stat().st_mtime_ns for path in before} and len(before) >= 6
    assert capsys.readouterr().out.count("as before") >= 3
    assert annotate(catalogue, out, "sample.count=30") == 0
    changed = {path for path in before if path.stat().st_mtime_ns != before[path]}
    assert changed == set(before)  # all of it depends on the sample
    assert sum(place == "kept" for _, place in accounts(out)) == 30


def test_a_row_that_can_not_be_used_changes_the_accounts(own, tmp_path):
    assert annotate(own, tmp_path / "out") == 0
    with open(own / "styles.csv", "a") as file:
        file.write("1,Men,Apparel,Topwear,Shirts,Blue,Casual,Without a picture\n")
    assert annotate(own, tmp_path / "out") == 0
    assert Counter(place for _, place in accounts(tmp_path / "out")) == {"kept": COUNT, "sample: no_picture": 1}


def test_steps_refuse_what_was_made_of_something_else(own, tmp_path, capsys):
    def said():
        return [line for line in capsys.readouterr().err.splitlines() if line.startswith("moda annotate")]

    assert annotate(own, tmp_path / "out") == 0
    assert annotate(own, tmp_path / "out", "--step", "sample", "sample.count=50") == 0
    assert annotate(own, tmp_path / "out", "--step", "assemble", "sample.count=50") == 1
    assert "describe has not seen what sample has written since" in said()[0]
    assert annotate(own, tmp_path / "out", "--step", "describe,refine,assemble", "sample.count=50") == 0
    with open(own / "styles.csv", "a") as file:
        file.write("1,Men,Apparel,Topwear,Shirts,Blue,Casual,Without a picture\n")
    assert annotate(own, tmp_path / "out", "--step", "describe", "sample.count=50") == 1
    assert "has changed since its sample was drawn" in said()[0]


def test_load_dataset_sees_what_is_there_now(catalogue, tmp_path):
    """It keeps what it has read under a key, which must follow the rows."""
    for count in (30, 20):
        assert annotate(catalogue, tmp_path / "out", f"sample.count={count}") == 0
        assert sum(map(len, load_dataset(str(tmp_path / "out" / "dataset")).values())) == count


def test_what_was_assembled_and_is_gone_is_assembled_again(catalogue, tmp_path):
    assert annotate(catalogue, tmp_path / "out") == 0
    for gone in ("report.html", "dataset/README.md", "assemble/step.json"):
        (tmp_path / "out" / gone).unlink()
        assert annotate(catalogue, tmp_path / "out") == 0 and (tmp_path / "out" / gone).is_file()
    (tmp_path / "out" / "refine" / "step.json").write_text('{"key": "cut of')
    assert annotate(catalogue, tmp_path / "out") == 0
    assert sum(place == "kept" for _, place in accounts(tmp_path / "out")) == COUNT


def test_steps_run_one_by_one_give_what_they_give_together(catalogue, tmp_path):
    assert annotate(catalogue, tmp_path / "whole") == 0
    for step in STEPS:
        assert annotate(catalogue, tmp_path / "parts", "--step", step) == 0
    whole, parts = (load_dataset(str(tmp_path / name / "dataset"))["train"] for name in ("whole", "parts"))
    assert whole.remove_columns("image")[:] == parts.remove_columns("image")[:]


def test_a_step_without_the_one_before_it_is_told(catalogue, tmp_path, capsys):
    assert annotate(catalogue, tmp_path / "out", "--step", "refine") == 1
    [said] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("moda annotate")]
    assert "--step sample,describe,refine" in said


def test_the_dataset_trains_a_model(catalogue, tmp_path):
    out = tmp_path / "annotated"
    assert annotate(catalogue, out) == 0
    data = load_catalogue({"path": str(out / "dataset" / "data")})
    assert not data.written and {"articleType", "baseColour", "gender", "description"} <= set(
        data.splits["train"].column_names
    )
    assert sum(map(len, data.splits.values())) == COUNT
