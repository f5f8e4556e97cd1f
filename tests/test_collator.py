"""Rows of a dataset in, batches out: columns, conversations, noise, and what is learnt, token by token."""

import pytest
import torch
from conftest import SENTENCES, make_picture, make_processor

from processing_moda import DEFAULT_PROMPT, ModaDataCollator


IMAGE_ID, EOS, PAD = 300, 1, 2


@pytest.fixture(scope="module")
def processor():
    return make_processor()


def rows(count=3):
    return [{"image": make_picture(i), "description": SENTENCES[i % len(SENTENCES)], "id": i} for i in range(count)]


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_collator_columns(processor):
    collate = ModaDataCollator(processor)
    data = rows()
    descriptions = [row["description"] for row in data]
    batch = collate(data)
    expected = processor([row["image"] for row in data], suffix=descriptions, padding_side="right")
    assert same(batch, dict(expected))
    own = ModaDataCollator(processor, image_column="photo", text_column="caption", prompt_column="question")
    renamed = [{"photo": row["image"], "caption": row["description"], "question": "What?"} for row in data]
    asked = processor([row["image"] for row in data], ["What?"] * 3, suffix=descriptions, padding_side="right")
    assert same(own(renamed), dict(asked))
    pixels = [
        {"pixel_values": row, "description": text}
        for row, text in zip(expected["pixel_values"], descriptions, strict=True)
    ]
    assert same(collate(pixels), batch)
    features = torch.randn(3, 4, 32)
    for values in (features, features.numpy(), features.tolist()):
        ready = collate(
            [{"image_features": row, "description": text} for row, text in zip(values, descriptions, strict=True)]
        )
        assert torch.allclose(ready["image_features"], features) and torch.equal(ready["labels"], batch["labels"])
    several = [
        {"image": [make_picture(0), make_picture(1)], "description": "Two."},
        {"image": [], "description": "None."},
    ]
    batch = collate(several)
    assert (batch["input_ids"] == IMAGE_ID).sum(-1).tolist() == [8, 0] and len(batch["pixel_values"]) == 2
    shorter = ModaDataCollator(processor, max_length=30)(data)
    assert shorter["input_ids"].shape[1] == 30


def test_collator_names_a_missing_column(processor):
    with pytest.raises(ValueError, match="columns caption, image, and not 'description'.*remove_unused_columns=False"):
        ModaDataCollator(processor)([{"image": make_picture(), "caption": "A shirt."}])
    with pytest.raises(ValueError, match="columns description, and not 'image'"):
        ModaDataCollator(processor)([{"description": "A shirt."}])


def test_token_noise(processor):
    words = " ".join(SENTENCES)
    features = torch.zeros(4, 32)
    data = [
        {"image_features": features, "description": f"{i} {words} {i * i}", "prompt": "What? " * (i % 3)}
        for i in range(100)
    ]
    clean = ModaDataCollator(processor)(data)
    noisy = ModaDataCollator(processor, token_noise=0.2)(data)
    assert torch.equal(clean["labels"], noisy["labels"]) and torch.equal(
        clean["attention_mask"], noisy["attention_mask"]
    )
    eligible = (clean["labels"] != -100) & (clean["labels"] != EOS)
    assert eligible.sum() > 10_000
    changed = clean["input_ids"] != noisy["input_ids"]
    assert not changed[~eligible].any()
    share = changed.sum().item() / eligible.sum().item()
    assert 0.18 < share < 0.22  # a replacement may happen to be the word itself, one time in 297
    assert not torch.isin(noisy["input_ids"][changed], torch.tensor([0, EOS, PAD, IMAGE_ID])).any()
    assert noisy["input_ids"][changed].unique().numel() > 250  # drawn from the whole vocabulary

    # The same row gets the same noise in any batch, on any worker; another epoch or seed gives another.
    collate = ModaDataCollator(processor, token_noise=0.2)
    width = clean["input_ids"].shape[1]
    for batch in (data[5:7], data[10:4:-1]):
        again = collate(batch)["input_ids"]
        for row, example in enumerate(batch):
            expected = noisy["input_ids"][data.index(example)]
            length = again.shape[1]
            assert torch.equal(again[row], expected[:length]) and (expected[length:] == PAD).all() and length <= width
    seen = [noisy["input_ids"]]
    for seed, epoch in ((0, 1), (1, 0), (256, 0), (0, 2), (1, 1)):
        other = ModaDataCollator(processor, token_noise=0.2, seed=seed, epoch=epoch)(data)["input_ids"]
        assert all((other != one)[eligible].float().mean() > 0.2 for one in seen), (seed, epoch)
        seen.append(other)
    many = ModaDataCollator(processor, token_noise=1.0)(data)["input_ids"]
    assert (many == IMAGE_ID).sum() == (clean["input_ids"] == IMAGE_ID).sum()  # never a placeholder too many


