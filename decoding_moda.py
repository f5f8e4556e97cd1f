"""Greedy decoding on a CPU, as fast as memory gives out the weights.

A new token needs every weight of the language model once, and next to no arithmetic: reading them is the work. What else a
step does is kept small here: transformers' `generate` spends a third of the time of SmolLM-360M's step between the matrix
products. The layers are the model's own, read in their places; nothing is copied, and any other kind of generation, language
model or machine is left to transformers.
"""

import torch
from torch import nn
from torch.nn import functional as F
from transformers import DynamicCache, GenerationConfig


try:  # as remote code
    from .int8_moda import Int8Linear
except ImportError:  # from the repository root, or installed
    from int8_moda import Int8Linear


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
BLOCK = 64  # tokens by which the room for keys and values grows
LAID_OUT_ALIKE = {"LlamaModel", "Qwen2Model"}
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
        off = value in (1, None) if name in OFF_AT_ONE else not value
        if name not in READ | UNUSED and not off:
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
    stops = [] if stops is None else torch.as_tensor(stops).flatten().tolist()
    pad = settings.get("pad_token_id")
    return {
        "inputs": {name: value for name, value in inputs.items() if value is not None},
        "max_new_tokens": length,
        "stops": stops,
        "pad": int(pad) if pad is not None else stops[0] if stops else 0,
        "suppressed": [
            i for i in settings.get("suppress_tokens") or [] if 0 <= i < model.config.text_config.vocab_size
        ],
    }


def can_decode(model):
    """Whether [`decode`] knows the model: on a CPU, in evaluation, a language model laid out as Llama's, all as built."""
    language_model, head = model.get_decoder(), model.lm_head
    if not _is_laid_out_alike(language_model) or model.device.type != "cpu" or model.training:
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


def _is_laid_out_alike(language_model):  # by name, since importing a class takes a fifth of a second
    kind = type(language_model)
    return kind.__name__ in LAID_OUT_ALIKE and kind.__module__.startswith("transformers.")


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
    cache, logits = _prefill(model, inputs, mask)
    steps = _Steps(model, cache, mask)
    del cache
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
            steps.keep(kept)
            alive, chosen, running = alive[kept], chosen[kept], running[kept]
        logits = steps(chosen, length - 1)
    return written[:, :length], totals / counts if with_confidence else None


def _prefill(model, inputs, mask):
    """The prompt goes the ordinary way, under the policy's mask."""
    inputs = {**inputs, "attention_mask": mask}
    if model.config.image_attention == "prefix_lm":
        inputs["token_type_ids"] = torch.zeros_like(mask)
    cache = DynamicCache(config=model.get_decoder().config)
    outputs = model(**inputs, past_key_values=cache, use_cache=True, logits_to_keep=1)
    return outputs.past_key_values, outputs.logits[:, -1]


