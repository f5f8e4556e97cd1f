"""The model: what each position may see, that every way to the same answer gives it, and what is refused."""

import copy

import pytest
import torch
from conftest import RESNET, TINY_LLAMA, inputs_of, largest, make_config, make_model, make_picture, make_processor
from torch.nn import functional

from masks_moda import IMAGE_ATTENTION_POLICIES, make_attention_mask, number_images
from modeling_moda import ModaForConditionalGeneration


OTHER_LANGUAGE_MODELS = {
    "gpt2": {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 128},
    "qwen2": {**TINY_LLAMA, "max_window_layers": 2},
    "opt": {
        "hidden_size": 32,
        "word_embed_proj_dim": 32,
        "ffn_dim": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "max_position_embeddings": 128,
    },
}


def text_config(**changes):
    return {**TINY_LLAMA, **changes}


# What may be seen


@pytest.mark.parametrize("policy", IMAGE_ATTENTION_POLICIES)
@pytest.mark.parametrize("strategy, length, size", [("default", 4, 32), ("pooled", 1, 24)])
def test_information_flows_exactly_where_the_mask_allows(policy, strategy, length, size):
    """In a single layer output i moves with input j if and only if i may attend to j."""
    model = make_model(
        image_attention=policy, text_config=text_config(num_hidden_layers=1), vision_feature_select_strategy=strategy
    )
    image = model.config.image_token_id
    ids = torch.tensor([[0, *[image] * 2 * length, 50, 51, *[image] * length, 52, 53, 54]])
    labels = torch.full_like(ids, -100)
    labels[:, -2:] = ids[:, -2:]
    features = torch.randn(3, length, size, generator=torch.Generator().manual_seed(1))
    placeholders = ids == image
    expected = make_attention_mask(policy, number_images(placeholders, length), prefix=labels == -100)[0, 0]
    position = placeholders[0].cumsum(0) - 1

    @torch.no_grad()
    def logits(ids, features):
        return model(input_ids=ids, image_features=features, labels=labels).logits[0]

    before = logits(ids, features)
    for j in range(ids.shape[1]):
        other_ids, other_features = ids.clone(), features.clone()
        if placeholders[0, j]:
            other_features.view(-1, size)[position[j]] += 1
        else:
            other_ids[0, j] = 99
        moved = (logits(other_ids, other_features) != before).any(-1)
        assert torch.equal(moved, expected[:, j]), f"changing position {j} moved {moved.long().tolist()}"


def test_prefix_lm_prompt_ends_where_the_labels_begin(processor):
    """The answer that is to be learnt must not be visible to the prompt, on either padding side."""
    model = make_model(image_attention="prefix_lm")
    for side in ("left", "right"):
        batch = processor(
            images=[make_picture(0), make_picture(1)],
            text=["What colour is it?", "Describe the product."],
            suffix=["A navy blue shirt.", "Red."],
            padding_side=side,
        )
        answer = batch["labels"] != -100
        other = batch["input_ids"].clone()
        other[answer] = 77
        prompt = ~answer & batch["attention_mask"].bool()
        with torch.no_grad():
            a = model(**batch).logits
            b = model(**{**batch, "input_ids": other}).logits
            unlabelled = model(**{name: value for name, value in batch.items() if name != "labels"}).logits
        assert torch.equal(a[prompt], b[prompt])
        assert (a[answer] != b[answer]).any()
        assert largest(unlabelled[prompt], a[prompt]) > 1e-3  # without labels the answer would be prompt too
        types = answer.long()  # what the labels say may be said outright
        unlabelled = {name: value for name, value in batch.items() if name != "labels"}
        with torch.no_grad():
            assert torch.equal(model(**unlabelled, token_type_ids=types).logits[prompt], a[prompt])


# Every way to the same logits


@pytest.mark.parametrize("policy", IMAGE_ATTENTION_POLICIES)
def test_sdpa_equals_eager_equals_flex(processor, policy):
    batch = inputs_of(processor)
    model = make_model(image_attention=policy)
    real = batch["attention_mask"].bool()
    logits = {}
    for implementation in ("sdpa", "eager", "flex_attention"):
        model.set_attn_implementation(implementation)
        assert model.model.language_model.config._attn_implementation == implementation
        with torch.no_grad(), torch.compiler.set_stance("force_eager"):
            logits[implementation] = model(**batch).logits[real]
    assert torch.isfinite(logits["sdpa"]).all()
    assert largest(logits["sdpa"], logits["eager"]) < 2e-4
    assert largest(logits["sdpa"], logits["flex_attention"]) < 2e-4


