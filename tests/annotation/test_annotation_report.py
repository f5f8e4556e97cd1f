"""The report, read as a browser reads it."""

import copy
import re
from html.parser import HTMLParser

import pytest
from annotated import ANNOTATORS, METADATA_ONLY, ON, make_records, make_source, make_summary

from moda.annotation.assemble import assemble
from moda.annotation.report import funnel, headline, percent, settled, write_report


VOID = {"meta", "img", "link", "br", "hr", "input", "wbr"}


class Page(HTMLParser):
    """What is on a page: its text, tags with attributes, and whether every tag is closed."""

    def __init__(self, file):
        super().__init__()
        self.source = file.read_text(encoding="utf-8")
        self.tags, self.open, self.words = [], [], []
        self.feed(self.source)
        self.text = " ".join("".join(self.words).split())

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another at {self.getpos()}"

    def handle_data(self, data):
        if "style" not in self.open:
            self.words.append(data)

    def all(self, name):
        return [attributes[name] for _, attributes in self.tags if name in attributes]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    source, rows = make_source(40)
    records = list(make_records(source, rows))
    folder = tmp_path_factory.mktemp("run")
    scores = iter(range(40))
    note = assemble(
        records, source, ["train"] * 40, ANNOTATORS, folder, ON,
        clip_score=lambda pictures, _: [next(scores) / 40 for _ in pictures],
    )  # fmt: skip
    return make_summary(records, {**note, "seconds": 1.5}), lambda row: source.rows[row]["image"]


@pytest.fixture(scope="module")
def page(made, tmp_path_factory):
    return Page(write_report(tmp_path_factory.mktemp("report") / "deep" / "er", *made))


def test_the_page_needs_nothing_from_elsewhere(page):
    assert "http" not in page.source and "//" not in re.sub(r"base64,[\w+/=]+", "", page.source)
    assert page.all("src") and all(address.startswith("data:image/jpeg;base64,") for address in page.all("src"))
    assert all(address.startswith("#") for address in page.all("href"))
    assert not {"script", "link", "iframe", "object"} & {tag for tag, _ in page.tags}
    assert "@import" not in page.source and "url(" not in page.source
    assert not any(path in page.source for path in ("/home/", "/data/", "/models/"))
    assert len(page.source) < 150_000


def test_the_page_is_whole(page):
    assert not page.open
    ids = page.all("id")
    assert len(ids) == len(set(ids)) and {address[1:] for address in page.all("href")} == set(ids)
    assert all(attributes.get("alt") for tag, attributes in page.tags if tag == "img")
    assert [tag for tag, _ in page.tags].count("h1") == 1
    assert "prefers-color-scheme: dark" in page.source and "@media print" in page.source
    assert all(float(width) <= 100 for width in re.findall(r"(?:width|height): ([\d.]+)%", page.source))


def test_everything_is_told(page, made):
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    for words in (
        "40 of 43 drawn products are described; printed text fell from 11.9 % of the drafts to 4.8 % of the refined sentences.",
        "93 in styles.csv = 40 in the dataset + 3 put aside with a reason + 7 skipped + 43 not drawn",
        "microsoft/Phi-4-multimodal-instruct", "local · 93f923e · vision-lora · mit", "max_new_tokens 300, do_sample False", "describe-v1", "0123456789ab", "812.4",
        "5 from cache", "2 retried", "91,000", "4,200 answered", "leaked_print", "5 noted", "2 out", "removed by the recipe", "not asked for",
        "the text does not contradict the metadata", "It has 20 × 20 pixels.", "1.25 expected. All are one group.",
        "articleType: Cufflinks <small>", "0.0194", "4.90 bits in the catalogue, 5.04 in the sample", "Median 0.487",
        "3 pictures in images have no row in styles.csv.", "kind (guessed)", "versions · datasets",
        "moda annotate shop sample.count=5400", "4 rows were moved to the split of others of shop.", "11.9 % of 42",
        "The draft: microsoft/Phi-4-multimodal-instruct saw the picture and drafted it. The description: Phi-3-mini merged",
        "those of the catalogue's rows with a picture", "gender0.0021 0.0031", "12 of the catalogue's rows with a usable",
        "share their group with others (near-duplicate pictures, products of one title); 20 groups", "gender: no value",
        "The description has 2 words; write more.",
    ):  # fmt: skip
        assert words in text, words
    note = made[0]["steps"]["assemble"]
    for record in note["corrected"][:6]:
        assert record["draft"]["description"] in text and record["description"] in text
    assert text.count("◐") >= len(note["corrected"])


def test_themes_and_numbers_of_bars(page, made):
    columns = page.source[page.source.index('<div class="columns"') :]
    heights = re.findall(r"height: ([\d.]+)%", columns[: columns.index("</div>")])
    counts = [count for _, count in made[0]["steps"]["assemble"]["words"]["histogram"]]
    assert [float(height) for height in heights] == [round(100 * count / max(counts), 1) for count in counts]