class _Steps:
    """The steps behind a prompt: one token of each row in, the logits of the next out."""

    def __init__(self, model, cache, mask):
        language_model = model.get_decoder()
        config = language_model.config
        first = language_model.layers[0]
        self.dtype = torch.float32 if isinstance(first.mlp.down_proj, Int8Linear) else first.mlp.down_proj.weight.dtype
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.size, self.scaling = first.self_attn.head_dim, first.self_attn.scaling
        self.embeddings, self.rotary = model.get_input_embeddings(), language_model.rotary_emb
        self.layers = [_layer(layer, self.dtype) for layer in language_model.layers]
        self.norm, self.head = _norm(language_model.norm, self.dtype), product_of([model.lm_head])
        # Keys and values of all layers lie in one tensor, (layers, rows, key heads and value heads, length, size), so that
        # a step slices it once and not layer by layer.
        rows, self.prompt = mask.shape
        self.past = torch.zeros(
            len(self.layers), rows, 2 * self.kv_heads, self.prompt + BLOCK, self.size, dtype=self.dtype
        )
        for past, kept in zip(self.past, cache.layers, strict=True):
            past[:, : self.kv_heads, : self.prompt] = kept.keys
            past[:, self.kv_heads :, : self.prompt] = kept.values
        self.mask = None if bool(mask.all()) else mask.bool()[:, None, None]
        self.positions = mask.sum(-1, keepdim=True)
        if bool((self.positions == self.positions[0]).all()):
            self.positions = self.positions[:1]

    def keep(self, rows):
        """Goes on with some of the rows."""
        self.past = self.past[:, rows]
        self.mask = None if self.mask is None else self.mask[rows]
        self.positions = self.positions if len(self.positions) == 1 else self.positions[rows]

    def _angles(self, step):
        """Cosines and sines for all heads at once; the values, which are not turned, get 1 and 0."""
        cosine, sine = self.rotary(torch.zeros(1), self.positions + step)  # (rows or 1, 1, size)
        half, kept = self.size // 2, (len(cosine), self.kv_heads, self.size)
        sine = torch.cat((-sine[..., :half], sine[..., half:]), -1)
        turned = (-1, self.heads + self.kv_heads, -1)
        cosine = torch.cat((cosine.expand(turned), torch.ones(kept)), 1)
        return cosine.to(self.dtype), torch.cat((sine.expand(turned), torch.zeros(kept)), 1).to(self.dtype)

    def __call__(self, tokens, step):
        rows, heads, kv_heads, size = len(tokens), self.heads, self.kv_heads, self.size
        place = self.prompt + step
        if place == self.past.shape[3]:
            self.past = F.pad(self.past, (0, 0, 0, BLOCK))
        seen = self.past[:, :, :, : place + 1]
        keys, values = seen[:, :, :kv_heads].unbind(0), seen[:, :, kv_heads:].unbind(0)
        slots = self.past[:, :, :, place].unbind(0)
        cosine, sine = self._angles(step)
        mask = None if self.mask is None else F.pad(self.mask, (0, step + 1), value=True)
        half, all_heads = size // 2, heads + 2 * kv_heads
        grouped = (rows, kv_heads, heads // kv_heads, size)
        flat = (heads * size,) if rows == 1 else (rows, heads * size)
        # The sum over the layers is kept in float32, also between layers of bfloat16.
        hidden = self.embeddings(tokens).float()
        if rows == 1:  # a vector from here on: with few numbers the calls are the cost
            hidden = hidden[0]
        for index, (norm, attend, put_back, second_norm, widen, act, narrow) in enumerate(self.layers):
            turning = attend(norm(hidden)).view(rows, all_heads, size)
            swapped = torch.cat((turning[..., half:], turning[..., :half]), -1)
            turned = torch.addcmul(turning * cosine, swapped, sine)
            slots[index].copy_(turned[:, heads:])
            # A query's group of heads takes the place of a length: each key head serves its group without being repeated.
            attended = F.scaled_dot_product_attention(
                turned[:, :heads].view(grouped), keys[index], values[index], attn_mask=mask, scale=self.scaling
            )
            hidden += put_back(attended.reshape(flat))
            gate, up = widen(second_norm(hidden)).chunk(2, -1)
            hidden += narrow(act(gate) * up)
        return self.head(self.norm(hidden)).view(rows, -1)


def _layer(layer, dtype):
    attention, mlp = layer.self_attn, layer.mlp
    return (
        _norm(layer.input_layernorm, dtype),
        product_of([attention.q_proj, attention.k_proj, attention.v_proj]),
        product_of([attention.o_proj]),
        _norm(layer.post_attention_layernorm, dtype),
        product_of([mlp.gate_proj, mlp.up_proj]),
        mlp.act_fn,
        product_of([mlp.down_proj]),
    )


def _norm(module, dtype):
    weight, size, epsilon = module.weight.float(), module.weight.numel(), module.variance_epsilon

    def norm(hidden):
        if (
            len(hidden) == 1
        ):  # with few numbers the calls are the cost: a dot product and Python's own root are cheapest
            row = hidden[0]
            hidden = hidden * (float(torch.dot(row, row)) / size + epsilon) ** -0.5 * weight
        else:
            hidden = F.rms_norm(hidden, (size,), weight, epsilon)
        return hidden if dtype == torch.float32 else hidden.to(dtype)

    return norm


def product_of(linears):
    """The product of one or several layers with the same input, their outputs side by side.

    Returns:
        `Callable`: Of a tensor of shape `(columns,)` or `(rows, columns)`, in the type of the layers, float32 for int8 ones.
    """
    if isinstance(linears[0], Int8Linear):
        whole = linears[0] if len(linears) == 1 else Int8Linear.joint(linears)
        parts = linears if whole is None else [whole]

        def product(hidden):
            rows = hidden if hidden.ndim == 2 else hidden[None]
            outputs = [part.rows(rows) for part in parts]
            outputs = outputs[0] if len(outputs) == 1 else torch.cat(outputs, -1)
            return outputs if hidden.ndim == 2 else outputs[0]

        return product

    weights = [linear.weight for linear in linears]
    joined = _adjacent(weights)
    weights = weights if joined is None else [joined]
    bias = None if linears[0].bias is None else torch.cat([linear.bias for linear in linears])
    bfloat16 = weights[0].dtype == torch.bfloat16

    def product(hidden):
        if hidden.ndim == 1:
            outputs = [torch.mv(weight, hidden) for weight in weights]
        elif bfloat16:
            # oneDNN reads the first factor as it lies, and lays out the second anew each time: the weights come first.
            column = hidden.t()
            outputs = [torch.mm(weight, column).t() for weight in weights]
        else:
            outputs = [F.linear(hidden, weight) for weight in weights]
        output = outputs[0].contiguous() if len(outputs) == 1 else torch.cat(outputs, -1)
        return output if bias is None else output + bias

    return product


def _adjacent(weights):
    """The weights as one matrix, if they follow each other in memory; see `fuse_projections`."""
    first = weights[0]
    place = first.data_ptr()
    for weight in weights:
        same = weight.untyped_storage().data_ptr() == first.untyped_storage().data_ptr()
        if weight.data_ptr() != place or not same or not weight.is_contiguous():
            return None
        place += weight.numel() * weight.element_size()
    rows = sum(len(weight) for weight in weights)
    return torch.as_strided(first, (rows, first.shape[1]), first.stride())


@torch.no_grad()
def fuse_projections(model):
    """Lays weights that are multiplied with the same input next to each other, so that one product reads them.

    Parameters keep their names, shapes and values, and are views of a common storage; int8 layers are joined. Nothing is
    held twice. Worth some per cent a token at batch 1. `.to(...)` and the like separate them again, at the gain's cost.

    Args:
        model ([`ModaForConditionalGeneration`]): Changed in place.

    Returns:
        The model.
    """
    language_model = model.get_decoder()
    if not _is_laid_out_alike(language_model):
        return model
    for layer in language_model.layers:
        attention, mlp = layer.self_attn, layer.mlp
        for linears in ((attention.q_proj, attention.k_proj, attention.v_proj), (mlp.gate_proj, mlp.up_proj)):
            if all(isinstance(linear, Int8Linear) for linear in linears):
                Int8Linear.joined(linears)
            elif (
                all(type(linear) is nn.Linear for linear in linears)
                and _adjacent([linear.weight for linear in linears]) is None
            ):
                whole = torch.cat([linear.weight for linear in linears])
                for linear, part in zip(linears, whole.split([len(linear.weight) for linear in linears]), strict=True):
                    linear.weight.data = part
    return model
