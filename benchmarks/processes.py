"""The parts of benchmarks/inference.py that run in processes of their own: a catalogue, memory, start."""

import contextlib
import gc
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent
TOKENS = 24
SIZES = (8, 16, 32, 64, 128)  # batches of the pipeline to choose the best of
DTYPES = ("float32", "bfloat16")
START = "import time, json, os, sys, torch; sys.path.insert(0, os.getcwd()); "
# What a plain user would write, and what `moda describe` does; each tells how long it described and what it used.
PIPELINE = """
from transformers import pipeline
from moda.inference.inputs import open_inputs
folder, model, count, dtype, size, tokens = sys.argv[1], sys.argv[2], *sys.argv[3:]
inputs = open_inputs(folder)
pictures = [inputs.picture(index) for index in range(int(count))]
note = f"{dtype}, batches of {size}"
run = pipeline("image-to-text", model, trust_remote_code=True, dtype=getattr(torch, dtype))
begun, before = time.perf_counter(), os.times()
said = run(pictures, batch_size=int(size), **options(tokens))
"""
ENGINE = """
from moda.inference.describer import Describer, Settings, choose
from moda.inference.inputs import open_inputs
from moda.inference.local import describe_locally
folder, model, count, dtype, size, tokens = sys.argv[1], sys.argv[2], *sys.argv[3:]
inputs = open_inputs(folder)
settings = Settings(model, dtype=dtype, quantize="auto" if dtype == "auto" else None, batch_size=None,
                    max_new_tokens=int(tokens) or 48)
settings, reason = choose(settings, int(count))
note = f"{settings.dtype}, quantize {settings.quantize}, batches of {settings.batch_size}"
describer = Describer(settings)
if int(tokens):
    describer.model.generation_config.eos_token_id = None
begun, before = time.perf_counter(), os.times()
said = [row for rows in describe_locally(inputs, range(int(count)), settings, describer=describer) for row in rows]
"""
ENDING = """
seconds, after = time.perf_counter() - begun, os.times()
used = sum(after[:4]) - sum(before[:4])
assert len(said) == int(count)
print(json.dumps({"seconds": seconds, "cpu": used / seconds / len(os.sched_getaffinity(0)), "note": note}))
"""
OPTIONS = """
def options(tokens):
    return {"max_new_tokens": int(tokens), "min_new_tokens": int(tokens)} if int(tokens) else {"max_new_tokens": 48}
"""
IMPORTS = "import torch, transformers"
ONE_PICTURE = """
from moda.inference.describer import Describer, Settings
describer = Describer(Settings(sys.argv[1], dtype=sys.argv[2], max_new_tokens=24))
describer.model.generation_config.eos_token_id = None
print(describer(describer.prepare(sys.argv[3])[None])[0])
"""


def spread(values, digits=1):
    values = [statistics.median(values), min(values), max(values)]
    return {name: round(value, digits) for name, value in zip(("median", "least", "most"), values)}


def ratios(ours, theirs, digits=3):
    """Of two lists of seconds, measured turn by turn, how many times as long ours took."""
    return spread([one / other for one, other in zip(ours, theirs)], digits)


def progress(items, title):
    from tqdm.auto import tqdm

    return tqdm(items, desc=title, unit="run")


