"""Catalogues open from every layout, under any column names, and say what is missing."""

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pyarrow.parquet as pq
import pytest
from conftest import make_picture, make_png
from datasets import Dataset, Image

from moda.data.catalogue import load_catalogue
from moda.data.wording import Wording


TYPES = ["Tshirts", "Jeans", "Watches", "Socks"]


def rows(count=40, **extra):
    columns = {
        "image": [{"bytes": make_png(index), "path": None} for index in range(count)],
        "articleType": [TYPES[index % 4] for index in range(count)],
        "baseColour": [["Red", None, "Navy Blue"][index % 3] for index in range(count)],
        "gender": [["Men", "Women"][index % 2] for index in range(count)],
        "usage": ["Casual"] * count,
        **extra,
    }
    return Dataset.from_dict(columns).cast_column("image", Image())


def test_parquet_with_a_split_column_is_described_from_its_metadata(tmp_path):
    rows(split=["train"] * 30 + ["validation"] * 10).to_parquet(tmp_path / "products.parquet")
    catalogue = load_catalogue({"path": str(tmp_path / "products.parquet"), "wordings": 3})
    assert {name: len(split) for name, split in catalogue.splits.items()} == {"train": 30, "validation": 10}
    wording = Wording(
        {"articleType": TYPES, "baseColour": ["Red", "Navy Blue"], "gender": ["Men", "Women"], "usage": ["Casual"]}
    )
    for row in catalogue.splits["train"]:
        found = wording.read(row["description"])
        assert found["articleType"] == [row["articleType"]]
        assert found["baseColour"] == ([row["baseColour"]] if row["baseColour"] else [])
    assert len(set(catalogue.splits["train"]["description"])) > 12  # more than one wording


def test_split_is_seeded_and_disjoint_where_there_is_none(tmp_path):
    rows(id=list(range(40))).to_parquet(tmp_path / "products.parquet")
    data = {"path": str(tmp_path / "products.parquet"), "validation": 0.25}
    first, again, other = (load_catalogue({**data, "seed": seed}).splits for seed in (0, 0, 1))
    assert set(first["train"]["id"]) | set(first["validation"]["id"]) == set(range(40))
    assert len(first["validation"]) == 10 and not set(first["train"]["id"]) & set(first["validation"]["id"])
    assert list(first["train"]["id"]) == list(again["train"]["id"])
    assert set(first["validation"]["id"]) != set(other["validation"]["id"])


def test_other_column_names_and_own_descriptions(tmp_path):
    table = rows(text=["A thing."] * 40).rename_columns({"image": "photo", "articleType": "kind"})
    table.to_parquet(tmp_path / "products.parquet")
    columns = {"image": "photo", "description": "text", "articleType": "kind"}
    catalogue = load_catalogue({"path": str(tmp_path / "products.parquet"), "columns": columns})
    assert set(catalogue.splits["train"]["description"]) == {"A thing."}
    assert catalogue.splits["train"][0]["image"]["bytes"]


def test_folder_with_metadata_whose_lines_are_broken_keeps_its_splits(tmp_path, capsys):
    lines = []
    for split, count in (("train", 6), ("test", 3)):
        (tmp_path / split).mkdir()
        for index in range(count):
            make_picture(index).save(tmp_path / split / f"{index}.png")
            lines.append(json.dumps({"file_name": f"{split}/{index}.png", "articleType": "Jeans", "sku": f"00{index}"}))
    (tmp_path / "metadata.jsonl").write_text("\n".join([*lines[:4], '{"file_name": "train/5.p', *lines[4:]]))
    found = load_catalogue({"path": str(tmp_path), "validation": 0.5}).splits
    assert {name: len(split) for name, split in found.items()} == {"train": 3, "validation": 3, "test": 3}
    assert found["test"]["sku"][:] == ["000", "001", "002"] and found["test"][0]["image"]["path"].endswith("test/0.png")
    assert f"left out: 1 rows of {tmp_path} that are cut off" in capsys.readouterr().out
    (tmp_path / "metadata.jsonl").unlink()
    (tmp_path / "metadata.csv").write_text("file_name,articleType,sku\ntrain/0.png,Jeans,007\ntrain/1.png\n" * 2)
    found = load_catalogue({"path": str(tmp_path), "validation": 0.5}).splits
    assert found["train"]["sku"][:] == found["validation"]["sku"][:] == ["007"]
    (tmp_path / "metadata.csv").unlink()
    table = {"file_name": ["train/0.png", "train/1.png"], "articleType": ["Jeans"] * 2}
    Dataset.from_dict(table).to_parquet(tmp_path / "metadata.parquet")
    found = load_catalogue({"path": str(tmp_path), "validation": 0.5}).splits
    assert found["train"][0]["image"]["path"].startswith(str(tmp_path / "train"))


