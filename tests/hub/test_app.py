"""The page to try a model: what it answers, and, where there is a browser, what a visitor sees."""

import argparse
import base64
import csv
import io
import math
import re
import shutil
import socket
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from conftest import make_model, make_png, make_processor, run_clean


pytest.importorskip("gradio")

import gradio

from generation_moda import generate_sentences
from hub_card.answers import Answer, show, to_csv
from hub_card.app import PICTURES_AT_ONCE, PageDescriber, find_samples, make_page, model_of_space
from moda.commands import demo


CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def moda():
    return make_model(), make_processor()


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for index in range(3):
        (folder / f"{index}.png").write_bytes(make_png(index))
    (folder / "text.jpg").write_text("no picture")
    (folder / "empty.jpg").touch()
    (folder / "phone.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic")
    (folder / "cut.png").write_bytes(make_png(0)[:200])
    (folder / "strip.png").write_bytes(make_png(0, size=(5, 2000)))
    return folder


def said_of(moda, photos, *names, prompt=None):
    model, processor = moda
    text = [prompt] * len(names) if prompt else None
    batch = processor(images=[[str(photos / name)] for name in names], text=text)
    return generate_sentences(model, processor, dict(batch), with_confidence=True)


def test_bad_pictures_are_named_and_the_others_described(moda, photos):
    names = ["0.png", "text.jpg", "empty.jpg", "phone.heic", "1.png", "cut.png", "strip.png"] * 2  # two batches
    batches = list(PageDescriber(*moda, "tiny")([str(photos / name) for name in names]))
    answers = [answer for batch in batches for answer in batch]
    assert [len(batch) for batch in batches] == [8, 6] and [answer.name for answer in answers] == names
    sentences, confidences = said_of(moda, photos, "0.png", "1.png")
    good = [answer for answer in answers if answer.error is None]
    assert [answer.sentence for answer in good] == sentences * 2
    assert [answer.confidence for answer in good] == pytest.approx(confidences * 2, abs=1e-4)
    for answer in answers:
        if answer.name not in ("0.png", "1.png"):
            assert answer.sentence is None and answer.name in answer.error and str(photos) not in answer.error


def test_a_prompt_is_asked_and_an_impossible_one_refused(moda, photos):
    describer = PageDescriber(*moda, "tiny")
    ((answer,),) = describer([str(photos / "0.png")], "What colour is it?")
    assert [answer.sentence] == said_of(moda, photos, "0.png", prompt="What colour is it?")[0]
    ((answer,),) = describer([str(photos / "0.png")], "<image><image>")
    assert answer.sentence is None and "<image>" in answer.error


def test_private_addresses_are_fetched_only_where_allowed(moda, photos, serve):
    address = f"{serve(photos)}/1.png"
    ((answer,),) = PageDescriber(*moda, "tiny")([address])
    assert answer.sentence is None and address in answer.error
    ((answer,),) = PageDescriber(*moda, "tiny", allow_private=True)([address])
    assert [answer.sentence] == said_of(moda, photos, "1.png")[0]


def test_attributes_and_confidence_are_shown_and_nothing_that_a_name_smuggles_in():
    answer = Answer("<b>.jpg", "", "A red shirt & <i>.", math.log(0.9), {"colour": "Red"}, 0.25)
    page = show([answer, Answer("bad", error="It is <u>.")], 2, "tiny")
    assert (
        "How sure: 90 %, sure" in page
        and "<dt>Colour</dt><dd>Red</dd>" in page
        and "2 pictures, 1 not described" in page
    )
    assert not re.search("<[biu]>", page) and "A red shirt &amp; &lt;i&gt;." in page
    formula = Answer('=HYPERLINK("x").jpg', "", "@a", math.log(0.9))
    rows = list(csv.DictReader(io.StringIO(to_csv([answer, formula], "tiny"))))
    assert rows[0]["id"] == "<b>.jpg" and rows[0]["colour"] == "Red" and rows[0]["how_sure"] == "0.9"
    assert rows[1]["id"] == '\'=HYPERLINK("x").jpg' and rows[1]["description"] == "'@a"
    assert float(rows[1]["confidence"]) == math.log(0.9)  # negative, and a number


def test_attributes_are_read_where_moda_is_installed(moda):
    read = PageDescriber(*moda, "tiny").attributes("A pair of navy blue striped socks for men.")
    assert read == {"colour": "Navy Blue", "category": "Socks", "gender": "Men", "pattern": "Striped"}


def test_more_pictures_than_a_visit_allows_are_counted(moda, photos):
    page = make_page(PageDescriber(*moda, "tiny"))
    describe = next(f.fn for f in page.fns.values() if f.name == "describe")
    pages = list(describe((0, [str(photos / "empty.jpg")] * (PICTURES_AT_ONCE + 1)), ""))
    assert f"Of {PICTURES_AT_ONCE + 1} pictures the first {PICTURES_AT_ONCE}" in pages[-1]
    assert pages[-1].count("<article") == PICTURES_AT_ONCE
    assert "give a picture" in next(describe((0, []), ""))


def test_a_space_finds_its_model_and_its_samples(tmp_path):
    readme = tmp_path / "README.md"
    with pytest.raises(ValueError, match="MODA_MODEL"):
        model_of_space({}, readme)
    readme.write_text("---\nsdk: gradio\nmodels:\n- me/moda\n---\n")
    assert model_of_space({}, readme) == "me/moda" and model_of_space({"MODA_MODEL": "you/moda"}, readme) == "you/moda"
    (tmp_path / "samples").mkdir()
    for name in ("b.JPG", "a.png", "c.webp", "d.avif", "notes.txt", "e.json"):
        (tmp_path / "samples" / name).touch()
    found = find_samples(tmp_path, tmp_path / "none")
    assert [Path(path).name for path in found] == ["a.png", "b.JPG", "c.webp", "d.avif"]


