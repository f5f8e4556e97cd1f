"""Vision encoders: which features become positions, of transformers with and without class token, and of CNNs."""

import pytest
import torch
from conftest import RESNET, TINY_CLIP, inputs_of, make_model


SIGLIP = {**TINY_CLIP, "model_type": "siglip_vision_model"}


DINOV2 = {
    "model_type": "dinov2",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 16,
}


def patches_of(tower, pixels, layer):
    states = tower(pixel_values=pixels, output_hidden_states=True)
    return states.last_hidden_state if layer == -1 else states.hidden_states[layer]


@pytest.mark.parametrize("vision", [TINY_CLIP, SIGLIP, DINOV2], ids=lambda config: config["model_type"])
def test_features_of_transformers(vision, processor):
    has_class_token = vision is not SIGLIP
    pixels = inputs_of(processor, [0])["pixel_values"]
    for strategy, first in (("full", 0), ("default", int(has_class_token))):
        for layer in (-1, -2, [-2, 1, -1]):
            model = make_model(
                vision_config=vision, vision_feature_select_strategy=strategy, vision_feature_layer=layer
            )
            layers = [layer] if isinstance(layer, int) else layer
            with torch.no_grad():
                states = [patches_of(model.model.vision_tower, pixels, index)[:, first:] for index in layers]
                features = model.encode_images(pixels)
            assert torch.equal(features, torch.cat(states, -1))
            positions = 4 if strategy == "default" else 4 + has_class_token
            assert (model.config.image_seq_length, model.config.image_feature_size) == (positions, 32 * len(layers))
    pooled = make_model(vision_config=vision, vision_feature_select_strategy="pooled")
    with torch.no_grad():
        output = pooled.model.vision_tower(pixel_values=pixels)
        expected = output.image_embeds if vision is TINY_CLIP else output.pooler_output
        assert torch.equal(pooled.encode_images(pixels), expected[:, None])
    assert pooled.config.image_seq_length == 1
    assert pooled.config.image_feature_size == (24 if vision is TINY_CLIP else 32)


def test_features_of_a_convolutional_network(processor):
    """Maps of (channels, height, width) become height × width positions, row by row."""
    pixels = inputs_of(processor, [0])["pixel_values"]
    sizes = {"pooled": (1, 16), "default": None, "full": None}
    for strategy, size in sizes.items():
        model = make_model(vision_config=RESNET, vision_feature_select_strategy=strategy)
        with torch.no_grad():
            output = model.model.vision_tower(pixel_values=pixels)
            features = model.encode_images(pixels)
        height, width = output.last_hidden_state.shape[2:]
        assert (model.config.image_seq_length, model.config.image_feature_size) == (size or (height * width, 16))
        if strategy == "pooled":
            assert torch.equal(features[:, 0], output.pooler_output[:, :, 0, 0])
        else:
            assert torch.equal(features[1, width + 2], output.last_hidden_state[1, :, 1, 2])
