"""The report, read as a browser reads it."""

import copy
import math
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from conftest import make_picture
from matplotlib.colors import to_rgb
from PIL import Image

from moda.evaluation import figures, tables
from moda.evaluation.five import OVERALL, SCORES, Verdict, five_scores, summary
from moda.evaluation.intervals import accuracy, bootstrap, paired
from moda.evaluation.report import headline, marks, significance, write_report, wrong_besides


VOID = {"meta", "img", "link", "br", "hr", "input"}
ATTRIBUTES = ("baseColour", "articleType", "gender", "usage")


class Page(HTMLParser):
    """What is on a page: its text, tags with attributes, and whether every tag is closed."""

    def __init__(self, file):
        super().__init__()
        self.source = file.read_text(encoding="utf-8")
        self.tags, self.open, self.words = [], [], []
        self.feed(self.source)
        self.text = " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another at {self.getpos()}"

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    def all(self, name):
        return [attributes[name] for _, attributes in self.tags if name in attributes]


def system(name, kind, verdicts):
    scores = five_scores(verdicts)
    five = bootstrap(lambda weights: summary(scores, weights), len(verdicts), resamples=100)
    counts = {
        key: {"rows": int((~np.isnan(scores[key])).sum()), "excluded": int(np.isnan(scores[key]).sum())} for key in five
    }
    right = [verdict.category for verdict in verdicts]
    return scores, {
        "name": name,
        "kind": kind,
        "about": f"what {name} is",
        "five": {key: {**five[key], **counts[key]} for key in five},
        "attributes": {"articleType": accuracy(right)},
        "exact_match": accuracy(right[:7]),
        "captions": {"cider": {"value": 1.234, "low": 1.1, "high": 1.345}},
        "clip": {"clip_score": {"value": 61.25, "low": 60, "high": 62.5}},
        "retrieval": {"text_to_image": {"1": 0.125}},
        "unverifiable": 3,
    }


def results():
    generator = np.random.default_rng(0)
    rows = [{"baseColour": "Navy Blue", "articleType": "Shirts", "gender": "Men", "usage": None}] * 30

    def judged(chance):
        verdicts = []
        for hits in generator.random((30, 3)) < chance:
            read = {"baseColour": ["Navy Blue" if hits[0] else "Red"], "articleType": ["Shirts"] if hits[1] else []}
            verdicts.append(
                Verdict(
                    colours=1, colours_right=int(hits[0]), category=bool(hits[1]), gender=bool(hits[2]), details=3,
                    details_right=int(hits.sum()), read={**read, "gender": ["Men" if hits[2] else "Women"]},
                )
            )  # fmt: skip
        return verdicts

    verdicts = judged(0.8)
    scores, first = system("our model", "model", verdicts)
    other_scores, blind = system("blind", "baseline", judged(0.3))
    confidences = -generator.random(30)
    reads = [verdict.read for verdict in verdicts]
    sentences = ["A navy blue shirt for men."] * 30
    shown = (sentences, rows, verdicts, scores, ATTRIBUTES, confidences)
    differences = paired(lambda w: summary(scores, w), lambda w: summary(other_scores, w), 30, resamples=100)
    return {
        "title": "Our model on a catalogue",
        "command": "moda evaluate ours catalogue",
        "data": {"source": "catalogue", "rows": 30, "fingerprint": "f00d"},
        "judge": {"name": "rules"},
        "seconds": {"describing": 12.5},
        "notes": ["Thirty rows are few."],
        "problems": ["The baseline nearest could not be run."],
        "systems": [first, blind],
        "paired": [
            {"a": "our model", "b": "blind", "differences": {**differences, "captions: cider": differences["overall"]}}
        ],
        "classes": {name: tables.class_table(rows, reads, name) for name in ATTRIBUTES[:3]},
        "confusion": {name: tables.confusion(rows, reads, name) for name in ATTRIBUTES[:2]},
        "curves": [{"name": name, "points": [[1e6, 3.0], [2e6, 6.0]]} for name in (*SCORES, OVERALL)],
        "losses": [{"name": "describe", "points": [[step, 3 / step] for step in range(1, 60)]}],
        "calibration": tables.calibration(confidences, tables.all_right(scores)),
        "probes": [
            {
                "name": "counting",
                "about": "how many",
                "rows": 48,
                "chance": 0.25,
                "parts": {"one": 0.75, "two": 0.0, "three": None},
                **accuracy([True] * 17 + [False] * 31),
            }
        ],
        "agreement": {"colour": {"kappa": 0.75, "agreement": 0.9, "rows": 30}, "gender": {"kappa": None, "rows": 30}},
        "examples": tables.examples([0, 1, 2], *shown),
        "worst": tables.examples(tables.worst(scores, confidences, 2), *shown),
    }


