"""What is to be described, wherever it lies: every picture once, under an id of its own, and what can't be used is said."""

import base64
import json
import os
import pickle
import subprocess
import sys

import numpy as np
import pytest
from conftest import ROOT, make_picture
from datasets import Dataset, DatasetDict, Features, Image, List, Value

from moda.inference.inputs import open_inputs
from pictures_moda import load_picture


FILES = ("0.png", "1.JPG", "below/0.png", "below/deep/2.jpeg")


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """Four pictures, and what else lies in a folder of them."""
    folder = tmp_path_factory.mktemp("home") / "photos"
    for number, name in enumerate(FILES):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        make_picture(number).save(folder / name)
    for name in ("._0.png", ".hidden.png", "notes.txt", "below/list.csv"):
        (folder / name).write_text("no picture")
    (folder / ".thumbs").mkdir()
    make_picture(9).save(folder / ".thumbs" / "9.png")
    (folder / "folder.jpg").mkdir()
    (folder / "below" / "circle").symlink_to("..")
    return folder


def bytes_of(number, photos):
    return (photos / FILES[number]).read_bytes()


def seen(inputs):
    """Decodes every picture, so that what `picture` gives is what `load_picture` takes."""
    return {inputs.ids[index]: load_picture(inputs.picture(index)) for index in range(len(inputs))}


def test_a_folder_gives_all_pictures_below_it(photos):
    inputs = open_inputs(photos)
    assert inputs.ids == sorted(FILES) and inputs.skipped == []
    assert inputs.notes == ["Files in photos/ that are no pictures by their names: 2."]
    assert seen(inputs) == {name: load_picture(photos / name) for name in FILES}
    assert inputs.picture(-1) == inputs.picture(3)
    with pytest.raises(IndexError):
        inputs.picture(4)


def test_sources_are_mixed_and_nothing_is_doubled(photos, monkeypatch):
    monkeypatch.chdir(photos.parent)
    other = photos.parent / "other"
    other.mkdir(exist_ok=True)
    make_picture(8).save(other / "0.png")
    (photos.parent / "list.txt").write_text(
        "\ufeffphotos/1.JPG\n\n photos/below/0.png \nhttps://shop.example/a b.jpg\n"
    )
    inputs = open_inputs(["photos/0.png", "photos", "other", "photos/*.png", "list.txt", "https://shop.example/7"])
    assert inputs.ids == [
        "photos/0.png",
        "1.JPG",
        "below/0.png",
        "below/deep/2.jpeg",
        "0.png",
        "photos/1.JPG",
        "photos/below/0.png",
        "https://shop.example/a b.jpg",
        "https://shop.example/7",
    ]
    assert "Pictures that were named again, and are taken once: 2." in inputs.notes
    assert inputs.picture(8) == "https://shop.example/7" and inputs.picture(7) == "https://shop.example/a b.jpg"
    both = open_inputs(["photos", "other"])
    assert both.ids == [*sorted(FILES), "other/0.png"] and len(seen(both)) == 5


def test_globs(photos):
    inputs = open_inputs(f"{photos}/**/*.png")
    assert inputs.ids == [f"{photos}/0.png", f"{photos}/below/0.png"]  # and not again through below/circle
    everything = open_inputs(f"{photos}/**")
    assert [os.path.relpath(name, photos) for name in everything.ids] == sorted(FILES)
    assert everything.notes == [f"Files that {photos}/** matches and that are no pictures by their names: 2."]
    brackets = photos.parent / "shirt [red].png"
    make_picture(0).save(brackets)
    assert open_inputs(brackets).ids == [str(brackets)]
    with pytest.raises(FileNotFoundError, match="Nothing matches '.*none.*'; check the pattern"):
        open_inputs(f"{photos}/none*.png")


