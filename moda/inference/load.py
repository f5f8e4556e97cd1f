"""Loads a model repository, without running any code of it and without holding its weights twice."""

import ctypes
import math
import os
from pathlib import Path

import torch
from accelerate import PartialState
from huggingface_hub import HfApi, try_to_load_from_cache
from safetensors import SafetensorError, safe_open
from transformers import AutoConfig, GenerationConfig, PretrainedConfig
from transformers.utils import cached_file

from configuration_moda import ModaConfig
from int8_moda import Int8Linear
from modeling_moda import ModaForConditionalGeneration
from processing_moda import ModaProcessor
from steps_moda import fuse_layer, is_laid_out_alike


FLOATS = {"F64", "F32", "F16", "BF16"}
IN_A_ROW = {"q_proj": 1, "k_proj": 2, "v_proj": 3, "gate_proj": 4, "up_proj": 5}
AutoConfig.register(
    "moda", ModaConfig, exist_ok=True
)  # known here, so that nobody is asked to run the repository's code
AT_ONCE = 16 * 2**20  # bytes of a file that are mapped before it is closed and opened again


def load_model(repository, dtype="float32", revision=None):
    """Loads a model repository and its processor.

    The classes are this package's own: no code of the repository runs. On a CPU, weights that are multiplied with the same
    input are laid next to each other ([`fuse_projections`]).

    Args:
        repository (`str`): Folder or id.
        dtype (`str`, *optional*, defaults to `"float32"`): Of the weights; int8 ones stay int8.
        revision (`str`, *optional*): Branch, tag or commit.

    Returns:
        `tuple`: Model, in evaluation mode, on the machine's accelerator where it has one, and processor.

    Raises:
        `ValueError`: If it is not a MODA, naming what it is, or its weights are damaged.
    """
    config = _find_config(repository, revision)
    if config["model_type"] != "moda":
        raise ValueError(f"{repository} holds a model of type {config['model_type']!r}, not 'moda'.")
    dtype, device = getattr(torch, dtype), PartialState().device
    file = cached_file(repository, "model.safetensors", revision=revision, _raise_exceptions_for_missing_entries=False)
    # In one file and for this processor it is read here; in several, or on its way to another memory, by transformers.
    here = file is not None and device.type == "cpu"
    try:
        if here:
            config = ModaConfig.from_pretrained(repository, revision=revision)
            source = {"config": config, "state_dict": read_weights(file, dtype)}
        else:
            source = {"revision": revision}
        model, told = ModaForConditionalGeneration.from_pretrained(
            None if here else repository, dtype=dtype, output_loading_info=True, **source
        )
    except (SafetensorError, RuntimeError) as error:  # the other one: of a shape that does not fit
        why = str(error).strip().split("\n")[0]
        raise ValueError(f"The weights of {repository} are damaged ({why}); copy or save them again.") from error
    if told["missing_keys"]:
        missing = sorted(told["missing_keys"])
        raise ValueError(
            f"The weights of {repository} lack {missing[0]}{f' and {len(missing) - 1} others' if missing[1:] else ''}; "
            "copy them again, or save the model again."
        )
    del source  # its weights, which packing would hold twice
    if here:
        model.generation_config = GenerationConfig.from_pretrained(repository, revision=revision)
        model.name_or_path = str(repository)
        _lay_out(model)
    else:  # moving, even to where they are, unpacks int8 layers
        model = model.to(device)
    return model.eval(), ModaProcessor.from_pretrained(repository, revision=revision, trust_remote_code=False)


def _find_config(repository, revision):
    """Returns what the repository's config says, without the minute of retries that a name unknown to all may take."""
    try:
        if not Path(repository).exists() and not _is_fetched(repository, revision):
            HfApi().model_info(repository, revision=revision, timeout=10)
        config, cause = PretrainedConfig.get_config_dict(repository, revision=revision)[0], None
    except Exception as error:  # whatever the network libraries of huggingface_hub's versions raise
        config, cause = {}, error
    if not config.get("model_type"):
        why = str(cause).strip().split("\n")[0] if cause else "its config.json names no model_type"
        raise ValueError(
            f"{repository} is neither a folder with a model nor a model that the Hub gives out ({why}); name one by --model, "
            "train one with train.py, or check the network."
        ) from cause
    return config


def _is_fetched(repository, revision):
    return isinstance(try_to_load_from_cache(repository, "config.json", revision=revision), str)


def _lay_out(model):
    """Joins what is multiplied with the same input ([`fuse_projections`]) and packs int8 layers, block by block.

    Each leaves the hole of its former weights behind, which is given back to the system before the next takes its room.
    """
    blocks = model.get_decoder().layers if is_laid_out_alike(model.get_decoder()) else []
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    for block in (model.lm_head, *blocks, model):
        if block in blocks:
            fuse_layer(block)
        packed = [layer.pack() for layer in block.modules() if isinstance(layer, Int8Linear)]
        if any(packed) and trim is not None:
            trim(0)


def read_weights(file, dtype):
    """Reads a file of weights, converted as they come; those of one block of a model lie in one piece of memory.

    transformers maps a file into memory as a whole and leaves it there until the last tensor is converted: of a float32 file
    that is loaded in bfloat16, three times what is kept. Here the mapping is given back every so many bytes. Within a block,
    query, key and value follow each other, as do gate and up projection: see [`fuse_projections`].

    Args:
        file (`str`): A safetensors file.
        dtype (`torch.dtype`): Of what is floating-point in it, but for scales of int8 weights.

    Returns:
        `dict[str, torch.Tensor]`
    """
    weights, read = {}, AT_ONCE
    opened = safe_open(file, "pt")
    blocks = {}
    for name in opened.keys():
        blocks.setdefault(name.rsplit(".", 2)[0], []).append(name)
    for names in blocks.values():
        names.sort(key=lambda name: (name.rsplit(".", 1)[-1], IN_A_ROW.get(f".{name}".split(".")[-2], 0), name))
        sizes = [math.prod(opened.get_slice(name).get_shape()) for name in names]
        floats = [_is_float(opened, name) for name in names]
        piece = torch.empty(sum(size for size, is_float in zip(sizes, floats) if is_float), dtype=dtype)
        place = 0
        for name, size, is_float in zip(names, sizes, floats):
            if read >= AT_ONCE:
                opened, read = safe_open(file, "pt"), 0
            tensor = opened.get_tensor(name)
            read += tensor.nbytes
            if is_float:
                weights[name] = piece[place : place + size].view(tensor.shape).copy_(tensor)
                place += size
            else:
                weights[name] = tensor.clone()
            del tensor
    return weights


def _is_float(opened, name):  # and to be converted
    return opened.get_slice(name).get_dtype() in FLOATS and not name.endswith("weight_scale")