def test_rows_without_pictures_make_a_batch(processor):
    batch = ModaDataCollator(processor)(
        [{"image": [], "description": "A shirt."}, {"image": [], "description": "A hat."}]
    )
    assert "pixel_values" not in batch and batch["labels"].shape[0] == 2


def test_unused_columns_may_be_none(processor):
    """As in a table joined from several: prompt and pictures are where there is a value."""
    collate = ModaDataCollator(processor)
    a, b = make_picture(0), make_picture(1)
    features = torch.randn(2, 4, 32)
    batch = collate(
        [
            {"image": a, "images": None, "prompt": None, "description": "A shirt.", "messages": None},
            {"image": None, "images": [b], "prompt": "What?", "description": "A hat.", "image_features": None},
        ]
    )
    expected = processor([a, b], [DEFAULT_PROMPT, "What?"], ["A shirt.", "A hat."], padding_side="right")
    assert same(batch, dict(expected))
    several = [
        {"image_features": features, "pixel_values": None, "description": "Two."},
        {"image_features": features[0], "description": "One."},
        {"image_features": None, "image": [], "description": "None."},
    ]
    batch = collate(several)
    assert torch.equal(batch["image_features"], features[[0, 1, 0]])
    assert (batch["input_ids"] == IMAGE_ID).sum(-1).tolist() == [8, 4, 0]
    pixels = expected["pixel_values"]
    batch = collate(
        [{"pixel_values": pixels, "description": "Two."}, {"pixel_values": pixels[1], "description": "One."}]
    )
    assert torch.equal(batch["pixel_values"], pixels[[0, 1, 1]])
    with pytest.raises(ValueError, match="as image_features and as images; give all of them one kind"):
        collate([several[0], {"image": a, "description": "A shirt."}])
    with pytest.raises(ValueError, match="columns description, and not 'image'"):
        collate([{"image": None, "description": "A shirt."}])


# Conversations


def says(role, *content):
    parts = [{"type": "image"} if part is None else {"type": "text", "text": part} for part in content]
    return {"role": role, "content": parts}


CONVERSATIONS = [
    [says("user", None, "What colour is it?"), says("assistant", "A navy blue one.")],
    [
        says("system", "Describe the product."),
        says("user", "What colour is", None, "it? "),
        says("assistant", "Red."),
        says("user", "For women?"),
        says("assistant", "For men, I think."),
        says("user", "What colour is it?", None),
        says("assistant", "", "A red shirt."),
    ],
    [says("user", "Is <image> a tag?"), says("assistant", "A red <image>.")],
    [says("user", None), says("assistant", "A."), says("user", "What?"), says("user", ""), says("assistant", "B"), says("assistant", "C")],
]  # fmt: skip
PICTURE_COUNT = [1, 2, 0, 1]


def conversation_row(n):
    return {"images": [make_picture(i) for i in range(PICTURE_COUNT[n])], "messages": CONVERSATIONS[n]}


