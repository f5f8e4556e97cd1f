import pytest
import yaml
from datasets import Dataset, Image, concatenate_datasets, load_dataset

from moda.evaluation.rows import select_rows


def trained(folder, data, **evaluation):
    folder.mkdir()
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"data": data, "evaluation": evaluation}))
    return str(folder)


@pytest.fixture
def unsplit(squares, tmp_path):
    """The squares without a split column: training holds some out by itself."""
    rows = load_dataset("parquet", data_files=str(squares), split="train").remove_columns("split")
    file = tmp_path / "unsplit.parquet"
    rows.cast_column("image", Image(decode=False)).to_parquet(file)
    return str(file)


def pictures(rows):
    return {image["bytes"] for image in rows["image"]}


def test_what_training_held_out_is_evaluated(squares, unsplit, tmp_path):
    from moda.data.catalogue import load_catalogue

    data = {"path": unsplit, "validation": 0.25, "seed": 3}
    model = trained(tmp_path / "model", data)
    held_out = load_catalogue(data).splits["validation"]
    for named in (None, unsplit):  # also when the catalogue is named by hand
        selection = select_rows(named, model)
        assert selection.split == "validation" and pictures(selection.rows) == pictures(held_out)
        assert len(selection.train) + len(selection.rows) == 96


def test_the_catalogue_is_known_again_from_anywhere(unsplit, tmp_path, monkeypatch):
    """By a path that is relative to where training ran, and by its pictures after it was moved."""
    import json
    import shutil

    from moda.data.catalogue import load_catalogue
    from moda.data.pixels import fingerprint

    (tmp_path / "runs").mkdir()
    model = trained(tmp_path / "runs" / "mine", {"path": "unsplit.parquet", "validation": 0.25})
    recipe = yaml.safe_load(open(f"{model}/recipe.yaml"))
    with open(f"{model}/recipe.yaml", "w") as file:
        yaml.safe_dump({**recipe, "output_dir": "runs/mine"}, file)
    monkeypatch.chdir(tmp_path / "runs")
    assert len(select_rows("../unsplit.parquet", model).rows) == 24
    moved = tmp_path / "elsewhere" / "other.parquet"
    moved.parent.mkdir()
    shutil.copy(unsplit, moved)
    assert len(select_rows(str(moved), model).rows) == 96  # nothing tells that it is the same
    learnt = fingerprint(load_catalogue({"path": unsplit, "validation": 0.25}).splits["train"])
    with open(f"{model}/run.json", "w") as file:
        json.dump({"stages": [{"data": {"fingerprint": learnt}}]}, file)
    assert len(select_rows(str(moved), model).rows) == 24
    with pytest.raises(FileNotFoundError, match="that is the path in .*recipe.yaml: name the catalogue"):
        select_rows(None, model)


@pytest.mark.parametrize(
    "text, message", [("- a\n- b\n", "holds no recipe but a list"), ("a: [", "can't be read as YAML")]
)
def test_recipes_that_are_none(text, message, unsplit, tmp_path):
    model = trained(tmp_path / "model", {})
    (tmp_path / "model" / "recipe.yaml").write_text(text)
    with pytest.raises(ValueError, match=message):
        select_rows(unsplit, model)


def test_another_catalogue_is_evaluated_whole_and_the_notes_say_what_is_not_known(unsplit, tmp_path):
    selection = select_rows(unsplit)
    assert selection.split == "train" and len(selection.rows) == 96 and selection.train is None
    assert "is not known" in selection.notes[0] and "written from the metadata" in selection.notes[1]


def test_pictures_that_were_learnt_from_are_counted(squares, tmp_path):
    selection = select_rows(str(squares))
    assert selection.split == "validation" and len(selection.rows) == 12
    # Twelve held-out squares of six kinds: each of them is byte for byte one of train.
    assert "12 of 12 validation pictures are, byte for byte" in selection.notes[0]

    rows = load_dataset("parquet", data_files=str(squares), split="train").cast_column("image", Image(decode=False))
    new = Dataset.from_dict({**rows.select([0])[:], "split": ["test"]}, features=rows.features)
    new = new.map(lambda row: {"image": {"bytes": row["image"]["bytes"] + b"other", "path": None}})
    both = concatenate_datasets([rows.select(range(12, 40)), new]).add_column("group", [*range(28), 5])
    both.to_parquet(tmp_path / "both.parquet")
    selection = select_rows(str(tmp_path / "both.parquet"))
    assert selection.split == "test"
    assert selection.notes[0].startswith("0 of 1 test") and selection.notes[1].startswith("1 of them share a group")


def test_splits_and_counts(squares, tmp_path):
    assert len(select_rows(str(squares), split="train", count=10).rows) == 10
    assert "10 of 84 rows" in select_rows(str(squares), split="train", count=10).notes[-1]
    with pytest.raises(ValueError, match="no split 'test', only train, validation"):
        select_rows(str(squares), split="test")
    with pytest.raises(ValueError, match="no recipe.yaml that names a catalogue"):
        select_rows(None, str(tmp_path))


def test_rows_need_neither_a_train_split_nor_something_to_say(squares, tmp_path):
    rows = load_dataset("parquet", data_files=str(squares), split="train").cast_column("image", Image(decode=False))
    held_out = rows.select(range(12)).remove_columns("articleType")
    held_out.to_parquet(tmp_path / "test.parquet")
    selection = select_rows(str(tmp_path / "test.parquet"))
    assert selection.split == "validation" and len(selection.rows) == 12 and selection.train is None
    assert "description" not in selection.rows.column_names and selection.rows["baseColour"][0] == "Red"
