"""Adapters on the language model through peft: LoRA (arXiv 2106.09685), rsLoRA (2312.03732), DoRA (2402.09353), and,
where bitsandbytes is there, QLoRA (2305.14314)."""

import difflib
import importlib.util
import os
import re
import tempfile
from pathlib import Path

import torch
from torch import nn
from transformers import BitsAndBytesConfig
from transformers.pytorch_utils import Conv1D

from moda.data.keys import check_keys
from modeling_moda import ModaForConditionalGeneration


# The other fields of LoraConfig train or rewrite weights beside the adapter's own, or take what YAML can't write.
LORA_FIELDS = {
    "r",
    "lora_alpha",
    "lora_dropout",
    "target_modules",
    "exclude_modules",
    "rank_pattern",
    "alpha_pattern",
    "use_rslora",
    "use_dora",
    "init_lora_weights",
    "quantize",
}
INITIALISATIONS = (True, False, "gaussian", "orthogonal")  # PiSSA, OLoRA, … move weights of the base into the adapter
QUANTIZATIONS = ("nf4", "fp4")
LANGUAGE = "model.language_model."  # where it stands in ModaForConditionalGeneration
UNQUANTIZED = ["model.vision_tower", "model.connector", "lm_head"]


def check_options(options):
    """Checks a stage's `lora`, without peft and without a model.

    Args:
        options (`dict`): Fields of `peft.LoraConfig`, of those in `LORA_FIELDS`, and `quantize`: `nf4` or `fp4`.

    Raises:
        `ValueError`: If a key is unknown (the nearest known one is named) or a value can't be.
    """
    check_keys("lora", options, LORA_FIELDS)
    rank = options.get("r", 8)
    if not isinstance(rank, int) or isinstance(rank, bool) or rank < 1:
        raise ValueError(f"lora.r is {rank!r}; the rank is a whole number from 1 up, as in r: 16.")
    alpha = options.get("lora_alpha", 8)
    if not isinstance(alpha, (int, float)) or isinstance(alpha, bool) or alpha <= 0:
        raise ValueError(f"lora.lora_alpha is {alpha!r}; it is a number above 0, as in lora_alpha: 32.")
    dropout = options.get("lora_dropout", 0.0)
    if not isinstance(dropout, (int, float)) or isinstance(dropout, bool) or not 0 <= dropout < 1:
        raise ValueError(f"lora.lora_dropout is {dropout!r}; it is a share, from 0 up to 1.")
    for switch in ("use_dora", "use_rslora"):
        if not isinstance(options.get(switch, False), bool):
            raise ValueError(f"lora.{switch} is {options[switch]!r}, where true or false belongs.")
    initialisation = options.get("init_lora_weights", True)
    if initialisation not in INITIALISATIONS:
        raise ValueError(
            f"lora.init_lora_weights is {initialisation!r}, and an adapter that is saved alone can start with true, "
            "false, gaussian or orthogonal only: the others rewrite the weights below it."
        )
    if options.get("quantize") not in (None, *QUANTIZATIONS):
        raise ValueError(
            f"lora.quantize is {options['quantize']!r}; choose from {', '.join(QUANTIZATIONS)}, or leave it out."
        )


def check_installed(options):
    """Checks, before anything is trained, that what an adapter needs is there.

    Raises:
        `ImportError`: If peft is not there.
        `ValueError`: If bitsandbytes is not there and `quantize` asks for it.
    """
    _peft()
    kind = options.get("quantize")
    if kind and importlib.util.find_spec("bitsandbytes") is None:
        raise ValueError(
            f"lora.quantize is {kind!r}, and bitsandbytes, which computes in 4 bits, is not there: pip install "
            "bitsandbytes, or leave quantize out and train the adapter over the weights as they are."
        )


