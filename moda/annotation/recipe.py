"""Recipes of `moda annotate`: a catalogue, who describes it and who refines, what is checked.

```yaml
output_dir: annotated
data: {path: products.parquet, columns: {articleType: kind}}   # or {demo: {count: 6000}}; columns not named are guessed
sample: {count: 5400, seed: 0}
describe: {annotator: local}            # or metadata, which needs no model, or the URL of an endpoint
refine: {annotator: http://localhost:8000/v1, model: my-model, licence: apache-2.0}
checks: {language: false, length: {max_words: 30}}             # the others stay as they are
dataset: {splits: {train: 0.8, validation: 0.1, test: 0.1}, clip: openai/clip-vit-base-patch32}
```
"""

import dataclasses
from pathlib import Path
from typing import Any

import yaml

from moda.data.keys import check_keys, number

from .checks import DEFAULTS


STEPS = ("sample", "describe", "refine", "assemble")
SAMPLED_BY = ("gender", "masterCategory", "subCategory", "articleType", "baseColour", "usage")
SAMPLE = {"count": 5400, "seed": 0, "by": list(SAMPLED_BY)}
# What the licence allows others to do with the answers is what counts: these ask for no more than a mention.
PERMISSIVE = frozenset(
    "0bsd afl-3.0 apache-2.0 bsd bsd-2-clause bsd-3-clause bsd-3-clause-clear cc-by-4.0 cc0-1.0 isc mit pddl unlicense "
    "zlib".split()
)
LOCAL = {
    "describe": {"model": "microsoft/Phi-4-multimodal-instruct", "adapter": "vision-lora", "licence": "mit"},
    "refine": {"model": "microsoft/Phi-3-mini-4k-instruct", "licence": "mit"},
}
ANNOTATOR_FIELDS = {"annotator", "model", "licence", "revision", "prompt", "attempts", "max_tokens"}
LOCAL_FIELDS = {"adapter", "batch_size", "trust_remote_code"}
ENDPOINT_FIELDS = {"key_from", "parallel", "requests_per_minute", "retries", "timeout", "parameters"}
DATASET = {
    "splits": {"train": 0.8, "validation": 0.1, "test": 0.1},
    "name": None,
    "licence": None,
    "clip": None,
    "shard_mb": 500,
}


@dataclasses.dataclass
class AnnotationRecipe:
    """A checked recipe; see the module's docstring for an example.

    Args:
        data (`dict`): `path`, or `demo`, and `columns`, as [`open_source`] takes them.
        output_dir (`str`, defaults to `"annotated"`): Folder of the steps, the dataset and the report.
        sample (`dict`): `count` (5,400), `seed`, and `by`, the columns whose shares the sample keeps.
        describe (`dict`), refine (`dict`): `annotator`: `metadata` (the default: no model), `local` (a model of
            transformers; without a `model` the guide's, or its successor) or the URL of an OpenAI-compatible endpoint;
            its `model`, `revision` and `licence`; `prompt`, a name or a path; `attempts` (2), how often a row is asked for
            whose answer can't be used; `max_tokens` (300). Of a local model `adapter`, `batch_size`, `trust_remote_code`;
            of an endpoint `key_from`, `parallel`, `requests_per_minute`, `retries`, `timeout`, `parameters`.
        checks (`dict`): Of each check its settings, or `false` for none; see [`moda.annotation.checks`].
        dataset (`dict`): `splits`, the share of each, or `keep` for the catalogue's own; `name`; `licence` of the dataset,
            for the card; `clip`, a folder or id, for CLIPScores; `shard_mb`.
        accept_licences (`list[str]`): Of annotators, beside the permissive ones.

    Raises:
        `ValueError`: If a key is unknown or a value can't be, naming it and the way out.
    """

    data: dict[str, Any]
    output_dir: str = "annotated"
    sample: dict[str, Any] = dataclasses.field(default_factory=dict)
    describe: dict[str, Any] = dataclasses.field(default_factory=dict)
    refine: dict[str, Any] = dataclasses.field(default_factory=dict)
    checks: dict[str, Any] = dataclasses.field(default_factory=dict)
    dataset: dict[str, Any] = dataclasses.field(default_factory=dict)
    accept_licences: list[str] = dataclasses.field(default_factory=list)

    def __post_init__(self):
        for name in ("data", "sample", "describe", "refine", "checks", "dataset"):
            if not isinstance(getattr(self, name), dict):
                raise ValueError(
                    f"{name} is {getattr(self, name)!r} in the recipe; it takes keys, as in {name}: {{key: value}}."
                )
        check_keys("data", self.data, {"path", "demo", "columns"})
        if ("path" in self.data) == ("demo" in self.data):
            raise ValueError("A recipe's data is {path: ...} or {demo: {...}}, one of the two.")
        for name, known in (("sample", SAMPLE), ("checks", DEFAULTS), ("dataset", DATASET)):
            check_keys(name, getattr(self, name), set(known))
        self.sample = {**SAMPLE, **self.sample}
        self.dataset = {**DATASET, **self.dataset}
        self.checks = {name: self._check(name) for name in DEFAULTS}
        if not isinstance(self.sample["count"], int) or self.sample["count"] < 1:
            raise ValueError(f"sample.count is {self.sample['count']!r}; it is a number of rows, from 1 up.")
        self._check_splits()
        self.describe, self.refine = (self._annotator(step) for step in ("describe", "refine"))

    def _check(self, name):
        settings, default = self.checks.get(name, DEFAULTS[name]), DEFAULTS[name]
        if settings is False or settings is None:
            return False
        if settings is True:
            if default is False:
                raise ValueError(f"checks.{name} has no default; give its settings, as the docs show them.")
            return default
        if not isinstance(settings, dict):
            raise ValueError(f"checks.{name} is {settings!r}; give its settings, or false for none.")
        if default:
            check_keys(f"checks.{name}", settings, set(default))
        return {**(default or {}), **settings}

    def _check_splits(self):
        splits = self.dataset["splits"]
        if splits == "keep":
            return
        check_keys(
            "dataset.splits", splits if isinstance(splits, dict) else {splits: 1}, {"train", "validation", "test"}
        )
        if any(not isinstance(share, (int, float)) or share < 0 for share in splits.values()) or not sum(
            splits.values()
        ):
            raise ValueError(f"dataset.splits is {splits}; give each a share, as in {{train: 0.8, validation: 0.2}}.")
        whole = sum(splits.values())
        self.dataset["splits"] = {name: share / whole for name, share in splits.items()}

    def _annotator(self, step):
        settings = dict(getattr(self, step))
        kind = settings.setdefault("annotator", "metadata")
        known = {"metadata": set(), "local": LOCAL_FIELDS}.get(kind, ENDPOINT_FIELDS)
        check_keys(step, settings, ANNOTATOR_FIELDS | known)
        if kind not in ("metadata", "local") and not str(kind).startswith(("http://", "https://")):
            raise ValueError(
                f"{step}.annotator is {kind!r}; it is metadata, local or an endpoint's URL, such as http://localhost:8000/v1."
            )
        if kind == "metadata":
            check_keys(f"{step} (of the annotator metadata, which asks no model)", settings, {"annotator", "attempts"})
            return {"annotator": kind, "attempts": 1}
        if kind == "local" and settings.get("model", LOCAL[step]["model"]) == LOCAL[step]["model"]:
            settings = {**LOCAL[step], **settings}
        if not settings.get("model"):
            raise ValueError(
                f"{step} asks {kind} and names no model; say what it calls it, as in {step}.model=my-model."
            )
        settings = {"prompt": f"{step}-v1", "attempts": 2, "max_tokens": 300, "licence": None, **settings}
        if not isinstance(settings["attempts"], int) or settings["attempts"] < 1:
            raise ValueError(f"{step}.attempts is {settings['attempts']!r}; it is a number, from 1 up.")
        return settings

    def to_yaml(self):
        """The recipe as it runs, overrides included."""
        return yaml.safe_dump(dataclasses.asdict(self), sort_keys=False)