@pytest.fixture(scope="module")
def whole():
    return results()


@pytest.fixture(scope="module")
def pictures():
    return {index: make_picture(index, size=(300, 400)) for index in range(30)}


@pytest.fixture(scope="module")
def written(whole, pictures, tmp_path_factory):
    folder = tmp_path_factory.mktemp("report") / "deep" / "er"
    return folder, Page(write_report(folder, whole, pictures))


def minimal(**changes):
    five = {name: {"value": 5.0, "low": 4.0, "high": 6.0, "rows": 9, "excluded": 0} for name in (*SCORES, OVERALL)}
    return {"title": "Small", "systems": [{"name": "ours", "kind": "model", "five": five}], **changes}


def test_the_page_needs_nothing_from_elsewhere(written):
    page = written[1]
    assert "http" not in page.source and "//" not in re.sub(r"base64,[\w+/=]+", "", page.source)
    assert all(address.startswith("data:image/jpeg;base64,") for address in page.all("src"))
    assert all(address.startswith("#") for address in page.all("href"))
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert "@import" not in page.source and set(re.findall(r"url\((.)", page.source)) <= {"#"}
    assert len(page.source) < 200_000


def test_the_page_is_whole(written):
    page = written[1]
    assert not page.open
    ids = page.all("id")
    assert len(ids) == len(set(ids))
    assert {address[1:] for address in page.all("href")} <= set(ids)
    assert all(attributes.get("alt") for tag, attributes in page.tags if tag == "img")
    assert [tag for tag, _ in page.tags].count("h1") == 1
    assert {"lang": "en"} in [attributes for tag, attributes in page.tags if tag == "html"]


def test_every_system_and_interval_is_told(written, whole):
    text = written[1].text
    for system in whole["systems"]:
        assert system["name"] in text and system["about"] in text
        for score in system["five"].values():
            if math.isfinite(score["value"]):
                assert f"{score['value']:.2f} {score['low']:.2f}–{score['high']:.2f}" in text
        share = system["attributes"]["articleType"]
        assert f"{100 * share['accuracy']:.1f} {100 * share['low']:.1f}–{100 * share['high']:.1f}" in text
    assert "1.234 1.100–1.345" in text and "61.2 60.0–62.5" in text and "text_to_image R@1 " in text
    for name, found in whole["paired"][0]["differences"].items():
        assert name in text
        assert math.isnan(found["value"]) or f"{found['value']:.2f}" in text
    for words in (
        "Thirty rows are few.",
        "could not be run",
        "moda evaluate ours catalogue",
        "f00d",
        "12.5",
        "35.4",
        "0.75",
    ):
        assert words in text
    assert text.count("A navy blue shirt for men.") == 5


def test_themes_colour_the_charts(written):
    page = written[1]
    charts = [tag for tag, _ in page.tags if tag == "svg"]
    assert len(charts) == 3  # curves, losses, calibration
    assert "prefers-color-scheme: dark" in page.source
    drawn = page.source[page.source.index("<svg") :]
    assert "var(--s1)" in drawn and "var(--ink)" in drawn and "#0f6f6c" not in drawn and "#24222b" not in drawn


