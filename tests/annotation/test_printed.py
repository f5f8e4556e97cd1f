"""What is printed on a picture, read by the real engine where it is installed."""

import pytest
from PIL import Image, ImageDraw, ImageFont

from moda.annotation.leaks import leaked_print
from moda.annotation.printed import ocr_available, overlap, printed_words, read_off


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
