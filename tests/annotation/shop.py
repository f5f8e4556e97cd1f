"""A drawn shop for the tests of `moda annotate`: a bare catalogue, and an endpoint that knows its products."""

import base64
import io
import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from datasets import load_dataset
from endpoints import online, serving  # noqa: F401
from PIL import Image

from moda.annotation.recipe import STEPS
from moda.cli import main
from moda.data.demo import demo_rows
from moda.data.wording import ATTRIBUTES, Wording


BAD_ANSWERS = [json.loads(line) for line in (Path(__file__).parent / "bad_answers.jsonl").read_text().splitlines()]
COUNT = len(BAD_ANSWERS)
NAMED = ["describe.model=seer", "describe.licence=mit", "refine.model=writer", "refine.licence=apache-2.0"]
ASKED = [*NAMED, "checks.leaked_print.ocr=false"]  # reading print takes a while, where an engine is installed


@pytest.fixture(scope="module")
def catalogue(tmp_path_factory):
    """Drawn products in Kaggle's layout, without a sentence."""
    folder = tmp_path_factory.mktemp("catalogue")
    (folder / "images").mkdir()
    lines = ["id,gender,masterCategory,subCategory,articleType,baseColour,usage,productDisplayName"]
    for number, row in enumerate(demo_rows(COUNT, seed=3, size=48)):
        name = str(1000 + number)
        picture = row["image"]["bytes"] if isinstance(row["image"], dict) else None
        if picture is None:
            file = io.BytesIO()
            row["image"].save(file, "PNG")
            picture = file.getvalue()
        Image.open(io.BytesIO(picture)).convert("RGB").save(folder / "images" / f"{name}.jpg", quality=95)
        told = [row["gender"], row.get("masterCategory") or "Apparel", "Any", row["articleType"], row["baseColour"]]
        lines.append(",".join([name, *told, row.get("usage") or "NA", f"Maker {number} {row['articleType']}"]))
    (folder / "styles.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def metadata(catalogue):
    header, *lines = (catalogue / "styles.csv").read_text().splitlines()
    rows = [dict(zip(header.split(","), line.split(","))) for line in lines]
    return {row["id"]: {name: None if value == "NA" else value for name, value in row.items()} for row in rows}


@pytest.fixture(scope="module")
def wording(metadata):
    return Wording({name: sorted({row.get(name) or "" for row in metadata.values()} - {""}) for name in ATTRIBUTES})


def annotate(catalogue, out, *options):
    return main(["annotate", str(catalogue), *options, "--output", str(out)])


def lines_of(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def notes_of(out):
    return {step: json.loads((out / step / "step.json").read_text()) for step in STEPS[:3]}


def accounts(out):
    """Where each input row is; the test of all: every one is somewhere, and none twice."""
    notes = notes_of(out)
    places = [
        (line["id"], f"{step}: {line['check']}")
        for step in STEPS[1:3]
        for line in lines_of(out / step / "quarantine.jsonl")
    ]
    places += [(line["id"], f"assemble: {line['check']}") for line in lines_of(out / "assemble" / "quarantine.jsonl")]
    places += [(line["id"], f"sample: {line['check']}") for line in lines_of(out / "sample" / "skipped.jsonl")]
    kept = [row["id"] for split in load_dataset(str(out / "dataset")).values() for row in split.remove_columns("image")]
    places += [(name, "kept") for name in kept]
    count = notes["sample"]["counts"]
    assert len(places) + count["not drawn"] == count["in"]
    return places


@pytest.fixture
def own(catalogue, tmp_path):
    """A copy of the catalogue that may be changed."""
    return Path(shutil.copytree(catalogue, tmp_path / "own"))


class Shop:
    """A scripted endpoint of both models, which knows each product by its picture or its draft.

    Args:
        catalogue (`Path`), metadata (`dict`), wording ([`Wording`]): What it knows.
        describe (`Callable[[str, int], dict]`), refine (likewise): What it answers for an id, asked so many times before.
    """

    def __init__(self, catalogue, metadata, wording, describe=None, refine=None):
        self.metadata, self.wording = metadata, wording
        self.ids = {file.read_bytes(): file.stem for file in (catalogue / "images").iterdir()}
        self.describe, self.refine = describe or self.draft, refine or self.final
        self.asked = Counter()

    def sentence(self, name):
        return self.wording.write(self.metadata[name], template=0)

    def draft(self, name, before):
        return {"text": json.dumps({"description": f"{self.sentence(name)[:-1]}, which reads N{name}."})}

    def final(self, name, before):
        return {"text": json.dumps({"description": self.sentence(name)})}

    def __call__(self, body, _):
        content = body["messages"][0]["content"]
        if isinstance(content, str):
            name, step = content.partition("which reads N")[2].partition(".")[0], "refine"
        else:
            picture = content[0]["image_url"]["url"].partition(",")[2]
            name, step = self.ids[base64.b64decode(picture)], "describe"
        before = self.asked[step, name]
        self.asked[step, name] += 1
        return {"describe": self.describe, "refine": self.refine}[step](name, before)


@pytest.fixture
def asked(catalogue, metadata, wording, online, tmp_path):
    """Runs the command against a scripted shop; returns its status, the folder and the shop."""

    def run(*options, out=tmp_path / "annotated", **scripts):
        shop = Shop(catalogue, metadata, wording, **scripts)
        with serving(shop) as server:
            retries = ("describe.retries=0", "refine.retries=0")
            status = annotate(catalogue, out, "--annotator", server.url, *ASKED, *retries, *options)
        return status, out, shop

    run.knows, run.out = (catalogue, metadata, wording), tmp_path / "annotated"
    return run
