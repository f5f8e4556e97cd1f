"""Greedy decoding on a CPU: which calls of `generate` ask for no more, and the loop that answers them.

The steps themselves are in steps_moda.py. Any other kind of generation, language model or machine is left to transformers.
"""

import torch
from torch import nn
from transformers import DynamicCache, GenerationConfig


try:  # as remote code
    from .int8_moda import Int8Linear
    from .steps_moda import is_laid_out_alike, steps_of
except ImportError:  # from the repository root, or installed
    from int8_moda import Int8Linear
    from steps_moda import is_laid_out_alike, steps_of


# Fields of a GenerationConfig that greedy decoding reads here, and those that it has no use for.
READ = {"max_new_tokens", "eos_token_id", "pad_token_id", "suppress_tokens"}
UNUSED = {
    *("temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff"),
    *("length_penalty", "early_stopping", "max_length", "bos_token_id", "decoder_start_token_id", "disable_compile"),
    *("is_assistant", "num_assistant_tokens", "num_assistant_tokens_schedule", "assistant_confidence_threshold"),
    *("assistant_lookbehind", "target_lookbehind", "max_matching_ngram_size", "speculation_type", "use_cache"),
    *("transformers_version", "generation_kwargs", "cache_config", "continuous_batching_config", "low_memory"),
}
OFF_AT_ONE = {
    *("num_beams", "num_return_sequences", "num_beam_groups", "guidance_scale"),
    *("repetition_penalty", "encoder_repetition_penalty"),
}
STATIC_ROPE = {"default", "linear", "llama3", "yarn"}  # whose angles depend on the position alone


def plain_greedy(model, kwargs):
    """Says how to decode greedily, if that is all that a call of `generate` asks for.

    Args:
        model ([`ModaForConditionalGeneration`]): With its `generation_config`.
        kwargs (`dict`): Arguments of `generate`.

    Returns:
        `dict`, with `inputs` for the model, `max_new_tokens`, `stops`, `pad`, `suppressed`; or `None`, for any other kind of
        generation, and where this module does not know the language model.
    """
    if kwargs.get("generation_config") is not None or any(kwargs.get(name, 0) is None for name in READ):
        return None  # what fills the gaps of another config, and what None says, transformers' versions know
    kwargs = dict(kwargs)
    kwargs.pop("generation_config", None)
    inputs = {
        name: kwargs.pop(name, None) for name in ("input_ids", "attention_mask", "pixel_values", "image_features")
    }
    fields = {name for name in vars(GenerationConfig()) if not name.startswith("_")}
    if any(name not in fields for name, value in kwargs.items() if value is not None):
        return None
    settings = {name: value for name, value in vars(model.generation_config).items() if not name.startswith("_")}
    settings |= {name: value for name, value in kwargs.items() if value is not None}
    for name, value in settings.items():
        if name in READ | UNUSED:
            continue
        if value not in (1, None) if name in OFF_AT_ONE else value:
            return None
    length, ids, mask = settings.get("max_new_tokens"), inputs["input_ids"], inputs["attention_mask"]
    if (
        not length
        or length < 1
        or settings.get("use_cache") is False
        or ids is None
        or ids.ndim != 2
        or not ids.numel()
    ):
        return None
    if mask is not None and (mask.shape != ids.shape or not bool(mask[:, -1].all())):
        return None
    stops = settings.get("eos_token_id")
    stops = _listed(stops)
    pad = settings.get("pad_token_id")
    return {
        "inputs": {name: value for name, value in inputs.items() if value is not None},
        "max_new_tokens": length,
        "stops": stops,
        "pad": int(pad) if pad is not None else stops[0] if stops else 0,
        "suppressed": [
            i for i in _listed(settings.get("suppress_tokens")) if 0 <= i < model.config.text_config.vocab_size
        ],
    }


def _listed(tokens):  # a number, a list, a tensor, or nothing
    return [] if tokens is None else torch.as_tensor(tokens).flatten().tolist()


