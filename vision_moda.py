"""One face for every vision encoder: build it, run it, count the positions that a picture takes.

Any encoder that transformers' `AutoModel` knows will do, ViT or CNN: tokens come as they are, feature maps
`(batch, channels, height, width)` are flattened to `height * width` positions.
"""

import functools
import json

import torch
from transformers import AutoConfig, AutoImageProcessor, AutoModel, CLIPVisionModelWithProjection


FEATURE_STRATEGIES = ("pooled", "default", "full")


class ModaInnerTower(torch.nn.Module):
    """Keeps the level `vision_model.` in the names of SigLIP's weights, which transformers 5 dropped.

    Without it transformers 4 would not find them in what 5 saved.
    """

    def __init__(self, tower):
        super().__init__()
        self.config = tower.config
        self.vision_model = tower

    @property
    def dtype(self):
        return self.vision_model.dtype

    def forward(self, **kwargs):
        return self.vision_model(**kwargs)


def _with_stable_names(tower):
    moved = tower.config.model_type in ("siglip_vision_model", "chinese_clip_vision_model")
    return ModaInnerTower(tower) if moved and not hasattr(tower, "vision_model") else tower


def build_vision_tower(vision_config):
    """Builds the encoder of a vision config with fresh weights.

    CLIP gets the class that keeps its projection: the pooled strategy needs it, and its weights carry the same names on
    transformers 4 and 5.
    """
    if vision_config.model_type == "clip_vision_model":
        return CLIPVisionModelWithProjection(vision_config)
    return _with_stable_names(AutoModel.from_config(vision_config))


def vision_config_of(vision):
    """Reads the vision config of a checkpoint; of a full CLIP or SigLIP, that of its vision half.

    Args:
        vision (`str`): Id or folder.

    Returns:
        `PretrainedConfig`: With an `image_size`, taken from the image processor where the encoder itself needs none.
    """
    config = AutoConfig.from_pretrained(vision)
    vision_config = getattr(config, "vision_config", config)
    if vision_config.model_type == "clip_vision_model":
        vision_config.projection_dim = getattr(config, "projection_dim", vision_config.projection_dim)
    if getattr(vision_config, "image_size", None) is None:
        processor = AutoImageProcessor.from_pretrained(vision)
        size = processor.crop_size if getattr(processor, "do_center_crop", False) else processor.size
        edge = size.get("shortest_edge")
        vision_config.image_size = [edge, edge] if edge else [size["height"], size["width"]]
    return vision_config


def load_vision_tower(vision, dtype):
    """Loads the encoder of a checkpoint (of a full CLIP or SigLIP, its vision half alone), with its weights."""
    vision_config = vision_config_of(vision)
    tower_class = CLIPVisionModelWithProjection if vision_config.model_type == "clip_vision_model" else AutoModel
    return _with_stable_names(tower_class.from_pretrained(vision, config=vision_config, dtype=dtype))


def encode_images(tower, pixel_values, strategy="pooled", layer=-1):
    """Runs the encoder and selects the features that become image positions.

    Args:
        tower (`PreTrainedModel`): The vision encoder.
        pixel_values (`torch.FloatTensor` of shape `(images, channels, height, width)`): Normalised pixels.
        strategy (`str`, *optional*, defaults to `"pooled"`):
            `"pooled"`: one position, CLIP's projected embedding or the encoder's pooled output (the mean of its tokens
            where it has none); `"default"`: the patches; `"full"`: the patches and whatever tokens the encoder puts
            before them (class token, registers). `default` and `full` are LLaVA's words.
        layer (`int` or `list[int]`, *optional*, defaults to -1):
            Index into the hidden states, -1 for the encoder's own last output; a list concatenates features.

    Returns:
        `torch.FloatTensor` of shape `(images, positions, features)`.
    """
    if strategy not in FEATURE_STRATEGIES:
        raise ValueError(
            f"vision_feature_select_strategy is {strategy!r}; choose one of {', '.join(FEATURE_STRATEGIES)}."
        )
    layers = [layer] if isinstance(layer, int) else list(layer)
    if strategy == "pooled" and layers != [-1]:
        raise ValueError(
            f"vision_feature_layer is {layer}, and the pooled strategy knows the encoder's own output alone; leave it at "
            "-1, or take vision_feature_select_strategy='default'."
        )
    outputs = tower(pixel_values=pixel_values, output_hidden_states=layers != [-1])

    if strategy == "pooled":
        pooled = outputs.get("image_embeds")
        if pooled is None:
            pooled = outputs.get("pooler_output")
        if pooled is None:
            pooled = _as_positions(outputs.last_hidden_state).mean(1)
        return pooled.flatten(1).unsqueeze(1)

    states = [outputs.last_hidden_state if index == -1 else outputs.hidden_states[index] for index in layers]
    features = torch.cat([_as_positions(state) for state in states], dim=-1)
    patch = getattr(tower.config, "patch_size", None)
    if strategy == "default" and patch is not None and states[0].ndim == 3:
        patch_height, patch_width = (patch, patch) if isinstance(patch, int) else patch
        patches = (pixel_values.shape[-2] // patch_height) * (pixel_values.shape[-1] // patch_width)
        features = features[:, features.shape[1] - patches :]
    return features


def image_feature_shape(vision_config, strategy="pooled", layer=-1):
    """Answers how many positions a picture takes, and how wide its features are.

    The encoder runs on the meta device, without memory or arithmetic, so the answer is right for any architecture.

    Args:
        vision_config (`PreTrainedConfig`): The encoder's config. It must name its `image_size`.
        strategy, layer: See [`encode_images`].

    Returns:
        `tuple[int, int]`: Positions and features.

    Raises:
        `ValueError`: If the config names no `image_size`.
    """
    as_text = json.dumps(vision_config.to_dict(), sort_keys=True, default=str)
    return _image_feature_shape(as_text, strategy, layer if isinstance(layer, int) else tuple(layer))


@functools.lru_cache(maxsize=32)
def _image_feature_shape(vision_config_json, strategy, layer):
    vision_config = AutoConfig.for_model(**json.loads(vision_config_json))
    size = getattr(vision_config, "image_size", None)
    if size is None:
        raise ValueError(
            f"The vision config of type {vision_config.model_type!r} names no image_size, so the number of image "
            "positions is unknown; add image_size=[height, width] to it."
        )
    height, width = (size, size) if isinstance(size, int) else size
    with torch.device("meta"):
        tower = build_vision_tower(vision_config).eval()
        pixels = torch.empty(1, getattr(vision_config, "num_channels", 3), height, width)
        features = encode_images(tower, pixels, strategy, layer)
    return features.shape[1], features.shape[2]


def _as_positions(features):  # (images, channels, height, width) or (images, positions, features) -> the latter
    return features.flatten(2).transpose(1, 2) if features.ndim == 4 else features
