"""What the pages of reports share."""

import base64
import io

import pytest
from PIL import Image

from moda.data.page import data_uri, lines, page_template, thumbnail


def test_a_template_escapes_and_has_the_style(tmp_path):
    (tmp_path / "report.html").write_text("<style>{% include 'page.css' %}</style>{{ text|twice }} {{ three }}")
    page = page_template(tmp_path, {"twice": lambda text: 2 * text}, three=3).render(text="<b>")
    assert page.endswith("&lt;b&gt;&lt;b&gt; 3") and "--paper:" in page


@pytest.mark.parametrize("mode, size, small", [("RGB", (400, 100), (160, 40)), ("LA", (20, 30), (20, 30))])
def test_a_thumbnail_lies_in_its_address(mode, size, small):
    picture = Image.new(mode, size)
    found = data_uri(thumbnail(picture))
    content = base64.b64decode(found["uri"].removeprefix("data:image/jpeg;base64,"))
    assert Image.open(io.BytesIO(content)).size == (found["width"], found["height"]) == small
    assert picture.size == size and thumbnail(picture, 10).width <= 10


def test_facts_are_named_by_their_path():
    facts = {
        "rows": 5400,
        "a": {"b": {"c": 0.12345}},
        "of": ["x", 2],
        "sure": True,
        "none": None,
        "empty": [],
        "no": "",
    }
    assert lines(facts) == [("rows", "5,400"), ("a · b · c", "0.1235"), ("of", "x, 2"), ("sure", "True")]
