"""What this process may use of the machine: cores, memory; and how many pictures at once that allows."""

import os
import re
from pathlib import Path


CGROUP = Path("/sys/fs/cgroup")
MOST, MOST_OF_SMALL = 32, 64  # pictures; more of them at once make no core do more
SMALL = 50_000_000  # weights; below, a core is busier with Python than with products
FEW = 64  # pictures; for fewer, neither other processes nor a measurement are worth their time
SHARE = 0.5  # of the free memory


def available_cores():
    """Cores that this process may use: those of its affinity, and of its container's share, rounded up."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _read(CGROUP / "cpu.max").split()
    if quota and quota[0] != "max":
        cores = min(cores, max(1, -(-int(quota[0]) // int(quota[1]))))
    return cores


def available_memory():
    """Bytes that this process may still take, of the machine and of its container; `None` where nothing says so."""
    found = []
    for line in _read(Path("/proc/meminfo")).splitlines():
        if line.startswith("MemAvailable:"):
            found.append(int(line.split()[1]) * 1024)
    most, used = _read(CGROUP / "memory.max").strip(), _read(CGROUP / "memory.current").strip()
    if most.isdigit() and used.isdigit():
        files = re.search(
            r"^inactive_file (\d+)$", _read(CGROUP / "memory.stat"), re.MULTILINE
        )  # given back when needed
        found.append(int(most) - int(used) + (int(files[1]) if files else 0))
    return min(found, default=None)


def choose_batch_size(config, max_new_tokens):
    """Chooses how many pictures to describe at once: as many as pay, or as half of the free memory holds.

    Args:
        config ([`ModaConfig`]): The model's.
        max_new_tokens (`int`): Longest answer.

    Returns:
        `int`: 32 at most, or 64 for a small model.
    """
    text = config.get_text_config()
    most = MOST_OF_SMALL if is_small(config) else MOST
    memory = available_memory()
    if memory is None:
        return most
    length = config.image_seq_length + 64 + max_new_tokens  # 64 for a prompt
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    cache = 2 * text.num_hidden_layers * heads * width * length
    inner = getattr(text, "intermediate_size", None) or 4 * text.hidden_size
    prefill = length * (8 * text.hidden_size + 3 * inner) + 4 * text.vocab_size
    size = getattr(config.vision_config, "image_size", 224)
    pixels = max(size) ** 2 if isinstance(size, (list, tuple)) else size**2
    row = 4 * (2 * cache + prefill + 40 * 3 * pixels)  # bytes; an encoder holds some dozen times its input
    return int(min(most, max(1, SHARE * (memory - 4 * _weights(config)) // (row * available_cores()))))


def is_small(config):
    """Says whether a model (`config`: [`ModaConfig`]) is so small that a process for each core makes more of the cores than a
    thread for each."""
    return _weights(config) <= SMALL


def _weights(config):
    return sum(map(_weights_of_transformer, (config.get_text_config(), config.vision_config)))


def _weights_of_transformer(config):
    """About how many it has; of another network, such as a ResNet, nothing is known, and it is small."""
    hidden, layers = getattr(config, "hidden_size", 0) or 0, getattr(config, "num_hidden_layers", 0) or 0
    inner = getattr(config, "intermediate_size", None) or 4 * hidden
    return layers * hidden * (4 * hidden + 3 * inner) + (getattr(config, "vocab_size", 0) or 0) * hidden


def _read(path):
    try:
        return path.read_text()
    except OSError:
        return ""
