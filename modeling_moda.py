"""MODA: a vision encoder, a connector, and a causal language model that describes what it is shown.

The encoder's features pass a small connector and take the places of the `<image>` tokens among the text embeddings; the
language model reads both under the mask of `masks_moda`. Any transformers encoder and causal language model will do.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Optional, Union

import torch
from torch import nn
from transformers import (
    AutoModel,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
)
from transformers.cache_utils import Cache
from transformers.modeling_outputs import BaseModelOutputWithPast, BaseModelOutputWithPooling, CausalLMOutputWithPast


try:  # as remote code
    from .configuration_moda import ModaConfig
    from .connectors_moda import CONNECTORS, build_connector
    from .generation_moda import ModaGenerationMixin
    from .int8_moda import Int8Linear
    from .masks_moda import answers_by_labels, example_starts, policy_mask, refuse_flash_attention
    from .quantization_moda import UNTRAINABLE, share_head, to_int8, to_int8_embedding
    from .vision_moda import build_vision_tower, encode_images, load_vision_tower
except ImportError:  # from the repository root, or installed
    from configuration_moda import ModaConfig
    from connectors_moda import CONNECTORS, build_connector
    from generation_moda import ModaGenerationMixin
    from int8_moda import Int8Linear
    from masks_moda import answers_by_labels, example_starts, policy_mask, refuse_flash_attention
    from quantization_moda import UNTRAINABLE, share_head, to_int8, to_int8_embedding
    from vision_moda import build_vision_tower, encode_images, load_vision_tower

if TYPE_CHECKING:  # names the files, so that every save_pretrained, and every load on transformers 4, copies them along
    from .decoding_moda import decode  # noqa: F401
    from .fetching_moda import fetch  # noqa: F401
    from .pictures_moda import load_picture  # noqa: F401
    from .pipeline_moda import ModaImageToTextPipeline  # noqa: F401
    from .steps_moda import fuse_projections  # noqa: F401


@dataclass
class ModaModelOutputWithPast(BaseModelOutputWithPast):
    """[`ModaModel`]'s output.

    Args:
        image_hidden_states (`torch.FloatTensor` of shape `(images, image_seq_length, hidden_size)`, *optional*):
            The connector's output.
    """

    image_hidden_states: Optional[torch.FloatTensor] = None


@dataclass
class ModaCausalLMOutputWithPast(CausalLMOutputWithPast):
    """[`ModaForConditionalGeneration`]'s output.

    Args:
        image_hidden_states (`torch.FloatTensor` of shape `(images, image_seq_length, hidden_size)`, *optional*):
            The connector's output.
    """

    image_hidden_states: Optional[torch.FloatTensor] = None


class ModaPreTrainedModel(PreTrainedModel):
    config_class = ModaConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _skip_keys_device_placement = ["past_key_values"]
    _supports_sdpa = True
    _supports_flex_attn = True
    _supports_flash_attn = True  # under the causal policy; see refuse_flash_attention
    _supports_attention_backend = True
    _can_compile_fullgraph = True

    def __init__(self, config, *args, **kwargs):
        refuse_flash_attention(config)
        super().__init__(config, *args, **kwargs)

    def train(self, mode=True):
        """Sets training mode, but leaves frozen parts in evaluation mode: no dropout, no moving batch statistics."""
        if mode and self.config.weight_format == "int8":
            raise ValueError(UNTRAINABLE)
        super().train(mode)
        for part in self.modules():
            if part is not self and isinstance(part, (PreTrainedModel, *CONNECTORS.values())):
                if not any(parameter.requires_grad for parameter in part.parameters()):
                    part.eval()
        return self


def refuse_unusual_head(language_model):
    """Refuses a language model whose scores are more than a product with its head's weights, which is all MODA does."""
    config = language_model.config
    scaling = [
        name for name in ("logit_scale", "logits_scaling", "final_logit_softcapping") if getattr(config, name, None)
    ]
    if language_model.get_output_embeddings().bias is not None:
        scaling.append("a bias")
    if scaling:
        raise ValueError(
            f"The head of this {config.model_type} has {', '.join(scaling)}, which MODA would lose; "
            "choose a language model with a plain head, such as Llama, Qwen2 or SmolLM."
        )


