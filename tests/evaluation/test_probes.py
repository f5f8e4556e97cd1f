"""Weakness probes: the items are balanced and drawn as they say, answers are read strictly, and only looking helps."""

import random
import re
from collections import Counter, defaultdict
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import TINY_CLIP, TINY_LLAMA, make_config, make_model, make_processor
from PIL import Image
from scipy import ndimage

from moda.data.drawing import COLOURS
from moda.evaluation.likelihood import sentence_log_likelihoods
from moda.evaluation.probe_suites import SUITES, TONES, Item, chance, draw_printed_shirt, obeys, reads_no_print
from moda.evaluation.probes import draw_probes, probe_sheet, run_probes


CHOICES = [name for name, suite in SUITES.items() if suite.right is None]
CHANCES = {"counting": 1 / 5, "left/right": 1 / 2, "attribute binding": 1 / 2}


@pytest.fixture(scope="module")
def drawn():
    return draw_probes(size=64)


def is_tone(item, tone):
    """Where a picture has about the colour of that name."""
    return np.linalg.norm(np.asarray(item.picture, float) - COLOURS[tone], axis=-1) < 40


def words(sentence):
    return re.findall(r"[\w-]+", sentence)


def test_the_same_seed_draws_the_same_whatever_else_is_drawn(drawn):
    alone = draw_probes(["left/right"], size=64)["left/right"]
    assert alone == drawn["left/right"]  # pictures compare by their pixels
    more = draw_probes(["left/right"], items=60, size=64)["left/right"]
    assert more[:48] == alone and len(more) == 60
    for name, items in draw_probes(seed=1, size=64).items():
        assert [item.picture for item in items] != [item.picture for item in drawn[name]], name
        assert {item.picture.size for item in items} == {(64, 64)}


@pytest.mark.parametrize("name", CHOICES)
def test_each_sentence_is_right_once_in_its_group(drawn, name):
    """So a liking for a sentence, a word, or the first choice gets exactly the chance level."""
    items, width = drawn[name], len(drawn[name][0].sentences)
    assert len(items) % width == 0 and 40 <= len(items) <= 60
    for first in range(0, len(items), width):
        group = items[first : first + width]
        assert len({item.sentences for item in group}) == 1 and {item.prompt for item in group} == {None}
        assert [item.answers for item in group] == [(sentence,) for sentence in group[0].sentences]
        assert len({item.picture.tobytes() for item in group}) == width
    assert chance(items) == CHANCES[name] == pytest.approx(1 / width)
    assert len(set(Counter(item.part for item in items).values())) == 1


def test_foils_differ_in_the_tested_word_alone(drawn):
    for name in ("counting", "left/right"):
        for item in drawn[name]:
            places = [len(set(choice)) for choice in zip(*map(words, item.sentences), strict=True)]
            assert sorted(places) == [1] * (len(places) - 1) + [len(item.sentences)]
    for item in drawn["attribute binding"]:
        one, two = map(words, item.sentences)
        assert Counter(one) == Counter(two)
        swapped = [(a, b) for a, b in zip(one, two, strict=True) if a != b]
        assert len(swapped) == 2 and swapped[0] == swapped[1][::-1]
        assert {word.capitalize() for word in swapped[0]} <= set(TONES)


def test_as_many_are_drawn_as_are_counted():
    for item in draw_probes(["counting"], size=128)["counting"]:
        pixels = np.asarray(item.picture, float)
        foreground = np.linalg.norm(pixels - pixels[0, 0], axis=-1) > 60
        blobs, found = ndimage.label(ndimage.binary_closing(foreground, np.ones((3, 3))))
        large = (ndimage.sum_labels(foreground, blobs, range(1, found + 1)) > 50).sum()
        assert large == ["one", "two", "three", "four", "five"].index(item.part) + 1, item.answers


def test_left_is_left_and_the_pair_differs_in_nothing_else(drawn):
    items = drawn["left/right"]
    for item in items:
        first, second = (is_tone(item, tone).nonzero()[1].mean() for tone, *_ in item.drawn)
        assert (first < second) == (item.part == "left")
    for left, right in zip(items[::2], items[1::2]):
        assert [tone for tone, *_ in left.drawn] == [tone for tone, *_ in right.drawn]
        for tone, *_ in left.drawn:
            sizes = [is_tone(item, tone).sum() for item in (left, right)]
            assert sizes[0] == pytest.approx(sizes[1], rel=0.15)


