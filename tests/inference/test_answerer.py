"""The thread that answers: what shares a batch gets what it would get alone."""

import base64
import json
import threading
from contextlib import closing

import pytest
import torch
from conftest import make_model, make_picture, make_png, make_processor

from generation_moda import generate_sentences
from moda.inference.answerer import Answerer, Picture, Question
from moda.inference.chat import read_request


pytest.importorskip("fastapi")

from moda.inference.serve import make_question  # noqa: E402


MODEL, PROCESSOR = make_model(), make_processor()
GPT2 = {"model_type": "gpt2", "vocab_size": 320, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}


class Gate(Answerer):
    """Begins when it is told to, so that what is asked before makes one batch, or two."""

    def __init__(self, *args, **kwargs):
        self.open = threading.Event()
        super().__init__(*args, **kwargs)

    def _answer(self, questions):
        assert self.open.wait(20)
        return super()._answer(questions)


def question(answerer, *texts, picture=0, **fields):
    url = "data:image/png;base64," + base64.b64encode(make_png(picture)).decode()
    parts = [{"type": "image_url", "image_url": url}, *({"type": "text", "text": text} for text in texts)]
    body = {"messages": [{"role": "user", "content": parts}], **fields}
    return make_question(answerer, read_request(json.dumps(body).encode(), "moda-tiny"))


def answer(answerer, *texts, **fields):
    (first, *_) = answerer.ask(question(answerer, *texts, **fields)).result(20)
    return first


def expected(model, **kwargs):
    inputs = PROCESSOR(images=make_picture(0))
    sentences, confidences = generate_sentences(model, PROCESSOR, dict(inputs), with_confidence=True, **kwargs)
    return sentences[0], pytest.approx(confidences[0], abs=1e-4)


def test_what_is_kept_is_bounded_and_the_last_used_stays():
    with closing(Answerer(MODEL, PROCESSOR, kept_pictures=2)) as answerer:
        said = [answer(answerer, picture=seed, max_tokens=8).text for seed in (0, 1, 0, 2, 0)]  # 1 is the one to go
        assert answerer.encoded == 3 and said[0] == said[2] == said[4] == expected(MODEL, max_new_tokens=8)[0]
        assert answer(answerer, picture=1, max_tokens=8).text == said[1] and answerer.encoded == 4


def test_the_end_of_sentence_counts_as_a_token():
    model = make_model(seed=2)
    third = model.generate(**PROCESSOR(images=make_picture(0)), max_new_tokens=3, do_sample=False)[0, -1].item()
    model.generation_config.eos_token_id = [third, 1]
    with closing(Answerer(model, PROCESSOR)) as answerer:
        said = answer(answerer, logprobs=True)
    assert said.finish_reason == "stop" and said.tokens <= 3
    assert (said.text, said.confidence) == expected(model, max_new_tokens=8)


def test_confidence_under_the_policy_that_tells_prompt_from_answer():
    model = make_model(image_attention="prefix_lm")
    with closing(Answerer(model, PROCESSOR)) as answerer:
        said = answer(answerer, logprobs=True, max_tokens=8)
    assert (said.text, said.confidence) == expected(model, max_new_tokens=8)


def test_an_answer_of_nothing_has_no_confidence():
    inputs = PROCESSOR(images=make_picture(0))
    written = MODEL.generate(**inputs, max_new_tokens=8, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    with closing(Answerer(MODEL, PROCESSOR)) as answerer:
        said = answer(answerer, logprobs=True, stop=PROCESSOR.tokenizer.decode(written, skip_special_tokens=True)[0])
    assert (said.text, said.tokens, said.logprobs, said.confidence) == ("", 0, [], None)


def test_one_that_fails_fails_alone():
    with closing(Gate(MODEL, PROCESSOR)) as gate:
        good = question(gate, max_tokens=8)
        bad = Question(good.input_ids, [Picture(b"other", torch.zeros(3, 5, 5))])
        futures = [gate.ask(one) for one in (good, good, bad, good)]
        gate.open.set()
        said = [future.result(20)[0].text for future in futures if future is not futures[2]]
        assert said == [expected(MODEL, max_new_tokens=8)[0]] * 3
        with pytest.raises(ValueError, match="5\\*5"):
            futures[2].result(20)


def test_neighbours_with_less_room_neither_break_nor_cut_an_answer():
    model = make_model(text_config=GPT2)  # whose 64 positions are learned: behind them there is nothing
    model.generation_config.eos_token_id = 1
    with closing(Gate(model, PROCESSOR)) as gate:
        questions = [question(gate, text) for text in ("red", "red", "What colour is it? " * 3, "A shirt")]
        futures = [gate.ask(one) for one in questions]
        gate.open.set()
        together = [future.result(20)[0] for future in futures]
        alone = [gate.ask(one).result(20)[0] for one in questions]
    assert together == alone and len({said.tokens for said in alone}) == 3
    assert [said.tokens for said in alone] == [64 - len(one.input_ids) for one in questions]


def test_a_text_can_not_place_a_picture():
    with closing(Answerer(MODEL, PROCESSOR)) as answerer:
        ids = question(answerer, "Is <ima", "ge> red, and <image>?").input_ids
    assert ids.count(PROCESSOR.image_token_id) == PROCESSOR.image_seq_length
    assert PROCESSOR.tokenizer.decode(ids).endswith("Is < image > red, and < image >?\n")
