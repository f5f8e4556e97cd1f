"""Ranking labels: the very likelihoods of teacher forcing, found in one pass whatever the labels share."""

import argparse
import json

import numpy as np
import pytest
import torch
from conftest import GENERATING, make_model, make_picture

from moda.commands import classify as command
from moda.data.kaggle_words import KINDS
from moda.data.words import ARTICLE_WORDS
from moda.evaluation.likelihood import sentence_log_likelihoods
from moda.inference import classify as module
from moda.inference.classify import classify
from moda.inference.labels import attribute_labels


LABELS = ["red", "red shirt", "red shirts", "A navy blue casual shirt for men.", "x", "Ünknown ✂", "<image>"]
MANY = [f"{kind.lower()}{'s' * (place % 3)}" for place, kind in enumerate((*ARTICLE_WORDS, *KINDS))]


@pytest.fixture(scope="module")
def pictures():
    return [make_picture(seed) for seed in range(3)]


def by_label(ranking):
    return {score.label: score.log_likelihood for score in ranking.scores}


def forced(model, processor, pictures, labels, prompt=None, said="{}"):
    """A sentence for each label, read each for itself."""
    sentences = [said.format(label) for label in labels]
    totals, _ = sentence_log_likelihoods(
        model, processor, pictures, [sentences] * len(pictures), [prompt] * len(pictures)
    )
    return totals.reshape(len(pictures), -1)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
@pytest.mark.parametrize("policy", GENERATING)
def test_likelihoods_are_those_of_teacher_forcing(processor, pictures, policy, attention, monkeypatch):
    model = make_model(image_attention=policy)
    model.set_attn_implementation(attention)
    for prompt in (None, "Is <image> red?"):
        expected = forced(model, processor, pictures, LABELS, prompt)
        for most in (1024, 5):  # in one tree, and in several
            monkeypatch.setattr(module, "MOST_NODES", most)
            rankings = list(classify(model, processor, pictures, LABELS, prompt=prompt, batch_size=2))
            found = [[by_label(ranking)[label] for label in LABELS] for ranking in rankings]
            np.testing.assert_allclose(found, expected, atol=1e-4)


def test_many_labels_in_any_order_and_some(model, processor, pictures):
    expected = forced(model, processor, pictures[:1], MANY, said="It is {}.")
    (ranking,) = classify(model, processor, pictures[:1], MANY, template="It is {label}.")
    found = by_label(ranking)
    np.testing.assert_allclose([found[label] for label in MANY], expected[0], atol=1e-4)
    (turned,) = classify(model, processor, pictures[:1], MANY[::-1], template="It is {label}.")
    assert len(MANY) > 100 and [s.label for s in turned.scores] == [s.label for s in ranking.scores]
    scores = [score.score for score in ranking.scores]
    assert scores == sorted(scores, reverse=True) == [score.log_likelihood for score in ranking.scores]
    assert sum(score.probability for score in ranking.scores) == pytest.approx(1)


def test_one_label(model, processor, pictures):
    (ranking,) = classify(model, processor, pictures[:1], ["red"])
    (score,) = ranking.scores
    assert (score.label, score.probability) == ("red", pytest.approx(1)) and score.log_likelihood < -1


def test_a_beginning_leaves_out_the_end(model, processor, pictures):
    whole, begun, ended = (
        by_label(next(classify(model, processor, pictures[:1], LABELS[:3], template, complete)))
        for template, complete in (("A {label}", True), ("A {label}", None), ("{label}", None))
    )
    np.testing.assert_allclose(
        list(whole.values()),
        sorted(forced(model, processor, pictures[:1], LABELS[:3], said="A {}")[0], reverse=True),
        atol=1e-4,
    )
    inputs = processor(pictures[0], suffix="A red")
    with torch.no_grad():
        logits = model(**inputs).logits[0].log_softmax(-1)
    tokens = inputs["input_ids"][0][(inputs["labels"][0] != -100)][:-1]  # without the end
    steps = logits[-len(tokens) - 2 : -2].gather(1, tokens[:, None])
    assert begun["red"] == pytest.approx(steps.sum().item(), abs=1e-4) and begun["red"] > whole["red"]
    assert ended["red"] == pytest.approx(forced(model, processor, pictures[:1], ["red"])[0, 0], abs=1e-4)


def test_batches_features_and_several_ways(model, processor, pictures):
    ways = {"shirt": ["A red shirt.", "A navy shirt."], "socks": ["Socks."]}
    together = list(classify(model, processor, pictures, ways, batch_size=3))
    alone = [next(classify(model, processor, [picture], ways)) for picture in pictures]
    features = model.encode_images(processor.image_processor(pictures, return_tensors="pt")["pixel_values"])
    kept = list(classify(model, processor, features, ways, batch_size=2))
    assert [ranking.picture for ranking in kept] == [0, 1, 2]
    single = forced(model, processor, pictures, ["A red shirt.", "A navy shirt.", "Socks."])
    for row, rankings in enumerate(zip(together, alone, kept)):
        for ranking in rankings:
            assert by_label(ranking)["shirt"] == pytest.approx(np.logaddexp(*single[row, :2]), abs=1e-4)
            assert by_label(ranking)["socks"] == pytest.approx(single[row, 2], abs=1e-4)


