"""Builds every preset at full size with random weights, counts parameters, and measures a forward pass and a sentence.

    python benchmarks/parameters.py            # all presets; writes benchmarks/results/presets.csv
    python benchmarks/parameters.py moda-mini  # some; prints only

Times are medians of several runs of one process on a machine that may be busy: read them against each other.
"""

import argparse
import csv
import gc
import platform
import resource
import statistics
import sys
import time
from pathlib import Path

import torch
import transformers


ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
RESULTS = ROOT / "benchmarks" / "results" / "presets.csv"
NEW_TOKENS = 24


def measure(name, runs=3):
    """Builds a preset and returns its row of the table."""
    from moda.presets import preset_config
    from modeling_moda import ModaForConditionalGeneration

    config = preset_config(name)
    torch.manual_seed(0)
    model = ModaForConditionalGeneration(config).eval()
    size = config.vision_config.image_size
    height, width = (size, size) if isinstance(size, int) else size
    pixels = torch.randn(1, 3, height, width)
    ids = torch.tensor([[config.image_token_id] * config.image_seq_length + [5, 6, 7, 8]])
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids), "pixel_values": pixels}
    model.generation_config.eos_token_id = None
    encode, sentence = [], []
    with torch.inference_mode():
        for _ in range(runs):
            started = time.perf_counter()
            model.encode_images(pixels)
            encode.append(time.perf_counter() - started)
            started = time.perf_counter()
            written = model.generate(**inputs, max_new_tokens=NEW_TOKENS, do_sample=False)
            sentence.append(time.perf_counter() - started)
    assert written.shape[1] == ids.shape[1] + NEW_TOKENS
    row = {
        "preset": name,
        "parameters": sum(p.numel() for p in model.parameters()),
        "vision": sum(p.numel() for p in model.model.vision_tower.parameters()),
        "connector": sum(p.numel() for p in model.model.connector.parameters()),
        "language": sum(p.numel() for p in model.model.language_model.parameters()),
        "image_positions": config.image_seq_length,
        "encode_ms": round(1000 * statistics.median(encode)),
        f"sentence_of_{NEW_TOKENS}_tokens_ms": round(1000 * statistics.median(sentence)),
        "sentence_ms_min": round(1000 * min(sentence)),
        "sentence_ms_max": round(1000 * max(sentence)),
        "peak_rss_gb_so_far": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, 2),
        "dtype": "float32",
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, no GPU used",
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    del model
    gc.collect()
    return row


def main():
    from moda.presets import PRESETS

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("presets", nargs="*", help=f"of {', '.join(PRESETS)} (default: all)")
    names = parser.parse_args().presets
    rows = []
    for name in names or ["moda-mini", "moda-519m", "moda-patch", "alignment-0.9b"]:
        rows.append(measure(name))
        print(rows[-1], flush=True)
    if not names:
        RESULTS.parent.mkdir(exist_ok=True)
        with open(RESULTS, "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0])
            writer.writeheader()
            writer.writerows(rows)
        print(f"wrote {RESULTS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
