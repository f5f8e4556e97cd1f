"""The dataset card, as the Hub and `load_dataset` read it."""

import copy
import re

import numpy as np
import pytest
from annotated import (
    ANNOTATORS,
    CHECKS,
    INSTRUCT,
    METADATA_ONLY,
    ON,
    RULES,
    SPLITS,
    VISION,
    make_records,
    make_source,
    make_summary,
)
from datasets import load_dataset, load_dataset_builder
from huggingface_hub import DatasetCard
from PIL import Image

from moda.annotation.assemble import assemble
from moda.annotation.card import accounts, caught, write_card
from moda.annotation.figures import draw, shortened


@pytest.fixture(scope="module")
def drawn():
    source, rows = make_source(40)
    return source, list(make_records(source, rows))


def carded(drawn, folder, annotators=ANNOTATORS, clip_score=None, **changes):
    source, records = drawn
    kept = {}

    def finish(part, note):
        kept.update(make_summary(records, note), **changes)
        write_card(part, kept, lambda row: source.rows[row]["image"])

    splits = [SPLITS[place // 2 % 10] for place in range(40)]
    assemble(records, source, splits, annotators, folder, ON, clip_score=clip_score, finish=finish)
    return kept, DatasetCard.load(folder / "dataset" / "README.md")


@pytest.fixture(scope="module")
def written(drawn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder / "dataset", *carded(drawn, folder)


def test_the_front_matter_says_what_there_is(written, tmp_path):
    folder, summary, card = written
    data = card.data.to_dict()
    assert (data["task_categories"], data["size_categories"]) == (["image-to-text"], ["n<1K"])
    assert "language" not in data and data["annotations_creators"] == ["machine-generated"]
    assert {"moda", "synthetic"} < set(data["tags"]) and "license" not in data
    assert {split["name"]: split["num_examples"] for split in data["dataset_info"]["splits"]} == {
        "train": 32, "validation": 4, "test": 4,
    }  # fmt: skip
    builder = load_dataset_builder(str(folder), cache_dir=str(tmp_path))
    assert list(builder.info.features) == [feature["name"] for feature in data["dataset_info"]["features"]]


def test_load_dataset_reads_only_the_data(written, tmp_path):
    found = load_dataset(str(written[0]), cache_dir=str(tmp_path))  # and its numbers agree with the card's
    assert sorted(found) == ["test", "train", "validation"] and len(found["train"]) == 32
    assert found["train"].features == load_dataset_builder(str(written[0]), cache_dir=str(tmp_path)).info.features


def test_the_text_tells_how_it_was_made(written):
    text = " ".join(written[2].text.split())
    summary = written[1]
    assert text.startswith("# Shop described 40 pictures of products")
    assert "from styles.csv" in text
    for step, day in (("describe", "2026-11-20"), ("refine", "2026-11-21")):
        who = ANNOTATORS[step]
        name = who["model"].rpartition("/models/mine/")[2]
        name += f", adapter {who['adapter']}" if who["adapter"] else ""
        parameters = "max\\_new\\_tokens 300, do\\_sample False"
        row = f"| {step} | {name} | {who['revision']} | mit | {parameters} | {who['prompt']} | {who['prompt_sha256']} | {day} |"
        assert row in text
    assert "93 = 40 in the dataset + 3 put aside with a reason + 7 left out before" in text
    assert "+ 43 that were not drawn" in text
    assert "| column | sample | dataset | | --- | ---: | ---: | | gender | 0.0021 | 0.0031 |" in text
    assert "| baseColour | 0.0153 | 0.0163 |" in text and "of the catalogue's rows with a picture" in text
    assert "| train | 32 | 1 |" in text
    assert "Rows that belong together (near-duplicate pictures, products of one title) share a `group`;" in text
    assert "no group lies in two splits. 4 rows were moved to the split of others of shop." in text
    assert "catalogue's shares are kept, and few of those that look the same." in text
    note = summary["steps"]["assemble"]
    assert f"{note['words']['median']:g} words in the median" in text
    assert f"use {note['vocabulary']['distinct']} different words" in text
    assert f"{note['vocabulary']['frequent'][0][0]} ({note['vocabulary']['frequent'][0][1]})" in text
    assert "40 rows (100.0 %) share their group with others: there are 20 groups, the largest of 2." in text
    assert "with a usable picture 12 look like another one, in 5 sets." in text
    assert re.search(r"`leaked_print`: [^|]+ \| describe \| 42 \| 0 \| 5 \|", text)
    assert re.search(r"`leaked_print`: [^|]+ \| refine \| 42 \| 2 \| 0 \|", text)
    assert re.search(r"`length`: [^|]+ \| refine \| 42 \| 1 \| 0 \|", text)
    assert re.search(r"`language`: [^|]+ \| removed by the recipe \|", text)
    assert re.search(r"`concept_caps`: [^|]+ \| not asked for \|", text)
    assert "Not checked: concept_caps, language, clip_score. ##" in text
    assert "None is named here" in text and 'load_dataset("path/to/this/dataset")' in text


def test_tables_are_tables(written):
    lines = written[2].text.split("\n")
    for number, line in enumerate(lines):
        if line.startswith("| ---"):
            columns = line.count("|")
            table = [lines[number - 1]]
            for row in lines[number + 1 :]:
                if not row.startswith("|"):
                    break
                table.append(row)
            assert len(table) > 1 and {row.count("|") for row in table} == {columns}
    assert "\n\n\n\n" not in written[2].text


def test_no_machine_is_told_of(written):
    for file in [*written[0].glob("*.md"), *written[0].glob("figures/*"), *written[0].glob("data/*")]:
        content = file.read_bytes()
        assert not any(path in content for path in (b"/home/", b"/data/", b"/models/", b"/tmp/")), file


def test_pictures_lie_beside(written):
    folder, _, card = written
    files = {file.name for file in (folder / "figures").iterdir()}
    assert files == {"lengths.png", "marginals.png", "sheet.png"}
    assert {name for name in re.findall(r"\(figures/([\w.]+)\)", card.text)} == files
    for name in files:
        picture = np.asarray(Image.open(folder / "figures" / name).convert("L"), dtype=float)
        assert picture.std() > 15 and (picture < 128).mean() > 0.02, name


def test_a_card_of_another_kind(drawn, tmp_path):
    changes = {
        "name": "A|B <b>",
        "licence": "cc-by-4.0",
        "repository": "me/shop",
        "clip": "openai/clip",
        "checks": {**CHECKS, "json": False, "near_duplicates": False, "language": {"language": "de"}},
        "columns": {"image": "image", "group": "family"},
    }
    scores = iter(range(40))
    _, card = carded(
        drawn, tmp_path, METADATA_ONLY, clip_score=lambda pictures, _: [next(scores) / 40 for _ in pictures], **changes
    )
    data, text = card.data.to_dict(), " ".join(card.text.split())
    assert data["license"] == "cc-by-4.0" and "synthetic" not in data["tags"] and data["pretty_name"] == "A|B <b>"
    assert text.startswith("# A\\|B &lt;b>") and data["language"] == "de"
    assert "products of one title, the catalogue's own groups) share" in text
    assert "few of those that look the same" not in text
    assert 'load_dataset("me/shop")' in text and "data.path=me/shop" in text
    assert "The CLIPScore by openai/clip is 0.487 in the median." in text and "(figures/clip.png)" in text
    assert (tmp_path / "dataset" / "figures" / "clip.png").stat().st_size > 5000
    assert "cc-by-4.0, as said by" in text and "None is named" not in text
    why = "removed by the recipe; an answer without JSON is taken as plain text"
    assert re.search(rf"`json`: [^|]+ \| {why} \|", text) and "`json`" in text
    assert "Not checked: near_duplicates, concept_caps, json, clip_score. Answers without JSON were taken" in text


SEEN, READ = ("microsoft/Phi-4-multimodal-instruct", "Phi-3-mini")


@pytest.mark.parametrize(
    "describe, refine, says, never",
    [
        (VISION, INSTRUCT, [
            f"`initial_description` is **synthetic**, by {SEEN}; `description` is **synthetic**, by {READ}.",
            f"`initial_description`: {SEEN} saw the picture and drafted it. It was asked to leave out the wearer",
            f"`description`: {READ} merged the draft with the metadata, without seeing the picture. It was asked to take",
            "A model wrote the sentences", "the metadata were believed", "The annotators' own are in the table",
        ], ["no model", "rules wrote", "knows only"]),
        (VISION, RULES, [
            f"`initial_description` is **synthetic**, by {SEEN}; `description` is written by rules from the metadata.",
            "`description`: rules wrote it from the metadata alone, and nothing of the draft is in it. 4. **Assemble.**",
            "`description` knows only what the metadata say", "as a model gave them",
        ], ["no model", "It was asked to take", "A model wrote the sentences", "were believed"]),
        (RULES, INSTRUCT, [
            f"`initial_description` is written by rules from the metadata; `description` is **synthetic**, by {READ}.",
            "`initial_description`: rules wrote it from the metadata, and no model saw the picture. 3. **Refine.**",
            f"{READ} reworded that sentence with the metadata at hand, and no model saw the picture. It was asked to take",
            "A model wrote the sentences",
        ], ["leave out the wearer", "merged the draft", "as a model gave them", "were believed", "knows only"]),
        (RULES, RULES, [
            "are one sentence, written by rules from the metadata: no model wrote or saw anything.",
            "`description`: rules wrote it from the metadata once more, which gives the same sentence.",
            "`description` knows only what the metadata say",
        ], ["synthetic", "It was asked", "A model wrote the sentences", "were believed", "The annotators' own"]),
    ],
)  # fmt: skip
def test_who_wrote_what_is_told_truly(drawn, tmp_path, describe, refine, says, never):
    _, card = carded(drawn, tmp_path, {"describe": describe, "refine": refine})
    text = " ".join(card.text.split())
    for words in says:
        assert words in text, words
    for words in (*never, "was kept"):
        assert words not in text, words
    assert ("synthetic" in card.data.tags) == ("synthetic" in text)


def test_accounts_have_to_come_out(written):
    summary = copy.deepcopy(written[1])
    assert accounts(summary) == {"input": 93, "kept": 40, "quarantined": 3, "skipped": 7, "not drawn": 43}
    summary["steps"]["assemble"]["counts"] = {"in": 40, "kept": 38, "quarantined": 2}
    assert accounts(summary) == {"input": 93, "kept": 38, "quarantined": 5, "skipped": 7, "not drawn": 43}
    summary["steps"]["refine"]["counts"]["quarantined"] = 1
    with pytest.raises(ValueError, match="has 93 rows and 38 kept .* make 92"):
        accounts(summary)


def test_what_was_caught_where(written):
    summary = copy.deepcopy(written[1])
    summary["steps"]["refine"]["flags"] = {"leaked_print": {"count": 2, "examples": [{"id": "p1"}]}}
    found = caught(summary)
    assert {step: (at["in"], at["out"], at["flagged"]) for step, at in found["leaked_print"].items()} == {
        "describe": (42, 0, 5), "refine": (42, 2, 2),
    }  # fmt: skip
    assert found["length"]["refine"]["out"] == 1 and found["length"]["refine"]["examples"][0]["check"] == "length"
    assert len(found["leaked_print"]["refine"]["examples"]) == 3
    assert found["language"] == {} and set(found["length"]) == {"describe", "refine"}
    assert found["unreadable"]["sample"]["out"] == 4 and "no_picture" not in found
    assert summary["steps"]["refine"]["checks"]["leaked_print"]["count"] == 2  # and nothing was changed
    assert len(summary["steps"]["refine"]["checks"]["leaked_print"]["examples"]) == 2


def test_a_check_looks_at_what_is_left_to_look_at(written):
    summary = copy.deepcopy(written[1])
    counted = {"no_picture": 5, "unreadable": 4, "picture_size": 3, "near_duplicates": 2}
    refused = {"unreadable": 1, "unanswered": 6, "nothing_to_say": 2, "json": 3, "length": 9, "leaked_print": 8}
    for step, counts in (("sample", counted), ("refine", refused), ("assemble", {"unreadable": 4})):
        noted = {name: {"count": count, "examples": []} for name, count in counts.items()}
        summary["steps"][step].update(checks=noted, flags={})
    summary["checks"] = {**CHECKS, "clip_score": {"floor": 0.5}}
    found = caught(summary)
    assert [found[name]["sample"]["in"] for name in counted] == [93, 88, 84, 81]
    assert [found[name]["refine"]["in"] for name in refused] == [42, 42, 42, 33, 30, 30]
    assert found["repetition"]["refine"]["in"] == 30 and found["clip_score"]["assemble"]["in"] == 36
    assert found["unreadable"]["assemble"]["out"] == 4
    summary["steps"]["describe"].update(annotator=RULES, checks={})  # gives no answer that could be no JSON
    assert set(caught(summary)["json"]) == {"refine"}
    summary["steps"]["refine"].update(annotator=RULES, checks={})
    assert "json" not in caught(summary) and caught(summary)["language"] == {}


def test_many_values_are_shortened():
    values = {"b": 8, "not known": 5, **{f"v{number}": 2 for number in range(9)}}
    assert shortened(values, 11) == [("b", 8, 1.0), *((f"v{n}", 2, 0.25) for n in range(9)), ("not known", 5, 0.625)]
    assert shortened(values, 4) == [("b", 8, 1.0), ("v0", 2, 0.25), ("8 others", 16, None), ("not known", 5, 0.625)]


def test_charts_of_few_and_odd_values(written, tmp_path):
    note = copy.deepcopy(written[1]["steps"]["assemble"])
    note.update(marginals={"gender": {"not known": 3, "女 $x^$": 2}}, words={"histogram": [[4, 5]], "median": 4.0})
    unreadable = note["examples"][0]["row"]
    good = (written[0] / "figures" / "sheet.png").read_bytes()
    names = draw(tmp_path, note, lambda row: {"bytes": b"" if row == unreadable else good, "path": None})
    assert names == ["lengths.png", "marginals.png", "sheet.png"]
    assert draw(tmp_path / "none", {**note, "marginals": {}}, lambda row: {"bytes": b"", "path": None}) == [
        "lengths.png"
    ]
    assert Image.open(tmp_path / "sheet.png").height > Image.open(tmp_path / "lengths.png").height / 2
