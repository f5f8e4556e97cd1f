"""Several examples in one row: none sees another, and the batch teaches what the padded one teaches, to the last digit."""

import random

import pytest
import torch
from conftest import largest, make_model, make_picture, make_processor

from collator_moda import pack
from masks_moda import IMAGE_ATTENTION_POLICIES, policy_mask
from processing_moda import ModaDataCollator


ROWS = [
    {"image": [make_picture(0), make_picture(1)], "description": "A navy blue casual shirt for men."},
    {"image": make_picture(2), "description": "Red.", "prompt": "What colour is it?"},
    {"image": [], "description": "A pair of red sports shoes for women, made for sports.", "prompt": "Hi"},
    {
        "image": make_picture(3),
        "messages": [
            {"role": "user", "content": "What colour is it?"},
            {"role": "assistant", "content": "Olive."},
            {"role": "user", "content": "For men?"},
            {"role": "assistant", "content": "For girls, for a party."},
        ],
    },
    {"image": make_picture(4), "description": "A bag.", "prompt": ""},
    {"image": [make_picture(5), make_picture(6)], "description": "Two.", "prompt": "<image> and <image>?"},
]


@pytest.fixture(scope="module")
def processor():
    return make_processor()


def positions_of(batch):
    """(row, start, end) of each example of a packed batch, in its order."""
    found = []
    for row, (positions, real) in enumerate(zip(batch["position_ids"], batch["attention_mask"], strict=True)):
        length = int(real.sum())
        starts = [*(positions[:length] == 0).nonzero()[:, 0].tolist(), length]
        found += [(row, start, end) for start, end in zip(starts, starts[1:])]
    return found


