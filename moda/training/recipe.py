"""Recipes: one YAML file an experiment, checked before anything is computed.

```yaml
output_dir: runs/mine
model: {vision: an id or folder, text: an id or folder}   # or {preset: moda-mini}, {pretrained: a MODA}; fields of ModaConfig may follow
data: {path: products.parquet}      # or {demo: {count: 6000}}, {mix: [{path: ..., weight: 0.7}, ...]}
warmup: {num_train_epochs: 5}       # optional, for a preset: first the encoder alone learns to read the metadata off the pictures
stages:                             # one after the other, each with its own optimizer and schedule
  align:
    train: {connector: 1.0e-3}      # the learning rate of each trained part; the rest is frozen
    image_attention: full
    token_noise: 0.2
    num_train_epochs: 1             # any field of transformers.TrainingArguments
  tune:
    train: {vision: 5.0e-6, connector: 1.0e-4, language: {learning_rate: 2.0e-5, weight_decay: 0.1}}
    batch_size: 128                 # of an optimizer step, over all processes and accumulation
    min_learning_rate: 1.0e-8       # what the cosine of every part falls to
trainer: {seed: 1}                  # what all stages share; a stage's own keys come first
```
"""

import dataclasses
import re
from pathlib import Path
from typing import Any

import yaml

from configuration_moda import ModaConfig
from masks_moda import IMAGE_ATTENTION_POLICIES
from moda.data.keys import check_keys, number
from moda.data.wording import ATTRIBUTES

from .parts import PARTS
from .stage import STAGE_FIELDS, TRAINER_FIELDS, Stage


CONFIG_FIELDS = set(ModaConfig.__init__.__code__.co_varnames) - {"self", "kwargs"}
DATA_FIELDS = {"demo", "path", "mix", "columns", "validation", "wordings", "limit", "seed", "size", "fold", "weight"}
COLUMNS = {"image", "description", "prompt", "split", "masterCategory", "messages", "question", "answer", *ATTRIBUTES}
DEMO_FIELDS = {"count", "seed", "size", "folder"}
EVALUATION_FIELDS = {"split", "rows", "batch_size", "max_new_tokens", "training_rows"}
SHARED_FIELDS = (STAGE_FIELDS | TRAINER_FIELDS) - {"train", "data", "augment"}
FEATURES = ("auto", "off", "float16", "bfloat16", "float32")


