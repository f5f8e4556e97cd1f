"""Describes pictures: files and folders in, a sentence each out."""

import os
from pathlib import Path

import torch
from accelerate import PartialState
from safetensors import SafetensorError
from transformers import AutoModelForImageTextToText, AutoProcessor, PretrainedConfig

from generation_moda import generate_sentences
from pictures_moda import load_picture


PICTURE_SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff"}


def load_model(repository):
    """Loads a model repository and its processor.

    Args:
        repository (`str`): Folder or id.

    Returns:
        `tuple`: Model, in evaluation mode, on the machine's accelerator where it has one, and processor.

    Raises:
        `ValueError`: If it is not a MODA, naming what it is, or its weights are damaged.
    """
    folder = Path(repository)
    try:
        # A name below a folder that is here means a folder, and is not worth the minute that asking the Hub may take.
        local = not folder.exists() and folder.parent != Path(".") and folder.parent.is_dir()
        config = {} if local else PretrainedConfig.get_config_dict(repository)[0]
    except OSError:
        config = {}
    if not config.get("model_type"):
        raise ValueError(
            f"{repository} is neither a folder with a model nor a model that the Hub gives out; train one with train.py, "
            "or check the name and the network."
        )
    if config["model_type"] != "moda":
        raise ValueError(f"{repository} holds a model of type {config['model_type']!r}, not 'moda'.")
    try:
        model = AutoModelForImageTextToText.from_pretrained(repository, trust_remote_code=True, dtype=torch.float32)
    except SafetensorError as error:
        raise ValueError(f"The weights of {repository} are damaged ({error}); copy them again.") from error
    model = model.to(PartialState().device).eval()
    return model, AutoProcessor.from_pretrained(repository, trust_remote_code=True)


def find_pictures(paths):
    """Lists picture files: files as they are named, folders with all pictures below them, in order.

    Raises:
        `FileNotFoundError`: If a path does not exist.
        `ValueError`: If a folder holds no picture.
    """
    found = []
    for path in map(str, paths):
        if path.startswith(("http://", "https://")):
            found.append(path)
        elif os.path.isdir(path):
            inside = sorted(str(p) for p in Path(path).rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES)
            if not inside:
                raise ValueError(f"Folder {path} holds no picture ({', '.join(sorted(PICTURE_SUFFIXES))}).")
            found.extend(inside)
        elif os.path.exists(path):
            found.append(path)
        else:
            raise FileNotFoundError(f"There is no picture or folder at {path!r}; check the path.")
    return found


def describe(model, processor, pictures, batch_size=16, prompt=None, **generate_kwargs):
    """Describes pictures one batch at a time; one that can't be read does not stop the others.

    Args:
        pictures (`Iterable`): Anything that [`load_picture`] takes.
        batch_size (`int`, *optional*, defaults to 16): Pictures described at once.
        prompt (`str`, *optional*): What to ask; defaults to the processor's default prompt.

    Yields:
        `tuple[Any, Optional[str], Optional[str]]`: The picture as given, its sentence or `None`, the error or `None`.
    """
    waiting = []

    def flush():
        good = [image for _, image, error in waiting if error is None]
        texts = []
        if good:
            rows = [prompt] * len(good) if prompt is not None else None
            inputs = processor(images=[[image] for image in good], text=rows)
            texts = generate_sentences(model, processor, dict(inputs), **generate_kwargs)
        sentences = iter(texts)
        for source, _, error in waiting:
            yield source, (next(sentences) if error is None else None), error
        waiting.clear()

    for picture in pictures:
        try:
            waiting.append((picture, load_picture(picture), None))
        except (ValueError, OSError) as error:
            waiting.append((picture, None, str(error)))
        if len(waiting) >= batch_size:
            yield from flush()
    yield from flush()
