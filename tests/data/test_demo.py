"""The demo catalogue: the same on every run, complete, spoken in its own words, and written whole or not at all."""

import io
import itertools
import json
import multiprocessing
import re

import pytest
from PIL import Image

from moda.data import demo
from moda.data.demo import COLUMNS, KINDS, demo_row, demo_rows, draw_product, split_of, write_demo
from moda.data.drawing import COLOURS
from moda.data.sheet import contact_sheet
from moda.data.staging import ARTICLES
from moda.data.wording import ATTRIBUTES, DRAWN_TEMPLATES, Wording
from moda.data.words import ARTICLE_WORDS, COLOUR_WORDS, GENDER_WORDS, PATTERN_WORDS, USAGE_WORDS


WORDING = Wording()


def read_back(sentence):
    found = WORDING.read(sentence)
    return {**found, "pattern": found["pattern"] or ["Solid"]}


def pixels(row):
    return {**row, "image": row["image"].tobytes()}


def test_rows_do_not_depend_on_count_or_start():
    few = [pixels(row) for row in demo_rows(4, seed=3)]
    many = [pixels(row) for row in demo_rows(12, seed=3)]
    assert few == many[:4]
    assert [pixels(row) for row in demo_rows(2, seed=3, start=5)] == many[5:7]
    assert few != [pixels(row) for row in demo_rows(4, seed=4)]


def test_a_fresh_interpreter_draws_the_same_bytes():
    tasks = [(index, 0, 48) for index in range(3)]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        elsewhere = pool.map(demo._encoded_row, tasks)
    assert elsewhere == [demo._encoded_row(task) for task in tasks]


def test_the_catalogue_is_broad():
    rows = [demo_row(index) for index in range(4000)]
    assert {row["articleType"] for row in rows} == set(KINDS) and len(KINDS) >= 24
    assert {row["baseColour"] for row in rows} == set(COLOUR_WORDS) and len(COLOUR_WORDS) == 16
    assert {row["gender"] for row in rows} == set(GENDER_WORDS) and len(GENDER_WORDS) == 5
    assert {row["usage"] for row in rows} == set(USAGE_WORDS) and len(USAGE_WORDS) == 5
    assert {row["pattern"] for row in rows} == set(PATTERN_WORDS)
    assert {row["masterCategory"] for row in rows} == {"Apparel", "Footwear", "Accessories", "Personal Care"}
    assert any(row["printed_text"] for row in rows)
    assert set(KINDS) == set(ARTICLES) == set(ARTICLE_WORDS) and set(COLOURS) == set(COLOUR_WORDS)


def test_sentences_say_exactly_the_attributes_of_their_row():
    for index in range(4000):
        row = demo_row(index, seed=1)
        assert read_back(row["description"]) == {name: [row[name]] for name in ATTRIBUTES}, row["description"]
        words = set(re.findall(r"[\w!']+", row["description"].lower()))
        assert (row["printed_text"] or "").lower() not in words
        assert row["productDisplayName"].split()[0].lower() not in words


def test_every_template_reads_back_for_every_article_gender_and_usage():
    for template in range(DRAWN_TEMPLATES):  # test_sentence_patterns.py has the others
        for values in itertools.product(ARTICLE_WORDS, ["Navy Blue"], ["Polka Dots"], GENDER_WORDS, USAGE_WORDS):
            row = dict(zip(ATTRIBUTES, values, strict=True))
            sentence = WORDING.write(row, template)
            assert read_back(sentence) == {name: [row[name]] for name in ATTRIBUTES}, sentence


def test_splits_share_no_combination_and_follow_from_it():
    rows = [demo_row(index) for index in range(3000)]
    met = {
        split: {tuple(row[name] for name in ATTRIBUTES) for row in rows if row["split"] == split}
        for split in demo.SPLITS
    }
    assert (
        not met["train"] & met["validation"] and not met["train"] & met["test"] and not met["validation"] & met["test"]
    )
    assert all(split_of(row) == row["split"] for row in rows)
    assert 0.75 < sum(row["split"] == "train" for row in rows) / 3000 < 0.85
    known = {"articleType": "Ties", "baseColour": "Red", "pattern": "Solid", "gender": "Men", "usage": "Formal"}
    assert split_of(known) == "train"  # fixed for good: a model trained last year must not meet its test set


def test_pictures_have_the_size_asked_for_and_show_their_row():
    row = {"articleType": "Tshirts", "baseColour": "Red", "gender": "Men", "usage": "Casual", "id": 7}
    picture = draw_product(row, size=64)
    assert picture.size == (64, 64) and picture.mode == "RGB"
    for change in ({"baseColour": "Teal"}, {"gender": "Girls"}, {"usage": "Party"}, {"pattern": "Floral"}):
        assert draw_product({**row, **change}, size=64).tobytes() != picture.tobytes()
    assert draw_product({**row, "printed_text": "SURF"}, size=64).tobytes() != picture.tobytes()


