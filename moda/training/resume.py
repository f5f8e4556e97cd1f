"""Going on where a run was cut off: what is there, whether it is this recipe's, and how long it took so far."""

import json
import re
import time

from safetensors.torch import load_file, save_file
from transformers import TrainerCallback


def finished_run(output, checkpoints, recipe):
    """Returns the figures of a finished run of this very recipe, and refuses folders that hold another's work.

    Args:
        output (`Path`): The recipe's output folder.
        checkpoints (`Path`): Where its checkpoints go.
        recipe ([`Recipe`]): What is about to run.

    Returns:
        `dict` or `None`: What `run.json` says, if it is there.

    Raises:
        `ValueError`: If a run of another recipe left weights there, naming what differs.
    """
    written = output / "recipe.yaml"
    if not written.is_file():
        return None
    worked = [output / "run.json", output / "model.safetensors", checkpoints / "warmup.json"]
    if written.read_text() != recipe.to_yaml():
        if not any(path.exists() for path in worked) and last_checkpoint(checkpoints) is None:
            return None  # it was stopped before it had anything
        before, now = (set(text.splitlines()) for text in (written.read_text(), recipe.to_yaml()))
        raise ValueError(
            f"{output} holds a run of another recipe (then {sorted(before - now)}, now {sorted(now - before)}); "
            f"choose another folder with output_dir=..., or delete {output} and {checkpoints}."
        )
    if not (output / "run.json").is_file():
        return None
    print(f"{output} holds the finished run of this recipe; delete it to train again.")
    return json.loads((output / "run.json").read_text())


def last_checkpoint(folder):
    """Finds the newest checkpoint that was written to its end, which the Trainer marks by `trainer_state.json`.

    Returns:
        `str` or `None`
    """
    numbered = {int(re.fullmatch(r"checkpoint-(\d+)", path.name)[1]): path for path in folder.glob("checkpoint-*")}
    complete = [number for number, path in numbered.items() if (path / "trainer_state.json").is_file()]
    return str(numbered[max(complete)]) if complete else None


def keep_warmup(folder, tower, figures):
    """Keeps a warmed-up encoder, and the figures of its warm-up, for a run that is cut off later."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in tower.state_dict().items()}, folder / "warmup.safetensors")
    (folder / "warmup.json").write_text(json.dumps(figures))


def recall_warmup(folder, tower):
    """Loads what `keep_warmup` kept into the encoder; returns the figures, or `None` if there are none."""
    if not (folder / "warmup.json").is_file():
        return None
    tower.load_state_dict(load_file(folder / "warmup.safetensors"))
    return json.loads((folder / "warmup.json").read_text())


class Clock(TrainerCallback):
    """Counts the seconds of training over all sessions of a run; they are kept in the Trainer's log."""

    def __init__(self):
        self.before, self.started = 0.0, time.monotonic()

    @property
    def minutes(self):
        return self._seconds() / 60

    def _seconds(self):
        return self.before + time.monotonic() - self.started

    def on_train_begin(self, args, state, control, **kwargs):
        self.before = max((entry.get("seconds", 0.0) for entry in state.log_history), default=0.0)
        self.started = time.monotonic()

    def on_log(self, args, state, control, **kwargs):
        state.log_history[-1]["seconds"] = self._seconds()
