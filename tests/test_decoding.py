"""Lean decoding writes what transformers' `generate` writes, in every case that it takes, and leaves it the others."""

import pytest
import torch
from conftest import TINY_LLAMA, make_config
from transformers import GenerationConfig, GenerationMixin, LogitsProcessorList

import generation_moda
from decoding_moda import can_decode, decode, plain_greedy
from generation_moda import generate_sentences
from modeling_moda import ModaForConditionalGeneration
from steps_moda import BLOCK, fuse_projections, steps_of


LENGTH = 12
QWEN = {**TINY_LLAMA, "model_type": "qwen2"}
VARIANTS = {
    "grouped heads": {},
    "biases": {"text_config": QWEN},
    "one head for each": {"text_config": {**TINY_LLAMA, "num_key_value_heads": 4}},
    "untied": {"text_config": {**TINY_LLAMA, "tie_word_embeddings": False}},
    "pooled": {"vision_feature_select_strategy": "pooled"},
    "long positions": {
        "text_config": {**TINY_LLAMA, "rope_scaling": {"rope_type": "linear", "factor": 2.0}, "rope_theta": 500.0}
    },
}


def build(seed=0, **changes):
    """A model whose every weight is drawn anew, norms and biases too, and which has much to say."""
    torch.manual_seed(seed)
    model = ModaForConditionalGeneration(make_config(**changes)).eval()
    with torch.no_grad():
        for name, parameter in model.model.language_model.named_parameters():
            parameter.copy_(torch.randn_like(parameter) * 0.3 + (1 if "norm" in name else 0))
    return model


def batch_of(model, rows=4, padded=True, seed=1):
    """Rows of a picture and some words, padded on the left."""
    generator = torch.Generator().manual_seed(seed)
    length = model.config.image_seq_length
    width = length + 6
    ids = torch.randint(3, 290, (rows, width), generator=generator)
    mask = torch.ones_like(ids)
    for row in range(rows):
        gap = row % 4 if padded else 0
        ids[row, gap : gap + length] = model.config.image_token_id
        ids[row, :gap], mask[row, :gap] = 2, 0
    size = model.config.vision_config.image_size
    pixels = torch.randn(rows, 3, size, size, generator=generator)
    return {"input_ids": ids, "attention_mask": mask, "pixel_values": pixels}


def transformers_own(model, batch, **kwargs):
    """What `generate` writes with nothing of ours in between."""
    if model.config.image_attention == "prefix_lm":
        kwargs["prompt_length"] = batch["input_ids"].shape[1]
    return GenerationMixin.generate(model, **batch, do_sample=False, **kwargs)


def counted(monkeypatch):
    """The calls of `decode` from now on."""
    calls = []
    monkeypatch.setattr(generation_moda, "decode", lambda *args, **kwargs: calls.append(1) or decode(*args, **kwargs))
    return calls


@pytest.mark.parametrize("policy", ["causal", "image_bidirectional", "image_lookahead", "prefix_lm"])
@pytest.mark.parametrize("name", VARIANTS)
def test_the_same_tokens_as_transformers(monkeypatch, name, policy):
    model = build(image_attention=policy, **VARIANTS[name])
    model.generation_config.eos_token_id = None
    batch = batch_of(model)
    expected = transformers_own(model, batch, max_new_tokens=LENGTH)
    calls = counted(monkeypatch)
    assert torch.equal(model.generate(**batch, max_new_tokens=LENGTH), expected)
    fuse_projections(model)
    assert torch.equal(model.generate(**batch, max_new_tokens=LENGTH), expected)
    assert len(calls) == 2
    assert len(expected[:, -LENGTH:].unique()) > LENGTH  # there was something to get wrong