@dataclasses.dataclass
class Recipe:
    """A checked recipe; see the module's docstring for an example.

    Args:
        output_dir (`str`): Folder that becomes a model repository, with the run's figures beside the weights.
        model (`dict`): `preset`; or `vision` and `text`; or `pretrained`, a MODA to go on from. Fields of [`ModaConfig`].
        data (`dict`): See [`load_catalogue`]. Stages without `data` of their own train on it, and all are scored on it.
        stages (`dict[str, dict]`): What is trained, in order; a stage's keys are those of [`Stage`].
        warmup (`dict`): `TrainingArguments` of the encoder's warm-up; empty for none. Left out where `model` names a
            trained encoder.
        augment (`list[str]`): `flip`, `shift`, or both: of the warm-up, and of stages that name none.
        features (`str`, defaults to `"auto"`): Whether stages with a frozen encoder keep its features on disk, and as
            what: `off`, `float16`, `bfloat16`, `float32`; `auto` is float16 wherever pictures are not augmented.
        trainer (`dict`): What all stages share: `TrainingArguments` and keys of [`Stage`]; a stage's own come first.
        evaluation (`dict`): `split` (`validation` or `test`), `rows` (most rows to describe in the end, `null` for all),
            `training_rows` (how many are described at each evaluation within the training, 128), `batch_size`,
            `max_new_tokens`.
        name (`str`): The recipe's, for the card; its file's name.

    Raises:
        `ValueError`: If a key is unknown or a value can't be, naming it and the way out.
    """

    output_dir: str
    model: dict[str, Any]
    data: dict[str, Any]
    stages: dict[str, Any]
    warmup: dict[str, Any] = dataclasses.field(default_factory=dict)
    augment: list[str] = dataclasses.field(default_factory=list)
    features: str = "auto"
    trainer: dict[str, Any] = dataclasses.field(default_factory=dict)
    evaluation: dict[str, Any] = dataclasses.field(default_factory=dict)
    name: str = "recipe"

    def __post_init__(self):
        for name in ("model", "data", "stages", "warmup", "trainer", "evaluation"):
            value = getattr(self, name)
            setattr(self, name, {} if value is None else value)
            if not isinstance(getattr(self, name), dict):
                raise ValueError(f"{name} is {value!r} in the recipe; it takes keys, as in {name}: {{key: value}}.")
        self.features = "off" if self.features is False else self.features  # YAML reads off as false
        check_keys("features", {self.features: None}, set(FEATURES))
        check_keys("model", self.model, {"preset", "vision", "text", "pretrained"} | CONFIG_FIELDS)
        check_keys("warmup", self.warmup, TRAINER_FIELDS | {"batch_size"})
        check_keys("trainer", self.trainer, SHARED_FIELDS)
        check_keys("evaluation", self.evaluation, EVALUATION_FIELDS)
        self.augment = _names("augment", self.augment)
        check_keys("augment", dict.fromkeys(self.augment), {"flip", "shift"})
        if not isinstance(self.output_dir, str) or not self.output_dir:
            raise ValueError(f"output_dir is {self.output_dir!r}; name a folder, as in output_dir: runs/mine.")
        ways = [way for way in ({"preset"}, {"vision", "text"}, {"pretrained"}) if way & set(self.model)]
        if len(ways) != 1 or not ways[0] <= set(self.model):
            raise ValueError(
                "A recipe's model is {preset: a name}, {vision: an id or folder, text: an id or folder} or {pretrained: an "
                f"id or folder}}; this one has {sorted(self.model)}."
            )
        check_data("data", self.data)
        if not self.stages:
            raise ValueError(
                "The recipe has no stages; name one, as in stages: {train: {train: [connector, language]}}."
            )
        self.stage_list = [self._stage(name, fields or {}) for name, fields in self.stages.items()]
        if "learning_rate" in self.trainer and not any(stage.uses_shared_rate for stage in self.stage_list):
            raise ValueError(
                "trainer names a learning_rate, and every part of every stage has its own; set it there, as in "
                f"stages.{self.stage_list[0].name}.train.{next(iter(self.stage_list[0].rates))}=1e-3."
            )
        masks = [stage.image_attention for stage in self.stage_list]
        if masks[-1] is None and [mask for mask in masks if mask][-1:] == ["full"]:
            raise ValueError(
                f"Stage {self.stage_list[-1].name} would go on under the full mask of a stage before it, and nothing can be "
                "generated then; give it an image_attention, as in image_attention: image_bidirectional."
            )
        trained = set().union(*(stage.rates for stage in self.stage_list))
        if "preset" in self.model and "vision" not in trained and not self.warmup:
            raise ValueError(
                "A preset's encoder starts from random weights, and this recipe neither trains it nor warms it up: add "
                "vision to a stage's train, or a warmup, or take a trained encoder with model: {vision: ..., text: ...}."
            )

    def _stage(self, name, fields):
        if not re.fullmatch(r"[\w-]+", str(name)):
            raise ValueError(
                f"A stage is called {name!r}; letters, digits, - and _ make a name, since a folder gets it."
            )
        where = f"stages.{name}"
        if not isinstance(fields, dict):
            raise ValueError(f"{where} is {fields!r}; it takes keys, as in {name}: {{train: [connector]}}.")
        check_keys(where, fields, STAGE_FIELDS | TRAINER_FIELDS)
        values = {"augment": self.augment, **self.trainer, **fields}
        if values.get("data"):
            check_data(f"{where}.data", values["data"])
        values["augment"] = _names(f"{where}.augment", values["augment"])
        check_keys(f"{where}.augment", dict.fromkeys(values["augment"]), {"flip", "shift"})
        if values.get("image_attention") is not None:
            check_keys(f"{where}.image_attention", {values["image_attention"]: None}, set(IMAGE_ATTENTION_POLICIES))
        train = values.get("train") or ()
        values["train"] = [train] if isinstance(train, str) else train
        check_keys(f"{where}.train", dict.fromkeys(values["train"]), set(PARTS))
        own = {key: value for key, value in values.items() if key in STAGE_FIELDS}
        return Stage(name=str(name), trainer={key: values[key] for key in values if key not in STAGE_FIELDS}, **own)

    def to_yaml(self):
        """The recipe as it runs, overrides included."""
        return yaml.safe_dump(dataclasses.asdict(self), sort_keys=False)


