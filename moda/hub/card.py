"""Fills the model card from what a run and its evaluation measured."""

import copy
import json
import re
from importlib.resources import files
from pathlib import Path

import torch
import yaml
from huggingface_hub import ModelCard, ModelCardData
from huggingface_hub.utils import HFValidationError, validate_repo_id

import moda
from modeling_moda import ModaForConditionalGeneration
from quantization_moda import quantize_int8

from .results import NAMES, cell, eval_results, results_of


# Of backbones, as their own cards name them.
LICENCES = {
    "patrickjohncyh/fashion-clip": "mit",
    "HuggingFaceTB/SmolLM-360M": "apache-2.0",
    "google/siglip-base-patch16-224": "apache-2.0",
    "google/siglip-so400m-patch14-224": "apache-2.0",
    "Qwen/Qwen2.5-0.5B": "apache-2.0",
}
FILES = (".parquet", ".json", ".jsonl", ".csv", ".tsv")
OWN = "apache-2.0"  # this project's, and so of what it draws
BENCHMARK = Path(moda.__file__).parents[1] / "benchmarks" / "results" / "inference.json"  # in a clone


def write_card(folder, config, parts, run, name, repository=None, evaluation=None, licence=None, tag=None):
    """Writes the model card of a repository.

    Args:
        folder (`str` or `Path`): The repository; its `recipe.yaml` and `export.json` are read.
        config ([`ModaConfig`]): The model's.
        parts (`list[dict]`): Of each part of the model `name`, `kind` and `parameters`.
        run (`dict`): What `train.py` wrote to `run.json`; empty where nothing is known of the training.
        name (`str`): Title.
        repository (`str`, *optional*): Its id on the Hub, for the lines of code that load it. Pictures and records are then
            shown as far as they are in the folder. Defaults to the folder, which a training run is about to fill.
        evaluation (`dict`, *optional*): What `moda evaluate` left in `scores.json`. Defaults to the run's own scores.
        licence (`str`, *optional*): Of the weights, as the Hub calls it, such as `"apache-2.0"`. Defaults to what follows
            from backbones and data where all of them are known, and to `"other"` where not.
        tag (`str`, *optional*): Of the revision that the lines of code load. Defaults to none.

    Returns:
        `Path`: The card, `README.md`. It names no path of this machine.

    Raises:
        `ValueError`: If the evaluation is of another model, or the licence can't be an identifier.
    """
    folder, called = Path(folder), repository or (Path(folder).name if Path(folder).is_absolute() else str(folder))
    recipe, parameters = _read(folder / "recipe.yaml"), sum(part["parameters"] for part in parts)
    if evaluation is not None:
        check_evaluation(evaluation, parameters)
    origin, data = origin_of(config, recipe, folder), data_of(recipe, run, folder)
    licence, licence_said = licence_of(origin, data, licence)
    split = (recipe.get("evaluation") or {}).get("split", "validation")
    scores = (evaluation["systems"][0].get("attributes") if evaluation else run.get("scores")) or {}
    adapter = any("lora" in stage["trained"] for stage in run.get("stages", ()))
    backbones = [backbone["id"] for backbone in origin["backbones"] if backbone["id"]]
    card = ModelCard.from_template(
        ModelCardData(
            language="en",
            license=licence,
            license_name="see-this-card" if licence == "other" else None,
            library_name="transformers",
            pipeline_tag="image-to-text",
            base_model=[origin["id"]] if origin["id"] else backbones or None,
            datasets=data["ids"] or None,
            tags=["moda", "image-captioning", "product-descriptions", "custom_code", *["lora"] * adapter],
            model_name=Path(called).name,
            eval_results=eval_results(run, evaluation, split, data["name"]),
        ),
        template_str=(files("hub_card") / "model_card.md").read_text(encoding="utf-8"),
        name=cell(name),
        repository=called,
        on_hub=repository is not None,
        tag=tag,
        there=lambda path: repository is None or (folder / path).is_file(),
        parameters=parameters,
        parts=parts,
        config=config,
        run=run,
        exported=_read(folder / "export.json"),
        origin=origin,
        data=data,
        adapter=adapter,
        licence_said=licence_said,
        results=results_of(run, evaluation, split),
        states=[NAMES.get(attribute, attribute) for attribute in scores],
        split=split,
        dtype=str(config.dtype).removeprefix("torch."),
        sizes=weight_sizes(config),
        held=sum(file.stat().st_size for file in folder.glob("*.safetensors")),
        measured=measured(config, parameters),
    )
    path = folder / "README.md"
    card.save(path)
    return path


