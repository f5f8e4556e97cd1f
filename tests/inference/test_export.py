"""`moda export`: a whole repository with other weights, or nothing; nobody's folder is lost."""

import json

import pytest
import torch
from conftest import inputs_of, make_model, make_processor
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from moda.cli import make_parser
from moda.inference.export import MARK, export_model, new_folder


CARD = '---\nlicense: mit\n---\n\n# Ours\n\nSays things.\n\n## Use it\n\npipeline("image-to-text", "moda-tiny")\n'


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    folder = tmp_path_factory.mktemp("source") / "moda-tiny"
    make_model().save_pretrained(folder)
    make_processor().save_pretrained(folder)
    (folder / "README.md").write_text(CARD)
    (folder / "LICENSE").write_text("Do as you like.")
    (folder / "run.json").write_text("{}")
    (folder / "optimizer.pt").write_bytes(b"no part of a model")
    return folder


def run(*arguments):
    options = make_parser().parse_args(["export", *map(str, arguments)])
    return options.run(options)


@pytest.fixture(scope="module")
def exported(source, tmp_path_factory):
    folder = tmp_path_factory.mktemp("exported") / "moda-int8"
    assert run(source, "--to", "int8", "--output", folder) == 0
    return folder


def test_it_is_a_whole_repository(source, exported):
    here, there = ({path.name for path in folder.iterdir()} for folder in (source, exported))
    assert there == here - {"optimizer.pt"} | {MARK}
    card = (exported / "README.md").read_text()
    assert "license: mit" in card and "int8 here, with a float32 scale" in card and '"moda-int8"' in card
    assert card.index("int8 here") < card.index("## Use it")
    noted = json.loads((exported / MARK).read_text())
    assert noted["source"] == "moda-tiny" and noted["to"] == "int8" and noted["dtype"] == "float32"
    assert noted["bytes"] == (exported / "model.safetensors").stat().st_size < 0.75 * noted["bytes_before"]
    config = json.loads((exported / "config.json").read_text())
    assert config["weight_format"] == "int8" and "AutoModel" in config["auto_map"] and config["custom_pipelines"]
    assert {str(path) for path in exported.parent.iterdir()} == {str(exported)}  # no draft is left


@torch.no_grad()
def test_it_says_what_the_original_says(source, exported):
    batch = inputs_of(make_processor(), [0, 2])
    model = AutoModelForImageTextToText.from_pretrained(exported, trust_remote_code=True).eval()
    expected = make_model()(**batch).logits
    assert (model(**batch).logits - expected).norm() < 0.05 * expected.norm()
    assert AutoProcessor.from_pretrained(exported, trust_remote_code=True).image_seq_length == 4


def test_a_dtype_that_would_mean_nothing(source, tmp_path):
    for to in ("onnx", "bfloat16"):
        with pytest.raises(ValueError, match=f"--dtype bfloat16 is for .* none with --to {to}; leave it out"):
            run(source, "--to", to, "--dtype", "bfloat16", "--output", tmp_path / "out")


def test_a_graph_says_how_to_use_it(tmp_path):
    (tmp_path / "graph.json").write_text("{}")
    for command in (
        ["export", "--output", tmp_path / "out"],
        ["serve"],
        ["demo"],
        ["classify", "x.png", "--labels", "a", "--model"],
    ):
        with pytest.raises(ValueError, match="is an exported graph, which only describes, by moda describe"):
            options = make_parser().parse_args([*map(str, command), str(tmp_path)])
            options.run(options)


def test_floats(source, tmp_path):
    before, after = export_model(source, tmp_path / "half", "bfloat16")
    assert after < 0.6 * before
    kept, now = load_file(source / "model.safetensors"), load_file(tmp_path / "half" / "model.safetensors")
    assert all(torch.equal(value.bfloat16(), now[name]) for name, value in kept.items() if value.is_floating_point())
    export_model(source, tmp_path / "int8", "int8", dtype="bfloat16")
    types = {name: value.dtype for name, value in load_file(tmp_path / "int8" / "model.safetensors").items()}
    assert set(types.values()) >= {torch.int8, torch.bfloat16}
    assert all(dtype == torch.float32 for name, dtype in types.items() if name.endswith("weight_scale"))


def test_folders_are_not_lost(source, exported, tmp_path, capsys):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    for overwrite, sentence in ((False, "is there already and not empty"), (True, "is no earlier export")):
        with pytest.raises(ValueError, match=sentence):
            export_model(source, tmp_path / "mine", overwrite=overwrite)
    with pytest.raises(ValueError, match="is no earlier export"):  # the original itself
        export_model(source, source, overwrite=True)
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    with pytest.raises(ValueError, match="is there already and not empty"):
        export_model(source, exported)
    assert run(source, "--to", "float32", "--output", exported.parent / "again") == 0
    captured = capsys.readouterr()
    assert "again: float32 weights, 0." in captured.out and captured.err == ""  # no bars of transformers
    export_model(source, exported.parent / "again", "bfloat16", overwrite=True)
    assert json.loads((exported.parent / "again" / MARK).read_text())["to"] == "bfloat16"


def test_what_fails_halfway_leaves_what_was_there(tmp_path):
    with new_folder(tmp_path / "export") as draft:
        (draft / MARK).write_text("first")
    with pytest.raises(KeyboardInterrupt), new_folder(tmp_path / "export", overwrite=True) as draft:
        (draft / MARK).write_text("second")
        raise KeyboardInterrupt
    assert (tmp_path / "export" / MARK).read_text() == "first"
    assert [path.name for path in tmp_path.iterdir()] == ["export"]


def test_what_can_not_be_exported(source, exported, tmp_path):
    with pytest.raises(ValueError, match="are int8, from which none of another format can be made"):
        export_model(exported, tmp_path / "twice")
    with pytest.raises(ValueError, match="holds no model, not a MODA"):
        export_model(tmp_path, tmp_path / "out")
    with pytest.raises(ValueError, match="is neither a folder with a model nor a model that the Hub gives out"):
        export_model(tmp_path / "nothing", tmp_path / "out")
    with pytest.raises(ValueError, match="to is 'int3'"):
        export_model(source, tmp_path / "out", "int3")
    damaged = tmp_path / "damaged"
    export_model(source, damaged, "float32")
    weights = damaged / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:500])
    with pytest.raises(ValueError, match="are damaged"):
        export_model(damaged, tmp_path / "out")
    assert not (tmp_path / "out").exists()
