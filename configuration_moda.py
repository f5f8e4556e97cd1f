"""MODA's configuration: a vision encoder, a causal language model, and how pictures enter the sentence."""

import copy
import re

import transformers
from transformers import AutoConfig


try:  # as remote code
    from .masks_moda import IMAGE_ATTENTION_POLICIES
    from .vision_moda import image_feature_shape
except ImportError:  # from the repository root, or installed
    from masks_moda import IMAGE_ATTENTION_POLICIES
    from vision_moda import image_feature_shape


TRANSFORMERS = ">=4.57,<6"  # as in pyproject.toml


def refuse_other_transformers(version):
    """Raises a `RuntimeError` for a version of transformers outside of the range; one ahead of its release counts as it.

    No `ImportError`, which the files that import this one would take for not being remote code.
    """
    lowest, above = (tuple(map(int, bound.split("."))) for bound in re.findall(r"[\d.]+", TRANSFORMERS))
    if not lowest <= tuple(map(int, re.findall(r"\d+", version)[:2])) < above:
        raise RuntimeError(
            f"MODA runs on transformers{TRANSFORMERS}, not on the {version} that is installed; "
            f'run `pip install "transformers{TRANSFORMERS}"`.'
        )


refuse_other_transformers(transformers.__version__)

# One class under several Auto names: people load with the one they know, and call `.generate` on what they get.
AUTO_MAP = {
    "AutoConfig": "configuration_moda.ModaConfig",
    **dict.fromkeys(
        (
            "AutoModel",
            "AutoModelForImageTextToText",
            "AutoModelForCausalLM",
            "AutoModelForVision2Seq",  # transformers 4
            "AutoModelForMultimodalLM",  # transformers 5
        ),
        "modeling_moda.ModaForConditionalGeneration",
    ),
}
# transformers 5 dropped the task "image-to-text"; a repository's own pipeline brings it back, and serves 4.57 as well.
CUSTOM_PIPELINES = {
    "image-to-text": {
        "impl": "pipeline_moda.ModaImageToTextPipeline",
        "pt": ["AutoModelForImageTextToText"],
        "tf": [],
        "type": "image",
    }
}
CLIP_VIT_B32 = {"model_type": "clip_vision_model", "patch_size": 32, "projection_dim": 512}  # FashionCLIP's
SMOLLM_360M = {
    "model_type": "llama",
    "vocab_size": 49152,
    "hidden_size": 960,
    "intermediate_size": 2560,
    "num_hidden_layers": 32,
    "num_attention_heads": 15,
    "num_key_value_heads": 5,
    "max_position_embeddings": 2048,
    "rms_norm_eps": 1e-5,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "tie_word_embeddings": True,
}