def test_a_pair_shares_its_ground(drawn):
    for name in ("left/right", "attribute binding"):
        grounds = [item.picture.getpixel((0, 0)) for item in drawn[name]]
        assert grounds[::2] == grounds[1::2] and len(set(grounds)) > 5


def test_colours_lie_on_what_they_are_said_of(drawn):
    items = drawn["attribute binding"]
    for item in items:
        said = [word.capitalize() for word in words(item.answers[0]) if word.capitalize() in TONES]
        assert list(dict.fromkeys(tone for tone, *_ in item.drawn)) == said
        for tone, x, y in item.drawn:
            x, y = round(x * 0.64), round(y * 0.64)
            assert is_tone(item, tone)[y - 3 : y + 3, x - 3 : x + 3].mean() > 0.5, (item.answers, tone)
        if item.part == "one garment":  # the sleeves on both sides of the body
            body, sleeves = (is_tone(item, tone).nonzero()[1] for tone in said)
            assert sleeves.min() < body.min() and body.max() < sleeves.max()
            assert not is_tone(item, said[1])[20:50, 28:36].any()
    for one, two in zip(items[::2], items[1::2]):  # the outlines stay, the colours change places
        assert [place for _, *place in one.drawn] == [place for _, *place in two.drawn]
        pictures = [np.asarray(item.picture, float) for item in (one, two)]
        outlines = [np.linalg.norm(pixels - pixels[0, 0], axis=-1) > 12 for pixels in pictures]
        assert (outlines[0] != outlines[1]).mean() < 0.02


def test_the_print_is_on_the_chest_and_nowhere_else():
    for words_ in ("PARIS", "BLUE"):
        printed, plain = (
            np.asarray(draw_printed_shirt("Red", text, 64, random.Random(5)), float) for text in (words_, "")
        )
        changed = (np.abs(printed - plain).max(-1) > 60).nonzero()
        assert len(changed[0]) > 60
        assert 26 <= changed[0].min() and changed[0].max() <= 45 and 18 <= changed[1].min() and changed[1].max() <= 46


def test_prints_and_colours_are_balanced(drawn):
    items = drawn["printed text"]
    assert Counter(item.part for item in items) == {"words": 24, "colour names": 24}
    named = [item for item in items if item.part == "colour names"]
    assert set(Counter(item.answers for item in named).values()) == {3}
    assert not any((item.printed,) == item.answers or item.printed.capitalize() not in TONES for item in named)
    assert not any(item.printed.capitalize() in TONES for item in items if item.part == "words")
    # One sentence for all pictures reads out no word, and names the colour of one garment in eight.
    blind = [reads_no_print(item, "A pink t-shirt.") for item in items]
    assert np.mean(blind) <= chance(items) == (24 + 3) / 48


def test_each_picture_is_asked_for_each_part(drawn):
    items = drawn["prompt parts"]
    pictures = defaultdict(list)
    for item in items:
        pictures[item.picture.tobytes()].append(item)
    assert len(pictures) == 16 and all(len({item.prompt for item in asked}) == 3 for asked in pictures.values())
    assert set(Counter(item.answers for item in items if item.part == "colour").values()) == {2}
    assert set(Counter(item.answers for item in items if item.part == "article").values()) == {2}
    # Who ignores the prompt says the same to all three, which is right once at most.
    for asked in pictures.values():
        for said in {answer for item in asked for answer in item.answers}:
            assert sum(obeys(item, said) for item in asked) == 1
    assert chance(items) == pytest.approx((2 / 16 + 2 / 16 + 1 / 16) / 3)


@pytest.mark.parametrize(
    ("answers", "said", "right"),
    [
        (("red",), "Red.", True),
        (("red",), "It is red", True),
        (("red",), "It's the colour RED!", True),
        (("red",), "", False),
        (("red",), "blue", False),
        (("red",), "it is", False),
        (("red",), "A red cap.", False),
        (("red",), "Red, red.", False),
        (("red",), "Dark red", False),
        (("cap", "hat"), "A hat.", True),
        (("cap", "hat"), "A red cap", False),
        (("t-shirt",), "T-shirt", True),
        (("t-shirt",), "tshirt", True),
        (("trousers",), "A pair of trousers.", True),
        (("red cap", "cap red"), "A cap in red.", True),
        (("red cap", "cap red"), "red", False),
        (("red cap", "cap red"), "A red cap for women.", False),
    ],
)
def test_an_answer_is_what_was_asked_for_and_nothing_else(answers, said, right):
    assert obeys(Item(None, "", answers), said) is right


