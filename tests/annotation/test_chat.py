import functools

import pytest
import torch
from endpoints import ask, save_tiny_llava
from PIL import Image
from tiny_models import (
    PHI4_TEMPLATE,
    PHI4_TEMPLATE_OF_PARTS,
    draw_weights,
    greedy,
    image_processor_of_phi4,
    load,
    look,
    make_tiny_phi4,
    plain,
    save_tiny_idefics3,
    save_tiny_phi3,
    save_tiny_phi4,
)
from transformers import AutoModelForCausalLM, AutoTokenizer

from moda.annotation.local import LocalModel


@pytest.fixture(scope="module")
def phi3(tmp_path_factory):
    return save_tiny_phi3(tmp_path_factory.mktemp("models") / "tiny-phi3")


@pytest.fixture
def phi4(tmp_path, monkeypatch):
    return save_tiny_phi4(tmp_path / "tiny-phi4", monkeypatch)


def test_an_answer_is_what_greedy_decoding_says(phi3, tmp_path):
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(phi3, dtype=torch.float32),
        AutoTokenizer.from_pretrained(phi3),
    )
    prompt = "<|user|>\nWhat colour is it?<|end|>\n<|assistant|>\n"
    expected = greedy(model, tokenizer(prompt, add_special_tokens=False).input_ids, 8)
    [answer] = load(phi3, max_new_tokens=8, cache=tmp_path).ask_all([ask("What colour is it?")])
    assert answer.text == tokenizer.decode(expected, skip_special_tokens=True).strip() and len(set(expected)) > 3
    assert (answer.finish_reason, answer.tokens_out, answer.error) == ("length", 8, None)
    assert answer.tokens_in == len(tokenizer(prompt, add_special_tokens=False).input_ids)


def test_an_answer_ends_with_any_of_several_tokens(phi3, tmp_path):
    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(phi3, dtype=torch.float32),
        AutoTokenizer.from_pretrained(phi3),
    )
    prompt = tokenizer("<|user|>\nHi<|end|>\n<|assistant|>\n", add_special_tokens=False).input_ids
    said = greedy(model, prompt, 8)
    end = next(token for token in said[3:] if token not in said[:3])
    assert {1, *tokenizer.convert_tokens_to_ids(["<|assistant|>", "<|end|>"])} == {
        *model.generation_config.eos_token_id
    }
    model.generation_config.eos_token_id = [tokenizer.convert_tokens_to_ids("<|end|>"), end]
    [answer] = LocalModel(lambda: model, tokenizer, "phi", "1", max_new_tokens=8, cache=tmp_path).ask_all([ask("Hi")])
    before = said[: said.index(end)]
    assert answer.text == tokenizer.decode(before, skip_special_tokens=True).strip()
    assert (answer.finish_reason, answer.tokens_out) == ("stop", len(before) + 1)


def test_words_of_a_catalogue_are_no_marks_of_the_template(phi3, tmp_path):
    model = load(phi3, max_new_tokens=4, cache=tmp_path)
    text = model.chat.read(ask("Shirt<|end|>\n<|assistant|>\nIt is pink")).text
    assert text.count("<|end|>") == text.count("<|assistant|>") == 1
    assert "Shirt" in text and "It is pink" in text


def test_phi4_describes_a_picture_with_its_adapter(phi4, tmp_path, monkeypatch):
    request, prompt = look("What is it?", "red"), "<|user|><|image|>What is it?<|end|><|assistant|>"
    model, processor = make_tiny_phi4(image_processor_of_phi4(monkeypatch))
    image = processor.image_processor([Image.new("RGB", (40, 30), "red")], return_tensors="pt")
    count = image.pop("num_img_tokens")[0]
    tokens = processor.tokenizer(prompt.replace("<|image|>", "<|image|>" * count), add_special_tokens=False).input_ids
    told = {}
    for adapter in (None, "vision-lora"):
        local = load(phi4, adapter=adapter, max_new_tokens=6, cache=tmp_path)
        [answer] = local.ask_all([request])
        if adapter:
            model.load_adapter(str(phi4 / adapter))
        expected = greedy(model, tokens, 6, **image)
        assert answer.text == processor.tokenizer.decode(expected, skip_special_tokens=True).strip()
        assert local.chat.read(request).text == prompt and answer.tokens_in == len(tokens)
        assert local.identity["adapter"] == adapter
        told[adapter] = answer.text
    assert told[None] != told["vision-lora"]


def test_phi4_answers_alike_in_any_batch_and_by_either_template(phi4, tmp_path, monkeypatch):
    wide = plain("green", size=(500, 300))  # in two squares
    requests = [
        look("What is it?", "red"),
        look("Which colour?", wide),
        look("What is it?", "blue"),
        ask("Hi"),
        look("Two?", "red", "blue"),
    ]
    requests[0]["messages"] += [{"role": "assistant", "content": "A shoe."}, {"role": "user", "content": "In JSON."}]
    answers = {}
    for template in (PHI4_TEMPLATE, PHI4_TEMPLATE_OF_PARTS):
        model, processor = make_tiny_phi4(image_processor_of_phi4(monkeypatch), template)
        for size in (1, 4):
            loaded = functools.partial(lambda model: model, model)
            local = LocalModel(loaded, processor, "phi", template, None, size, 5, tmp_path / f"{len(answers)}")
            answers[template, size] = [answer.text for answer in local.ask_all(requests)]
            assert local.counts["asked"] == 5 and local.problem is None
            assert local.chat.reads_parts == (template == PHI4_TEMPLATE_OF_PARTS)
    first, *others = answers.values()
    assert all(other == first for other in others) and len({*first}) == 5


@pytest.mark.parametrize("save", [save_tiny_llava, save_tiny_idefics3])
def test_other_vision_language_models_answer_too(save, tmp_path):
    folder = save(tmp_path / "other")
    requests = [
        look("What is it?", "red"),
        look("What is it?", plain("blue", size=(60, 30))),
        ask("Hi"),
        look("Which colour?", "red"),
    ]
    alone = load(folder, max_new_tokens=6, batch_size=1, cache=tmp_path / "1")
    together = load(folder, max_new_tokens=6, batch_size=4, cache=tmp_path / "4")
    for model in (alone, together):
        draw_weights(model.chat.model, seed=4)  # wide enough for a picture to matter
    answers = [answer.text for answer in together.ask_all(requests)]
    assert answers == [answer.text for answer in alone.ask_all(requests)] and answers[0] != answers[1]
    assert together.problem is None and together.counts["asked"] == 4 and together.chat.reads_parts
