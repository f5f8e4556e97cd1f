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
import math
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from moda.data.keys import check_keys, number

from .checks import DEFAULTS
from .sample import BY


STEPS = ("sample", "describe", "refine", "assemble")
SAMPLE = {"count": 5400, "seed": 0, "by": list(BY)}
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
# Of every setting what it is: YAML reads 2024-08-06 as a date, and a list of one word without its brackets as a word.
WHOLE, ABOVE, TEXT, NAMES = "a whole number from 0 up", "a number above 0", "a word", "a list of names"
KINDS = {
    **dict.fromkeys(("seed", "retries", "min_words"), WHOLE),
    **dict.fromkeys(("requests_per_minute", "timeout", "min_side", "shard_mb"), ABOVE),
    **dict.fromkeys(
        ("count", "attempts", "max_tokens", "parallel", "batch_size", "max_words"), "a whole number from 1 up"
    ),
    **dict.fromkeys(
        ("model", "licence", "revision", "prompt", "adapter", "key_from", "name", "clip", "language"), TEXT
    ),
    **dict.fromkeys(("overlap", "floor"), "a number from 0 to 1"),
    **dict.fromkeys(("by", "attributes"), NAMES),
    "most": ABOVE,
    "ocr": "auto, true or false",
    "parameters": "a dict, as in {temperature: 0.2}",
    "trust_remote_code": "true or false",
}
UNSET = [
    (name, None) for name in ("name", "licence", "clip", "revision", "adapter", "max_tokens", "requests_per_minute")
]
SECRET = re.compile(r"key|token|secret|password|authorization", re.IGNORECASE)
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
        self.output_dir = str(self.output_dir)
        check_keys("data", self.data, {"path", "demo", "columns"})
        if ("path" in self.data) == ("demo" in self.data):
            raise ValueError("A recipe's data is {path: ...} or {demo: {...}}, one of the two.")
        columns = self.data.get("columns") or {}
        if not isinstance(columns, dict) or not all(isinstance(name, str) for pair in columns.items() for name in pair):
            raise ValueError(
                f"data.columns is {columns!r}; it gives our names the catalogue's, as in {{articleType: kind}}."
            )
        for name, known in (("sample", SAMPLE), ("checks", DEFAULTS), ("dataset", DATASET)):
            check_keys(name, getattr(self, name), set(known))
        self.sample = _typed("sample", {**SAMPLE, **self.sample})
        self.dataset = _typed("dataset", {**DATASET, **self.dataset})
        self.accept_licences = _as("accept_licences", self.accept_licences, NAMES)
        self.checks = {name: self._check(name) for name in DEFAULTS}
        if self.checks["clip_score"] and not self.dataset["clip"]:
            raise ValueError(
                "checks.clip_score has a floor and there is no CLIP; name one, as in dataset.clip=openai/clip-vit-base-patch32."
            )
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
        if name == "concept_caps":
            return {column: _as(f"checks.{name}.{column}", most, KINDS["count"]) for column, most in settings.items()}
        if name == "clip_score" and set(settings) != {"floor"}:
            raise ValueError(f"checks.clip_score is {settings}; it has a floor and nothing else, as in {{floor: 0.5}}.")
        if name == "near_duplicates":
            check_keys("checks.near_duplicates", settings, {"most"})
            return {"most": _as("checks.near_duplicates.most", {**default, **settings}["most"], KINDS["count"])}
        check_keys(f"checks.{name}", settings, set(default or settings))
        return _typed(f"checks.{name}", {**(default or {}), **settings})

    def _check_splits(self):
        splits = self.dataset["splits"]
        if splits == "keep":
            return
        if not isinstance(splits, dict):
            raise ValueError(
                f"dataset.splits is {splits!r}; it is keep, or shares, as in {{train: 0.8, validation: 0.2}}."
            )
        check_keys("dataset.splits", splits, {"train", "validation", "test"})
        shares = [_as(f"dataset.splits.{name}", share, KINDS["overlap"]) for name, share in splits.items()]
        if not sum(shares):
            raise ValueError(f"dataset.splits is {splits}; give each a share, as in {{train: 0.8, validation: 0.2}}.")
        whole = sum(splits.values())
        self.dataset["splits"] = {name: share / whole for name, share in splits.items()}

    def _annotator(self, step):
        settings = dict(getattr(self, step))
        kind = settings.setdefault("annotator", "metadata")
        known = {"metadata": set(), "local": LOCAL_FIELDS}.get(kind, ENDPOINT_FIELDS)
        check_keys(step, settings, ANNOTATOR_FIELDS | known)
        place = urlsplit(str(kind))
        if place.username or place.password or place.query:
            raise ValueError(
                f"{step}.annotator holds a user, a password or a query of {place.hostname}; put the key into the environment "
                f"variable {settings.get('key_from', 'MODA_API_KEY')}."
            )
        right = place.scheme in ("http", "https") and re.fullmatch(r"[^\s:]+(:\d{1,5})?", place.netloc)
        if kind not in ("metadata", "local") and not right:
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
        settings = _typed(step, settings)
        if not re.fullmatch(r"[A-Za-z_]\w*", settings.get("key_from", "MODA_API_KEY")):
            raise ValueError(
                f"{step}.key_from is no name of an environment variable; put the key into one and name that."
            )
        secret = SECRET.search(str(settings.get("parameters", "")).replace("max_tokens", ""))
        if secret:
            raise ValueError(
                f"{step}.parameters speak of a {secret.group().lower()}, and they are written into the dataset; put it into the "
                "environment variable MODA_API_KEY."
            )
        return settings

    def to_yaml(self):
        """The recipe as it runs, overrides included."""
        return yaml.safe_dump(dataclasses.asdict(self), sort_keys=False)