@pytest.mark.parametrize("policy", IMAGE_ATTENTION_POLICIES)
@pytest.mark.parametrize("side", ["left", "right"])
def test_batch_equals_single(processor, policy, side):
    model = make_model(image_attention=policy)
    batch = inputs_of(processor, padding_side=side)
    with torch.no_grad():
        together = model(**batch).logits
        for row in range(4):
            alone = model(**inputs_of(processor, [row])).logits[0]
            assert largest(together[row][batch["attention_mask"][row].bool()], alone) < 2e-4, row


def test_image_features_equal_pixel_values(model, processor):
    batch = inputs_of(processor)
    features = model.encode_images(batch["pixel_values"])
    assert features.shape == (5, 4, 32)
    cached = {name: value for name, value in batch.items() if name != "pixel_values"}
    with torch.no_grad():
        from_pixels, from_features = model(**batch), model(**cached, image_features=features)
    assert torch.equal(from_pixels.logits, from_features.logits)
    assert torch.equal(from_pixels.image_hidden_states, model.get_image_features(batch["pixel_values"]).pooler_output)
    other = model(**cached, image_features=features.roll(1, 0)).logits
    assert largest(other, from_pixels.logits) > 1e-3


@pytest.mark.parametrize("policy", ["image_bidirectional", "prefix_lm"])
def test_inputs_embeds_equal_input_ids(processor, policy):
    model = make_model(image_attention=policy)
    for rows in ([0, 2, 3], [1]):  # with pictures, and text alone
        batch = inputs_of(processor, rows)
        embeds = model.get_input_embeddings()(batch["input_ids"])
        others = {name: value for name, value in batch.items() if name != "input_ids"}
        with torch.no_grad():
            assert torch.equal(model(inputs_embeds=embeds, **others).logits, model(**batch).logits)


def test_text_only_equals_the_language_model_alone(processor):
    model = make_model()
    batch = inputs_of(processor, [1])
    with torch.no_grad():
        inner = model.model.language_model(**batch).last_hidden_state
        assert largest(model(**batch).logits, model.lm_head(inner)) < 1e-6


def test_an_explicit_4d_mask_replaces_the_policy(model, processor):
    batch = inputs_of(processor, [0])
    length = batch["input_ids"].shape[1]
    causal = torch.ones(1, 1, length, length, dtype=torch.bool).tril()
    reference = make_model(image_attention="causal")
    with torch.no_grad():
        got = model(**{**batch, "attention_mask": causal}).logits
        assert largest(got, reference(**batch).logits) < 1e-4
        assert largest(got, model(**batch).logits) > 1e-3


def test_logits_to_keep_and_tuple_output(model, processor):
    batch = inputs_of(processor, [0, 2])
    with torch.no_grad():
        logits = model(**batch).logits
        for keep, rows in ((1, [-1]), (3, [-3, -2, -1]), (torch.tensor([2, 5]), [2, 5])):
            kept = model(**batch, logits_to_keep=keep).logits
            assert kept.shape[1] == len(rows) and largest(kept, logits[:, rows]) < 1e-5
        assert torch.equal(model(**batch, return_dict=False)[0], logits)
        states = model(**batch, output_hidden_states=True).hidden_states
    assert len(states) == 3


# Refusals


def test_flash_attention_is_refused_unless_causal(tmp_path):
    model = make_model()
    model.save_pretrained(tmp_path)
    sentence = 'flash_attention_2 knows no mask but the causal one, .*attn_implementation="sdpa"'
    with pytest.raises(ValueError, match=sentence):
        ModaForConditionalGeneration.from_pretrained(tmp_path, attn_implementation="flash_attention_2")
    model.config._attn_implementation_internal = "flash_attention_2"  # set later, as set_attn_implementation does
    with pytest.raises(ValueError, match=sentence):
        model(input_ids=torch.tensor([[5, 6]]))


