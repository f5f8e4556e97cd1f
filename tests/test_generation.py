"""Generation: every way to the same tokens, each picture with its row, a second turn, and what is refused."""

import copy

import pytest
import torch
from conftest import (
    GENERATING,
    inputs_of,
    largest,
    make_config,
    make_model,
    make_picture,
)
from torch.nn import functional
from transformers import DynamicCache, MaxLengthCriteria, StaticCache, StoppingCriteriaList

from generation_moda import generate_sentences
from moda.evaluation.likelihood import label_log_likelihoods
from modeling_moda import ModaForConditionalGeneration


@pytest.mark.parametrize("policy", GENERATING)
def test_every_way_to_generate_gives_the_same_tokens(processor, policy):
    """Left-padded rows of different lengths, with pictures and without: cached or not, static, alone, full forward."""
    model = make_model(image_attention=policy)
    batch = inputs_of(processor)
    length = batch["input_ids"].shape[1]
    options = {"max_new_tokens": 6, "do_sample": False, "eos_token_id": None}
    sequences = model.generate(**batch, **options)
    assert torch.equal(sequences[:, :length], batch["input_ids"]) and sequences.shape[1] == length + 6
    assert torch.equal(model.generate(**batch, **options, use_cache=False), sequences)
    static = model.generate(**batch, **options, cache_implementation="static", disable_compile=True)
    assert torch.equal(static, sequences)
    for row in range(4):
        alone = inputs_of(processor, [row])
        new = model.generate(**alone, **options)[:, alone["input_ids"].shape[1] :]
        assert torch.equal(new[0], sequences[row, length:]), row

    mask = functional.pad(batch["attention_mask"], (0, 6), value=1)
    types = functional.pad(torch.zeros_like(batch["input_ids"]), (0, 6), value=1)
    with torch.no_grad():
        logits = model(
            input_ids=sequences, attention_mask=mask, token_type_ids=types, pixel_values=batch["pixel_values"]
        ).logits
    logits[..., model.config.image_token_id] = -torch.inf
    assert torch.equal(logits[:, length - 1 : -1].argmax(-1), sequences[:, length:])


@pytest.mark.parametrize("policy", GENERATING)
def test_beams_and_samples_keep_each_rows_pictures(processor, policy):
    model = make_model(image_attention=policy)
    batch = inputs_of(processor)
    length = batch["input_ids"].shape[1]
    options = {"max_new_tokens": 5, "num_beams": 3, "num_return_sequences": 2, "eos_token_id": None}
    sequences = model.generate(**batch, **options)
    assert sequences.shape == (8, length + 5)
    assert torch.equal(model.generate(**batch, **options, use_cache=False), sequences)
    features = model.encode_images(batch["pixel_values"])
    cached = {name: value for name, value in batch.items() if name != "pixel_values"}
    assert torch.equal(model.generate(**cached, image_features=features, **options), sequences)
    for row in range(4):
        alone = inputs_of(processor, [row])
        expected = model.generate(**alone, **options)[:, alone["input_ids"].shape[1] :]
        assert torch.equal(sequences[2 * row : 2 * row + 2, length:], expected), row

    torch.manual_seed(0)
    samples = model.generate(**batch, max_new_tokens=3, do_sample=True, num_return_sequences=3, top_k=1)
    greedy = model.generate(**batch, max_new_tokens=3, do_sample=False).repeat_interleave(3, 0)
    assert torch.equal(samples, greedy)


def turns(processor):
    first = processor(images=[[make_picture(0)]], text="What colour is it?")
    second = processor(images=[[make_picture(1), make_picture(2)]], text="And these?", add_special_tokens=False)
    both = {
        "input_ids": torch.cat([first["input_ids"], second["input_ids"]], 1),
        "pixel_values": torch.cat([first["pixel_values"], second["pixel_values"]]),
    }
    return first, second, both


@pytest.mark.parametrize("policy", ["causal", "image_bidirectional"])
def test_a_later_turn_with_new_pictures_on_a_kept_cache(processor, policy):
    model = make_model(image_attention=policy)
    first, second, both = turns(processor)
    length = first["input_ids"].shape[1]
    with torch.no_grad():
        at_once = model(**both).logits
        for cache in (DynamicCache(), StaticCache(config=model.config.text_config, max_cache_len=64)):
            model(**first, past_key_values=cache, use_cache=True)
            after = model(
                input_ids=second["input_ids"], pixel_values=second["pixel_values"], past_key_values=cache
            ).logits
            assert largest(after, at_once[:, length:]) < 2e-4, type(cache).__name__


