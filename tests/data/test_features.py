"""The feature cache gives what the encoder gives, once, and anything that changes the features makes another cache."""

import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch
from conftest import ROOT, largest, make_model, make_picture, make_png, make_processor
from datasets import Dataset, Image

from moda.data.features import FeatureDataset, encoder_digest
from moda.data.pixels import PixelDataset
from modeling_moda import ModaForConditionalGeneration
from processing_moda import ModaDataCollator


SENTENCES = ["A red shirt.", "Two black shoes.", "A bag.", "An olive dress for girls.", "A belt."]


def rows(pictures):
    images = [{"bytes": picture, "path": None} if isinstance(picture, bytes) else picture for picture in pictures]
    table = Dataset.from_dict({"image": images, "description": SENTENCES[: len(pictures)]})
    return table.cast_column("image", Image(decode=False))


@pytest.fixture(scope="module")
def table():
    return rows([make_png(seed) for seed in range(5)])


@pytest.fixture
def image_processor():
    return make_processor().image_processor


def features_of(data):
    return torch.stack([row["image_features"] for row in data.__getitems__(list(range(len(data))))])


@pytest.mark.parametrize("dtype, precision", [("float32", 1e-6), ("float16", 1e-3), ("bfloat16", 8e-3)])
def test_features_are_the_encoders(tmp_path, table, image_processor, model, dtype, precision):
    pixels = image_processor([make_picture(seed) for seed in range(5)], return_tensors="pt")["pixel_values"]
    with torch.no_grad():
        expected = model.encode_images(pixels)
    for _ in range(2):  # as built, and as read again
        data = FeatureDataset(table, image_processor, model, dtype=dtype, batch_size=2, cache=tmp_path)
        got = features_of(data)
        assert got.dtype == getattr(torch, dtype) and got.shape == (5, 4, 32)
        torch.testing.assert_close(got.float(), expected, atol=precision, rtol=precision)
    assert [(row["row"], row["description"]) for row in data.__getitems__([3, 0])] == [
        (3, SENTENCES[3]),
        (0, SENTENCES[0]),
    ]
    assert data[-1]["row"] == 4 and len(data) == 5 and list(data.kept) == [0, 1, 2, 3, 4]
    assert data.fingerprint == PixelDataset(table, image_processor, cache=tmp_path / "pixels").fingerprint


@pytest.mark.parametrize("dtype, precision", [("float32", 1e-5), ("float16", 2e-3), ("bfloat16", 2e-2)])
@pytest.mark.parametrize("strategy, positions", [("default", 4), ("pooled", 1)])
def test_loss_from_the_cache_is_the_loss_from_pixels(tmp_path, table, strategy, positions, dtype, precision):
    model, processor = make_model(vision_feature_select_strategy=strategy), make_processor(positions)
    collator = ModaDataCollator(processor)
    pixels = PixelDataset(table, processor.image_processor, cache=tmp_path / "pixels")
    features = FeatureDataset(table, processor.image_processor, model, dtype=dtype, cache=tmp_path)
    with torch.no_grad():
        from_pixels, from_features = (
            model(**collator(data.__getitems__([4, 1, 2]))).loss for data in (pixels, features)
        )
    assert abs(from_pixels - from_features) < precision * from_pixels
    assert from_pixels > 1


def changed_weights(model):
    with torch.no_grad():
        model.model.vision_tower.vision_model.encoder.layers[0].mlp.fc1.weight[0, 0] += 0.01
    return model


def smaller_model_and_processor(given):  # pictures of 16 pixels are one position
    vision_config = {**given["model"].config.vision_config.to_dict(), "image_size": 16}
    return {
        **given,
        "image_processor": make_processor(size=16).image_processor,
        "model": make_model(vision_config=vision_config),
    }


def other_mean(given):
    given["image_processor"].image_mean = [0.5, 0.5, 0.5]
    return given