def options_of(*words):
    parser = argparse.ArgumentParser()
    demo.register(parser.add_subparsers())
    return parser.parse_args(["demo", *map(str, words)])


SPACE = """
import sys

sys.modules["moda"] = sys.modules["hub_card"] = None
sys.path.insert(0, sys.argv[1])
import app

repository = sys.argv[2]
model = app.AutoModelForImageTextToText.from_pretrained(repository, trust_remote_code=True).eval()
processor = app.AutoProcessor.from_pretrained(repository, trust_remote_code=True)
((answer,),) = app.PageDescriber(model, processor, "tiny")([sys.argv[3]])
assert answer.error is None and answer.attributes == {}, answer
print(repr(answer.sentence))
((answer,),) = app.PageDescriber(model, processor, "tiny")([sys.argv[4]])
assert "100 times as long as wide" in answer.error, answer

del sys.modules["moda"]
assert app.PageDescriber(model, processor, "tiny").attributes("A red shirt.") == {"colour": "Red", "category": "Shirts"}
assert sys.modules["moda"].__file__.startswith(sys.argv[1])
"""


def test_a_space_stands_alone_with_and_without_its_copy_of_moda(moda, repository, photos, tmp_path):
    space = tmp_path / "space"
    assert demo.run(options_of("me/moda", "--space", space)) == 0
    assert model_of_space({}, space / "README.md") == "me/moda"
    said = run_clean(SPACE, space, repository, photos / "0.png", photos / "strip.png", modules=tmp_path / "modules")
    assert said.strip().splitlines()[-1] == repr(said_of(moda, photos, "0.png")[0][0])
    with pytest.raises(ValueError, match="push it"):
        demo.run(options_of(repository, "--space", space))
    with pytest.raises(ValueError, match="is there already and not empty"):
        demo.run(options_of("me/other", "--space", space))


@pytest.fixture(scope="module")
def address(repository, photos, tmp_path_factory):
    """Of the page that `moda demo` serves, which fetches from anywhere and shows one example."""
    folder = tmp_path_factory.mktemp("demo") / "moda-tiny"
    shutil.copytree(repository, folder)
    (folder / "samples").mkdir()
    shutil.copy(photos / "2.png", folder / "samples")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = options_of(folder, "--port", port, "--no-browser", "--allow-private-urls")
    threading.Thread(target=demo.run, args=(options,), daemon=True).start()
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=10).close()
            break
        except OSError:
            time.sleep(0.1)
    yield f"http://127.0.0.1:{port}/"
    gradio.close_all()


def test_a_taken_port_and_an_open_address_are_said(address, repository, capsys):
    port = address.rstrip("/").rpartition(":")[2]
    with pytest.raises(ValueError, match="--port"):
        demo.run(options_of(repository, "--port", port, "--no-browser"))
    assert "whoever reaches" not in capsys.readouterr().err
    with socket.create_server(("0.0.0.0", 0)) as taken, pytest.raises(ValueError, match="--port"):
        demo.run(options_of(repository, "--host", "0.0.0.0", "--port", taken.getsockname()[1], "--no-browser"))
    assert "whoever reaches 0.0.0.0 may use the page" in capsys.readouterr().err


def test_the_server_names_no_other_machine(address):
    page = urllib.request.urlopen(address).read().decode()
    loaded = re.findall(r'(?:<script[^>]*src|<link[^>]*href)="(?!data:)([^"]*)"', page)
    assert loaded and not [url for url in loaded if "//" in url]


@pytest.fixture(scope="module")
def browser():
    driver = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("there is no chromium")
    with driver.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def words(text):
    return " ".join(text.split())


def seen(page):
    return [words(text) for text in page.locator(".sentence").all_text_contents()]


def test_a_visitor_sees_what_the_model_says(address, browser, moda, photos, serve):
    page = browser.new_page(viewport={"width": 360, "height": 740})
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)

    page.set_input_files("#files input[type=file]", [str(photos / name) for name in ("0.png", "text.jpg", "1.png")])
    page.wait_for_selector(".save")
    assert seen(page) == [words(text) for text in said_of(moda, photos, "0.png", "1.png")[0]]
    assert "text.jpg" in page.inner_text(".bad")
    assert "3 pictures, 1 not described" in page.inner_text("[role=status]")
    table = base64.b64decode(page.get_attribute(".save", "href").partition(",")[2]).decode("utf-8-sig")
    assert [row["id"] for row in csv.DictReader(io.StringIO(table))] == ["0.png", "text.jpg", "1.png"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 360

    page.get_by_role("tab", name="Link").click()
    data = "data:image/png;base64," + base64.b64encode(make_png(1)).decode()
    page.get_by_label("Links to pictures").fill(f"{serve(photos)}/0.png {data} file://{photos}/2.png")
    page.get_by_role("button", name="Describe", exact=True).click()
    page.get_by_text("3 pictures, 1 not described").wait_for()
    assert seen(page) == [words(text) for text in said_of(moda, photos, "0.png", "1.png")[0]]
    assert "https://file://" in page.inner_text(".bad") and "data:image/png;base64" in page.inner_text(".cards")

    page.get_by_role("button", name="Thumbnail 1").click()  # the example
    page.locator(".name", has_text="2.png").wait_for()
    page.get_by_text("1 picture ·").wait_for()
    assert seen(page) == [words(text) for text in said_of(moda, photos, "2.png")[0]]
    assert not [url for url in asked if not url.startswith((address, "data:", "blob:"))]
    page.close()