def _read(file):
    """A record, in YAML or JSON, which is YAML; empty where there is none."""
    return (yaml.safe_load(file.read_text(encoding="utf-8")) or {}) if file.is_file() else {}


def check_evaluation(evaluation, parameters):
    """Refuses an evaluation of another model.

    Args:
        evaluation (`dict`): What `moda evaluate` left in `scores.json`.
        parameters (`int`): The model's.

    Raises:
        `ValueError`: If it is no evaluation, or tells of a model of another size.
    """
    if not evaluation.get("systems") or "data" not in evaluation:
        raise ValueError(
            "The evaluation has no systems, so it is none; give the scores.json that moda evaluate writes."
        )
    counted = (evaluation.get("model") or {}).get("parameters")
    if counted is None:
        name = evaluation["systems"][0]["name"]
        raise ValueError(
            f"The evaluation is of the sentences {name!r}, of no model; give one that moda evaluate made of it."
        )
    if counted != parameters:
        raise ValueError(
            f"The evaluation is of a model of {counted:,} parameters, and this one has {parameters:,}; evaluate this one."
        )


def origin_of(config, recipe, near=""):
    """Says what the weights began as.

    Args:
        config ([`ModaConfig`]): Remembers where its two parts were loaded from.
        recipe (`dict`): The run's, or nothing.
        near (`str` or `Path`, *optional*): See [`hub_id`].

    Returns:
        `dict`: `kind`, one of `preset`, `backbones`, `pretrained` and `None` (not known); `name`, of the preset or of the MODA
        gone on from, and `id`, the latter's on the Hub; `backbones`, of each its `part` (`vision` or `language`), `name`, `id`
        on the Hub and `licence`, the last two `None` where not known.
    """
    model, backbones = recipe.get("model") or {}, []
    for part, key in (("vision", "vision"), ("language", "text")):
        found = getattr(getattr(config, f"{key}_config"), "_name_or_path", "") or model.get(key)
        if found:
            known = hub_id(found, near)
            name = known or Path(found).name
            backbones.append({"part": part, "name": name, "id": known, "licence": LICENCES.get(known)})
    kind = next((kind for kind in ("preset", "pretrained") if kind in model), "backbones" if backbones else None)
    base = str(model.get(kind) or "")
    known = hub_id(base, near) if kind == "pretrained" else None
    return {"kind": kind, "name": known or Path(base).name, "id": known, "backbones": backbones}


def data_of(recipe, run, near=""):
    """Says what was trained on.

    Args:
        recipe (`dict`): The run's, or nothing.
        run (`dict`): What `train.py` wrote to `run.json`, or nothing.
        near (`str` or `Path`, *optional*): See [`hub_id`].

    Returns:
        `dict`: `names`, without paths of this machine; `ids`, those that are on the Hub; `name`, of what was scored;
        `drawn`, what was asked of the drawn catalogue, if all of it is that; `wordings`, how many sentence patterns were used
        at most.
    """
    asked = [recipe.get("data"), *((stage or {}).get("data") for stage in (recipe.get("stages") or {}).values())]
    asked = [part for data in asked if data for part in data.get("mix", [data])]
    scored = run.get("source", "")
    sources = [*((stage.get("data") or {}).get("source", scored) for stage in run.get("stages", ())), scored]
    paths = dict.fromkeys(path for source in sources for path in source.split(" + ") if path)
    drawn = [part["demo"] or {} for part in asked if "demo" in part] if all("demo" in part for part in asked) else []
    ids = {path: hub_id(path, near) for path in paths}
    names = {path: ids[path] or Path(path).name for path in paths}
    return {
        "names": list(dict.fromkeys(names.values())),
        "ids": [] if drawn else list(filter(None, ids.values())),
        "name": " + ".join(names[path] for path in scored.split(" + ") if path),
        "drawn": [part for number, part in enumerate(drawn) if part not in drawn[:number]],
        "wordings": max((part.get("wordings") or 4 for part in asked), default=4),
    }


