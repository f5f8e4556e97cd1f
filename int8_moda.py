"""Int8 weights for processors: linear layers and embeddings of a quarter of their float32 size, read as fast as memory gives.

Weights are rounded to int8 with one float32 scale an output row (symmetric: the largest value of a row becomes ±127).
Activations are rounded to 8 bits as they come, each row by its own largest value (Dettmers et al., "LLM.int8()", section
2.1: vector-wise quantisation, without its outliers), so that no row of a batch depends on its neighbours. Products are
sums of integers, which are exact in any order: a batch says what single pictures say, with fbgemm and qnnpack to the bit.
"""

import functools
import itertools
import threading
import warnings

import torch
from torch import nn


LEVELS = 127  # a row's largest weight, and its largest activation, become ± this
PACKING = threading.Lock()


class Int8Linear(nn.Module):
    """A linear layer with int8 weights, for inference.

    On its first use on a CPU the weights are packed in the order in which the processor reads them, and held in that
    order alone; `state_dict`, `load_state_dict` and `to` unpack them again.

    Args:
        in_features, out_features, bias: See `torch.nn.Linear`.
        dtype (`torch.dtype`, *optional*): Of the bias. The scales are float32, whatever the model is cast to.

    Attributes:
        weight (`torch.nn.Parameter` of shape `(out_features, in_features)`): int8; on the meta device while packed.
        weight_scale (`torch.FloatTensor` of shape `(out_features,)`): What a row's int8 values are multiplied by.
        bias (`torch.nn.Parameter` of shape `(out_features,)`, *optional*): Added to the product.
        shared (`bool`): Whether an embedding holds the same weights, which then stay as they are beside the packed ones.
    """

    def __init__(self, in_features, out_features, bias=True, dtype=None):
        super().__init__()
        self.in_features, self.out_features = in_features, out_features
        self.weight = _frozen(torch.zeros(out_features, in_features, dtype=torch.int8))
        self.register_buffer("weight_scale", torch.ones(out_features, dtype=torch.float32))
        self.bias = nn.Parameter(torch.zeros(out_features, dtype=dtype)) if bias else None
        self.shared = False
        self._packed = self._product = self._joined = None

    @classmethod
    def from_linear(cls, linear):
        """Rounds the weights of a `torch.nn.Linear`."""
        layer = _on_meta(cls, linear.in_features, linear.out_features, bias=False)
        layer.weight, layer.weight_scale = _rounded(linear.weight)
        layer.bias = linear.bias
        return layer

    def forward(self, inputs):
        """Multiplies `inputs`, of shape `(..., in_features)` and any float type; the output has the same type."""
        if inputs.requires_grad and torch.is_grad_enabled():
            return _NoGradient.apply(inputs, self)
        rows = inputs.reshape(-1, self.in_features).float()
        return self.rows(rows).to(inputs.dtype).view(*inputs.shape[:-1], self.out_features)

    def rows(self, inputs):
        """The bare product, for loops that run it a hundred times a token.

        Args:
            inputs (`torch.FloatTensor` of shape `(rows, in_features)`): float32, without gradient.

        Returns:
            `torch.FloatTensor` of shape `(rows, out_features)`: float32. A row depends on its own inputs alone.
        """
        if self._joined is not None:
            whole, part = self._joined
            return whole.rows(inputs)[:, part]
        if self._packed is None and not self.pack():
            product = self._plain_product(inputs)
            return product if self.bias is None else product + self.bias
        peaks = inputs.abs().amax(-1, True)
        product = self._product(inputs, peaks, self._packed)
        # A row of zeros has whatever 0 / 0 was rounded to, which is finite, times its peak, which is 0.
        return product.mul_(peaks) if self.bias is None else torch.addcmul(self.bias.float(), product, peaks)

    def row(self, inputs):
        """One row's product, in half the calls of [`~Int8Linear.rows`] where torch takes a row's step as a number.

        Args:
            inputs (`torch.FloatTensor` of shape `(columns,)`): float32, without gradient.

        Returns:
            `torch.FloatTensor` of shape `(outputs,)`: float32; of `rows`'s, to the rounding of a step.
        """
        if self._joined is not None:
            whole, part = self._joined
            return whole.row(inputs)[part]
        if (self._packed is None and not self.pack()) or self._product.func is not _step_product:
            return self.rows(inputs[None])[0]
        peak = torch.linalg.vector_norm(inputs, float("inf")).item() or 1.0
        output = _stepped(inputs[None], peak, self._packed, **self._product.keywords)[0]
        return output if self.bias is None else output + self.bias

    def _plain_product(self, inputs):  # other devices: right, and no faster than float
        peaks = inputs.abs().amax(-1, True)
        rounded = (inputs / peaks).nan_to_num().mul(LEVELS).round()
        return nn.functional.linear(rounded, self.weight.float()) * (self.weight_scale / LEVELS) * peaks

    def pack(self):
        """Packs the weights now and not on first use; `False` where this device has no integer product."""
        if self._joined is not None:
            return self._joined[0].pack()
        if self.weight.device.type != "cpu" and self._packed is None:
            return False
        with PACKING, torch.inference_mode(False), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch 2.13 announces that quantised tensors will go some day
            if self._packed is None:
                self._product, extra = _choose_product(torch.backends.quantized.engine)
                if self._product is None:
                    return False
                weight = nn.functional.pad(self.weight, (0, extra)) if extra else self.weight
                self._packed = _packed(weight, self.weight_scale)
                del weight
                if not self.shared:
                    self.weight = _frozen(torch.empty_like(self.weight, device="meta"))
        return True

    def _unpacked(self):
        if self._joined is not None:
            whole, part = self._joined
            return _frozen(whole._unpacked()[part].clone())
        if self._packed is None or self.shared:
            return self.weight
        weight = torch.ops.quantized.linear_unpack(self._packed)[0].int_repr()
        return _frozen(weight[:, : self.in_features].contiguous())

    def _unpack(self):
        with PACKING:
            self.weight, self._packed, self._joined = self._unpacked(), None, None

    @property
    def is_joined(self):
        """Whether the weights are part of a [`~Int8Linear.joined`] layer's."""
        return self._joined is not None

    @staticmethod
    def joint(layers):
        """The layer into which layers are [`~Int8Linear.joined`], all of it and in this order, or `None`."""
        joints = [layer._joined for layer in layers]
        if None in joints or any(whole is not joints[0][0] for whole, _ in joints):
            return None
        whole, ends = joints[0][0], [0, *(part.stop for _, part in joints)]
        fits = ends[-1] == whole.out_features and all(part.start == end for (_, part), end in zip(joints, ends))
        return whole if fits else None

    @staticmethod
    def joined(layers):
        """Joins layers with the same inputs into one with all their outputs, side by side: one product instead of several.

        The layers go on working, from the weights of the whole, which are the only ones then.

        Args:
            layers (`list[Int8Linear]`): As query, key and value; with a bias each, or none.

        Returns:
            [`Int8Linear`]: The one that is there, if they are joined already.
        """
        if (whole := Int8Linear.joint(layers)) is not None:
            return whole
        sizes = [layer.out_features for layer in layers]
        whole = _on_meta(Int8Linear, layers[0].in_features, sum(sizes), bias=False)
        whole.weight = _frozen(torch.cat([layer._unpacked() for layer in layers]))
        whole.weight_scale = torch.cat([layer.weight_scale for layer in layers])
        if layers[0].bias is not None:
            whole.bias = _frozen(torch.cat([layer.bias.detach() for layer in layers]))
        for layer, end in zip(layers, itertools.accumulate(sizes)):
            # A tuple, which torch does not take for a layer within this one.
            layer._joined, layer._packed = (whole, slice(end - layer.out_features, end)), None
            layer.weight = _frozen(torch.empty_like(layer.weight, device="meta"))
        return whole

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        super()._save_to_state_dict(destination, prefix, keep_vars)
        destination[prefix + "weight"] = self._unpacked() if keep_vars else self._unpacked().detach()

    def _load_from_state_dict(self, *args, **kwargs):
        self._unpack()
        super()._load_from_state_dict(*args, **kwargs)

    def _apply(self, fn, recurse=True):
        self._unpack()
        return _apply_but_keep_scale(self, super()._apply, fn, recurse)

    def extra_repr(self):
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Int8Embedding(nn.Module):
    """An embedding with int8 weights and a float32 scale a token, for inference.

    Args:
        num_embeddings, embedding_dim, padding_idx: See `torch.nn.Embedding`.
        dtype (`torch.dtype`, *optional*): Of what it returns; follows when the model is cast.
    """

    def __init__(self, num_embeddings, embedding_dim, padding_idx=None, dtype=None):
        super().__init__()
        self.num_embeddings, self.embedding_dim, self.padding_idx = num_embeddings, embedding_dim, padding_idx
        self.weight = _frozen(torch.zeros(num_embeddings, embedding_dim, dtype=torch.int8))
        self.register_buffer("weight_scale", torch.ones(num_embeddings, dtype=torch.float32))
        self.register_buffer("like", torch.empty(0, dtype=dtype), persistent=False)  # empty; its type is the model's

    @classmethod
    def from_embedding(cls, embedding):
        """Rounds the weights of a `torch.nn.Embedding`."""
        layer = _on_meta(cls, embedding.num_embeddings, embedding.embedding_dim, embedding.padding_idx)
        layer.weight, layer.weight_scale = _rounded(embedding.weight)
        layer.like = torch.empty(0, dtype=embedding.weight.dtype, device="cpu")
        return layer

    def forward(self, input_ids):
        """Looks up tokens: `(...)` to `(..., embedding_dim)`."""
        return (self.weight[input_ids] * self.weight_scale[input_ids][..., None]).to(self.like.dtype)

    def _apply(self, fn, recurse=True):
        return _apply_but_keep_scale(self, super()._apply, fn, recurse)

    def extra_repr(self):
        return f"{self.num_embeddings}, {self.embedding_dim}"


