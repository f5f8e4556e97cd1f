"""CLIPScore, retrieval and zero-shot classification, with a CLIP that has learnt something, and against brute force."""

import itertools
import math

import pytest
import torch
from conftest import make_picture, make_tokenizer
from transformers import (
    AutoModel,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    CLIPVisionModel,
    Siglip2Config,
    Siglip2ImageProcessor,
    Siglip2Model,
    SiglipConfig,
    SiglipImageProcessor,
    SiglipModel,
)

from moda.data.catalogue import load_catalogue
from moda.data.pixels import PixelDataset
from moda.evaluation.clip import PREFIX, Clip, clip_score, keep_best, load_clip, recall_at_k, ref_clip_score
from moda.training.backbones import closing, special_ids


SIZE = {"height": 32, "width": 32}
SHAPE = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
VISION = {**SHAPE, "image_size": 32, "patch_size": 16}
LONG = "A navy blue casual shirt for men. " * 20


def build(kind):
    """A CLIP or a SigLIP of random weights, with its image processor and tokenizer."""
    torch.manual_seed(0)
    tokenizer = closing(make_tokenizer(), 48)
    text = {**SHAPE, "max_position_embeddings": 48, **special_ids(tokenizer)}
    if kind == "clip":
        config = CLIPConfig(text_config=text, vision_config=VISION, projection_dim=16)
        return CLIPModel(config), CLIPImageProcessor(size=SIZE, do_center_crop=False, crop_size=SIZE), tokenizer
    text["projection_size"] = SHAPE["hidden_size"]
    if kind == "siglip":
        return (
            SiglipModel(SiglipConfig(text_config=text, vision_config=VISION)),
            SiglipImageProcessor(size=SIZE),
            tokenizer,
        )
    vision = {**SHAPE, "num_patches": 16, "patch_size": 8}
    processor = Siglip2ImageProcessor(patch_size=8, max_num_patches=16)
    return Siglip2Model(Siglip2Config(text_config=text, vision_config=vision)), processor, tokenizer


@pytest.fixture(scope="module")
def held_out(squares):
    return load_catalogue({"path": str(squares)})


@pytest.fixture(scope="module")
def trained(held_out):
    """A CLIP that has learnt the six kinds of squares."""
    model, image_processor, tokenizer = build("clip")
    rows = PixelDataset(held_out.splits["train"], image_processor)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(100):
        batch = rows.__getitems__(torch.randperm(len(rows), generator=generator)[:24].tolist())
        said = tokenizer([row["description"] for row in batch], padding=True, return_tensors="pt")
        pixels = torch.stack([row["pixel_values"] for row in batch])
        model(**said, pixel_values=pixels, return_loss=True).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return Clip(model, image_processor, tokenizer, batch_size=5)


@pytest.fixture(scope="module")
def embedded(trained, held_out):
    rows = held_out.splits["validation"]
    return rows, trained.image_embeddings(rows["image"]), trained.text_embeddings(rows["description"])


def test_clip_score_falls_when_pairs_are_shuffled(embedded):
    rows, pictures, sentences = embedded
    matched = clip_score(pictures, sentences)
    for shift in range(1, 6):  # the six kinds follow one another: each gets a sentence about another
        assert clip_score(pictures, sentences.roll(shift, 0)).mean() < matched.mean() - 0.2
    # D-05: of right and wrong pairs together, the better half is the right ones.
    scores = torch.cat([clip_score(pictures, sentences.roll(1, 0)), matched])
    assert sorted(keep_best(scores, 0.5)) == list(range(len(rows), 2 * len(rows)))


def test_zero_shot_and_retrieval_of_a_clip_that_has_learnt(trained, embedded):
    rows, pictures, sentences = embedded
    prompts = {
        colour: [f"A {colour.lower()} shirt for men.", f"A pair of men's {colour.lower()} socks for casual wear."]
        for colour in ("Red", "Green", "Blue")
    }
    assert trained.zero_shot(pictures, prompts) == list(rows["baseColour"])
    assert trained.zero_shot(pictures, {"Socks": ["A pair of socks."], "Shirts": ["A shirt."]}) == list(
        rows["articleType"]
    )
    recall = recall_at_k(pictures, sentences, (1, 2, 12))
    # Each of six kinds is there twice: two pictures are equal, and one of them is the right one.
    assert (
        recall["text_to_image"][1] == pytest.approx(0.5)
        and recall["text_to_image"][2] == recall["text_to_image"][12] == 1
    )


def test_rows_and_their_pictures_are_the_same(trained, held_out, embedded):
    rows, pictures, _ = embedded
    from_pixels = trained.image_embeddings(PixelDataset(rows, trained.image_processor))
    torch.testing.assert_close(from_pixels, pictures, atol=2e-3, rtol=0)  # kept as whole numbers


def test_pairs_by_score():
    assert keep_best([0.1, math.nan, 0.3, 0.3]) == [2, 3, 0, 1]
    assert keep_best([0.1, 0.2, 0.3], 0.34) == [2, 1]
    assert keep_best([0.5] * 999, 0.5) == list(range(500))
    for share in (0, 1.1):
        with pytest.raises(ValueError, match=f"share to keep is {share}"):
            keep_best([1.0], share)