@pytest.mark.parametrize("policy", ["causal", "image_bidirectional"])
@pytest.mark.parametrize("static", [False, True], ids=["dynamic", "static"])
def test_generating_a_second_turn_on_a_kept_cache(processor, policy, static):
    """The whole conversation and all its pictures go in again; only the new ones are encoded."""
    model = make_model(image_attention=policy)
    first, second, _ = turns(processor)
    options = {"max_new_tokens": 5, "do_sample": False, "eos_token_id": None, "disable_compile": True}
    options.update(return_dict_in_generate=True, output_logits=True)
    cache = StaticCache(config=model.config.text_config, max_cache_len=64) if static else DynamicCache()
    answered = model.generate(**first, **options, past_key_values=cache).sequences
    conversation = {
        "input_ids": torch.cat([answered, second["input_ids"]], 1),
        "pixel_values": torch.cat([first["pixel_values"], second["pixel_values"]]),
    }
    conversation["attention_mask"] = torch.ones_like(conversation["input_ids"])
    expected = model.generate(**conversation, **options)
    got = model.generate(**conversation, **options, past_key_values=cache)
    assert torch.equal(got.sequences, expected.sequences)
    assert largest(torch.stack(got.logits), torch.stack(expected.logits)) < 2e-4


def test_full_attention_does_not_generate(processor):
    with pytest.raises(ValueError, match="stage 0.*image_bidirectional"):
        make_model(image_attention="full").generate(**inputs_of(processor))


def test_chunked_prefill_is_refused(model, processor):
    batch = inputs_of(processor)
    with pytest.raises(ValueError, match="prefill_chunk_size would cut the prompt inside a picture"):
        model.generate(**batch, prefill_chunk_size=4)
    generation_config = copy.deepcopy(model.generation_config)
    generation_config.prefill_chunk_size = 4
    with pytest.raises(ValueError, match="prefill_chunk_size would cut"):
        model.generate(**batch, generation_config=generation_config)


def test_the_placeholder_is_never_generated(processor):
    model = make_model()
    with torch.no_grad():
        model.get_input_embeddings().weight[300] *= 100  # what a fine-tuned model may come to: <image> scores highest
        model.model.language_model.norm.weight.fill_(1.0)
    batch = inputs_of(processor)
    with torch.no_grad():
        assert (model(**batch).logits[:, -1].argmax(-1) == 300).any()
    new = model.generate(**batch, max_new_tokens=8)[:, batch["input_ids"].shape[1] :]
    assert not (new == 300).any()


def test_repetition_penalty(model, processor):
    batch = inputs_of(processor)
    options = {"max_new_tokens": 8, "do_sample": False, "eos_token_id": None}
    plain = model.generate(**batch, **options)
    penalised = model.generate(**batch, **options, repetition_penalty=1.5)
    assert penalised.shape == plain.shape and not torch.equal(penalised, plain)


def test_generation_config_of_a_fresh_model():
    model = ModaForConditionalGeneration(make_config())
    assert model.generation_config.eos_token_id == 1 and model.generation_config.pad_token_id == 2
    assert model.generation_config.suppress_tokens == [300]


@pytest.mark.parametrize("policy", GENERATING)
def test_prompt_lookup_is_only_faster(processor, policy):
    """Several guessed tokens go through at once, and the cache is cut back where the guess was wrong."""
    model = make_model(image_attention=policy)
    batch = processor([make_picture(1), make_picture(2)], ["<image>red red <image> red"])
    options = {"max_new_tokens": 12, "do_sample": False}
    guessed = model.generate(**batch, **options, prompt_lookup_num_tokens=3, max_matching_ngram_size=1)
    assert torch.equal(guessed, model.generate(**batch, **options))


def count_said(row, stops):
    """How many tokens a row says, up to its first stop."""
    return next((place + 1 for place, token in enumerate(row) if token in stops), len(row))