class ModaConfig(transformers.PretrainedConfig):
    r"""
    Configuration of a [`ModaForConditionalGeneration`].

    Args:
        vision_config (`PretrainedConfig` or `dict`, *optional*, defaults to CLIP ViT-B/32's):
            Any vision encoder that `AutoModel` knows. It must name its `image_size`.
        text_config (`PretrainedConfig` or `dict`, *optional*, defaults to SmolLM-360M's):
            Any causal language model.
        vision_feature_select_strategy (`str`, *optional*, defaults to `"pooled"`):
            `"pooled"` (one position a picture, the MODA guide's choice), `"default"` (patches) or `"full"` (patches and
            class token).
        vision_feature_layer (`int` or `list[int]`, *optional*, defaults to -1):
            Which hidden state becomes the features; a list concatenates them.
        connector_type (`str`, *optional*, defaults to `"mlp"`): A key of `modeling_moda.CONNECTORS`.
        projector_hidden_size (`int`, *optional*, defaults to 4 × the text model's hidden size):
            Inner width of the `"mlp"` connector.
        projector_hidden_act (`str`, *optional*, defaults to `"gelu"`): Its activation.
        image_attention (`str`, *optional*, defaults to `"image_bidirectional"`):
            A mask policy of `masks_moda`, used in training and generation alike.
        image_token_id (`int`, *optional*, defaults to the first id behind the vocabulary):
            Id of the `<image>` placeholder.
        image_seq_length (`int`, *optional*): Positions that a picture takes; derived from the vision config.
        image_feature_size (`int`, *optional*): Width of the encoder's features; derived likewise.
        tie_word_embeddings (`bool`, *optional*, defaults to the text config's): Whether the head shares the embeddings.
        weight_format (`str`, *optional*):
            `"int8"` where a checkpoint's weights are int8 ([`quantize_int8`]); says what is in the file, and is not to be
            changed while loading.

    Example:

    ```python
    >>> config = ModaConfig()  # FashionCLIP's and SmolLM-360M's shapes
    >>> config.image_seq_length, config.image_feature_size
    (1, 512)
    ```
    """

    model_type = "moda"
    sub_configs = {"vision_config": AutoConfig, "text_config": AutoConfig}

    def __init__(
        self,
        vision_config=None,
        text_config=None,
        vision_feature_select_strategy="pooled",
        vision_feature_layer=-1,
        connector_type="mlp",
        projector_hidden_size=None,
        projector_hidden_act="gelu",
        image_attention="image_bidirectional",
        image_token_id=None,
        image_seq_length=None,
        image_feature_size=None,
        tie_word_embeddings=None,
        weight_format=None,
        **kwargs,
    ):
        vision_config = _sub_config(vision_config, CLIP_VIT_B32)
        text_config = _sub_config(text_config, SMOLLM_360M)
        if image_attention not in IMAGE_ATTENTION_POLICIES:
            known = ", ".join(IMAGE_ATTENTION_POLICIES)
            raise ValueError(f"image_attention is {image_attention!r}; choose one of {known}.")
        if weight_format not in (None, "int8"):
            raise ValueError(f"weight_format is {weight_format!r}; leave it out for float weights, or choose 'int8'.")
        if image_seq_length is None or image_feature_size is None:
            positions, features = image_feature_shape(
                vision_config, vision_feature_select_strategy, vision_feature_layer
            )
            image_seq_length, image_feature_size = image_seq_length or positions, image_feature_size or features
        self.vision_config = vision_config
        self.text_config = text_config
        self.vision_feature_select_strategy = vision_feature_select_strategy
        self.vision_feature_layer = vision_feature_layer
        self.connector_type = connector_type
        self.projector_hidden_size = projector_hidden_size
        self.projector_hidden_act = projector_hidden_act
        self.image_attention = image_attention
        self.image_token_id = text_config.vocab_size if image_token_id is None else image_token_id
        self.image_seq_length = image_seq_length
        self.image_feature_size = image_feature_size
        self.weight_format = weight_format
        tied = text_config.tie_word_embeddings if tie_word_embeddings is None else tie_word_embeddings
        text_config.tie_word_embeddings = tied  # transformers 4 reads it here, 5 at the top
        kwargs.setdefault("auto_map", dict(AUTO_MAP))
        kwargs.setdefault("custom_pipelines", copy.deepcopy(CUSTOM_PIPELINES))  # pipeline() writes into it
        super().__init__(tie_word_embeddings=tied, **kwargs)

    @classmethod
    def from_dict(cls, config_dict, **kwargs):
        """Refuses another model's config, of which transformers would take what fits and guess the rest, and another
        format than the file's, to which transformers would cast the weights without rounding them."""
        model_type = config_dict.get("model_type", cls.model_type)
        if model_type != cls.model_type:
            raise ValueError(
                f"This is a checkpoint of type {model_type!r}, not {cls.model_type!r}; to build MODA from an encoder "
                "and a language model, call ModaForConditionalGeneration.from_vision_text_pretrained(vision, text)."
            )
        weight_format = config_dict.get("weight_format")
        if kwargs.get("weight_format", weight_format) != weight_format:
            raise ValueError(
                f"weight_format is {weight_format!r} in this checkpoint and {kwargs['weight_format']!r} was asked for; "
                "load it as it is, and convert it with quantize_int8(model) or `moda export --to int8`."
            )
        return super().from_dict(config_dict, **kwargs)


def _sub_config(config, default):
    config = default if config is None else config
    if not isinstance(config, dict):
        return config
    config = {"model_type": default["model_type"], **config}
    rope = config.get("rope_parameters")
    if rope and transformers.__version__.startswith("4."):
        # transformers 5 writes rope_parameters alone; 4 would ignore it and fall back to theta 10000 without a word.
        config.setdefault("rope_theta", rope.get("rope_theta", 10000.0))
        if rope.get("rope_type", "default") != "default":
            config.setdefault("rope_scaling", {k: v for k, v in rope.items() if k != "rope_theta"})
    return AutoConfig.for_model(**config)


ModaConfig.register_for_auto_class()
