"""What is printed on a picture, read by the real engine where it is installed."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image, ImageDraw, ImageFont

from moda.annotation.leaks import leaked_print
from moda.annotation.printed import PrintReader, ocr_available, overlap, printed_words, read_off


needs_engine = pytest.mark.skipif(not ocr_available(), reason="needs pytesseract and the program tesseract")
BODY = [
    (100, 150),
    (220, 100),
    (380, 100),
    (500, 150),
    (560, 320),
    (470, 350),
    (450, 720),
    (150, 720),
    (130, 350),
    (40, 320),
]


def shirt(*lines, ink="white", cloth="black", size=(600, 800)):
    image = Image.new("RGB", (600, 800), "white")
    board = ImageDraw.Draw(image)
    board.polygon(BODY, fill=cloth)
    for place, line in enumerate(lines):
        board.text((300, 350 + 100 * place), line, font=ImageFont.load_default(80), fill=ink, anchor="mm")
    return image.resize(size)


@needs_engine
@pytest.mark.parametrize(
    "ink, cloth, size", [("white", "black", (600, 800)), ("navy", "white", (224, 299)), ("yellow", "red", (300, 400))]
)
def test_a_printed_shirt(ink, cloth, size):
    words = printed_words(shirt("DREAM", "BIG", ink=ink, cloth=cloth, size=size))
    assert sorted(words) == ["BIG", "DREAM"]
    why = leaked_print("A shirt with a dream big design.", {"metadata": {}, "printed": words}, {"overlap": 0.5})
    assert why == 'The description repeats "dream", which is printed on the product; leave it out.'
    assert (
        leaked_print("A black shirt with short sleeves.", {"metadata": {}, "printed": words}, {"overlap": 0.5}) is None
    )


@needs_engine
@pytest.mark.parametrize(
    "image", [shirt(), Image.new("L", (1, 1)), Image.new("RGBA", (3, 900)), Image.new("P", (60, 80))]
)
def test_pictures_without_print(image):
    assert printed_words(image) == []


def test_without_an_engine_the_way_out_is_said(monkeypatch):
    monkeypatch.setenv("PATH", "")
    ocr_available.cache_clear()
    try:
        assert not ocr_available()
        with pytest.raises(RuntimeError, match="install both, or set checks.leaked_print.ocr=false"):
            printed_words(shirt())
    finally:
        ocr_available.cache_clear()


def test_overlap_is_the_share_of_a_sentences_own_words():
    assert overlap("The DREAM big tee", ["dream", "BIG"]) == pytest.approx(2 / 3)
    assert overlap("A red tee.", ["dream"]) == 0 and overlap("A tee.", []) == 0 and overlap("", ["dream"]) == 0
    assert overlap("Rosé's tee", ["rose"]) == 0.5


def test_what_is_read_off():
    assert read_off("A black cotton tee.", [], 0.5) is None
    assert read_off("A black cotton tee.", ["BLACK"], 0.5) is None
    assert "in 67% of its words" in read_off("A black cotton tee.", ["BLACK", "COTTON"], 0.5)
    assert read_off("A black cotton tee.", ["BLACK", "COTTON"], 0.7) is None
    assert '"zorbly"' in read_off("A black cotton tee by zorbly in red stripes.", ["Zorbly"], 0.5)
    assert read_off("A black cotton vex tee in red stripes.", ["VEX"], 0.5) is None  # three letters may be chance


def load(number):
    def opened():
        if number == 3:
            raise ValueError("The picture can't be read.")
        return Image.new("RGB", (number + 1, 1))

    return opened


@pytest.fixture
def engine(monkeypatch):
    """An engine that reads how wide a picture is, and notes it."""
    seen, lock = [], threading.Lock()

    def read(image):
        with lock:
            seen.append(image.width)
        return [f"wide{image.width}", "Été"]

    monkeypatch.setattr("moda.annotation.printed.printed_words", read)
    return seen


def test_each_picture_is_read_once_by_many_threads(engine, tmp_path):
    file = tmp_path / "answers" / "print.jsonl"
    reader = PrintReader(file)
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda number: reader.read(f"{number:03}", load(number)), range(200)))
    assert said == [[] if number == 3 else [f"wide{number + 1}", "Été"] for number in range(200)]
    assert sorted(engine) == [number + 1 for number in range(200) if number != 3]
    again = PrintReader(file)
    assert [again.read(f"{number:03}", load(number)) for number in range(201)] == [*said, ["wide201", "Été"]]
    assert len(engine) == 200 == len(file.read_text().splitlines())


def test_half_a_line_of_a_killed_run_is_read_again(engine, tmp_path):
    reader = PrintReader(tmp_path / "print.jsonl")
    first = [reader.read(name, load(number)) for number, name in enumerate("ab")]
    for end in range(1, 24):
        whole = (tmp_path / "print.jsonl").read_bytes()
        (tmp_path / "cut.jsonl").write_bytes(whole[:-end])
        for _ in range(2):
            cut = PrintReader(tmp_path / "cut.jsonl")
            assert [cut.read(name, load(number)) for number, name in enumerate("ab")] == first
    assert len(engine) <= 2 + 23  # never the first, and the second once


@needs_engine
def test_the_real_engine_is_asked_once(tmp_path):
    words = PrintReader(tmp_path / "print.jsonl").read("1", lambda: shirt("DREAM", "BIG"))
    assert sorted(words) == ["BIG", "DREAM"] and words == PrintReader(tmp_path / "print.jsonl").read("1", None)
