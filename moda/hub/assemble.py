"""From a run's folder to the folder of a repository: all that a user of the Hub needs, and nothing else."""

import contextlib
import copy
import errno
import hashlib
import json
import os
import shutil
from importlib.metadata import files as installed_files
from pathlib import Path

from huggingface_hub import ModelCard, get_token
from safetensors import SafetensorError

from configuration_moda import AUTO_MAP, CUSTOM_PIPELINES
from modeling_moda import ModaForConditionalGeneration
from processing_moda import ModaProcessor

from .card import write_card
from .files import HUB_FILES, files_of, known_secrets, refuse_secrets, refuse_unexpected
from .pictures import write_pictures
from .records import copy_record, read_json, without_paths
from .results import told


STEPS = ("reading the model", "writing the weights", "writing the records", "writing the card")
# What a run may hold besides, and nobody needs: its copy of the code, for which the installed one goes along; a Trainer's state.
LEFT_OUT = (
    *HUB_FILES,
    "training_args.bin",
    "optimizer.*",
    "scheduler.pt",
    "scaler.pt",
    "rng_state*.pth",
    "checkpoint-*/*",
    "__pycache__/*",
)
RECORDS = ("recipe.yaml", "run.json", "export.json")
EVALUATION = "evaluation.json"
LICENCES = ("LICENSE", "LICENCE", "COPYING")
# How a folder was left; in the place of huggingface_hub's own notes, which it never uploads.
MARK = Path(".cache", "huggingface", "moda-publish.json")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def assemble(
    run,
    folder,
    repository,
    evaluation=None,
    samples=None,
    max_shard_size="2GB",
    licence=None,
    tag=None,
    say=lambda step: None,
):
    """Builds the folder of a repository from what a run left. It appears when all is there, and not before.

    The model and its processor are read by the installed classes and written anew; no code of the run's folder runs, and
    nothing in it is unpickled. Paths in records become their last part. The same run gives the same bytes.

    Args:
        run (`str` or `os.PathLike`): A folder that `train.py`, `moda export`, or `save_pretrained` of a model and of its
            processor wrote.
        folder (`str` or `os.PathLike`): Where to; not there, empty, or assembled before and left as it was.
        repository (`str`): Its id on the Hub, for the card.
        evaluation (`dict`, *optional*): What `scores.json` of `moda evaluate` says of this model.
        samples (`str` or `os.PathLike`, *optional*): See [`write_pictures`].
        max_shard_size (`str`, *optional*, defaults to `"2GB"`): Largest file of weights.
        licence (`str`, *optional*): Of the weights; see [`write_card`]. If it comes to `apache-2.0`, its text goes along, unless
            the run has one.
        tag (`str`, *optional*): Of the revision that the card's lines of code load.
        say (`Callable`, *optional*): Told each of `STEPS` as it begins.

    Returns:
        `dict[str, int]`: The files, with their sizes in bytes.

    Raises:
        `ValueError`: If the run's folder is no MODA, is not finished, or holds what could run; if the other folder is someone
            else's or was changed by hand; if something looks like a token; if the disk is full.
    """
    run, folder = Path(run), Path(folder)
    check_run(run)
    check_output(folder, run)
    with _appearing(folder) as draft:
        say(STEPS[0])
        model, processor = _load(run)
        say(STEPS[1])
        # Not what the folder says, which may send its reader to anybody's code.
        model.config.auto_map, model.config.custom_pipelines = dict(AUTO_MAP), copy.deepcopy(CUSTOM_PIPELINES)
        model.save_pretrained(draft, max_shard_size=max_shard_size)
        processor.save_pretrained(draft)
        for name, path in HUB_FILES.items():
            shutil.copyfile(path, draft / name)
        say(STEPS[2])
        for path in draft.glob("*config.json"):
            copy_record(path, path, keys=("_name_or_path", "name_or_path"))
        for name in RECORDS:
            if (run / name).is_file():
                copy_record(run / name, draft / name)
        if evaluation is not None:
            evaluation = without_paths({**evaluation, "command": told(evaluation.get("command") or "")})
            ((evaluation.get("judge") or {}).get("model") or {}).pop("endpoint", None)  # which may be a company's own
            text = json.dumps(evaluation, indent=1, ensure_ascii=False)
            (draft / EVALUATION).write_text(text + "\n", encoding="utf-8")
        write_pictures(run, draft, samples)
        say(STEPS[3])
        record, parts = read_json(draft / "run.json") or {}, count_parts(model)
        known = {"repository": repository, "evaluation": evaluation, "licence": licence, "tag": tag}
        card = write_card(draft, model.config, parts, record, repository.rsplit("/", 1)[-1], **known)
        _write_licence(run, ModelCard.load(card).data.license, draft)
        refuse_secrets(draft, [get_token(), *known_secrets()])
        refuse_unexpected(draft)
        for path in files_of(draft).values():
            path.chmod(0o644)  # weights are written for their owner's eyes
        (draft / MARK).parent.mkdir(parents=True)
        (draft / MARK).write_text(json.dumps(_digests(draft), indent=1) + "\n", encoding="utf-8")
    return {name: path.stat().st_size for name, path in files_of(folder).items()}