def test_turns_as_text_and_in_parts_stay_beside_broken_lines(tmp_path):
    make_picture(0).save(tmp_path / "a.png")
    parts = [{"type": "image"}, {"type": "text", "text": "What is it?"}]
    said = [
        [{"role": "user", "content": c}, {"role": "assistant", "content": "A hat."}] for c in ("What is it?", parts)
    ]
    lines = [json.dumps({"image": "a.png", "messages": turns}) for turns in said * 2]
    (tmp_path / "rows.jsonl").write_text("\n".join([*lines, '{"image": "a.p']))
    found = load_catalogue({"path": str(tmp_path / "rows.jsonl")}, training=False).splits["train"]
    assert [row["messages"][0]["content"] for row in found] == ["What is it?"] * 4


def test_columns_of_objects_may_begin_late_and_mix_kinds(tmp_path):
    make_picture(0).save(tmp_path / "a.png")
    row = {"image": "a.png", "description": "A hat.", "size": 1, "ean": 2**70, "date": "2026-11-21", "late": None}
    rows = [row] * 1500 + [{**row, "late": {"size": 3}, "size": "XL", "price": 1}, {**row, "price": 1.5}]
    (tmp_path / "rows.json").write_text(json.dumps([*rows, 5]))
    found = load_catalogue({"path": str(tmp_path / "rows.json")}, training=False).splits["train"]
    assert len(found) == 1502 and found[0]["ean"] == str(2**70) and found[0]["date"] == "2026-11-21"
    assert found["size"][1499:] == ["1", "XL", "1"] and found["price"][1499:] == [None, 1, 1.5]
    assert found["late"][1499:] == [None, {"size": 3}, None]


class _Hub(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(404)
        self.send_header("X-Error-Code", "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


def test_nearest_names_are_offered_where_nothing_lies_and_what_the_hub_says(tmp_path, monkeypatch, capfd):
    (tmp_path / "kaggle").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Hub) as server:
        threading.Thread(target=server.serve_forever).start()
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(
            FileNotFoundError, match="no file or folder 'kaggg'; did you mean 'kaggle'.*the Hub said: 404"
        ):
            load_catalogue({"path": "kaggg"})
        server.shutdown()
    with pytest.raises(FileNotFoundError, match="no file or folder 'some/thing'; .*the Hub can't be asked: .*refused"):
        load_catalogue({"path": "some/thing"})
    with pytest.raises(FileNotFoundError, match="no catalogue at './kagle'; did you mean './kaggle'[?].$"):
        load_catalogue({"path": "./kagle"})
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    "name, content, sentence",
    [
        ("a.csv", "", "a.csv has no rows: it is empty"),
        ("a.csv", "image,articleType\n", "nothing below the columns' names"),
        ("a.jsonl", "", "it is empty"),
        ("a.jsonl", "{\n[", "Line 1 of a.jsonl is no JSON: Expecting"),
        ("a.parquet", "", "can't be read as parquet"),
        ("a.docx", "x", "a.docx is none of .parquet, .json"),
        ("b.jpg", "", 'holds no catalogue.*{"file_name": "b.jpg", "articleType"'),
    ],
)
def test_files_without_rows_say_so(tmp_path, name, content, sentence):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=sentence):
        load_catalogue({"path": str(tmp_path if name == "b.jpg" else tmp_path / name)})


