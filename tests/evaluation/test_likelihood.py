"""Teacher-forced likelihoods: those that the loss and the logits say, whatever the batch and wherever the pictures are."""

import numpy as np
import pytest
import torch
from conftest import make_model, make_picture

from moda.evaluation.likelihood import label_log_likelihoods, sentence_log_likelihoods


SENTENCES = [["A red shirt.", "A navy blue casual shirt for men."], ["Socks."], ["", "Ünknown ✂ wörds", "A red shirt."]]
PROMPTS = [None, "What colour is it?", "Describe the product."]


@pytest.fixture(scope="module")
def pictures():
    return [make_picture(seed) for seed in range(3)]


def one_by_one(model, processor, pictures):
    """The definition: a row at a time, unpadded, from the logits of every position."""
    totals, tokens = [], []
    for picture, prompt, sentences in zip(pictures, PROMPTS, SENTENCES):
        for sentence in sentences:
            inputs = processor(picture, prompt, suffix=sentence)
            with torch.no_grad():
                logits = model(**{**inputs, "labels": None}, token_type_ids=(inputs["labels"] != -100).long()).logits
            answer = inputs["labels"][0][inputs["labels"][0] != -100]
            scores = logits[0, -len(answer) - 1 : -1].log_softmax(-1)
            totals.append(sum(scores[place, token].item() for place, token in enumerate(answer)))
            tokens.append(len(answer))
    return totals, tokens


@pytest.mark.parametrize("policy", ["causal", "image_bidirectional", "prefix_lm"])
@pytest.mark.parametrize("batch_size", [1, 2, 32])
def test_likelihoods_are_the_sums_over_the_tokens(processor, pictures, policy, batch_size):
    model = make_model(image_attention=policy)
    total, tokens = sentence_log_likelihoods(model, processor, pictures, SENTENCES, PROMPTS, batch_size=batch_size)
    expected = one_by_one(model, processor, pictures)
    assert tokens.tolist() == expected[1] and tokens[3] == 1  # of nothing, the end alone
    np.testing.assert_allclose(total, expected[0], atol=1e-4)


def test_each_picture_is_encoded_once(processor, pictures, monkeypatch):
    model = make_model()
    encoded = []
    encode = type(model.model).encode_images
    monkeypatch.setattr(
        type(model.model), "encode_images", lambda self, pixels: encoded.append(len(pixels)) or encode(self, pixels)
    )
    from_pictures = sentence_log_likelihoods(model, processor, pictures, SENTENCES)
    assert encoded == [3]
    features = model.encode_images(processor.image_processor(pictures, return_tensors="pt")["pixel_values"])
    from_features = sentence_log_likelihoods(model, processor, features, SENTENCES, batch_size=2)
    assert encoded == [3, 3]
    np.testing.assert_allclose(from_features[0], from_pictures[0], atol=1e-4)
    alone = sentence_log_likelihoods(model, processor, features, [sentences[0] for sentences in SENTENCES])
    np.testing.assert_allclose(alone[0], from_pictures[0][[0, 2, 3]], atol=1e-4)


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_on_either_side_and_the_loss(processor, pictures, side):
    model = make_model()
    inputs = processor(pictures[:2], suffix=["Socks.", "A navy blue shirt."], padding_side=side)
    total, tokens = label_log_likelihoods(model, inputs)
    assert tokens.tolist() == (inputs["labels"] != -100).sum(-1).tolist()
    with torch.no_grad():
        assert -total.sum() / tokens.sum() == pytest.approx(model(**inputs).loss.item(), rel=1e-5)
    alone = label_log_likelihoods(model, processor(pictures[:1], suffix=["Socks."]))
    assert alone[0][0] == pytest.approx(total[0], abs=1e-4)


def test_numbers_that_do_not_match(model, processor, pictures):
    with pytest.raises(ValueError, match="3 pictures, 2 entries of sentences and 3 prompts"):
        sentence_log_likelihoods(model, processor, pictures, ["a", "b"])
    assert [len(part) for part in sentence_log_likelihoods(model, processor, [], [])] == [0, 0]
