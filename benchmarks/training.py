"""Measures training: from kept features against the guide's loop, packed against padded, and the guide's work as a whole.

    python benchmarks/training.py            # moda-mini and the 519M shapes; writes benchmarks/results/training.csv
    python benchmarks/training.py moda-mini  # one of them

All variants of a model take turns within one run, a few steps at a time, on the same rows: read the ratios, not the times.
`guide` is the guide's loop: the encoder computed anew at every step, logits at every position, padded rows, float32. Each of
the others adds one thing to the one before: `features` trains from kept features, `labels` computes logits where there is a
label, `precision` is what MODA chooses on this machine, `packed` packs rows, `compiled` compiles (compiling not counted).
"""

import copy
import csv
import json
import random
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from transformers import TrainerCallback


ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from moda.data.catalogue import load_catalogue  # noqa: E402
from moda.data.features import FeatureDataset  # noqa: E402
from moda.data.machine import cpu_computes_bfloat16, describe_machine  # noqa: E402
from moda.data.pixels import PixelDataset  # noqa: E402
from moda.training.build import build_model_and_processor  # noqa: E402
from moda.training.machine import choose_attention  # noqa: E402
from moda.training.parts import freeze_all_but, parameters_of  # noqa: E402
from moda.training.stage import Stage  # noqa: E402
from moda.training.trainer import StageTrainer  # noqa: E402
from processing_moda import ModaDataCollator  # noqa: E402


RESULTS = ROOT / "benchmarks" / "results" / "training.csv"
FIELDS = (
    "model",
    "variant",
    "rows_per_s",
    "tokens_per_s",
    "ratio",
    "ratio_min",
    "ratio_max",
    "to_previous",
    "steps",
    "batch",
    "machine",
)
MODELS = {  # rows a step; steps a turn that count, and before them that do not; turns
    "moda-mini": {"batch": 64, "steps": 12, "idle": 4, "turns": 5, "size": 96},
    "moda-mini, 5 to 60 tokens": {"batch": 64, "steps": 12, "idle": 4, "turns": 5, "size": 96},
    "moda-519m": {"batch": 4, "steps": 2, "idle": 1, "turns": 3, "size": 224},
}
VARIANTS = {  # each adds one thing to the one above
    "guide": {},
    "features": {"features"},
    "labels": {"features", "labels"},
    "precision": {"features", "labels", "precision"},
    "packed": {"features", "labels", "precision", "packing"},
    "compiled": {"features", "labels", "precision", "packing", "compile"},
}


