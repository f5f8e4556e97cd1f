"""A bare catalogue of any layout opens, its columns are found, and each of its rows is accounted for."""

import json

import pytest
from conftest import make_picture, make_png
from datasets import ClassLabel, Dataset, Features, Value

from moda.annotation.source import open_source


TYPES = ["Tshirts", "Jeans", "Watches", "Socks"]
KAGGLE = "id,gender,masterCategory,subCategory,articleType,baseColour,season,year,usage,productDisplayName"
KNOWN = "Men,Apparel,Topwear,Tshirts,Navy Blue,Summer,2011,Casual"


def table(count=8, **extra):
    """A column that is None is left out."""
    columns = {
        "image": [{"bytes": make_png(index), "path": None} for index in range(count)],
        "articleType": [TYPES[index % 4] for index in range(count)],
        "baseColour": [["Red", None, "Navy Blue"][index % 3] for index in range(count)],
        **extra,
    }
    columns = {name: values for name, values in columns.items() if values is not None}
    return Dataset.from_dict(columns)


def opened(tmp_path, rows, **columns):
    rows.to_parquet(tmp_path / "products.parquet")
    return open_source({"path": str(tmp_path / "products.parquet"), "columns": columns})


@pytest.fixture
def kaggle(tmp_path):
    folder = tmp_path / "fashion"
    (folder / "images").mkdir(parents=True)
    for name in ("1.jpg", "2.jpg", "3.jpg", "5.jpg", "8.jpg", "9.jpg", "10.png", "70.jpg", "71.jpg"):
        make_picture(len(name)).save(folder / "images" / name)
    (folder / "images" / "5.jpg").write_bytes(b"\xff\xd8\xff broken")
    (folder / "images" / "Thumbs.db").write_bytes(b"no picture")
    lines = [
        KAGGLE,
        "1,Men,Apparel,Topwear,Tshirts, Navy Blue ,NA,2011,,A shirt",
        f"2,{KNOWN},A shirt, blue, with commas",
        "3,Men,Apparel",
        f"4,{KNOWN},Nobody has photographed it",
        f"5,{KNOWN},Its picture is broken",
        "",
        f"5,{KNOWN},The same once more",
        f'8,{KNOWN},"A 15 inch" bag, whose quote "never closes',
        f'9,{KNOWN},"Two\nlines, and ""a quote"""',
        f'10,{KNOWN},"The last quote is open',
    ]
    (folder / "styles.csv").write_text("\ufeff" + "\r\n".join(lines), encoding="utf-8")
    return folder


def test_every_line_of_a_broken_kaggle_catalogue_is_accounted_for(kaggle):
    source = open_source({"path": str(kaggle)})
    assert source.ids == ["1", "2", "5", "8", "9", "10"]
    assert source.skipped == [
        {"id": "3", "row": None, "check": "cut_off", "why": "Line 4 of styles.csv has 3 values for 10 columns."},
        {"id": "4", "row": None, "check": "no_picture", "why": "There is no picture of '4' in images/."},
        {"id": "5", "row": None, "check": "duplicate_id", "why": "An earlier row has the id '5' too."},
    ]
    assert source.notes == [
        "In styles.csv, 1 line had a quote that is never closed.",
        "In styles.csv, 2 lines had commas too many; they went into productDisplayName.",
        "In images/, 2 pictures belonged to no row.",
    ]
    assert source.count == 9 == len(source.rows) + len(source.skipped)
    assert source.origin == "fashion" and source.guessed == {}
    assert source.metadata(0) == {
        "gender": "Men",
        "masterCategory": "Apparel",
        "subCategory": "Topwear",
        "articleType": "Tshirts",
        "baseColour": "Navy Blue",
        "season": None,
        "usage": None,
        "productDisplayName": "A shirt",
        "year": "2011",
    }
    assert source.table(["productDisplayName"])["productDisplayName"][1:] == [
        "A shirt, blue, with commas",
        "Its picture is broken",
        'A 15 inch bag, whose quote "never closes',
        'Two\nlines, and "a quote"',
        '"The last quote is open',
    ]
    assert source.rows[5]["image"]["path"].endswith("10.png")


def test_one_stray_quote_does_not_swallow_the_lines_behind_it(kaggle):
    lines = (kaggle / "styles.csv").read_text(encoding="utf-8").split("\n")
    lines[1:1] = [f'70,{KNOWN},"Not closed, and a comma', f'71,{KNOWN},"Nor is this']
    (kaggle / "styles.csv").write_text("\n".join(lines), encoding="utf-8")
    source = open_source({"path": str(kaggle)})
    assert source.ids == ["70", "71", "1", "2", "5", "8", "9", "10"]
    assert source.metadata(0)["productDisplayName"] == '"Not closed, and a comma'
    assert source.notes[0] == "In styles.csv, 3 lines had a quote that is never closed."


