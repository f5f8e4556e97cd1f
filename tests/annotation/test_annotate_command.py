"""`moda annotate`, from a bare catalogue to a dataset: every row accounted for, nobody asked twice, whatever is answered."""

import base64
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from datasets import load_dataset
from endpoints import online, serving  # noqa: F401
from PIL import Image

from moda.annotation.recipe import STEPS
from moda.cli import main
from moda.data.catalogue import load_catalogue
from moda.data.demo import demo_rows
from moda.data.wording import ATTRIBUTES, Wording
from moda.evaluation.rules import RuleJudge


ROOT = Path(__file__).parents[2]
BAD_ANSWERS = [json.loads(line) for line in (Path(__file__).parent / "bad_answers.jsonl").read_text().splitlines()]
COUNT = len(BAD_ANSWERS)
ASKED = ["describe.model=seer", "describe.licence=mit", "refine.model=writer", "refine.licence=apache-2.0"]


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """Drawn products in Kaggle's layout, without a sentence."""
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "images").mkdir()
    lines = ["id,gender,masterCategory,subCategory,articleType,baseColour,usage,productDisplayName"]
    for number, row in enumerate(demo_rows(COUNT, seed=3, size=48)):
        name = str(1000 + number)
        picture = row["image"]["bytes"] if isinstance(row["image"], dict) else None
        if picture is None:
            file = io.BytesIO()
            row["image"].save(file, "PNG")
            picture = file.getvalue()
        Image.open(io.BytesIO(picture)).convert("RGB").save(folder / "images" / f"{name}.jpg", quality=95)
        told = [row["gender"], row.get("masterCategory") or "Apparel", "Any", row["articleType"], row["baseColour"]]
        lines.append(",".join([name, *told, row.get("usage") or "NA", f"Maker {number} {row['articleType']}"]))
    (folder / "styles.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def metadata(catalogue):
    header, *lines = (catalogue / "styles.csv").read_text().splitlines()
    rows = [dict(zip(header.split(","), line.split(","))) for line in lines]
    return {row["id"]: {name: None if value == "NA" else value for name, value in row.items()} for row in rows}


@pytest.fixture(scope="module")
def wording(metadata):
    return Wording({name: sorted({row.get(name) or "" for row in metadata.values()} - {""}) for name in ATTRIBUTES})


def annotate(catalogue, out, *options):
    return main(["annotate", str(catalogue), *options, "--output", str(out)])


def lines_of(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def notes_of(out):
    return {step: json.loads((out / step / "step.json").read_text()) for step in STEPS[:3]}


def accounts(out):
    """Where each input row is; the test of all: every one is somewhere, and none twice."""
    notes = notes_of(out)
    places = [
        (line["id"], f"{step}: {line['check']}")
        for step in STEPS[1:3]
        for line in lines_of(out / step / "quarantine.jsonl")
    ]
    places += [(line["id"], f"sample: {line['check']}") for line in lines_of(out / "sample" / "skipped.jsonl")]
    kept = [row["id"] for split in load_dataset(str(out / "dataset")).values() for row in split.remove_columns("image")]
    places += [(name, "kept") for name in kept]
    count = notes["sample"]["counts"]
    assert len(places) + count["not drawn"] == count["in"]
    return places


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


def test_steps_run_one_by_one_give_what_they_give_together(catalogue, tmp_path):
    assert annotate(catalogue, tmp_path / "whole") == 0
    for step in STEPS:
        assert annotate(catalogue, tmp_path / "parts", "--step", step) == 0
    whole, parts = (load_dataset(str(tmp_path / name / "dataset"))["train"] for name in ("whole", "parts"))
    assert whole.remove_columns("image")[:] == parts.remove_columns("image")[:]


def test_a_step_without_the_one_before_it_is_told(catalogue, tmp_path, capsys):
    assert annotate(catalogue, tmp_path / "out", "--step", "refine") == 1
    [said] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("moda annotate")]
    assert "--step sample describe" in said


def test_the_dataset_trains_a_model(catalogue, tmp_path):
    out = tmp_path / "annotated"
    assert annotate(catalogue, out) == 0
    data = load_catalogue({"path": str(out / "dataset" / "data")})
    assert not data.written and {"articleType", "baseColour", "gender", "description"} <= set(
        data.splits["train"].column_names
    )
    assert sum(map(len, data.splits.values())) == COUNT


class Shop:
    """A scripted endpoint of both models, which knows each product by its picture or its draft.

    Args:
        catalogue (`Path`), metadata (`dict`), wording ([`Wording`]): What it knows.
        describe (`Callable[[str, int], dict]`), refine (likewise): What it answers for an id, asked so many times before.
    """

    def __init__(self, catalogue, metadata, wording, describe=None, refine=None):
        self.metadata, self.wording = metadata, wording
        self.ids = {file.read_bytes(): file.stem for file in (catalogue / "images").iterdir()}
        self.describe, self.refine = describe or self.draft, refine or self.final
        self.asked = Counter()

    def sentence(self, name):
        return self.wording.write(self.metadata[name], template=0)

    def draft(self, name, before):
        return {"text": json.dumps({"description": f"{self.sentence(name)[:-1]}, which reads N{name}."})}

    def final(self, name, before):
        return {"text": json.dumps({"description": self.sentence(name)})}

    def __call__(self, body, _):
        content = body["messages"][0]["content"]
        if isinstance(content, str):
            name, step = content.partition("which reads N")[2].partition(".")[0], "refine"
        else:
            picture = content[0]["image_url"]["url"].partition(",")[2]
            name, step = self.ids[base64.b64decode(picture)], "describe"
        before = self.asked[step, name]
        self.asked[step, name] += 1
        return {"describe": self.describe, "refine": self.refine}[step](name, before)


@pytest.fixture
def asked(catalogue, metadata, wording, online, tmp_path):  # noqa: F811
    """Runs the command against a scripted shop; returns its status, the folder and the shop."""

    def run(*options, out=tmp_path / "annotated", **scripts):
        shop = Shop(catalogue, metadata, wording, **scripts)
        with serving(shop) as server:
            retries = ("describe.retries=0", "refine.retries=0")
            status = annotate(catalogue, out, "--annotator", server.url, *ASKED, *retries, *options)
        return status, out, shop

    return run


def test_two_models_behind_an_endpoint(asked, wording, metadata):
    status, out, shop = asked()
    assert status == 0 and set(shop.asked.values()) == {1} and len(shop.asked) == 2 * COUNT
    for row in load_dataset(str(out / "dataset"))["train"]:
        assert row["description"] == wording.write(metadata[row["id"]], template=0)
        assert row["initial_description"] == f"{row['description'][:-1]}, which reads N{row['id']}."
        describe, refine = row["annotators"]["describe"], row["annotators"]["refine"]
        assert (describe["model"], describe["licence"], describe["prompt"]) == ("seer", "mit", "describe-v1")
        assert (refine["model"], refine["licence"], refine["prompt"]) == ("writer", "apache-2.0", "refine-v1")
        assert describe["date"] and len(describe["prompt_sha256"]) >= 12
    flags = notes_of(out)["describe"]["flags"]
    assert flags["leaked_print"]["count"] == COUNT and not notes_of(out)["refine"]["flags"]  # the numbers are gone


def test_bad_answers_of_every_kind_lose_and_double_nothing(asked):
    kinds = {str(1000 + place): answer for place, answer in enumerate(BAD_ANSWERS)}
    assert len({answer["kind"] for answer in kinds.values()}) >= 20

    def describe(name, before):
        return {"text": kinds[name]["answer"], "finish_reason": kinds[name]["finish_reason"]}

    status, out, shop = asked("--step", "sample", "describe", describe=describe)
    note = json.loads((out / "describe" / "step.json").read_text())
    kept = {line["id"]: line for line in lines_of(out / "describe" / "rows.jsonl")}
    put_aside = {line["id"]: line for line in lines_of(out / "describe" / "quarantine.jsonl")}
    assert status == 0 and not set(kept) & set(put_aside) and len(kept) + len(put_aside) == len(kinds)
    assert note["counts"]["in"] == COUNT and note["checks"]["json"]["count"] == len(put_aside)
    for name, answer in kinds.items():
        if "{" not in answer["answer"] and name in put_aside:
            continue  # no JSON, which a person would understand; the model is asked again
        assert (name in kept) == answer["usable"], (answer["kind"], answer["answer"][:80])
        if answer["usable"]:
            assert kept[name]["draft"]["description"] == " ".join(answer["description"].split())
        else:
            assert put_aside[name]["why"].count("\n") == 0 and put_aside[name]["check"] == "json"
        assert shop.asked["describe", name] == (1 if name in kept else 2)  # once more with a reminder


def test_a_second_answer_that_is_better_counts(asked):
    def refine(name, before):
        return {"text": '{"description": "A casual product in blue."}' if before else '{"description": ""}'}

    status, out, shop = asked(refine=refine)
    assert status == 0 and all(line["refined"]["attempts"] == 2 for line in lines_of(out / "refine" / "rows.jsonl"))
    assert notes_of(out)["refine"]["counts"]["kept"] == COUNT


def test_what_contradicts_the_metadata_or_repeats_print_is_put_aside_with_the_reason(asked, metadata):
    women = [name for name, row in metadata.items() if row["gender"] == "Women"]
    men = [name for name, row in metadata.items() if row["gender"] == "Men"]

    def refine(name, before):
        if name == women[0]:
            return {"text": '{"description": "A casual product for men."}'}
        if name == men[0]:
            return {"text": '{"description": "A product for men that reads \\"JUST GO\\" on the front."}'}
        return {"text": '{"description": "A casual product in a plain colour."}'}

    status, out, shop = asked(refine=refine)
    put_aside = {line["id"]: line["check"] for line in lines_of(out / "refine" / "quarantine.jsonl")}
    assert put_aside == {women[0]: "contradiction", men[0]: "leaked_print"} and status == 0
    assert shop.asked["refine", women[0]] == shop.asked["refine", men[0]] == 2
    assert Counter(place for _, place in accounts(out))["kept"] == COUNT - 2


def test_a_check_that_a_recipe_removes_removes_nothing(asked):
    def refine(name, before):
        return {"text": '{"description": "A product that reads \\"JUST GO\\" on the front."}'}

    status, out, _ = asked("checks.leaked_print=false", refine=refine)
    assert status == 0 and sum(place == "kept" for _, place in accounts(out)) == COUNT


def test_another_prompt_redoes_what_depends_on_it_and_nothing_else(catalogue, metadata, wording, online, tmp_path):  # noqa: F811
    own = tmp_path / "refine-v2.md"
    own.write_text("Merge {{ draft }} and {{ metadata }} into JSON.\n---\nAgain: {{ why }}")
    shop = Shop(catalogue, metadata, wording)
    with serving(shop) as server:
        options = ("--annotator", server.url, *ASKED)
        assert annotate(catalogue, tmp_path / "out", *options) == 0
        describe = (tmp_path / "out" / "describe" / "step.json").stat().st_mtime_ns
        shop.asked.clear()
        assert annotate(catalogue, tmp_path / "out", *options, f"refine.prompt={own}") == 0
        assert Counter(step for step, _ in shop.asked.elements()) == {"refine": COUNT}
        assert describe == (tmp_path / "out" / "describe" / "step.json").stat().st_mtime_ns
        shop.asked.clear()
        assert annotate(catalogue, tmp_path / "out", *options, "sample.count=40") == 0  # the first prompt, fewer rows
        assert not shop.asked  # all of it was answered before


def test_a_key_that_is_refused_stops_nothing_that_was_answered(asked, capsys):
    def describe(name, before):
        return {"status": 401, "body": '{"error": "bad key"}'}

    status, out, _ = asked("--step", "sample", "describe", describe=describe)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("moda annotate")]
    assert status == 1 and any("refuses the key" in line and "MODA_API_KEY" in line for line in said)


