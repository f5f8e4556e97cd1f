"""The steps of greedy decoding on a CPU, as fast as memory gives out the weights.

A new token needs every weight of the language model once, and next to no arithmetic: reading them is the work. What else a
step does is kept small: transformers' `generate` spends a third of the time of SmolLM-360M's step between the matrix
products. The layers are the model's own, read in their places; nothing is copied.
"""

import torch
from torch import nn
from torch.nn import functional as F


try:  # as remote code
    from .int8_moda import Int8Linear
except ImportError:  # from the repository root, or installed
    from int8_moda import Int8Linear


BLOCK = 64  # tokens by which the room for keys and values grows
LAID_OUT_ALIKE = {"LlamaModel", "Qwen2Model"}


def is_laid_out_alike(language_model):
    """Whether the layers of a language model are those that the steps here know."""
    kind = type(language_model)  # by name, since importing a class takes a fifth of a second
    return kind.__name__ in LAID_OUT_ALIKE and kind.__module__.startswith("transformers.")


def steps_of(model, past, mask):
    """The steps behind a prompt.

    Args:
        model ([`ModaForConditionalGeneration`]): One that [`can_decode`] knows.
        past (`torch.Tensor` of shape `(layers, rows, key heads and value heads, length, head size)`): The prompt's keys and
            values.
        mask (`torch.LongTensor` of shape `(rows, length)`): 1 where the prompt has a token.

    Returns:
        `Callable`: Called with the next token of each row, `(rows,)`, it returns the logits of the one after,
        `(rows, vocabulary)`, which the following call may overwrite; `keep(rows)` returns the steps of some of the rows.
    """
    return (_OneRow if len(mask) == 1 else _Rows)(model, past, mask)