def _typed(where, settings):
    """Checks each setting's kind; what is not set stays so."""
    return {
        name: _as(f"{where}.{name}", value, KINDS[name]) if name in KINDS and (name, value) not in UNSET else value
        for name, value in settings.items()
    }


def _as(where, value, kind):
    number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    fits = {
        TEXT: lambda: isinstance(value, str) or (value and not isinstance(value, (bool, list, dict))),
        NAMES: lambda: (
            isinstance(value, str) or isinstance(value, list) and all(isinstance(name, str) for name in value)
        ),
        ABOVE: lambda: number and value > 0,
        WHOLE: lambda: number and value == int(value) >= 0,
        KINDS["count"]: lambda: number and value == int(value) >= 1,
        KINDS["floor"]: lambda: number and 0 <= value <= 1,
        KINDS["ocr"]: lambda: value in ("auto", True, False),
        KINDS["parameters"]: lambda: isinstance(value, dict),
        KINDS["trust_remote_code"]: lambda: isinstance(value, bool),
    }
    if not fits[kind]():
        raise ValueError(f"{where} is {value!r}; it is {kind}.")
    if kind in (WHOLE, KINDS["count"]):
        return int(value)
    return str(value) if kind == TEXT else [value] if kind == NAMES and isinstance(value, str) else value


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
    accepted = PERMISSIVE | {name.lower() for name in accepted}
    if not accepted.issuperset(name.strip() for name in licence.lower().split(",")):
        raise ValueError(
            f"{model} has the licence {licence!r}, under which a dataset it writes may not be free to train on; choose "
            f"another annotator, or accept it with accept_licences='[{licence}]'."
        )


def load_annotation_recipe(source, overrides=(), annotator=None, output=None):
    """Reads a recipe, or makes one for a catalogue.

    Args:
        source (`str`): A YAML file, or whatever [`open_source`] opens.
        overrides (`list[str]`): `key=value` with a YAML value; dots lead inside, as in `sample.count=1000`.
        annotator (`str`, *optional*): Of both steps, instead of the recipe's; overrides come after it.
        output (`str`, *optional*): Instead of the recipe's `output_dir`.

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
    for step in ("describe", "refine") if annotator else ():
        said = values.get(step)  # what is said of another annotator does not hold for this one
        if not isinstance(said, dict) or said.get("annotator") != annotator:
            values[step] = {"annotator": annotator}
    values |= {"output_dir": output} if output else {}
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