def test_an_endpoint_that_fails_midway_leaves_rows_to_ask_for(
    catalogue,
    metadata,
    wording,
    online,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    monkeypatch.setattr("moda.data.endpoint.BACKOFF", 0.01)
    broken = {"is": True}

    def describe(name, before):
        return {"status": 500, "body": "{}"} if broken["is"] and int(name) >= 1030 else shop.draft(name, before)

    shop, out = Shop(catalogue, metadata, wording, describe=describe), tmp_path / "out"
    with serving(shop) as server:
        options = ("--annotator", server.url, *ASKED, "describe.retries=0")
        assert annotate(catalogue, out, *options) == 1
        kept = {name for name, place in accounts(out) if place == "kept"}
        left = {name for name, place in accounts(out) if place == "describe: unanswered"}
        assert len(kept) + len(left) == COUNT and all(int(name) < 1030 for name in kept) and kept
        broken["is"] = False
        shop.asked.clear()
        assert annotate(catalogue, out, *options) == 0
        assert {name for step, name in shop.asked if step == "describe"} == left
        assert {name for step, name in shop.asked if step == "refine"} == left
        assert sum(place == "kept" for _, place in accounts(out)) == COUNT


def test_killed_in_the_middle_no_answered_request_is_repeated(catalogue, metadata, wording, tmp_path):
    shop, out = Shop(catalogue, metadata, wording), tmp_path / "out"
    draft, final = shop.draft, shop.final
    shop.describe = lambda name, before: {**draft(name, before), "delay": 0.05}
    shop.refine = lambda name, before: {**final(name, before), "delay": 0.05}
    environment = {**os.environ, "HF_HUB_OFFLINE": "0", "OMP_NUM_THREADS": "1"}
    with serving(shop) as server:
        options = ["--annotator", server.url, *ASKED, "describe.parallel=2", "refine.parallel=2", "--output", str(out)]
        command = [sys.executable, "-m", "moda.cli", "annotate", str(catalogue), *options]
        for enough in (20, COUNT + 20):  # in the middle of each step
            process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
            )
            deadline = time.monotonic() + 120
            while len(server.bodies) < enough and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(signal.SIGKILL)
            assert process.wait(30) == -signal.SIGKILL
            time.sleep(0.2)
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-2000:]
    assert len(shop.asked) == 2 * COUNT
    repeated = sum(count - 1 for count in shop.asked.values())
    assert repeated <= 2 * 2  # what was on its way at each kill, which nobody had received
    assert sum(place == "kept" for _, place in accounts(out)) == COUNT