def test_the_funnel_loses_what_is_accounted_for(made):
    assert funnel(made[0]) == [
        ("in the catalogue", 93, ""),
        ("usable", 86, "7 skipped"),
        ("drawn", 43, "43 not drawn"),
        ("described", 42, "1 put aside"),
        ("refined", 40, "2 put aside"),
        ("in the dataset", 40, ""),
    ]


def test_print_before_and_after(made):
    summary = copy.deepcopy(made[0])
    found = settled(summary)
    assert found["leaked_print"]["before"] == 5 / 42 and found["leaked_print"]["after"] == 2 / 42
    assert (found["leaked_print"]["drafts"], found["leaked_print"]["refined"]) == (5, 2)
    assert found["contradiction"]["before"] == 4 / 42 and found["contradiction"]["after"] == 0
    unanswered = {"unanswered": {"count": 22, "examples": []}, **summary["steps"]["refine"]["checks"]}
    summary["steps"]["refine"]["checks"] = unanswered
    assert settled(summary)["leaked_print"]["after"] == 2 / 20
    unanswered["leaked_print"]["count"] = 9
    assert "rose from" in headline(summary)
    summary["steps"]["refine"]["checks"] = {"leaked_print": {"count": 5, "examples": []}}
    assert "printed text stays at 11.9" in headline(summary)
    summary["checks"] = {**summary["checks"], "leaked_print": False}
    assert "leaked_print" not in settled(summary) and headline(summary) == "40 of 43 drawn products are described."


def test_a_report_that_got_worse_says_so(made, tmp_path):
    summary = copy.deepcopy(made[0])
    summary["steps"]["refine"]["checks"] = {"leaked_print": {"count": 9, "examples": []}}
    assert "Refining has made it worse; look at its prompt and model" in Page(write_report(tmp_path, summary)).text
    assert "Refining has made it worse" not in Page(write_report(tmp_path, made[0])).text


def test_a_report_without_models_says_so(made, tmp_path):
    summary = copy.deepcopy(made[0])
    summary["steps"]["assemble"]["annotators"] = METADATA_ONLY
    summary["steps"]["refine"]["checks"] = {"leaked_print": {"count": 9, "examples": []}}
    del summary["steps"]["assemble"]["distances"], summary["steps"]["sample"]["near_duplicates"]  # as in older runs
    text = Page(write_report(tmp_path, summary)).text
    assert "The draft: rules wrote it from the metadata, and no model saw the picture." in text
    assert "Refining has made it worse." in text and "look like another one" not in text
    assert "gender0.0021 masterCategory0.0008" in text and "dots the dataset" not in text


def test_the_least_there_can_be(made, tmp_path):
    counts = {"in": 2, "kept": 2, "quarantined": 0}
    steps = {step: {"step": step, "counts": counts} for step in ("sample", "describe", "refine", "assemble")}
    steps["sample"] = {"step": "sample", "counts": {"in": 2, "kept": 2, "skipped": 0, "not drawn": 0}}
    page = Page(write_report(tmp_path, {"name": "Small", "steps": steps, "checks": {}}))
    assert not page.open and page.text.startswith("Small: how it was annotated")
    assert {address[1:] for address in page.all("href")} == set(page.all("id"))


def test_faultless_drafts_need_no_bars(made, tmp_path):
    summary = copy.deepcopy(made[0])
    summary["steps"]["describe"]["flags"], summary["steps"]["refine"]["checks"] = {}, {}
    page = Page(write_report(tmp_path, summary))
    assert not page.open and page.text.count("In no draft, and in no refined sentence.") == 2
    assert headline(summary) == "40 of 43 drawn products are described."


def test_what_others_wrote_stays_text(made, tmp_path):
    summary = copy.deepcopy(made[0])
    evil = "<script>alert(1)</script>"
    summary["name"] = summary["origin"] = summary["facts"]["command"] = evil
    summary["steps"]["describe"]["annotator"] = {"kind": "endpoint", "model": evil}
    line = summary["steps"]["describe"]["checks"]["json"]["examples"][0]
    line.update(said=evil + "x" * 400, why=evil, metadata={"gender": evil})
    record = summary["steps"]["assemble"]["examples"][0]
    record["description"], record["draft"]["description"] = f"{evil} from /a/b/c", evil
    page = Page(write_report(tmp_path, summary, lambda row: {"bytes": b"no picture", "path": None}))
    assert "script" not in {tag for tag, _ in page.tags} and page.text.count(evil) >= 8 and not page.all("src")
    assert f"{evil} from /a/b/c" in page.text  # what was said is nobody's path
    assert "x" * 200 in page.text and "x" * 300 not in page.text


@pytest.mark.parametrize("share, text", [(0, "0.0 %"), (0.1234, "12.3 %"), (0.00171, "0.17 %"), (1, "100.0 %")])
def test_percent(share, text):
    assert percent(share) == text.replace(" ", "\N{NO-BREAK SPACE}")
