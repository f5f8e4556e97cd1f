"""`moda annotate` with models behind an endpoint: nothing lost, nothing doubled, nobody asked twice, whatever is answered."""

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from datasets import load_dataset
from endpoints import online, serving  # noqa: F401
from PIL import Image, ImageDraw
from shop import (  # noqa: F401
    ASKED,
    BAD_ANSWERS,
    COUNT,
    NAMED,
    Shop,
    accounts,
    annotate,
    asked,
    catalogue,
    lines_of,
    metadata,
    notes_of,
    own,
    wording,
)

from moda.annotation.printed import ocr_available
from moda.data.drawing import font


ROOT = Path(__file__).parents[2]


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

    status, out, shop = asked("--step", "sample,describe", describe=describe)
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


def test_another_prompt_redoes_what_depends_on_it_and_nothing_else(catalogue, metadata, wording, online, tmp_path):
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


@pytest.mark.skipif(not ocr_available(), reason="no OCR engine is installed")
def test_words_that_an_engine_reads_off_the_picture_are_not_to_be_said(wording, online, tmp_path):
    folder = tmp_path / "shop"
    (folder / "images").mkdir(parents=True)
    lines = ["id,gender,articleType,baseColour"]
    for number, word in enumerate(("WONDER", "")):
        picture = Image.new("RGB", (300, 300), "white")
        ImageDraw.Draw(picture).text((20, 110), word, fill="black", font=font(60))
        picture.save(folder / "images" / f"{number}.jpg")
        lines.append(f"{number},Men,Tshirts,White")
    (folder / "styles.csv").write_text("\n".join(lines) + "\n")
    said = {"text": '{"description": "A white wonder of a casual t-shirt."}'}
    with serving(lambda body, before: said) as server:
        options = ("--annotator", server.url, *NAMED, "checks.near_duplicates=false", "dataset.splits={train: 1}")
        assert annotate(folder, tmp_path / "out", *options) == 0
    assert [line["printed"] for line in lines_of(tmp_path / "out" / "sample" / "rows.jsonl")] == [["WONDER"], []]
    [line] = lines_of(tmp_path / "out" / "refine" / "quarantine.jsonl")
    assert (line["id"], line["check"]) == ("0", "leaked_print") and "wonder" in line["why"].lower()


def test_a_key_that_is_refused_from_the_start_costs_nothing(asked, capsys):
    def describe(name, before):
        return {"status": 401, "body": '{"error": "bad key"}'}

    status, out, _ = asked(describe=describe)
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("moda annotate")]
    assert status == 1 and len(said) == 1 and "refuses the key" in said[0] and "MODA_API_KEY" in said[0]
    assert (out / "sample" / "step.json").is_file() and not (out / "describe").exists()


def test_a_key_that_is_refused_midway_keeps_what_was_answered(asked, capsys):
    refused = {"is": True}

    def describe(name, before):
        return {"status": 401, "body": "{}"} if refused["is"] and int(name) > 1040 else shop.draft(name, before)

    shop = Shop(*asked.knows)
    with serving(shop) as server:
        shop.describe = describe
        options = ("--annotator", server.url, *ASKED, "describe.parallel=2")
        assert annotate(asked.knows[0], asked.out, *options) == 1
        assert any("refuses the key" in line for line in capsys.readouterr().err.splitlines())
        places = Counter(place for _, place in accounts(asked.out))
        assert places["kept"] >= 35 and places["kept"] + places["describe: unanswered"] == COUNT
        refused["is"] = False
        shop.asked.clear()
        assert annotate(asked.knows[0], asked.out, *options) == 0
        assert sum(place == "kept" for _, place in accounts(asked.out)) == COUNT
        assert sum(step == "describe" for step, _ in shop.asked) == places["describe: unanswered"]


def test_a_second_answer_that_does_not_come_is_asked_for_in_the_next_run(asked, monkeypatch):
    monkeypatch.setattr("moda.data.endpoint.BACKOFF", 0.01)
    down = {"is": True}

    def refine(name, before):
        return {"text": "{}"} if int(name) < 1010 else shop.final(name, before)

    def script(body, _):
        if len(body["messages"]) == 1:
            return shop(body, _)
        if down["is"]:
            return {"status": 500, "body": "{}"}
        name = body["messages"][0]["content"].partition("which reads N")[2].partition(".")[0]
        return shop.final(name, 0)

    shop = Shop(*asked.knows, refine=refine)
    with serving(script) as server:
        options = ("--annotator", server.url, *ASKED, "describe.retries=0", "refine.retries=0")
        assert annotate(asked.knows[0], asked.out, *options) == 1
        lines = lines_of(asked.out / "refine" / "quarantine.jsonl")
        assert [line["check"] for line in lines] == ["unanswered"] * 10 and "can't be used" in lines[0]["why"]
        down["is"] = False
        before = len(server.bodies)
        assert annotate(asked.knows[0], asked.out, *options) == 0
        assert len(server.bodies) - before == 10 and not lines_of(asked.out / "refine" / "quarantine.jsonl")


def test_an_endpoint_that_fails_midway_leaves_rows_to_ask_for(
    catalogue,
    metadata,
    wording,
    online,
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
        options = [
            "--annotator",
            server.url,
            *ASKED,
            "describe.parallel=2",
            "refine.parallel=2",
            "sample.count=40",
            "--output",
            str(out),
        ]
        command = [sys.executable, "-m", "moda.cli", "annotate", str(catalogue), *options]
        for enough in (15, 55):  # in the middle of each step
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
    assert len(shop.asked) == 2 * 40
    repeated = sum(count - 1 for count in shop.asked.values())
    assert repeated <= 2 * 2  # what was on its way at each kill, which nobody had received
    assert sum(place == "kept" for _, place in accounts(out)) == 40


def test_pictures_that_have_changed_are_described_again(own, metadata, wording, online, tmp_path):
    shop = Shop(own, metadata, wording)
    with serving(shop) as server:
        options = ("--annotator", server.url, *ASKED)
        assert annotate(own, tmp_path / "out", *options) == 0
        Image.new("RGB", (48, 48), "red").save(own / "images" / "1003.jpg")
        shop.ids[(own / "images" / "1003.jpg").read_bytes()] = "1003"
        shop.asked.clear()
        assert annotate(own, tmp_path / "out", *options) == 0
    assert dict(shop.asked) == {("describe", "1003"): 1}  # its draft was the same, and so is what was made of it


def test_metadata_that_have_changed_are_refined_again(own, metadata, wording, online, tmp_path):
    shop = Shop(own, metadata, wording)
    with serving(shop) as server:
        options = ("--annotator", server.url, *ASKED)
        assert annotate(own, tmp_path / "out", *options) == 0
        table = (own / "styles.csv").read_text().splitlines()
        table[4] = table[4].replace(metadata["1003"]["gender"], "Unisex", 1)
        (own / "styles.csv").write_text("\n".join(table) + "\n")
        shop.asked.clear()
        assert annotate(own, tmp_path / "out", *options, "checks.contradiction=false") == 0
    assert dict(shop.asked) == {("refine", "1003"): 1}
