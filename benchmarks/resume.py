"""Measures what going on costs: from the command to the first new step, by the step at which the run was cut off.

    python benchmarks/resume.py    # writes benchmarks/results/resume.csv

A run of `recipes/demo.yaml`, all but without its warm-up, is stopped at its 801st step; from there, and from its earlier checkpoints, it
is started again, and so without any checkpoint. All of them open the features that are kept already.
"""

import csv
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from moda.data.machine import describe_machine  # noqa: E402


RESULTS = ROOT / "benchmarks" / "results" / "resume.csv"
STEPS = (0, 100, 800)
ROUNDS = 3
SCRIPT = """
import sys, time
from transformers import TrainerCallback
from moda.training.trainer import StageTrainer
import train

class Stop(TrainerCallback):
    def on_step_end(self, args, state, control, **kwargs):
        if first := not hasattr(self, "seen"):
            self.seen = True
            print("FIRST", state.global_step, time.time(), flush=True)
        if state.global_step >= int(sys.argv[1]):
            raise KeyboardInterrupt

made = StageTrainer.__init__

def with_stop(self, *args, **kwargs):
    made(self, *args, **kwargs)
    self.add_callback(Stop())

StageTrainer.__init__ = with_stop
train.main(sys.argv[2:])
"""


def until_first_step(folder, last, output):
    """Starts the run, lets it go to step `last`, and returns the seconds to its first step and which step that was."""
    command = [
        sys.executable, "-c", SCRIPT, str(last), "recipes/demo.yaml", f"output_dir={output}", f"data.demo.folder={folder / 'drawn'}",
        "warmup={max_steps: 1}", "augment=[]", "max_steps=2000", "num_train_epochs=1", "save_strategy=steps", "save_steps=100",
        "save_total_limit=20",
    ]  # fmt: skip
    begun = time.time()
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, "MODA_CACHE": str(folder / "cache")}, capture_output=True, text=True
    )
    for line in done.stdout.splitlines():
        if line.startswith("FIRST"):
            _, step, at = line.split()
            return float(at) - begun, int(step)
    raise RuntimeError(done.stderr[-2000:])


def main():
    folder = Path(tempfile.mkdtemp())
    output, kept = folder / "run", folder / "kept"
    until_first_step(folder, STEPS[-1] + 1, output)  # draws, decodes and encodes, too
    shutil.copytree(f"{output}-checkpoints", kept)
    rows = []
    for step in STEPS:
        seconds = []
        for _ in range(ROUNDS):
            shutil.rmtree(f"{output}-checkpoints")
            shutil.copytree(kept, f"{output}-checkpoints")
            for checkpoint in (Path(f"{output}-checkpoints") / "1-describe").glob("checkpoint-*"):
                if int(checkpoint.name[11:]) > step:
                    shutil.rmtree(checkpoint)
            taken, first = until_first_step(folder, step + 1, output)
            assert first == step + 1, (first, step)
            seconds.append(taken)
            print(step, f"{taken:.1f} s", flush=True)
        rows.append({"step": step, "seconds": seconds})
    fresh = statistics.median(rows[0]["seconds"])
    with open(RESULTS, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(
            ("cut_off_at_step", "seconds_to_first_new_step", "least", "most", "more_than_a_fresh_start", "machine")
        )
        for row in rows:
            middle = statistics.median(row["seconds"])
            figures = [f"{value:.1f}" for value in (middle, min(row["seconds"]), max(row["seconds"]), middle - fresh)]
            writer.writerow((row["step"], *figures, describe_machine()))
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
