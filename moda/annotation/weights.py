"""Files of a model: its class, which weights they hold, where its adapter is, under which licence; or why it can't be opened."""

import hashlib
import json
import os
from contextlib import contextmanager
from pathlib import Path

from accelerate.utils.memory import should_reduce_batch_size
from huggingface_hub import ModelCard, hf_hub_download, snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HTTPError
from safetensors import SafetensorError
from transformers import AutoModelForCausalLM, AutoModelForImageTextToText
from transformers.models.auto import modeling_auto
from yaml import YAMLError


# The main branch of this one holds remote code; what transformers opens by itself is in a pull request.
KNOWN = {"microsoft/Phi-4-multimodal-instruct": {"adapter": "vision-lora", "revision": "refs/pr/70"}}
DEPENDED_ON = {".json", ".jinja", ".model", ".py", ".safetensors", ".txt"}  # what decides on an answer
LOOKED_AT = 4096  # bytes of each tensor


def digest_of(*folders):
    """Digest of the configs, tokenizers and templates in folders, and of each tensor's name, shape and first values.

    Args:
        folders (`str` or `Path`): Without those below.

    Returns:
        `str`: 16 hexadecimal digits.
    """
    digest = hashlib.sha256()
    for folder in folders:
        for path in sorted(Path(folder).iterdir()):
            if path.suffix not in DEPENDED_ON or not path.is_file():
                continue
            digest.update(f"{path.name} {path.stat().st_size} ".encode())
            with open(path, "rb") as file:
                if path.suffix != ".safetensors":
                    digest.update(file.read())
                    continue
                header = file.read(int.from_bytes(file.read(8), "little"))
                digest.update(header)
                start = file.tell()
                tensors = (tensor for name, tensor in json.loads(header).items() if name != "__metadata__")
                for first, last in sorted(tensor["data_offsets"] for tensor in tensors):
                    file.seek(start + first)
                    digest.update(file.read(min(last - first, LOOKED_AT)))
    return digest.hexdigest()[:16]


def adapter_folder(name, adapter, revision=None, weights=True):
    """Finds an adapter's folder, and fetches it if need be.

    Args:
        name (`str`): The model's folder or id.
        adapter (`str`): Folder within it, or, with a `/` in it, a folder or an id by itself.
        revision (`str`, *optional*): Of the repository that it is in.
        weights (`bool`, *optional*, defaults to `True`): Whether to fetch more of it than its config.

    Returns:
        `Path`: Of a repository by itself it is named by the commit.

    Raises:
        `ValueError`: If there is no config, or no safetensors.
        `OSError`: If the repository can't be reached, and is not in the cache.
    """
    whose, below = (adapter, "") if "/" in adapter else (name, adapter)
    files = ["adapter_config.json", "adapter_model.safetensors"]
    if os.path.isdir(whose):
        folder = Path(whose, below)
    else:
        files = files[: 1 + weights]
        patterns = [f"{below}/{file}" if below else file for file in files]
        folder = Path(snapshot_download(whose, revision=revision, allow_patterns=patterns), below)
    for file in files:
        if not (folder / file).is_file():
            raise ValueError(f"there is no {file} in {adapter}")
    return folder


def licences_of(name, adapter=None, revision=None):
    """The licences that bind what a model writes: its own, and that of an adapter which is another folder or repository.

    Args:
        name (`str`), adapter (`str`, *optional*), revision (`str`, *optional*): As [`load_local`] takes them.

    Returns:
        `dict[str, str | None]`: By the model's and the adapter's name, what [`read_licence`] finds.
    """
    found = {name: read_licence(name, revision or KNOWN.get(name, {}).get("revision"))}
    return {**found, adapter: read_licence(adapter)} if adapter and "/" in adapter else found


def read_licence(model, revision=None):
    """The licence that the card of a model or an adapter states, such as `"mit"`.

    Args:
        model (`str`): Folder, or id on the Hub.
        revision (`str`, *optional*): Branch, tag or commit on the Hub. Defaults to the main branch.

    Returns:
        `str`, *optional*: In lower case, several with commas between; `None` where no card can be read, or it does not say.
    """
    try:
        if os.path.isdir(model):
            card = Path(model) / "README.md"
        else:
            card = hf_hub_download(model, "README.md", revision=revision, etag_timeout=5)
        licence = ModelCard.load(card).data.license
    except (OSError, ValueError, HfHubHTTPError, HTTPError, YAMLError):
        return None
    licences = licence if isinstance(licence, list) else [licence]
    return ", ".join(each.strip().lower() for each in licences if isinstance(each, str)) or None


@contextmanager
def opening(name):
    """Makes one sentence, a `ValueError`, of whatever a model can't be opened for."""
    try:
        yield
    except (OSError, ValueError, ImportError, RuntimeError, SafetensorError, HfHubHTTPError, HTTPError) as error:
        raise ValueError(f"{name} can't annotate here ({_reason(error)}); {_way_out(error)}.") from error


def auto_class(config):
    """The class of transformers that opens a model which writes answers.

    Args:
        config (`PretrainedConfig`): The model's.

    Raises:
        `ValueError`: If it writes none.
    """
    own = getattr(config, "auto_map", None) or {}
    for auto, names in (
        (AutoModelForImageTextToText, modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES),
        (AutoModelForCausalLM, modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES),
    ):
        if config.model_type in names or auto.__name__ in own:
            return auto
    raise ValueError(f"a model of type {config.model_type!r} writes no answers")


def _reason(error):
    return "its processor needs torchvision" if "orchvision" in str(error) else one_line(error)


def _way_out(error):
    if "orchvision" in str(error):
        return "pip install torchvision, ask it behind an endpoint, or give another model"
    if should_reduce_batch_size(error):
        return "give a smaller model, or ask it behind an endpoint"
    if "peft" in str(error).lower():
        return "pip install peft for its adapter, or give another model"
    return "give a folder or an id that holds a model that chats, such as microsoft/Phi-3-mini-4k-instruct"


def one_line(error):
    """What an error says first, without the full stop."""
    lines = str(error).strip().split("\n")
    return lines[0].rstrip(".") or type(error).__name__
