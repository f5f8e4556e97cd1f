"""The configuration: what it derives, what it keeps when it is written down, and what it refuses."""

import json

import pytest
import torch
from conftest import TINY_CLIP, TINY_LLAMA, make_config
from transformers import AutoModel, CLIPVisionConfig, LlamaConfig

from configuration_moda import CUSTOM_PIPELINES, ModaConfig


def test_the_default_is_the_guides_model():
    config = ModaConfig()
    assert (config.image_seq_length, config.image_feature_size) == (1, 512)
    assert (config.vision_config.model_type, config.text_config.model_type) == ("clip_vision_model", "llama")
    assert (config.text_config.hidden_size, config.text_config.num_hidden_layers) == (960, 32)
    assert config.image_attention == "image_bidirectional" and config.tie_word_embeddings is True
    assert config.image_token_id == 49152  # the first id behind the vocabulary


@pytest.mark.parametrize(
    "strategy, layer, shape",
    [("pooled", -1, (1, 24)), ("default", -2, (4, 32)), ("full", [-2, -1], (5, 64))],
)
def test_positions_come_from_the_encoder(strategy, layer, shape):
    config = make_config(vision_feature_select_strategy=strategy, vision_feature_layer=layer)
    assert (config.image_seq_length, config.image_feature_size) == shape


def test_parts_may_be_configs_or_dicts():
    vision = CLIPVisionConfig(**{name: value for name, value in TINY_CLIP.items() if name != "model_type"})
    text = LlamaConfig(**{name: value for name, value in TINY_LLAMA.items() if name != "model_type"})
    given = make_config(vision_config=vision, text_config=text)
    assert given.vision_config is vision and given.text_config is text
    assert given.to_dict() == make_config().to_dict()


def test_written_and_read_it_is_the_same(tmp_path):
    config = make_config(connector_type="linear", vision_feature_layer=[-2, -1], image_attention="prefix_lm")
    config.save_pretrained(tmp_path)
    loaded = ModaConfig.from_pretrained(tmp_path)
    assert loaded.to_diff_dict() == config.to_diff_dict()
    assert loaded.vision_feature_layer == [-2, -1] and loaded.image_attention == "prefix_lm"
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["image_seq_length"] == 4 and written["auto_map"]["AutoConfig"] == "configuration_moda.ModaConfig"
    config.custom_pipelines["image-to-text"]["pt"] = (AutoModel,)  # as pipeline() does
    assert CUSTOM_PIPELINES["image-to-text"]["pt"] == ["AutoModelForImageTextToText"]
    assert make_config().custom_pipelines == CUSTOM_PIPELINES


@pytest.mark.parametrize("spelling", ["rope_theta", "rope_parameters"])
def test_rope_theta_as_either_version_writes_it(spelling):
    """transformers 4.57 would read 5's `rope_parameters` as theta 10000, without a word."""
    written = {"rope_theta": 1e5} if spelling == "rope_theta" else {
        "rope_parameters": {"rope_theta": 1e5, "rope_type": "default"}
    }  # fmt: skip
    model = AutoModel.from_config(make_config(text_config={**TINY_LLAMA, **written}).text_config)
    expected = 1e5 ** -(torch.arange(0, 8, 2) / 8)
    assert torch.allclose(model.rotary_emb.inv_freq, expected)


@pytest.mark.parametrize("tied", [True, False])
def test_a_tie_is_known_at_both_levels(tied):
    for config in (
        make_config(text_config={**TINY_LLAMA, "tie_word_embeddings": tied}),
        make_config(tie_word_embeddings=tied),
    ):
        assert config.tie_word_embeddings == config.text_config.tie_word_embeddings == tied


def test_another_models_config_is_refused(tmp_path):
    LlamaConfig().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="checkpoint of type 'llama', not 'moda'"):
        ModaConfig.from_pretrained(tmp_path)