def test_pictures_lie_beside(written):
    folder = written[0]
    names = {file.name for file in folder.iterdir()}
    assert names == {
        "report.html", "scores.png", "curves.png", "losses.png", "calibration.png", "examples.png",
        "confusion-baseColour.png", "confusion-articleType.png",
    }  # fmt: skip
    for name in names - {"report.html"}:
        picture = np.asarray(Image.open(folder / name).convert("L"), dtype=float)
        assert picture.std() > 5 and (picture < 128).mean() > 0.002, name


def test_the_same_results_make_the_same_page(written, whole, pictures, tmp_path):
    before = copy.deepcopy(whole)
    assert write_report(tmp_path, whole, pictures).read_bytes() == (written[0] / "report.html").read_bytes()
    assert str(whole) == str(before)


def test_what_is_missing_is_left_out(written, whole, tmp_path):
    ids = set(Page(write_report(tmp_path, minimal(), {})).all("id"))
    assert ids == {"scores"}
    assert {file.name for file in tmp_path.iterdir()} == {"report.html", "scores.png"}
    every = {
        "scores",
        "paired",
        "curves",
        "examples",
        "worst",
        "classes",
        "calibration",
        "probes",
        "agreement",
        "measured",
    }
    assert every <= set(written[1].all("id"))


@pytest.mark.parametrize("name", ["paired", "examples", "worst", "calibration", "probes", "agreement"])
def test_each_section_stands_alone(whole, tmp_path, name):
    page = Page(write_report(tmp_path, minimal(**{name: whole[name]}), {}))
    sections = {attributes["id"] for tag, attributes in page.tags if tag == "h2"}
    assert sections == {"scores", name} and f"#{name}" in page.all("href")
    assert not page.open and not [tag for tag, _ in page.tags if tag == "img"]


def test_text_is_only_ever_text(tmp_path):
    evil = "<script>alert('$x_1$')</script><img src=http://evil onerror=x> & {{ 7 * 7 }} \"'"
    example = {"picture": 0, "sentence": evil, "truth": {"gender": evil}, "read": {evil: [evil]}, "wrong": [evil]}
    found = minimal(
        title=evil, command=evil, notes=[evil], problems=[evil], model={evil: evil}, examples=[example],
        curves=[{"name": evil, "points": [[0, 1], [1, 2]]}], classes={evil: tables.class_table([{"a": evil}], [{}], "a")},
        confusion={evil: tables.confusion([{"a": evil}], [{"a": [evil]}], "a")}, agreement={evil: {"kappa": 1.0, "rows": 1}},
        probes=[{"name": evil, "about": evil, "accuracy": 0.5, "rows": 2}],
        paired=[{"a": evil, "b": evil, "differences": {evil: {"value": 1.0, "low": 0.5, "high": 2.0, "p": 0.01}}}],
    )  # fmt: skip
    found["systems"][0].update(name=evil, about=evil, kind="model", captions={evil: 1.0})
    page = Page(write_report(tmp_path, found, {0: make_picture()}))
    assert not {"script", "iframe"} & {tag for tag, _ in page.tags} and not page.open
    assert not [attributes for _, attributes in page.tags if "onerror" in attributes]
    assert all(address.startswith("data:") for address in page.all("src"))
    assert page.text.count("{{ 7 * 7 }}") >= 15 and "<script>alert('$x_1$')</script>" in page.text
    assert len(list(tmp_path.glob("confusion-*.png"))) == 1  # a name is no path


def test_nan_is_a_dash(tmp_path):
    nothing = dict.fromkeys(("value", "low", "high"), math.nan)
    found = minimal(
        paired=[{"a": "ours", "b": "theirs", "differences": {"overall": {**nothing, "p": math.nan}}}],
        classes={"gender": tables.class_table([{"gender": "Men"}], [{"gender": ["Women"]}], "gender")},
        calibration=tables.calibration([-0.1, -0.2], [1.0, 1.0]),
        curves=[{"name": "overall", "points": [[0, math.nan], [1e6, 2.0]]}],
        seconds={"describing": None},
    )
    found["systems"][0]["five"]["gender"] = {**nothing, "rows": 0, "excluded": 9}
    found["systems"].append({"name": "theirs", "kind": "other model", "five": {"overall": nothing}, "attributes": None})
    page = Page(write_report(tmp_path, found, {}))
    assert "–" in page.text and not re.search(r"\b(nan|NaN|None|inf)\b", page.text)