def lora_config(model, options, with_connector):
    """Makes peft's config of an adapter on the language model's linear layers, and on nothing else.

    Args:
        model ([`ModaForConditionalGeneration`]): Its language model's layers (`nn.Linear`, and GPT-2's `Conv1D`) are
            looked up, not known by name.
        options (`dict`): See [`check_options`]. `target_modules` narrows the layers down: a list of names, such as
            `[q_proj, v_proj]`, or a regular expression for whole names. Defaults to all.
        with_connector (`bool`): Whether the connector is trained, and saved, along with the adapter.

    Returns:
        `peft.LoraConfig`

    Raises:
        `ValueError`: If an option is unknown or can't be, or no layer has the name.
    """
    check_options(options)
    layers = {
        name: layer
        for name, layer in model.model.language_model.named_modules()
        if isinstance(layer, (nn.Linear, Conv1D))
    }
    shapes = sorted({re.sub(r"(?<=\.)\d+", r"\\d+", name).replace(".", r"\.") for name in layers})
    targets = rf"{re.escape(LANGUAGE)}(?:{'|'.join(shapes)})"
    wanted = options.get("target_modules") or "all-linear"
    if wanted != "all-linear":
        targets = f"{_narrow(wanted, layers)}{targets}"
    fields = {key: value for key, value in options.items() if key not in ("quantize", "target_modules")}
    return _peft().LoraConfig(
        task_type="CAUSAL_LM",
        target_modules=targets,
        modules_to_save=["connector"] if with_connector else None,
        fan_in_fan_out=any(isinstance(layer, Conv1D) for layer in layers.values()),
        **fields,
    )


def _narrow(wanted, layers):
    """A regular expression that looks ahead and passes only names that are wanted."""
    if isinstance(wanted, str):
        try:
            found = any(re.fullmatch(wanted, f"{LANGUAGE}{name}") for name in layers)
        except re.error as error:
            raise ValueError(f"lora.target_modules {wanted!r} is no regular expression ({error}).") from error
        if not found:
            raise ValueError(
                f"lora.target_modules {wanted!r} matches no linear layer of the language model, whose names are like "
                f"{LANGUAGE}{next(iter(layers))}; a single name stands in a list, as in [q_proj]."
            )
        return f"(?=(?:{wanted})$)"
    known = sorted({name.rsplit(".", 1)[-1] for name in layers})
    for name in wanted:
        if not any(layer == name or layer.endswith(f".{name}") for layer in layers):
            near = difflib.get_close_matches(str(name), known, 1)
            meant = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}."
            raise ValueError(f"lora.target_modules names {name!r}, which the language model has not; {meant}")
    return rf"(?=(?:.*\.)?(?:{'|'.join(map(re.escape, wanted))})$)"


def add_adapter(model, options, with_connector, base):
    """Puts a new adapter into a model, in place, and freezes everything else.

    Its first weights are drawn from torch's generator: seed it before.

    Args:
        model ([`ModaForConditionalGeneration`]): The model, or what [`quantized`] made of it.
        options (`dict`): See [`lora_config`].
        with_connector (`bool`): Whether the connector is trained as well; the adapter then carries a copy of it.
        base (`str` or `Path`): Folder or id of the repository with these very weights, which the adapter refers to.

    Returns:
        `peft.PeftModel`

    Raises:
        `ValueError`: If an option can't be.
    """
    peft = _peft()
    try:
        adapted = peft.get_peft_model(model, lora_config(model, options, with_connector))
    except (TypeError, AttributeError) as error:
        raise ValueError(f"peft can't build an adapter from lora {options}: {error}") from error
    adapted.peft_config["default"].base_model_name_or_path = _place(base)
    return adapted


