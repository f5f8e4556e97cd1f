"""The models that MODA's speed is compared with, made small: each writes as many tokens as it is asked for."""

import sys
from pathlib import Path

import pytest
import torch
import transformers
from PIL import Image


sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import peers  # noqa: E402


LLAMA = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "vocab_size": 64}
VISION = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
}
BERT = {**LLAMA, "vocab_size": 30530, "bos_token_id": 3}
SMALL = {
    "MODA": ({**LLAMA, "num_key_value_heads": 2}, {**VISION, "patch_size": 16, "projection_dim": 24}),
    "Llava": ({**LLAMA, "num_key_value_heads": 2}, {**VISION, "patch_size": 16}),
    "SmolVLM-500M": ({**LLAMA, "num_key_value_heads": 2}, {**VISION, "patch_size": 4}),
    "BLIP-base": ({**BERT}, {**VISION, "patch_size": 16}),
    "GIT-base": ({**BERT}, {**VISION, "patch_size": 16}),
    "ViT-GPT2": (
        {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 64, "bos_token_id": 3, "eos_token_id": 3},
        {**VISION, "patch_size": 16},
    ),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", peers.PEERS)
def test_each_writes_what_it_is_asked_for(name, dtype):
    text, vision = SMALL[name]
    peer = peers.build(name, dtype, text, vision)
    assert next(peer.model.parameters()).dtype == dtype
    with torch.inference_mode():
        assert peer.sentence(5) - peer.sentence(1) == 4
        encoded = peer.encode(peer.inputs["pixel_values"])
    encoded = encoded if isinstance(encoded, torch.Tensor) else encoded[0]
    assert encoded.dtype == dtype and len(encoded) == peer.inputs["pixel_values"].shape[:-3].numel()


@pytest.mark.parametrize("size", [(1080, 1440), (1440, 1080), (600, 600)])
def test_tiles_are_those_of_the_processor(size):
    of_pillow = getattr(transformers, "SmolVLMImageProcessorPil", transformers.SmolVLMImageProcessor)
    processor = of_pillow(size={"longest_edge": peers.LONGEST}, max_image_size={"longest_edge": peers.TILE})
    tiles = processor([[Image.new("RGB", size)]], return_tensors="pt")["pixel_values"]
    rows, columns = peers.tiles_of(*size)
    assert tiles.shape[1] == rows * columns + 1


def test_a_photograph_takes_so_many_positions():
    text, vision = SMALL["SmolVLM-500M"]
    ids = peers.build("SmolVLM-500M", text=text, vision={**vision, "image_size": 128}).inputs["input_ids"]
    tokens = (128 // 4) ** 2 // 16
    assert tokens == peers.TILE_TOKENS and int((ids == text["vocab_size"] - 1).sum()) == 13 * tokens
