"""Files of a model: which weights they hold, and where its adapter is."""

import hashlib
import json
import os
from pathlib import Path

from huggingface_hub import snapshot_download


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


def adapter_folder(name, adapter, revision):
    """Finds an adapter's folder, and fetches it if need be.

    Args:
        name (`str`): The model's folder or id.
        adapter (`str`): Folder within it, or, with a `/` in it, a folder or an id by itself.
        revision (`str`, *optional*): Of the model.

    Returns:
        `Path`

    Raises:
        `ValueError`: If there are no safetensors.
    """
    whose, below = (adapter, "") if "/" in adapter else (name, f"{adapter}/")
    if os.path.isdir(whose):
        folder = Path(whose, below)
    else:
        files = [f"{below}adapter_config.json", f"{below}adapter_model.safetensors"]
        folder = Path(
            snapshot_download(whose, revision=None if "/" in adapter else revision, allow_patterns=files), below
        )
    if not (folder / "adapter_model.safetensors").is_file():
        raise ValueError(f"there is no adapter_model.safetensors in {adapter}")
    return folder
