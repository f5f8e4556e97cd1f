"""What the machine at hand is good at: precision and attention, chosen with a reason."""

import torch

from moda.data.machine import cpu_computes_bfloat16


COMPILE = (
    "compile: off: it takes a minute, and a run that goes on after a stop would differ in the last digits; torch_compile: true "
    "turns it on"
)


def choose_precision(settings):
    """Adds precision and compilation to a stage's settings, unless they name them.

    The choice goes by what the processor has, never by a stopwatch, so that a resumed run computes as it began.

    Args:
        settings (`dict`): `TrainingArguments`.

    Returns:
        `tuple[dict, list[str]]`: The settings, and what was chosen and why, a line each.
    """
    settings, notes = _precision(settings)
    return settings, [*notes, "compile: as the recipe says" if "torch_compile" in settings else COMPILE]


def choose_attention(model, arguments):
    """Sets the attention implementation that trains fastest here; returns why, or nothing where it is left alone.

    Args:
        model ([`ModaForConditionalGeneration`]): Set in place.
        arguments (`TrainingArguments`): Precision and device.
    """
    if arguments.bf16 and arguments.device.type == "cpu":
        model.set_attn_implementation("eager")
        return ["attention: eager: torch's fused one has no fast way back for bfloat16 on a CPU"]
    return []


def _precision(settings):
    if any(name in settings for name in ("bf16", "fp16")):
        return dict(settings), ["precision: as the recipe says"]
    if torch.cuda.is_available() and not settings.get("use_cpu"):
        name = torch.cuda.get_device_name()
        if torch.cuda.is_bf16_supported(including_emulation=False):
            return {"bf16": True, "tf32": True, **settings}, [
                f"precision: bfloat16, and TF32 for the rest: {name} has both"
            ]
        return dict(settings), [f"precision: float32: {name} has no bfloat16"]
    if cpu_computes_bfloat16():
        return {"bf16": True, **settings, "use_cpu": True}, [
            "precision: bfloat16: this processor multiplies it natively"
        ]
    return dict(settings), [
        "precision: float32: this processor has no bfloat16, and would emulate it several times slower"
    ]
