"""Exports a model to graphs that ONNX Runtime or OpenVINO runs without PyTorch.

Two graphs: `vision` takes pixels through encoder and connector; `decoder` takes ids, the pictures' embeddings and an
explicit past, of length 0 for a prompt, so that one graph (and one copy of the weights) serves prompts and single tokens.
"""

import contextlib
import copy
import json
import logging
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import torch
from torch import nn
from tqdm import tqdm
from transformers.cache_utils import DynamicCache

from masks_moda import make_attention_mask, number_images
from moda.inference import graph_model
from moda.inference.graph_model import GRAPH_FILE, GraphModel, is_graph, load_graph, past_names


__all__ = ["GraphModel", "export_graph", "is_graph", "load_graph"]

KINDS = ("onnx", "openvino")
# What generate() would follow and the graph's greedy loop does not; each with the value under which it does nothing.
UNKNOWN_TO_THE_LOOP = {
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "encoder_repetition_penalty": 1.0,
    "encoder_no_repeat_ngram_size": 0,
    "bad_words_ids": None,
    "sequence_bias": None,
    "min_length": 0,
    "min_new_tokens": None,
    "begin_suppress_tokens": None,
    "forced_bos_token_id": None,
    "forced_eos_token_id": None,
    "exponential_decay_length_penalty": None,
    "guidance_scale": 1.0,
    "watermarking_config": None,
}