def test_counts_that_disagree_name_both_numbers(model, processor):
    batch = inputs_of(processor, [0, 2])  # three pictures
    pixels = batch["pixel_values"]
    with pytest.raises(ValueError, match=r"2 picture\(s\) of 4 position\(s\) need 8 .* holds 12"):
        model(**{**batch, "pixel_values": pixels[:2]})
    with pytest.raises(ValueError, match=r"0 picture\(s\).* need 0 .* holds 12"):
        model(input_ids=batch["input_ids"])
    with pytest.raises(ValueError, match=r"4 picture\(s\).* need 16 .* holds 12"):
        model.generate(**{**batch, "pixel_values": pixels[[0, 1, 2, 2]]}, max_new_tokens=2)
    # The sum is right, but a picture is cut at the border of two rows, or of a chunk.
    image = model.config.image_token_id
    with pytest.raises(ValueError, match=r"by row: \[2, 6\]"):
        model(input_ids=torch.tensor([[image] * 2 + [5] * 4, [image] * 6]), pixel_values=pixels[:2])
    with pytest.raises(ValueError, match="never cut a sequence inside a picture"):
        model(input_ids=torch.tensor([[image] * 2]), pixel_values=pixels[:1])


def test_inputs_that_exclude_each_other(model, processor):
    batch = inputs_of(processor, [2])
    features = model.encode_images(batch["pixel_values"])
    with pytest.raises(ValueError, match="pixel_values or image_features"):
        model(**batch, image_features=features)
    with pytest.raises(ValueError, match="pixel_values or image_features"):
        model.get_image_features()
    embeds = model.get_input_embeddings()(batch["input_ids"])
    with pytest.raises(ValueError, match="input_ids or inputs_embeds, and not both"):
        model(**batch, inputs_embeds=embeds)
    with pytest.raises(ValueError, match="input_ids or inputs_embeds, and not both"):
        model(pixel_values=batch["pixel_values"])
    with pytest.raises(ValueError, match="image_seq_length"):
        model(input_ids=batch["input_ids"], image_features=features[:, :2])
    with pytest.raises(ValueError, match="inputs_embeds"):
        model.generate(inputs_embeds=embeds, pixel_values=batch["pixel_values"])


def test_inputs_embeds_with_an_image_id_behind_the_vocabulary():
    """There is no embedding to recognise a picture's place by, so text works and pictures are refused."""
    model = make_model(image_token_id=320)
    embeds = model.get_input_embeddings()(torch.tensor([[5, 6, 7]]))
    assert torch.equal(model(inputs_embeds=embeds).logits, model(input_ids=torch.tensor([[5, 6, 7]])).logits)
    with pytest.raises(ValueError, match=r"1 picture\(s\).* holds 0"):
        model(inputs_embeds=embeds, image_features=torch.zeros(1, 4, 32))


def test_config_errors_name_what_is_known():
    with pytest.raises(ValueError, match="image_attention is 'diagonal'.*prefix_lm"):
        make_config(image_attention="diagonal")
    with pytest.raises(ValueError, match="vision_feature_select_strategy is 'patch'.*pooled, default, full"):
        make_config(vision_feature_select_strategy="patch")
    with pytest.raises(ValueError, match="connector_type is 'perceiver'.*mlp, linear, transformer"):
        make_model(connector_type="perceiver")
    with pytest.raises(ValueError, match="'resnet' names no image_size"):
        make_config(vision_config={name: value for name, value in RESNET.items() if name != "image_size"})


# Loss and gradients


def training_batch(processor, side="right"):
    return processor(
        images=[[make_picture(0)], [make_picture(1), make_picture(2)]],
        text=["Describe the product.", "<image>What colour is <image>it?"],
        suffix=["A navy blue casual shirt for men.", "Red."],
        padding_side=side,
    )