def test_parquet_files_without_rows_are_passed_over(tmp_path):
    rows(8).to_parquet(tmp_path / "part-1.parquet")
    pq.write_table(pq.read_table(tmp_path / "part-1.parquet").slice(8), tmp_path / "part-0.parquet")
    with pytest.raises(ValueError, match="part-0.parquet has no rows"):
        load_catalogue({"path": str(tmp_path / "part-0.parquet")})
    assert len(load_catalogue({"path": str(tmp_path)}, training=False).splits["train"]) == 8


def test_folder_with_metadata(tmp_path):
    lines = []
    for index in range(12):
        make_picture(index).save(tmp_path / f"{index}.png")
        lines.append(json.dumps({"file_name": f"{index}.png", "articleType": TYPES[index % 4], "gender": "Men"}))
    (tmp_path / "metadata.jsonl").write_text("\n".join(lines))
    catalogue = load_catalogue({"path": str(tmp_path), "validation": 0.25})
    assert len(catalogue.splits["train"]) == 9
    assert all(re.search(r"\bmen\b|\bmen's\b", text) for text in catalogue.splits["train"]["description"])


def test_kaggle_layout_with_its_broken_commas(tmp_path):
    (tmp_path / "images").mkdir()
    lines = ["id,gender,masterCategory,articleType,baseColour,usage,productDisplayName"]
    for index in range(10):
        make_picture(index).save(tmp_path / "images" / f"{index}.jpg")
        lines.append(f"{index},Men,Apparel,Tshirts,NA,Casual,A shirt, with a comma,{index}")
    lines += ["99,Men,Apparel,Tshirts,Red,Casual,without a picture", "7,broken"]
    (tmp_path / "styles.csv").write_text("\n".join(lines))
    splits = load_catalogue({"path": str(tmp_path), "validation": 0.2}).splits
    assert len(splits["train"]) + len(splits["validation"]) == 10
    assert all(name.startswith("A shirt, with a comma,") for name in splits["train"]["productDisplayName"])
    assert set(splits["train"]["baseColour"]) == {None}


@pytest.mark.parametrize(
    "change, sentence",
    [
        ({"path": "{}/nothing.parquet"}, "no catalogue at"),
        ({"path": "{}/empty"}, "holds no catalogue"),
        ({"path": "{}/typed.parquet"}, "no column 'articleType'.*is it 'artikelType'"),
        ({"path": "{}/blind.parquet"}, "no column 'image'"),
        ({"path": "{}/typed.parquet", "columns": {"articleType": "kind"}}, "no column 'kind'"),
    ],
)
def test_what_is_missing_is_named(tmp_path, change, sentence):
    (tmp_path / "empty").mkdir()
    rows().rename_column("articleType", "artikelType").to_parquet(tmp_path / "typed.parquet")
    rows().remove_columns("image").to_parquet(tmp_path / "blind.parquet")
    with pytest.raises((ValueError, FileNotFoundError), match=sentence):
        load_catalogue({**change, "path": change["path"].format(tmp_path)})


@pytest.mark.parametrize("name", ["validation", "val", None])
def test_test_rows_are_never_trained_on(tmp_path, name):
    splits = ["train"] * 24 + [name or "train"] * 6 + ["test"] * 10
    rows(id=list(range(40)), split=splits).to_parquet(tmp_path / "products.parquet")
    found = load_catalogue({"path": str(tmp_path / "products.parquet"), "validation": 0.2}).splits
    assert set(found["test"]["id"]) == set(range(30, 40))
    assert set(found["train"]["id"]) | set(found["validation"]["id"]) == set(range(30))
    assert not set(found["train"]["id"]) & set(found["validation"]["id"]) and len(found["validation"]) == 6


