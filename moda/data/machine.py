"""The machine at hand, in words, and what its processor can do."""

import os
import platform

import torch


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
    name = platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as file:
            names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
        name = names[0] if names else name
    gpu = f"{torch.cuda.device_count()} x {torch.cuda.get_device_name()}" if torch.cuda.is_available() else "no GPU"
    return f"{os.cpu_count()} cores, {name}, {gpu}"