CHANGES = {
    "size": smaller_model_and_processor,
    "mean": other_mean,
    "weights": lambda given: {**given, "model": changed_weights(make_model())},
    "strategy": lambda given: {**given, "model": make_model(vision_feature_select_strategy="full")},
    "layer": lambda given: {**given, "model": make_model(vision_feature_layer=-2)},
    "dtype": lambda given: {**given, "dtype": "bfloat16"},
    "picture": lambda given: {**given, "rows": rows([make_png(seed) for seed in (0, 1, 2, 3, 9)])},
    "order": lambda given: {**given, "rows": rows([make_png(seed) for seed in (1, 0, 2, 3, 4)])},
}


@pytest.mark.parametrize("change", CHANGES)
def test_anything_that_changes_the_features_makes_another_cache(tmp_path, table, image_processor, change):
    given = {"rows": table, "image_processor": image_processor, "model": make_model(), "cache": tmp_path}
    first = FeatureDataset(**given)
    assert FeatureDataset(**{**given, "model": make_model()}).file == first.file
    given = CHANGES[change](given)
    second = FeatureDataset(**given)
    assert second.file != first.file and len(list(tmp_path.glob("*.npy"))) == 2
    again = FeatureDataset(**{**given, "cache": tmp_path / "other"})
    assert second.stored.shape == again.stored.shape and np.array_equal(second.stored, again.stored)


KILLED = """
import os, signal, sys
sys.path[:0] = ["tests", "tests/data"]
from conftest import make_model, make_png, make_processor
from test_features import rows
from moda.data import store
from moda.data.features import FeatureDataset

store.SECONDS_BETWEEN_NOTES = 0
model, calls = make_model(), []
encode_images = model.model.encode_images

def encode_or_die(pixel_values):
    calls.append(len(pixel_values))
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return encode_images(pixel_values)

model.model.encode_images = encode_or_die
table = rows([make_png(seed) for seed in range(5)])
FeatureDataset(table, make_processor().image_processor, model, batch_size=2, cache=sys.argv[1])
"""


def test_a_killed_build_encodes_only_what_is_left(tmp_path, table, image_processor, monkeypatch):
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], cwd=ROOT, capture_output=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()
    model, encoded = make_model(), []
    encode_images = model.model.encode_images

    def counted(pixel_values):
        encoded.append(len(pixel_values))
        return encode_images(pixel_values)

    monkeypatch.setattr(model.model, "encode_images", counted)
    resumed = FeatureDataset(table, image_processor, model, batch_size=2, cache=tmp_path)
    assert encoded == [1]  # the fifth; the first two batches are on disk
    whole = FeatureDataset(table, image_processor, model, batch_size=2, cache=tmp_path / "whole")
    assert resumed.file.read_bytes() == whole.file.read_bytes()


def test_a_picture_that_changes_in_its_file_makes_another_cache(tmp_path, image_processor, model):
    path = tmp_path / "shirt.png"
    make_picture(0).save(path)
    first = FeatureDataset(rows([str(path)]), image_processor, model, cache=tmp_path)
    make_picture(1).save(path)
    os.utime(path, ns=(0, path.stat().st_mtime_ns + 10**9))
    second = FeatureDataset(rows([str(path)]), image_processor, model, cache=tmp_path)
    assert first.fingerprint != second.fingerprint and largest(features_of(first), features_of(second)) > 0.01


def test_the_cache_is_found_after_saving_and_loading(tmp_path, table, model):
    processor = make_processor()
    first = FeatureDataset(table, processor.image_processor, model, cache=tmp_path)
    model.save_pretrained(tmp_path / "saved")
    processor.save_pretrained(tmp_path / "saved")
    loaded = ModaForConditionalGeneration.from_pretrained(tmp_path / "saved")
    loaded.model.vision_tower.to(memory_format=torch.channels_last)
    image_processor = type(processor).from_pretrained(tmp_path / "saved").image_processor
    assert FeatureDataset(table, image_processor, loaded, cache=tmp_path).file == first.file
    assert FeatureDataset(table, image_processor, loaded.model, cache=tmp_path).file == first.file