@pytest.mark.parametrize("side", ["left", "right"])
def test_loss_is_shifted_cross_entropy_on_text_targets(model, processor, side):
    batch = training_batch(processor, side)
    with torch.no_grad():
        output = model(**batch)
    logits, labels = output.logits, batch["labels"]
    terms = [
        -functional.log_softmax(logits[row, i - 1], -1)[labels[row, i]]
        for row in range(2)
        for i in range(1, labels.shape[1])
        if labels[row, i] != -100
    ]
    assert output.past_key_values is None  # no cache while training
    assert output.loss.item() == pytest.approx(torch.stack(terms).mean().item(), rel=1e-5)
    items = torch.tensor(37)
    with torch.no_grad():
        scaled = model(**batch, num_items_in_batch=items).loss
    assert scaled.item() == pytest.approx(torch.stack(terms).sum().item() / 37, rel=1e-5)


def test_labels_on_pictures_are_not_learnt(model, processor):
    """A collator that copies the ids, as transformers' own does, must not teach the model to write placeholders."""
    batch = training_batch(processor)
    copied = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, -100)
    assert (copied == 300).any()
    text = copied.masked_fill(copied == 300, -100)
    with torch.no_grad():
        losses = [model(**{**batch, "labels": labels}).loss for labels in (copied, text)]
    assert torch.equal(*losses)
    assert (copied == 300).any()  # the caller's labels stay as they were


def test_only_the_connector_learns_when_the_rest_is_frozen(processor):
    model = make_model(vision_config=RESNET, vision_feature_select_strategy="default")
    processor = make_processor(image_seq_length=16)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_("connector" in name)
    model.train()
    assert model.training and model.model.training and model.model.connector.training
    assert not any(part.training for part in model.model.vision_tower.modules())
    assert not any(part.training for part in model.model.language_model.modules())
    before = {name: value.clone() for name, value in model.state_dict().items()}
    batch = processor(images=[make_picture(0)], suffix=["A shirt."])
    model(**batch).loss.backward()
    learnt = {name for name, parameter in model.named_parameters() if parameter.grad is not None}
    assert learnt == {name for name in before if "connector" in name}
    assert all(parameter.grad.abs().sum() > 0 for parameter in model.model.connector.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())  # BatchNorm statistics

    model.model.language_model.requires_grad_(True)
    model.model.vision_tower.requires_grad_(True)
    model.model.connector.requires_grad_(False)
    model.train()
    assert model.model.language_model.layers[0].training and model.model.vision_tower.training
    assert not model.model.connector.training
    model.eval()
    assert not any(part.training for part in model.modules())


@pytest.mark.parametrize("frozen", ["nothing", "all but the connector"])
@pytest.mark.parametrize("policy", ["image_bidirectional", "prefix_lm"])
def test_gradient_checkpointing_gives_the_same_gradients(processor, frozen, policy):
    batch = training_batch(processor)

    def gradients(checkpointing):
        model = make_model(image_attention=policy)
        if frozen != "nothing":
            for name, parameter in model.named_parameters():
                parameter.requires_grad_("connector" in name)
        if checkpointing:
            later = hasattr(model, "activation_checkpointing_enable")  # its later name in transformers 5
            enable = model.activation_checkpointing_enable if later else model.gradient_checkpointing_enable
            enable({"use_reentrant": False})
            assert any(getattr(part, "gradient_checkpointing", False) for part in model.modules())
        model.train()
        model(**batch).loss.backward()
        return {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}

    plain, checkpointed = gradients(False), gradients(True)
    assert plain.keys() == checkpointed.keys() and any("connector" in name for name in plain)
    for name, gradient in plain.items():
        assert torch.allclose(gradient, checkpointed[name], atol=1e-6), name


# Weights


@pytest.mark.parametrize("tied", [True, False])
def test_tied_and_untied_heads_survive_saving_and_resizing(tmp_path, processor, tied):
    model = make_model(text_config=text_config(tie_word_embeddings=tied))
    assert (model.lm_head.weight is model.get_input_embeddings().weight) == tied
    batch = inputs_of(processor)
    model.save_pretrained(tmp_path)
    loaded, report = ModaForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    assert (loaded.lm_head.weight is loaded.get_input_embeddings().weight) == tied
    with torch.no_grad():
        logits = model(**batch).logits
        assert torch.equal(loaded(**batch).logits, logits)

        loaded.resize_token_embeddings(384, mean_resizing=False)
        assert loaded.config.text_config.vocab_size == 384 == loaded.get_input_embeddings().weight.shape[0]
        assert (loaded.lm_head.weight is loaded.get_input_embeddings().weight) == tied
        assert largest(loaded(**batch).logits[..., :320], logits) < 1e-5
    assert loaded(**batch, labels=batch["input_ids"].masked_fill(batch["input_ids"] == 300, -100)).loss.isfinite()
    loaded.save_pretrained(tmp_path / "resized")
    again = ModaForConditionalGeneration.from_pretrained(tmp_path / "resized")
    with torch.no_grad():
        assert torch.equal(again(**batch).logits, loaded(**batch).logits)


