"""A whole evaluation, on a small drawn catalogue: planted sentences come out as planted."""

import json
import math
import random
import shutil

import pandas
import pytest
import torch
from conftest import make_tokenizer
from datasets import Dataset, Image
from endpoints import last_text, online, serving  # noqa: F401
from safetensors.torch import load_file, save_file
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel

from moda.cli import main
from moda.commands.evaluate import _told
from moda.data.demo import demo_rows
from moda.data.endpoint import Endpoint
from moda.evaluation.clip import PREFIX, clip_score, load_clip, recall_at_k
from moda.evaluation.evaluate import Evaluation, System, plain, scoreboard
from moda.evaluation.model_judge import ModelJudge
from moda.evaluation.probes import run_probes
from moda.evaluation.rows import select_rows
from moda.training.backbones import closing, special_ids


@pytest.fixture(scope="module")
def products(tmp_path_factory):
    """Two hundred drawn products: 80 to learn from, 120 to be evaluated on."""
    import io

    table = []
    for index, row in enumerate(demo_rows(200, seed=1, size=32)):
        picture = io.BytesIO()
        row["image"].save(picture, "PNG")
        row = {**row, "image": {"bytes": picture.getvalue(), "path": None}, "id": str(index), "group": index // 2}
        table.append({**row, "split": "train" if index < 80 else "test"})
    file = tmp_path_factory.mktemp("products") / "products.parquet"
    Dataset.from_list(table).cast_column("image", Image(decode=False)).to_parquet(file)
    return str(file)


@pytest.fixture
def evaluation(products, tmp_path):
    return Evaluation(select_rows(products), tmp_path / "out", resamples=300)


def right_sentences(rows, selection):
    wording = selection.catalogue.wording
    return [wording.write(row, index) for index, row in enumerate(rows)]


def test_right_sentences_reach_ten_and_planted_errors_their_share(evaluation):
    selection, rows = evaluation.selection, evaluation.rows
    right = right_sentences(rows, selection)
    colours = sorted({row["baseColour"] for row in rows})
    wrong = set(random.Random(0).sample(range(len(rows)), 30))  # a quarter
    planted = [
        {**row, "baseColour": next(c for c in colours if c != row["baseColour"])} if index in wrong else row
        for index, row in enumerate(rows)
    ]
    evaluation.add(System("right", "model", "by hand", right, confidences=[-0.1] * len(rows)))
    evaluation.add(System("planted", "other model", "by hand", right_sentences(planted, selection)))
    results = evaluation.results()
    first, second = results["systems"]
    for name in ("colour", "style", "category", "gender", "factual", "overall"):
        assert (
            first["five"][name]["value"] == 10
            and first["five"][name]["rows"] + first["five"][name]["excluded"] == 120
            or (name == "overall")
        )
    assert second["five"]["colour"]["value"] == 7.5
    assert second["five"]["colour"]["low"] < 7.5 < second["five"]["colour"]["high"]
    assert second["five"]["category"]["value"] == second["five"]["gender"]["value"] == 10
    assert second["attributes"]["baseColour"]["right"] == 90 and second["attributes"]["articleType"]["accuracy"] == 1
    assert first["attributes"]["articleType"]["low"] < 1  # 120 rows do not prove that it never errs
    difference = results["paired"][0]["differences"]["colour"]
    assert difference["value"] == 2.5 and difference["low"] > 0 and difference["p"] < 0.05
    assert results["paired"][0]["differences"]["category"]["p"] == 1
    table = {line["value"]: line for line in results["classes"]["baseColour"]}
    assert sum(line["rows"] for line in table.values()) == 120 and all(
        line["recall"] in (1, None) for line in table.values()
    )
    assert not results["worst"] and len(results["examples"]) == 24
    assert results["calibration"]["accuracy"] == 1
    assert json.loads(json.dumps(results, allow_nan=False)) == results  # no NaN is left
    assert "7.50 (" in "\n".join(scoreboard(results))


def test_groups_are_drawn_whole(evaluation):
    """Rows in pairs that are right or wrong together say half as much, and the interval knows."""
    rows, selection = evaluation.rows, evaluation.selection
    right = right_sentences(rows, selection)
    said = [sentence if row["group"] % 2 else "A thing." for row, sentence in zip(rows, right)]
    evaluation.add(System("pairs", "model", "by hand", said))
    grouped = evaluation.results()["systems"][0]["five"]["category"]
    evaluation.groups = None
    alone = evaluation.results()["systems"][0]["five"]["category"]
    ratio = (grouped["high"] - grouped["low"]) / (alone["high"] - alone["low"])
    assert grouped["value"] == alone["value"] and 1.2 < ratio < 1.65  # the square root of two


def test_empty_sentences_are_wrong_and_counted(evaluation):
    evaluation.add(System("silent", "model", "by hand", [""] * 120))
    results = evaluation.results()
    five = results["systems"][0]["five"]
    assert five["category"]["value"] == 0 and five["factual"] == {
        **five["factual"],
        "value": None,
        "rows": 0,
        "excluded": 120,
    }
    assert any("says nothing of 120 rows" in note for note in results["notes"])
    assert results["systems"][0]["captions"]["bleu_4"]["value"] == 0


def test_confidences_are_logarithms(predictions, products, tmp_path, capsys):
    table = pandas.read_csv(predictions)
    table.loc[3, "confidence"] = 0.9
    table.to_csv(tmp_path / "wrong.csv", index=False)
    assert main(["evaluate", str(tmp_path / "wrong.csv"), products, "--output", str(tmp_path / "out")]) == 1
    assert "has confidence '0.9' in line 4, where a mean log-probability is at most 0" in capsys.readouterr().err
    table.loc[3, "confidence"] = None
    table.to_csv(tmp_path / "blank.csv", index=False)
    assert main(["evaluate", str(tmp_path / "blank.csv"), products, "--output", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out" / "scores.json").read_text())["calibration"]["rows"] == 119


def test_systems_that_do_not_fit_are_refused(evaluation):
    with pytest.raises(ValueError, match="short has 3 sentences for 120 rows"):
        evaluation.add(System("short", "model", "by hand", ["A shirt."] * 3))
    evaluation.add(System("one", "model", "by hand", ["A shirt."] * 120))
    with pytest.raises(ValueError, match="Two systems are called 'one'"):
        evaluation.add(System("one", "model", "by hand", ["A shirt."] * 120))


def test_rows_without_metadata_have_caption_scores_alone(products, tmp_path):
    rows = pandas.read_parquet(products)
    captions = rows[["image", "description", "split", "id"]].rename(columns={"description": "caption"})
    captions["captions"] = [[text, "Something else."] for text in captions.pop("caption")]
    captions.to_parquet(tmp_path / "captions.parquet")
    evaluation = Evaluation(select_rows(str(tmp_path / "captions.parquet")), tmp_path / "out", resamples=50)
    evaluation.add(System("same", "model", "by hand", [row["descriptions"][0] for row in evaluation.rows]))
    results = evaluation.results()
    system = results["systems"][0]
    assert "five" not in system and "attributes" not in system and not results["classes"]
    assert system["captions"]["bleu_4"]["value"] == pytest.approx(1) and system["exact_match"]["accuracy"] == 1
    assert "bleu_4" in scoreboard(results)[0] and "1.00 (" in scoreboard(results)[1]
    evaluation.write()
    assert "bleu" in (tmp_path / "out" / "report.html").read_text().lower()


def test_references_that_are_missing_are_counted(products, tmp_path):
    rows = pandas.read_parquet(products)
    rows.loc[rows.index[-20:], "description"] = None
    rows.to_parquet(tmp_path / "gaps.parquet")
    evaluation = Evaluation(select_rows(str(tmp_path / "gaps.parquet")), tmp_path / "out", resamples=50)
    evaluation.add(System("a", "model", "by hand", ["A black shirt for men."] * 120))
    results = evaluation.results()
    assert "20 rows have no reference: caption metrics leave them out." in results["notes"]
    assert results["systems"][0]["exact_match"]["rows"] == 100
    assert results["systems"][0]["five"]["category"]["rows"] == 120  # which metadata alone decides


def test_plain_leaves_nothing_that_json_lacks():
    import numpy as np

    given = {1: np.float32(0.5), "a": (np.array([1, 2]), math.nan, math.inf), "b": None, "c": True}
    assert plain(given) == {"1": 0.5, "a": [[1, 2], None, None], "b": None, "c": True}


def test_factual_consistency_that_repeats_the_others_is_told(evaluation):
    right = right_sentences(evaluation.rows, evaluation.selection)
    evaluation.add(System("bare", "model", "by hand", right))
    assert any("factual consistency is the mean of the other four" in note for note in evaluation.results()["notes"])


def test_rows_without_a_group_stand_alone(products, tmp_path):
    evaluation = Evaluation(select_rows(products), tmp_path, resamples=50)
    evaluation.groups = [None] * 120
    evaluation.add(System("a", "model", "by hand", ["A black shirt for men."] * 120))
    assert evaluation.results()["data"]["effective_groups"] == 120


# What asks models: a CLIP, the probes, a judge.


@pytest.fixture(scope="module")
def clip_folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clip")
    tokenizer = closing(make_tokenizer(), 48)
    shape = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    text = {**shape, "max_position_embeddings": 48, **special_ids(tokenizer)}
    torch.manual_seed(0)
    vision = {**shape, "image_size": 32, "patch_size": 16}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)).save_pretrained(folder)
    size = {"height": 32, "width": 32}
    CLIPImageProcessor(size=size, do_center_crop=False, crop_size=size).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_a_clip_scores_every_system_row_by_row(evaluation, clip_folder):
    clip = load_clip(clip_folder)
    right = right_sentences(evaluation.rows, evaluation.selection)
    evaluation.add(System("right", "model", "by hand", right))
    evaluation.add(System("turned", "other model", "by hand", right[1:] + right[:1]))
    evaluation.embed(clip)
    shown = evaluation.shown
    evaluation.add_clip(clip)
    said = clip.text_embeddings([PREFIX + sentence for sentence in right])
    for system, turn in zip(evaluation.systems, (0, -1)):
        expected = clip_score(shown, said.roll(turn, 0))
        assert system.rows["clip"]["clip_score"] == pytest.approx(expected.numpy(), abs=1e-6)
    figures = evaluation.results()["systems"][0]["clip"]
    recall = recall_at_k(shown, said)
    for way in ("text_to_image", "image_to_text"):
        found = figures[f"{way.replace('_', ' ')} R@10"]
        assert found["value"] == pytest.approx(recall[way][10]) and found["low"] <= found["value"] <= found["high"]


def test_probes_join_the_report(evaluation, model, processor):
    evaluation.add(System("right", "model", "by hand", right_sentences(evaluation.rows, evaluation.selection)))
    evaluation.add_probes(model.eval(), processor)
    probes = evaluation.write()["probes"]
    asked = {probe["name"]: probe for probe in run_probes(model, processor, progress=False)}
    assert len(probes) == 5
    for probe in probes:
        assert probe["accuracy"] == asked[probe["name"]]["accuracy"] and probe["rows"] == asked[probe["name"]]["rows"]
        assert probe["low"] <= probe["accuracy"] <= probe["high"] and probe["parts"]
        assert (evaluation.folder / f"probe-{probe['name'].replace('/', '-').replace(' ', '-')}.png").is_file()


def judged(body, number):
    """Finds every score right, but for articles that the sentence calls a shirt."""
    wrong = "shirt" in last_text(body).split("Sentence")[-1].lower()
    verdict = {"colours": {"named": ["black"], "missed": []}, "style": True, "category": not wrong, "gender": True}
    return {"text": json.dumps({**verdict, "details": {"right": ["black"], "wrong": [], "unverifiable": []}})}


def test_a_judge_model_scores_the_rows_it_was_asked_about(evaluation, online, tmp_path):
    said = ["A black shirt for men." if index % 2 else "A black belt for men." for index in range(120)]
    evaluation.add(System("said", "model", "by hand", said))
    with serving(judged) as server:
        judge = ModelJudge(Endpoint(server.url, "judge", cache=tmp_path / "answers.jsonl", retries=1))
        evaluation.add_judge_model(judge, count=40)
    results = evaluation.results()
    rules, model = results["systems"]
    assert model["kind"] == "judge model" and not results["paired"] and not results["problems"]
    chosen = [index * 120 // 40 for index in range(40)]
    assert model["five"]["category"]["rows"] == 40
    assert model["five"]["category"]["value"] == 10 * sum("shirt" not in said[index] for index in chosen) / 40
    assert results["judge"]["name"] == "rules" and results["judge"]["model"]["model"] == "judge"
    assert results["agreement"]["category"]["rows"] == 40


def test_an_endpoint_that_is_down_loses_nothing_else(evaluation, online, tmp_path):
    evaluation.add(System("said", "model", "by hand", ["A black shirt for men."] * 120))
    judge = ModelJudge(Endpoint("http://127.0.0.1:9/v1", "judge", cache=tmp_path / "answers.jsonl", retries=0))
    evaluation.add_judge_model(judge)
    results = evaluation.write()
    assert len(results["problems"]) == 1 and "run the same again" in results["problems"][0]
    assert (tmp_path / "out" / "report.html").is_file() and results["systems"][0]["five"]["overall"]["rows"] == 120


# The command.


@pytest.fixture
def predictions(products, tmp_path):
    evaluation = Evaluation(select_rows(products), tmp_path)
    table = {
        "id": [row["id"] for row in evaluation.rows],
        "sentence": right_sentences(evaluation.rows, evaluation.selection),
        "confidence": [-0.01 * index for index in range(120)],
    }
    file = tmp_path / "said.csv"
    pandas.DataFrame(table).sample(frac=1, random_state=0).to_csv(file, index=False)
    return str(file)


def test_sentences_of_any_system_beside_a_model_and_baselines(predictions, products, repository, tmp_path, capsys):
    out = tmp_path / "report"
    command = ["evaluate", predictions, products, "--against", str(repository), "--baselines", "majority", "nearest"]
    command += ["--max-new-tokens", "4", "--resamples", "100", "--output", str(out)]
    assert main(command) == 1  # nearest needs the model of what is evaluated, and sentences have none
    said = capsys.readouterr()
    assert "Baseline nearest could not be done: There is no model here" in said.err
    results = json.loads((out / "scores.json").read_text())
    assert [system["name"] for system in results["systems"]] == ["said.csv", "moda-tiny", "majority"]
    assert results["systems"][0]["five"]["overall"]["value"] == 10 > results["systems"][2]["five"]["overall"]["value"]
    assert len(sentences_of(out, "moda-tiny").read_text().splitlines()) == 120
    page = (out / "report.html").read_text()
    assert "majority" in page
    assert (out / "scores.png").is_file() and "overall" in said.out


def test_a_model_is_evaluated_again_without_describing_again(repository, products, tmp_path, capsys):
    out = tmp_path / "again"
    command = [
        "evaluate",
        str(repository),
        products,
        "--rows",
        "20",
        "--max-new-tokens",
        "4",
        "--resamples",
        "50",
        "--output",
        str(out),
    ]
    assert main([*command, "--baselines", "blind"]) == 0
    first = json.loads((out / "scores.json").read_text())
    file = sentences_of(out, "moda-tiny")
    planted = file.read_text().splitlines(keepends=True)
    planted[0] = json.dumps({**json.loads(planted[0]), "sentence": ""}) + "\n"
    file.write_text("".join(planted))
    assert main([*command, "--baselines", "blind"]) == 0
    second = json.loads((out / "scores.json").read_text())
    # Nothing was described again, neither by the model nor by the baseline: what stands in the files is scored.
    assert second["systems"][0]["empty"] == first["systems"][0]["empty"] + 1 and file.read_text() == "".join(planted)
    assert first["systems"][1] == second["systems"][1] and sentences_of(out, "baseline-blind").is_file()
    assert "20 of 120 rows" in " ".join(first["notes"])
    # Another length, and another model in the same place, are described anew; what was there stays.
    assert main([*command, "--max-new-tokens", "5"]) == 0
    shutil.copytree(repository, tmp_path / "moda-tiny")
    weights = load_file(tmp_path / "moda-tiny" / "model.safetensors")
    name = next(name for name in weights if "norm" in name)
    save_file({**weights, name: weights[name] * 1.5}, tmp_path / "moda-tiny" / "model.safetensors", {"format": "pt"})
    assert main([command[0], str(tmp_path / "moda-tiny"), *command[2:]]) == 0
    assert len(list((out / "sentences").glob("moda-tiny-*.jsonl"))) == 3 and file.read_text() == "".join(planted)


def sentences_of(folder, name):
    (file,) = (folder / "sentences").glob(f"{name}-*.jsonl")
    return file


def test_what_fails_on_the_way_costs_nothing_else(predictions, products, tmp_path, capsys):
    out = tmp_path / "out"
    command = ["evaluate", predictions, products, "--resamples", "50", "--output", str(out), "--probes"]
    assert main([*command, "--captioner", str(tmp_path), "--baselines", "majority", "majority"]) == 1
    said = capsys.readouterr().err
    assert "Baseline captioner could not be done" in said and "The probes ask a model" in said
    names = [system["name"] for system in json.loads((out / "scores.json").read_text())["systems"]]
    assert names == ["said.csv", "majority"]


def test_the_report_does_not_tell_where_things_lie(predictions, products, repository, tmp_path):
    out = tmp_path / "out"
    evaluation = Evaluation(select_rows(products), out, resamples=50)
    evaluation.read("said", predictions)
    evaluation.write(_told(["evaluate", predictions, products, "--output", str(out)]))
    for file in ("report.html", "scores.json"):
        assert str(tmp_path) not in (out / file).read_text() and products not in (out / file).read_text()


def test_files_of_an_evaluation_before_go(evaluation):
    for name in ("confusion-old.png", "curves.png", "probe-counting.png", "mine.png"):
        evaluation.folder.mkdir(exist_ok=True)
        (evaluation.folder / name).write_bytes(b"old")
    evaluation.add(System("a", "model", "by hand", ["A black shirt for men."] * 120))
    evaluation.write()
    assert not any(
        (evaluation.folder / name).exists() for name in ("confusion-old.png", "curves.png", "probe-counting.png")
    )
    assert evaluation.results() == evaluation.results()  # which changes nothing
    assert (evaluation.folder / "mine.png").read_bytes() == b"old"


def test_row_numbers_are_those_of_the_split_also_of_some_rows(products, tmp_path):
    """Of 120 rows every third is evaluated: a file that numbers all of them must still find its own."""
    evaluation = Evaluation(select_rows(products), tmp_path)
    right = right_sentences(evaluation.rows, evaluation.selection)
    pandas.DataFrame({"row": range(120), "sentence": right}).to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    out = tmp_path / "out"
    assert main(["evaluate", str(tmp_path / "a.jsonl"), products, "--rows", "40", "--output", str(out)]) == 0
    results = json.loads((out / "scores.json").read_text())
    assert results["data"]["rows"] == 40 and results["systems"][0]["five"]["overall"]["value"] == 10


@pytest.fixture
def damaged(products, tmp_path):
    """The products, with a picture in the middle of the test rows that can't be read."""
    table = pandas.read_parquet(products)
    table.at[130, "image"] = {"bytes": table["image"][130]["bytes"][:100], "path": None}
    table.to_parquet(tmp_path / "damaged.parquet")
    return str(tmp_path / "damaged.parquet")


def test_an_unreadable_picture_shifts_no_row(damaged, repository, tmp_path, capsys):
    whole = select_rows(damaged)
    wording = whole.catalogue.wording
    right = [wording.write(row, 0) for row in whole.rows.remove_columns("image").to_list()]
    pandas.DataFrame({"row": range(120), "sentence": right}).to_csv(tmp_path / "right.csv", index=False)
    out, command = tmp_path / "out", ["--max-new-tokens", "3", "--resamples", "50"]
    files = [str(tmp_path / "right.csv"), damaged]
    assert main(["evaluate", *files, "--against", str(repository), *command, "--output", str(out)]) == 0
    results = json.loads((out / "scores.json").read_text())
    assert results["data"]["rows"] == 119 and results["systems"][0]["five"]["overall"]["value"] == 10
    assert any("1 rows were left out" in note for note in results["notes"])
    lines = [json.loads(line) for line in sentences_of(out, "moda-tiny").read_text().splitlines()]
    assert [line["row"] for line in lines] == [row for row in range(120) if row != 50]
    # What the command wrote, it reads: the missing row is the one without a picture.
    again = ["evaluate", str(sentences_of(out, "moda-tiny")), damaged, "--against", str(repository), *command]
    assert main([*again, "--output", str(tmp_path / "again")]) == 0
    again = json.loads((tmp_path / "again" / "scores.json").read_text())
    assert again["systems"][0]["five"] == again["systems"][1]["five"] == results["systems"][1]["five"]
    # Without any model nobody looks at the pictures; one that can't be shown is left out of the report.
    assert main(["evaluate", *files, "--output", str(tmp_path / "alone")]) == 0
    assert json.loads((tmp_path / "alone" / "scores.json").read_text())["data"]["rows"] == 120


@pytest.mark.parametrize(
    "command, message",
    [
        (["PREDICTIONS", "nowhere.parquet"], "no catalogue at 'nowhere.parquet'"),
        (["nowhere.csv", "PRODUCTS"], "no predictions at 'nowhere.csv'"),
        (["PREDICTIONS", "PRODUCTS", "--split", "validation"], "no split 'validation'"),
        (["PREDICTIONS", "PRODUCTS", "--split", "train"], "lacks id 0, 1, 2, 3, 4"),
        (["PREDICTIONS", "PRODUCTS", "--baselines", "luck"], "no baseline 'luck'"),
        (["PREDICTIONS", "PRODUCTS", "--columns", "articleType"], "OURS=THEIRS"),
        (["PREDICTIONS"], "names a catalogue"),
        (["PREDICTIONS", "PRODUCTS", "--baselines", "zero-shot"], "needs --clip"),
        (["PREDICTIONS", "PRODUCTS", "--judge", "nonsense"], "endpoint's URL is 'nonsense'"),
    ],
)
def test_bad_input_is_one_sentence(command, message, predictions, products, tmp_path, capsys):
    names = {"PREDICTIONS": predictions, "PRODUCTS": products}
    out = ["--output", str(tmp_path / "bad")]
    assert main(["evaluate", *(names.get(word, word) for word in command), *out]) == 1
    said = capsys.readouterr().err
    assert message in said and said.startswith("moda evaluate: ") and said.count("\n") == 1