def test_building_leaves_the_model_and_the_random_numbers_alone(tmp_path, table, image_processor):
    model = make_model(vision_config={**make_model().config.vision_config.to_dict(), "attention_dropout": 0.5})
    model.train()
    tower = model.model.vision_tower
    tower.eval()
    tower.vision_model.encoder.layers[0].train()
    modes = [module.training for module in model.modules()]
    torch.manual_seed(3)
    expected = torch.rand(4)
    torch.manual_seed(3)
    built = FeatureDataset(table, image_processor, model, batch_size=2, cache=tmp_path)  # with worker processes
    assert torch.equal(torch.rand(4), expected)
    assert [module.training for module in model.modules()] == modes
    again = FeatureDataset(table, image_processor, model.eval(), batch_size=2, cache=tmp_path / "again")
    assert np.array_equal(built.stored, again.stored)  # no dropout in it
    assert all(parameter.grad is None for parameter in model.parameters())


def test_unreadable_pictures_are_left_out_and_named(tmp_path, image_processor, model):
    broken = make_png(1)[:200]
    table = rows([broken, b"", make_png(2), broken, make_png(4)])
    for _ in range(2):  # the first batch holds no picture at all
        data = FeatureDataset(table, image_processor, model, batch_size=2, dtype="float32", cache=tmp_path)
        assert list(data.kept) == [2, 4] and [index for index, _ in data.unreadable] == [0, 1, 3]
        assert "row 3" in data.unreadable[2][1] and len(data) == 2
        assert [data[index]["description"] for index in range(2)] == [SENTENCES[2], SENTENCES[4]]
    single = FeatureDataset(rows([make_png(4)]), image_processor, model, dtype="float32", cache=tmp_path)
    torch.testing.assert_close(data[1]["image_features"], single[0]["image_features"], atol=1e-6, rtol=1e-6)
    with pytest.raises(ValueError, match="None of 2 pictures can be read; the first: the picture of row 0"):
        FeatureDataset(rows([broken, b""]), image_processor, model, cache=tmp_path)


def test_features_that_do_not_fit_are_refused(tmp_path, table, image_processor):
    model = make_model()
    with torch.no_grad():
        model.model.vision_tower.vision_model.encoder.layers[-1].mlp.fc2.bias += 1e5
    with pytest.raises(ValueError, match=r"row 0 is 1e\+05, more than torch.float16 \(65504\) .*bfloat16 or float32"):
        FeatureDataset(table, image_processor, model, cache=tmp_path)
    assert features_of(FeatureDataset(table, image_processor, model, dtype="bfloat16", cache=tmp_path)).max() > 9e4
    with torch.no_grad():
        model.model.vision_tower.vision_model.encoder.layers[-1].mlp.fc2.bias[0] = float("nan")
    with pytest.raises(ValueError, match="The encoder makes nan of the picture of row 0; its weights are damaged"):
        FeatureDataset(table, image_processor, model, dtype="float32", cache=tmp_path)
    with pytest.raises(ValueError, match="dtype is 'int8'; choose one of float16, bfloat16, float32"):
        FeatureDataset(table, image_processor, model, dtype="int8", cache=tmp_path)


def test_a_folder_that_cannot_be_written_names_the_ways_out(table, image_processor, model):
    # 5 pictures of 4 positions of 32 numbers of 2 bytes
    with pytest.raises(
        OSError, match=r"/proc/moda .* 1.28 KB are needed .*MODA_CACHE=.*, or `features: off` in the rec"
    ):
        FeatureDataset(table, image_processor, model, cache="/proc/moda")


def test_a_worker_process_opens_the_file_instead_of_copying_it(tmp_path, table, image_processor, model):
    data = FeatureDataset(table, image_processor, model, cache=tmp_path)
    copy = pickle.loads(pickle.dumps(data))
    assert isinstance(copy.stored, np.memmap)
    assert torch.equal(features_of(copy), features_of(data))


def test_the_digest_knows_names_shapes_and_dtypes(model):
    digest = encoder_digest(model.model)
    assert encoder_digest(make_model().model) == digest
    assert encoder_digest(make_model(seed=1).model) != digest
    assert encoder_digest(make_model().to(torch.bfloat16).model) != digest