def test_shards_by_name_keep_their_test_split(tmp_path):
    everything = rows(id=list(range(40)))
    everything.select(range(30)).to_parquet(tmp_path / "train.parquet")
    everything.select(range(30, 40)).to_parquet(tmp_path / "test.parquet")
    found = load_catalogue({"path": str(tmp_path), "validation": 0.2}).splits
    assert set(found["test"]["id"]) == set(range(30, 40)) and len(found["validation"]) == 6


def test_shards_of_any_name_are_one_catalogue(tmp_path):
    everything = rows(id=list(range(40)), split=["train"] * 30 + ["validation"] * 10)
    everything.select(range(20)).to_parquet(tmp_path / "part-0.parquet")
    everything.select(range(20, 40)).to_parquet(tmp_path / "part-1.parquet")
    found = load_catalogue({"path": str(tmp_path)}).splits
    assert set(found["train"]["id"]) == set(range(30)) and set(found["validation"]["id"]) == set(range(30, 40))


def test_rows_without_anything_to_say_are_left_out_and_counted(tmp_path, capsys):
    rows(description=["A thing.", None, " ", "Another."] * 10).to_parquet(tmp_path / "a.parquet")
    found = load_catalogue({"path": str(tmp_path / "a.parquet"), "validation": 0.25}).splits
    assert len(found["train"]) + len(found["validation"]) == 20
    assert "without anything to say" in capsys.readouterr().out
    rows().remove_columns("articleType").add_column("articleType", [None, "", "Jeans", "Socks"] * 10).to_parquet(
        tmp_path / "b.parquet"
    )
    found = load_catalogue({"path": str(tmp_path / "b.parquet"), "validation": 0.25}).splits
    assert len(found["train"]) + len(found["validation"]) == 20


def test_numbers_where_words_belong_are_refused(tmp_path):
    rows().remove_columns("gender").add_column("gender", [1, 2] * 20).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(ValueError, match="Column 'gender' of .* holds .*int64.*, where MODA reads words"):
        load_catalogue({"path": str(tmp_path / "a.parquet")})


def test_packed_metadata_is_brought_up_where_there_is_no_column_of_that_name(tmp_path):
    plain = rows(count=8)
    known = ("articleType", "baseColour", "gender", "usage")
    table = {name: plain[name][:] for name in known}
    packed = [{**{name: table[name][index] for name in known}, "brand": None} for index in range(8)]
    only = plain.remove_columns(["articleType", "baseColour", "usage"]).remove_columns("gender")
    only = only.add_column("metadata", packed).add_column("gender", ["Girls"] * 8)
    (tmp_path / "data").mkdir()
    only.to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    found = load_catalogue({"path": str(tmp_path), "validation": 0.25}).splits
    assert set(found["train"]["gender"]) == set(found["validation"]["gender"]) == {"Girls"}
    for row in found["train"]:
        assert row["articleType"] == row["metadata"]["articleType"] and row["usage"] == "Casual"
        assert row["baseColour"] == row["metadata"]["baseColour"] and row["description"]
    mixed = load_catalogue({"mix": [{"path": str(tmp_path)}], "validation": 0.25}).splits
    assert set(mixed["train"]["articleType"]) <= set(TYPES)


def test_metadata_that_is_no_struct_of_words_stays_as_it_is(tmp_path):
    rows(count=8, metadata=[{"usage": "Party", "size": 3}] * 8).to_parquet(tmp_path / "a.parquet")
    found = load_catalogue({"path": str(tmp_path / "a.parquet"), "validation": 0.25}).splits
    assert set(found["train"]["usage"]) == {"Casual"} and "size" not in found["train"].column_names


def test_csv_file_with_paths(tmp_path, capsys):
    make_picture(0).save(tmp_path / "a.png")
    lines = ["image,articleType,gender", *["a.png,Jeans,Men"] * 4, "a.png,Jeans", "a.png,Jeans,Men,Women"]
    (tmp_path / "products.csv").write_text("\n".join(lines))
    found = load_catalogue({"path": str(tmp_path / "products.csv"), "validation": 0.25}).splits
    assert len(found["train"]) + len(found["validation"]) == 4
    assert "2 rows of" in capsys.readouterr().out
