"""Measures inference without a GPU: a sentence beside other models, int8, a catalogue, memory, start, the cost of precision.

    python benchmarks/inference.py                   # all parts; writes benchmarks/results/inference.json
    python benchmarks/inference.py sentence start    # some; the others stay as they were
    python benchmarks/inference.py --model runs/demo --data demo-data   # the trained model, and the pictures of its catalogue

Takes about 25 minutes and 10 GB of memory on two cores that have nothing else to do. What is compared runs turn by turn, so that a
busy moment hits all alike: read ratios, not seconds. Every figure is a median with the least and the most. Only numbers are kept.
"""

import argparse
import gc
import json
import os
import statistics
import sys
import time
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
RESULTS = ROOT / "benchmarks" / "results" / "inference.json"
BUSY = 0.5  # load average above which this is no quiet machine

from processes import DTYPES, TOKENS, catalogue, memory, progress, ratios, spread, start  # noqa: E402


def timed(function, *arguments):
    begun = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - begun


def language_weights(model):
    """Bytes of the weights that a new token's pass reads: the language model's, its head's, not its embedding's."""
    text = model.get_decoder() if hasattr(model, "get_decoder") else model.model.language_model
    layers = {id(p): p for p in text.parameters()}
    layers.pop(id(text.get_input_embeddings().weight), None)
    head = model.get_output_embeddings().weight
    layers[id(head)] = head
    return sum(p.numel() * p.element_size() for p in layers.values())


