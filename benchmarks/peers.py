"""MODA and the models that it is compared with, at their own sizes and with random weights: what is measured is the work."""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import (
    BlipConfig,
    BlipForConditionalGeneration,
    CLIPVisionConfig,
    GitConfig,
    GitForCausalLM,
    GPT2Config,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTConfig,
)


sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from configuration_moda import CLIP_VIT_B32, SMOLLM_360M  # noqa: E402
from moda.presets import preset_config  # noqa: E402
from modeling_moda import ModaForConditionalGeneration  # noqa: E402
from steps_moda import fuse_projections  # noqa: E402


PROMPT_TOKENS = 5  # "Describe the product."
# SmolVLM's processor makes a picture's longer side 2,048 pixels and cuts it into tiles of 512; the whole picture is one more.
LONGEST, TILE, TILE_TOKENS = 2048, 512, 64
PHOTO = (1080, 1440)  # width and height of a typical photograph of a product


@dataclass
class Peer:
    """A model that is ready to be asked.

    Args:
        model (`PreTrainedModel`): In evaluation mode.
        inputs (`dict`): What its `generate` takes for one picture: it answers after these, or with a special first token.
        encode (`Callable`): Runs the vision encoder alone on the pixels.
        published (`str`): Millions of parameters, as its authors or those of its parts say.
    """

    model: torch.nn.Module
    inputs: dict
    encode: Callable
    published: str

    @property
    def parameters(self):
        """How many parameters it has, shared ones once."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def sentence(self, tokens):
        """Writes an answer of so many tokens, greedily; returns how many it wrote."""
        options = {"max_new_tokens": tokens, "do_sample": False}
        return self.model.generate(**self.inputs, **options).shape[1]

    def to(self, dtype):
        """Changes the type of its weights and pixels."""
        self.model.to(dtype)
        self.inputs = {
            name: value.to(dtype) if value.is_floating_point() else value for name, value in self.inputs.items()
        }


def tiles_of(width, height):
    """How many tiles SmolVLM's processor makes of a picture: rows, columns; beside them there is the whole picture."""
    if width >= height:
        width, height = LONGEST, int(LONGEST * height / width)
    else:
        width, height = int(LONGEST * width / height), LONGEST
    return -(-height // TILE), -(-width // TILE)


def _pixels(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(0))


def _ready(model):
    """Nothing ends a sentence early: every peer writes as many tokens."""
    model = model.eval()
    model.generation_config.eos_token_id = None
    model.generation_config.pad_token_id = 0
    return model


def _ids(image_token, positions, vocabulary):
    text = torch.arange(10, 10 + PROMPT_TOKENS) % (vocabulary - 2)
    ids = torch.cat([torch.full((positions,), image_token), text])[None]
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids)}


def moda(text, vision):
    """MODA with the one pooled position of the guide's model."""
    config = preset_config("moda-519m", text_config=text, vision_config=vision)
    model = _ready(ModaForConditionalGeneration(config))
    size = model.config.vision_config.image_size
    inputs = _ids(model.config.image_token_id, 1, model.config.text_config.vocab_size)
    pixels = _pixels(1, 3, size, size)
    return Peer(model, {**inputs, "pixel_values": pixels}, model.encode_images, "455")


