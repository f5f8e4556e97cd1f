"""MODA from two checkpoints: each part as its authors saved it, nothing held twice, the same after save and load."""

import pytest
import torch
from conftest import TINY_CLIP, TINY_LLAMA, make_picture, make_tokenizer
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    CLIPImageProcessor,
    CLIPModel,
    ConvNextImageProcessor,
    SiglipImageProcessor,
    SiglipModel,
)

import modeling_moda
from modeling_moda import ModaForConditionalGeneration
from processing_moda import ModaProcessor


PIXELS = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
TINY_TEXT_TOWER = {
    "vocab_size": 300,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "max_position_embeddings": 16,
}
EOS = {"qwen2": "<|endoftext|>"}  # transformers 5 gives every Qwen2 folder a Qwen2Tokenizer, which insists on this one
LANGUAGE_MODELS = {
    # The vocabulary is full: <image> needs a new row, and the head stays tied.
    "llama": {**TINY_LLAMA, "vocab_size": 300},
    # Room behind the tokenizer, as in Qwen2.5: no resize. Stops at another token than the tokenizer's EOS.
    "qwen2": {**TINY_LLAMA, "model_type": "qwen2", "vocab_size": 384, "tie_word_embeddings": False, "eos_token_id": 7},
    "gpt2": {"model_type": "gpt2", "vocab_size": 300, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
}


def widen(model):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    return model.eval()


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Checkpoints in the layouts that people publish."""
    root = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    vision = {name: value for name, value in TINY_CLIP.items() if name != "model_type"}
    # FashionCLIP's layout: both towers, projection_dim at the top, image processor and the text tower's tokenizer.
    clip = {"model_type": "clip", "projection_dim": 24, "text_config": TINY_TEXT_TOWER, "vision_config": vision}
    clip["vision_config"] = {name: value for name, value in vision.items() if name != "projection_dim"}
    widen(CLIPModel(AutoConfig.for_model(**clip))).save_pretrained(root / "clip")
    CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(root / "clip")
    siglip = {"model_type": "siglip", "text_config": TINY_TEXT_TOWER, "vision_config": vision}
    widen(SiglipModel(AutoConfig.for_model(**siglip))).save_pretrained(root / "siglip")
    SiglipImageProcessor(size={"height": 32, "width": 32}).save_pretrained(root / "siglip")
    resnet = AutoConfig.for_model(
        "resnet",
        embedding_size=8,
        hidden_sizes=[8, 16],
        depths=[1, 1],
        layer_type="basic",
        downsample_in_first_stage=True,
    )
    widen(AutoModel.from_config(resnet)).save_pretrained(root / "resnet")
    ConvNextImageProcessor(size={"shortest_edge": 32}, crop_pct=0.875).save_pretrained(root / "resnet")
    for name in ("clip", *LANGUAGE_MODELS):
        tokenizer = make_tokenizer(EOS.get(name, "</s>"))
        if name == "gpt2":
            tokenizer.pad_token = None
        tokenizer.save_pretrained(root / name)
    for name, config in LANGUAGE_MODELS.items():
        widen(AutoModelForCausalLM.from_config(AutoConfig.for_model(**config))).save_pretrained(root / name)
    return root


def build(folders, vision, text, **kwargs):
    kwargs.setdefault("vision_feature_select_strategy", "default")
    model = ModaForConditionalGeneration.from_vision_text_pretrained(
        str(folders / vision), str(folders / text), **kwargs
    )
    strategy = kwargs["vision_feature_select_strategy"]
    processor = ModaProcessor.from_vision_text_pretrained(str(folders / vision), str(folders / text), strategy)
    return model, processor


@pytest.mark.parametrize("text", LANGUAGE_MODELS)
def test_language_model_keeps_its_logits_and_ids(folders, text):
    torch.manual_seed(1)
    model, processor = build(folders, "clip", text)
    original = AutoModelForCausalLM.from_pretrained(folders / text).eval()
    before = make_tokenizer(EOS.get(text, "</s>"))
    tokenizer = processor.tokenizer
    assert {token: i for token, i in tokenizer.get_vocab().items() if token != "<image>"} == before.get_vocab()
    assert processor.image_token_id == model.config.image_token_id == len(before) == 300
    sentence = "A navy blue casual shirt for men."
    ids = tokenizer(sentence)["input_ids"]
    assert ids == before(sentence)["input_ids"]
    with torch.no_grad():
        logits = model(input_ids=torch.tensor([ids])).logits
        assert torch.allclose(logits[..., :300], original(torch.tensor([ids])).logits[..., :300], atol=1e-6)

    vocabulary = 384 if text == "qwen2" else 320  # grown to a multiple of 64 only where <image> did not fit
    assert model.config.text_config.vocab_size == vocabulary == model.get_input_embeddings().num_embeddings
    assert logits.shape[-1] == vocabulary
    tied = model.lm_head.weight is model.get_input_embeddings().weight
    assert tied == (text != "qwen2") and model.config.tie_word_embeddings == tied


@pytest.mark.parametrize("vision", ["clip", "siglip", "resnet"])
def test_vision_encoder_keeps_its_features(folders, vision):
    model, processor = build(folders, vision, "llama")
    original = (CLIPModel if vision == "clip" else AutoModel).from_pretrained(folders / vision).eval()
    with torch.no_grad():
        features = model.encode_images(PIXELS)
        if vision == "resnet":
            expected = original(PIXELS).last_hidden_state.flatten(2).transpose(1, 2)
        else:
            expected = original.vision_model(pixel_values=PIXELS).last_hidden_state[:, int(vision == "clip") :]
    assert torch.equal(features, expected)
    assert features.shape[1:] == (model.config.image_seq_length, model.config.image_feature_size)
    assert processor.image_seq_length == model.config.image_seq_length
    batch = processor(images=[make_picture(0, (60, 40)), make_picture(1)])
    assert model(**batch).logits.isfinite().all()
    assert not any("text_model" in name or "logit_scale" in name for name, _ in model.named_parameters())


def test_pooled_clip_is_its_projected_embedding(folders):
    model, processor = build(folders, "clip", "llama", vision_feature_select_strategy="pooled")
    original = CLIPModel.from_pretrained(folders / "clip").eval()
    with torch.no_grad():
        expected = original.visual_projection(original.vision_model(pixel_values=PIXELS).pooler_output)
        assert torch.equal(model.encode_images(PIXELS), expected[:, None])
    assert (model.config.image_seq_length, model.config.image_feature_size) == (1, 24)
    assert processor(images=[make_picture()])["input_ids"].tolist()[0].count(300) == 1


@pytest.mark.parametrize("text", LANGUAGE_MODELS)
def test_generation_stops_where_descriptions_end(folders, text):
    """The processor closes a description with the tokenizer's EOS (id 1), so generation must stop at it."""
    model, processor = build(folders, "clip", text)
    stops = model.generation_config.eos_token_id
    assert 1 in stops and (7 in stops) == (text == "qwen2")
    assert model.generation_config.pad_token_id == processor.tokenizer.pad_token_id == (1 if text == "gpt2" else 2)
    assert model.generation_config.suppress_tokens == [300]
    labels = processor(images=[make_picture()], suffix=["Red."])["labels"][0]
    assert labels[-1] in stops


def test_a_tokenizer_that_has_the_token_keeps_its_id(folders, tmp_path):
    tokenizer = make_tokenizer(EOS["qwen2"])
    tokenizer.add_tokens(["<before>", "<image>", "<after>"], special_tokens=True)
    tokenizer.save_pretrained(tmp_path)
    AutoModelForCausalLM.from_pretrained(folders / "qwen2").save_pretrained(tmp_path)
    model = ModaForConditionalGeneration.from_vision_text_pretrained(str(folders / "clip"), str(tmp_path))
    processor = ModaProcessor.from_vision_text_pretrained(str(folders / "clip"), str(tmp_path))
    assert model.config.image_token_id == processor.image_token_id == 301
    assert len(processor.tokenizer) == 303


def test_no_weight_is_held_twice(folders, monkeypatch):
    loaded = {}

    def remember(name, load):
        def wrapped(*args, **kwargs):
            loaded[name] = load(*args, **kwargs)
            return loaded[name]

        return wrapped

    monkeypatch.setattr(modeling_moda, "load_vision_tower", remember("vision", modeling_moda.load_vision_tower))
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", remember("text", AutoModelForCausalLM.from_pretrained))
    model, _ = build(folders, "clip", "qwen2", dtype=torch.bfloat16)
    assert model.model.vision_tower is loaded["vision"]
    assert model.model.language_model is loaded["text"].model
    assert model.lm_head is loaded["text"].lm_head
    for name, value in [*model.named_parameters(), *model.named_buffers()]:
        assert not value.is_meta, name
        assert value.dtype == torch.bfloat16 or not value.is_floating_point() or "inv_freq" in name, name
    assert model.dtype == torch.bfloat16 and not model.training
    connector = model.model.connector
    assert 0.01 < connector.linear_1.weight.std() < 0.03 and (connector.linear_1.bias == 0).all()


@pytest.mark.parametrize(
    "vision, text, strategy",
    [
        ("clip", "llama", "pooled"),
        ("clip", "gpt2", "full"),
        ("siglip", "qwen2", "default"),
        ("resnet", "llama", "default"),
    ],
)
def test_save_and_load(folders, tmp_path, vision, text, strategy):
    model, processor = build(folders, vision, text, vision_feature_select_strategy=strategy)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    loaded, report = ModaForConditionalGeneration.from_pretrained(tmp_path, output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"] and not report["mismatched_keys"]
    again = ModaProcessor.from_pretrained(tmp_path)
    pictures = [make_picture(0, (60, 40)), make_picture(1)]
    batch, other = processor(images=pictures), again(images=pictures)
    assert batch.keys() == other.keys()
    assert all(torch.equal(batch[name], other[name]) for name in batch)
    with torch.no_grad():
        assert torch.equal(model(**batch).logits, loaded(**batch).logits)
    options = {"max_new_tokens": 4, "do_sample": False}
    assert torch.equal(model.generate(**batch, **options), loaded.generate(**batch, **options))
    assert loaded.generation_config.suppress_tokens == [300]
    assert loaded.generation_config.eos_token_id == model.generation_config.eos_token_id


@pytest.mark.parametrize(
    "changes, named",
    [({"model_type": "phi"}, "a bias"), ({"model_type": "cohere", "logit_scale": 0.5}, "logit_scale")],
)
def test_a_head_that_does_more_is_refused(folders, tmp_path, changes, named):
    small = {"vocab_size": 320, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1}
    language_model = AutoModelForCausalLM.from_config(
        AutoConfig.for_model(**small, num_attention_heads=2, num_key_value_heads=2, pad_token_id=2, **changes)
    )
    language_model.save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    with pytest.raises(
        ValueError, match=f"The head of this {changes['model_type']} has {named}, which MODA would lose"
    ):
        ModaForConditionalGeneration.from_vision_text_pretrained(str(folders / "clip"), str(tmp_path))
