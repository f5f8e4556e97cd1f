"""`moda describe` without a table: a line a picture, in order, a bad one in between does no harm."""

import json
import shutil
import subprocess
import sys

import pytest
import torch
from conftest import ROOT, make_picture

from int8_moda import Int8Linear
from moda.cli import main
from moda.inference.load import load_model
from quantization_moda import quantize_int8


PLAIN = ["--max-new-tokens", "4", "--dtype", "float32", "--quantize", "none"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for index in range(5):
        make_picture(index).save(folder / f"{index}.png")
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:300])
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_lines_and_objects_say_the_same_in_the_order_of_the_pictures(repository, photos, capsys):
    assert main(["describe", str(photos), "--model", str(repository), "--json", "--batch-size", "2", *PLAIN]) == 1
    captured = capsys.readouterr()
    rows = [json.loads(line) for line in captured.out.splitlines()]
    assert [row["id"] for row in rows] == [f"{index}.png" for index in range(5)]
    assert [row["error"] is None for row in rows] == [True, True, False, True, True]
    assert "2.png" in rows[2]["error"] and rows[2]["description"] is None
    assert all(row["confidence"] < 0 and row["model"] == "moda-tiny" for row in rows if row["error"] is None)
    assert "1 of 5 pictures could not be read" in captured.err
    assert main(["describe", str(photos / "0.png"), "--model", str(repository), *PLAIN]) == 0
    alone = capsys.readouterr().out
    assert alone.endswith(f"0.png\t{rows[0]['description']}\n") and len(alone.splitlines()) == 1


def test_rows_without_a_picture_are_objects_too(repository, photos, tmp_path, capsys):
    (tmp_path / "rows.csv").write_text(f"id,image\na,{photos / '0.png'}\nb,\n")
    assert main(["describe", str(tmp_path / "rows.csv"), "--model", str(repository), "--json", *PLAIN]) == 1
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["id"] for row in rows] == ["a", "b"] and rows[0].keys() == rows[1].keys()
    assert rows[1]["description"] is None and "names no picture" in rows[1]["error"]


def test_int8_of_a_model_that_is_int8_means_nothing(repository, photos, tmp_path, capsys):
    model, processor = load_model(str(repository))
    for part in (quantize_int8(model), processor):
        part.save_pretrained(tmp_path / "int8")
    command = ["describe", str(photos / "0.png"), "--model", str(tmp_path / "int8"), "--max-new-tokens", "4"]
    assert main(command) == main([*command, "--quantize", "int8"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first == second
    for quantize in ("int8", "auto", "none"):
        assert main([*command, "--quantize", quantize, "--output", str(tmp_path / "rows.csv")]) == 0


def test_int8_weights_are_held_once_when_they_are_loaded(repository, tmp_path):
    model, processor = load_model(str(repository))
    for part in (quantize_int8(model), processor):
        part.save_pretrained(tmp_path)
    loaded, _ = load_model(str(tmp_path))
    layers = [layer for layer in loaded.modules() if isinstance(layer, Int8Linear)]
    assert len(layers) > 10 and {layer.weight.device.type for layer in layers if not layer.shared} == {"meta"}
    assert loaded.state_dict().keys() == model.state_dict().keys()
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in loaded.state_dict().items())


def test_a_batch_has_a_largest_size(photos, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["describe", str(photos), "--batch-size", "1025"])
    assert "give 1,024 at most" in capsys.readouterr().err


def test_another_question_gets_another_answer(repository, photos, capsys):
    command = ["describe", str(photos / "0.png"), "--model", str(repository), *PLAIN]
    assert main(command) == main([*command, "--prompt", "What colour is it?"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first != second
    assert main([*command, "--prompt", "<image><image>"]) == 1
    assert "2 <image>" in capsys.readouterr().err


def test_addresses_are_fetched_and_private_ones_only_where_that_is_allowed(repository, photos, serve, capsys):
    root = serve(photos)
    command = ["describe", f"{root}/0.png", f"{root}/5.png", f"{root}/1.png", "--model", str(repository), *PLAIN]
    assert main(command) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.count("no public address") == 3
    assert main([*command, "--allow-private-urls"]) == 1
    captured = capsys.readouterr()
    assert [line.split("\t")[0] for line in captured.out.splitlines()] == [f"{root}/0.png", f"{root}/1.png"]
    assert "404" in captured.err and "1 of 3 pictures could not be read" in captured.err


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        (["nowhere.png"], "no picture or folder at"),
        (["empty"], "holds no picture"),
        (["empty", "--columns", "picture=URL"], "--columns is 'picture=URL'"),
        (["empty", "--output", "no/rows.csv"], "no folder"),
        (["empty", "--output", "empty"], "name end in .jsonl, .csv, .parquet"),
        (["empty", "--output", "folder.csv"], "is a folder"),
    ],
)
def test_what_can_not_be_done_is_said_at_once(repository, tmp_path, monkeypatch, capsys, arguments, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.csv").mkdir()
    assert main(["describe", *arguments, "--model", "runs/no-such-model"]) == 1
    error = capsys.readouterr().err
    assert sentence in error and len(error.strip().splitlines()) == 1


def test_a_model_of_another_kind_is_refused(repository, tmp_path):
    shutil.copytree(repository, tmp_path / "other")
    config = json.loads((tmp_path / "other" / "config.json").read_text())
    (tmp_path / "other" / "config.json").write_text(json.dumps({**config, "model_type": "blip"}))
    with pytest.raises(ValueError, match="model of type 'blip', not 'moda'"):
        load_model(str(tmp_path / "other"))
    for nothing in (tmp_path, tmp_path / "nothing", "runs/no-such-model"):
        with pytest.raises(ValueError, match="is neither a folder with a model nor a model that the Hub gives out"):
            load_model(str(nothing))


def test_nothing_heavy_is_imported_before_it_is_needed():
    """Each of these would make the first sentence wait for a second or more."""
    script = (
        "import sys, moda.cli, moda.inference.run, moda.inference.local\n"
        "heavy = {'inflect', 'pandas', 'datasets', 'matplotlib', 'imagehash', 'evaluate'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