TABLES = {
    "a.csv": "sku,title,image_url\nA1,Shirt,photos/0.png\nA2,Shoe,\nA3,Hat,photos/1.JPG\nA4,Bag\nA1,Cap,photos/below/0.png\n",
    "a.tsv": "id\tfile\nA1\tphotos/0.png\nA2\tNA\nA3\tphotos/1.JPG\nA4\nA1\tphotos/below/0.png\n",
    "a.jsonl": '{"uid": "A1", "photo": "photos/0.png"}\n{"uid": "A2"}\n{"uid": "A3", "photo": {"url": "photos/1.JPG"}}\n'
    '{"uid": "A4", "photo"\n{"uid": "A1", "photo": ["photos/below/0.png", "photos/0.png"]}\n',
    "a.json": '[{"product_id": "A1", "path": "photos/0.png"}, {"product_id": "A2", "path": null},'
    '{"product_id": "A3", "path": "photos/1.JPG"}, 4, {"product_id": "A1", "path": "photos/below/0.png"}]',
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name, photos):
    file = photos.parent / name
    file.write_text(TABLES[name])
    inputs = open_inputs(file)
    assert inputs.ids == ["A1", "A3", "A1#2"]
    assert list(seen(inputs).values()) == [load_picture(photos / FILES[number]) for number in (0, 1, 2)]
    skipped = {row["id"]: row["error"] for row in inputs.skipped}
    broken = f"{name}:{4 if name == 'a.json' else 5}" if name.endswith(("csv", "tsv")) else f"{name}:4"
    assert skipped.keys() == {"A2", broken}
    assert f"of {name} names no picture" in skipped["A2"] and skipped[broken].endswith((".", "mend it."))
    assert any("since earlier rows have them: 1." in note for note in inputs.notes)
    assert ("Rows of a.jsonl with several pictures, of which the first is taken: 1." in inputs.notes) == (
        name == "a.jsonl"
    )
    again = open_inputs([file, file])
    assert again.ids == ["A1", "A3", "A1#2", "A1#3", "A3#2", "A1#4"] or again.ids[:3] == inputs.ids
    assert len(set(again.ids)) == 6


@pytest.mark.parametrize("name", ["urls.json", "urls.jsonl", "urls.txt", "urls.csv"])
def test_plain_lists_of_addresses(name, tmp_path):
    urls = [f"https://shop.example/{number}" for number in range(3)]
    lines = {
        "urls.json": json.dumps(urls),
        "urls.jsonl": "\n".join(map(json.dumps, urls)),
        "urls.txt": "\n".join(urls),
        "urls.csv": "\n".join(["link", *urls]),
    }
    (tmp_path / name).write_text(lines[name])
    inputs = open_inputs(tmp_path / name)
    assert inputs.ids == urls and [inputs.picture(index) for index in range(3)] == urls


