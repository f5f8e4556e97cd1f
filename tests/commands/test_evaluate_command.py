from moda.commands.evaluate import _names


def test_names_are_as_short_as_they_can_be():
    assert _names(["runs/a", "runs/b/"]) == {"runs/a": "a", "runs/b": "b"}
    assert _names(["old/demo", "new/demo", "said.csv"]) == {
        "old/demo": "old/demo",
        "new/demo": "new/demo",
        "said.csv": "said.csv",
    }
    assert _names(["runs/a", "runs/a"]) == {"runs/a": "a"}


def test_one_place_is_one_model_however_it_is_written(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    monkeypatch.chdir(tmp_path)
    assert _names(["a", "./a", str(tmp_path / "a")]) == {"a": "a"}
