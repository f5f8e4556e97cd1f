"""What `assemble` builds is whole, the same every time, and tells nothing of the machine; nobody's folder is lost."""

import json
import resource
import shutil

import pytest
import torch
import yaml
from cards import evaluation_of
from conftest import make_model, make_picture
from PIL import Image
from runs import HOME, make_run
from safetensors.torch import load_file

from moda.hub.assemble import STEPS, assemble, check_run, count_parts
from moda.hub.files import HUB_FILES, files_of
from moda.hub.pictures import cut_sheet
from moda.hub.records import without_paths
from moda.inference.export import export_model


MODEL = {"config.json", "generation_config.json", "model.safetensors"}
PROCESSOR = {"processor_config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"}
RECORDS = {"README.md", "recipe.yaml", "run.json", "sheet.png"}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "mine")


@pytest.fixture(scope="module")
def assembled(run, tmp_path_factory):
    folder = tmp_path_factory.mktemp("assembled") / "mine-hub"
    steps = []
    sizes = assemble(run, folder, "me/moda-shoes", say=steps.append)
    assert tuple(steps) == STEPS and sizes == {name: path.stat().st_size for name, path in files_of(folder).items()}
    return folder


def contents(folder):
    return {name: path.read_bytes() for name, path in files_of(folder).items()}


def weights_of(folder):
    found = {}
    for file in folder.glob("*.safetensors"):
        found |= load_file(file)
    return found


def same(ours, theirs):
    return ours.keys() == theirs.keys() and all(
        ours[name].dtype == theirs[name].dtype and torch.equal(ours[name], theirs[name]) for name in ours
    )


def test_it_holds_what_a_user_needs_and_no_more(run, assembled):
    samples = {f"samples/{number}.png" for number in range(1, 5)}
    optional = {"special_tokens_map.json", "chat_template.jinja"}  # of transformers 4, and of both
    assert set(files_of(assembled)) - optional == MODEL | PROCESSOR | RECORDS | samples | set(HUB_FILES)
    assert all((assembled / name).read_bytes() == path.read_bytes() for name, path in HUB_FILES.items())
    assert same(weights_of(run), weights_of(assembled))
    assert not any(path.stat().st_mode & 0o111 for path in files_of(assembled).values())
    card = (assembled / "README.md").read_text()
    assert "4,321" in card and '"me/moda-shoes"' in card and "Of the training" not in card


def test_it_tells_nothing_of_the_machine(run, assembled):
    for name, content in contents(assembled).items():
        assert HOME.encode() not in content and str(run.parent).encode() not in content, name
    recipe = yaml.safe_load((assembled / "recipe.yaml").read_text())
    assert recipe["data"]["path"] == "products.parquet" and recipe["output_dir"] == "mine"
    assert recipe["model"] == {"vision": "clip", "text": "HuggingFaceTB/SmolLM-360M"}
    record = json.loads((assembled / "run.json").read_text())
    assert record["source"] == "products.parquet" and record["train_rows"] == 4321
    assert record["stages"][0]["notes"] == ["features are kept in moda, of float16"]


def test_the_same_run_gives_the_same_bytes(run, assembled, tmp_path):
    assemble(run, tmp_path / "again", "me/moda-shoes")
    assert contents(tmp_path / "again") == contents(assembled)
    (tmp_path / ".again.unfinished").mkdir()  # as a killed one leaves it
    (tmp_path / ".again.unfinished" / "half").write_text("half")
    (tmp_path / "again").rename(tmp_path / ".again.old")
    assemble(run, tmp_path / "again", "me/moda-shoes")
    assert contents(tmp_path / "again") == contents(assembled)
    assert [path.name for path in tmp_path.iterdir()] == ["again"]


@pytest.mark.parametrize("step", STEPS)
def test_what_is_stopped_leaves_what_was_there(run, assembled, tmp_path, step):
    def stop(begun):
        if begun == step:
            raise KeyboardInterrupt

    shutil.copytree(assembled, tmp_path / "old")
    for name, left in (("old", ["old"]), ("new", ["old"])):
        with pytest.raises(KeyboardInterrupt):
            assemble(run, tmp_path / name, "me/other", say=stop)
        assert [path.name for path in tmp_path.iterdir()] == left
    assert contents(tmp_path / "old") == contents(assembled)


def test_the_evaluation_goes_along(run, tmp_path):
    evaluation = evaluation_of()
    evaluation["model"]["parameters"] = sum(parameter.numel() for parameter in make_model().parameters())
    evaluation["judge"] = {"name": "rules", "model": {"endpoint": "inside.example.com", "model": "judge-7b"}}
    evaluation["notes"] = [f"The rows are those of {HOME}/shop/products.parquet."]
    assemble(run, tmp_path / "hub", "me/moda", evaluation=evaluation)
    kept = json.loads((tmp_path / "hub" / "evaluation.json").read_text())
    command = "moda evaluate demo rows.parquet --judge URL --baselines all"  # it was said of a path, and of an address
    assert evaluation["command"] != command
    told = {"command": command, "judge": {"name": "rules", "model": {"model": "judge-7b"}}}
    assert kept == {**evaluation, **told, "notes": ["The rows are those of products.parquet."]}
    card = (tmp_path / "hub" / "README.md").read_text()
    assert f"{kept['systems'][0]['five']['overall']['value']:.2f}" in card and HOME not in card


