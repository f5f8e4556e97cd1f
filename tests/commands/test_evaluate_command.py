from moda.commands.evaluate import _names


def test_names_are_as_short_as_they_can_be():
    assert _names(["runs/a", "runs/b/"]) == {"runs/a": "a", "runs/b": "b"}
    assert _names(["old/demo", "new/demo", "said.csv"]) == {
        "old/demo": "old/demo",
        "new/demo": "new/demo",
        "said.csv": "said.csv",
    }
    assert _names(["runs/a", "runs/a"]) == {"runs/a": "a"}
