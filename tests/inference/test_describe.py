"""Describing files and folders: every picture answered once, a bad one in between does no harm."""

import json
import shutil

import pytest
from conftest import make_model, make_picture, make_processor

from moda.cli import main
from moda.inference.describe import describe, find_pictures, load_model


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for index in range(5):
        make_picture(index).save(folder / f"{index}.png")
    (folder / "2.png").write_bytes((folder / "2.png").read_bytes()[:300])
    (folder / "notes.txt").write_text("no picture")
    return folder


@pytest.fixture(scope="module")
def moda():
    return make_model(), make_processor()


def test_batches_say_what_single_pictures_say(moda, photos):
    files = [str(photos / f"{index}.png") for index in (0, 1, 3, 4)]
    together = [text for _, text, _ in describe(*moda, files, batch_size=3, max_new_tokens=6)]
    alone = [text for file in files for _, text, _ in describe(*moda, [file], max_new_tokens=6)]
    assert together == alone and len(set(together)) > 1


def test_a_corrupt_picture_is_named_and_the_rest_goes_on(moda, photos):
    results = list(describe(*moda, find_pictures([photos]), batch_size=2, max_new_tokens=4))
    assert [str(photos / f"{index}.png") for index in range(5)] == [path for path, _, _ in results]
    assert [error is None for _, _, error in results] == [True, True, False, True, True]
    assert "2.png" in results[2][2] and results[2][1] is None


def test_command_line(repository, photos, capsys):
    assert main(["describe", str(photos), "--model", str(repository), "--json", "--max-new-tokens", "4"]) == 1
    captured = capsys.readouterr()
    rows = [json.loads(line) for line in captured.out.splitlines()]
    assert len(rows) == 5 and [row["error"] is None for row in rows] == [True, True, False, True, True]
    assert "1 of 5 pictures could not be read" in captured.err
    assert main(["describe", str(photos / "0.png"), "--model", str(repository), "--max-new-tokens", "4"]) == 0
    assert capsys.readouterr().out == f"{photos / '0.png'}\t{rows[0]['description']}\n"


@pytest.mark.parametrize("path, sentence", [("nowhere.png", "no picture or folder at"), ("empty", "holds no picture")])
def test_nothing_to_describe_is_said(repository, tmp_path, capsys, path, sentence):
    (tmp_path / "empty").mkdir()
    assert main(["describe", str(tmp_path / path), "--model", str(repository)]) == 1
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
