"""What could run or unpickle is refused in a repository, whatever it is called; what belongs there is not."""

import json
import shutil

import pytest
from conftest import ROOT

from moda.hub.files import HUB_FILES, files_of, known_secrets, refuse_secrets, refuse_unexpected


@pytest.fixture
def folder(repository, tmp_path):
    return shutil.copytree(repository, tmp_path / "moda")


def test_the_hub_files_are_those_of_this_checkout():
    assert HUB_FILES == {path.name: path for path in ROOT.glob("*_moda.py")} and "modeling_moda.py" in HUB_FILES


def test_a_repository_as_it_is_saved_may_stay(folder):
    assert set(HUB_FILES) <= set(files_of(folder))
    refuse_unexpected(folder)
    for path in folder.iterdir():  # as on a mounted file system of Windows
        path.chmod(0o755)
    refuse_unexpected(folder)
    (folder / ".git" / "hooks").mkdir(parents=True)
    (folder / ".git" / "hooks" / "pre-push").write_text("#!/bin/sh\n")
    refuse_unexpected(folder)


@pytest.mark.parametrize(
    "name, content",
    [
        ("pytorch_model.bin", b"weights"),
        ("more/State.PT", b"weights"),
        ("rows.npy", b"\x93NUMPY"),
        ("setup.py", b"print()"),
        ("more/modeling_moda.py", b"print()"),  # the very name, in another place
        ("evil_moda.py", b"print()"),
        ("notes.txt", b"#!/bin/sh\nrm -rf ~"),
        ("libfast", b"\x7fELF\x02\x01"),
        ("weights", b"PK\x03\x04\x00\x00"),
        ("vocab.txt", b"\x80\x04\x95\x00"),
    ],
)
def test_what_could_run_is_refused(folder, name, content):
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError, match=f"moda holds {name}, which is .*; take it out of the folder"):
        refuse_unexpected(folder)
    refuse_unexpected(folder, allowed=[f"{name[:3]}*"])


def test_other_code_under_a_name_of_ours_is_refused(folder):
    with open(folder / "masks_moda.py", "a") as file:
        file.write("\nimport os\n")
    with pytest.raises(ValueError, match="holds masks_moda.py, which is not the installed moda's: "):
        refuse_unexpected(folder)
    shutil.copyfile(ROOT / "masks_moda.py", folder / "masks_moda.py")
    (folder / "masks_moda.py").write_bytes((ROOT / "masks_moda.py").read_bytes().replace(b"\n", b"\r\n"))
    refuse_unexpected(folder)  # as git writes it on Windows


def test_an_executable_bit_is_refused_and_all_are_counted(folder):
    (folder / "recipe.yaml").write_text("name: x\n")
    (folder / "recipe.yaml").chmod(0o755)
    (folder / "z.sh").write_text("ls\n")
    with pytest.raises(ValueError, match="holds recipe.yaml and 1 more of the kind, which is executable"):
        refuse_unexpected(folder)


@pytest.mark.parametrize(
    "file, change",
    [
        ("config.json", {"auto_map": {"AutoModel": "they/theirs--modeling_moda.Model"}}),
        ("config.json", {"auto_map": {"AutoModel": "modeling_theirs.Model"}}),
        ("config.json", {"text_config": {"auto_map": {"AutoModel": "they/theirs--model.Model"}}}),
        (
            "config.json",
            {"custom_pipelines": {"image-to-text": {"impl": "they/theirs--pipe.Pipe", "pt": ["AutoModel"]}}},
        ),
        ("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["they/theirs--tok.Tokenizer", None]}}),
    ],
)
def test_a_config_that_points_to_other_code_is_refused(folder, file, change):
    fields = json.loads((folder / file).read_text())
    (folder / file).write_text(json.dumps({**fields, **change}))
    with pytest.raises(
        ValueError, match=rf"holds {file}, which is a config that sends its reader to the code of '\S*theirs"
    ):
        refuse_unexpected(folder)


@pytest.mark.parametrize("secret", ["AKIA" + "Q" * 16, "ghp_" + "a" * 36, "https://ann:open@shop.example/rows.csv"])
def test_keys_of_others_are_found(folder, secret):
    (folder / "notes.txt").write_text(f"as in {secret}")
    with pytest.raises(ValueError, match="notes.txt holds what looks like a token"):
        refuse_secrets(folder)


def test_what_the_environment_keeps_secret_stays_so(folder, monkeypatch):
    monkeypatch.setenv("MODA_API_KEY", "nobody-is-to-see-this")
    (folder / "notes.txt").write_text("judged with nobody-is-to-see-this")
    with pytest.raises(ValueError, match="notes.txt"):
        refuse_secrets(folder, known_secrets())


def test_tokens_are_found_and_not_repeated(folder):
    refuse_secrets(folder, [None, "", "swordfish"])
    for text in ("hub_token: hf_" + "aB3" * 11, "say swordfish", "-----BEGIN OPENSSH PRIVATE KEY-----"):
        (folder / "recipe.yaml").write_text(f"{text}\n")
        with pytest.raises(ValueError, match="^recipe.yaml holds what looks like a token") as caught:
            refuse_secrets(folder, ["swordfish"])
        assert text not in str(caught.value) and "swordfish" not in str(caught.value)