def test_any_gender_and_usage_can_be_drawn_on_any_article():
    for number, article in enumerate(KINDS):
        gender, usage = list(GENDER_WORDS)[number % 5], list(USAGE_WORDS)[number // 5 % 5]
        row = {"articleType": article, "baseColour": "Blue", "gender": gender, "usage": usage, "id": number}
        assert len(draw_product(row, size=32).getcolors(maxcolors=1024)) > 50


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    return write_demo(tmp_path_factory.mktemp("demo") / "new", count=60, seed=5, size=32, progress=False)


def test_datasets_opens_what_was_written(written, tmp_path):
    datasets = pytest.importorskip("datasets")
    files = {split: str(written / f"{split}.parquet") for split in demo.SPLITS}
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path))
    assert isinstance(loaded["train"].features["image"], datasets.Image)
    assert loaded["train"].column_names == list(COLUMNS)
    rows = sorted((row for split in demo.SPLITS for row in loaded[split]), key=lambda row: row["id"])
    assert [pixels(row) for row in rows] == [pixels(row) for row in demo_rows(60, seed=5, size=32)]
    assert all(row["split"] == split for split in demo.SPLITS for row in loaded[split])


def test_a_finished_folder_is_reused(written, capsys, monkeypatch):
    before = {path.name: path.stat().st_mtime_ns for path in written.iterdir()}
    monkeypatch.setattr(demo, "_encoded_row", None)  # drawing anything would now fail
    assert write_demo(str(written), count=60, seed=5, size=32) == written
    assert "already complete" in capsys.readouterr().out
    assert {path.name: path.stat().st_mtime_ns for path in written.iterdir()} == before


def test_other_settings_replace_the_catalogue(tmp_path):
    write_demo(tmp_path, count=40, size=32, progress=False)
    write_demo(tmp_path, count=41, size=32, progress=False)
    assert json.loads((tmp_path / demo.RECORD).read_text())["count"] == 41


def test_an_interrupted_call_leaves_no_half_file(tmp_path, monkeypatch):
    real = demo._encoded_row

    def interrupted(task):
        if task[0] == 5:
            raise KeyboardInterrupt
        return real(task)

    monkeypatch.setattr(demo, "_encoded_row", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_demo(tmp_path, count=40, size=32, progress=False)
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(demo, "_encoded_row", real)
    write_demo(tmp_path, count=40, size=32, progress=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        demo.RECORD,
        *sorted(f"{s}.parquet" for s in demo.SPLITS),
    ]


def test_foreign_files_are_not_overwritten(tmp_path):
    (tmp_path / "train.parquet").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="no demo catalogue; name another folder"):
        write_demo(tmp_path, count=40, progress=False)
    assert (tmp_path / "train.parquet").read_bytes() == b"mine"
    with pytest.raises(NotADirectoryError, match="is a file"):
        write_demo(tmp_path / "train.parquet", count=40, progress=False)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: write_demo("unused", count=0), "count must be a whole number of at least 1, not 0"),
        (lambda: write_demo("unused", count=2), "count 2 leaves a split of seed 0 empty; ask for at least"),
        (lambda: write_demo("unused", seed=-1), "seed must be a whole number of at least 0, not -1"),
        (lambda: demo_rows(0), "count must be a whole number of at least 1, not 0"),
        (lambda: demo_rows(5, size=8), "size must be a whole number of at least 16, not 8"),
        (lambda: demo_rows(2.5), "count must be a whole number of at least 1, not 2.5"),
        (
            lambda: draw_product({"articleType": "Hovercraft"}),
            "articleType 'Hovercraft' cannot be drawn; choose one of",
        ),
        (
            lambda: draw_product(
                {"articleType": "Ties", "baseColour": "Red", "gender": "Men", "usage": "Formal", "pattern": "Tartan"}
            ),
            "pattern 'Tartan' cannot be drawn",
        ),
        (lambda: contact_sheet([]), "needs at least one picture"),
        (lambda: contact_sheet([Image.new("RGB", (8, 8))], ["a", "b"]), "captions has 2 entries for 1 pictures"),
    ],
)
def test_bad_input_is_told_in_one_sentence(call, message):
    with pytest.raises(ValueError, match=re.escape(message)) as caught:
        call()
    text = str(caught.value)
    assert "\n" not in text and text.endswith(".")


def test_contact_sheets_of_rows_and_of_pictures():
    rows = list(demo_rows(5, size=32))
    sheet = contact_sheet(rows, columns=3)
    assert sheet.width == 3 * 192 + 4 * 16
    buffer = io.BytesIO()
    rows[0]["image"].save(buffer, "PNG")
    pictures = [rows[0]["image"], buffer.getvalue(), {"bytes": buffer.getvalue()}, Image.new("L", (20, 60))]
    captions = ["right", "wrong " * 30, "", "aWordThatIsFarTooLongToFitBeneathThePictureInOneLine" * 2]
    plain = contact_sheet(pictures, captions, columns=8, cell=100)
    coloured = contact_sheet(pictures, captions, columns=8, cell=100, colours=[(0, 130, 0), "red", None, None])
    assert plain.size == coloured.size and plain.width == 4 * 100 + 5 * 8
    assert plain.tobytes() != coloured.tobytes()
