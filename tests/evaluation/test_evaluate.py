"""A whole evaluation, on a small drawn catalogue: planted sentences come out as planted."""

import json
import math
import random

import pandas
import pytest
from datasets import Dataset, Image

from moda.cli import main
from moda.data.demo import demo_rows
from moda.evaluation.evaluate import Evaluation, System, plain, scoreboard
from moda.evaluation.rows import select_rows


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
    assert scoreboard(results) == []
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
    assert "The baseline nearest could not be run: There is no model here" in said.err
    results = json.loads((out / "scores.json").read_text())
    assert [system["name"] for system in results["systems"]] == ["said.csv", "moda-tiny", "majority"]
    assert results["systems"][0]["five"]["overall"]["value"] == 10 > results["systems"][2]["five"]["overall"]["value"]
    assert len((out / "moda-tiny.jsonl").read_text().splitlines()) == 120
    page = (out / "report.html").read_text()
    assert "majority" in page and str(tmp_path) not in page.replace(results["command"], "")
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
    written = (out / "moda-tiny.jsonl").stat().st_mtime_ns, (out / "moda-tiny.jsonl").read_text()
    assert main([*command, "--baselines", "blind"]) == 0
    second = json.loads((out / "scores.json").read_text())
    assert first["systems"] == second["systems"] and written[1] == (out / "moda-tiny.jsonl").read_text()
    assert "20 of 120 rows" in " ".join(first["notes"])
    assert main([*command[:-4], "--resamples", "50", "--output", str(out), "--max-new-tokens", "5"]) == 1
    assert "made with another length; give another --output" in capsys.readouterr().err


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
    ],
)
def test_bad_input_is_one_sentence(command, message, predictions, products, tmp_path, capsys):
    names = {"PREDICTIONS": predictions, "PRODUCTS": products}
    out = ["--output", str(tmp_path / "bad")]
    assert main(["evaluate", *(names.get(word, word) for word in command), *out]) == 1
    said = capsys.readouterr().err
    assert message in said and said.startswith("moda evaluate: ") and said.count("\n") == 1