def quantized(base, options):
    """Loads a repository with the language model's linear layers in 4 bits and the rest as it is, ready for an adapter.

    Layers are dequantised as they compute: in bfloat16 on a GPU that has it, in float32 elsewhere.

    Args:
        base (`str` or `Path`): Folder or id of a MODA repository.
        options (`dict`): With `quantize`: `nf4` or `fp4`.

    Returns:
        [`ModaForConditionalGeneration`], frozen.

    Raises:
        `ValueError`: If bitsandbytes is not there, or `quantize` can't be.
    """
    check_options(options)
    kind = options.get("quantize")
    if kind is None:
        raise ValueError(f"lora has no quantize; choose from {', '.join(QUANTIZATIONS)}.")
    check_installed(options)
    bfloat16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=kind,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16 if bfloat16 else torch.float32,
        llm_int8_skip_modules=UNQUANTIZED,
    )
    model = ModaForConditionalGeneration.from_pretrained(base, quantization_config=quantization, dtype=torch.float32)
    for layer in model.modules():
        if hasattr(layer, "support_avx512bf16_for_cpu"):
            # An evaluation on a CPU with AVX512-BF16 would repack the weights, and gradients after it would be wrong.
            layer.support_avx512bf16_for_cpu = False
    # Whether activations are recomputed is the trainer's gradient_checkpointing to say.
    return _peft().prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)


def save_adapter(adapted, folder):
    """Writes the adapter alone: `adapter_model.safetensors` and `adapter_config.json`, which names the base.

    Args:
        adapted (`peft.PeftModel`): What [`add_adapter`] returned, trained.
        folder (`str` or `Path`): Where to. Opened by [`load_adapter`], or by `PeftModel.from_pretrained` over the base
            loaded with `trust_remote_code=True`; `AutoModel.from_pretrained(folder)` loses DoRA's magnitudes on
            transformers 5.23.
    """
    card = Path(folder) / "README.md"
    had_card = card.exists()
    adapted.save_pretrained(folder, save_embedding_layers=False)
    if not had_card:  # peft's is a form that nobody has filled in
        card.unlink(missing_ok=True)


def load_adapter(folder, base=None):
    """Loads an adapter over its base, in float32.

    Args:
        folder (`str` or `Path`): What [`save_adapter`] wrote.
        base (`str` or `Path`, *optional*): Folder or id of the base. Defaults to the one that the adapter names.

    Returns:
        `peft.PeftModel`, in evaluation mode. Further adapters join it by its own
        `load_adapter(folder, adapter_name=...)`, and `set_adapter` switches between them.

    Raises:
        `ValueError`: If there is no adapter, or no base where it says.
    """
    peft = _peft()
    base = base or peft.PeftConfig.from_pretrained(str(folder)).base_model_name_or_path
    try:
        model = ModaForConditionalGeneration.from_pretrained(base, dtype=torch.float32)
    except (OSError, ValueError) as error:  # ValueError: what can't be an id either
        raise ValueError(
            f"The adapter in {folder} belongs to {str(base)!r}, which can't be loaded; pass base=... with the folder "
            "or id where that repository is now."
        ) from error
    return peft.PeftModel.from_pretrained(model, str(folder)).eval()


def merged(adapter, base=None):
    """Adds an adapter to the weights below it, for good.

    What was trained over 4 bits is merged into the base's full weights, so its outputs differ by the rounding.

    Args:
        adapter (`peft.PeftModel`, `str` or `Path`): An adapter over its base, which is used up; or its folder.
        base (`str` or `Path`, *optional*): Folder or id of the base. Defaults to the one that the adapter names.

    Returns:
        [`ModaForConditionalGeneration`], in evaluation mode and without a trace of peft.

    Raises:
        `ValueError`: If the merged weights are not finite, or the base is not where the adapter says.
    """
    if isinstance(adapter, (str, os.PathLike)):
        adapter = load_adapter(adapter, base)
    elif getattr(adapter.get_base_model(), "is_quantized", False):
        policy = adapter.config.image_attention
        with tempfile.TemporaryDirectory() as folder:
            save_adapter(adapter, folder)
            adapter = load_adapter(folder, base)
        adapter.config.image_attention = policy
    return adapter.merge_and_unload(safe_merge=True).requires_grad_(True).eval()


def _place(base):
    """A folder's full path, since the adapter may move; an id as it is."""
    return str(Path(base).resolve()) if Path(base).is_dir() else str(base)


def _peft():
    try:
        import peft
    except ImportError as error:
        raise ImportError("Adapters need peft: pip install 'moda[peft]'.") from error
    return peft
