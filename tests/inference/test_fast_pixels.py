"""Pixels computed the short way are the image processor's own, bit for bit; of a processor with other steps too."""

from types import SimpleNamespace

import pytest
import torch
from conftest import make_picture
from PIL import Image
from transformers import CLIPImageProcessor, SiglipImageProcessor, ViTImageProcessor

from moda.inference.describer import prepare
from moda.inference.fast_pixels import _steps, fast_pixels


SETTINGS = {
    "CLIP": (CLIPImageProcessor, {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}}),
    "CLIP without a crop": (CLIPImageProcessor, {"size": {"height": 30, "width": 40}, "do_center_crop": False}),
    "SigLIP": (SiglipImageProcessor, {"size": {"height": 48, "width": 48}}),
    "ViT": (ViTImageProcessor, {"size": {"height": 32, "width": 32}, "do_normalize": False}),
    "a crop beyond the picture": (
        CLIPImageProcessor,
        {"size": {"shortest_edge": 20}, "crop_size": {"height": 41, "width": 33}},
    ),
    "no resizing": (ViTImageProcessor, {"do_resize": False}),
    "longest edge": (CLIPImageProcessor, {"size": {"longest_edge": 20, "shortest_edge": 10}, "do_center_crop": False}),
}


@pytest.mark.parametrize("kind", SETTINGS)
def test_pixels_are_the_processors(kind):
    make, settings = SETTINGS[kind]
    processor = make(**settings)
    sizes = [(31, 47)] * 3 if kind in ("no resizing", "longest edge") else [(31, 47), (200, 90), (7, 8)]
    images = [make_picture(number, size) for number, size in enumerate(sizes)]
    expected = processor(images, return_tensors="pt")["pixel_values"]
    for _ in range(2):
        assert torch.equal(fast_pixels(processor, images), expected)
    if kind in ("CLIP", "CLIP without a crop", "SigLIP", "ViT"):
        assert _steps(processor, processor.to_json_string()) is not None
    processor.rescale_factor = 1 / 100  # a processor that is changed
    assert torch.equal(fast_pixels(processor, images), processor(images, return_tensors="pt")["pixel_values"])


def test_a_strip_is_refused_before_it_is_resized():
    processor = SimpleNamespace(image_processor=CLIPImageProcessor(size={"shortest_edge": 32}))
    assert prepare(processor, Image.new("RGB", (5, 500))).shape == (3, 224, 224)
    with pytest.raises(
        ValueError, match="^strip.png, of 5 x 501 pixels, is more than 100 times as long as wide; crop it"
    ):
        prepare(processor, Image.new("RGB", (5, 501)), name="strip.png")