class _Rows:
    """The steps of several rows."""

    def __init__(self, model, past, mask):
        language_model = model.get_decoder()
        config, attention = language_model.config, language_model.layers[0].self_attn
        dtype = _float_type(model)
        self.model, self.past, self.dtype = model, past.to(dtype), dtype
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.size, self.scaling = attention.head_dim, attention.scaling
        self.embeddings, self.rotary = model.get_input_embeddings(), language_model.rotary_emb
        self.layers = [_layer(layer, dtype) for layer in language_model.layers]
        self.norm, self.head = _norm(language_model.norm, dtype), product_of([model.lm_head])
        self.place = mask.shape[1]
        self.mask = mask.bool()
        self.padded = not bool(mask.all())
        self.positions = mask.sum(-1, keepdim=True)

    def keep(self, rows):
        """The steps that go on with some of the rows."""
        self.past, self.mask, self.positions = self.past[:, rows], self.mask[rows], self.positions[rows]
        if len(rows) == 1:
            return _OneRow(self.model, self.past[:, :, :, : self.place], self.mask)
        return self

    def __call__(self, tokens):
        rows, heads, kv_heads, size, place = len(tokens), self.heads, self.kv_heads, self.size, self.place
        if place == self.past.shape[3]:
            self.past = F.pad(self.past, (0, 0, 0, BLOCK))
        seen = self.past[:, :, :, : place + 1]
        keys, values = seen[:, :, :kv_heads].unbind(0), seen[:, :, kv_heads:].unbind(0)
        slots = self.past[:, :, :, place].unbind(0)
        cosine, sine = _angles(self.rotary, self.positions, heads, kv_heads, self.dtype)
        self.mask = F.pad(self.mask, (0, 1), value=True)
        mask = self.mask[:, None, None] if self.padded else None
        half, all_heads = size // 2, heads + 2 * kv_heads
        grouped = (rows, kv_heads, heads // kv_heads, size)
        # The sum over the layers is kept in float32, also between layers of bfloat16.
        hidden = self.embeddings(tokens).float()
        for index, (norm, attend, put_back, second_norm, widen, act, narrow) in enumerate(self.layers):
            turning = attend(norm(hidden)).view(rows, all_heads, size)
            swapped = torch.cat((turning[..., half:], turning[..., :half]), -1)
            turned = torch.addcmul(turning * cosine, swapped, sine)
            slots[index].copy_(turned[:, heads:])
            # A query's group of heads takes the place of a length: each key head serves its group without being repeated.
            attended = F.scaled_dot_product_attention(
                turned[:, :heads].view(grouped), keys[index], values[index], attn_mask=mask, scale=self.scaling
            )
            hidden += put_back(attended.reshape(rows, heads * size))
            gate, up = widen(second_norm(hidden)).chunk(2, -1)
            hidden += narrow(act(gate) * up)
        self.place, self.positions = place + 1, self.positions + 1
        return self.head(self.norm(hidden))


class _OneRow:
    """The steps of a single row, in float32 between the products.

    The weights that a product streams through the processor's caches push everything else out of them. Each call of torch
    starts cold after it, and costs several times what it does in a loop of its own: here are few, they ask for no memory,
    and all views are made once.
    """

    def __init__(self, model, past, mask):
        language_model = model.get_decoder()
        config, attention = language_model.config, language_model.layers[0].self_attn
        heads, kv_heads, size = config.num_attention_heads, config.num_key_value_heads, attention.head_dim
        self.heads, self.kv_heads, self.scaling = heads, kv_heads, attention.scaling
        self.embeddings, self.rotary = model.get_input_embeddings(), language_model.rotary_emb
        self.past = past[:, 0][:, :, mask[0].bool()].float()  # no step looks at what is masked
        self.place = self.past.shape[2]

        # What products read is cast to their type as it is written; the sum over the layers stays in float32.
        self.hidden, dtype = torch.empty(config.hidden_size), _float_type(model)
        self.normed = torch.empty(config.hidden_size, dtype=dtype)
        projected, self.attended = torch.empty((heads + 2 * kv_heads) * size), torch.empty(heads * size)
        self.turning = projected.view(-1, size)
        self.halves = self.turning[:, size // 2 :], self.turning[:, : size // 2]
        self.swapped, self.turned = torch.empty_like(self.turning), torch.empty_like(self.turning)
        widened = torch.empty(2 * config.intermediate_size)
        self.gate, self.up = widened.chunk(2)
        self.gated = torch.empty(config.intermediate_size, dtype=dtype)
        self.logits, self.zero = torch.empty(1, model.lm_head.out_features), torch.zeros(1, 1, 1)
        self.layers = []
        for layer in language_model.layers:
            attention, mlp = layer.self_attn, layer.mlp
            self.layers.append(
                (
                    self._norm(layer.input_layernorm),
                    row_product([attention.q_proj, attention.k_proj, attention.v_proj], projected),
                    row_product([attention.o_proj], self.hidden, add=True),
                    self._norm(layer.post_attention_layernorm),
                    row_product([mlp.gate_proj, mlp.up_proj], widened),
                    F.silu if isinstance(mlp.act_fn, nn.SiLU) else mlp.act_fn,
                    row_product([mlp.down_proj], self.hidden, add=True),
                )
            )
        self.norm, self.head = self._norm(language_model.norm), row_product([model.lm_head], self.logits[0])

    def _norm(self, module):
        """Multiplies by the norm's weight; what the row is to be divided by as well, its product takes as a number."""
        weight, epsilon, hidden, normed = module.weight.float(), module.variance_epsilon, self.hidden, self.normed

        def norm():
            torch.mul(hidden, weight, out=normed)
            return (torch.dot(hidden, hidden).item() / len(hidden) + epsilon) ** -0.5

        return norm

    def __call__(self, tokens):
        """Writes each step's logits to the same place."""
        kv_heads, place, halves, turning, turned = self.kv_heads, self.place, self.halves, self.turning, self.turned
        if place == self.past.shape[2]:
            self.past = F.pad(self.past, (0, 0, 0, BLOCK))
        seen = self.past[:, :, : place + 1]
        keys, values = seen[:, :kv_heads].transpose(2, 3).unbind(0), seen[:, kv_heads:].unbind(0)
        slots = self.past[:, :, place].unbind(0)
        angles = _angles(self.rotary, torch.tensor([[place]]), self.heads, kv_heads, torch.float32)
        cosine, sine = angles[0][0], angles[1][0]
        queries, new = turned[: self.heads].view(kv_heads, -1, turned.shape[1]), turned[self.heads :]
        attended = self.attended.view(queries.shape)
        self.hidden.copy_(self.embeddings(tokens)[0])
        for (norm, attend, put_back, second_norm, widen, act, narrow), key, value, slot in zip(
            self.layers, keys, values, slots
        ):
            attend(self.normed, norm())
            torch.cat(halves, 1, out=self.swapped)
            torch.mul(turning, cosine, out=turned).addcmul_(self.swapped, sine)
            slot.copy_(new)
            scores = torch.baddbmm(self.zero, queries, key, beta=0, alpha=self.scaling)
            torch.bmm(torch.softmax(scores, -1), value, out=attended)
            put_back(self.attended)
            widen(self.normed, second_norm())
            narrow(torch.mul(act(self.gate), self.up, out=self.gated))
        self.head(self.normed, self.norm())
        self.place += 1
        return self.logits


def _float_type(model):
    weight = model.get_decoder().layers[0].mlp.down_proj.weight
    return torch.bfloat16 if weight.dtype == torch.bfloat16 else torch.float32


def _angles(rotary, positions, heads, kv_heads, dtype):
    """Cosines and sines for all heads at once, `(rows, heads, size)`; the values, which are not turned, get 1 and 0."""
    cosine, sine = rotary(torch.zeros(1), positions)  # (rows, 1, size)
    half, kept = cosine.shape[2] // 2, (len(cosine), kv_heads, cosine.shape[2])
    sine = torch.cat((-sine[..., :half], sine[..., half:]), -1)
    turned = (-1, heads + kv_heads, -1)
    cosine = torch.cat((cosine.expand(turned), torch.ones(kept)), 1)
    return cosine.to(dtype), torch.cat((sine.expand(turned), torch.zeros(kept)), 1).to(dtype)


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
    weight, size, epsilon = module.weight.float(), (module.weight.numel(),), module.variance_epsilon
    return lambda hidden: F.rms_norm(hidden, size, weight, epsilon).to(dtype)


def product_of(linears):
    """The product of one or several layers with the same input, their outputs side by side.

    Returns:
        `Callable`: From a tensor of shape `(rows, columns)` in the type of the layers, float32 for int8 ones, to
        `(rows, outputs)`.
    """
    parts = _parts(linears)
    if isinstance(linears[0], Int8Linear):
        multiply, bias = Int8Linear.rows, None  # they add their own
    else:
        bias = None if linears[0].bias is None else torch.cat([linear.bias for linear in linears])
        # Of bfloat16, oneDNN reads the first factor as it lies and lays out the second anew each time: weights come first.
        half = parts[0].dtype == torch.bfloat16
        multiply = (lambda weight, rows: torch.mm(weight, rows.t()).t()) if half else _linear

    def product(rows):
        outputs = [multiply(part, rows) for part in parts]
        output = outputs[0].contiguous() if len(outputs) == 1 else torch.cat(outputs, -1)
        return output if bias is None else output + bias

    return product


def _linear(weight, rows):
    return F.linear(rows, weight)


def row_product(linears, output, add=False):
    """The product of one or several layers with a single row, written into memory that is there.

    Args:
        linears (`list[nn.Module]`): Layers with the same input, whose outputs lie side by side.
        output (`torch.FloatTensor` of shape `(outputs,)`): float32; holds what the product leaves.
        add (`bool`, *optional*, defaults to `False`): Whether the product is added to what `output` holds.

    Returns:
        `Callable`: Of a float32 tensor of shape `(columns,)`, and of a number by which it is to be multiplied first.
    """
    parts = _parts(linears)
    kind = _int8_product if isinstance(parts[0], Int8Linear) else _float_product
    sizes = [part.out_features if isinstance(part, Int8Linear) else len(part) for part in parts]
    products = [kind(part, place, add) for part, place in zip(parts, output.split(sizes))]
    bias = None
    if kind is _float_product and linears[0].bias is not None:
        bias = torch.cat([linear.bias for linear in linears]).float()
    if len(products) == 1 and bias is None:
        return products[0]

    def product(row, scale=1.0):
        for part in products:
            part(row, scale)
        if bias is not None:
            output.add_(bias)

    return product


def _int8_product(layer, output, add):
    biased = layer.bias is not None  # which it adds itself

    def product(row, scale=1.0):
        found, left = (layer.row(row * scale), 1.0) if biased else (layer.row(row), scale)
        if add:
            output.add_(found, alpha=left)
        else:
            torch.mul(found, left, out=output)

    return product


def _float_product(weight, output, add):
    if weight.dtype != torch.bfloat16:
        kept = 1 if add else 0
        return lambda row, scale=1.0: torch.addmv(output, weight, row, beta=kept, alpha=scale, out=output)
    half = torch.empty(len(weight), dtype=torch.bfloat16)

    def product(row, scale=1.0):
        torch.mv(weight, row.to(torch.bfloat16), out=half)
        if add:
            output.add_(half, alpha=scale)
        else:
            torch.mul(half, scale, out=output)

    return product


def _parts(linears):
    """Weights of layers, or int8 layers, as few as they can be read in."""
    if isinstance(linears[0], Int8Linear):
        whole = linears[0] if len(linears) == 1 else Int8Linear.joint(linears)
        return linears if whole is None else [whole]
    weights = [linear.weight for linear in linears]
    joined = _adjacent(weights)
    return weights if joined is None else [joined]


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
    if is_laid_out_alike(language_model):
        for layer in language_model.layers:
            fuse_layer(layer)
    return model


@torch.no_grad()
def fuse_layer(layer):
    """Does [`fuse_projections`]'s work for one layer of the language model."""
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