def test_what_one_picture_does_stops_no_other(model, processor, pictures):
    def give(place):
        if place == 1:
            raise RuntimeError("row 1 is broken")
        return {0: pictures[0], 2: make_picture(0, size=(3, 600)), 3: pictures[1]}[place]

    rankings = list(classify(model, processor, map(give, range(4)), LABELS))
    errors = [ranking.error for ranking in rankings]
    assert errors[0] is errors[3] is None and errors[1] == "row 1 is broken" and "3 x 600 pixels" in errors[2]
    (alone,) = classify(model, processor, [pictures[1]], LABELS)
    assert by_label(rankings[3]) == pytest.approx(by_label(alone), abs=1e-4)
    (refused,) = classify(model, processor, ["http://127.0.0.1:1/shirt.png"], LABELS)
    assert "no public address" in refused.error


def test_normalised_and_compared_with_others(model, processor, pictures):
    totals, counts = sentence_log_likelihoods(model, processor, pictures, [LABELS] * 3)
    totals, counts = totals.reshape(3, -1), counts.reshape(3, -1)
    means = list(classify(model, processor, pictures, LABELS, normalise=True))
    added = list(classify(model, processor, pictures, LABELS, prior=pictures, batch_size=2))
    usual = np.logaddexp.reduce(totals, axis=0) - np.log(3)
    for row in range(3):
        for rankings, expected in ((means, totals[row] / counts[row]), (added, totals[row] - usual)):
            found = {score.label: score.score for score in rankings[row].scores}
            np.testing.assert_allclose([found[label] for label in LABELS], expected, atol=1e-4)


@pytest.mark.parametrize(
    "labels, template, sentence",
    [
        ([], "{label}", "There is no label"),
        (["red", " "], "{label}", "Label 2 of 2, ' ', is empty"),
        (["red", "blue", "red"], "{label}", "Label 'red' is there twice"),
        ("red", "{label}", "The labels are one text, 'red'"),
        (["red"], "A label", "has no place for a label"),
    ],
)
def test_labels_that_are_none(model, processor, labels, template, sentence):
    with pytest.raises(ValueError, match=sentence):
        classify(model, processor, [], labels, template)


def test_a_model_that_sees_what_it_shall_say(processor):
    with pytest.raises(ValueError, match="image_attention is 'full'"):
        classify(make_model(image_attention="full"), processor, [], ["red"])


def test_labels_of_attributes_begin_sentences():
    articles, colours = attribute_labels("articleType"), attribute_labels("baseColour")
    assert articles["Jeans"] == ["A pair of men's jeans in", "A pair of women's jeans in"] and len(articles) > 100
    assert colours["Olive"] == ["An olive", "A pair of olive"] and colours["Multi"][0] == "A multicoloured"
    assert attribute_labels("baseColour", ["Hot Lava"]) == {"Hot Lava": ["A hot lava", "A pair of hot lava"]}
    with pytest.raises(ValueError, match="attribute is 'size'"):
        attribute_labels("size")


def run(*arguments):
    parser = argparse.ArgumentParser()
    command.register(parser.add_subparsers())
    options = parser.parse_args(["classify", *map(str, arguments)])
    return options.run(options)


def test_command_line(repository, tmp_path, capsys):
    for index in range(3):
        make_picture(index).save(tmp_path / f"{index}.png")
    (tmp_path / "1.png").write_bytes(b"no picture")
    (tmp_path / "labels.txt").write_text("red\nblue\n\nnavy blue\n")
    assert run(tmp_path, "--model", repository, "--labels", "red, blue,navy blue", "--json", "--top", 2) == 1
    captured = capsys.readouterr()
    rows = [json.loads(line) for line in captured.out.splitlines()]
    assert [row["id"] for row in rows] == ["0.png", "1.png", "2.png"]
    assert [len(row["labels"]) for row in rows] == [2, 0, 2] and "1.png" in rows[1]["error"]
    assert "1 of 3 pictures could not be read" in captured.err
    assert run(tmp_path / "0.png", "--model", repository, "--labels-file", tmp_path / "labels.txt", "--top", 1) == 0
    best = rows[0]["labels"][0]
    assert capsys.readouterr().out.endswith(f"\t{best['label']} {best['probability']:.3f}\n")
    assert run(tmp_path / "0.png", "--model", repository, "--attribute", "colour", "--prior", tmp_path / "2.png") == 0
    assert len(capsys.readouterr().out.split("\t")) == 4
    (tmp_path / "shop.csv").write_text("SKU,photo,other\nA1,0.png,2.png\n")
    shop = ["--columns", "image=photo,id=SKU", "--threads", torch.get_num_threads(), "--labels", "red,blue"]
    assert run(tmp_path / "shop.csv", "--model", repository, "--dtype", "bfloat16", *shop) == 0
    assert capsys.readouterr().out.startswith("A1\t")
    with pytest.raises(FileNotFoundError, match="no file of labels at 'nowhere.txt'"):
        run(tmp_path / "0.png", "--model", repository, "--labels-file", "nowhere.txt")
