"""The columns of a catalogue are found under any names, and said where they are not."""

import pytest
from conftest import make_picture
from datasets import Image
from test_source import TYPES, opened, table

from moda.annotation.source import open_source


def test_export_of_shopify(tmp_path):
    for index in range(4):
        make_picture(index).save(tmp_path / f"{index}.png")
    (tmp_path / "shop.csv").write_text(
        "Handle,Title,Body (HTML),Vendor,Type,Tags,Image Src\n"
        "shirt,A shirt,<p>x</p>,Acme,Shirts,new,0.png\nshirt,,,,,,1.png\nhat,A hat,,Acme,Hats,new,2.png\n"
    )
    source = open_source({"path": str(tmp_path / "shop.csv")})
    guessed = {"image": "Image Src", "articleType": "Type", "productDisplayName": "Title", "group": "Handle"}
    assert source.guessed == guessed and len(set(source.ids)) == 3
    assert source.table(["group", "articleType"]) == {
        "group": ["shirt", "shirt", "hat"],
        "articleType": ["Shirts", None, "Hats"],
    }
    (tmp_path / "shop.csv").write_text("Handle,Title,Image Src\nshirt,A shirt,0.png\nhat,A hat,2.png\n")
    assert open_source({"path": str(tmp_path / "shop.csv")}).ids == ["shirt", "hat"]


def test_only_column_of_pictures_is_found_under_any_name(tmp_path):
    make_picture(0).save(tmp_path / "0.png")
    header, link = "Artikelnummer;Farbe;Kategorie;Seite;Bild", "https://shop.example/1"
    (tmp_path / "shop.csv").write_text(f"{header}\n001;blau;Hosen;{link};0.png\n002;rot;Hosen;{link};{link}.JPG?v=2\n")
    source = open_source({"path": str(tmp_path / "shop.csv")})
    assert source.guessed == {"image": "Bild"} and len(source.rows) == 2
    (tmp_path / "shop.csv").write_text("Nr;Front;Back\n1;0.png;0.png\n")
    with pytest.raises(ValueError, match="among Nr, Front, Back; name yours.* data.columns='{image: your column}'"):
        open_source({"path": str(tmp_path / "shop.csv")})


def test_columns_are_guessed_from_names_and_shown(tmp_path, capsys):
    rows = table(sku=list("abcdefgh"), Sex=["Men"] * 8, **{"Product Type": TYPES * 2}, type=["x"] * 8, articleType=None)
    source = opened(tmp_path, rows.rename_columns({"image": "Photo", "baseColour": "COLOR"}))
    guessed = {"image": "Photo", "id": "sku", "articleType": "Product Type", "baseColour": "COLOR", "gender": "Sex"}
    assert source.guessed == guessed and source.columns == guessed
    assert source.metadata(0) == {"gender": "Men", "articleType": "Tshirts", "baseColour": "Red", "type": "x"}
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "guessed" in line]
    assert "articleType = 'Product Type' (not 'type')" in line and "data.columns" in line
    assert "baseColour = 'COLOR', gender = 'Sex'" in line


@pytest.mark.parametrize(
    "columns, guessed",
    [
        ({"category": TYPES * 2}, {"articleType": "category"}),  # the name says master category, the words do not
        ({"category": ["Home", "Garden"] * 4}, {"masterCategory": "category"}),
        ({"category": ["Red", "Navy"] * 4}, {"baseColour": "category"}),
        ({"department": ["Men", "Ladies"] * 4}, {"gender": "department"}),
        ({"department": ["Toys", "Food"] * 4}, {}),
        ({"type": ["Red", "Blue"] * 4, "hue": ["dark", "light"] * 4}, {"baseColour": "type"}),
        ({"kind": ["sofa", "lamp"] * 4}, {"articleType": "kind"}),  # words that nobody knows contradict nothing
        ({"google_product_category": ["1604"] * 8}, {}),  # numbers say nothing
        ({"age_group": ["adult"] * 8}, {}),
        ({"product_id": list("aabbccdd")}, {}),  # not the rows' own
        ({"for": ["Men", "Women"] * 4, "wearer": ["Men", "x"] * 4}, {"gender": "for"}),
        ({"title": ["Red"] * 8, "name": ["A thing"] * 8}, {"productDisplayName": "name", "baseColour": "title"}),
    ],
)
def test_guesses_are_checked_against_the_words_in_a_column(tmp_path, columns, guessed):
    source = opened(tmp_path, table(articleType=None, baseColour=None, **columns))
    assert source.guessed == guessed
    assert len(set(source.columns.values())) == len(source.columns)


def test_a_mapping_overrides_guesses_and_names(tmp_path):
    rows = table(sku=list("abcdefgh"), ean=[*range(8)], colour=["Blue"] * 8)
    source = opened(tmp_path, rows, id="ean", baseColour="colour", shade="baseColour")
    assert source.ids == list("01234567") and source.guessed == {}
    assert source.metadata(0) == {"articleType": "Tshirts", "baseColour": "Blue", "sku": "a", "shade": "Red"}


@pytest.mark.parametrize(
    "columns, sentence",
    [
        (
            {"articleType": "articel"},
            "no column 'articel'.*is it 'articleType'.*data.columns='{articleType: articleType}'",
        ),
        (
            {"articleType": "Kind", "number": "id"},
            "no column 'Kind'.*; name yours, as in data: {columns: {articleType: ",
        ),
        ({"usage": "articleType", "pattern": "articleType"}, "gives 'articleType' two names"),
        ({"articleType": "baseColour"}, "has a column 'articleType' too"),
    ],
)
def test_wrong_mapping_is_named(tmp_path, columns, sentence):
    with pytest.raises(ValueError, match=sentence):
        opened(tmp_path, table(), **columns)


def test_image_feature_under_any_name_is_the_picture(tmp_path):
    rows = table().rename_column("image", "front").cast_column("front", Image())
    assert opened(tmp_path, rows).guessed["image"] == "front"