def products(size, dtype, rows=960):
    """Plain products of one row with a matrix of so many bytes: by `linear`, and by `mv`, which differ in bfloat16."""
    import torch

    matrix = torch.randn(size // (rows * dtype.itemsize), rows).to(dtype)
    row = torch.randn(1, rows).to(dtype)
    return {
        "linear": lambda: torch.nn.functional.linear(row, matrix),
        "mv": lambda: torch.mv(matrix, row[0]),
    }


def sentence(options):
    """One picture, batch 1: MODA and its peers, turn by turn, in either precision."""
    import peers
    import torch

    result, every = {"tokens": TOKENS, "rounds": options.rounds}, {}
    for name_of_dtype in DTYPES:
        dtype = getattr(torch, name_of_dtype)
        built = {name: peers.build(name, dtype) for name in options.peers or peers.PEERS}
        bound = products(language_weights(built["MODA"].model), dtype)
        taken = {name: {"encode": [], "first": [], "sentence": []} for name in built}
        plain = {name: [] for name in bound}
        with torch.inference_mode():
            for turn in progress(range(options.rounds + 1), f"sentence, {name_of_dtype}"):
                for name, peer in built.items():
                    seconds = {
                        "encode": timed(peer.encode, peer.inputs["pixel_values"]),
                        "first": timed(peer.sentence, 1),
                        "sentence": timed(peer.sentence, TOKENS),
                    }
                    for part, value in seconds.items() if turn else ():  # the first turn warms up
                        taken[name][part].append(value)
                for name, product in bound.items():
                    repeats = [timed(product) for _ in range(5)]
                    plain[name] += repeats if turn else []
        every[name_of_dtype] = taken
        fastest = {name: statistics.median(values) for name, values in plain.items()}
        found = {"plain_product_ms": {name: spread([1000 * v for v in values], 2) for name, values in plain.items()}}
        found["plain_product_bytes"] = language_weights(built["MODA"].model)
        for name, peer in built.items():
            parts = taken[name]
            steps = [(whole - first) / (TOKENS - 1) for whole, first in zip(parts["sentence"], parts["first"])]
            prefill = [first - encode for first, encode in zip(parts["first"], parts["encode"])]
            row = {"parameters": peer.parameters, "published_millions": peer.published}
            row["prompt_positions"] = peer.inputs["input_ids"].shape[1] if "input_ids" in peer.inputs else 1
            row["milliseconds"] = {
                name: spread([1000 * value for value in values])
                for name, values in (*parts.items(), ("prefill", prefill), ("token", steps))
            }
            if name in ("MODA", "Llava"):
                # Of what either product reaches; that of `mv`, which is the faster in bfloat16, is the stricter measure.
                row["share_of_memory_bound"] = {
                    name: spread([least / step for step in steps], 3) for name, least in fastest.items()
                }
            found[name] = row
        result[name_of_dtype] = found
        del built, bound
        gc.collect()
    best = {
        name: min(DTYPES, key=lambda dtype: statistics.median(every[dtype][name]["sentence"]))
        for name in every[DTYPES[0]]
    }
    result["best_precision"] = best
    ours = every[best["MODA"]]["MODA"]["sentence"]
    result["moda_to_peer"] = {
        name: ratios(ours, every[dtype][name]["sentence"]) for name, dtype in best.items() if name != "MODA"
    }
    result["moda_to_peer_float32"] = {
        name: ratios(every["float32"]["MODA"]["sentence"], taken["sentence"])
        for name, taken in every["float32"].items()
        if name != "MODA"
    }
    return result


def int8(options):
    """Tokens a second at batch 1 with int8 weights and in bfloat16, turn by turn."""
    import peers
    import torch

    from quantization_moda import quantize_int8
    from steps_moda import fuse_projections

    plain, eight = (peers.build("MODA", torch.bfloat16) for _ in range(2))
    fuse_projections(quantize_int8(eight.model))
    rates = {"bfloat16": [], "int8": []}
    with torch.inference_mode():
        for turn in progress(range(options.rounds + 1), "int8"):
            for name, peer in (("bfloat16", plain), ("int8", eight)):
                seconds = timed(peer.sentence, TOKENS) - timed(peer.sentence, 1)
                if turn:
                    rates[name].append((TOKENS - 1) / seconds)
    result = {name: spread(values, 2) for name, values in rates.items()}
    return {"tokens_a_second": result, "int8_to_bfloat16": ratios(rates["int8"], rates["bfloat16"])}


def precision(options):
    """What bfloat16 and int8 cost: attributes, the five scores and the share of sentences that stay as in float32."""
    import torch

    from moda.data.pixels import PixelDataset
    from moda.evaluation.rows import select_rows
    from moda.evaluation.sentences import describe_rows, score_sentences
    from moda.inference.load import load_model
    from quantization_moda import quantize_int8

    chosen = select_rows(options.held_out, options.model, count=options.rows)
    names = [name for name in chosen.rows.column_names if name != "image"]
    result, said = {"rows": len(chosen.rows), "split": chosen.split}, {}
    for kind in (*DTYPES, "int8"):
        model, processor = load_model(options.model, dtype="bfloat16" if kind == "int8" else kind)
        if kind == "int8":
            quantize_int8(model)
        dataset = PixelDataset(chosen.rows, processor.image_processor, names)
        numbers = list(range(len(chosen.rows)))
        with torch.inference_mode():
            said[kind] = describe_rows(model, processor, dataset, numbers, title=f"precision, {kind}")
        attributes, exact, guide = score_sentences(said[kind], dataset.columns, numbers, chosen.catalogue.wording)
        same = [one == other for one, other in zip(said[kind], said["float32"])]
        result[kind] = {
            "same_as_float32": round(sum(same) / len(same), 4),
            "exact_match": round(exact["accuracy"], 4),
            "attributes": {name: round(score["accuracy"], 4) for name, score in attributes.items()},
            "five_scores": {name: round(value, 3) for name, value in guide.items()},
        }
    return result


PARTS = {part.__name__: part for part in (sentence, int8, catalogue, memory, start, precision)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)} (default: all)")
    parser.add_argument("--model", default="runs/demo", help="trained moda-mini (default: %(default)s)")
    parser.add_argument("--data", default="demo-data", help="folder with its catalogue (default: %(default)s)")
    parser.add_argument("--held-out", metavar="DATA", help="rows for `precision` (default: what its training held out)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of what is compared (default: %(default)s)")
    parser.add_argument("--starts", type=int, default=7, help="turns of `start` (default: %(default)s)")
    parser.add_argument("--pictures", type=int, default=2000, help="of `catalogue` (default: %(default)s)")
    parser.add_argument("--rows", type=int, help="of `precision` (default: all)")
    parser.add_argument("--peers", nargs="+", help="of `sentence`, MODA among them (default: all)")
    parser.add_argument("--only-small", action="store_true", help="leave out MODA of full size in `catalogue`")
    parser.add_argument("--output", type=Path, default=RESULTS, help="(default: benchmarks/results/inference.json)")
    options = parser.parse_args()
    unknown = [name for name in options.parts if name not in PARTS]
    if unknown:
        parser.error(f"there is no part {unknown[0]!r}; choose of {', '.join(PARTS)}")
    options.model, options.data = str(Path(options.model).resolve()), Path(options.data).resolve()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    import torch
    import transformers

    from moda.data.machine import describe_machine

    result = json.loads(options.output.read_text(encoding="utf-8")) if options.output.is_file() else {}
    for name in options.parts or PARTS:
        load, begun = os.getloadavg()[0], time.perf_counter()
        print(f"{name}: load average {load:.2f}", flush=True)
        if load > BUSY:
            print(f"This machine is busy; what {name} finds is no measurement to keep.", file=sys.stderr)
        found = PARTS[name](options)
        about = {"machine": describe_machine(), "load_before": round(load, 2), "threads": torch.get_num_threads()}
        about |= {"torch": torch.__version__, "transformers": transformers.__version__}
        result[name] = {**about, "minutes": round((time.perf_counter() - begun) / 60, 1), **found}
        print(json.dumps(result[name], indent=1), flush=True)
        result = {part: result[part] for part in PARTS if part in result}
        options.output.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