def test_weights_come_in_shards(run, tmp_path):
    assemble(run, tmp_path / "hub", "me/moda", max_shard_size="50KB")
    shards = json.loads((tmp_path / "hub" / "model.safetensors.index.json").read_text())["weight_map"]
    assert len(set(shards.values())) > 1 and not (tmp_path / "hub" / "model.safetensors").exists()
    assert same(weights_of(run), weights_of(tmp_path / "hub"))


@pytest.mark.parametrize("to, dtype", [("int8", "float32"), ("int8", "bfloat16"), ("bfloat16", "float32")])
def test_other_weights_stay_as_they_are(run, tmp_path, to, dtype):
    export_model(run, tmp_path / "export", to, dtype)
    assemble(tmp_path / "export", tmp_path / "hub", "me/moda")
    assert same(weights_of(tmp_path / "export"), weights_of(tmp_path / "hub"))
    assert json.loads((tmp_path / "hub" / "export.json").read_text())["to"] == to
    config = json.loads((tmp_path / "hub" / "config.json").read_text())
    assert config["weight_format"] == ("int8" if to == "int8" else None)
    count = sum(parameter.numel() for parameter in make_model().parameters())
    assert f"{count:,} parameters" in (tmp_path / "hub" / "README.md").read_text()


def test_a_model_without_a_record(repository, tmp_path):
    assemble(repository, tmp_path / "hub", "me/moda")
    assert set(files_of(tmp_path / "hub")) >= MODEL | PROCESSOR | {"README.md"}
    assert not (tmp_path / "hub" / "samples").exists()


def test_code_of_others_is_not_passed_on(repository, tmp_path):
    run = shutil.copytree(repository, tmp_path / "run")
    config = json.loads((run / "config.json").read_text())
    config["auto_map"]["AutoModel"] = "connectors_moda.Other"
    config["custom_pipelines"] = {"image-to-text": {"impl": "masks_moda.Other", "pt": [], "tf": [], "type": "image"}}
    (run / "config.json").write_text(json.dumps(config))
    assemble(run, tmp_path / "hub", "me/moda")
    expected = json.loads((repository / "config.json").read_text())
    found = json.loads((tmp_path / "hub" / "config.json").read_text())
    assert all(found[name] == expected[name] for name in ("auto_map", "custom_pipelines"))


def test_samples_say_nothing_but_their_picture(run, tmp_path):
    (tmp_path / "photos").mkdir()
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Ann's camera", 6  # its maker, and that it was held upright
    for number in range(5):
        make_picture(number, size=(800, 600)).save(tmp_path / "photos" / f"{number}.jpg", exif=exif)
    (tmp_path / "photos" / "list.txt").write_text("0.jpg")
    assemble(run, tmp_path / "hub", "me/moda", samples=tmp_path / "photos")
    samples = sorted((tmp_path / "hub" / "samples").iterdir())
    assert [path.name for path in samples] == ["1.png", "2.png", "3.png", "4.png"]
    assert Image.open(samples[0]).size == (384, 512) and not any(b"Ann" in path.read_bytes() for path in samples)
    with pytest.raises(ValueError, match="There is no picture in .*nothing; name a folder of pictures by --samples"):
        assemble(run, tmp_path / "other", "me/moda", samples=tmp_path / "nothing")


def test_pictures_are_cut_out_of_the_sheet(run):
    pictures = cut_sheet(Image.open(run / "sheet.png"))
    assert [picture.size for picture in pictures] == [(192, 144), (144, 192), (192, 192), (192, 192), (192, 192)]
    assert (
        pictures[0].tobytes() == make_picture(0, size=(40, 30)).resize((192, 144), Image.Resampling.LANCZOS).tobytes()
    )
    assert cut_sheet(Image.new("RGB", (300, 300))) == []


def test_licences(run, tmp_path):
    assemble(run, tmp_path / "hub", "me/moda", licence="apache-2.0")
    assert "Apache License" in (tmp_path / "hub" / "LICENSE").read_text()
    assert "license: apache-2.0" in (tmp_path / "hub" / "README.md").read_text()
    own = shutil.copytree(run, tmp_path / "own")
    (own / "LICENSE.md").write_text("Do as you like.")
    assemble(own, tmp_path / "other", "me/moda", licence="apache-2.0")
    assert (tmp_path / "other" / "LICENSE.md").read_text() == "Do as you like."
    assert not (tmp_path / "other" / "LICENSE").exists()