def test_splits_of_shards_are_put_behind_each_other(tmp_path):
    table(6, sku=list("abcdef")).to_parquet(tmp_path / "train.parquet")
    table(3, sku=list("ghi")).to_parquet(tmp_path / "validation.parquet")
    source = open_source({"path": str(tmp_path)})
    assert source.ids == list("abcdefghi") and source.columns["split"] == "split"
    assert source.table(["split"])["split"] == ["train"] * 6 + ["validation"] * 3
    assert list(source.metadata(8)) == ["articleType", "baseColour"]


def test_split_column_keeps_the_usual_names(tmp_path):
    source = opened(tmp_path, table(4, split=["train", "val", "unassigned", None]))
    assert source.table(["split", "season"]) == {"split": ["train", "validation", None, None], "season": [None] * 4}
    assert source.notes == [
        "The split 'unassigned' of 1 row is none of train, validation and test, and was taken for none."
    ]


def test_rows_without_splits_and_ids_are_numbered(tmp_path):
    source = opened(tmp_path, table(3))
    assert source.ids == ["000000", "000001", "000002"]
    assert "split" not in source.columns and source.notes == []
    assert source.table(["split", "id"]) == {"split": [None] * 3, "id": source.ids}


def test_rows_without_an_id_take_their_number(tmp_path):
    source = opened(tmp_path, table(3, id=["a", " ", "nan"]))
    assert source.ids == ["a", "row-000001", "row-000002"]
    assert source.notes == ["For lack of an id, 2 rows took the row number as one."]


def test_paths_beside_a_file_and_missing_ones(tmp_path):
    (tmp_path / "images").mkdir()
    make_picture(0).save(tmp_path / "a.png")
    make_picture(1).save(tmp_path / "images" / "b.png")
    rows = [
        {"sku": 1, "photo": "a.png", "type": "Jeans", "description": " An old text. "},
        {"sku": 2, "photo": "b.png", "type": "null", "description": "N/A"},
        {"sku": 3, "photo": "c.png", "type": "Socks", "description": None},
        {"sku": 4, "photo": None, "type": "Socks", "description": None},
    ]
    (tmp_path / "products.jsonl").write_text("\n".join(map(json.dumps, rows)))
    source = open_source({"path": str(tmp_path / "products.jsonl")})
    assert source.ids == ["1", "2"] and source.count == 4
    assert [(line["id"], line["why"]) for line in source.skipped] == [
        ("3", "There is no picture at 'c.png'."),
        ("4", "The row names no picture."),
    ]
    assert source.metadata(0) == {"articleType": "Jeans", "description": "An old text."}
    assert source.metadata(1) == {"articleType": None, "description": None}


def test_folder_with_metadata_and_its_defects(tmp_path):
    for index in range(4):
        make_picture(index).save(tmp_path / f"{index}.png")
    lines = [{"file_name": f"{index}.png", "id": f"p{index}", "category": "Jeans"} for index in (0, 1, 1, 7)]
    (tmp_path / "metadata.jsonl").write_text("\n".join(map(json.dumps, lines)))
    source = open_source({"path": str(tmp_path)})
    assert source.ids == ["p0", "p1"] and source.notes == [f"In {tmp_path.name}/, 2 pictures belonged to no row."]
    assert sorted((line["check"], line["id"]) for line in source.skipped) == [
        ("duplicate_id", "p1"),
        ("no_picture", "p7"),
    ]


def test_broken_lines_and_mixed_kinds_of_a_jsonl_file(tmp_path):
    make_picture(0).save(tmp_path / "a.png")
    rows = [{"sku": sku, "photo": "a.png", "type": "Jeans", "stock": sku != 8} for sku in ("007", 8, "x", 9.5)]
    lines = [*map(json.dumps, rows)]
    lines[2:2] = ['{"sku": "lost", "pho', "", "[1]"]
    (tmp_path / "shop.jsonl").write_text("\n".join(lines))
    source = open_source({"path": str(tmp_path / "shop.jsonl")})
    assert source.ids == ["007", "8", "x", "9.5"] and source.count == 6
    assert source.metadata(1) == {"articleType": "Jeans", "stock": "False"}
    assert [(line["id"], line["row"], line["check"], line["why"]) for line in source.skipped] == [
        (None, None, "cut_off", "Line 3 of shop.jsonl is no JSON: Unterminated string starting at character 17."),
        (None, None, "cut_off", "Line 5 of shop.jsonl is no object, but [1]."),
    ]


