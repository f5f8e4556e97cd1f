import json

import pandas
import pytest
import torch
from filelock import FileLock

from moda.data.pixels import PixelDataset
from moda.evaluation.predictions import describe_kept, file_of, is_predictions, kept_sentences, read_predictions
from moda.evaluation.sentences import describe_rows


ROWS = [{"id": str(100 + n), "articleType": kind} for n, kind in enumerate(("Shirts", "Socks", "Belts", "Caps"))]
SAID = ["A shirt.", "Socks.", "", "A cap, “NEW”, it says."]


def write(folder, table, name):
    file = folder / name
    if file.suffix == ".csv":
        table.to_csv(file, index=False)
    elif file.suffix == ".jsonl":
        table.to_json(file, orient="records", lines=True)
    else:
        table.to_parquet(file)
    return str(file)


@pytest.mark.parametrize("name", ["said.csv", "said.jsonl", "said.parquet"])
@pytest.mark.parametrize("key", ["id", "row", None])
def test_sentences_find_their_rows(tmp_path, name, key, capsys):
    order = [2, 0, 3, 1] if key else [0, 1, 2, 3]
    table = pandas.DataFrame({"sentence": [SAID[n] for n in order], "confidence": [-0.5 * n for n in order]})
    if key == "id":
        table["id"] = [100 + n for n in order]  # numbers in the file, text in the rows
    if key == "row":
        table["row"] = order
    assert is_predictions(name)
    sentences, confidences = read_predictions(write(tmp_path, table, name), ROWS)
    assert sentences == SAID and confidences == [0.0, -0.5, -1.0, -1.5]
    assert ("in the order of the rows" in capsys.readouterr().out) == (key is None)


def test_row_numbers_are_those_of_the_split(tmp_path):
    table = pandas.DataFrame({"row": range(10), "sentence": [f"Sentence {n}." for n in range(10)]})
    sentences, confidences = read_predictions(write(tmp_path, table, "a.csv"), ROWS, numbers=[1, 4, 8, 9])
    assert sentences == ["Sentence 1.", "Sentence 4.", "Sentence 8.", "Sentence 9."] and confidences is None


@pytest.mark.parametrize(
    "table, message",
    [
        ({"id": [100, 101, 103], "sentence": ["a"] * 3}, "lacks id 102 \\(1 in all\\)"),
        ({"ID": [100, 101, 103], "sentence": ["a"] * 3}, "lacks id 102"),
        ({"id": [100, 101, 102, 103, 101], "sentence": ["a"] * 5}, "more than once id 101"),
        ({"row": [0, 1, 2, 7], "sentence": ["a"] * 4}, "lacks row 3"),
        ({"sentence": ["a"] * 3}, "3 sentences without id or row, for 4 rows"),
        (
            {"sentence": ["a"] * 4, "articleType": ["Shirts", "Belts", "Socks", "Caps"]},
            "sentence 2 .*'Belts'.* row 1 .*'Socks'",
        ),
        ({"text": ["a"] * 4}, "no column 'sentence' among text"),
    ],
)
def test_predictions_that_do_not_align_are_named(tmp_path, table, message):
    with pytest.raises(ValueError, match=message):
        read_predictions(write(tmp_path, pandas.DataFrame(table), "a.csv"), ROWS)


def test_ids_are_the_same_however_they_are_written(tmp_path):
    for ids in (
        [100.0, 101.0, 102.0, 103.0],
        ["100", "101", "102", "103"],
        [103, 102, 101, 100],
        [100, 101, 102, 103, 9, 9],
    ):
        table = pandas.DataFrame({"id": ids, "sentence": [f"{float(n):g}" + " is my row." for n in ids]})
        for name in ("a.jsonl", "a.parquet"):
            sentences, _ = read_predictions(write(tmp_path, table, name), ROWS)
            assert sentences == [f"{row['id']} is my row." for row in ROWS]
    with pytest.raises(ValueError, match="has ids and the data has none"):
        read_predictions(write(tmp_path, table, "a.csv"), [{"articleType": "Shirts"}] * 6)


def test_blank_metadata_is_the_same_in_both(tmp_path):
    table = pandas.DataFrame({"sentence": ["a", "b"], "usage": ["Casual", None]})
    rows = [{"usage": "Casual"}, {"usage": None}]
    for name in ("a.parquet", "a.jsonl", "a.csv"):
        assert read_predictions(write(tmp_path, table, name), rows)[0] == ["a", "b"]


def test_numbers_are_no_sentences(tmp_path):
    table = pandas.DataFrame({"id": [100, 101, 102, 103], "sentence": [1, 2, 3, 4]})
    with pytest.raises(ValueError, match="1.* where a sentence should be"):
        read_predictions(write(tmp_path, table, "a.jsonl"), ROWS)


def test_files_that_are_none(tmp_path):
    with pytest.raises(FileNotFoundError, match="no predictions at"):
        read_predictions(str(tmp_path / "none.csv"), ROWS)
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 not really")
    with pytest.raises(ValueError, match="can't be read as parquet"):
        read_predictions(str(broken), ROWS)
    assert not is_predictions("runs/demo")


@pytest.fixture
def dataset(processor, catalogue_rows, tmp_path):
    return PixelDataset(catalogue_rows, processor.image_processor, cache=tmp_path / "pixels")


@pytest.fixture(scope="module")
def catalogue_rows(squares):
    from moda.data.catalogue import load_catalogue

    return load_catalogue({"path": str(squares)}).splits["validation"]


def test_a_stopped_description_goes_on(model, processor, dataset, tmp_path):
    model = model.eval()
    whole = describe_rows(model, processor, dataset, range(len(dataset)), batch_size=4, max_new_tokens=6)
    file = tmp_path / "out" / "predictions.jsonl"
    sentences, confidences = describe_kept(model, processor, dataset, file, batch_size=4, max_new_tokens=6)
    assert sentences == whole and all(confidence < 0 for confidence in confidences)
    lines = file.read_text().splitlines(keepends=True)
    assert [json.loads(line)["row"] for line in lines] == list(range(len(dataset)))

    file.write_text("".join(lines[:4]) + lines[4][:9])  # killed in the middle of a line
    asked = []
    passes = dataset.__getitems__
    dataset.__class__ = type("Watched", (PixelDataset,), {"__getitems__": lambda self, i: asked.extend(i) or passes(i)})
    again, sure = describe_kept(model, processor, dataset, file, batch_size=4, max_new_tokens=6)
    assert again == whole and torch.allclose(torch.tensor(sure), torch.tensor(confidences), atol=1e-5)
    assert asked == list(range(4, len(dataset)))

    with FileLock(file.with_suffix(".lock")), pytest.raises(ValueError, match="Another process is writing"):
        describe_kept(model, processor, dataset, file, batch_size=4, max_new_tokens=6)


def test_files_are_named_after_all_that_sentences_depend_on(tmp_path):
    files = {file_of(tmp_path, "a", model=model, length=length) for model in "xy" for length in (4, 5)}
    assert len(files) == 4 and files == {file_of(tmp_path, "a", length=n, model=m) for m in "xy" for n in (4, 5)}


def test_sentences_made_at_once_are_made_once(tmp_path):
    made = []

    def make():
        made.append(1)
        return ["A shirt.", "A “belt”.\nOf leather."]

    file = tmp_path / "new" / "said.jsonl"
    for _ in range(2):
        assert kept_sentences(file, [4, 7], make) == ["A shirt.", "A “belt”.\nOf leather."]
    assert len(made) == 1
    kept_sentences(file, [4, 8], make)  # of other rows they are others
    assert len(made) == 2