def llava(text, vision):
    """transformers' `Llava` class on the same two backbones: all patches of the encoder, a connector of two layers."""
    vision, text = CLIPVisionConfig(**{**CLIP_VIT_B32, **vision}), LlamaConfig(**{**SMOLLM_360M, **text})
    image_token, backbones = text.vocab_size - 1, {"vision_config": vision, "text_config": text}
    config = LlavaConfig(**backbones, image_token_index=image_token, tie_word_embeddings=True)
    model = _ready(LlavaForConditionalGeneration(config))
    patches = (vision.image_size // vision.patch_size) ** 2
    inputs = _ids(image_token, patches, text.vocab_size)
    pixels = _pixels(1, 3, vision.image_size, vision.image_size)
    encode = model.model.vision_tower
    return Peer(model, {**inputs, "pixel_values": pixels}, encode, "451")


def smolvlm(text, vision):
    """SmolVLM-500M on a photograph, cut into tiles as its processor cuts it."""
    text = {**SMOLLM_360M, "vocab_size": 49280, "max_position_embeddings": 8192, "rope_theta": 100000.0, **text}
    shape = {
        "image_size": TILE,
        "patch_size": 16,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_attention_heads": 12,
    }
    vision = {"model_type": "smolvlm_vision", **shape, "num_hidden_layers": 12, **vision}
    image_token, scale = text["vocab_size"] - 1, 4
    config = SmolVLMConfig(
        vision_config=vision,
        text_config={**text, "tie_word_embeddings": False},
        scale_factor=scale,
        image_token_id=image_token,
        tie_word_embeddings=False,
        pad_token_id=0,
    )
    model = _ready(SmolVLMForConditionalGeneration(config))
    size = vision["image_size"]
    tokens = (size // vision["patch_size"]) ** 2 // scale**2
    rows, columns = tiles_of(*PHOTO)
    # Before each tile two tokens say where it is, and a line break ends a row of them.
    ids = []
    for _ in range(rows):
        ids += ([3, 4] + [image_token] * tokens) * columns + [5]
    ids += [5, 3, 6] + [image_token] * tokens + [3]
    ids = torch.cat([torch.tensor([ids]), _ids(0, 0, text["vocab_size"])["input_ids"]], 1)
    pixels = _pixels(1, rows * columns + 1, 3, size, size)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}
    return Peer(model, inputs, lambda pixels: model.model.vision_model(pixels[0]), "507")


def blip(text, vision):
    """BLIP-base, which captions: a decoder that looks at the encoder's patches at every step."""
    vision, text = {"image_size": 384, **vision}, {"encoder_hidden_size": vision.get("hidden_size", 768), **text}
    model = BlipForConditionalGeneration(BlipConfig(vision_config=vision, text_config=text)).eval()
    model.config.text_config.sep_token_id = None  # what its `generate` hands on as the end
    _ready(model.text_decoder)
    size = model.config.vision_config.image_size
    return Peer(model, {"pixel_values": _pixels(1, 3, size, size)}, model.vision_model, "224–247")


def git(text, vision):
    """GIT-base: the patches stand before the words, in a decoder of six layers."""
    model = _ready(GitForCausalLM(GitConfig(vision_config=vision, **text)))
    size = model.config.vision_config.image_size
    ids = torch.tensor([[model.config.bos_token_id]])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": _pixels(1, 3, size, size)}
    return Peer(model, inputs, model.git.image_encoder, "177")


def vit_gpt2(text, vision):
    """ViT-base and GPT-2, which looks at the encoder's patches at every step."""
    decoder = GPT2Config(add_cross_attention=True, is_decoder=True, **text)
    config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(ViTConfig(**vision), decoder)
    config.decoder_start_token_id, config.pad_token_id = decoder.bos_token_id, decoder.bos_token_id
    model = _ready(VisionEncoderDecoderModel(config))
    model.generation_config.decoder_start_token_id = decoder.bos_token_id
    size = model.config.encoder.image_size
    return Peer(model, {"pixel_values": _pixels(1, 3, size, size)}, model.encoder, "239")


PEERS = {
    "MODA": moda,
    "Llava": llava,
    "SmolVLM-500M": smolvlm,
    "BLIP-base": blip,
    "GIT-base": git,
    "ViT-GPT2": vit_gpt2,
}


def build(name, dtype=torch.float32, text=None, vision=None):
    """Builds a peer.

    Args:
        name (`str`): A key of `PEERS`.
        dtype (`torch.dtype`, *optional*, defaults to `torch.float32`): Of the weights.
        text, vision (`dict`, *optional*): Fields of its configs to change, to make it small.
    """
    torch.manual_seed(0)
    peer = PEERS[name](dict(text or {}), dict(vision or {}))
    peer.to(dtype)
    if name == "MODA":
        fuse_projections(peer.model)  # as loading does
    return peer