def export_graph(model, processor, folder, kind="onnx", int8=False):
    """Writes a folder with a model's graphs and all that it takes to run them.

    Args:
        model ([`ModaForConditionalGeneration`]): In float32, on the CPU.
        processor ([`ModaProcessor`]): Its own.
        folder (`str` or `os.PathLike`): A new folder, or an empty one.
        kind (`str`, *optional*, defaults to `"onnx"`): `"onnx"` for ONNX Runtime, `"openvino"` for OpenVINO.
        int8 (`bool`, *optional*, defaults to `False`): Whether to store the decoder's matrices in 8 bits.

    Returns:
        `pathlib.Path`: The folder, complete only once it is there: what is half-written bears another name.

    Raises:
        `ValueError`: For a model whose generation the graph's greedy loop would not repeat, another dtype, an unknown
            kind, or a folder that is in use.
        `ModuleNotFoundError`: If the extra of this kind is not installed.
    """
    folder = Path(folder)
    _check(model, processor, folder, kind)
    _need("onnx", "onnxscript", *(("onnxruntime",) if kind == "onnx" else ("openvino", *(("nncf",) if int8 else ()))))
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        with _quiet(), tqdm(total=4, desc=f"exporting to {kind}", disable=None) as progress:
            for name, graph in (("vision", _vision(model)), ("decoder", _decoder(model, int8 and kind == "onnx"))):
                _write(draft, name, kind, int8 and name == "decoder", *graph, progress)
        processor.save_pretrained(draft)
        model.config.save_pretrained(draft)
        model.generation_config.save_pretrained(draft)
        shutil.copy(graph_model.__file__, draft)
        notes = {"kind": kind, "int8": int8, **_notes(model, processor)}
        (draft / GRAPH_FILE).write_text(json.dumps(notes, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        draft.chmod(0o755)  # a temporary folder is its owner's alone
        os.replace(draft, folder)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return folder


def _check(model, processor, folder, kind):
    if kind not in KINDS:
        raise ValueError(f"kind is {kind!r}; choose one of {', '.join(KINDS)}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is there already and not empty; name another folder, or remove it.")
    if model.config.image_attention == "full":
        raise ValueError("image_attention is 'full', under which nothing can be generated; train on, then export.")
    if model.dtype != torch.float32 or model.device.type != "cpu":
        raise ValueError(f"The model is in {model.dtype} on {model.device}; load it with dtype='float32' on the CPU.")
    if model.config._attn_implementation not in ("sdpa", "eager"):
        raise ValueError(f"attn_implementation is {model.config._attn_implementation!r}; load the model with 'sdpa'.")
    if getattr(model.config, "weight_format", None):
        raise ValueError(
            f"The model's weights are {model.config.weight_format} already; export from the float32 model, with int8=True."
        )
    if not getattr(processor.tokenizer, "is_fast", False):
        raise ValueError("The tokenizer has no tokenizer.json (it is a slow one); load the fast one.")
    for name, neutral in UNKNOWN_TO_THE_LOOP.items():
        value = getattr(model.generation_config, name, None)
        if value not in (None, neutral):
            raise ValueError(
                f"generation_config sets {name}={value!r}, which the graph does not follow; unset it first."
            )


def _need(*packages):
    import importlib.util

    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        extra = "openvino" if "openvino" in packages else "onnx"
        raise ModuleNotFoundError(f"The export needs {', '.join(missing)}; pip install 'moda[{extra}]'.")


class _Vision(nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, pixel_values):
        return self.model.get_image_features(pixel_values).pooler_output


class _Decoder(nn.Module):
    def __init__(self, model, own_head):
        super().__init__()
        self.model = model
        self.own_head = copy.deepcopy(model.get_output_embeddings()) if own_head else None

    def forward(self, input_ids, attention_mask, image_embeds, past):
        model, config = self.model, self.model.config
        past_length = past[0].shape[2]
        placeholders = input_ids == config.image_token_id
        embeds = model.get_input_embeddings()(input_ids.masked_fill(placeholders, 0))
        # Row 0 is for text, so that a chunk without pictures has something to point at.
        pictures = torch.cat([torch.zeros_like(embeds[:1, 0]), image_embeds.flatten(0, 1)])
        nth = placeholders.flatten().cumsum(0).reshape(placeholders.shape) * placeholders
        embeds = torch.where(placeholders[..., None], pictures[nth], embeds)
        # A chunk is a whole prompt or one token, for which the rule is the same whatever the policy says of the prefix.
        mask = make_attention_mask(
            config.image_attention,
            number_images(placeholders, config.image_seq_length),
            attention_mask,
            past_length=past_length,
            implementation=config._attn_implementation,
        )
        cache = DynamicCache()
        for index in range(0, len(past), 2):
            cache.update(past[index], past[index + 1], index // 2)
        outputs = model.get_decoder()(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=(attention_mask.cumsum(-1) - 1).clamp(min=0)[:, past_length:],
            past_key_values=cache,
            use_cache=True,
        )
        # Of rank 2 it becomes a Gemm over the weights as they lie, which the embeddings may share; of rank 3 a MatMul
        # over turned weights, which the quantizer knows.
        last = outputs.last_hidden_state[:, -1:]
        logits = self.own_head(last)[:, 0] if self.own_head else model.get_output_embeddings()(last[:, 0])
        return logits, *_flat(outputs.past_key_values)


def _flat(cache):
    return [part for layer in cache.layers for part in (layer.keys, layer.values)]


def _vision(model):
    vision = model.config.vision_config
    size = vision.image_size
    height, width = (size, size) if isinstance(size, int) else size
    pixels = torch.zeros(2, getattr(vision, "num_channels", 3), height, width)
    return _Vision(model), {"pixel_values": pixels}, {"pixel_values": {0: "images"}}, ["image_embeds"]


@torch.no_grad()
def _decoder(model, own_head):
    """The decoder, an example of its inputs, their dynamic axes, and its outputs' names."""
    config = model.config
    embeds = torch.zeros(2, 3, config.text_config.hidden_size)
    past = _flat(model.get_decoder()(inputs_embeds=embeds, use_cache=True).past_key_values)
    # No two sizes alike, nor 1: the exporter takes such for the same, or for fixed.
    inputs = {
        "input_ids": torch.full((2, config.image_seq_length + 4), config.image_token_id),
        "attention_mask": torch.ones(2, config.image_seq_length + 7, dtype=torch.long),
        "image_embeds": torch.zeros(2, config.image_seq_length, config.text_config.hidden_size),
        "past": past,
    }
    axes = {
        "input_ids": {0: "batch", 1: "length"},
        "attention_mask": {0: "batch", 1: "keys"},
        "image_embeds": {0: "images"},
        "past": [{0: "batch", 2: "past"}] * len(past),
    }
    return _Decoder(model, own_head), inputs, axes, ["logits", *past_names(len(past), "present")]


def _write(folder, name, kind, int8, module, inputs, axes, outputs, progress):
    file = folder / f"{name}.onnx"
    _trace(module, inputs, axes, outputs).save(file, external_data=True)
    progress.update()
    if kind == "openvino":
        _to_openvino(file, int8)
    elif int8:
        _quantize_onnx(file)
    progress.update()


def _trace(module, inputs, axes, outputs):
    dynamic = torch.export.Dim.DYNAMIC
    shapes = {
        key: [{axis: dynamic for axis in part} for part in sizes]
        if isinstance(sizes, list)
        else {axis: dynamic for axis in sizes}
        for key, sizes in axes.items()
    }
    names = [name for name in inputs if name != "past"] + past_names(len(inputs.get("past", ())))
    with torch.no_grad():
        program = torch.export.export(module.eval(), (), inputs, dynamic_shapes=shapes, strict=False)
        exported = torch.onnx.export(program, dynamo=True, input_names=names, output_names=outputs, verbose=False)
    for node in exported.model.graph.all_nodes():
        node.metadata_props.clear()  # the exporter's stack traces, paths of this machine among them
    return exported


def _to_openvino(file, int8):
    import openvino

    model = openvino.convert_model(file)
    if int8:
        import nncf

        model = nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)
    openvino.save_model(model, file.with_suffix(".xml"), compress_to_fp16=False)
    del model  # it reads the file's weights from the disk
    for old in (file, Path(f"{file}.data")):
        old.unlink(missing_ok=True)


def _quantize_onnx(file):
    import onnx
    from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

    # Accuracy level 4: the products themselves are of 8-bit integers, of which a CPU does most a second.
    settings = DefaultWeightOnlyQuantConfig(block_size=32, is_symmetric=True, accuracy_level=4, bits=8)
    quantizer = MatMulNBitsQuantizer(onnx.load(file), bits=8, algo_config=settings)
    quantizer.process()
    data = Path(f"{file}.data")
    data.unlink()
    onnx.save(quantizer.model.model, file, save_as_external_data=True, location=data.name)


def _notes(model, processor):
    """What the loop needs to know: it reads no config of transformers."""
    config, generation, tokenizer = model.config, model.generation_config, processor.tokenizer
    stops = generation.eos_token_id
    with torch.no_grad():
        embeds = torch.zeros(1, 1, config.text_config.hidden_size)
        past = _flat(model.get_decoder()(inputs_embeds=embeds, use_cache=True).past_key_values)
    return {
        "default_prompt": processor.default_prompt,
        "image_token_id": config.image_token_id,
        "image_seq_length": config.image_seq_length,
        "hidden_size": config.text_config.hidden_size,
        "special_tokens": [*tokenizer.all_special_tokens, "<image>"],
        "tokenizer_eos": tokenizer.eos_token,
        "tokenizer_eos_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_ids": [] if stops is None else [stops] if isinstance(stops, int) else list(stops),
        "suppress_tokens": list(generation.suppress_tokens or []),
        "past": [[part.shape[1], part.shape[3]] for part in past],
    }


@contextlib.contextmanager
def _quiet():
    """Holds back what exporters say of packages that nothing here uses, of their own old ways, and of every node."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxruntime.quantization", "nncf")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)
