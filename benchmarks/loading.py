"""Measures what loading a published folder takes: MODA of full size beside transformers' own Llava on the same backbones.

    python benchmarks/loading.py    # some minutes, 4 GB of disk; writes benchmarks/results/loading.json

Both are written with random weights, as `save_pretrained` leaves them, and loaded turn by turn, each time in a process of its
own that has imported torch and transformers: `AutoModel` with remote code against `LlavaForConditionalGeneration`. The clock
runs from the import of that name to the loaded model, and on until every weight has been read once, since both map their files
into memory. Read ratios, not seconds. The results of another version of transformers stay where they are.
"""

import argparse
import gc
import json
import os
import sys
import tempfile
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "benchmarks")]
RESULTS = ROOT / "benchmarks" / "results" / "loading.json"

from processes import DTYPES, progress, python, ratios, spread  # noqa: E402


LOADERS = {
    "MODA": ("AutoModel", {"trust_remote_code": True}),
    "Llava": ("LlavaForConditionalGeneration", {}),
}
FIGURES = ("load_seconds", "read_seconds", "most_megabytes", "most_to_weights")
# VmHWM is the most that was ever resident; what the imports took of it is taken off.
LOAD = """
import transformers
def most():
    lines = open("/proc/self/status").read().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) * 1024 / 1e6
name, folder, options = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
imports, begun = most(), time.perf_counter()
model = getattr(transformers, name).from_pretrained(folder, dtype="auto", **options)
loaded = time.perf_counter() - begun
with torch.inference_mode():
    for weight in model.state_dict().values():
        weight.sum()
read = time.perf_counter() - begun
figures = {"load_seconds": loaded, "read_seconds": read, "most_megabytes": most() - imports}
print(json.dumps({**figures, "class": type(model).__module__, "dtype": str(model.dtype).split(".")[1]}))
"""


def write(name, folder, dtype):
    """Writes a model of full size; returns how many parameters and megabytes of weights it has."""
    import peers
    import torch

    peer = peers.PEERS[name]({}, {})
    peer.model.to(getattr(torch, dtype)).save_pretrained(folder)
    size = sum(file.stat().st_size for file in folder.glob("*.safetensors"))
    return {"parameters": peer.parameters, "weights_megabytes": round(size / 1e6)}


def compare(dtype, rounds):
    """Loads both turn by turn; of each the figures, and how many times Llava's those of MODA are."""
    found = {name: [] for name in LOADERS}
    with tempfile.TemporaryDirectory() as place:
        result = {}
        for name in LOADERS:
            result[name] = write(name, Path(place) / name, dtype)
            gc.collect()
        environment = {"HF_MODULES_CACHE": f"{place}/modules", "HF_HUB_OFFLINE": "1"}
        for turn in progress(range(rounds + 1), f"loading, {dtype}"):
            # Who comes first changes, so that neither always finds what the other has left in the caches.
            for name in list(LOADERS)[:: 1 if turn % 2 else -1]:
                loader, options = LOADERS[name]
                run = python(LOAD, loader, f"{place}/{name}", json.dumps(options), environment=environment)
                assert run["dtype"] == dtype and run["class"].startswith("transformers_modules") == (name == "MODA")
                if turn:  # the first turn reads the files, and copies the remote code to where Python imports it from
                    found[name].append(run)
    for name, runs in found.items():
        for run in runs:  # MODA has 1 % more weights
            run["most_to_weights"] = run["most_megabytes"] / result[name]["weights_megabytes"]
        result[name] |= {figure: spread([run[figure] for run in runs], 3) for figure in FIGURES}
    result["moda_to_llava"] = {
        figure: ratios(*([run[figure] for run in found[name]] for name in ("MODA", "Llava"))) for figure in FIGURES
    }
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7, help="loads of each (default: %(default)s)")
    parser.add_argument("--dtypes", nargs="+", choices=DTYPES, default=DTYPES, help="(default: both)")
    parser.add_argument("--output", type=Path, default=RESULTS, help="(default: benchmarks/results/loading.json)")
    options = parser.parse_args()
    import torch
    import transformers

    from moda.data.machine import describe_machine

    about = {"machine": describe_machine(), "load_before": round(os.getloadavg()[0], 2), "rounds": options.rounds}
    about |= {"threads": torch.get_num_threads(), "torch": torch.__version__}
    found = {dtype: compare(dtype, options.rounds) for dtype in options.dtypes}
    result = json.loads(options.output.read_text(encoding="utf-8")) if options.output.is_file() else {}
    result[transformers.__version__] = {**about, **found}
    print(json.dumps(result[transformers.__version__], indent=1))
    options.output.write_text(json.dumps(dict(sorted(result.items())), indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