class GuidesTrainer(StageTrainer):
    """Computes logits at every position, as a loop without MODA's trainer does."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        inputs.pop("rows", None)
        return super(StageTrainer, self).compute_loss(model, inputs, return_outputs, num_items_in_batch)


class Stopwatch(TrainerCallback):
    """Seconds from step to step; the first step of a turn warms up and is not counted."""

    def __init__(self):
        self.times = []

    def on_step_end(self, args, state, control, **kwargs):
        self.times.append(time.perf_counter())

    def seconds(self):
        return [after - before for before, after in zip(self.times, self.times[1:])]


class Sentences(torch.utils.data.Dataset):
    """Rows of another dataset, with sentences of so many tokens, the last of which ends them."""

    def __init__(self, rows, shortest, longest):
        self.rows, self.epoch, draw = rows, 0, random.Random(0)
        digits = "0123456789"  # of which no tokenizer here makes longer tokens
        lengths = [draw.randint(shortest, longest) for _ in range(len(rows))]
        self.sentences = ["".join(draw.choice(digits) for _ in range(length - 1)) for length in lengths]

    def __len__(self):
        return len(self.rows)

    def __getitems__(self, indices):
        return [{**row, "description": self.sentences[i]} for i, row in zip(indices, self.rows.__getitems__(indices))]


def big_model():
    """The 519M shapes with random weights and a tokenizer of bytes."""
    from full_size import write_backbones

    folder = Path(tempfile.gettempdir()) / "moda-backbones"
    if not (folder / "smollm-360m" / "tokenizer.json").is_file():
        write_backbones(folder)
    return build_model_and_processor({"vision": str(folder / "fashion-clip"), "text": str(folder / "smollm-360m")}, [])


def measure(name):
    """Yields the result rows of one model."""
    plan = MODELS[name]
    variants = {"moda-mini": list(VARIANTS), "moda-519m": list(VARIANTS)[:4]}.get(
        name, ["guide", "precision", "packed"]
    )
    count = plan["batch"] * (plan["steps"] + plan["idle"])
    folder = Path(tempfile.mkdtemp())
    drawn = {"count": 200 if name == "moda-519m" else 2000, "size": plan["size"], "folder": str(folder / "drawn")}
    data = {"demo": drawn}
    catalogue = load_catalogue({**data, "limit": count})
    rows = catalogue.splits["train"]
    if name == "moda-519m":
        model, processor = big_model()
    else:
        model, processor = build_model_and_processor({"preset": "moda-mini"}, list(rows["description"]))
    freeze_all_but(model, ["connector", "language"])
    pixels = PixelDataset(rows, processor.image_processor, cache=folder / "pixels")
    features = FeatureDataset(rows, processor.image_processor, model, cache=folder / "features")
    sets = {False: pixels, True: features}
    if name != "moda-mini":
        span = (30, 30) if name == "moda-519m" else (5, 60)  # 30: the guide's work
        sets = {key: Sentences(value, *span) for key, value in sets.items()}
    seconds = {variant: [] for variant in variants}  # of each turn, the median step
    tokens = {}
    for _ in range(plan["turns"]):
        for variant in variants:
            what = VARIANTS[variant]
            trained = copy.deepcopy(model)  # accelerate leaves its precision on what it has trained
            stopwatch = Stopwatch()
            settings = {
                "max_steps": plan["steps"] + plan["idle"], "per_device_train_batch_size": plan["batch"], "save_strategy": "no",
                "disable_tqdm": True, "logging_strategy": "no", "use_cpu": not torch.cuda.is_available(), "torch_compile": "compile" in what,
                **({} if "precision" in what else {"bf16": False}),
            }  # fmt: skip
            stage = Stage(
                name=variant, train={"connector": 1e-3, "language": 1e-3}, trainer=settings, packing="packing" in what
            )
            arguments = stage.arguments(folder / "run")
            choose_attention(trained, arguments)
            kind = StageTrainer if "labels" in what else GuidesTrainer
            trainer = kind(
                trained,
                arguments,
                stage=stage,
                collator=ModaDataCollator(processor, packing=stage.packing),
                train_dataset=sets["features" in what],
                callbacks=[stopwatch],
            )
            trainer.train()
            seconds[variant].append(statistics.median(stopwatch.seconds()[plan["idle"] - 1 :]))
            tokens[variant] = trainer.state.num_input_tokens_seen / arguments.max_steps
            print(f"{name} {variant}: {1000 * seconds[variant][-1]:.0f} ms a step", flush=True)
    for previous, variant in zip([variants[0], *variants], variants):
        middle = statistics.median(seconds[variant])
        steps_up = [before / own for before, own in zip(seconds[previous], seconds[variant])]
        ratios = [guide / own for guide, own in zip(seconds["guide"], seconds[variant])]
        yield {
            "model": name,
            "variant": variant,
            "rows_per_s": f"{plan['batch'] / middle:.4g}",
            "tokens_per_s": f"{tokens[variant] / middle:.4g}",
            "ratio": f"{statistics.median(ratios):.2f}",
            "ratio_min": f"{min(ratios):.2f}",
            "ratio_max": f"{max(ratios):.2f}",
            "to_previous": f"{statistics.median(steps_up):.2f}",
            "steps": plan["steps"] * plan["turns"],
            "batch": plan["batch"],
            "machine": describe_machine(),
        }
    if name == "moda-519m":
        write_guides_work(model, plan["batch"] / statistics.median(seconds["precision"]))


def write_guides_work(model, rows_per_s, length=30):
    """Projects the guide's 5,400 pictures x 40 epochs from the steps measured here, and onto an H200's data sheet."""
    size, times = 2048, []
    dtype = torch.bfloat16 if cpu_computes_bfloat16() else torch.float32
    a, b = torch.rand(size, size, dtype=dtype), torch.rand(size, size, dtype=dtype)
    for _ in range(9):
        begun = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - begun)
    matrix_rate = 2 * size**3 / statistics.median(times)
    parts = parameters_of(model)
    trained = sum(parameter.numel() for part in ("connector", "language") for parameter in parts[part])
    positions = model.config.image_seq_length + len("Describe the product.\n") + length  # a byte tokenizer
    head = model.lm_head.weight.numel()  # tied to the embedding; multiplied where there is a label
    # Of each weight two on the way there and four on the way back.
    flops_a_row = 6 * ((trained - head) * positions + head * length)
    share = flops_a_row * rows_per_s / matrix_rate
    work = {
        "what": "PROJECTION, not a run: 5,400 pictures x 40 epochs, sentences of 30 tokens, 519M shapes, from kept features",
        "rows": 5400 * 40,
        "positions_a_row": positions,
        "flops_a_row": flops_a_row,
        "rows_per_s_measured": round(rows_per_s, 3),
        "hours_on_this_machine": round(5400 * 40 / rows_per_s / 3600, 1),
        "precision": str(dtype).removeprefix("torch."),
        "matrix_rate_gflops": round(matrix_rate / 1e9),
        "share_of_matrix_rate": round(share, 3),
        "h200_bfloat16_tflops_data_sheet": 989,
        "minutes_on_an_h200_at_the_same_share": round(5400 * 40 * flops_a_row / (989e12 * share) / 60, 1),
        "guide_minutes_on_an_a100": 354,
        "machine": describe_machine(),
    }
    RESULTS.with_name("guides-work.json").write_text(json.dumps(work, indent=2) + "\n")
    print(work)


def main():
    chosen = sys.argv[1:] or list(MODELS)
    kept = []
    if RESULTS.is_file():
        with open(RESULTS) as file:
            kept = [row for row in csv.DictReader(file) if row["model"] not in chosen]
    rows = [row for name in chosen for row in measure(name)]
    with open(RESULTS, "w", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows([*kept, *rows])
    for row in rows:
        print({key: value for key, value in row.items() if key != "machine"})


if __name__ == "__main__":
    main()
