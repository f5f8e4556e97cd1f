"""Int8 weights: the products are those of a plain reference, a batch says what single rows say, files come back."""

import copy
import json
import shutil

import pytest
import torch
from conftest import RESNET, TINY_LLAMA, inputs_of, largest, make_config, make_model, make_processor, run_clean
from torch import nn

import int8_moda
from configuration_moda import ModaConfig
from int8_moda import Int8Embedding, Int8Linear
from modeling_moda import ModaForConditionalGeneration
from quantization_moda import quantize_int8


SIGLIP = {
    "model_type": "siglip_vision_model",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 1,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 16,
}


def reference(linear, rows, levels=127):
    """Both sides rounded, multiplied in float64, in which sums of these integers are exact."""
    weight = linear.weight.detach().double()
    step = weight.abs().amax(1).float().double() / 127
    step[step == 0] = 1
    peaks = rows.abs().amax(1, keepdim=True)
    rounded = torch.where(peaks > 0, (rows / peaks * levels).round(), 0.0).double()
    product = rounded @ (weight / step[:, None]).round().T * step * peaks.double() / levels
    return product if linear.bias is None else product + linear.bias.detach().double()


def make_rows(count=9, width=67):
    rows = torch.randn(count, width, generator=torch.Generator().manual_seed(1))
    rows[3], rows[5] = 0, rows[5] * 1e4
    return rows


def make_linear(bias=True):
    torch.manual_seed(0)
    linear = nn.Linear(67, 45, bias=bias)
    linear.weight.data[7] = 0
    linear.weight.data[8] *= 100
    return linear


@pytest.fixture
def engine():
    """Chooses the library that multiplies, for one test."""
    before = torch.backends.quantized.engine

    def choose(name):
        if name not in torch.backends.quantized.supported_engines:
            pytest.skip(f"this torch has no {name}")
        torch.backends.quantized.engine = name

    yield choose
    torch.backends.quantized.engine = before


@pytest.mark.parametrize("bias", [True, False])
def test_products_are_the_reference_s(bias):
    linear = make_linear(bias)
    layer, rows = Int8Linear.from_linear(copy.deepcopy(linear)), make_rows()
    expected = reference(linear, rows)
    with torch.no_grad():
        found = layer(rows)
    assert torch.allclose(found.double(), expected, rtol=1e-5, atol=1e-6 * expected.abs().max().item())
    assert (expected - linear(rows).double()).abs().max() > 0  # rounding was in play
    assert torch.equal(found[3], torch.zeros(45) if not bias else linear.bias)  # a row of zeros


@pytest.mark.parametrize("name", ["x86", "qnnpack", "onednn"])
def test_a_row_does_not_depend_on_its_batch_whatever_multiplies(engine, name):
    engine(name)
    linear, rows = make_linear(), make_rows()
    layer = Int8Linear.from_linear(copy.deepcopy(linear))
    with torch.no_grad():
        batch = layer(rows)
        assert layer._packed is not None
        for index in range(len(rows)):
            alone = layer(rows[index : index + 1])[0]
            if name == "onednn":  # sums as exact, but scaled in another order
                assert torch.allclose(alone, batch[index], rtol=1e-5, atol=1e-5)
            else:
                assert torch.equal(alone, batch[index])
        assert layer(rows[:0]).shape == (0, 45)
    assert (batch.double() - reference(linear, rows)).norm() < 0.02 * reference(linear, rows).norm()