def test_pictures_spelt_out_stay_in_their_file(photos, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    rows = []
    for number in range(3):
        load_picture(noise + np.uint8(number)).save(tmp_path / "noise.png")
        url = f"data:image/png;base64,{base64.b64encode((tmp_path / 'noise.png').read_bytes()).decode()}"
        rows.append(json.dumps({"image": url, "name": "é"}))
    (tmp_path / "rows.jsonl").write_text("\n".join(rows))
    inputs = open_inputs(tmp_path / "rows.jsonl")
    assert inputs.ids == ["0", "1", "2"] and len(pickle.dumps(inputs)) < 2000
    for number in range(3):
        assert np.array_equal(load_picture(inputs.picture(number)), noise + np.uint8(number))


def datasets_of(photos):
    """One table of pictures in each way that a dataset may hold them."""
    held = [{"bytes": bytes_of(number, photos), "path": None} for number in range(3)]
    struct = {"bytes": Value("binary"), "path": Value("string")}
    return {
        "image": (held, Image()),
        "binary": ([row["bytes"] for row in held], Value("binary")),
        "struct": (held, struct),
        "bytes alone": ([{"bytes": row["bytes"]} for row in held], {"bytes": Value("binary")}),
        "string": ([f"photos/{name}" for name in FILES[:3]], Value("string")),
        "paths": ([{"bytes": None, "path": f"photos/{name}"} for name in FILES[:3]], struct),
        "lists": ([[row] for row in held], List(Image())),
    }


@pytest.mark.parametrize("kind", ["image", "binary", "struct", "bytes alone", "string", "paths", "lists"])
def test_parquet_files(kind, photos):
    values, feature = datasets_of(photos)[kind]
    rows = {"photo": [*values[:2], None, values[2]], "sku": [7.0, 8.0, 9.0, 7.0]}
    table = Dataset.from_dict(rows, Features({"photo": feature, "sku": Value("float64")}))
    file = photos.parent / "a.parquet"
    table.to_parquet(file)
    inputs = open_inputs(file)
    assert inputs.ids == ["7", "8", "7#2"] and [row["id"] for row in inputs.skipped] == ["9"]
    assert inputs.skipped[0]["error"] == "Row 2 of a.parquet names no picture; fill it in or leave it out."
    assert inputs.notes[0] == "From a.parquet, pictures from column 'photo' and ids from column 'sku' are taken."
    expected = [load_picture(photos / FILES[number]) for number in range(3)]
    assert list(seen(inputs).values()) == expected
    copy = pickle.loads(pickle.dumps(inputs))
    assert list(seen(copy).values()) == expected and copy.ids == inputs.ids


def test_catalogues_and_saved_datasets(photos, tmp_path):
    pictures = [{"bytes": bytes_of(number, photos), "path": None} for number in range(3)]
    table = Dataset.from_dict(
        {"image": pictures, "name": list("abc")}, Features({"image": Image(), "name": Value("string")})
    )
    expected = [load_picture(photos / FILES[number]) for number in range(3)]

    table.save_to_disk(tmp_path / "saved")
    DatasetDict({"train": table.select([0, 2]), "test": table.select([1])}).save_to_disk(tmp_path / "splits")
    table.select([0, 1]).to_parquet(tmp_path / "shards" / "data" / "part-0.parquet")
    table.select([2]).to_parquet(tmp_path / "shards" / "data" / "part-1.parquet")
    assert list(seen(open_inputs(tmp_path / "saved")).values()) == expected
    splits = open_inputs(tmp_path / "splits")
    assert splits.ids == ["train:0", "train:1", "test:0"]
    assert list(seen(splits).values()) == [expected[0], expected[2], expected[1]]
    shards = open_inputs(tmp_path / "shards")
    assert shards.ids == ["0", "1", "2"] and list(seen(shards).values()) == expected
    two = open_inputs([tmp_path / "saved", tmp_path / "shards"])
    assert two.ids == ["0", "1", "2", "shards:0", "shards:1", "shards:2"]

    images = tmp_path / "kaggle" / "images"
    images.mkdir(parents=True)
    lines = ["id,articleType,productDisplayName"]
    for number in range(3):
        (images / f"{number}.jpg").write_bytes(bytes_of(number, photos))
        lines.append(f"{number},Shirts,A shirt, with a comma")
    (tmp_path / "kaggle" / "styles.csv").write_text("\n".join([*lines, "3,Shirts,No picture", ""]))
    kaggle = open_inputs(tmp_path / "kaggle")
    assert kaggle.ids == ["0", "1", "2"] and list(seen(kaggle).values()) == expected
    assert [row["id"] for row in kaggle.skipped] == ["3"] and "no picture of '3'" in kaggle.skipped[0]["error"]


def test_columns_may_be_named(photos):
    file = photos.parent / "named.csv"
    file.write_text("image,back,id,code\nphotos/0.png,photos/1.JPG,1,x\nphotos/0.png,photos/below/0.png,2,y\n")
    inputs = open_inputs(file, columns={"image": "back", "id": "code"})
    assert list(seen(inputs).items()) == [
        ("x", load_picture(photos / "1.JPG")),
        ("y", load_picture(photos / "below/0.png")),
    ]
    assert inputs.notes == []
    said = r"^named.csv has no column 'bakc' \(image\) among image, back, id, code; did you mean 'back'\?$"
    with pytest.raises(ValueError, match=said):
        open_inputs(file, columns={"image": "bakc"})
    with pytest.raises(ValueError, match="^columns names colour; it takes image and id"):
        open_inputs(file, columns={"colour": "code"})
    file.write_text("front,back,name\nphotos/0.png,photos/1.JPG,1\n")
    with pytest.raises(
        ValueError, match="Of the columns of named.csv, front and back may each hold pictures.*--columns image=front"
    ):
        open_inputs(file)
    file.write_text("name,price\nphoto,12\n")
    with pytest.raises(ValueError, match=r"none seems to hold pictures, .* \(name, price\); name the one that does"):
        open_inputs(file)


@pytest.mark.parametrize(
    "source, kind, sentence",
    [
        ("nowhere.png", FileNotFoundError, "There is no picture or folder at '.*nowhere.png'; check the path"),
        ("empty", ValueError, r"Folder .*empty holds no picture \(.apng, "),
        ("tables", ValueError, "it holds .csv files: give one of those"),
        ("pictures.zip", ValueError, "pictures.zip is none of the kinds that are read; unpack it and give its folder"),
        (
            "letter.txt",
            ValueError,
            "There is no picture in letter.txt: letter.txt lists no pictures, but lines such as 'Dear",
        ),
        ("empty.csv", ValueError, "empty.csv has no rows"),
        ("empty.jsonl", ValueError, "empty.jsonl has no rows; it is empty"),
        ("bare.csv", ValueError, "There is no picture in bare.csv: Line 2 of bare.csv names no picture"),
    ],
)
def test_nothing_to_describe_is_said(source, kind, sentence, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables" / "a.csv").write_text("image\na.png\n")
    (tmp_path / "letter.txt").write_text("Dear reader,\nthis is no list.\n")
    (tmp_path / "bare.csv").write_text("id,image\n1,\n")
    for name in ("pictures.zip", "empty.csv", "empty.jsonl"):
        (tmp_path / name).touch()
    with pytest.raises(kind, match=sentence) as raised:
        open_inputs(tmp_path / source)
    assert "\n" not in str(raised.value)


def test_names_that_are_no_text_and_pictures_that_are_not_there(tmp_path):
    make_picture(0).save(tmp_path / "a.png")
    os.rename(tmp_path / "a.png", os.fsencode(tmp_path) + b"/caf\xe9.png")
    (tmp_path / "gone.png").symlink_to("nothing.png")
    (tmp_path / "photo.heic").write_bytes(b"from a telephone")
    inputs = open_inputs(tmp_path)
    assert sorted(inputs.ids) == ["caf\ufffd.png", "gone.png", "photo.heic"]
    json.dumps(inputs.ids, ensure_ascii=False).encode()
    assert load_picture(inputs.picture(inputs.ids.index("caf\ufffd.png"))) == load_picture(make_picture(0))
    (tmp_path / "list.txt").write_bytes(b"caf\xe9.png\nhttp://me:secret@example.com/a@b.png\n")
    assert open_inputs(tmp_path / "list.txt").ids == ["caf\ufffd.png", "http://example.com/a@b.png"]
    table = tmp_path / "rows.csv"
    table.write_text("image\nnot/there.png\n")
    inputs = open_inputs(table)
    assert "There is no picture at 'not/there.png'" in inputs.notes[0]
    with pytest.raises(FileNotFoundError, match="not/there.png"):
        load_picture(inputs.picture(0))


def test_pictures_alone_load_nothing_heavy(photos):
    code = (
        "import sys; from moda.inference.inputs import open_inputs; "
        f"assert len(open_inputs([{str(photos)!r}, {str(photos / '0.png')!r}])) == 4; "
        "print(sys.modules.keys() & {'datasets', 'pandas', 'pyarrow', 'torch', 'transformers', 'PIL'})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "set()\n", done.stderr
