"""The dataset that comes out: what its rows hold, how its files lie, what is put aside, what a break-off leaves."""

import json
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from annotated import ANNOTATORS, FIELDS, METADATA_ONLY, ON, RULES, SPLITS, make_records, make_source
from datasets import Dataset, Image, load_dataset

from moda.annotation.assemble import ROWS, assemble, without_paths
from moda.data.catalogue import load_catalogue


@pytest.fixture(scope="module")
def drawn():
    source, rows = make_source(40)
    return source, list(make_records(source, rows))


@pytest.fixture(scope="module")
def assembled(drawn, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    return folder, run(drawn, folder)


def run(drawn, folder, splits=None, annotators=ANNOTATORS, **options):
    source, records = drawn
    splits = splits or [SPLITS[place // 2 % 10] for place in range(len(records))]
    return assemble(iter(records), source, iter(splits), annotators, folder, ON, **options)


def opened(folder, cache):
    return load_dataset(str(folder / "dataset"), cache_dir=str(cache))


def files_of(folder):
    return {file.relative_to(folder): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}


def test_load_dataset_opens_every_row_in_its_split(assembled, drawn, tmp_path):
    folder, note = assembled
    source, records = drawn
    found = opened(folder, tmp_path)
    assert {name: len(split) for name, split in found.items()} == {"train": 32, "validation": 4, "test": 4}
    assert {name: split["rows"] for name, split in note["splits"].items()} == {"train": 32, "validation": 4, "test": 4}
    assert list(note["splits"]) == ["train", "validation", "test"]
    assert isinstance(found["train"].features["image"], Image)
    rows = {row["id"]: row for split in found.values() for row in split.cast_column("image", Image(decode=False))}
    assert list(rows)[:3] == ["p0", "p1", "p2"] and len(rows) == 40
    for record in records:
        row = rows[record["id"]]
        assert row["image"]["bytes"] == source.rows[record["row"]]["image"]["bytes"]
        assert row["image"]["path"] == f"{record['row']}.png"
        assert row["description"] == record["description"]
        assert row["initial_description"] == record["draft"]["description"]
        assert row["draft"] == {name: record["draft"][name] for name in ("gender", "category", "colour", "usage")}
        assert row["metadata"] == record["metadata"] and list(row["metadata"]) == FIELDS
        assert (row["group"], row["checks"], row["clip_score"]) == (record["group"], ON, None)
    who, parameters = rows["p0"]["annotators"], '{"do_sample": false, "max_new_tokens": 300}'
    assert who["describe"] == {**ANNOTATORS["describe"], "parameters": parameters, "date": "2026-11-20"}
    refined = {"model": "Phi-3-mini", "parameters": parameters, "date": "2026-11-21"}
    assert who["refine"] == {**ANNOTATORS["refine"], **refined}
    assert note["annotators"]["describe"] == ANNOTATORS["describe"]
    assert found["test"][0]["image"].size == (48, 48)


def test_moda_trains_on_it(assembled, drawn):
    catalogue = load_catalogue({"path": str(assembled[0] / "dataset" / "data")})
    assert {name: len(split) for name, split in catalogue.splits.items()} == {"train": 32, "validation": 4, "test": 4}
    said = {record["description"] for record in drawn[1]}
    assert set(catalogue.splits["train"]["description"]) < said and not catalogue.written


def test_the_same_records_make_the_same_bytes(assembled, drawn, tmp_path):
    assert json.loads(json.dumps(run(drawn, tmp_path))) == assembled[1]
    assert files_of(tmp_path) == files_of(assembled[0])


def test_shards_and_row_groups_are_bounded(drawn, tmp_path):
    source, records = drawn
    many = [{**records[place % 40], "id": f"q{place}"} for place in range(250)]
    note = run((source, many), tmp_path, ["train"] * 245 + ["test"] * 5, shard_bytes=50_000)
    files = sorted((tmp_path / "dataset" / "data").iterdir())
    assert [file.name for file in files] == [
        "test-00000-of-00001.parquet", *(f"train-0000{number}-of-00003.parquet" for number in range(3)),
    ]  # fmt: skip
    assert note["splits"]["train"]["shards"] == 3
    assert note["splits"]["train"]["bytes"] == sum(file.stat().st_size for file in files[1:])
    groups = [pq.ParquetFile(file).metadata.row_group(0).num_rows for file in files]
    assert groups == [5, ROWS, ROWS, 45]
    assert [name for file in files[1:] for name in pq.read_table(file)["id"].to_pylist()] == [
        f"q{place}" for place in range(245)
    ]


def test_a_break_off_leaves_the_former_dataset(assembled, drawn, tmp_path):
    def broken(records):
        yield from records
        raise RuntimeError("killed")

    source, records = drawn
    many = [{**records[place % 40], "id": f"q{place}"} for place in range(250)]
    with pytest.raises(RuntimeError):
        run((source, broken(many)), tmp_path, ["train"] * 251)
    assert not (tmp_path / "dataset").exists() and not (tmp_path / "assemble" / "quarantine.jsonl").exists()
    run(drawn, tmp_path)
    with pytest.raises(RuntimeError):
        run((source, broken(many)), tmp_path, ["train"] * 251)
    assert files_of(tmp_path / "dataset") == files_of(assembled[0] / "dataset")
    with pytest.raises(OSError, match="full"):  # as late as can be
        run(drawn, tmp_path, finish=lambda folder, note: (_ for _ in ()).throw(OSError("disk full")))
    assert files_of(tmp_path / "dataset") == files_of(assembled[0] / "dataset")
    run((source, many), tmp_path, ["train"] * 250, finish=lambda folder, note: (folder / "README.md").write_text("hi"))
    assert {file.name for file in tmp_path.iterdir()} == {"dataset", "assemble"}
    assert {file.name for file in (tmp_path / "dataset").rglob("*.*")} == {"README.md", "train-00000-of-00001.parquet"}


def test_clip_scores_and_their_floor(drawn, tmp_path):
    seen = []

    def clip_score(pictures, sentences):
        seen.extend(zip(pictures, sentences))
        first = len(seen) - len(pictures)
        return [{3: float("nan"), 5: 0.25}.get(first + place, 0.75) for place in range(len(pictures))]

    source, records = drawn
    note = run(drawn, tmp_path, ["train"] * 40, clip_score=clip_score, floor=0.5)
    assert [sentence for _, sentence in seen] == [record["description"] for record in records]
    assert {(picture.size, picture.mode) for picture, _ in seen} == {((48, 48), "RGB")}
    lines = [json.loads(line) for line in (tmp_path / "assemble" / "quarantine.jsonl").read_text().splitlines()]
    assert [(line["id"], line["check"], line["why"]) for line in lines] == [
        ("p3", "clip_score", "The CLIP gave no number, so the floor can't be kept."),
        ("p5", "clip_score", "The CLIPScore 0.25 is below the floor of 0.50."),
    ]
    assert [line["reasons"] for line in lines] == [{"clip_score": line["why"]} for line in lines]
    assert lines[0]["said"] == records[3]["description"] and lines[0]["metadata"] == records[3]["metadata"]
    rows = opened(tmp_path, tmp_path / "cache")["train"]
    assert rows["clip_score"][:] == [0.75] * 38 and rows[0]["checks"] == [*ON, "clip_score"]
    assert note["counts"] == {"in": 40, "kept": 38, "quarantined": 2}
    assert note["checks"] == {"clip_score": {"count": 2, "examples": lines}}
    assert note["clip"]["median"] == 0.75 and note["passed"]["clip_score"] == 38
    without_floor = run(
        drawn, tmp_path / "other", clip_score=lambda pictures, sentences: [float("nan")] * len(pictures)
    )
    assert without_floor["counts"]["kept"] == 40 and without_floor["clip"] is None


def test_a_picture_that_went_missing_is_put_aside(drawn, tmp_path):
    source, records = drawn
    pictures = []
    for place in range(3):
        pictures.append({"bytes": None, "path": str(tmp_path / f"{place}.png")})
        if place != 1:
            (tmp_path / f"{place}.png").write_bytes(source.rows[place]["image"]["bytes"])
    files = Dataset.from_dict({"image": pictures}).cast_column("image", Image(decode=False))
    run((SimpleNamespace(rows=files, metadata=source.metadata), records[:3]), tmp_path, ["train"] * 3)
    (line,) = map(json.loads, (tmp_path / "assemble" / "quarantine.jsonl").read_text().splitlines())
    assert (line["id"], line["check"]) == ("p1", "unreadable") and str(tmp_path) not in line["why"]
    kept = opened(tmp_path, tmp_path / "cache")["train"].cast_column("image", Image(decode=False))
    assert [row["image"] for row in kept] == [
        {"bytes": source.rows[place]["image"]["bytes"], "path": f"{place}.png"} for place in (0, 2)
    ]


@pytest.mark.parametrize(
    "annotators, options, named",
    [
        (ANNOTATORS, {}, ON),
        ({**ANNOTATORS, "refine": RULES}, {}, ON),
        (METADATA_ONLY, {}, [name for name in ON if name != "json"]),
        (ANNOTATORS, {"clip_score": lambda pictures, sentences: [0.75] * len(pictures)}, ON),
        (ANNOTATORS, {"clip_score": lambda pictures, sentences: [0.75] * len(pictures), "floor": 0.5}, [*ON, "clip_score"]),
    ],
)  # fmt: skip
def test_only_checks_that_looked_are_named(drawn, tmp_path, annotators, options, named):
    source, records = drawn
    note = assemble(
        records[:9], source, ["train"] * 9, annotators, tmp_path, [*ON, "clip_score"], **options
    )  # as a recipe that asks for it, but not for a floor
    assert opened(tmp_path, tmp_path / "cache")["train"]["checks"][:] == [named] * 9
    assert note["passed"] == dict.fromkeys(named, 9)


def test_a_catalogue_without_metadata(drawn, tmp_path):
    source, records = drawn
    records = [{**record, "metadata": {}} for record in records]
    note = run(
        (SimpleNamespace(rows=source.rows, metadata=lambda row: {}), records), tmp_path, annotators=METADATA_ONLY
    )
    found = opened(tmp_path, tmp_path / "cache")["train"]
    assert "metadata" not in found.column_names and found[0]["annotators"]["describe"] == {
        **RULES, "adapter": None, "parameters": None, "prompt": None, "prompt_sha256": None, "date": "2026-11-20",
    }  # fmt: skip
    assert note["fields"] == [] and note["marginals"] == {}


def test_what_it_refuses(drawn, tmp_path):
    source, records = drawn
    run(drawn, tmp_path)
    before = files_of(tmp_path / "dataset")
    with pytest.raises(ValueError, match="floor 0.5 and there is no CLIP"):
        run(drawn, tmp_path, floor=0.5)
    with pytest.raises(ValueError, match="'a/b' can't be the name of a split"):
        run(drawn, tmp_path, ["a/b"] * 40)
    with pytest.raises(ValueError, match="shorter"):
        run(drawn, tmp_path, ["train"] * 39)
    with pytest.raises(ValueError, match="No row is left .* all are in .*quarantine.jsonl"):
        run(drawn, tmp_path, clip_score=lambda pictures, sentences: [0.1] * len(pictures), floor=0.5)
    assert len((tmp_path / "assemble" / "quarantine.jsonl").read_text().splitlines()) == 40
    with pytest.raises(ValueError, match="no record was left"):
        run((source, []), tmp_path, [])
    assert files_of(tmp_path / "dataset") == before


def test_what_is_counted(drawn, tmp_path):
    source, records = drawn
    said = ["A red red shirt.", "A red-ish men's shirt for men.", "A red red shirt.", "Socks."]
    places, groups = [0, 1, 0, 2], ["a", "b", "a", "c"]
    records = [
        {**records[row], "id": f"n{number}", "description": sentence, "group": group}
        for number, (row, sentence, group) in enumerate(zip(places, said, groups))
    ]
    records[3]["metadata"] = {**records[3]["metadata"], "usage": None}
    note = run((source, records), tmp_path, ["train", "train", "test", "train"])
    assert note["words"]["histogram"] == [[1, 1], [2, 0], [3, 0], [4, 2], [5, 0], [6, 1]]
    assert (note["words"]["low"], note["words"]["median"], note["words"]["high"]) == pytest.approx((1.45, 4.0, 5.7))
    assert note["vocabulary"]["words"] == 15 and note["vocabulary"]["distinct"] == 8
    assert note["vocabulary"]["frequent"][:2] == [["red", 4], ["shirt", 3]]
    assert "for" not in dict(note["vocabulary"]["frequent"])
    assert note["duplicates"] == {
        "groups": 3, "largest_group": 2, "grouped": 2, "across_splits": 1, "pictures": 1, "sentences": 1,
        "most_repeated": ["A red red shirt.", 2],
    }  # fmt: skip
    assert note["marginals"]["usage"]["not known"] == 1 and sum(note["marginals"]["usage"].values()) == 4
    assert note["dates"] == {"describe": ["2026-11-20"] * 2, "refine": ["2026-11-21"] * 2}
    assert {record["id"] for record in note["examples"]} == {"n0", "n1", "n2", "n3"}
    assert {record["id"] for record in note["corrected"]} == {"n0", "n2"}  # the drafts of row 0 have a flag


@pytest.mark.parametrize(
    "text, public",
    [
        ("/home/me/models/phi", "phi"),
        ("moda annotate /data/a/shop.parquet sample.count=3", "moda annotate shop.parquet sample.count=3"),
        ("'/a/b/c.png' can't be read", "'c.png' can't be read"),
        ("~/shop/styles.csv and ../up/it", "styles.csv and it"),
        ("microsoft/Phi-3-mini", "microsoft/Phi-3-mini"),
        ("https://example.org/a/b", "https://example.org/a/b"),
        ("men's and/or women's, 3 / 4", "men's and/or women's, 3 / 4"),
        ({"a": ["/x/y/z", 3, None]}, {"a": ["z", 3, None]}),
    ],
)
def test_no_machine_is_told_of(text, public):
    assert without_paths(text) == public