class _NoGradient(torch.autograd.Function):
    @staticmethod
    def forward(context, inputs, layer):
        return layer(inputs.detach())

    @staticmethod
    def backward(context, gradient):
        raise ValueError(
            "Int8 weights have no gradient; train the float model that they were made from, and export again."
        )


def _frozen(values):
    return nn.Parameter(values, requires_grad=False)


def _on_meta(cls, *args, **kwargs):  # without memory for weights that are about to be replaced
    with torch.device("meta"):
        return cls(*args, **kwargs)


@torch.no_grad()
def _rounded(weight):
    """Float weights `(rows, columns)` to int8 ones and a scale a row."""
    scale = weight.abs().amax(-1).float() / LEVELS
    scale = torch.where(scale == 0, 1.0, scale)
    rounded = torch.empty(weight.shape, dtype=torch.int8, device=weight.device)
    for part, values, scales in zip(rounded.split(4096), weight.split(4096), scale.split(4096)):
        part.copy_((values.float() / scales[:, None]).round_())  # not all of an embedding in float32 once more
    return _frozen(rounded), scale


def _apply_but_keep_scale(module, apply, fn, recurse):
    scale = module.weight_scale
    apply(fn, recurse)
    module.weight_scale = scale.to(module.weight_scale.device)  # moved, but never cast
    return module


