"""Recipes: one YAML file an experiment, checked before anything is computed.

```yaml
output_dir: runs/demo
model: {preset: moda-mini}          # or {vision: an id or folder, text: an id or folder}; fields of ModaConfig may follow
data: {demo: {count: 6000}}         # or {path: a file, a folder or a dataset id, columns: {...}}
warmup: {num_train_epochs: 5}       # optional: first train the encoder alone to read the metadata off the pictures
train: [vision, connector, language]  # the rest is frozen
learning_rates: {vision: 4.0e-4}    # where a part's differs from the trainer's learning_rate
trainer: {num_train_epochs: 10}     # any field of transformers.TrainingArguments
```
"""

import dataclasses
import difflib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
import yaml
from transformers import TrainingArguments

from configuration_moda import ModaConfig
from moda.data.wording import ATTRIBUTES


COMPONENTS = ("vision", "connector", "language")
TRAINER_FIELDS = {f.name for f in dataclasses.fields(TrainingArguments) if f.init} - {"output_dir"}
CONFIG_FIELDS = set(ModaConfig.__init__.__code__.co_varnames) - {"self", "kwargs"}
DATA_FIELDS = {"demo", "path", "columns", "validation", "wordings", "limit", "seed"}
COLUMNS = {"image", "description", "prompt", "split", "masterCategory", *ATTRIBUTES}
DEMO_FIELDS = {"count", "seed", "size", "folder"}
TRAINER_DEFAULTS = {
    "remove_unused_columns": False,  # the collator reads columns that the model does not name
    "report_to": "none",
    "logging_steps": 20,
    "save_total_limit": 2,
    "prediction_loss_only": True,  # the logits of a whole evaluation would not fit
    "dataloader_pin_memory": torch.cuda.is_available(),
}


@dataclass
class Recipe:
    """A checked recipe; see the module's docstring for an example.

    Args:
        output_dir (`str`): Folder that becomes a model repository, with the run's figures beside the weights.
        model (`dict`): `preset`, or `vision` and `text`; and fields of [`ModaConfig`].
        data (`dict`): `demo` or `path`; `columns` names columns that are called otherwise; see [`load_catalogue`].
        train (`list[str]`): Parts that are trained, of `vision`, `connector` and `language`.
        learning_rates (`dict[str, float]`): A part's learning rate, where it is not the trainer's `learning_rate`.
        warmup (`dict`): `TrainingArguments` of the encoder's warm-up; empty for none. Left out where `model` names a
            trained encoder.
        augment (`list[str]`): `flip`, `shift`, or both.
        token_noise (`float`): See [`ModaDataCollator`].
        trainer (`dict`): `TrainingArguments` of the training.
        evaluation (`dict`): `split` (`validation` or `test`), `rows` (most rows to describe, `null` for all),
            `batch_size`, `max_new_tokens`.
        name (`str`): The recipe's, for the card; its file's name.
    """

    output_dir: str
    model: dict[str, Any]
    data: dict[str, Any]
    train: list[str] = field(default_factory=lambda: ["connector", "language"])
    learning_rates: dict[str, float] = field(default_factory=dict)
    warmup: dict[str, Any] = field(default_factory=dict)
    augment: list[str] = field(default_factory=list)
    token_noise: float = 0.0
    trainer: dict[str, Any] = field(default_factory=dict)
    evaluation: dict[str, Any] = field(default_factory=dict)
    name: str = "recipe"

    def __post_init__(self):
        for name in ("model", "data", "learning_rates", "warmup", "trainer", "evaluation"):
            value = getattr(self, name)
            setattr(self, name, {} if value is None else value)
            if not isinstance(getattr(self, name), dict):
                raise ValueError(f"{name} is {value!r} in the recipe; it takes keys, as in {name}: {{key: value}}.")
        _check_keys("model", self.model, {"preset", "vision", "text"} | CONFIG_FIELDS)
        _check_keys("data", self.data, DATA_FIELDS)
        _check_keys("data.demo", self.data.get("demo") or {}, DEMO_FIELDS)
        _check_keys("data.columns", self.data.get("columns") or {}, COLUMNS)
        _check_keys("learning_rates", self.learning_rates, set(COMPONENTS))
        _check_keys("warmup", self.warmup, TRAINER_FIELDS)
        _check_keys("trainer", self.trainer, TRAINER_FIELDS)
        _check_keys("evaluation", self.evaluation, {"split", "rows", "batch_size", "max_new_tokens"})
        _check_keys("train", dict.fromkeys(self.train), set(COMPONENTS))
        _check_keys("augment", dict.fromkeys(self.augment), {"flip", "shift"})
        if ("preset" in self.model) == ("vision" in self.model or "text" in self.model):
            raise ValueError(
                "A recipe's model is {preset: a name}, or {vision: an id or folder, text: an id or folder}; "
                f"this one has {sorted(self.model)}."
            )
        if ("demo" in self.data) == ("path" in self.data):
            raise ValueError("A recipe's data is {demo: {...}} or {path: ...}, one of the two.")
        if not self.train:
            raise ValueError(f"The recipe trains nothing; name parts in train: {', '.join(COMPONENTS)}.")
        if "preset" in self.model and "vision" not in self.train and not self.warmup:
            raise ValueError(
                "A preset's encoder starts from random weights, and this recipe neither trains it nor warms it up: add "
                "vision to train, or a warmup, or take a trained encoder with model: {vision: ..., text: ...}."
            )
        frozen = set(self.learning_rates) - set(self.train)
        if frozen:
            raise ValueError(f"learning_rates names {sorted(frozen)}, which train leaves out; add it there or drop it.")

    def to_yaml(self):
        """The recipe as it runs, overrides included."""
        return yaml.safe_dump(dataclasses.asdict(self), sort_keys=False)