def hub_id(name, near=""):
    """The name, if it is that of a repository on the Hub, and nothing on this machine is called so; else `None`.

    Args:
        name (`str`): OWNER/NAME, or a path.
        near (`str` or `Path`, *optional*): The model's folder. A path that was trained from began in one above it.
    """
    try:
        validate_repo_id(name)
    except HFValidationError:
        return None
    owner, slash, _ = name.partition("/")
    local = any((place / owner).exists() for place in (Path(), *Path(near).resolve().parents[:3]))
    return name if slash and not local and Path(name).suffix not in FILES else None


def licence_of(origin, data, given=None):
    """Says under which licence the weights are.

    Args:
        origin (`dict`): Of [`origin_of`].
        data (`dict`): Of [`data_of`].
        given (`str`, *optional*): What the publisher says.

    Returns:
        `tuple[str, str]`: The Hub's identifier, and a sentence on where it comes from.

    Raises:
        `ValueError`: If what was given can't be an identifier.
    """
    if given is not None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.+-]*", given):
            raise ValueError(
                f"The licence is {given!r}; give its identifier on the Hub, such as apache-2.0 or cc-by-4.0."
            )
        return given.lower(), f"The weights are under `{given.lower()}`, as said by who published them."
    unknown = [f"the backbone `{backbone['name']}`" for backbone in origin["backbones"] if not backbone["licence"]]
    if origin["kind"] in (None, "pretrained"):
        unknown.append("the model that it began as" + (f", `{origin['name']}`" if origin["name"] else ""))
    if not data["drawn"]:
        unknown.append(f"the data {', '.join(f'`{name}`' for name in data['names'])}".rstrip())
    if unknown:
        return "other", (
            f"No licence is named for the weights: it depends on {'; '.join(unknown)}, whose licence this card does not know. "
            "Whoever publishes the weights has to find it out, and name theirs in the header of this card."
        )
    made = [f"`{backbone['name']}` ({backbone['licence']})" for backbone in origin["backbones"]]
    made.append("pictures and sentences that MODA's own program made")
    return OWN, f"The weights are under `{OWN}`. They were made from {', '.join(made)}, which allows it."


def weight_sizes(config):
    """Counts the bytes of the model's weights in each format that `moda export` writes, without making them.

    Args:
        config ([`ModaConfig`]): The model's.

    Returns:
        `dict[str, int]`: Of `float32`, `bfloat16` and, where the model can be rounded so, `int8`; empty of one that is int8.
    """
    if config.weight_format is not None:
        return {}
    with torch.device("meta"):
        model = ModaForConditionalGeneration(copy.deepcopy(config)).float()
    model.tie_weights()

    def size(dtype=torch.float32):
        held = {id(tensor): tensor for tensor in model.state_dict(keep_vars=True).values()}  # a tied head counts once
        floats = [tensor.is_floating_point() for tensor in held.values()]
        return sum(t.numel() * (dtype.itemsize if f else t.dtype.itemsize) for t, f in zip(held.values(), floats))

    sizes = {"float32": size(), "bfloat16": size(torch.bfloat16)}
    try:
        quantize_int8(model)
    except ValueError:  # an embedding that is more than a table
        return sizes
    return {**sizes, "int8": size()}


def measured(config, parameters):
    """Returns what `benchmarks/inference.py` measured, if the model has the shape that it measures, and this is a clone."""
    if not BENCHMARK.is_file():
        return None
    found = json.loads(BENCHMARK.read_text(encoding="utf-8"))
    shape = ((found.get("sentence") or {}).get("float32") or {}).get("MODA") or {"parameters": -1}
    kinds = (config.vision_config.model_type, config.text_config.model_type, config.image_seq_length)
    # With the tokenizer's <image>, SmolLM's embeddings have up to 64 rows more.
    more = parameters - shape["parameters"]
    same = kinds == ("clip_vision_model", "llama", 1) and 0 <= more <= 64 * config.text_config.hidden_size
    return found if same else None
