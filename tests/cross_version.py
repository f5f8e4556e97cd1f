"""`cross_version.py save FOLDER` on one transformers, `cross_version.py check FOLDER` on the other: same answers?

Run by `test_cross_version.py`. Saving uses this checkout; checking uses what was saved and nothing else.
"""

import json
import sys
from pathlib import Path


TINY_VIT = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 16,
}
CASES = {  # what has gone wrong between versions: weight names, rope settings, ties, the image processor's file
    "clip": {"vision_config": {"model_type": "clip_vision_model", "projection_dim": 24, **TINY_VIT}},
    "clip-pooled": {
        "vision_config": {"model_type": "clip_vision_model", "projection_dim": 24, **TINY_VIT},
        "vision_feature_select_strategy": "pooled",
    },
    "siglip-untied": {"vision_config": {"model_type": "siglip_vision_model", **TINY_VIT}, "text_config": {
        "tie_word_embeddings": False}},
    "dinov2": {"vision_config": {
        "model_type": "dinov2", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "image_size": 32,
        "patch_size": 16}},
    "resnet-transformer": {
        "vision_config": {"model_type": "resnet", "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1],
                          "layer_type": "basic", "image_size": 32},
        "connector_type": "transformer",
    },
    "rope": {
        "vision_config": {"model_type": "clip_vision_model", **TINY_VIT},
        "text_config": {"rope_theta": 100000.0},
    },
    "rope-scaled": {
        "vision_config": {"model_type": "clip_vision_model", **TINY_VIT},
        "text_config": {"rope_theta": 50000.0, "rope_scaling": {
            "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64}},
    },
    "gpt2-prefix": {
        "vision_config": {"model_type": "clip_vision_model", **TINY_VIT},
        "text_config": {"model_type": "gpt2", "vocab_size": 320, "n_embd": 32, "n_layer": 2, "n_head": 4,
                        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2, "tie_word_embeddings": True},
        "image_attention": "prefix_lm",
    },
}  # fmt: skip
TEXTS = ["What colour is it?", "Hi"]


def answers(model, processor, pictures):
    """Everything that must not depend on the version."""
    import torch

    batch = processor(images=pictures, text=TEXTS, suffix=["A red </s> shirt.", "Blue."])
    prompts = processor(images=pictures, text=TEXTS)
    with torch.no_grad():
        logits = model(**batch).logits
    sequences = model.generate(**prompts, max_new_tokens=6, do_sample=False)
    return {**batch, "logits": logits, "sequences": sequences}


def save(folder):
    root = Path(__file__).resolve().parent
    sys.path[:0] = [str(root), str(root.parent)]
    from conftest import TINY_LLAMA, make_model, make_picture, make_processor
    from safetensors.torch import save_file

    for name, changes in CASES.items():
        changes = {**changes}
        changes["text_config"] = {**changes["text_config"]} if "text_config" in changes else {}
        if "model_type" not in changes["text_config"]:
            changes["text_config"] = {**TINY_LLAMA, **changes["text_config"]}
        model = make_model(**changes)
        processor = make_processor(image_seq_length=model.config.image_seq_length)
        model.save_pretrained(folder / name)
        processor.save_pretrained(folder / name)
        pictures = [make_picture(0), make_picture(1)]
        expected = {key: value.contiguous() for key, value in answers(model, processor, pictures).items()}
        save_file(expected, folder / f"{name}.safetensors")
    for i, picture in enumerate(pictures):
        picture.save(folder / f"{i}.png")


def check(folder):
    import torch
    from PIL import Image
    from safetensors.torch import load_file
    from transformers import AutoModelForImageTextToText, AutoProcessor

    torch.set_num_threads(1)
    pictures = [Image.open(folder / f"{i}.png") for i in range(2)]
    told = {}
    for name in CASES:
        model, report = AutoModelForImageTextToText.from_pretrained(
            folder / name, trust_remote_code=True, dtype=torch.float32, output_loading_info=True
        )
        processor = AutoProcessor.from_pretrained(folder / name, trust_remote_code=True)
        got, expected = answers(model.eval(), processor, pictures), load_file(folder / f"{name}.safetensors")
        told[name] = {}
        for key, value in expected.items():
            same_shape = got[key].shape == value.shape
            told[name][key] = (got[key].float() - value.float()).abs().max().item() if same_shape else "another shape"
        told[name]["keys"] = sorted(map(str, [*report["missing_keys"], *report["unexpected_keys"]]))
        # Saved again, it is the first version's checkpoint still: the same names.
        model.save_pretrained(folder / f"{name}-again")
        saved = [set(load_file(folder / f"{stem}/model.safetensors")) for stem in (name, f"{name}-again")]
        told[name]["renamed"] = sorted(saved[0] ^ saved[1])
        told[name]["tied"] = model.lm_head.weight is model.get_input_embeddings().weight
    assert not [name for name in sys.modules if name.endswith("_moda") and "." not in name]  # nothing of the checkout
    print(json.dumps(told))


if __name__ == "__main__":
    {"save": save, "check": check}[sys.argv[1]](Path(sys.argv[2]))