def test_nobodys_folder_is_lost(run, assembled, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    (tmp_path / "link").symlink_to(assembled)
    for name in ("mine", "mine/thesis.txt", "link"):
        with pytest.raises(
            ValueError, match=f"{name} is there and was not assembled by moda publish, so it is left alone"
        ):
            assemble(run, tmp_path / name, "me/moda")
    with pytest.raises(ValueError, match="mine/hub lies in .*mine, which is to be read; name a folder beside it"):
        assemble(run, run / "hub", "me/moda")
    edited = shutil.copytree(assembled, tmp_path / "edited")
    with open(edited / "README.md", "a") as card:
        card.write("Written by hand.\n")
    with pytest.raises(
        ValueError, match=r"edited was changed since it was assembled \(README.md\), which would be lost"
    ):
        assemble(run, edited, "me/moda")
    tuned = shutil.copytree(assembled, tmp_path / "tuned")
    weights = bytearray((tuned / "model.safetensors").read_bytes())
    weights[-1] ^= 1  # of the same size
    (tuned / "model.safetensors").write_bytes(weights)
    with pytest.raises(ValueError, match=r"tuned was changed since it was assembled \(model.safetensors\)"):
        assemble(run, tuned, "me/moda")
    (shutil.copytree(assembled, tmp_path / "kept") / ".git").mkdir()
    with pytest.raises(ValueError, match="kept is there and was not assembled by moda publish"):
        assemble(run, tmp_path / "kept", "me/moda")
    assert (tuned / "model.safetensors").read_bytes() == weights
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert (edited / "README.md").read_text().endswith("by hand.\n")


def test_a_full_disk(run, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))  # of a file, which fails as a full disk does
    try:
        with pytest.raises(
            ValueError, match=r"There is no room for the repository in .*GB are free\); make some, or name"
        ):
            assemble(run, tmp_path / "hub", "me/moda")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"config.json": None}, "holds no model .* not a MODA; name the folder that train.py left"),
        ({"config.json": '{"model_type": "llama"}'}, "holds a model of type 'llama', not a MODA"),
        ({"model.safetensors": None}, r"holds no weights \(model.safetensors\)"),
        (
            {"model.safetensors": None, "adapter_config.json": "{}"},
            "holds an adapter without the model below it; merge",
        ),
        ({"recipe.yaml": "name: x"}, r"is not finished \(it has no run.json\); give train.py its recipe again"),
        ({"pytorch_model.bin": "PK"}, "holds pytorch_model.bin, which is a pickle or can hold one"),
        ({"prepare.py": "import os"}, "holds prepare.py, which is code"),
    ],
)
def test_what_is_no_run(repository, tmp_path, change, sentence):
    run = shutil.copytree(repository, tmp_path / "run")
    for name, text in change.items():
        (run / name).unlink() if text is None else (run / name).write_text(text)
    with pytest.raises(ValueError, match=sentence):
        check_run(run)


def test_damaged_weights_and_records(repository, tmp_path):
    run = shutil.copytree(repository, tmp_path / "run")
    weights = (run / "model.safetensors").read_bytes()
    (run / "model.safetensors").write_bytes(weights[:5000])
    with pytest.raises(ValueError, match="The weights in .*run can't be read .*; copy or save them again"):
        assemble(run, tmp_path / "hub", "me/moda")
    (run / "model.safetensors").write_bytes(weights)
    (run / "run.json").write_text("{")
    with pytest.raises(ValueError, match="run.json can't be read"):
        assemble(run, tmp_path / "hub", "me/moda")
    (run / "run.json").write_text('{"hub_token": "hf_' + "aB3" * 11 + '"}')
    with pytest.raises(ValueError, match="run.json holds what looks like a token"):
        assemble(run, tmp_path / "hub", "me/moda")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize(
    "said, told",
    [
        ("/home/ann/a b.parquet", "a b.parquet"),
        ("C:\\Users\\ann\\a.csv", "a.csv"),
        ("~/x.csv", "x.csv"),
        ("file:///data/x.csv", "x.csv"),
        ("moda evaluate --columns a=/data/b (kept in '/data/c').", "moda evaluate --columns a=b (kept in 'c')."),
        (
            "me/data and https://example.com/a/b, 3 / 4, </s> or /",
            "me/data and https://example.com/a/b, 3 / 4, </s> or /",
        ),
        (["../ann/x", {"/a/b": 3}, "see ../ann/x."], ["x", {"/a/b": 3}, "see x."]),
        ("... and so on", "... and so on"),
        ("/data/a.parquet + /home/ann/own.parquet", "a.parquet + own.parquet"),
        ("data/a.parquet + /home/ann/own.parquet", "data/a.parquet + own.parquet"),
        ("see\n/home/ann/x/y z, {/home/ann/b}", "see\ny z, {b}"),
    ],
)
def test_paths_become_their_last_part(said, told):
    assert without_paths(said) == told


def test_every_weight_counts_once():
    model = make_model()
    assert sum(part["parameters"] for part in count_parts(model)) == sum(p.numel() for p in model.parameters())