class ModaModel(ModaPreTrainedModel):
    """The encoder, the connector and the language model without its head."""

    def __init__(self, config):
        super().__init__(config)
        self.vision_tower = build_vision_tower(config.vision_config)
        self.connector = build_connector(config)
        self.language_model = AutoModel.from_config(config.text_config)
        if config.weight_format == "int8":
            to_int8_embedding(self.language_model)
            to_int8(self.language_model)
            to_int8(self.vision_tower)
        self.post_init()

    def get_input_embeddings(self):
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value):
        self.language_model.set_input_embeddings(value)

    def encode_images(self, pixel_values):
        """Runs the vision encoder alone; the result may be kept and passed as `image_features` any number of times.

        Args:
            pixel_values (`torch.FloatTensor` of shape `(images, channels, height, width)`): Normalised pixels.

        Returns:
            `torch.FloatTensor` of shape `(images, image_seq_length, image_feature_size)`.
        """
        return encode_images(
            self.vision_tower,
            pixel_values.to(self.vision_tower.dtype),
            self.config.vision_feature_select_strategy,
            self.config.vision_feature_layer,
        )

    def get_image_features(self, pixel_values=None, image_features=None, **kwargs):
        """Encodes pictures and takes them through the connector.

        Args:
            pixel_values (`torch.FloatTensor` of shape `(images, channels, height, width)`, *optional*): Pictures.
            image_features (`torch.FloatTensor` of shape `(images, image_seq_length, image_feature_size)`, *optional*):
                What [`~ModaModel.encode_images`] returned for them, instead.

        Returns:
            [`BaseModelOutputWithPooling`]: `last_hidden_state`, the encoder's features, and `pooler_output`, the
            connector's embeddings of shape `(images, image_seq_length, hidden_size)`.
        """
        if (pixel_values is None) == (image_features is None):
            raise ValueError("Give pixel_values or image_features for the pictures, and not both.")
        if image_features is None:
            image_features = self.encode_images(pixel_values)
        if image_features.shape[1:] != (self.config.image_seq_length, self.config.image_feature_size):
            raise ValueError(
                f"A picture has features of shape {tuple(image_features.shape[1:])}, and the config says "
                f"{(self.config.image_seq_length, self.config.image_feature_size)} (image_seq_length, "
                "image_feature_size); resize pictures as the processor does, or correct the config."
            )
        embeddings = self.connector(image_features.to(self.dtype))
        return BaseModelOutputWithPooling(last_hidden_state=image_features, pooler_output=embeddings)

    def get_placeholder_mask(self, input_ids, inputs_embeds=None, image_features=None):
        """Finds the image positions, and checks that there are as many as the pictures need.

        Args:
            input_ids (`torch.LongTensor` of shape `(batch, length)`, *optional*): Token ids.
            inputs_embeds (`torch.FloatTensor` of shape `(batch, length, hidden_size)`, *optional*): Used without ids.
            image_features (`torch.FloatTensor` of shape `(images, positions, size)`, *optional*): The pictures.

        Returns:
            `torch.BoolTensor` of shape `(batch, length)`.

        Raises:
            `ValueError`: If the counts differ, naming both.
        """
        image_token, embeddings = self.config.image_token_id, self.get_input_embeddings()
        if input_ids is not None:
            mask = input_ids == image_token
        elif image_token < embeddings.num_embeddings:
            mask = (inputs_embeds == embeddings(torch.tensor(image_token, device=inputs_embeds.device))).all(-1)
        else:  # behind the vocabulary: no embedding to know it by
            mask = torch.zeros(inputs_embeds.shape[:2], dtype=torch.bool, device=inputs_embeds.device)
        if torch.compiler.is_compiling():  # the count depends on data, which a graph can't look at
            return mask
        length = self.config.image_seq_length
        pictures = 0 if image_features is None else image_features.shape[0]
        found = int(mask.sum())
        if found != pictures * length or bool((mask.sum(-1) % length).any()):
            raise ValueError(
                f"{pictures} picture(s) of {length} position(s) need {pictures * length} <image> tokens, and the input "
                f"holds {found} (by row: {mask.sum(-1).tolist()}); let the processor expand <image>, never cut a "
                "sequence inside a picture (truncation, prefill_chunk_size), and pass every picture."
            )
        return mask

    def forward(
        self,
        input_ids: Optional[torch.LongTensor] = None,
        pixel_values: Optional[torch.FloatTensor] = None,
        image_features: Optional[torch.FloatTensor] = None,
        attention_mask: Optional[torch.Tensor] = None,
        token_type_ids: Optional[torch.LongTensor] = None,
        position_ids: Optional[torch.LongTensor] = None,
        past_key_values: Optional[Cache] = None,
        inputs_embeds: Optional[torch.FloatTensor] = None,
        **kwargs,
    ) -> ModaModelOutputWithPast:
        """See [`ModaForConditionalGeneration.forward`]."""
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Give input_ids or inputs_embeds, and not both.")
        kwargs.pop("return_dict", None)  # an output counts as a tuple, too, which is all that vLLM wants of it
        queries = (input_ids if inputs_embeds is None else inputs_embeds).shape[1]
        image_embeds = placeholders = None
        if pixel_values is not None or image_features is not None:
            image_embeds = self.get_image_features(pixel_values, image_features).pooler_output
        # One new token behind a cache is the decoding step: no picture in it, and nothing to look for.
        decoding = queries == 1 and past_key_values is not None and image_embeds is None
        if not decoding:
            placeholders = self.get_placeholder_mask(input_ids, inputs_embeds, image_embeds)
        if inputs_embeds is None:
            # The placeholder's id may lie behind the vocabulary; its embedding is replaced anyway.
            text_ids = input_ids if placeholders is None else input_ids.masked_fill(placeholders, 0)
            inputs_embeds = self.get_input_embeddings()(text_ids)
        if image_embeds is not None:
            image_embeds = image_embeds.to(inputs_embeds.device, inputs_embeds.dtype)
            inputs_embeds = inputs_embeds.masked_scatter(placeholders[..., None], image_embeds)

        past_length = 0 if past_key_values is None else past_key_values.get_seq_length()
        mask = attention_mask
        if placeholders is not None:
            mask = policy_mask(
                self.config,
                placeholders,
                attention_mask,
                token_type_ids,
                position_ids,
                past_key_values,
                int(past_length),
                inputs_embeds.dtype,
            )
        if position_ids is None:  # here, since some language models would count them from the mask of the policy
            if attention_mask is not None and getattr(attention_mask, "ndim", None) == 2:
                position_ids = (attention_mask.long().cumsum(-1) - 1).clamp(min=0)[:, -queries:]
            else:
                position_ids = (torch.arange(queries, device=inputs_embeds.device) + past_length)[None]
        outputs = self.language_model(
            inputs_embeds=inputs_embeds,
            attention_mask=mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            return_dict=True,
            **kwargs,
        )
        return ModaModelOutputWithPast(
            last_hidden_state=outputs.last_hidden_state,
            past_key_values=outputs.get("past_key_values"),
            hidden_states=outputs.get("hidden_states"),
            attentions=outputs.get("attentions"),
            image_hidden_states=image_embeds,
        )