def test_rows_without_metadata_are_reported_by_their_captions(tmp_path):
    captions = {"bleu_4": {"value": 0.3, "low": 0.2, "high": 0.4}, "cider": {"value": 0.95, "low": 0.9, "high": 1.0}}
    found = {"title": "Photographs", "data": {"rows": 1000}, "systems": [{"name": "ours", "captions": captions}]}
    page = Page(write_report(tmp_path, found, {}))
    assert "Cider 0.95 (0.90–1.00) on 1,000 products." in page.text and "What each score means" not in page.text
    assert not (tmp_path / "scores.png").exists()


def test_no_system_is_no_report(tmp_path):
    with pytest.raises(ValueError, match="at least one system"):
        write_report(tmp_path / "new", {"title": "Empty", "systems": []}, {})
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize(
    "beside, ending",
    [
        ({}, "."),
        ({"blind": 3.0}, "; the same model without the picture gets 3.00."),
        ({"majority": 4.0, "nearest": 4.5}, "; the best baseline, nearest, 4.50."),
        (
            {"majority": 4.0, "blind": 3.0},
            "; the same model without the picture gets 3.00, the best other baseline, majority, 4.00.",
        ),
    ],
)
def test_the_headline_says_it_in_words(beside, ending):
    found = minimal(judge={"name": "rules"}, data={"rows": 2710})
    found["systems"][0]["five"]["overall"] = {"value": 8.14, "low": 8.081, "high": 8.2, "rows": 2710}
    for name, value in beside.items():
        found["systems"].append({"name": name, "kind": "baseline", "five": {"overall": {"value": value}}})
    found["systems"].append({"name": "better", "kind": "other model", "five": {"overall": {"value": 9.0}}})
    assert headline(found) == "Overall 8.14 of 10 (8.08–8.20) on 2,710 products, judged by rules" + ending


def test_marks_say_what_is_right_without_colour():
    example = {
        "truth": {"baseColour": "Blue", "gender": "Men", "articleType": "Shirts", "pattern": "Striped"},
        "read": {"baseColour": ["Blue", "Red"], "gender": ["Women"], "usage": ["Formal"], "pattern": ["Striped"]},
        "verdict": {"colour": 5.0, "gender": 0.0, "category": 0.0, "style": None},
    }
    assert marks(example) == [
        ("part", "◐ colour: Blue, Red · is Blue"),
        ("wrong", "✗ category: nothing said · is Shirts"),
        ("wrong", "✗ gender: Women · is Men"),
        ("other", "– style: Formal · not known"),
        ("right", "✓ pattern: Striped"),
    ]
    assert marks({"truth": {"gender": "Unisex"}, "read": {}, "verdict": {"gender": 10.0}}) == [
        ("right", "✓ gender: Unisex")
    ]
    assert marks({"truth": {"gender": "Men"}, "read": None, "verdict": None}) == [
        ("other", "– gender: nothing said · is Men")
    ]
    one_detail = {"truth": {"pattern": "Striped"}, "read": {"pattern": ["Solid"]}, "verdict": {"gender": 10.0}}
    assert marks(one_detail) == [("wrong", "✗ pattern: Solid · is Striped")]


def test_a_fault_is_told_once():
    example = {
        "truth": {"baseColour": "Blue", "articleType": "Shirts", "gender": "Men", "usage": "Casual"},
        "read": {"baseColour": ["Red"], "pattern": ["Solid"]},
        "wrong": [
            "colour: says red, is Blue", "article: not said", "gender: not said", "usage: not said",
            "pattern: says solid, is Striped", "neckline: says v-neck, is Round", "the sleeves are short",
        ],
    }  # fmt: skip
    assert wrong_besides(example) == ["neckline: says v-neck, is Round", "the sleeves are short"]
    assert wrong_besides({"wrong": ["colour: says red, is Blue"], "truth": {}}) == []
    assert wrong_besides({}) == []


