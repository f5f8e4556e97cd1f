"""The `moda` command as a whole."""

from importlib.metadata import version

import pytest

from moda.cli import COMMANDS, main, make_parser


def test_the_version_is_the_package_s(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out == f"moda {version('moda')}\n"


def test_every_command_shows_examples(capsys):
    for command in COMMANDS:
        name = command.__name__.rpartition(".")[2].replace("_", "-")
        with pytest.raises(SystemExit):
            make_parser().parse_args([name, "--help"])
        shown = capsys.readouterr().out
        assert f"moda {name}" in shown and "example" in shown, name
