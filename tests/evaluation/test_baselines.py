"""Each baseline knows what it may know, and no more."""

import pytest
import torch
from conftest import make_model, make_processor
from datasets import Dataset
from test_clip import held_out, trained  # noqa: F401  (fixtures: squares, and a CLIP that has learnt them)

from generation_moda import generate_sentences
from moda.data.features import FeatureDataset
from moda.data.pixels import PixelDataset
from moda.data.wording import ATTRIBUTES, Wording
from moda.evaluation.attributes import attribute_accuracy
from moda.evaluation.baselines import BASELINES, Baselines
from moda.evaluation.captioner import load_captioner
from moda.evaluation.sentences import describe_rows


@pytest.fixture(scope="module")
def moda():
    return make_model(), make_processor()


@pytest.fixture(scope="module")
def pixels(held_out, moda):
    columns = [name for name in ("description", *ATTRIBUTES) if name in held_out.splits["validation"].column_names]
    return PixelDataset(held_out.splits["validation"], moda[1].image_processor, columns)


@pytest.fixture(scope="module")
def baselines(held_out, moda, pixels):
    return Baselines(pixels, range(12), held_out.wording, held_out.splits["train"], *moda, max_new_tokens=6)


def accuracy(sentences, dataset, wording):
    truth = {name: dataset.columns[name] for name in ("articleType", "baseColour", "gender", "usage")}
    return {name: score["accuracy"] for name, score in attribute_accuracy(sentences, truth, wording).items()}


def on(train, wording=None, rows=2, **material):
    """Baselines that learn from a table."""
    return Baselines(None, range(rows), wording or Wording(), Dataset.from_dict(train), **material)


def test_majority_says_the_commonest_values():
    train = {
        "articleType": ["Jeans", "Shirts", "Jeans", None],
        "baseColour": [None, None, None, "Blue"],  # what is not known is no value
        "gender": ["Women", "Men", "Women", "Men"],  # as often: by name
        "masterCategory": ["Apparel"] * 4,
    }
    assert on(train).majority() == ["A pair of blue jeans for men."] * 2
    assert on({"description": ["Two dogs.", "A cat.", "A cat.", None]}).majority() == ["A cat."] * 2


def test_blind_says_what_the_model_says_of_the_mean_picture(baselines, moda, pixels):
    model, processor = moda
    seen = describe_rows(model, processor, pixels, range(12), max_new_tokens=6)
    mean = torch.stack([row["pixel_values"] for row in pixels.__getitems__(range(12))]).mean(0, keepdim=True)
    said = baselines.blind()
    assert said == generate_sentences(model, processor, {"pixel_values": mean}, max_new_tokens=6) * 12
    assert len(set(seen)) > 1 and set(said) != set(seen)  # which sees something where there is something to see


def test_noise_hides_the_pictures(baselines, moda, pixels, held_out):
    said = baselines.noise()
    assert len(set(said)) > 1 and said == baselines.noise()  # drawn for each row, and the same each time
    others = PixelDataset(held_out.splits["train"].select(range(12)), moda[1].image_processor, ["description"])
    material = {"model": moda[0], "processor": moda[1], "max_new_tokens": 6}
    assert Baselines(others, range(12), held_out.wording, **material).noise() == said
    assert Baselines(pixels, [3, 1], held_out.wording, **material).noise() == [said[3], said[1]]
    assert Baselines(pixels, range(12), held_out.wording, **material, seed=1).noise() != said


def test_features_are_no_way_around_being_blind(baselines, moda, pixels, held_out):
    rows = held_out.splits["validation"]
    features = FeatureDataset(rows, moda[1].image_processor, moda[0], ["description"])
    unseeing = Baselines(features, range(12), held_out.wording, None, *moda, max_new_tokens=6)
    assert unseeing.blind() == baselines.blind()
    assert torch.equal(unseeing.seen, baselines.seen)


def test_blind_answers_the_question_of_each_row(moda, held_out):
    questions = ["What colour is it?", "Describe the product.", "What colour is it?"]
    rows = held_out.splits["validation"].select(range(3)).add_column("prompt", questions)
    dataset = PixelDataset(rows, moda[1].image_processor, ["prompt"])
    said = Baselines(dataset, range(3), held_out.wording, None, *moda, max_new_tokens=6).blind()
    assert said[0] == said[2] != said[1]


