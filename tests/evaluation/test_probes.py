"""Weakness probes: what is asked and chosen, how results are told, and that only looking helps."""

import re
from dataclasses import replace
from itertools import combinations

import pytest
import torch
from conftest import SENTENCES, TINY_CLIP, TINY_LLAMA, make_config, make_model, make_processor
from PIL import Image

from generation_moda import generate_sentences
from moda.evaluation.likelihood import sentence_log_likelihoods
from moda.evaluation.probe_suites import SUITES, TONES, chance
from moda.evaluation.probes import draw_probes, probe_sheet, run_probes


CHANCES = {"counting": 1 / 5, "left/right": 1 / 2, "attribute binding": 1 / 2}


def blank(monkeypatch, name):
    """Draws a suite's pictures grey, and leaves all else."""
    suite = SUITES[name]
    grey = Image.new("RGB", (32, 32), (128, 128, 128))
    draw = lambda *args: [replace(item, picture=grey) for item in suite.draw(*args)]  # noqa: E731
    monkeypatch.setitem(SUITES, name, replace(suite, draw=draw))


def test_the_likeliest_sentence_a_token_is_chosen(monkeypatch, model, processor):
    """The mean decides, not the sum, which would prefer short sentences."""
    suite, pairs = SUITES["counting"], list(combinations(SENTENCES, 2))

    def draw(*args):
        return [replace(item, sentences=pair, answers=pair[:1]) for item, pair in zip(suite.draw(*args), pairs)]

    monkeypatch.setitem(SUITES, "counting", replace(suite, draw=draw))
    (score,) = run_probes(model, processor, ["counting"], items=15, progress=False)
    chosen = {"mean": [], "sum": []}
    items = draw_probes(["counting"], items=15)["counting"]
    for item in items:
        total, tokens = sentence_log_likelihoods(model, processor, [item.picture], [item.sentences])
        chosen["mean"].append(item.sentences[(total / tokens).argmax()])
        chosen["sum"].append(item.sentences[total.argmax()])
    assert score["said"] == chosen["mean"] != chosen["sum"]
    assert score["right"].tolist() == [said == item.answers[0] for item, said in zip(items, chosen["mean"])]


def test_prompts_are_asked(monkeypatch, model, processor):
    """Of generated answers each item's own, and of a choice where it has one."""
    items = draw_probes(["prompt parts"], items=6)["prompt parts"]
    (score,) = run_probes(model, processor, ["prompt parts"], items=6, progress=False)
    said = {}
    for name, prompts in (("own", [item.prompt for item in items]), ("default", None)):
        inputs = processor([item.picture for item in items], prompts)
        said[name] = generate_sentences(model, processor, dict(inputs))
    assert score["said"] == said["own"] != said["default"]

    suite, prompts = SUITES["counting"], ["What colour is it?", "And these?", "red " * 9, "shirt", "A b c d e f g h"]
    draw = lambda *args: [replace(item, prompt=prompts[place % 5]) for place, item in enumerate(suite.draw(*args))]  # noqa: E731
    monkeypatch.setitem(SUITES, "counting", replace(suite, draw=draw))
    (score,) = run_probes(model, processor, ["counting"], items=40, progress=False)
    chosen = {"own": [], "default": []}
    for item in draw_probes(["counting"], items=40)["counting"]:
        for name, prompt in (("own", item.prompt), ("default", None)):
            total, tokens = sentence_log_likelihoods(model, processor, [item.picture], [item.sentences], [prompt])
            chosen[name].append(item.sentences[(total / tokens).argmax()])
    assert score["said"] == chosen["own"] != chosen["default"]


def test_results(model, processor):
    results = run_probes(model, processor, items=6, batch_size=4, progress=False)
    assert [score["name"] for score in results] == list(SUITES)
    for score, items in zip(results, draw_probes(items=6).values()):
        assert score["rows"] == len(items) == len(score["right"]) == len(score["said"]) >= 6
        assert score["right"].dtype == bool and score["accuracy"] == score["right"].mean()
        also = {"obeyed and true"} if score["name"] == "prompt parts" else set()
        assert set(score["parts"]) == {item.part for item in items} | also
        assert score["chance"] == (None if also else chance(items))
        assert score["groups"] == [item.group for item in items]
        assert score["about"] == SUITES[score["name"]].about
    again = run_probes(model, processor, ["printed text", "counting"], items=6, progress=False)
    assert [score["said"] for score in again] == [results[-1]["said"], results[0]["said"]]