@pytest.mark.parametrize("padded", [True, False])
def test_rows_end_where_they_end_alone(padded):
    """Rows leave the batch at different steps, and the others go on as they would without them."""
    model = build()
    batch = batch_of(model, rows=12, padded=padded)
    model.generation_config.eos_token_id = None
    free = model.generate(**batch, max_new_tokens=LENGTH)[:, -LENGTH:]
    model.generation_config.eos_token_id = [int(free[0, 2]), int(free[5, 7]), int(free[7, 4])]
    model.generation_config.pad_token_id = 2
    written = model.generate(**batch, max_new_tokens=LENGTH)
    assert torch.equal(written, transformers_own(model, batch, max_new_tokens=LENGTH))
    ends = (written[:, -LENGTH:] == 2).sum(-1)
    assert len(ends.unique()) > 2  # at different steps
    for row in range(12):
        one = {name: value[row : row + 1] for name, value in batch.items()}
        alone = model.generate(**one, max_new_tokens=LENGTH)
        assert torch.equal(alone[0], written[row, : alone.shape[1]])
        assert (written[row, alone.shape[1] :] == 2).all()


def test_all_rows_ended_is_the_end():
    model = build()
    batch = batch_of(model, rows=1, padded=False)
    model.generation_config.eos_token_id = None
    free = model.generate(**batch, max_new_tokens=LENGTH)[0, -LENGTH:]
    model.generation_config.eos_token_id = int(free[3])
    first = int((free == free[3]).nonzero()[0, 0])
    assert model.generate(**batch, max_new_tokens=LENGTH).shape[1] == batch["input_ids"].shape[1] + first + 1


def test_a_long_answer_grows_beyond_its_first_room():
    model = build()
    batch = batch_of(model, rows=3)
    model.generation_config.eos_token_id = None
    written = model.generate(**batch, max_new_tokens=2 * BLOCK + 3)
    assert torch.equal(written, transformers_own(model, batch, max_new_tokens=2 * BLOCK + 3))


def test_suppressed_tokens_are_passed_over():
    model = build()
    batch = batch_of(model)
    model.generation_config.eos_token_id = None
    free = model.generate(**batch, max_new_tokens=LENGTH)[:, -LENGTH:]
    banned = [*free[:, 0].tolist(), 10**6]  # of which one is no token
    written = model.generate(**batch, max_new_tokens=LENGTH, suppress_tokens=banned)
    assert not torch.isin(written[:, -LENGTH:], torch.tensor(banned)).any()
    assert torch.equal(written, transformers_own(model, batch, max_new_tokens=LENGTH, suppress_tokens=banned))


def test_confidence_is_that_of_the_step_by_step_way(monkeypatch):
    """The two ways to tell it, one by a hook in transformers' loop, agree; so do features in the place of pixels."""
    model = build()
    batch = batch_of(model, rows=6)
    model.generation_config.eos_token_id = None
    free = model.generate(**batch, max_new_tokens=LENGTH)[:, -LENGTH:]
    model.generation_config.eos_token_id = int(free[0, 3])

    class Processor:
        batch_decode = staticmethod(lambda rows, skip_special_tokens: [str(row.tolist()) for row in rows])

    lean = generate_sentences(model, Processor, batch, with_confidence=True, max_new_tokens=LENGTH)
    with torch.no_grad():
        features = model.encode_images(batch["pixel_values"])
    rest = {name: value for name, value in batch.items() if name != "pixel_values"}
    kept = generate_sentences(
        model, Processor, {**rest, "image_features": features}, with_confidence=True, max_new_tokens=LENGTH
    )
    monkeypatch.setattr(generation_moda, "can_decode", lambda model: False)
    slow = generate_sentences(model, Processor, batch, with_confidence=True, max_new_tokens=LENGTH)
    assert lean[0] == slow[0] and len(set(lean[0])) > 1
    assert lean[1] == pytest.approx(slow[1], abs=1e-5)
    assert kept[0] == lean[0] and kept[1] == pytest.approx(lean[1], abs=1e-5)


def test_bfloat16_stays_as_close_to_float32_as_transformers_does():
    model, half = build(), build().to(torch.bfloat16)
    batch = batch_of(model, rows=32)
    tokens = torch.randint(3, 290, (32, LENGTH), generator=torch.Generator().manual_seed(5))
    wide = {**batch, "input_ids": torch.cat((batch["input_ids"], tokens), 1)}
    wide["attention_mask"] = torch.nn.functional.pad(batch["attention_mask"], (0, LENGTH), value=1)
    with torch.no_grad():
        exact = model(**wide).logits[:, -1]
        theirs = half(**wide).logits[:, -1].float()
    assert 0 < (last_logits(half, batch, tokens) - exact).norm() <= 1.1 * (theirs - exact).norm()
    alone = [{name: values[row : row + 1] for name, values in batch.items()} for row in range(32)]
    ours = torch.cat([last_logits(half, one, tokens[row : row + 1]) for row, one in enumerate(alone)])
    assert 0 < (ours - exact).norm() <= 1.1 * (theirs - exact).norm()


