"""Generation: each picture is fed once, repeated with its row, and seen under the mask of the training."""

import torch
from transformers import GenerationMixin, StoppingCriteria, StoppingCriteriaList
from transformers.masking_utils import create_masks_for_generate


try:  # as remote code
    from .decoding_moda import can_decode, decode, plain_greedy
except ImportError:  # from the repository root, or installed
    from decoding_moda import can_decode, decode, plain_greedy


# What makes a step of `generate` something else than one forward pass and one token a row, or ends a row early.
NOT_TOKEN_BY_TOKEN = (
    "num_beams",
    "guidance_scale",
    "penalty_alpha",
    "dola_layers",
    "prompt_lookup_num_tokens",
    "assistant_model",
    "assistant_early_exit",
    "use_mtp",
    "stop_strings",
    "stopping_criteria",
    "custom_generate",
)
OFF_AT_ONE = ("num_beams", "guidance_scale")


class ModaGenerationMixin(GenerationMixin):
    """What `transformers.GenerationMixin` does not know of pictures."""

    def generate(self, *args, **kwargs):
        """Generates as transformers' `generate` does, under the policy that the model was trained with.

        Raises:
            `ValueError`: Under the `full` policy, which sees the words it is asked to write, and for chunked prefill.
        """
        if self.config.image_attention == "full":
            raise ValueError(
                "image_attention is 'full', the mask of alignment stage 0, under which text sees later text and "
                "nothing can be generated; train on under image_attention='image_bidirectional' and generate with that."
            )
        config = kwargs.get("generation_config") or self.generation_config
        if kwargs.get("prefill_chunk_size") or getattr(config, "prefill_chunk_size", None):
            raise ValueError(
                "prefill_chunk_size would cut the prompt inside a picture, whose positions see each other; "
                "leave it unset, a MODA prompt is short."
            )
        inputs = kwargs.get("input_ids", kwargs.get("inputs", args[0] if args else None))
        plan = None if args or kwargs.get("inputs") is not None else plain_greedy(self, kwargs)
        if plan is not None and can_decode(self):
            new, _ = decode(self, **plan)
            return torch.cat((inputs, new), 1)
        if self.config.image_attention == "prefix_lm" and inputs is not None:
            # What is written is not prompt, also when there is no cache and every step reads it again.
            cache = kwargs.get("past_key_values")
            past_length = 0 if cache is None else int(cache.get_seq_length())
            kwargs["prompt_length"] = past_length or inputs.shape[1]
        return super().generate(*args, **kwargs)

    def prepare_inputs_for_generation(
        self, input_ids, past_key_values=None, pixel_values=None, image_features=None, prompt_length=None, **kwargs
    ):
        """Feeds each picture once: with the chunk that holds its `<image>` tokens."""
        inputs = super().prepare_inputs_for_generation(input_ids, past_key_values=past_key_values, **kwargs)
        past_length = 0 if past_key_values is None else int(past_key_values.get_seq_length())
        name, pictures = ("pixel_values", pixel_values)
        if pictures is None:
            name, pictures = ("image_features", image_features)
        if pictures is not None:
            placeholders = input_ids == self.config.image_token_id
            length = self.config.image_seq_length
            seen = placeholders[:, :past_length].sum(-1) // length
            total = placeholders.sum(-1) // length
            if int(total.sum()) == len(pictures):  # otherwise the model says what is wrong
                new = [
                    index >= past
                    for past, count in zip(seen.tolist(), total.tolist(), strict=True)
                    for index in range(count)
                ]
                pictures = pictures[torch.tensor(new, dtype=torch.bool, device=pictures.device)]
            if len(pictures) > 0:
                inputs[name] = pictures
        if prompt_length is not None:
            answer = torch.arange(input_ids.shape[1], device=input_ids.device) >= prompt_length
            inputs["token_type_ids"] = answer.long().expand_as(input_ids)
        return inputs

    def _expand_inputs_for_generation(self, expand_size=1, is_encoder_decoder=False, input_ids=None, **model_kwargs):
        """Repeats rows for beams and samples; the default would interleave the pictures of a row that has several."""
        pictures = {name: model_kwargs.pop(name, None) for name in ("pixel_values", "image_features")}
        if expand_size > 1 and input_ids is not None:
            counts = (input_ids == self.config.image_token_id).sum(-1) // self.config.image_seq_length
            for name, values in pictures.items():
                if values is not None and int(counts.sum()) == len(values):
                    rows = values.split(counts.tolist())
                    pictures[name] = torch.cat([row for row in rows for _ in range(expand_size)])
        input_ids, model_kwargs = super()._expand_inputs_for_generation(
            expand_size=expand_size, is_encoder_decoder=is_encoder_decoder, input_ids=input_ids, **model_kwargs
        )
        return input_ids, {**model_kwargs, **{name: values for name, values in pictures.items() if values is not None}}

    @staticmethod
    def create_masks_for_generate(config, attention_mask=None, past_key_values=None, **kwargs):
        """With a static cache: a prompt's mask is left to `forward`, which knows its pictures; decoding is causal."""
        embeds = kwargs.get("inputs_embeds", kwargs.get("input_embeds"))  # the names of transformers 5 and 4
        if embeds.shape[1] > 1:
            return attention_mask
        kwargs = {"attention_mask": attention_mask, "past_key_values": past_key_values, **kwargs}
        return create_masks_for_generate(config=config.get_text_config(), **kwargs)