class ModaForConditionalGeneration(ModaPreTrainedModel, ModaGenerationMixin):
    """MODA with its language-modelling head: the class that every Auto class loads."""

    _tied_weights_keys = {"lm_head.weight": "model.language_model.embed_tokens.weight"}

    def __init__(self, config):
        super().__init__(config)
        self.model = ModaModel(config)
        self.lm_head = nn.Linear(config.text_config.hidden_size, config.text_config.vocab_size, bias=False)
        # GPT-2 calls its embeddings wte, OPT decoder.embed_tokens: the tie goes by what this language model calls them.
        names = {id(module): name for name, module in self.named_modules()}
        self._tied_weights_keys = {"lm_head.weight": f"{names[id(self.get_input_embeddings())]}.weight"}
        if config.weight_format == "int8":
            self.lm_head = Int8Linear.from_linear(self.lm_head)
            if config.tie_word_embeddings:
                share_head(self.lm_head, self.get_input_embeddings())
        if config.image_token_id < config.text_config.vocab_size:  # a placeholder is asked for, never answered
            self.generation_config.suppress_tokens = [config.image_token_id]
        self.post_init()

    @classmethod
    def from_vision_text_pretrained(cls, vision, text, dtype=torch.float32, **config_kwargs):
        """Builds MODA from two checkpoints; only the connector is new.

        Args:
            vision (`str`): Id or folder of a vision encoder, or of a full CLIP or SigLIP, whose vision half is taken.
            text (`str`): Id or folder of a causal language model. If its tokenizer has no `<image>` token, one is added
                behind the others; the embeddings grow (to a multiple of 64) only if its id falls outside of them.
            dtype (`torch.dtype`, *optional*, defaults to `torch.float32`): Type of the weights.
            config_kwargs: Fields of [`ModaConfig`].

        Returns:
            [`ModaForConditionalGeneration`]

        Example:

        ```python
        >>> model = ModaForConditionalGeneration.from_vision_text_pretrained(
        ...     "patrickjohncyh/fashion-clip", "HuggingFaceTB/SmolLM-360M"
        ... )
        ```
        """
        tower = load_vision_tower(vision, dtype)
        language_model = AutoModelForCausalLM.from_pretrained(text, dtype=dtype)
        refuse_unusual_head(language_model)
        tokenizer = AutoTokenizer.from_pretrained(text)
        config_kwargs.setdefault("image_token_id", tokenizer.get_vocab().get("<image>", len(tokenizer)))
        config = cls.config_class(vision_config=tower.config, text_config=language_model.config, **config_kwargs)
        if config.weight_format is not None:
            raise ValueError(
                "weight_format says what a checkpoint holds; build the float model, and quantize_int8(model)."
            )
        with torch.device("meta"):  # the parts below take these places, so no weight is held twice
            model = cls(config)
        model.model.vision_tower = tower
        model.model.language_model = language_model.base_model
        model.lm_head = language_model.get_output_embeddings()
        model.model.connector = build_connector(config).to(dtype)
        model.model.connector.apply(model._init_weights)
        generation_config = model.generation_config = language_model.generation_config
        generation_config.suppress_tokens = [config.image_token_id]
        # Descriptions end with the tokenizer's EOS, whatever else the language model stops at.
        stops = generation_config.eos_token_id
        stops = [] if stops is None else [stops] if isinstance(stops, int) else list(stops)
        generation_config.eos_token_id = stops + [tokenizer.eos_token_id] * (tokenizer.eos_token_id not in stops)
        pad = tokenizer.pad_token_id
        generation_config.pad_token_id = tokenizer.eos_token_id if pad is None else pad
        generation_config.max_new_tokens = 48  # a sentence; transformers' own default of 20 tokens would cut it
        if config.image_token_id >= config.text_config.vocab_size:
            model.resize_token_embeddings(config.image_token_id + 1, pad_to_multiple_of=64, mean_resizing=False)
        model.tie_weights()
        return model.eval()

    def tie_weights(self, *args, **kwargs):
        super().tie_weights(*args, **kwargs)
        if self.config.weight_format == "int8" and self.config.tie_word_embeddings:
            share_head(self.lm_head, self.get_input_embeddings())

    def get_input_embeddings(self):
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value):
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self):
        return self.lm_head

    def set_output_embeddings(self, value):
        self.lm_head = value

    def get_decoder(self):
        return self.model.language_model

    def encode_images(self, pixel_values):
        """See [`ModaModel.encode_images`]."""
        return self.model.encode_images(pixel_values)

    def get_image_features(self, pixel_values=None, image_features=None, **kwargs):
        """See [`ModaModel.get_image_features`]."""
        return self.model.get_image_features(pixel_values, image_features, **kwargs)

    def forward(
        self,
        input_ids: Optional[torch.LongTensor] = None,
        pixel_values: Optional[torch.FloatTensor] = None,
        image_features: Optional[torch.FloatTensor] = None,
        attention_mask: Optional[torch.Tensor] = None,
        token_type_ids: Optional[torch.LongTensor] = None,
        position_ids: Optional[torch.LongTensor] = None,
        past_key_values: Optional[Cache] = None,
        inputs_embeds: Optional[torch.FloatTensor] = None,
        labels: Optional[torch.LongTensor] = None,
        use_cache: Optional[bool] = None,
        logits_to_keep: Union[int, str, torch.Tensor] = 0,
        return_dict: Optional[bool] = None,
        **kwargs,
    ) -> ModaCausalLMOutputWithPast:
        r"""
        Args:
            input_ids (`torch.LongTensor` of shape `(batch, length)`, *optional*):
                Token ids, with `image_seq_length` `<image>` tokens for each picture, as the processor puts them.
            pixel_values (`torch.FloatTensor` of shape `(images, channels, height, width)`, *optional*):
                The pictures of all rows, in the order in which they stand in the text.
            image_features (`torch.FloatTensor` of shape `(images, image_seq_length, image_feature_size)`, *optional*):
                The encoder's output for them instead of `pixel_values`; see [`~ModaModel.encode_images`].
            attention_mask (`torch.Tensor` of shape `(batch, length)`, *optional*):
                1 on tokens, 0 on padding, on either side. A 4-D mask replaces the policy's.
            token_type_ids (`torch.LongTensor` of shape `(batch, length)`, *optional*):
                0 on the prompt, 1 on the answer; read by the `prefix_lm` policy alone. Defaults to what `labels` say:
                the prompt ends at the first supervised token. Without either, everything is prompt.
            position_ids (`torch.LongTensor` of shape `(batch, length)`, *optional*):
                Defaults to counting the tokens that are not padding. Where they start over within a row, as for
                several examples packed into it, another example begins, and none sees or predicts another.
            past_key_values (`Cache`, *optional*): Keys and values of earlier tokens.
            inputs_embeds (`torch.FloatTensor` of shape `(batch, length, hidden_size)`, *optional*): Instead of ids.
            labels (`torch.LongTensor` of shape `(batch, length)`, *optional*):
                Ids to predict, unshifted, -100 where there is no loss. An example's first token is never predicted.
            use_cache (`bool`, *optional*): Defaults to the config's, and to `False` when `labels` are given.
            logits_to_keep (`int`, `torch.Tensor` or `"labels"`, *optional*, defaults to 0):
                Number of last positions, or the positions themselves, that get logits; 0 for all. `"labels"`: those
                that predict a label, and the logits have the shape `(supervised tokens, vocabulary)`, row by row.

        Returns:
            [`ModaCausalLMOutputWithPast`]

        Raises:
            `ValueError`: If the numbers of pictures and of `<image>` tokens disagree, naming both; for several packed
                rows under flash attention.
        """
        targets = None
        if labels is not None:
            use_cache = False if use_cache is None else use_cache
            length = labels.shape[1]
            positions = torch.arange(length, device=labels.device)[None] if position_ids is None else position_ids
            padding = attention_mask[:, -length:] if getattr(attention_mask, "ndim", None) == 2 else None
            starts = example_starts(positions.expand(labels.shape), padding)
            unlearnt = starts  # predicted from the example before, or from padding
            if input_ids is not None:  # a collator that copies the ids would teach the model to write pictures
                unlearnt = starts | (input_ids == self.config.image_token_id)
            labels = labels.masked_fill(unlearnt, -100)
            if token_type_ids is None:
                token_type_ids = answers_by_labels(labels, starts)
            targets = nn.functional.pad(labels[:, 1:], (0, 1), value=-100)  # each token predicts the next
        at_labels = isinstance(logits_to_keep, str)
        if at_labels and (logits_to_keep != "labels" or labels is None):
            given = "no labels" if labels is None else "labels"
            raise ValueError(
                f'logits_to_keep is {logits_to_keep!r} with {given}; pass "labels" with labels, or a number.'
            )
        if use_cache is not None:
            kwargs["use_cache"] = use_cache
        items = kwargs.pop("num_items_in_batch", None)
        outputs = self.model(
            input_ids=input_ids,
            pixel_values=pixel_values,
            image_features=image_features,
            attention_mask=attention_mask,
            token_type_ids=token_type_ids,
            position_ids=position_ids,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            **kwargs,
        )
        if at_labels:
            keep = targets != -100
            hidden, targets = outputs.last_hidden_state[keep], targets[keep]
        else:
            keep = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
            hidden = outputs.last_hidden_state[:, keep]
        logits = self.lm_head(hidden)
        loss = None
        if labels is not None:
            items = (targets != -100).sum() if items is None else items
            loss = self.loss_function(
                logits,
                labels,
                vocab_size=self.config.text_config.vocab_size,
                num_items_in_batch=items + (items == 0),  # where nothing is to be learnt the loss is 0, not 0 / 0
                shift_labels=targets,
            )
        output = ModaCausalLMOutputWithPast(
            loss=loss,
            logits=logits,
            past_key_values=outputs.past_key_values,
            hidden_states=outputs.hidden_states,
            attentions=outputs.attentions,
            image_hidden_states=outputs.image_hidden_states,
        )
        return output.to_tuple() if return_dict is False else output


ModaForConditionalGeneration.register_for_auto_class("AutoModel")