@pytest.mark.parametrize("n", range(len(CONVERSATIONS)))
def test_conversations_have_the_ids_of_the_chat_template(processor, n):
    """So that a chat goes on with what was trained."""
    row = conversation_row(n)
    batch = ModaDataCollator(processor)([row])
    rendered = processor.apply_chat_template(row["messages"])
    expected = processor([row["images"]], rendered)
    assert torch.equal(batch["input_ids"], expected["input_ids"])
    assert (batch["input_ids"] == IMAGE_ID).sum() == 4 * PICTURE_COUNT[n]
    if PICTURE_COUNT[n]:
        assert torch.equal(batch["pixel_values"], expected["pixel_values"])
    else:
        assert "pixel_values" not in batch

    # Learnt are the answers, each with its end, and nothing else.
    answers = [
        "".join(part["text"] for part in message["content"]).replace("<image>", "< image >")
        for message in row["messages"]
        if message["role"] == "assistant"
    ]
    ids = [processor.tokenizer(answer, add_special_tokens=False)["input_ids"] + [EOS] for answer in answers]
    labels = batch["labels"][0]
    assert labels[labels != -100].tolist() == sum(ids, [])
    assert torch.equal(labels[labels != -100], batch["input_ids"][0][labels != -100])
    assert labels[-1] == EOS and (labels == EOS).sum() == len(answers)

    everything = ModaDataCollator(processor, loss_on="all")([row])
    assert torch.equal(everything["input_ids"], batch["input_ids"])
    unlearnt = (everything["input_ids"] == IMAGE_ID) | (torch.arange(len(labels)) == 0)
    assert torch.equal(everything["labels"], everything["input_ids"].masked_fill(unlearnt, -100))


def test_plain_strings_and_pictures_named_nowhere(processor):
    plain = [
        {"role": "user", "content": "What <image> colour?"},
        {"role": "assistant", "content": "Red."},
        {"role": "user", "content": "For men?"},
        {"role": "assistant", "content": "Yes."},
    ]
    picture = make_picture()
    batch = ModaDataCollator(processor)([{"image": picture, "messages": plain}])
    first = processor(picture, "What < image > colour?", ["Red."])
    second = processor(text="For men?", suffix=["Yes."])
    for name in ("input_ids", "labels"):  # turn after turn, the picture once and first
        assert torch.equal(batch[name], torch.cat([first[name], second[name]], 1))
    named = [says("user", None, plain[0]["content"]), *plain[1:]]
    assert same(batch, ModaDataCollator(processor)([{"image": picture, "messages": named}]))
    turns = processor(picture, [["What < image > colour?", "For men?"]], [["Red.", "Yes."]], padding_side="right")
    assert same(batch, dict(turns))  # the processor takes turns as they are


def test_nothing_predicts_the_first_token(processor):
    messages = [says("assistant", "Red."), says("user", "What?"), says("assistant", "Blue.")]
    batch = ModaDataCollator(processor)([{"messages": messages}])
    assert batch["labels"][0, 0] == -100 and batch["labels"][0, 1] == batch["input_ids"][0, 1]


def test_descriptions_and_conversations_in_one_batch(processor):
    collate = ModaDataCollator(processor)
    described = {"image": make_picture(5), "description": "A navy blue casual shirt for men.", "prompt": None}
    examples = [conversation_row(0), described, conversation_row(1), {**conversation_row(2), "description": None}]
    batch = collate(examples)
    pictures = []
    for row, example in enumerate(examples):
        alone = collate([example])
        length = alone["input_ids"].shape[1]
        for name, filler in (("input_ids", PAD), ("labels", -100), ("attention_mask", 0)):
            assert torch.equal(batch[name][row, :length], alone[name][0])
            assert (batch[name][row, length:] == filler).all()
        pictures += [alone["pixel_values"]] if "pixel_values" in alone else []
    assert torch.equal(batch["pixel_values"], torch.cat(pictures))