def take(batch, row, start, end, model):
    """One example of a packed batch, alone."""
    image = model.config.image_token_id
    length = model.config.image_seq_length
    counts = [int((batch["input_ids"][r, a:b] == image).sum()) // length for r, a, b in positions_of(batch)]
    nth = positions_of(batch).index((row, start, end))
    alone = {name: batch[name][row : row + 1, start:end] for name in ("input_ids", "attention_mask", "labels")}
    name = "pixel_values" if "pixel_values" in batch else "image_features"
    pictures = batch[name].split(counts)[nth]
    return {**alone, name: pictures} if len(pictures) else alone


def test_the_layout(processor):
    padded, packed = ModaDataCollator(processor)(ROWS), ModaDataCollator(processor, packing=True)(ROWS)
    assert set(packed) == {*padded, "position_ids"}
    assert packed["attention_mask"].sum() == padded["attention_mask"].sum()
    assert packed["attention_mask"].numel() < 0.8 * padded["attention_mask"].numel()
    assert len(packed["pixel_values"]) == len(padded["pixel_values"]) == 7
    places = positions_of(packed)
    assert len(places) == len(ROWS) and any(start > 0 for _, start, _ in places)
    left = [row[row != 2].tolist() for row in padded["input_ids"]]
    for row, start, end in places:
        assert packed["position_ids"][row, start:end].tolist() == list(range(end - start))
        assert packed["labels"][row, start] == -100
        left.remove(packed["input_ids"][row, start:end].tolist())
    assert left == []
    padding = packed["attention_mask"] == 0
    assert (packed["labels"][padding] == -100).all() and (packed["position_ids"][padding] == 0).all()


@pytest.mark.parametrize("seed", range(5))
def test_pack_is_first_fit_decreasing_and_no_wider_than_needed(seed):
    draw = random.Random(seed)
    lengths = [draw.randint(5, 60) for _ in range(32)]
    rows = pack(lengths)
    assert sorted(sum(rows, [])) == list(range(32))
    widths = [sum(lengths[index] for index in row) for row in rows]
    assert 1 - sum(lengths) / (max(widths) * len(rows)) < 0.05
    assert max(widths) <= 4 * max(lengths)
    assert [lengths[row[0]] for row in rows] == sorted((lengths[row[0]] for row in rows), reverse=True)


def test_pack_takes_the_smallest_width_that_will_do():
    assert pack([10, 10, 10]) == [[0], [1], [2]]
    assert pack([4, 10, 6, 10]) == [[1], [3], [2, 0]]
    assert pack([10, 6, 6, 6, 6, 6]) == [[0, 1, 2, 3, 4, 5]]  # anything narrower would pad 9 % or more
    assert pack([10, 9, 9, 9]) == [[0, 1], [2, 3]]  # 19 wide: less than 3 %
    assert pack([7]) == [[0]]


@pytest.mark.parametrize("strategy, features", [("default", False), ("default", True), ("pooled", True)])
@pytest.mark.parametrize("policy", IMAGE_ATTENTION_POLICIES)
def test_packed_equals_padded(policy, strategy, features):
    """Loss and gradients, with and without num_items_in_batch, from all logits or from those that have labels."""
    model = make_model(image_attention=policy, vision_feature_select_strategy=strategy)
    processor = make_processor(image_seq_length=model.config.image_seq_length)
    rows = ROWS
    if features:
        rows = []
        for n, row in enumerate(ROWS):
            shape = (
                torch.as_tensor(len(row["image"]) if isinstance(row["image"], list) else 1),
                *(model.config.image_seq_length, model.config.image_feature_size),
            )
            values = torch.randn(shape, generator=torch.Generator().manual_seed(n))
            rows.append({**row, "image_features": values if len(values) else None})
    padded, packed = (ModaDataCollator(processor, packing=packing)(rows) for packing in (False, True))

    def learn(batch, **kwargs):
        model.zero_grad()
        loss = model(**batch, **kwargs).loss
        loss.backward()
        return loss.item(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}

    for options in ({}, {"num_items_in_batch": torch.tensor(37)}, {"num_items_in_batch": 37}):
        loss, gradients = learn(padded, **options)
        scale = max(gradient.abs().max() for gradient in gradients.values())
        for batch, keep in ((packed, 0), (padded, "labels"), (packed, "labels")):
            got, others = learn(batch, logits_to_keep=keep, **options)
            assert got == pytest.approx(loss, rel=1e-5)
            assert others.keys() == gradients.keys()
            for name, gradient in gradients.items():
                assert largest(gradient, others[name]) < 1e-5 * max(scale, 1), (name, keep)


def test_trainer_reaches_the_same_weights(processor, tmp_path):
    """Through plain Trainer, which counts the supervised tokens of the accumulated batches."""
    from transformers import Trainer, TrainingArguments

    def train(**options):
        model = make_model()
        settings = TrainingArguments(
            tmp_path,
            max_steps=2,
            per_device_train_batch_size=3,
            gradient_accumulation_steps=2,
            learning_rate=0.2,
            optim="sgd",
            save_strategy="no",
            report_to="none",
            use_cpu=True,
            remove_unused_columns=False,
        )
        Trainer(model, settings, ModaDataCollator(processor, **options), ROWS).train()
        return model.state_dict()

    padded, packed, start = train(), train(packing=True), make_model().state_dict()
    assert max(largest(start[name], value) for name, value in padded.items()) > 1e-2
    assert max(largest(packed[name], value) for name, value in padded.items()) < 1e-5


@pytest.mark.parametrize("implementation", ["sdpa", "eager", "flex_attention"])
@pytest.mark.parametrize("policy", IMAGE_ATTENTION_POLICIES)
@pytest.mark.parametrize("strategy", ["default", "pooled"])
def test_each_example_is_as_it_is_alone_and_none_sees_another(policy, strategy, implementation):
    model = make_model(image_attention=policy, vision_feature_select_strategy=strategy)
    processor = make_processor(image_seq_length=model.config.image_seq_length)
    model.set_attn_implementation(implementation)
    batch = ModaDataCollator(processor, packing=True)(ROWS)
    places = positions_of(batch)
    assert max(sum(row == other for other, _, _ in places) for row, _, _ in places) >= 2
    with torch.no_grad(), torch.compiler.set_stance("force_eager"):
        logits = model(**batch).logits
        for row, start, end in places:
            alone = model(**take(batch, row, start, end, model)).logits[0]
            assert largest(logits[row, start:end], alone) < 2e-4
        # Other words and another picture in one example leave all others as they were, bit for bit.
        for row, start, end in places:
            other = {name: value.clone() for name, value in batch.items()}
            ids = other["input_ids"][row, start:end]
            text = ids != model.config.image_token_id
            ids[text] = (ids[text] + 1).clamp(max=299)
            nth = int((batch["input_ids"][:row] == model.config.image_token_id).sum())
            nth += int((batch["input_ids"][row, :start] == model.config.image_token_id).sum())
            count = int((~text).sum()) // model.config.image_seq_length
            first = nth // model.config.image_seq_length
            other["pixel_values"][first : first + count] += 1
            moved = model(**other).logits != logits
            assert moved[row, start:end].any()
            moved[row, start:end] = False
            assert not moved[batch["attention_mask"].bool()].any()


def test_the_first_label_of_an_example_never_counts(processor):
    """A label that the last token of the example before would have to predict."""
    model = make_model()
    ids = torch.tensor([[50, 51, 52, 60, 61, 62]])
    positions = torch.tensor([[0, 1, 2, 0, 1, 2]])
    split = torch.tensor([[50, 51, 52], [60, 61, 62]])
    with torch.no_grad():
        packed = model(input_ids=ids, position_ids=positions, labels=ids)
        apart = model(input_ids=split, labels=split)
        kept = model(input_ids=ids, position_ids=positions, labels=ids, logits_to_keep="labels")
        left = model(
            input_ids=torch.tensor([[2, 2, 50, 51, 52], [9, 8, 60, 61, 62]]),
            attention_mask=torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]]),
            labels=torch.tensor([[-100, -100, 50, 51, 52], [-100] * 5]),
        )
        alone = model(input_ids=split[:1], labels=split[:1])
    assert packed.loss.item() == pytest.approx(apart.loss.item(), rel=1e-6)
    assert kept.logits.shape == (4, 320) and kept.loss.item() == pytest.approx(apart.loss.item(), rel=1e-6)
    assert left.loss.item() == pytest.approx(alone.loss.item(), rel=1e-5)  # nor what padding would predict