@pytest.mark.parametrize("connector_type", ["mlp", "linear", "transformer"])
def test_missing_connector_weights_are_drawn_afresh(tmp_path, connector_type):
    """Another connector over the same encoder and language model starts like a new one, neither zeros nor garbage."""
    from safetensors.torch import load_file, save_file

    model = make_model(connector_type=connector_type)
    model.save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    kept = {name: value for name, value in weights.items() if "connector" not in name}
    assert len(kept) < len(weights)
    save_file(kept, tmp_path / "model.safetensors", metadata={"format": "pt"})
    loaded, report = ModaForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert sorted(report["missing_keys"]) == sorted(set(weights) - set(kept))
    for name, value in loaded.model.connector.named_parameters():
        assert not value.is_meta and value.isfinite().all(), name
        if name.endswith("bias"):
            assert (value == 0).all(), name
        elif "norm" in name:
            assert (value == 1).all(), name
        else:
            assert 0.005 < value.std() < 0.3 and value.abs().max() < 1, name
    assert torch.equal(
        loaded.model.vision_tower.visual_projection.weight, model.model.vision_tower.visual_projection.weight
    )


def test_another_models_checkpoint_is_refused(tmp_path):
    from transformers import LlamaConfig

    LlamaConfig(**{name: value for name, value in TINY_LLAMA.items() if name != "model_type"}).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="'llama'.*'moda'.*from_vision_text_pretrained"):
        ModaForConditionalGeneration.from_pretrained(tmp_path)


def test_bfloat16(processor):
    batch = inputs_of(processor)
    model = make_model().to(torch.bfloat16)
    with torch.no_grad():
        half = model(**batch).logits
        whole = make_model()(**batch).logits
    assert half.dtype == torch.bfloat16 and half.isfinite().all()
    real = batch["attention_mask"].bool()
    assert functional.cosine_similarity(half[real].float(), whole[real], dim=-1).min() > 0.98
    assert model.generate(**batch, max_new_tokens=2).shape[0] == 4


# Parts


@pytest.mark.parametrize("name", OTHER_LANGUAGE_MODELS)
def test_other_language_models(name, tmp_path, processor):
    fields = {"vocab_size": 320, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 2, "tie_word_embeddings": True}
    model = make_model(text_config={**OTHER_LANGUAGE_MODELS[name], **fields, "model_type": name})
    assert model.lm_head.weight is model.get_input_embeddings().weight
    assert model.get_decoder() is model.model.language_model
    batch = inputs_of(processor)
    model.save_pretrained(tmp_path)
    loaded = ModaForConditionalGeneration.from_pretrained(tmp_path).eval()
    assert loaded.lm_head.weight is loaded.get_input_embeddings().weight
    with torch.no_grad():
        together = model(**batch).logits
        assert torch.equal(loaded(**batch).logits, together)
        for row in range(4):
            single = inputs_of(processor, [row])
            alone = model(**single).logits[0]
            assert largest(together[row][batch["attention_mask"][row].bool()], alone) < 5e-4, row
            del single["attention_mask"]
            assert largest(model(**single).logits[0], alone) < 5e-4, row
    options = {"max_new_tokens": 4, "do_sample": False, "eos_token_id": None}
    sequences = model.generate(**batch, **options)
    assert torch.equal(model.generate(**batch, **options, use_cache=False), sequences)

    causal = copy.deepcopy(model)
    causal.config.image_attention = "causal"
    with torch.no_grad():
        assert largest(causal(**batch).logits, together) > 1e-3  # the policy reaches this architecture