@pytest.mark.parametrize("name", ["x86", "qnnpack", "onednn"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_row_alone_is_that_of_a_batch_to_the_rounding_of_a_step(engine, name, bias):
    engine(name)
    layer, rows = Int8Linear.from_linear(make_linear(bias)), make_rows()
    with torch.no_grad():
        batch = layer.rows(rows)
        for row, expected in zip(rows, batch):
            alone = layer.row(row)
            assert alone.shape == (45,) and largest(alone, expected) <= 0.01 * max(expected.abs().max().item(), 1e-9)


def test_devices_without_a_product_of_integers(monkeypatch):
    monkeypatch.setattr(int8_moda, "_choose_product", lambda engine: (None, 0))
    linear, rows = make_linear(), make_rows()
    layer = Int8Linear.from_linear(copy.deepcopy(linear))
    with torch.no_grad():
        found, expected = layer(rows), reference(linear, rows)
    assert layer.weight.device.type == "cpu"  # nothing was packed
    assert torch.allclose(found.double(), expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())


def test_activations_of_seven_bits_where_eight_would_overflow(monkeypatch):
    if torch.backends.quantized.engine not in ("x86", "fbgemm"):
        pytest.skip("only fbgemm takes the activations' step as a number")
    int8_moda._choose_product(torch.backends.quantized.engine)  # cached now: what is put in its place below is not kept
    whole = int8_moda._step_product

    def overflowing(rows, peaks, packed, levels):  # as without VNNI: sums of two products end at 2**15 - 1
        product = whole(rows, peaks, packed, levels)
        return product.clamp(max=64.25) if levels == 127 else product

    monkeypatch.setattr(int8_moda, "_step_product", overflowing)
    product, extra = int8_moda._choose_product.__wrapped__(torch.backends.quantized.engine)
    assert product.keywords == {"levels": 63} and extra == 0
    linear, rows = make_linear(bias=False), make_rows()
    layer = Int8Linear.from_linear(copy.deepcopy(linear))
    with torch.no_grad():
        layer(rows)
        layer._product = product
        expected = reference(linear, rows, levels=63)
        assert torch.allclose(layer(rows).double(), expected, rtol=1e-5, atol=1e-6 * expected.abs().max().item())


def test_types_and_shapes_of_inputs():
    layer, rows = Int8Linear.from_linear(make_linear()), make_rows(8)
    with torch.no_grad():
        whole = layer(rows)
        assert torch.equal(layer(rows.view(2, 4, 67)), whole.view(2, 4, 45))
        assert torch.equal(layer(rows[0]), whole[0])
        half = layer(rows.bfloat16())
    assert half.dtype == torch.bfloat16 and torch.equal(half, layer.rows(rows.bfloat16().float()).detach().bfloat16())


def test_weights_are_held_once_and_come_back():
    layer, rows = Int8Linear.from_linear(make_linear()), make_rows()
    saved = {name: value.clone() for name, value in layer.state_dict().items()}
    with torch.no_grad():
        first = layer(rows)
        assert layer.weight.device.type == "meta" and layer.weight.shape == (45, 67)
        again = layer.state_dict()
        assert saved.keys() == again.keys() and all(torch.equal(saved[name], again[name]) for name in saved)
        assert torch.equal(copy.deepcopy(layer)(rows), first)
        layer.to(torch.bfloat16).float()
        assert layer.weight.dtype == torch.int8 and torch.equal(layer.weight_scale, saved["weight_scale"])
        saved["weight"].zero_()
        layer(rows)
        layer.load_state_dict(saved)
        assert torch.equal(layer(rows), saved["bias"].expand(9, 45))


@pytest.mark.parametrize("bias", [True, False])
def test_joined_layers_are_one_product(bias):
    layers, rows = [Int8Linear.from_linear(make_linear(bias)) for _ in range(2)], make_rows()
    layers += [Int8Linear.from_linear(nn.Linear(67, 5, bias=bias))]
    with torch.no_grad():
        apart = [layer.rows(rows) for layer in layers]
        whole = Int8Linear.joined(layers)
        assert torch.equal(whole.rows(rows), torch.cat(apart, 1)) and Int8Linear.joint(layers) is whole
        assert Int8Linear.joined(layers) is whole and Int8Linear.joint(layers[:2]) is None
        assert all(torch.equal(layer(rows), before) for layer, before in zip(layers, apart))
        kept = [layer.state_dict()["weight"] for layer in layers]
        layers[0].to(torch.float64)  # takes its own weights back
        assert Int8Linear.joint(layers) is None and torch.equal(layers[0].weight, kept[0])
        assert Int8Linear.joined(layers) is not whole and torch.equal(layers[1].state_dict()["weight"], kept[1])


@pytest.fixture(scope="module")
def int8():
    return quantize_int8(make_model())


@torch.no_grad()
def test_a_whole_model(processor, int8):
    model, batch = make_model(), inputs_of(processor)
    expected, found = model(**batch).logits, int8(**batch).logits
    assert 0 < (found - expected).norm() < 0.05 * expected.norm()
    floats = {name for name, module in int8.named_modules() if type(module) is nn.Linear}
    assert floats == {"model.connector.linear_1", "model.connector.linear_2", "model.vision_tower.visual_projection"}
    assert isinstance(int8.get_input_embeddings(), Int8Embedding) and not int8.training
    assert int8.lm_head.weight is int8.get_input_embeddings().weight
    assert int8.num_parameters() == model.num_parameters() and int8.dtype == torch.float32
    assert int8.get_memory_footprint() < 0.7 * model.get_memory_footprint()


def test_generation_with_padding_beams_and_batches(processor, int8):
    options = {"max_new_tokens": 5, "do_sample": False}
    together = int8.generate(**inputs_of(processor), **options)
    for row in range(4):
        alone = int8.generate(**inputs_of(processor, [row]), **options)
        assert together[row, -5:].tolist() == alone[0, -5:].tolist()
    beams = int8.generate(**inputs_of(processor), num_beams=2, **options)
    assert beams.shape == together.shape


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"vision_config": RESNET},
        {"vision_config": SIGLIP},
        {"text_config": {**TINY_LLAMA, "tie_word_embeddings": False}},
        {"text_config": {**TINY_LLAMA, "model_type": "qwen2"}},
    ],
    ids=["clip", "resnet", "siglip", "untied", "biases"],
)
def test_saving_and_loading(tmp_path, changes):
    model = quantize_int8(make_model(**changes))
    batch = inputs_of(make_processor(image_seq_length=model.config.image_seq_length), [0, 2])
    with torch.no_grad():
        expected = model(**batch).logits
    model.save_pretrained(tmp_path / "first")
    loaded, told = ModaForConditionalGeneration.from_pretrained(
        tmp_path / "first", dtype=torch.float32, output_loading_info=True
    )
    assert not any(told[name] for name in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    with torch.no_grad():
        assert torch.equal(loaded(**batch).logits, expected)
    loaded.save_pretrained(tmp_path / "second")
    names = [tmp_path / folder / "model.safetensors" for folder in ("first", "second")]
    assert names[0].read_bytes() == names[1].read_bytes()

    half = ModaForConditionalGeneration.from_pretrained(tmp_path / "first", dtype=torch.bfloat16)
    for name, value in half.state_dict().items():
        scale, int8 = name.endswith("weight_scale"), value.dtype == torch.int8
        assert int8 or value.dtype in ((torch.float32,) if scale else (torch.bfloat16, torch.int64)), name
        if scale or int8:
            assert torch.equal(value, model.state_dict()[name]), name
    with torch.no_grad():
        logits = half(**batch).logits
    assert logits.dtype == torch.bfloat16 and largest(logits, expected) < 0.1 * expected.abs().max()


SCRIPT = """
import sys, torch
from transformers import AutoModel
torch.set_num_threads(1)
model = AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True).eval()
batch = torch.load(sys.argv[2])
with torch.no_grad():
    torch.save(model(**batch).logits, sys.argv[3])
print(type(model.lm_head).__module__.split(".")[0], model.lm_head.weight.dtype)
"""


def test_a_clean_process_loads_it(processor, int8, tmp_path):
    int8.save_pretrained(tmp_path / "made")
    shutil.copytree(tmp_path / "made", tmp_path / "copied")
    batch = dict(inputs_of(processor))
    torch.save(batch, tmp_path / "batch.pt")
    told = run_clean(
        SCRIPT, tmp_path / "copied", tmp_path / "batch.pt", tmp_path / "logits.pt", modules=tmp_path / "modules"
    )
    assert told.split() == ["transformers_modules", "torch.int8"]
    with torch.no_grad():
        assert torch.equal(torch.load(tmp_path / "logits.pt"), int8(**batch).logits)


def test_training_is_refused(processor, int8):
    with pytest.raises(ValueError, match="can't be trained"):
        int8.train()
    loss = int8(**inputs_of(processor, [0]), labels=inputs_of(processor, [0])["input_ids"]).loss
    with pytest.raises(ValueError, match="Int8 weights have no gradient"):
        loss.backward()


def test_what_int8_is_not_for(tmp_path, int8):
    with pytest.raises(ValueError, match="are int8 already"):
        quantize_int8(int8)
    with pytest.raises(ValueError, match="weight_format is 'int3'"):
        make_config(weight_format="int3")
    model = make_model()
    model.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="weight_format is None in this checkpoint and 'int8' was asked for"):
        ModaForConditionalGeneration.from_pretrained(tmp_path, weight_format="int8")
    model.get_decoder().layers[0].mlp.base_layer = nn.Identity()
    with pytest.raises(ValueError, match="has an adapter; merge it first"):
        quantize_int8(model)
    model = make_model()
    model.set_input_embeddings(nn.EmbeddingBag(320, 32))
    with pytest.raises(ValueError, match="is a EmbeddingBag"):
        quantize_int8(model)


def test_configs_from_before_have_float_weights():
    fields = json.loads(make_config().to_json_string())
    fields.pop("weight_format")
    assert ModaConfig.from_dict(fields).weight_format is None
