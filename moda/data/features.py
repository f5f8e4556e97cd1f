"""What the frozen encoder says of each picture, computed once, kept on disk, and trained from in every epoch."""

import hashlib
import json
from functools import partial

import torch

from .pixels import PictureDataset, prepared, processor_json
from .store import CACHE


DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}
# In a config these tell where it came from, not what the encoder computes.
ORIGIN = ("_name_or_path", "architectures", "dtype", "torch_dtype", "transformers_version")


class FeatureDataset(PictureDataset):
    """Rows with `image_features`, the output of a frozen encoder, from the cache, which is built when it is not there.

    The encoder sees the pictures as the image processor makes them: never flipped or shifted, so there is no
    augmentation here. Any change of the encoder's weights or config, of what is selected from its states, of the image
    processor, of a picture or of the dtype leads to another cache.

    Args:
        rows (`datasets.Dataset`): With an undecoded `image` column.
        image_processor (`BaseImageProcessor`): The encoder's.
        model ([`ModaForConditionalGeneration`] or [`ModaModel`]):
            Its encoder runs where it is and in its own dtype, in evaluation mode, and is left as it was.
        columns (`list[str]`, *optional*): Columns passed along with the features. Defaults to `description`.
        dtype (`str`, *optional*, defaults to `"float16"`): `"float16"`, `"bfloat16"` or `"float32"`, of what is kept.
        batch_size (`int`, *optional*, defaults to 64): Pictures that the encoder takes at once.
        cache (`Path`, *optional*, defaults to `~/.cache/moda/features`, or below `$MODA_CACHE`): Folder.

    Raises:
        `ValueError`: If a feature does not fit the dtype or is no number, if the encoder's features have not the shape
            that the config says, or if no picture can be read.
        `OSError`: If the folder is full or can't be written.

    Example:

    ```python
    >>> data = FeatureDataset(rows, processor.image_processor, model)
    >>> data[0]["image_features"].shape  # (image_seq_length, image_feature_size)
    torch.Size([49, 768])
    ```
    """

    doing = "Encoding pictures"
    ways_out = ", or `features: off` in the recipe"

    def __init__(
        self,
        rows,
        image_processor,
        model,
        columns=("description",),
        dtype="float16",
        batch_size=64,
        cache=CACHE / "features",
    ):
        if dtype not in DTYPES:
            raise ValueError(f"The features' dtype is {dtype!r}; choose one of {', '.join(DTYPES)}.")
        self.dtype = DTYPES[dtype]
        base = model
        while not hasattr(base, "vision_tower"):  # below its head, and below peft's wrappers
            base = base.model
        shape = (base.config.image_seq_length, base.config.image_feature_size)

        def compute(first):
            for indices, pixels, unreadable in prepared(rows, partial(_pixels, image_processor), first, batch_size):
                features = torch.empty(0, *shape)
                if indices:
                    features = _encode(base, torch.from_numpy(pixels), shape)
                yield self._as_kept(features, indices), unreadable

        depends_on = ["features", dtype, encoder_digest(base), processor_json(image_processor)]
        # numpy knows no bfloat16, and gets its bits
        stored_dtype = "int16" if dtype == "bfloat16" else dtype
        super().__init__(rows, columns, cache, depends_on, shape, stored_dtype, compute)

    def read(self, indices):
        return "image_features", torch.from_numpy(self.stored[indices]).view(self.dtype)

    def _as_kept(self, features, indices):
        kept = features.to(self.dtype)
        if not kept.isfinite().all():
            place = int((~kept.isfinite()).flatten(1).any(1).nonzero()[0])
            largest = features[place].abs().max().item()
            if features[place].isfinite().all():
                raise ValueError(
                    f"A feature of the picture of row {indices[place]} is {largest:.4g}, more than {self.dtype} "
                    f"({torch.finfo(self.dtype).max:g}) can hold; keep the features as bfloat16 or float32."
                )
            raise ValueError(
                f"The encoder makes {largest} of the picture of row {indices[place]}; its weights are damaged, or "
                f"{features.dtype} is too narrow for it, so check them, or load the model in float32."
            )
        kept = kept.cpu().contiguous()
        return (kept.view(torch.int16) if self.dtype == torch.bfloat16 else kept).numpy()


def encoder_digest(model):
    """Digests what a picture's features depend on in a model: the encoder's weights and config, and what is selected.

    Args:
        model ([`ModaModel`]): On any device, in any memory format.

    Returns:
        `str`
    """
    config = model.config
    fields = {name: value for name, value in config.vision_config.to_dict().items() if name not in ORIGIN}
    selected = (config.vision_feature_select_strategy, config.vision_feature_layer)
    key = hashlib.sha256(json.dumps([fields, selected], sort_keys=True, default=str).encode())
    for name, weight in model.vision_tower.state_dict().items():
        key.update(f"{name} {tuple(weight.shape)} {weight.dtype}".encode())
        key.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return key.hexdigest()


@torch.inference_mode()
def _encode(model, pixels, shape):
    tower = model.vision_tower
    modes = {module: module.training for module in tower.modules()}
    try:
        tower.eval()
        features = model.encode_images(pixels.to(next(tower.parameters()).device))
    finally:
        for module, mode in modes.items():
            module.training = mode
    if features.shape[1:] != shape:
        raise ValueError(
            f"A picture has features of shape {tuple(features.shape[1:])}, and the config says {shape} "
            "(image_seq_length, image_feature_size); resize pictures as the processor does, or correct the config."
        )
    return features


def _pixels(image_processor, picture):
    return image_processor(picture, return_tensors="np")["pixel_values"][0]