def python(code, *arguments, environment=None):
    """Runs Python in a process of its own; returns the last line that it printed, as JSON."""
    command = [sys.executable, "-c", START + OPTIONS + code, *map(str, arguments)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"A process ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return json.loads(done.stdout.splitlines()[-1])


@contextlib.contextmanager
def pictures_in_files(data, count):
    """Writes so many pictures of a drawn catalogue into a folder, over again if there are too few; says where they are."""
    import pyarrow.parquet as parquet

    files = sorted(Path(data).glob("*.parquet"))
    if not files:
        raise SystemExit(f"There is no catalogue in {data}; draw it with `moda demo-data`, or name one with --data.")
    with tempfile.TemporaryDirectory() as place:
        images = [row["image"]["bytes"] for file in files for row in _rows(parquet, file, count)][:count]
        for index in range(count):
            (Path(place) / f"{index:06}.png").write_bytes(images[index % len(images)])
        yield place


def _rows(parquet, file, count):
    for batch in parquet.ParquetFile(file).iter_batches(256, columns=["image"]):
        yield from batch.to_pylist()
        count -= len(batch)
        if count <= 0:
            return


@contextlib.contextmanager
def full_size(*formats):
    """Writes MODA of full size with random weights, once for each of the formats: float32, bfloat16, int8."""
    import torch
    from full_size import write_backbones

    from modeling_moda import ModaForConditionalGeneration
    from processing_moda import ModaProcessor
    from quantization_moda import quantize_int8

    with tempfile.TemporaryDirectory() as place:
        place = Path(place)
        write_backbones(place)
        ids = (str(place / "fashion-clip"), str(place / "smollm-360m"))
        processor = ModaProcessor.from_vision_text_pretrained(*ids)
        for kind in formats:
            model = ModaForConditionalGeneration.from_vision_text_pretrained(
                *ids, dtype=torch.float32 if kind == "float32" else torch.bfloat16
            )
            if kind == "int8":
                quantize_int8(model)
            model.save_pretrained(place / kind)
            processor.save_pretrained(place / kind)
            del model
            gc.collect()
        yield place


def rates(ways, count, rounds, title):
    """Pictures a second of several ways to describe the same ones, turn by turn, each in a process of its own."""
    found = {name: [] for name in ways}
    for _ in progress(range(rounds), title):
        for name, (code, arguments) in ways.items():
            found[name].append(python(code + ENDING, *arguments))
    result = {}
    for name, runs in found.items():
        result[name] = {
            "pictures_a_second": spread([count / run["seconds"] for run in runs]),
            "cpu_use": spread([run["cpu"] for run in runs], 3),
            "settings": runs[-1]["note"],
        }
    ours = [run["seconds"] for run in found["moda"]]
    result["moda_times_as_fast_as"] = {
        name: ratios([run["seconds"] for run in runs], ours, 2) for name, runs in found.items() if name != "moda"
    }
    return result


def catalogue(options):
    """A catalogue by `moda describe`'s engine and by a plain loop over transformers' pipeline, at its best, too."""
    count, few = options.pictures, min(16, options.pictures)

    def compare(folder, model, count, tokens, rounds, tried, sizes):
        # The best batch and precision of the pipeline are looked for on a part of the pictures.
        trials = {
            (size, dtype): python(PIPELINE + ENDING, folder, model, tried, dtype, size, tokens)["seconds"]
            for size, dtype in progress([(size, dtype) for size in sizes for dtype in DTYPES], "the pipeline's best")
        }
        size, dtype = min(trials, key=trials.get)
        alone = min(DTYPES, key=lambda dtype: trials.get((1, dtype), 0)) if 1 in sizes else dtype
        ways = {
            "moda": (ENGINE, (folder, model, count, "auto", 0, tokens)),
            "pipeline, batch 1": (PIPELINE, (folder, model, count, alone, 1, tokens)),
            "pipeline, best batch": (PIPELINE, (folder, model, count, dtype, size, tokens)),
        }
        result = {"pictures": count, "best": {"batch": size, "dtype": dtype, "batch_1_dtype": alone}}
        return {**result, **rates(ways, count, rounds, "catalogue")}

    result = {}
    with pictures_in_files(options.data, count) as folder:
        sizes = (1, *SIZES)
        result["moda-mini"] = compare(folder, options.model, count, 0, options.rounds, max(16, count // 4), sizes)
        whole, script = [], [sys.executable, "-m", "moda.cli", "describe", folder, "--model", options.model]
        for turn in progress(range(options.rounds), "moda describe, start to end"):
            with tempfile.TemporaryDirectory() as out:
                whole.append(count / _wall([*script, "--output", f"{out}/{turn}.jsonl"]))
        result["moda-mini"]["moda describe, with its start"] = {"pictures_a_second": spread(whole)}
        if not options.only_small:
            with full_size("float32") as repositories:
                small = compare(folder, repositories / "float32", few, TOKENS, min(3, options.rounds), 8, (1, 8))
                result["moda-519m"] = {"new_tokens": TOKENS, **small}
    return result


def _wall(command):
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return time.perf_counter() - begun


def memory(options):
    """The most memory of a fresh process that loads MODA of full size and describes a picture, in each precision.

    `VmHWM` is the kernel's own record of all that was resident, files that are mapped included; `RssAnon`, which can't be given
    back to the disk, is looked at every five milliseconds from outside.
    """
    result = {"imports_alone": _most_memory([sys.executable, "-c", IMPORTS])}
    with full_size(*DTYPES, "int8") as repositories, pictures_in_files(options.data, 1) as folder:
        (picture,) = Path(folder).iterdir()
        for kind in progress([*DTYPES, "int8"], "memory"):
            weights = sum(file.stat().st_size for file in (repositories / kind).glob("*.safetensors"))
            dtype = "bfloat16" if kind == "int8" else kind
            most = _most_memory([sys.executable, "-c", START + ONE_PICTURE, repositories / kind, dtype, picture])
            allowed = 1.15 * weights / 1e6 + 300
            result[kind] = {"weights_megabytes": round(weights / 1e6), "allowed_megabytes": round(allowed), **most}
            result[kind]["share_of_allowed"] = round(most["VmHWM_megabytes"] / allowed, 3)
    return result


def _most_memory(command):
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    most = {"VmHWM": 0, "RssAnon": 0}
    while process.poll() is None:
        with contextlib.suppress(OSError):  # it ended meanwhile
            for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
                name, value = line.split(":", 1)
                if name in most:
                    most[name] = max(most[name], 1024 * int(value.split()[0]))
        time.sleep(0.005)
    if process.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ended with {process.returncode}; see above why.")
    return {f"{name}_megabytes": round(value / 1e6) for name, value in most.items()}


def start(options):
    """`moda describe` of one picture, from its start to its end, beside the mere import of torch and transformers."""
    taken = {"import": [], "describe": []}
    with pictures_in_files(options.data, 1) as folder:
        (picture,) = Path(folder).iterdir()
        commands = {
            "import": [sys.executable, "-c", IMPORTS],
            "describe": [sys.executable, "-m", "moda.cli", "describe", picture, "--model", options.model],
        }
        for turn in progress(range(options.starts + 1), "start"):
            for name, command in commands.items():
                seconds = _wall(command)
                if turn:  # the first turn reads the files
                    taken[name].append(seconds)
    result = {f"{name}_seconds": spread(values, 2) for name, values in taken.items()}
    allowed = 1.3 * statistics.median(taken["import"]) + 2
    return {**result, "allowed_seconds": round(allowed, 2)}