@torch.inference_mode()
def last_logits(model, inputs, tokens):
    """The logits behind given new tokens, by steps."""
    from decoding_moda import _prefill

    past, _ = _prefill(model, inputs, inputs["attention_mask"])
    steps = steps_of(model, past, inputs["attention_mask"])
    for column in tokens.unbind(1):
        logits = steps(column)
    return logits.float()


@pytest.mark.parametrize("fused", [True, False])
@pytest.mark.parametrize("rows", [[0], [3], [0, 1, 2, 3, 4]])
def test_step_by_step_is_the_whole_at_once(rows, fused):
    """Logits of the steps equal those of one forward pass over everything, for a single row with padding before it too."""
    model = build(text_config=QWEN)
    batch = {name: values[rows] for name, values in batch_of(model, 5).items()}
    assert bool(batch["attention_mask"].all()) == (rows == [0])
    model, rows = fuse_projections(model) if fused else model, len(rows)
    tokens = torch.randint(3, 290, (rows, LENGTH))
    ids = torch.cat((batch["input_ids"], tokens), 1)
    mask = torch.nn.functional.pad(batch["attention_mask"], (0, LENGTH), value=1)
    with torch.no_grad():
        whole = model(input_ids=ids, attention_mask=mask, pixel_values=batch["pixel_values"]).logits[:, -1]
    assert torch.allclose(last_logits(model, batch, tokens), whole, atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "kwargs",
    [
        {"num_beams": 2},
        {"do_sample": True},
        {"repetition_penalty": 1.2},
        {"no_repeat_ngram_size": 1},
        {"num_return_sequences": 2},
        {"min_new_tokens": 3},
        {"output_scores": True},
        {"return_dict_in_generate": True},
        {"use_cache": False},
        {"cache_implementation": "static"},
        {"prompt_lookup_num_tokens": 3},
        {"bad_words_ids": [[5]]},
        {"forced_eos_token_id": 1},
        {"begin_suppress_tokens": [5]},
        {"sequence_bias": [[[5], 1.0]]},
        {"stop_strings": ["a"]},
        {"max_time": 5.0},
        {"renormalize_logits": True},
        {"guidance_scale": 1.5},
        {"prefill_chunk_size": 4},
        {"streamer": object()},
        {"logits_processor": LogitsProcessorList()},
        {"past_key_values": object()},
        {"token_type_ids": torch.zeros(4, 2)},
        {"inputs_embeds": torch.zeros(4, 2, 3)},
        {"something_new": 1},
        {"max_new_tokens": None},
        {"max_new_tokens": -3},
        {"eos_token_id": None},
        {"pad_token_id": None},
        {"generation_config": GenerationConfig(max_new_tokens=LENGTH)},
    ],
    ids=lambda kwargs: next(iter(kwargs)),
)
def test_everything_else_is_left_to_transformers(kwargs):
    model = build()
    model.generation_config.max_new_tokens = None
    given = {**batch_of(model), "max_new_tokens": LENGTH, **kwargs}
    assert plain_greedy(model, given) is None


@pytest.mark.parametrize(
    "kwargs",
    [
        {},
        {"temperature": 0.7, "top_p": 0.9, "do_sample": False},
        {"num_beams": 1, "repetition_penalty": 1.0, "no_repeat_ngram_size": 0},
        {"use_cache": True, "streamer": None, "min_length": 0},
    ],
    ids=["nothing", "of sampling", "switched off", "defaults"],
)
def test_what_greedy_decoding_has_no_use_for_changes_nothing(monkeypatch, kwargs):
    model = build()
    batch = batch_of(model)
    expected = transformers_own(model, batch, max_new_tokens=LENGTH)
    calls = counted(monkeypatch)
    assert torch.equal(model.generate(**batch, max_new_tokens=LENGTH, **kwargs), expected) and calls


