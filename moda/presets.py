"""Named shapes of MODA, by exact parameter count."""

import difflib

from transformers import AutoConfig

from configuration_moda import CLIP_VIT_B32, SMOLLM_360M, ModaConfig


SIGLIP_SO400M_14_224 = {  # without its pooling head, which nothing here reads
    "model_type": "siglip_vision_model",
    "hidden_size": 1152,
    "intermediate_size": 4304,
    "num_hidden_layers": 27,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
    "vision_use_head": False,
}
QWEN25_05B = {
    "model_type": "qwen2",
    "vocab_size": 151936,
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32768,
    "rope_theta": 1000000.0,
    "rms_norm_eps": 1e-6,
    "bos_token_id": 151643,
    "eos_token_id": 151643,
    "tie_word_embeddings": True,
}
FASHION_CLIP_AND_SMOLLM = {"vision_config": CLIP_VIT_B32, "text_config": SMOLLM_360M}
PRESETS = {
    # The MODA guide's model: FashionCLIP's projected embedding is the one image position of SmolLM-360M. 455,327,616
    # parameters run; with CLIP's text tower, which nothing runs, they are the guide's "519 million" (518,755,713).
    "moda-519m": FASHION_CLIP_AND_SMOLLM,
    # The same backbones, with FashionCLIP's 49 patches: the guide's own future work. 456,310,656 parameters.
    "moda-patch": {**FASHION_CLIP_AND_SMOLLM, "vision_feature_select_strategy": "default"},
    # The alignment paper's model: 256 positions, 908,311,920 parameters.
    "alignment-0.9b": {
        "vision_config": SIGLIP_SO400M_14_224,
        "text_config": QWEN25_05B,
        "vision_feature_select_strategy": "default",
        "projector_hidden_size": 896,
    },
    # Small enough to be trained from nothing on two CPU cores, its tokenizer included.
    "moda-mini": {
        "vision_config": {
            "model_type": "resnet",
            "image_size": [64, 64],
            "embedding_size": 32,
            "hidden_sizes": [32, 64, 128, 384],
            "depths": [2, 2, 2, 2],
            "layer_type": "basic",
        },
        "text_config": {
            "model_type": "llama",
            "vocab_size": 1024,
            "hidden_size": 256,
            "intermediate_size": 512,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 4,
            "max_position_embeddings": 512,
            "tie_word_embeddings": True,
        },
        "vision_feature_select_strategy": "default",
    },
}


def preset_config(name, **changes):
    """Returns the [`ModaConfig`] of a preset.

    Args:
        name (`str`): A key of `PRESETS`.
        changes: Fields of [`ModaConfig`] that differ; those of `vision_config` and `text_config` are merged in.

    Raises:
        `ValueError`: If there is no preset of that name.
    """
    if name not in PRESETS:
        raise ValueError(f"There is no preset {name!r}; choose one of {', '.join(PRESETS)}.")
    fields = {**PRESETS[name], **changes}
    for part in ("vision_config", "text_config"):
        fields[part] = {**PRESETS[name][part], **changes.get(part, {})}
        known = AutoConfig.for_model(fields[part]["model_type"]).to_dict()
        for key in changes.get(part, {}):
            # transformers' configs take any name, and would leave the one that was meant at its default.
            if key not in known and key not in PRESETS[name][part] and key != "rope_theta":
                near = difflib.get_close_matches(key, known, 1)
                raise ValueError(f"{part} has no key {key!r}{f'; did you mean {near[0]!r}?' if near else '.'}")
    return ModaConfig(**fields)