def test_dataset_that_was_annotated_can_be_again(tmp_path):
    (tmp_path / "data").mkdir()
    packed = [{"usage": "Casual", "brand": "Acme"}] * 3
    own = {"description": ["A thing."] * 3, "initial_description": ["It."] * 3, "clip_score": [None, 0.5, 0.25]}
    structs = {
        "draft": [{"gender": "Men"}] * 3,
        "annotators": [{"refine": {"model": "m"}}] * 3,
        "checks": [["json"]] * 3,
    }
    rows = table(
        3, articleType=None, baseColour=None, id=list("abc"), group=list("xxy"), metadata=packed, **own, **structs
    )
    rows.to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    source = open_source({"path": str(tmp_path)})
    assert source.ids == list("abc") and source.table(["group"])["group"] == list("xxy") and source.guessed == {}
    assert source.metadata(0) == {"usage": "Casual", "brand": "Acme"}


def test_csv_file_leaves_out_what_it_cannot_place(tmp_path):
    make_picture(0).save(tmp_path / "a.png")
    (tmp_path / "shop.csv").write_text("sku;img;title\n007;a.png;A shirt\n008;a.png;Two; or three\n009;a.png\n")
    source = open_source({"path": str(tmp_path / "shop.csv")})
    assert source.ids == ["007"] and source.metadata(0) == {"productDisplayName": "A shirt"}
    assert [(line["id"], line["check"]) for line in source.skipped] == [("008", "cut_off"), ("009", "cut_off")]


def test_csv_file_with_lines_in_its_values_and_one_without_end(tmp_path):
    make_picture(0).save(tmp_path / "a.png")
    text = 'sku,img,title\n1,a.png,"Soft, warm, light\nand, as it happens, ""red"""\n2,a.png,Plain\n'
    (tmp_path / "shop.csv").write_text(text)
    source = open_source({"path": str(tmp_path / "shop.csv")})
    assert source.ids == ["1", "2"] and source.skipped == source.notes == []
    assert source.metadata(0) == {"productDisplayName": 'Soft, warm, light\nand, as it happens, "red"'}
    (tmp_path / "shop.csv").write_text(text + f"3,a.png,{'x' * 200_000}\n4,a.png,{'x, ' * 60_000}\n")
    source = open_source({"path": str(tmp_path / "shop.csv")})
    assert source.ids == ["1", "2", "3"] and [line["id"] for line in source.skipped] == ["4"]
    assert source.metadata(2) == {"productDisplayName": "x" * 200_000}


def test_labels_years_and_packed_metadata_are_words(tmp_path):
    packed = [{"usage": "Casual", "articleType": "Other"}] * 3
    rows = table(3, label=[0, 1, None], year=[2011.0, None, 2012.5], metadata=packed, tags=[["x"]] * 3)
    rows = rows.cast(Features({**rows.features, "label": ClassLabel(names=["Men", "Women"]), "year": Value("float64")}))
    source = opened(tmp_path, rows)
    assert source.metadata(0) == {
        "gender": "Men",
        "articleType": "Tshirts",
        "usage": "Casual",
        "baseColour": "Red",
        "year": "2011",
    }
    assert source.table(["gender", "year"]) == {"gender": ["Men", "Women", None], "year": ["2011", None, "2012.5"]}


def test_fingerprint_changes_with_pictures_and_words_alone(tmp_path):
    first = opened(tmp_path, table())
    again = opened(tmp_path, table())
    worded = opened(tmp_path, table(usage=["Casual"] * 8))
    shown = opened(tmp_path, table(image=[{"bytes": make_png(index + 1), "path": None} for index in range(8)]))
    assert (
        first.fingerprint == again.fingerprint
        and first.picture_fingerprint == worded.picture_fingerprint != shown.picture_fingerprint
    )
    assert len({first.fingerprint, worded.fingerprint, shown.fingerprint}) == 3


def test_demo_is_opened_without_its_folder(tmp_path):
    source = open_source({"demo": {"count": 30, "size": 32, "folder": str(tmp_path / "demo")}})
    assert source.count == 30 and source.origin == "MODA's demo catalogue (30 drawn products, seed 0)"
    assert set(source.table(["split"])["split"]) <= {"train", "validation", "test"}
    assert source.metadata(0)["articleType"] and str(tmp_path) not in repr(source.metadata(0))


def test_catalogue_without_pictures_is_refused(tmp_path):
    with pytest.raises(ValueError, match="has no column 'image'"):
        opened(tmp_path, table(image=None))
    with pytest.raises(
        ValueError, match="No row of products.parquet can be used; the first: There is no picture at 'x'"
    ):
        opened(tmp_path, table(2, image=["x", "y"]))
    with pytest.raises(ValueError, match="names no catalogue; give a path"):
        open_source({"columns": {}})