def check_licence(step, model, licence, accepted):
    """Refuses an annotator whose answers may not be used freely.

    Args:
        step (`str`): `describe` or `refine`.
        model (`str`): The annotator's name.
        licence (`str`, *optional*): As the Hub writes it, such as `"mit"`.
        accepted (`list[str]`): Licences that the recipe accepts beside the permissive ones.

    Raises:
        `ValueError`: If the licence is unknown, or neither permissive nor accepted.
    """
    if licence is None:
        raise ValueError(
            f"The licence of {model} is not known, and what it writes may be bound by it; look it up and say so, as in "
            f"{step}.licence=apache-2.0."
        )
    if licence.lower() not in PERMISSIVE | {name.lower() for name in accepted}:
        raise ValueError(
            f"{model} has the licence {licence!r}, under which a dataset it writes may not be free to train on; choose "
            f"another annotator, or accept it with accept_licences='[{licence}]'."
        )


def load_annotation_recipe(source, overrides=()):
    """Reads a recipe, or makes one for a catalogue.

    Args:
        source (`str`): A YAML file, or whatever [`open_source`] opens.
        overrides (`list[str]`): `key=value` with a YAML value; dots lead inside, as in `sample.count=1000`.

    Returns:
        [`AnnotationRecipe`]

    Raises:
        `ValueError`: If a key is unknown (the nearest known one is named), a value can't be read, or the file is no YAML.
        `FileNotFoundError`: If there is no such file.
    """
    values = {"data": {"path": source}}
    if Path(source).suffix in (".yaml", ".yml"):
        values = _read_yaml(Path(source))
    known = {field.name for field in dataclasses.fields(AnnotationRecipe)}
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals:
            raise ValueError(f"Override {override!r} has no '='; write key=value, as in sample.count=1000.")
        *parents, leaf = key.split(".")
        check_keys("recipe", {(parents or [leaf])[0]: None}, known)
        target = values
        for parent in parents:
            target[parent] = dict(target[parent]) if isinstance(target.get(parent), dict) else {}
            target = target[parent]
        try:
            target[leaf] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ValueError(f"The value of {override!r} is not YAML; put quotes around it.") from error
    check_keys("recipe", values, known)
    if "data" not in values:
        raise ValueError(f"{source} names no data; add the catalogue, as in data: {{path: products.parquet}}.")
    return AnnotationRecipe(**number(values))


def _read_yaml(path):
    if not path.is_file():
        there = ", ".join(sorted(map(str, Path("recipes/annotation").glob("*.yaml"))))
        raise FileNotFoundError(f"There is no recipe {str(path)!r}; there are {there or 'none in recipes/annotation'}.")
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path} holds no recipe; see recipes/annotation/guide.yaml for one.")
    return values
