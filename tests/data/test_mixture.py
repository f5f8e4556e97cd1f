"""Mixtures draw from their parts by weight, lose no row, and name the part that is wrong."""

from collections import Counter

import pytest
from conftest import make_png
from datasets import Dataset, Image, Value

from moda.data.catalogue import load_catalogue
from moda.data.wording import Wording


def write(path, count, **columns):
    columns = {"image": [{"bytes": make_png(index), "path": None} for index in range(count)], **columns}
    rows = Dataset.from_dict(columns).cast_column("image", Image())
    rows.to_parquet(path)
    return str(path)


@pytest.fixture
def products(tmp_path):
    return write(tmp_path / "products.parquet", 40, id=list(range(40)), articleType=["Jeans"] * 40, gender=["Men"] * 40)


@pytest.fixture
def captions(tmp_path):
    said = [[f"A {index}.", "Another."] for index in range(20)]
    return write(tmp_path / "captions.parquet", 20, captions=said, source=["elsewhere"] * 20)


@pytest.fixture
def chats(tmp_path):
    chat = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "A kurta."}]
    return write(tmp_path / "chats.parquet", 10, messages=[chat] * 10, articleType=["Kurtas"] * 10)


def test_parts_of_any_kind_under_one_schema(products, captions, chats):
    parts = [{"path": path, "weight": 1} for path in (products, captions, chats)]
    catalogue = load_catalogue({"mix": parts, "validation": 0.2})
    train = catalogue.splits["train"]
    assert set(train["source"]) == {products, captions, chats}
    assert catalogue.source == f"{products} + {captions} + {chats}"
    for row in train:
        assert row["image"]["bytes"]
        if row["source"] == products:
            assert "jeans" in row["description"] and row["articleType"] == "Jeans"
            assert row["messages"] is None and row["descriptions"] is None
        elif row["source"] == captions:
            assert row["descriptions"] == [row["description"], "Another."] and row["gender"] is None
        else:
            assert row["messages"][1] == {"role": "assistant", "content": "A kurta."} and row["description"] is None
    assert "id" not in train.column_names
    # The wording knows what any part has.
    known = Wording({"articleType": ["Jeans", "Kurtas"], "gender": ["Men"]})
    for sentence in ("A pair of jeans for men.", "A kurta."):
        assert catalogue.wording.read(sentence) == known.read(sentence) and known.read(sentence)["articleType"]
    assert Counter(catalogue.splits["validation"]["source"]) == {products: 8, captions: 4, chats: 2}


def test_weights_are_the_shares_and_nothing_is_cut_off(products, captions):
    parts = [{"path": products, "weight": 3}, {"path": captions, "weight": 17}]
    rows = load_catalogue({"mix": parts, "validation": 0.5}).splits["train"]
    counts = Counter(rows["source"])
    assert counts[products] == 20  # the one that takes longest is seen once, whole
    assert counts[captions] / len(rows) == pytest.approx(0.85, abs=0.06)
    # Which pictures are shown does not depend on what they are mixed with.
    alone = load_catalogue({"path": captions, "validation": 0.5}).splits["train"]
    assert {row["description"] for row in rows if row["source"] == captions} == set(alone["description"])
    repeats = Counter(row["description"] for row in rows if row["source"] == captions).values()
    assert max(repeats) - min(repeats) <= 1  # each time through the whole part


def test_the_same_seed_draws_the_same(products, captions):
    def order(seed):
        rows = load_catalogue({"mix": [{"path": products}, {"path": captions}], "seed": seed}).splits["train"]
        return list(zip(rows["source"], rows["description"]))

    assert order(0) == order(0) != order(1)


def test_size_and_what_parts_inherit(products, captions):
    parts = [{"path": products, "limit": 4}, {"path": captions}]
    splits = load_catalogue({"mix": parts, "validation": 0.5, "limit": 6, "size": 5}).splits
    assert len(splits["train"]) == 5
    assert Counter(splits["validation"]["source"]) == {products: 4, captions: 6}


def test_mixtures_within_mixtures_and_columns_of_a_part(tmp_path, products, captions):
    named = write(tmp_path / "named.parquet", 10, text=["A hat."] * 10)
    inner = {"mix": [{"path": captions}, {"path": named, "columns": {"description": "text"}}], "weight": 2}
    rows = load_catalogue({"mix": [inner, {"path": products}]}).splits["train"]
    assert set(rows["source"]) == {products, captions, named}
    assert "A hat." in set(rows["description"])


def test_large_strings_mix_with_others(tmp_path, products):
    path = str(tmp_path / "large.parquet")
    rows = Dataset.from_dict({"image": [make_png(0)] * 10, "description": ["A hat."] * 10, "gender": [None] * 10})
    rows.cast_column("description", Value("large_string")).to_parquet(path)
    rows = load_catalogue({"mix": [{"path": products}, {"path": path}]}).splits["train"]
    assert set(rows["gender"]) == {"Men", None} and "A hat." in set(rows["description"])


@pytest.mark.parametrize("weight", [0, -1, True, "much", float("nan"), float("inf"), None])
def test_weights_must_be_positive(products, weight):
    with pytest.raises(ValueError, match=r"Part 2 of data.mix \(other.parquet\) has the weight .*above 0"):
        load_catalogue({"mix": [{"path": products}, {"path": "other.parquet", "weight": weight}]})


@pytest.mark.parametrize("mix", [[], "a.parquet", ["a.parquet"], None])
def test_a_mixture_is_a_list_of_parts(mix):
    with pytest.raises(ValueError, match="takes a list of parts"):
        load_catalogue({"mix": mix})


def test_a_part_that_is_missing_or_empty_is_named(tmp_path, products):
    with pytest.raises(FileNotFoundError, match="no catalogue at '.*gone.parquet'"):
        load_catalogue({"mix": [{"path": products}, {"path": str(tmp_path / "gone.parquet")}]})
    Dataset.from_dict({"image": [make_png(0)], "description": ["A hat."]}).select([]).to_parquet(tmp_path / "e.parquet")
    with pytest.raises(ValueError, match="e.parquet has no rows"):
        load_catalogue({"mix": [{"path": products}, {"path": str(tmp_path / "e.parquet")}]})