def test_what_obeys_and_what_is_true_are_told_apart(monkeypatch, model, processor):
    replies = {"colour": f"{', '.join(TONES)}.", "article": "A cap.", "both": "A red cap."}
    items = draw_probes(["prompt parts"])["prompt parts"]
    monkeypatch.setattr("moda.evaluation.probes._generate", lambda *_: [replies[item.part] for item in items])
    (score,) = run_probes(model, processor, ["prompt parts"], progress=False)
    # All colours are true of any picture, and not one word; two in sixteen are caps, and one of these is red.
    assert score["parts"] == {"colour": 0, "article": 1, "both": 1, "obeyed and true": pytest.approx(3 / 48)}
    assert score["accuracy"] == pytest.approx(2 / 3)


def test_a_sheet_says_right_and_wrong_in_words(monkeypatch):
    captions = []
    sheet = lambda pictures, texts, **_: captions.append(texts)  # noqa: E731
    monkeypatch.setattr("moda.evaluation.probes.contact_sheet", sheet)
    items = [drawn[0] for drawn in draw_probes(["left/right", "printed text"], items=1, size=64).values()]
    probe_sheet(items, ["This.", "That."], [True, False])
    probe_sheet(items, ["This.", "That."])
    probe_sheet(items)
    first, second = items[0].answers[0], f"{items[1].answers[0]}\nprinted: {items[1].printed}"
    assert captions == [
        [f"{first}\nright: This.", f"{second}\nwrong: That."],
        [f"{first}\nsaid: This.", f"{second}\nsaid: That."],
        [first, second],
    ]
    monkeypatch.undo()
    assert probe_sheet(items * 2, ["This."] * 4, [True, False] * 2, columns=3).width > 3 * 192


@pytest.mark.parametrize("seed", [0, 1])
def test_a_model_that_does_not_look_gets_exactly_chance(monkeypatch, processor, seed):
    for name in CHANCES:
        blank(monkeypatch, name)
    for score in run_probes(make_model(seed), processor, CHANCES, seed=seed, progress=False):
        assert score["accuracy"] == pytest.approx(CHANCES[score["name"]]), score["name"]


def word_tokenizer(sentences):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = [
        "<s>",
        "</s>",
        "<pad>",
        "<unk>",
        *sorted({word for text in sentences for word in re.findall(r"\w+", text)}),
        ".",
    ]
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(vocabulary)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", pad_token="<pad>")


def test_a_model_that_learns_to_bind_passes_the_probe_and_fails_it_blind(monkeypatch):
    """Trained for seconds on other seeds' shirts and sleeves: only the picture tells which colour has which."""
    from modeling_moda import ModaForConditionalGeneration

    train = [item for item in SUITES["attribute binding"].draw(1600, 1, 32) if item.part == "one garment"]
    processor = make_processor(image_seq_length=16)
    tokenizer = word_tokenizer(item.answers[0] for item in train)
    processor = type(processor)(processor.image_processor, tokenizer, image_seq_length=16, default_prompt="")
    config = make_config(
        vision_config={**TINY_CLIP, "patch_size": 8, "num_hidden_layers": 1},
        text_config={**TINY_LLAMA, "hidden_size": 128, "intermediate_size": 256},
        image_token_id=processor.image_token_id,
    )
    torch.manual_seed(0)
    model = ModaForConditionalGeneration(config).train()
    pixels = processor.image_processor([item.picture for item in train], return_tensors="pt")["pixel_values"]
    steps = 130
    optimizer = torch.optim.AdamW(model.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    for _ in range(steps):
        chosen = torch.randint(len(train), (32,))
        batch = processor(pixel_values=pixels[chosen], suffix=[train[index].answers[0] for index in chosen])
        model(**batch, logits_to_keep="labels").loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    model.eval()
    (seeing,) = run_probes(model, processor, ["attribute binding"], items=100, seed=2, progress=False)
    assert seeing["parts"]["one garment"] > 0.8  # of 50; 0.5 by chance, and 0.8 is 4 standard deviations away
    blank(monkeypatch, "attribute binding")
    (blind,) = run_probes(model, processor, ["attribute binding"], items=100, seed=2, progress=False)
    assert blind["accuracy"] == blind["parts"]["one garment"] == 0.5