@pytest.mark.parametrize(
    ("printed", "answers", "said", "right"),
    [
        ("paris", (), "A red t-shirt.", True),
        ("paris", (), "", False),
        ("paris", (), " .", False),
        ("paris", (), "A t-shirt that says Paris.", False),
        ("paris", (), 'A "PARIS" t-shirt.', False),
        ("paris", (), "A P.A.R.I.S. t-shirt.", False),
        ("paris", (), "A par-is t-shirt", False),
        ("paris", (), "P A R I S", False),
        ("paris", (), "A Parisian t-shirt, for comparison.", True),
        ("sale", (), "A wholesale, universal event", True),
        ("blue", ("red",), "A red t-shirt.", True),
        ("blue", ("red",), "A blue t-shirt.", False),
        ("blue", ("red",), "A red and blue t-shirt.", False),
        ("blue", ("red",), "A navy-blue t-shirt.", False),
        ("blue", ("red",), "A t-shirt.", False),
        ("blue", ("red",), "A layered t-shirt.", False),
    ],
)
def test_a_print_is_found_however_it_is_spelt(printed, answers, said, right):
    assert reads_no_print(Item(None, "", answers, printed=printed), said) is right


def blank(monkeypatch, name):
    """Draws a suite's pictures grey, and leaves all else."""
    suite = SUITES[name]
    grey = Image.new("RGB", (32, 32), (128, 128, 128))
    draw = lambda *args: [replace(item, picture=grey) for item in suite.draw(*args)]  # noqa: E731
    monkeypatch.setitem(SUITES, name, replace(suite, draw=draw))


def test_the_likeliest_sentence_a_token_is_chosen(model, processor):
    """The mean decides, not the sum, which would prefer short words."""
    items = draw_probes(["counting"], items=20)["counting"]
    (score,) = run_probes(model, processor, ["counting"], items=20, progress=False)
    chosen = {"mean": [], "sum": []}
    for item in items:
        total, tokens = sentence_log_likelihoods(model, processor, [item.picture] * 5, item.sentences)
        chosen["mean"].append(item.sentences[(total / tokens).argmax()])
        chosen["sum"].append(item.sentences[total.argmax()])
    assert score["said"] == chosen["mean"] != chosen["sum"]
    assert score["right"].tolist() == [item.answers == (said,) for item, said in zip(items, chosen["mean"])]


def test_results(model, processor):
    results = run_probes(model, processor, items=6, batch_size=4, progress=False)
    assert [score["name"] for score in results] == list(SUITES)
    for score, items in zip(results, draw_probes(items=6).values()):
        assert score["rows"] == len(items) == len(score["right"]) == len(score["said"]) >= 6
        assert score["right"].dtype == bool and score["accuracy"] == score["right"].mean()
        assert set(score["parts"]) == {item.part for item in items} and score["chance"] == chance(items)
        assert score["about"] == SUITES[score["name"]].about
        sheet = probe_sheet(items, score["said"], score["right"], columns=3)
        assert sheet.width > 3 * 192
    again = run_probes(model, processor, ["printed text", "counting"], items=6, progress=False)
    assert [score["said"] for score in again] == [results[-1]["said"], results[0]["said"]]


@pytest.mark.parametrize("seed", [0, 1])
def test_a_model_that_does_not_look_gets_exactly_chance(monkeypatch, processor, seed):
    for name in CHOICES:
        blank(monkeypatch, name)
    for score in run_probes(make_model(seed), processor, CHOICES, seed=seed, progress=False):
        assert score["accuracy"] == pytest.approx(CHANCES[score["name"]]), score["name"]


def test_what_can_not_be_drawn():
    with pytest.raises(ValueError, match="no probe 'reading'; choose from counting, left/right"):
        draw_probes(["reading"])
    with pytest.raises(ValueError, match="A probe of 0 items"):
        draw_probes(items=0)


def word_tokenizer(sentences):
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = ["<s>", "</s>", "<pad>", "<unk>", *sorted({word for text in sentences for word in words(text)}), "."]
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
