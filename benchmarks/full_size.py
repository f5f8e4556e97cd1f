"""Proves the path of recipes/moda-519m.yaml at full size, without a download: random backbones in the Hub's own layout.

    python benchmarks/full_size.py FOLDER    # 3 steps, then a sentence; writes benchmarks/results/full-size.json

A full CLIP of FashionCLIP's shape with its image processor, and a Llama of SmolLM-360M's shape with a tokenizer of its 49,152
tokens, are written below FOLDER (2 GB) and given to the recipe by overriding its `model`. Takes some minutes and 9 GB of memory.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    PreTrainedTokenizerFast,
)


ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def write_backbones(folder):
    """Writes `fashion-clip` and `smollm-360m` with random weights, as their authors' repositories lay them out."""
    from configuration_moda import SMOLLM_360M

    torch.manual_seed(0)
    CLIPModel(CLIPConfig(projection_dim=512)).save_pretrained(folder / "fashion-clip")
    CLIPImageProcessor().save_pretrained(folder / "fashion-clip")
    AutoModelForCausalLM.from_config(AutoConfig.for_model(**SMOLLM_360M)).save_pretrained(folder / "smollm-360m")
    # SmolLM's first token is <|endoftext|>, for every special purpose; what follows here are bytes, then names for the rest.
    pieces = ["<|endoftext|>", *sorted(pre_tokenizers.ByteLevel.alphabet())]
    pieces += [f"<unused_{index}>" for index in range(SMOLLM_360M["vocab_size"] - len(pieces))]
    tokenizer = Tokenizer(models.BPE(vocab={piece: index for index, piece in enumerate(pieces)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = dict.fromkeys(("bos_token", "eos_token", "unk_token"), "<|endoftext|>")
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=2048, **special).save_pretrained(
        folder / "smollm-360m"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="where the backbones and the run go")
    parser.add_argument("--steps", type=int, default=3)
    options = parser.parse_args()
    if not (options.folder / "smollm-360m" / "tokenizer.json").is_file():
        write_backbones(options.folder)
    run = options.folder / "run"
    command = [
        sys.executable,
        "train.py",
        "recipes/moda-519m.yaml",
        f"model.vision={options.folder / 'fashion-clip'}",
        f"model.text={options.folder / 'smollm-360m'}",
        f"output_dir={run}",
        f"data.demo.folder={options.folder / 'data'}",
        "data.demo.count=60",
        f"max_steps={options.steps}",
        "per_device_train_batch_size=2",
        "gradient_accumulation_steps=2",
        "logging_steps=1",
        "save_strategy=no",
        "evaluation={rows: 2, max_new_tokens: 8, split: test}",
    ]
    started = time.monotonic()
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    figures = json.loads((run / "run.json").read_text())
    result = {
        "what": "recipes/moda-519m.yaml on random backbones of full size",
        "parameters": figures["parameters"],
        "steps": figures["steps"],
        "rows_a_step": 4,
        "train_minutes": figures["train_minutes"],
        "all_minutes": round((time.monotonic() - started) / 60, 1),
        "machine": figures["machine"],
        "torch": figures["torch"],
        "transformers": figures["transformers"],
    }
    (ROOT / "benchmarks" / "results" / "full-size.json").write_text(json.dumps(result, indent=2) + "\n")
    print(result)


if __name__ == "__main__":
    main()
