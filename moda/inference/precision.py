"""Which precision is the fastest here: measured, not looked up."""

import time
from dataclasses import dataclass

import torch
from torch import nn

from configuration_moda import ModaConfig
from int8_moda import Int8Linear
from moda.data.machine import cpu_computes_bfloat16
from steps_moda import product_of, row_product


WORTH_IT = {"bfloat16": 1.1, "int8": 1.25}  # times as fast as a more exact precision, or it is not taken
ENOUGH = 96 * 2**20  # bytes of float32 weights: more than a core's own cache holds
ROUNDS = 5


@dataclass(frozen=True)
class Precision:
    """What to compute in.

    Args:
        dtype (`str`): `"float32"` or `"bfloat16"`.
        quantize (`str`, *optional*): `"int8"`, or `None`.
        reason (`str`): Why, in a sentence.
    """

    dtype: str
    quantize: str | None
    reason: str


def choose_precision(repository, batch_size, dtype="auto", quantize="auto"):
    """Chooses the precision of a model by a short measurement: the products of a decoding step, a second at most.

    Args:
        repository (`str` or [`ModaConfig`]): Folder or id, or the config of the model.
        batch_size (`int`): Pictures that are described at once: at one, a step is bound by the bytes of its weights, at many
            by arithmetic.
        dtype (`str`, *optional*, defaults to `"auto"`): `"float32"`, `"bfloat16"`, or whichever is faster.
        quantize (`str`, *optional*, defaults to `"auto"`): `"int8"`, `"none"`, or whether it is faster.

    Returns:
        [`Precision`]

    Raises:
        `ValueError`: If `dtype` or `quantize` is another word.
    """
    if dtype not in ("auto", "float32", "bfloat16"):
        raise ValueError(f"dtype is {dtype!r}; choose auto, float32 or bfloat16.")
    if quantize not in ("auto", "none", None, "int8"):
        raise ValueError(f"quantize is {quantize!r}; choose auto, none or int8.")
    config = repository if isinstance(repository, ModaConfig) else ModaConfig.from_pretrained(repository)
    if config.weight_format == "int8":
        chosen = "float32" if dtype == "auto" else dtype
        return Precision(chosen, None, f"computing in int8, as the repository's weights are; the rest in {chosen}")
    if torch.cuda.is_available():
        chosen = dtype if dtype != "auto" else "bfloat16" if torch.cuda.is_bf16_supported(False) else "float32"
        return Precision(
            chosen, "int8" if quantize == "int8" else None, f"computing in {chosen} on {torch.cuda.get_device_name()}"
        )
    fixed = "int8" if quantize == "int8" else None
    if dtype != "auto" and quantize != "auto":
        return Precision(dtype, fixed, f"computing in {fixed or dtype}, as asked for")
    if fixed:
        return Precision("float32", fixed, "computing in int8, as asked for; the rest in float32")

    candidates = {"float32": torch.float32} if dtype != "bfloat16" else {}
    if dtype == "bfloat16" or (dtype == "auto" and cpu_computes_bfloat16()):
        candidates["bfloat16"] = torch.bfloat16
    if quantize == "auto":
        candidates["int8"] = torch.int8
    times = _step_times(config.text_config, batch_size, candidates)
    best = next(iter(times))
    for name, taken in times.items():  # in the order of exactness
        if taken * WORTH_IT.get(name, 1) < times[best]:
            best = name
    rows = "one picture" if batch_size == 1 else f"{batch_size} pictures at once"
    others = ", ".join(f"{1000 * taken:.2g} in {name}" for name, taken in times.items() if name != best)
    reason = f"computing in {best}: for {rows} a layer's products take {1000 * times[best]:.2g} ms here"
    reason += f", and {others}" if others else ""
    if dtype == "auto" and "bfloat16" not in times:
        reason += "; this processor has no bfloat16"
    if best == "int8":
        return Precision("float32" if dtype == "auto" else dtype, "int8", reason)
    return Precision(best, None, reason)


@torch.inference_mode()
def _step_times(text_config, rows, candidates):
    """Seconds that the products of one layer take in each precision, the least of interleaved rounds."""
    width, inner = text_config.hidden_size, getattr(text_config, "intermediate_size", 4 * text_config.hidden_size)
    shapes = [(width, 2 * width), (width, width), (width, 2 * inner), (inner, width)]
    layers = max(1, min(64, ENOUGH // (4 * sum(rows * columns for rows, columns in shapes))))
    steps = {}
    for name, dtype in candidates.items():
        products = []
        for columns, outputs in shapes * layers:
            linear = nn.Linear(columns, outputs, bias=False)
            linear = Int8Linear.from_linear(linear) if dtype == torch.int8 else linear.to(dtype)
            if rows == 1:
                products.append((row_product([linear], torch.empty(outputs)), torch.randn(columns)))
            else:
                kind = torch.float32 if dtype == torch.int8 else dtype
                products.append((product_of([linear]), torch.randn(rows, columns, dtype=kind)))
        steps[name] = products
    taken = {name: [] for name in steps}
    for turn in range(ROUNDS + 1):
        for name, products in steps.items():
            started = time.perf_counter()
            for product, inputs in products:
                product(inputs)
            if turn:  # the first round warms up
                taken[name].append((time.perf_counter() - started) / layers)
    return {name: min(times) for name, times in taken.items()}  # others on the machine only add
