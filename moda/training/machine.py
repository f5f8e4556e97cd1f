"""What the machine at hand is good at: precision, chosen with a reason, and a description for the record."""

import os
import platform

import torch


def choose_precision(settings):
    """Adds the precision to a stage's settings, unless they name one.

    The choice goes by what the processor has, never by a stopwatch, so that a resumed run computes as it began.

    Args:
        settings (`dict`): `TrainingArguments`.

    Returns:
        `tuple[dict, list[str]]`: The settings, and what was chosen and why, a line each.
    """
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


def cpu_computes_bfloat16():
    """Says whether the processor has instructions for bfloat16 (AVX512-BF16, AMX, or an ARM's)."""
    flags = set()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            for line in file:
                if line.startswith(("flags", "Features")):
                    flags = set(line.split())
                    break
    return bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})


def describe_machine():
    """Describes the machine in words: cores, processor, GPU."""
    gpu = f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "no GPU"
    return f"{os.cpu_count()} cores, {platform.machine()}, {gpu}"