def _packed(weight, scale):
    zeros = torch.zeros(len(weight), dtype=torch.long)
    quantized = torch._make_per_channel_quantized_tensor(weight, scale.double(), zeros, 0)
    return torch.ops.quantized.linear_prepack(quantized, None)


def _step_product(rows, peaks, packed, levels):
    """fbgemm (x86) takes the activations' step as a number: 1/127, since every row comes divided by its peak."""
    return _stepped(rows / peaks, 1.0, packed, levels)


def _stepped(rows, peak, packed, levels):
    multiply = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32.default
    return multiply(rows, peak / levels, levels + 1, packed)


def _range_product(rows, peaks, packed, reduce_range):
    """The engines of other processors (qnnpack, onednn) find the range of the whole batch themselves.

    Two columns more, of 1 and -1 over weights of zero, make it [-1, 1] for every batch.
    """
    if len(rows) == 0:
        return rows.new_zeros(0, torch.ops.quantized.linear_unpack(packed)[0].shape[0])
    ends = rows.new_tensor([[1.0, -1.0]]).expand(len(rows), 2)
    rows = torch.cat(((rows / peaks).nan_to_num(), ends), 1)
    return torch.ops.quantized.linear_dynamic.default(rows, packed, reduce_range)


@functools.cache
def _choose_product(engine):
    """Chooses the integer product of this processor.

    One without VNNI adds pairs of products in 16 bits, where 8-bit activations overflow. A product that would shows it, and
    activations then get 7 bits, on such a processor alone.

    Args:
        engine (`str`): `torch.backends.quantized.engine`.

    Returns:
        `tuple[Callable, int]`: From rows, their peaks and packed weights to the product of `rows / peaks` (`None` where
        torch has no such product), and how many columns of zeros the weights need.
    """
    if engine in ("x86", "fbgemm"):
        eight, seven, extra = {"levels": LEVELS}, {"levels": LEVELS // 2}, 0
        product = _step_product
    elif engine in ("qnnpack", "onednn"):
        eight, seven, extra = {"reduce_range": False}, {"reduce_range": True}, 2
        product = _range_product
    else:
        return None, 0
    ones = torch.ones(1, 64)
    largest = nn.functional.pad(torch.full((1, 64), LEVELS, dtype=torch.int8), (0, extra))
    told = product(ones, ones[:, :1], _packed(largest, torch.ones(1)), **eight).item()
    whole = abs(told / (64 * LEVELS) - 1) < 0.01
    return functools.partial(product, **(eight if whole else seven)), extra