def _names(where, value):
    names = [value] if isinstance(value, str) else [] if value is None or value is False else value
    if not isinstance(names, list):
        raise ValueError(f"{where} is {value!r}; it is a list, as in {where.rsplit('.', 1)[-1]}: [flip, shift].")
    return names


def check_data(where, data):
    """Checks the keys of a `data` entry, and of the parts of a mixture."""
    check_keys(where, data, DATA_FIELDS)
    check_keys(f"{where}.demo", data.get("demo") or {}, DEMO_FIELDS)
    check_keys(f"{where}.columns", data.get("columns") or {}, COLUMNS)
    parts = data.get("mix") or ()
    if not isinstance(parts, (list, tuple)) or not all(isinstance(part, dict) for part in parts):
        raise ValueError(
            f"{where}.mix is a list of data, each with a weight, as in mix: [{{path: a.parquet, weight: 0.7}}]."
        )
    for key in ("size", "limit"):
        if data.get(key) is not None and (not isinstance(data[key], int) or data[key] < 1):
            raise ValueError(f"{where}.{key} is {data[key]!r}; it is a number of rows, from 1 up.")
    for place, part in enumerate(parts):
        check_data(f"{where}.mix.{place}", part)
    if sum(key in data for key in ("demo", "path", "mix")) != 1:
        raise ValueError(f"A recipe's {where} is {{demo: {{...}}}}, {{path: ...}} or {{mix: [...]}}, one of the three.")


def load_recipe(path, overrides=()):
    """Reads a recipe and applies overrides.

    Args:
        path (`str`): The YAML file.
        overrides (`list[str]`): `key=value` with a YAML value. The key is a recipe's, with dots inside (`data.path`,
            `stages.align.token_noise`); or a field of a stage, or of `TrainingArguments` (`batch_size`, `max_steps`), which
            is then set in every stage (`data` and `augment` are the recipe's own).

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
        _apply(values, key.split("."), number(yaml.safe_load(text)), known)
    check_keys("recipe", values, known)
    missing = {"output_dir", "model", "data", "stages"} - set(values)
    if missing:
        raise ValueError(f"{path} lacks {', '.join(sorted(missing))}; see recipes/demo.yaml for an example.")
    values = {"name": path.stem, **{key: number(value) for key, value in values.items()}}
    return Recipe(**values)


def _apply(values, keys, value, known):
    *parents, leaf = keys
    check_keys("recipe", {keys[0]: None}, known | TRAINER_FIELDS | STAGE_FIELDS)
    stages = values.get("stages") if isinstance(values.get("stages"), dict) else {}
    if not parents and leaf not in known:
        for name in stages:  # what is shared must not be hidden by a stage's own
            stages[name] = {key: old for key, old in (stages[name] or {}).items() if key != leaf}
            if leaf == "train":
                stages[name]["train"] = value
        if leaf == "train":
            return
        parents = ["trainer"]
    if keys[0] == "stages" and len(keys) > 1:
        check_keys("stages", {keys[1]: None}, set(stages))
    target = values
    for parent in parents:
        below = target.get(parent)
        if parent == "train" and isinstance(below, list):  # a list of parts, of which one is to get a rate
            below = dict.fromkeys(below, {})
        target[parent] = dict(below) if isinstance(below, dict) else {}
        target = target[parent]
    target[leaf] = value
