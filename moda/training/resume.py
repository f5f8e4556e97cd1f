"""Going on where a run was cut off: what is there, whether it is this recipe's, and how long it took so far."""

import json
import os
import re
import time

import yaml
from accelerate import PartialState
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
    written = next((path for path in (checkpoints / "recipe.yaml", output / "recipe.yaml") if path.is_file()), None)
    if written is None:
        if any(checkpoints.glob("*/stage.json")) or any(checkpoints.glob("*/checkpoint-*")):
            raise ValueError(
                f"{checkpoints} holds a run whose recipe is gone; delete it, or choose another output_dir."
            )
        return None
    if differences := _differences(yaml.safe_load(written.read_text()), yaml.safe_load(recipe.to_yaml())):
        worked = [
            output / "run.json",
            *output.glob("*.safetensors"),
            *checkpoints.glob("*.json"),
            *checkpoints.glob("*/*.json"),
        ]
        if not any(path.exists() for path in worked) and not any(checkpoints.glob("*/checkpoint-*/trainer_state.json")):
            return None  # it was stopped before it had anything
        raise ValueError(
            f"{output} holds a run of another recipe ({'; '.join(differences)}); choose another folder with "
            f"output_dir=..., or delete {output} and {checkpoints}."
        )
    if not (output / "run.json").is_file():
        return None
    return json.loads((output / "run.json").read_text())


def claim(output, checkpoints, recipe):
    """Writes the recipe into the folders of its run, whole or not at all."""
    for folder in (checkpoints, output):
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(folder / "recipe.yaml", recipe.to_yaml())


def _differences(before, now):
    before, now = dict(_flat(before)), dict(_flat(now))
    missing = "(nothing)"
    return [
        f"{key}: {before.get(key, missing)} then, {now.get(key, missing)} now"
        for key in {**before, **now}
        if before.get(key, missing) != now.get(key, missing)
    ]


def _flat(value, name=""):
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _flat(item, f"{name}.{key}" if name else str(key))
    else:
        yield name, value


def last_checkpoint(folder, any_processes=False):
    """Finds the newest checkpoint that was written to its end.

    Args:
        folder (`Path`): Where the checkpoints are.
        any_processes (`bool`, *optional*, defaults to `False`): Whether one that a run of another number of processes wrote
            counts.

    Returns:
        `str` or `None`
    """
    numbers = {path: re.fullmatch(r"checkpoint-(\d+)", path.name) for path in folder.glob("checkpoint-*")}
    whole = [path for path in numbers if numbers[path] and _is_whole(path, any_processes)]
    if not whole:
        return None
    return str(max(whole, key=lambda path: int(numbers[path][1])))


def _is_whole(checkpoint, any_processes):
    try:  # the Trainer writes its state behind the weights, and each process its random state
        json.loads((checkpoint / "trainer_state.json").read_text())
    except (OSError, ValueError):
        return False
    return any_processes or len(list(checkpoint.glob("rng_state*.pth"))) == PartialState().num_processes


def check_start(folder, **facts):
    """Notes what a stage starts from, or refuses to go on from something else.

    Args:
        folder (`Path`): The stage's checkpoints.
        facts: What must be the same as when the stage began, such as its rows' fingerprint and the number of processes.

    Raises:
        `ValueError`: If one differs, naming it, then and now.
    """
    file = folder / "start.json"
    if file.is_file() and last_checkpoint(folder, any_processes=True) is not None:
        differences = _differences(json.loads(file.read_text()), facts)
        if differences:
            raise ValueError(
                f"{folder} holds a stage that began otherwise ({'; '.join(differences)}); go on with what it began with, or "
                "train into another output_dir."
            )
    if PartialState().is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(facts))


def keep_stage(folder, record):
    """Keeps a finished stage's figures; they say that it is finished."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / "stage.json", json.dumps(record))


def recall_stage(folder):
    """Returns the figures of a finished stage, or `None`."""
    file = folder / "stage.json"
    return json.loads(file.read_text()) if file.is_file() else None


def keep_warmup(folder, tower, figures):
    """Keeps a warmed-up encoder, and the figures of its warm-up, for a run that is cut off later."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: value.contiguous() for name, value in tower.state_dict().items()}, folder / "warmup.safetensors")
    write_whole(folder / "warmup.json", json.dumps(figures))


def recall_warmup(folder, tower):
    """Loads what `keep_warmup` kept into the encoder, if one is given; returns the figures, or `None` without any."""
    if not (folder / "warmup.json").is_file():
        return None
    if tower is not None:
        tower.load_state_dict(load_file(folder / "warmup.safetensors"))
    return json.loads((folder / "warmup.json").read_text())


def write_whole(file, text):
    """Writes a file in one move: what is there is whole, whenever the power goes."""
    unfinished = file.with_name(f"{file.name}.unfinished")
    with open(unfinished, "w", encoding="utf-8") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    unfinished.replace(file)


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