@pytest.mark.parametrize("policy", IMAGE_ATTENTION_POLICIES)
def test_positions_of_padding_pack_nothing(policy, processor):
    """Left-padded rows with the positions that people and `generate` give their padding, with a hole in one of them."""
    model = make_model(image_attention=policy)
    plain = processor([make_picture(0)], "What colour is it?")
    length = plain["input_ids"].shape[1]
    expected = model(**plain).logits[0]
    for padding in ([0, 0, 0], [1, 1, 1], [7, 3, 7]):
        positions = torch.tensor([[*padding, *range(length)]])
        ids = torch.cat([torch.full((1, 3), 2), plain["input_ids"]], 1)
        mask = torch.tensor([[0] * 3 + [1] * length])
        rest = {"pixel_values": plain["pixel_values"], "position_ids": positions}
        with torch.no_grad():
            got = model(input_ids=ids, attention_mask=mask, **rest).logits[0, 3:]
            assert largest(got, expected) < 2e-4
            if padding == [0, 0, 0]:  # also without a mask that says so
                assert largest(model(input_ids=ids, **rest).logits[0, 3:], expected) < 2e-4
            hole = torch.cat([ids[:, 3:-4], ids[:, :3], ids[:, -4:]], 1)
            positions = torch.tensor([[*range(length - 4), 1, 1, 1, *range(length - 4, length)]])
            mask = torch.tensor([[1] * (length - 4) + [0] * 3 + [1] * 4])
            got = model(hole, attention_mask=mask, position_ids=positions, pixel_values=plain["pixel_values"]).logits[0]
            assert largest(torch.cat([got[: length - 4], got[-4:]]), expected) < 2e-4