@pytest.mark.parametrize(
    "found, text",
    [
        ({"p": 0.2, "p_floor": 0.001}, "p = 0.200"),
        ({"p": 0.00146, "p_floor": 0.00146}, "p ≤ 0.0015"),
        ({"p": 0.00141, "p_floor": 0.00141}, "p ≤ 0.0015"),
        ({"p": 0.00146, "p_floor": 0.0001}, "p = 0.0015"),
        ({"p": 0.00001}, "p < 0.0001"),
        ({"p": None, "p_floor": None}, ""),
        ({}, ""),
    ],
)
def test_p_at_its_floor_is_told_as_such(found, text):
    assert significance(found) == text


def test_p_and_intervals_that_are_not_there_are_told(tmp_path):
    nothing = {"value": 3.0, "low": math.nan, "high": math.nan, "p": math.nan, "p_floor": math.nan}
    at_floor = {"value": 3.0, "low": 2.0, "high": 4.0, "p": 0.0012, "p_floor": 0.0012}
    differences = {"overall": at_floor, "colour": nothing}
    page = Page(write_report(tmp_path, minimal(paired=[{"a": "a", "b": "b", "differences": differences}]), {}))
    assert "▲ +3.00 2.00–4.00 p ≤ 0.0012" in page.text and "= +3.00" in page.text
    assert page.text.count("p ≤") == 1 and "95 times in 100" not in page.text


def test_probes_tell_their_parts_and_chance(written, tmp_path):
    assert "35.4 " in written[1].text and "one 75 , two 0 , three –" in written[1].text
    probe = {"name": "free", "about": "?", "accuracy": 0.5, "rows": 2, "chance": None}
    page = Page(write_report(tmp_path, minimal(probes=[probe]), {}))
    assert "free ? 50.0 – 2" in page.text and "of its parts" not in page.text


def test_a_judge_model_tells_on_how_many_rows(tmp_path):
    found = minimal()
    judged = copy.deepcopy(found["systems"][0]) | {"name": "judged", "kind": "judge model"}
    judged["five"]["overall"]["rows"] = 1200
    found["systems"].append(judged)
    text = Page(write_report(tmp_path, found, {})).text
    assert "judged judge model, n = 1,200 5.00" in text and text.count("n = ") == 1


def test_confidence_has_its_intervals(written, whole, tmp_path):
    found = whole["calibration"]
    for name in ("ece", "auroc"):
        assert f"{found[name]:.3f} ({found[f'{name}_low']:.3f}–{found[f'{name}_high']:.3f})" in written[1].text
    assert "without a confidence" not in written[1].text and "Against reference sentences" in written[1].text
    some = Page(write_report(tmp_path, minimal(calibration={**found, "left_out": 1234}), {}))
    assert "1,234 more came without a confidence" in some.text


def lightness(colour):
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    high, low = sorted((lightness(one), lightness(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_text_and_lines_can_be_read(written):
    light, dark = (
        dict(re.findall(r"--(\w+): (#\w+)", part)) for part in written[1].source.split("prefers-color-scheme: dark")[:2]
    )
    for theme in (light, dark):
        for name in ("ink", "faint", "s1", "s2", "s3", "s4", "s5", "s6", "right", "part", "wrong"):
            assert contrast(theme[name], theme["paper"]) >= 4.5 <= contrast(theme[name], theme["card"]), name
    assert all(light[name] == colour for colour, name in figures.VARIABLES.items() if name.startswith("s"))
    counts = [[100 - share, share] for share in range(101)]
    labels = list(map(str, range(101)))
    axis = figures.confusion({"labels": labels, "said": ["a", "b"], "counts": counts}, "t").axes[0]
    (image,) = axis.images
    assert len(axis.texts) == 200
    for text in axis.texts:
        x, y = text.get_position()
        assert contrast(text.get_color(), image.cmap(image.norm(image.get_array()[y, x]))[:3]) >= 4.5