def test_stops_and_suppressed_tokens_may_be_tensors():
    model, batch = build(), batch_of(build(), rows=2)
    stops = {"eos_token_id": [7, 9], "suppress_tokens": [5, 6]}
    tensors = {name: torch.tensor(tokens) for name, tokens in stops.items()}
    plans = [plain_greedy(model, {**batch, "max_new_tokens": LENGTH, **given}) for given in (stops, tensors)]
    assert all(plan["stops"] == [7, 9] and plan["suppressed"] == [5, 6] for plan in plans)


def test_padding_on_the_right_is_left_to_transformers():
    model = build()
    batch = batch_of(model, padded=False)
    batch["attention_mask"][1, -1] = 0
    assert plain_greedy(model, {**batch, "max_new_tokens": 3}) is None


def test_what_is_not_as_it_was_built_is_left_to_transformers():
    assert can_decode(build())
    assert not can_decode(build().train())
    assert not can_decode(build().half())
    assert not can_decode(
        build(text_config={"model_type": "gpt2", "vocab_size": 320, "n_embd": 32, "n_layer": 1, "n_head": 4})
    )
    for name in ("", "model", "lm_head", "model.language_model", "model.language_model.layers.1.mlp"):
        hooked = build()
        hooked.get_submodule(name).register_forward_hook(lambda *args: None)
        assert not can_decode(hooked), name
    mixed = build(text_config={**TINY_LLAMA, "tie_word_embeddings": False}).bfloat16()
    mixed.lm_head.float()
    assert not can_decode(mixed)
    dynamic = {**TINY_LLAMA, "rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}
    assert not can_decode(build(text_config=dynamic))
    sliding = {**QWEN, "use_sliding_window": True, "sliding_window": 4, "max_window_layers": 0}
    assert not can_decode(build(text_config=sliding))
    own = build()
    own.model.language_model.layers[0].self_attn.q_proj = type("Other", (torch.nn.Linear,), {})(32, 32, bias=False)
    assert not can_decode(own)


def test_an_adapter_is_heard(monkeypatch):
    peft = pytest.importorskip("peft")
    model = build()
    batch = batch_of(model)
    plain = model.generate(**batch, max_new_tokens=LENGTH)
    settings = peft.LoraConfig(target_modules=r".*language_model.*\.(q_proj|down_proj)", init_lora_weights=False)
    adapted = peft.get_peft_model(model, settings).eval()
    calls = counted(monkeypatch)
    changed = adapted.generate(**batch, max_new_tokens=LENGTH)
    assert not torch.equal(changed, plain) and not calls
    merged = adapted.merge_and_unload()
    assert torch.equal(merged.generate(**batch, max_new_tokens=LENGTH), changed) and calls


def test_fusing_moves_weights_and_changes_none(tmp_path):
    model = build(text_config=QWEN)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    assert fuse_projections(model) is model
    attention = model.model.language_model.layers[0].self_attn
    assert attention.k_proj.weight.untyped_storage().data_ptr() == attention.q_proj.weight.untyped_storage().data_ptr()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    model.save_pretrained(tmp_path)
    loaded = ModaForConditionalGeneration.from_pretrained(tmp_path).eval()
    assert all(torch.equal(value, before[name]) for name, value in loaded.state_dict().items())
    batch = batch_of(model)
    expected = model.generate(**batch, max_new_tokens=LENGTH)
    assert torch.equal(loaded.generate(**batch, max_new_tokens=LENGTH), expected)
    with torch.no_grad():  # a change behind the parameters is seen: nothing was copied aside
        attention.q_proj.weight.mul_(0)
    assert not torch.equal(model.generate(**batch, max_new_tokens=LENGTH), expected)
    model.double().float()  # separates them
    assert attention.k_proj.weight.untyped_storage().data_ptr() != attention.q_proj.weight.untyped_storage().data_ptr()
    assert model.generate(**batch, max_new_tokens=LENGTH).shape == expected.shape


def test_generate_refuses_as_before():
    model = build()
    batch = batch_of(model)
    batch["pixel_values"] = batch["pixel_values"][:2]
    with pytest.raises(ValueError, match="picture"):
        model.generate(**batch, max_new_tokens=3)