def load_recipe(path, overrides=()):
    """Reads a recipe and applies overrides.

    Args:
        path (`str`): The YAML file.
        overrides (`list[str]`): `key=value` with a YAML value; the key is a recipe's, with dots inside (`data.path`), or
            a field of `TrainingArguments` (`learning_rate`, `max_steps`).

    Returns:
        [`Recipe`]

    Raises:
        `ValueError`: If a key is unknown (the nearest known one is named), a value can't be read, or the file is no YAML.
        `FileNotFoundError`: If there is no such file.
    """
    path = Path(path)
    if not path.is_file():
        known = sorted(str(p) for p in Path("recipes").glob("*.yaml"))
        raise FileNotFoundError(
            f"There is no recipe {str(path)!r}; there are {', '.join(known) or 'none in recipes/'}."
        )
    try:
        values = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} holds no recipe; see recipes/demo.yaml for one.")
    known = {f.name for f in dataclasses.fields(Recipe)}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise ValueError(f"Override {override!r} has no '='; write key=value, as in max_steps=10.")
        *parents, leaf = key.split(".")
        if not parents and leaf in TRAINER_FIELDS and leaf not in known:
            parents = ["trainer"]
        _check_keys("recipe", {(parents or [leaf])[0]: None}, known | TRAINER_FIELDS)
        target = values
        for parent in parents:
            target[parent] = dict(target.get(parent) or {})
            target = target[parent]
        target[leaf] = _number(yaml.safe_load(text))
    _check_keys("recipe", values, known)
    missing = {"output_dir", "model", "data"} - set(values)
    if missing:
        raise ValueError(f"{path} lacks {', '.join(sorted(missing))}; see recipes/demo.yaml for an example.")
    values = {"name": path.stem, **{key: _number(value) for key, value in values.items()}}
    return Recipe(**values)


def training_arguments(output_dir, settings):
    """Makes `TrainingArguments` from a recipe's settings over MODA's defaults.

    Raises:
        `ValueError`: If a setting has a value that the Trainer can't take, or takes and gets wrong for this model.
    """
    if settings.get("label_smoothing_factor"):
        raise ValueError(
            "label_smoothing_factor shifts no labels for models outside of transformers, so it would teach copying; "
            "leave it out."
        )
    # YAML reads no as false.
    settings = {key: "no" if key.endswith("_strategy") and value is False else value for key, value in settings.items()}
    for setting in dataclasses.fields(TrainingArguments):
        value = settings.get(setting.name)
        if isinstance(setting.default, (int, float)) and isinstance(value, str):
            raise ValueError(f"The trainer's {setting.name} is {value!r}, where a number or true or false belongs.")
    try:
        return TrainingArguments(output_dir=str(output_dir), **{**TRAINER_DEFAULTS, **settings})
    except (TypeError, ValueError) as error:
        raise ValueError(f"The trainer's settings can't be used: {error}") from error


def _check_keys(where, values, known):
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(str(key), sorted(known), 1)
            meant = f"did you mean {near[0]!r}?" if near else f"choose from {', '.join(sorted(known)[:12])} …"
            raise ValueError(f"{where} has no key {key!r}; {meant}")


def _number(value):  # YAML reads 1e-3 as text, since its floats need a dot
    if isinstance(value, dict):
        return {key: _number(item) for key, item in value.items()}
    if isinstance(value, str):
        try:
            return float(value) if value.lower().strip("+-0123456789.") == "e" else value
        except ValueError:
            return value
    return value