def draw(*shape, seed=0):
    return torch.nn.functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_clip_score_is_the_papers():
    pictures, sentences, references = draw(9, 8), draw(9, 8, seed=1), draw(11, 8, seed=2)
    groups = [0, 0, 1, 2, 3, 3, 3, 4, 5, 6, 7]
    seen, both = clip_score(pictures, sentences), ref_clip_score(pictures, sentences, references, groups)
    assert (seen == 0).any() and (seen > 0).any()  # what points away counts 0
    for row in range(9):
        score = 2.5 * max(float(pictures[row] @ sentences[row]), 0)
        assert float(seen[row]) == pytest.approx(score, abs=1e-6)
        said = [max(float(references[n] @ sentences[row]), 0) for n in range(11) if groups[n] == row]
        if said:
            mean = 2 * score * max(said) / (score + max(said)) if score + max(said) else 0
            assert float(both[row]) == pytest.approx(mean, abs=1e-6)
        else:
            assert math.isnan(both[row])
    with pytest.raises(ValueError, match="4 sentences for 9 pictures"):
        clip_score(pictures, sentences[:4])


def test_recall_is_that_of_brute_force():
    pictures, groups = draw(20, 4), [place % 17 for place in range(50)]  # three pictures have no sentence
    sentences = torch.nn.functional.normalize(pictures[groups] + 0.8 * draw(50, 4, seed=3), dim=-1)
    recall = recall_at_k(pictures, sentences, (1, 3, 20), groups, chunk=7)
    near = sentences @ pictures.T
    for k in (1, 3, 20):
        found = [groups[n] in near[n].topk(k).indices.tolist() for n in range(50)]
        assert recall["text_to_image"][k] == pytest.approx(sum(found) / 50)
        found = [any(groups[n] == row for n in near[:, row].topk(k).indices.tolist()) for row in range(17)]
        assert recall["image_to_text"][k] == pytest.approx(sum(found) / 17)
    assert 0.1 < recall["text_to_image"][1] < recall["text_to_image"][3] < recall["text_to_image"][20] == 1
    with pytest.raises(ValueError, match="50 sentences and 49 pictures"):
        recall_at_k(pictures, sentences, groups=groups[:49])


def test_what_is_equally_near_is_found_by_chance():
    same = torch.ones(6, 4) / 2
    groups = [0, 0, 1, 1, 1, 2]
    recall = recall_at_k(same[:3], same, (1, 2, 3), groups)
    assert recall["text_to_image"] == pytest.approx({1: 1 / 3, 2: 2 / 3, 3: 1})
    for k in (1, 2, 3):
        drawn = list(itertools.combinations(range(6), k))
        chances = [sum(any(groups[n] == row for n in some) for some in drawn) / len(drawn) for row in range(3)]
        assert recall["image_to_text"][k] == pytest.approx(sum(chances) / 3)


@pytest.mark.parametrize("kind", ["clip", "siglip", "siglip2"])
def test_any_of_them_opens_and_embeds_alone_as_in_a_batch(kind, tmp_path):
    parts = build(kind)
    for part in parts:
        part.save_pretrained(tmp_path)
    # Of SigLIP 2's tokenizer transformers 5 makes Gemma's, which this one is not.
    clip = Clip(*parts, batch_size=2) if kind == "siglip2" else load_clip(tmp_path, batch_size=2)
    pictures = [make_picture(0), make_picture(1, size=(64, 20)), make_picture(2, mode="L")]
    texts = ["A red shirt.", PREFIX + "a pair of socks for women, made for sports.", LONG]
    shown, said = clip.image_embeddings(pictures), clip.text_embeddings(texts)
    torch.testing.assert_close(clip.text_embeddings([LONG, texts[0], LONG]), said[[2, 0, 2]])
    assert clip.cut == 3 and shown.shape == said.shape and len(shown) == 3
    torch.testing.assert_close(shown.norm(dim=-1), torch.ones(3))
    torch.testing.assert_close(shown, torch.cat([clip.image_embeddings([picture]) for picture in pictures]))
    torch.testing.assert_close(said, torch.cat([clip.text_embeddings([text]) for text in texts]))
    # As the model itself is called: SigLIP with padding to the end and without a mask.
    options = {"padding": "max_length", "max_length": 48} if kind != "clip" else {}
    ids = clip.tokenizer(texts[:1], return_tensors="pt", **options)["input_ids"]
    with torch.no_grad():
        raw = AutoModel.from_pretrained(tmp_path).eval().get_text_features(input_ids=ids)
    raw = getattr(raw, "pooler_output", raw)
    torch.testing.assert_close(said[:1], torch.nn.functional.normalize(raw, dim=-1))


def test_what_is_no_clip_is_refused_in_a_sentence(tmp_path):
    model, image_processor, tokenizer = build("clip")
    for part in (CLIPVisionModel(model.config.vision_config), image_processor, tokenizer):
        part.save_pretrained(tmp_path)
    for name, reason in (
        (tmp_path, "does not embed pictures and sentences"),
        (tmp_path / "none", "can't be opened as a CLIP"),
    ):
        with pytest.raises(ValueError, match=reason) as caught:
            load_clip(name)
        assert str(name) in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(ValueError, match="'Socks' has no prompt"):
        Clip(model, image_processor, tokenizer).class_embeddings({"Shirts": ["A shirt."], "Socks": []})