def test_one_example_a_row_takes_the_quick_way(processor):
    """Where a 2-D mask says it all, it is left as it came: attention has faster kernels for it."""
    placeholders = torch.zeros(2, 5, dtype=torch.bool)
    mask = torch.tensor([[0, 0, 1, 1, 1], [1, 1, 1, 1, 1]])
    one, two = torch.tensor([[1, 1, 0, 1, 2], [0, 1, 2, 3, 4]]), torch.tensor([[1, 1, 0, 1, 2], [0, 1, 0, 1, 2]])
    for changes in ({"image_attention": "causal"}, {"vision_feature_select_strategy": "pooled"}):
        config = make_model(**changes).config
        for positions in (None, one):
            assert policy_mask(config, placeholders, mask, None, positions, None, 0, torch.float32) is mask
        built = policy_mask(config, placeholders, mask, None, two, None, 0, torch.float32)
        assert built.shape == (2, 1, 5, 5) and not built[1, 0, 2:, :2].any() and built[1, 0, 1, 0]


def test_a_packed_batch_compiles_without_a_break(processor):
    model = make_model()
    batch = ModaDataCollator(processor, packing=True)(ROWS)
    compiled = torch.compile(model.forward, fullgraph=True, backend="eager")
    with torch.no_grad():
        assert largest(compiled(**batch).logits, model(**batch).logits) < 1e-4
    torch._dynamo.reset()


def test_packing_under_flash_attention():
    """It knows the causal mask alone, and finds the examples of one row by their positions."""
    config = make_model(image_attention="causal").config
    config._attn_implementation_internal = "flash_attention_2"
    placeholders, positions = torch.zeros(2, 4, dtype=torch.bool), torch.tensor([[0, 1, 0, 1]])
    ones = torch.ones(2, 4, dtype=torch.long)

    def made(rows, position_ids):
        return policy_mask(config, placeholders[:rows], ones[:rows], None, position_ids, None, 0, torch.float32)

    assert made(1, positions) is None
    assert torch.equal(made(2, torch.arange(4)[None]), ones)
    with pytest.raises(ValueError, match='flash_attention_2 keeps .* 2 rows; .*attn_implementation="sdpa"'):
        made(2, positions)


# Logits only where there are labels


@pytest.mark.parametrize("packing", [False, True])
def test_logits_at_the_labels_are_the_full_ones(processor, packing):
    model = make_model()
    batch = ModaDataCollator(processor, packing=packing)(ROWS)
    with torch.no_grad():
        full, kept = model(**batch), model(**batch, logits_to_keep="labels")
    where = torch.nn.functional.pad(batch["labels"][:, 1:], (0, 1), value=-100) != -100
    assert kept.logits.shape == (int((batch["labels"] != -100).sum()), 320)
    assert largest(kept.logits, full.logits[where]) < 1e-5
    assert kept.loss.item() == pytest.approx(full.loss.item(), rel=1e-6)
    with pytest.raises(ValueError, match="logits_to_keep is 'label' with labels; pass \"labels\""):
        model(**batch, logits_to_keep="label")
    with pytest.raises(ValueError, match="logits_to_keep is 'labels' with no labels"):
        model(**{name: value for name, value in batch.items() if name != "labels"}, logits_to_keep="labels")


@pytest.mark.parametrize("options", [{}, {"num_items_in_batch": torch.tensor(0)}, {"num_items_in_batch": 5}])
@pytest.mark.parametrize("keep", [0, "labels"])
def test_a_batch_that_teaches_nothing_has_the_loss_zero(processor, keep, options):
    model = make_model()
    batch = ModaDataCollator(processor)(ROWS)
    batch["labels"][:] = -100
    loss = model(**batch, logits_to_keep=keep, **options).loss
    assert loss.item() == 0
    loss.backward()
    gradients = [parameter.grad for parameter in model.model.language_model.parameters()]
    assert all(gradient is not None and (gradient == 0).all() for gradient in gradients)