@pytest.mark.parametrize("sampled", [False, True], ids=["greedy", "sampled"])
@pytest.mark.parametrize("policy", GENERATING)
def test_confidence_is_the_likelihood_of_what_was_said(processor, policy, sampled):
    """Left-padded rows of which some end early, and are padded with their very end, told in one pass a token."""
    model = make_model(image_attention=policy)
    batch = inputs_of(processor)
    length = batch["input_ids"].shape[1]
    options = {"max_new_tokens": 6, "do_sample": sampled, "repetition_penalty": 1.2}
    options |= {"temperature": 1.5, "top_k": 20} if sampled else {}
    torch.manual_seed(3)
    free = model.generate(**batch, **options, eos_token_id=None)[:, length:].tolist()
    stops = [free[1][0], free[0][2]]  # a row that ends at once, and one in the middle
    options |= {"eos_token_id": stops, "pad_token_id": stops[0]}
    torch.manual_seed(3)
    sequences = model.generate(**batch, **options)
    new = sequences[:, length:].tolist()
    said = [count_said(row, stops) for row in new]
    assert said[1] == 1 and max(said) == len(new[0]) > 1

    passes = []
    hook = model.get_output_embeddings().register_forward_hook(lambda *_: passes.append(1))
    torch.manual_seed(3)
    sentences, confidences = generate_sentences(model, processor, batch, with_confidence=True, **options)
    hook.remove()
    assert len(passes) == max(said)
    assert sentences == [text.strip() for text in processor.batch_decode(new, skip_special_tokens=True)]
    labels = torch.full_like(sequences, -100)
    for row, count in enumerate(said):
        labels[row, length : length + count] = sequences[row, length : length + count]
    inputs = {
        "input_ids": sequences,
        "attention_mask": functional.pad(batch["attention_mask"], (0, len(new[0])), value=1),
        "pixel_values": batch["pixel_values"],
        "labels": labels,
    }
    total, tokens = label_log_likelihoods(model, inputs)
    assert tokens.tolist() == said
    assert confidences == pytest.approx(total / tokens, abs=1e-5)


def test_confidence_alone_from_features_and_of_a_row_that_never_ends(model, processor):
    batch = inputs_of(processor)
    options = {"max_new_tokens": 4, "eos_token_id": None, "with_confidence": True}
    sentences, confidences = generate_sentences(model, processor, batch, **options)
    assert len(set(confidences)) == 4 and max(confidences) < 0
    for row in range(4):
        assert generate_sentences(model, processor, inputs_of(processor, [row]), **options) == (
            [sentences[row]],
            [pytest.approx(confidences[row], abs=1e-5)],
        )
    features = {name: value for name, value in batch.items() if name != "pixel_values"}
    features["image_features"] = model.encode_images(batch["pixel_values"])
    again, from_features = generate_sentences(model, processor, features, **options)
    assert again == sentences and from_features == pytest.approx(confidences, abs=1e-5)
    assert generate_sentences(model, processor, batch, max_new_tokens=4, eos_token_id=None) == sentences
    several = generate_sentences(model, processor, batch, **options, do_sample=True, top_k=1, num_return_sequences=2)
    assert several[1] == pytest.approx([one for one in confidences for _ in range(2)], abs=1e-5)


REFUSED = {
    "num_beams": 3,
    "guidance_scale": 1.5,
    "prompt_lookup_num_tokens": 1,  # off at 1 are beams and guidance alone
    "penalty_alpha": 1,
    "dola_layers": "high",
    "assistant_early_exit": 1,
    "use_mtp": True,
    "stop_strings": ["."],
    "stopping_criteria": StoppingCriteriaList([MaxLengthCriteria(60)]),
    "custom_generate": lambda *args, **kwargs: None,
}


@pytest.mark.parametrize(("name", "value"), [*REFUSED.items(), ("guidance_scale", 0)])  # 0 is guidance too
def test_confidence_is_refused_where_a_step_is_not_one_token(model, processor, name, value):
    batch = inputs_of(processor, [0])
    with pytest.raises(ValueError, match=f"^{name} is .*without confidence"):
        generate_sentences(model, processor, batch, with_confidence=True, **{name: value})
    assert not model.get_output_embeddings()._forward_hooks


def test_confidence_is_refused_by_the_models_own_settings_and_given_where_they_are_off(processor):
    model = make_model()
    batch = inputs_of(processor, [0])
    expected = generate_sentences(model, processor, batch, with_confidence=True)
    off = {"num_beams": 1, "guidance_scale": 1.0, "penalty_alpha": 0.0, "prompt_lookup_num_tokens": None}
    assert generate_sentences(model, processor, batch, with_confidence=True, **off) == expected
    model.generation_config.num_beams = 2
    with pytest.raises(ValueError, match="num_beams is 2"):
        generate_sentences(model, processor, batch, with_confidence=True)
    assert generate_sentences(model, processor, batch, with_confidence=True, num_beams=1) == expected


@pytest.mark.parametrize("with_confidence", [False, True])
def test_sentences_where_generate_returns_more_than_tokens(model, processor, with_confidence):
    batch = inputs_of(processor)
    expected = generate_sentences(model, processor, batch, with_confidence)
    options = {"return_dict_in_generate": True, "output_scores": True}
    got = generate_sentences(model, processor, batch, with_confidence, **options)
    if with_confidence:
        assert got[0] == expected[0] and got[1] == pytest.approx(expected[1], abs=1e-5)
    else:
        assert got == expected