def test_nearest_repeats_the_sentence_of_the_nearest_picture(moda, pixels, held_out):
    model, processor = moda
    # The third picture can't be read, and no sentence may slip for that; each kind of square has a sentence of its own.
    rows = held_out.splits["train"].select(range(36, 48))
    sentences = [f"Number {number}." for number in range(12)]
    rows = rows.remove_columns("description").add_column("description", sentences)
    train = FeatureDataset(rows, processor.image_processor, model, ["description"])
    assert len(train) == 11 and "Number 2." not in train.columns["description"]
    nearest = Baselines(pixels, range(12), held_out.wording, rows, *moda)
    learnt = torch.stack([row["image_features"].float().mean(0) for row in train.__getitems__(range(11))])
    said = nearest.nearest()
    for place, sentence in enumerate(said):
        cosines = torch.cosine_similarity(nearest.seen[place], learnt, dim=-1)
        best = [train.columns["description"][n] for n in (cosines > cosines.max() - 1e-6).nonzero().flatten().tolist()]
        assert sentence in best
        kind = rows[sentences.index(sentence)]
        assert (kind["articleType"], kind["baseColour"]) == tuple(
            pixels.columns[name][place] for name in ("articleType", "baseColour")
        )
    assert Baselines(pixels, [7, 2], held_out.wording, rows, *moda).nearest() == [said[7], said[2]]


def test_probe_learns_from_the_rows_that_have_a_value(moda, pixels, held_out):
    train = held_out.splits["train"]
    colours = [colour if index % 5 < 2 else None for index, colour in enumerate(train["baseColour"])]
    train = train.remove_columns("baseColour").add_column("baseColour", colours)
    said = Baselines(pixels, range(12), held_out.wording, train, *moda).probe()
    assert set(accuracy(said, pixels, held_out.wording).values()) == {1.0}


def test_probe_without_a_clue_is_no_better_than_chance(moda, pixels, held_out):
    train = held_out.splits["train"]
    colours = train["baseColour"][:]
    train = train.remove_columns("baseColour").add_column("baseColour", [*colours[7:], *colours[:7]])
    said = Baselines(pixels, range(12), held_out.wording, train, *moda).probe()
    assert accuracy(said, pixels, held_out.wording)["baseColour"] == 0.0  # each colour is called the next one


def test_zero_shot_chooses_by_words(trained, pixels, held_out):
    said = Baselines(pixels, range(12), held_out.wording, clip=trained).zero_shot()  # no training row is needed
    shown = trained.image_embeddings(pixels.rows["image"])
    assert Baselines(None, range(12), held_out.wording, clip=trained, shown=shown).zero_shot() == said
    scores = accuracy(said, pixels, held_out.wording)
    assert scores["articleType"] == scores["baseColour"] == 1.0


def test_captioner_speaks_of_the_rows_in_their_order(repository, pixels, held_out):
    captioner = load_captioner(repository, trust_remote_code=True)
    said = Baselines(pixels, [4, 0, 1], held_out.wording, captioner=captioner, max_new_tokens=6).captioner()
    assert said == captioner.describe([pixels.rows[index]["image"] for index in (4, 0, 1)], max_new_tokens=6)
    assert len(set(said)) > 1


def test_training_rows_have_a_limit(held_out, moda, pixels):
    some = Baselines(pixels, range(12), held_out.wording, held_out.splits["train"], *moda, train_limit=30)
    assert len(some.train) == 30 and len(set(some.columns["baseColour"])) == 3
    again = Baselines(pixels, range(12), held_out.wording, held_out.splits["train"], *moda, train_limit=30)
    other = Baselines(pixels, range(12), held_out.wording, held_out.splits["train"], *moda, train_limit=30, seed=1)
    assert again.columns == some.columns != other.columns


def test_what_is_missing_is_said_in_a_sentence(pixels, held_out):
    bare = Baselines(pixels, range(12), held_out.wording)
    reasons = {
        "majority": "no training rows",
        "blind": "no model here",
        "noise": "no model here",
        "nearest": "no model here",
        "probe": "no training rows",
        "zero_shot": "No CLIP is given",
        "captioner": "No captioner is given",
    }
    assert set(reasons) == set(BASELINES)
    for name, reason in reasons.items():
        with pytest.raises(ValueError, match=reason):
            getattr(bare, name)()
    silent = on({"description": ["Two dogs."]}, Wording({}), clip="unopened")
    too_much = make_model()
    with torch.no_grad():
        for parameter in too_much.model.vision_tower.parameters():
            parameter.mul_(1e6)
    overflowing = Baselines(pixels, range(12), held_out.wording, held_out.splits["train"], too_much, make_processor())
    for name in ("nearest", "probe"):
        with pytest.raises(ValueError, match="keep the features as bfloat16 or float32"):
            getattr(overflowing, name)()
    overflowing.dtype = "float32"
    assert len(overflowing.nearest()) == 12
    for name in ("probe", "zero_shot"):
        with pytest.raises(ValueError, match="no articleType"):
            getattr(silent, name)()
