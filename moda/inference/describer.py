"""One picture to one sentence: the part of a run that every engine shares."""

import math
from dataclasses import dataclass, replace

import torch

from configuration_moda import ModaConfig
from generation_moda import generate_sentences
from pictures_moda import load_picture
from processing_moda import ModaProcessor
from steps_moda import fuse_projections

from .fast_pixels import fast_pixels
from .graph_model import is_graph, load_graph
from .load import load_model
from .resources import FEW, available_cores, choose_batch_size, is_small


MOST_OBLONG = 100  # times as long as wide; resizing to the shorter edge makes millions of columns of a longer picture


@dataclass(frozen=True)
class Settings:
    """What a description depends on, and how much of the machine it may take; plain values, for other processes.

    Args:
        model (`str`): Folder or id of a repository, or folder of an exported graph.
        revision (`str`, *optional*): Branch, tag or commit of a Hub repository.
        dtype (`str`, *optional*, defaults to `"float32"`): `"float32"` or `"bfloat16"`; of `"auto"` [`choose`] makes one.
        quantize (`str`, *optional*): `"int8"` for int8 weights, `None` for none; `"auto"` likewise.
        prompt (`str`, *optional*): What to ask; the model's own prompt by default.
        max_new_tokens (`int`, *optional*, defaults to 48): Longest answer.
        threads (`int`, *optional*): Of PyTorch, for one operation; the cores that this process may use by default.
        batch_size (`int`, *optional*, defaults to 32): Pictures described at once; `None` for [`choose`] to say.
        workers (`int`, *optional*): Processes beside this one; see [`describe_locally`].
        allow_private (`bool`, *optional*, defaults to `False`): Whether addresses that are not public may be fetched.
    """

    model: str
    revision: str | None = None
    dtype: str = "float32"
    quantize: str | None = None
    prompt: str | None = None
    max_new_tokens: int = 48
    threads: int | None = None
    batch_size: int | None = 32
    workers: int | None = None
    allow_private: bool = False


def choose(settings, count):
    """Makes the choices that settings leave: precision and batch size.

    Args:
        settings ([`Settings`]): `dtype` and `quantize` may be `"auto"`, `batch_size` may be `None`.
        count (`int`): Pictures to describe. For a few of them and a small model nothing is measured: float32 it is.

    Returns:
        `tuple[Settings, Optional[str]]`: With every choice made, and the reason of a measured precision.
    """
    reason, size, dtype, quantize = None, settings.batch_size, settings.dtype, settings.quantize
    try:
        config = ModaConfig.from_pretrained(settings.model, revision=settings.revision)
    except OSError:  # loading it says what is wrong
        return replace(settings, batch_size=size or 1, dtype="float32", quantize=None), None
    torch.set_num_threads(settings.threads or (1 if is_small(config) else available_cores()))
    size = size or choose_batch_size(config, settings.max_new_tokens)
    if is_graph(settings.model):  # what it computes in was settled by its export
        dtype, quantize = (None if choice == "auto" else choice for choice in (dtype, quantize))
    if config.weight_format == "int8":  # as the repository holds them, asked for or not
        quantize = None
    if "auto" in (dtype, quantize) and (count >= FEW or not is_small(config)):
        from .precision import choose_precision

        precision = choose_precision(config, min(size, count), dtype=dtype, quantize=quantize)
        dtype, quantize, reason = precision.dtype, precision.quantize, precision.reason
    dtype = "float32" if dtype in ("auto", None) else dtype
    quantize = None if quantize in ("auto", "none") else quantize
    return replace(settings, batch_size=size, dtype=dtype, quantize=quantize), reason


def prepare(processor, picture, allow_private=False, name=None):
    """Reads one picture.

    Args:
        processor ([`ModaProcessor`]): The model's.
        picture: Anything that [`load_picture`] takes.
        allow_private (`bool`, *optional*, defaults to `False`): Whether addresses that are not public may be fetched.
        name (`str`, *optional*): What to call it in an error.

    Returns:
        `torch.FloatTensor` of shape `(channels, height, width)`

    Raises:
        `ValueError`, `OSError`: If it can't be read, or is more than 100 times as long as wide, in a sentence that names it.
    """
    image = load_picture(picture, name=name, allow_private=allow_private)
    name = name or "the given picture"
    if max(image.size) > MOST_OBLONG * min(image.size):
        raise ValueError(
            f"{name}, of {image.width} x {image.height} pixels, is more than {MOST_OBLONG} times as long as wide; crop it."
        )
    try:
        return fast_pixels(processor.image_processor, [image])[0]
    except Exception as error:  # an image processor may refuse a narrow picture anywhere
        raise ValueError(
            f"{name}, of {image.width} x {image.height} pixels, does not suit the model ({error})."
        ) from error


class Describer:
    """A model that is loaded once and describes batch after batch.

    Args:
        settings ([`Settings`]): What they leave open is chosen as for one picture.

    Raises:
        `ValueError`: If the model can't be loaded, or the prompt names more than one `<image>`.
    """

    def __init__(self, settings):
        if settings.batch_size is None or "auto" in (settings.dtype, settings.quantize):
            settings, _ = choose(settings, 1)
        self.settings = settings
        if settings.threads:
            torch.set_num_threads(settings.threads)
        self.graph = None
        if is_graph(settings.model):
            self._open_graph(settings)
        else:
            self._open_model(settings)
        # All pictures get the same prompt; its tokens are made once, from a picture that is never looked at.
        asked = self.processor(pixel_values=torch.zeros(1, 3, 1, 1), text=settings.prompt)
        self.prompt = {name: asked[name] for name in ("input_ids", "attention_mask")}

    def _open_graph(self, settings):
        if settings.dtype != "float32" or settings.quantize == "int8":
            raise ValueError(
                f"{settings.model} is an exported graph, of which neither dtype nor quantize can be chosen any more; leave "
                "them out, or export again."
            )
        self.graph = load_graph(settings.model, settings.threads or available_cores())
        self.processor = ModaProcessor.from_pretrained(settings.model, trust_remote_code=False)
        self.device, self.parameters = "cpu", math.inf  # for one process: a forked one would wait for threads it lacks

    def _open_model(self, settings):
        self.model, self.processor = load_model(settings.model, dtype=settings.dtype, revision=settings.revision)
        if settings.quantize == "int8" and self.model.config.weight_format != "int8":
            from quantization_moda import quantize_int8

            fuse_projections(quantize_int8(self.model))
        self.device = self.model.device.type
        self.parameters = self.model.num_parameters()

    def prepare(self, picture, name=None):
        """See [`prepare`]."""
        return prepare(self.processor, picture, self.settings.allow_private, name)

    def __call__(self, pixel_values):
        """Describes a batch.

        Args:
            pixel_values (`torch.FloatTensor` of shape `(pictures, channels, height, width)`): From [`prepare`].

        Returns:
            `list[dict]`: Of each picture `description` (`str`) and `confidence` (`float`): the mean natural log-probability
            of the sentence's tokens.
        """
        rows = len(pixel_values)
        batch = {name: value.expand(rows, -1) for name, value in self.prompt.items()}
        batch["pixel_values"], longest = pixel_values, self.settings.max_new_tokens
        if self.graph is not None:
            sentences, confidences = self.graph.describe(**batch, max_new_tokens=longest)
        else:
            batch["pixel_values"] = pixel_values.to(self.model.dtype)
            sentences, confidences = generate_sentences(
                self.model, self.processor, batch, with_confidence=True, max_new_tokens=longest
            )
        return [
            {"description": sentence, "confidence": confidence}
            for sentence, confidence in zip(sentences, confidences, strict=True)
        ]