def can_decode(model):
    """Whether [`decode`] knows the model: on a CPU, in evaluation, a language model laid out as Llama's, all as built."""
    language_model, head = model.get_decoder(), model.lm_head
    if not is_laid_out_alike(language_model) or model.device.type != "cpu" or model.training:
        return False
    rotary, config = language_model.rotary_emb, language_model.config
    if getattr(rotary, "rope_type", "default") not in STATIC_ROPE or getattr(config, "use_sliding_window", False):
        return False
    weights = [*language_model.parameters(), *head.parameters()]
    if any(type(weight) is not nn.Parameter for weight in weights):
        return False  # sharded, or quantised by others
    if {weight.dtype for weight in weights if weight.ndim == 2} not in (
        {torch.float32},
        {torch.bfloat16},
        {torch.int8},
    ):
        return False
    for module in (model, model.model, head, *language_model.modules()):
        # An adapter, a hook or a forward of another's making wants to be called.
        if module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module):
            return False
        own = type(module).__module__.startswith(("torch.nn.", "transformers.", Int8Linear.__module__))
        if not own and module is not model and module is not model.model:
            return False
    return True


@torch.inference_mode()
def decode(model, inputs, max_new_tokens, stops=(), pad=0, suppressed=(), with_confidence=False):
    """Writes the most likely tokens, one at a time: what `generate(do_sample=False)` writes.

    A row that has ended is taken out of the batch once so many have that the others gain from it.

    Args:
        model ([`ModaForConditionalGeneration`]): One that [`can_decode`] knows.
        inputs (`dict`): `input_ids` and `attention_mask` of shape `(batch, length)`, padded on the left; `pixel_values` or
            `image_features`.
        max_new_tokens (`int`): Tokens of the longest answer.
        stops (`list[int]`, *optional*): Tokens that end a row; they are part of it.
        pad (`int`, *optional*, defaults to 0): What follows the end of a row.
        suppressed (`list[int]`, *optional*): Tokens that are never chosen.
        with_confidence (`bool`, *optional*, defaults to `False`): Whether to add up the tokens' log-probabilities.

    Returns:
        `tuple[torch.LongTensor, torch.FloatTensor]`: The new tokens, of shape `(batch, new tokens)`; and of each row the
        mean natural log-probability of its tokens, the stop among them, before any token is suppressed, or `None`.
    """
    ids = inputs["input_ids"]
    rows = len(ids)
    mask = inputs.get("attention_mask")
    mask = torch.ones_like(ids) if mask is None else mask
    past, logits = _prefill(model, inputs, mask)
    steps = steps_of(model, past, mask)
    del past
    stops, suppressed = torch.tensor(stops, dtype=torch.long), torch.tensor(suppressed, dtype=torch.long)
    written = torch.full((rows, max_new_tokens), pad)
    totals, counts = torch.zeros(rows), torch.zeros(rows)
    alive = torch.arange(rows)  # of each row of the batch which of the caller's it is
    running = torch.ones(rows, dtype=torch.bool)  # of each row of the batch whether it goes on
    length = 0
    while True:
        if with_confidence:
            raw = logits.float()
            normalizer = raw.logsumexp(-1)
        if len(suppressed):
            chosen = logits.index_fill(-1, suppressed, float("-inf")).argmax(-1)
        else:
            chosen = logits.argmax(-1)
        if with_confidence:
            said = raw.gather(1, chosen[:, None])[:, 0] - normalizer
            totals[alive[running]] += said[running]
            counts[alive[running]] += 1
        written[alive[running], length] = chosen[running]
        length += 1
        if len(stops):
            running &= ~torch.isin(chosen, stops)
        if length == max_new_tokens or not bool(running.any()):
            break
        left = int(running.sum())
        if left <= len(running) * 3 // 4:
            kept = running.nonzero()[:, 0]
            steps = steps.keep(kept)
            alive, chosen, running = alive[kept], chosen[kept], running[kept]
        logits = steps(chosen)
    return written[:, :length], totals / counts if with_confidence else None


def _prefill(model, inputs, mask):
    """The prompt goes the ordinary way, under the policy's mask.

    Returns:
        `tuple[torch.Tensor, torch.Tensor]`: Keys and values of all layers in one tensor of shape `(layers, rows, key heads
        and value heads, length, head size)`, so that a step slices it once and not layer by layer; and the next logits.
    """
    inputs = {**inputs, "attention_mask": mask}
    if model.config.image_attention == "prefix_lm":
        inputs["token_type_ids"] = torch.zeros_like(mask)
    cache = DynamicCache(config=model.get_decoder().config)
    outputs = model(**inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
    past = torch.stack([torch.cat((kept.keys, kept.values), 1) for kept in outputs.past_key_values.layers])
    return past, outputs.logits[:, -1]