def test_turns_that_do_not_fit_are_dropped(processor):
    row = conversation_row(1)
    whole = ModaDataCollator(processor)([row])
    ids, labels = whole["input_ids"][0], whole["labels"][0]
    ends = (labels == EOS).nonzero()[:, 0].tolist()
    begins = [int((labels[end + 1 :] != -100).nonzero()[0]) + end + 1 for end in (-1, *ends[:-1])]
    least = begins[0] + 2
    for limit in range(least, len(ids) + 2):
        cut = ModaDataCollator(processor, max_length=limit)([row])
        kept = cut["input_ids"][0]
        turns = sum(limit >= begin + 2 for begin in begins)
        length = min(limit, ends[turns - 1] + 1)
        assert len(kept) == length and kept[-1] == EOS == cut["labels"][0, -1]
        assert torch.equal(kept[:-1], ids[: length - 1]) and torch.equal(cut["labels"][0, :-1], labels[: length - 1])
        assert len(cut["pixel_values"]) == (2 if turns == 3 else 1) == (kept == IMAGE_ID).sum() / 4
        assert torch.equal(cut["pixel_values"], whole["pixel_values"][: len(cut["pixel_values"])])
    with pytest.raises(ValueError, match=f"take {least - 2} positions and max_length is {least - 1}; raise it to at"):
        ModaDataCollator(processor, max_length=least - 1)([row])
    late = {"image": make_picture(), "messages": [*CONVERSATIONS[2], *CONVERSATIONS[0]]}
    length = ModaDataCollator(processor)([conversation_row(2)])["input_ids"].shape[1]
    assert "pixel_values" not in ModaDataCollator(processor, max_length=length)([late])


def test_noise_touches_answers_only(processor):
    examples = [conversation_row(n) for n in range(len(CONVERSATIONS))] * 5
    for loss_on in ("answer", "all"):
        clean = ModaDataCollator(processor, loss_on=loss_on)(examples)
        noisy = ModaDataCollator(processor, loss_on=loss_on, token_noise=1.0)(examples)
        assert torch.equal(clean["labels"], noisy["labels"])
        answers = ModaDataCollator(processor)(examples)["labels"]
        eligible = (answers != -100) & (answers != EOS)
        changed = clean["input_ids"] != noisy["input_ids"]
        assert not changed[~eligible].any() and changed[eligible].float().mean() > 0.9


def test_what_is_no_conversation_is_refused_in_a_sentence(processor):
    collate = ModaDataCollator(processor)
    question, answer = says("user", "What?"), says("assistant", "A shirt.")
    with pytest.raises(ValueError, match="ends with a message of role 'user'; end it with .* 'assistant'"):
        collate([{"messages": [question, answer, question]}])
    with pytest.raises(ValueError, match="ends with nothing"):
        collate([{"messages": []}])
    with pytest.raises(ValueError, match="role 'user' has a part of type 'video'"):
        collate([{"messages": [{"role": "user", "content": [{"type": "video"}]}, answer]}])
    with pytest.raises(ValueError, match="role 'assistant' has a part of type 'image'"):
        collate([{"messages": [question, says("assistant", None)]}])
    with pytest.raises(ValueError, match=r"Text 0 names 1 <image> and comes with 0 picture\(s\)"):
        collate([{"messages": CONVERSATIONS[0]}])
    with pytest.raises(ValueError, match=r"Row 1 has 2 question\(s\) and 1 answer\(s\)"):
        processor(text=["A", ["B", "C"]], suffix=["a", ["b"]])
    with pytest.raises(ValueError, match=r"Row 0 has 2 question\(s\) and 0 answer\(s\)"):
        processor(text=[["B", "C"]])
    with pytest.raises(ValueError, match="loss_on is 'answers'; choose 'answer' or 'all'"):
        ModaDataCollator(processor, loss_on="answers")


def test_turns_open_with_one_bos():
    """A tokenizer that opens and closes every text: one opening a row, one end an answer."""
    from tokenizers.processors import TemplateProcessing

    own = make_processor()
    own.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", EOS)]
    )
    ids = ModaDataCollator(own)([conversation_row(1)])["input_ids"][0]
    assert ids[0] == 0 and (ids == 0).sum() == 1 and (ids == EOS).sum() == 3