@torch.inference_mode()
def generate_sentences(model, processor, batch, with_confidence=False, **generate_kwargs):
    """Describes the pictures of a batch that the processor made, or whose pixels or features are at hand.

    Args:
        model ([`ModaForConditionalGeneration`]): In evaluation mode.
        processor ([`ModaProcessor`]): Its own.
        batch (`dict`): `pixel_values` or `image_features`; `input_ids` and `attention_mask` if the prompt is not the
            default one.
        with_confidence (`bool`, *optional*, defaults to `False`): Whether to tell how sure the model was.
        generate_kwargs: For `generate`; greedy, 48 new tokens unless told otherwise. Of what `return_dict_in_generate`
            adds nothing is returned.

    Returns:
        `list[str]`, or with confidence `tuple[list[str], list[float]]`: of each sentence the mean natural log-probability
        of its tokens, the end-of-sequence token among them and the padding behind it not. It is what the head says before
        any temperature, penalty or suppressed token: the likelihood that teacher forcing gives the same tokens.

    Raises:
        `ValueError`: If a confidence is asked for where a step does not choose one token a sentence, as for beams.
    """
    if "input_ids" not in batch:
        batch = processor(**batch)
    batch = {name: value.to(model.device) for name, value in batch.items()}
    options = {"max_new_tokens": 48, "do_sample": False, **generate_kwargs}
    length = batch["input_ids"].shape[1]
    if with_confidence:
        sequences, confidences = _generate_with_confidence(model, batch, options)
    else:
        sequences = _sequences(model.generate(**batch, **options))
    texts = processor.batch_decode(sequences[:, length:], skip_special_tokens=True)
    sentences = [text.strip() for text in texts]
    return (sentences, confidences) if with_confidence else sentences


def _generate_with_confidence(model, batch, options):
    plan = None if model.config.image_attention == "full" else plain_greedy(model, {**batch, **options})
    if plan is not None and can_decode(model):
        new, confidences = decode(model, **plan, with_confidence=True)
        return torch.cat((batch["input_ids"], new), 1), confidences.tolist()
    config = options.get("generation_config") or model.generation_config
    for name in NOT_TOKEN_BY_TOKEN:
        value = options.get(name, getattr(config, name, None))
        if value is not None and (value != 1 if name in OFF_AT_ONE else value):
            raise ValueError(
                f"{name} is {value!r}, under which a sentence's confidence is not that of one token a step; "
                "leave it out, or generate without confidence."
            )
    witness = _TokenLogProbabilities()
    hook = model.get_output_embeddings().register_forward_hook(witness.hear)
    try:
        # A compiled step would not call the hook.
        options = {**options, "disable_compile": True, "stopping_criteria": StoppingCriteriaList([witness])}
        sequences = _sequences(model.generate(**batch, **options))
    finally:
        hook.remove()
    new = sequences[:, batch["input_ids"].shape[1] :]
    stops = options.get("eos_token_id", config.eos_token_id)
    stops = torch.tensor([] if stops is None else stops, dtype=new.dtype, device=new.device)
    ends = torch.isin(new, stops).long()
    said = ends.cumsum(-1) - ends == 0  # up to the first end; padding may be that very token
    scores = torch.stack(witness.steps[: new.shape[1]], 1).to(said.device)
    return sequences, (scores.masked_fill(~said, 0).sum(-1) / said.sum(-1)).tolist()


def _sequences(generated):
    return getattr(generated, "sequences", generated)  # under `return_dict_in_generate` one of several outputs


class _TokenLogProbabilities(StoppingCriteria):
    """Notes each token's log-probability as it is chosen, so that no step's logits outlive the step. It never stops."""

    def __init__(self):
        self.steps = []

    def hear(self, head, inputs, logits):
        self.logits = logits[:, -1].float()

    def __call__(self, input_ids, scores, **kwargs):
        chosen = input_ids[:, -1:].to(self.logits.device)
        self.steps.append(self.logits.gather(1, chosen)[:, 0] - self.logits.logsumexp(-1))
        return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