def check_run(run):
    """Checks that a folder holds a finished MODA and nothing that could run.

    Args:
        run (`str` or `os.PathLike`): See [`assemble`].

    Raises:
        `ValueError`: If not, saying what it holds.
    """
    run = Path(run)
    if not run.is_dir():
        raise ValueError(f"There is no folder {run}; name the one that train.py left, its output_dir.")
    refuse_unexpected(run, allowed=LEFT_OUT)
    weights = [path for path in run.glob("*.safetensors") if not path.name.startswith("adapter_")]
    if (run / "adapter_config.json").is_file() and not weights:
        raise ValueError(
            f"{run} holds an adapter without the model below it; merge them by moda.training.adapters.merged, save the result and "
            "its processor with save_pretrained, and publish that folder."
        )
    held = (read_json(run / "config.json") or {}).get("model_type")
    if held != "moda":
        what = f"a model of type {held!r}" if held else "no model (no config.json that names one)"
        raise ValueError(f"{run} holds {what}, not a MODA; name the folder that train.py left, its output_dir.")
    if not weights:
        raise ValueError(f"{run} holds no weights (model.safetensors); save the model there once more.")
    if (run / "recipe.yaml").is_file() and not (run / "run.json").is_file():
        raise ValueError(
            f"The run in {run} is not finished (it has no run.json); give train.py its recipe again, and it goes on."
        )


def check_output(folder, run):
    """Checks that a folder may be written: it is not there, or empty, or was assembled before and left as it was.

    Args:
        folder, run (`str` or `os.PathLike`): See [`assemble`].

    Raises:
        `ValueError`: If not, naming what is in the way.
    """
    folder = Path(folder)
    if folder.resolve().is_relative_to(Path(run).resolve()):
        raise ValueError(f"{folder} lies in {run}, which is to be read; name a folder beside it by --output.")
    if not folder.is_symlink() and (not folder.exists() or (folder.is_dir() and not any(folder.iterdir()))):
        return
    kept = folder.is_symlink() or (folder / ".git").exists()  # with a history, which is nobody's but its owner's
    left = None if kept else read_json(folder / MARK)
    if left is None:
        raise ValueError(
            f"{folder} is there and was not assembled by moda publish, so it is left alone; name another folder by --output."
        )
    now = _digests(folder)
    changed = sorted(name for name in {*left, *now} if left.get(name) != now.get(name))
    if changed:
        raise ValueError(
            f"{folder} was changed since it was assembled ({changed[0]}{' and others' if changed[1:] else ''}), which would be "
            "lost; upload it as it is with hf upload, delete it, or name another folder by --output."
        )


@contextlib.contextmanager
def _appearing(folder):
    """A folder that appears whole or not at all: gives a draft beside it, which takes its place at the end."""
    draft, old = (folder.with_name(f".{folder.name}.{word}") for word in ("unfinished", "old"))
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for leftover in (draft, old):  # of one that was killed
            if leftover.exists():
                shutil.rmtree(leftover)
        draft.mkdir()
        yield draft
        if folder.exists():
            folder.rename(old)
        draft.rename(folder)
    except BaseException as error:
        if old.exists() and not folder.exists():
            old.rename(folder)
        if not _is_full(error):
            raise
        free = shutil.disk_usage(folder.parent).free / 1e9
        raise ValueError(
            f"There is no room for the repository in {folder.parent} ({free:.1f} GB are free); make some, or name another "
            "place by --output."
        ) from error
    finally:
        for leftover in (draft, old):
            shutil.rmtree(leftover, ignore_errors=True)


def _is_full(error):
    if isinstance(error, OSError):
        return error.errno in FULL
    # safetensors says it in words alone.
    return isinstance(error, SafetensorError) and any(os.strerror(number) in str(error) for number in FULL)


def _load(run):
    try:
        model, found = ModaForConditionalGeneration.from_pretrained(
            run, dtype="auto", use_safetensors=True, output_loading_info=True
        )
    except (SafetensorError, RuntimeError) as error:  # the other one: of a shape that does not fit
        why = str(error).strip().split("\n")[0]
        raise ValueError(f"The weights in {run} can't be read ({why}); copy or save them again.") from error
    if found["missing_keys"]:
        raise ValueError(f"The weights in {run} lack {min(found['missing_keys'])}; copy or save them again.")
    # Our own class: without the word about remote code, transformers would ask at the terminal whether to run it.
    return model.eval(), ModaProcessor.from_pretrained(run, trust_remote_code=False)


def count_parts(model):
    """Counts the parameters of the vision encoder, the connector, and the language model with its head, each weight once.

    Args:
        model ([`ModaForConditionalGeneration`]): With float or int8 weights.

    Returns:
        `list[dict]`: Of each `name`, `kind` and `parameters`.
    """
    config, inner, counted = model.config, model.model, []
    for name, kind, modules in (
        ("vision", config.vision_config.model_type, [inner.vision_tower]),
        ("connector", config.connector_type, [inner.connector]),
        ("language", config.text_config.model_type, [inner.language_model, model.lm_head]),
    ):
        held = {parameter: parameter.numel() for module in modules for parameter in module.parameters()}
        counted.append({"name": name, "kind": kind, "parameters": sum(held.values())})
    return counted


def _write_licence(run, licence, draft):
    for path in sorted(run.iterdir()):
        if path.is_file() and path.name.split(".")[0].upper() in (*LICENCES, "NOTICE"):
            shutil.copyfile(path, draft / path.name)
    if licence == "apache-2.0" and not any(path.name.split(".")[0].upper() in LICENCES for path in draft.iterdir()):
        here = HUB_FILES["configuration_moda.py"].with_name("LICENSE")  # in a checkout; installed, it lies elsewhere
        text = here if here.is_file() else next(p.locate() for p in installed_files("moda") if p.name == "LICENSE")
        shutil.copyfile(text, draft / "LICENSE")


def _digests(folder):
    found = {}
    for name, path in files_of(folder).items():
        with path.open("rb") as file:
            found[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
