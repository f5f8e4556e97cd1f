"""The trainer of a stage: rates to the last step, the floor, frozen weights, noise apart, length groups, a stop at NaN."""

import json
import math

import pytest
import torch
from conftest import make_model, make_picture, make_processor
from torch.utils.data import Dataset

from moda.training.parts import freeze_all_but, parameters_of
from moda.training.stage import Stage
from moda.training.trainer import LengthGroups, StageTrainer, cosine_to_floor
from processing_moda import IGNORED, ModaDataCollator


SENTENCES = ["A red shirt.", "A pair of blue jeans for men.", "A bag.", "A green dress, made for casual wear."]


class Rows(Dataset):
    """Pictures and sentences in memory, as [`PixelDataset`] gives them."""

    epoch = 0

    def __init__(self, count=16):
        processor = make_processor()
        images = [make_picture(seed) for seed in range(count)]
        self.pixels = processor.image_processor(images, return_tensors="pt")["pixel_values"]
        self.columns = {"description": [SENTENCES[index % 4] for index in range(count)]}
        self.lengths = [len(sentence) for sentence in self.columns["description"]]

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, index):
        return {"pixel_values": self.pixels[index], "description": self.columns["description"][index], "row": index}


def make_trainer(folder, stage=None, rows=None, model=None, kind=StageTrainer, score=None, **settings):
    model = model or make_model()
    stage = Stage("a", **{"train": {"connector": 2e-3, "language": 2e-5}, **(stage or {})})
    stage.trainer.update({"save_strategy": "no", "disable_tqdm": True, "use_cpu": True, "logging_steps": 1, **settings})
    freeze_all_but(model, stage.rates)
    processor = make_processor()
    return kind(
        model,
        stage.arguments(folder),
        stage=stage,
        collator=ModaDataCollator(processor, token_noise=stage.token_noise),
        eval_collator=ModaDataCollator(processor),
        score=score,
        train_dataset=rows or Rows(),
        eval_dataset=Rows(8),
        processing_class=processor,
    )


class Recorder(StageTrainer):
    """Keeps the rates of every step."""

    def training_step(self, *args, **kwargs):
        self.rates = [
            *getattr(self, "rates", []),
            {group["name"]: group["lr"] for group in self.optimizer.param_groups},
        ]
        return super().training_step(*args, **kwargs)


def test_every_part_falls_from_its_rate_to_the_same_floor(tmp_path):
    trainer = make_trainer(tmp_path, {"min_learning_rate": 1e-8}, kind=Recorder, max_steps=4)
    trainer.train()
    assert trainer.rates[0] == {"connector": 2e-3, "language": 2e-5}
    half = {name: (rate + 1e-8) / 2 for name, rate in trainer.rates[0].items()}
    assert trainer.rates[2] == pytest.approx(half)
    for group in trainer.optimizer.param_groups:
        assert group["lr"] == pytest.approx(1e-8, rel=1e-9)


def test_a_schedule_of_transformers_keeps_the_ratio_of_the_parts(tmp_path):
    trainer = make_trainer(
        tmp_path,
        kind=Recorder,
        max_steps=4,
        lr_scheduler_type="cosine_with_min_lr",
        lr_scheduler_kwargs={"min_lr_rate": 0.1},
    )
    trainer.train()
    assert trainer.rates[0] == {"connector": 2e-3, "language": 2e-5}
    assert {group["name"]: group["lr"] for group in trainer.optimizer.param_groups} == pytest.approx(
        {"connector": 2e-4, "language": 2e-6}
    )


def test_the_cosine_rises_in_a_line_and_falls_to_its_floor():
    assert [cosine_to_floor(4, 10, 0.1, step) for step in (0, 2, 4)] == [0, 0.5, 1.0]
    assert cosine_to_floor(0, 10, 0.1, 0) == 1.0
    assert cosine_to_floor(4, 10, 0.1, 7) == pytest.approx(0.55)
    assert cosine_to_floor(4, 10, 0.1, 10) == cosine_to_floor(4, 10, 0.1, 99) == pytest.approx(0.1)


def test_frozen_weights_are_the_same_to_the_last_bit(tmp_path):
    trainer = make_trainer(tmp_path, {"train": {"connector": 1e-2}}, max_steps=3, weight_decay=0.1)
    before = {name: value.clone() for name, value in trainer.model.state_dict().items()}
    trainer.train()
    after = trainer.model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == {name for name in before if name.startswith("model.connector.")}


def test_noise_is_logged_apart_and_is_off_in_evaluation(tmp_path):
    stage = {"train": {"connector": 1e-9}, "token_noise": 0.4, "image_attention": "full"}
    model = make_model(image_attention="full")
    trainer = make_trainer(tmp_path, stage, model=model, max_steps=2, per_device_train_batch_size=16)
    trainer.train()
    logged = [entry for entry in trainer.state.log_history if "loss" in entry]
    batch = trainer.data_collator([trainer.train_dataset[index] for index in range(16)])
    with torch.no_grad():  # the rate is next to nothing, so the model is still the one that was logged
        logits = model.eval()(**{k: v for k, v in batch.items() if k not in ("rows", "labels")}).logits
    targets = batch["labels"][:, 1:]
    losses = torch.nn.functional.cross_entropy(logits[:, :-1].mT, targets, reduction="none", ignore_index=IGNORED)
    supervised, noised = targets != IGNORED, (batch["input_ids"][:, 1:] != targets) & (targets != IGNORED)
    assert 0 < noised.sum() < supervised.sum()
    assert logged[-1]["loss_noised"] == pytest.approx(losses[noised].mean().item(), rel=1e-3)
    assert logged[-1]["loss_clean"] == pytest.approx(losses[supervised & ~noised].mean().item(), rel=1e-3)
    assert logged[-1]["loss"] == pytest.approx(losses[supervised].mean().item(), rel=1e-3)
    for batch in trainer.get_eval_dataloader():
        supervised = batch["labels"] != IGNORED
        assert torch.equal(batch["input_ids"][supervised], batch["labels"][supervised])


def test_the_evaluation_adds_its_figures_and_the_best_is_kept(tmp_path):
    values = iter([0.2, 0.9, 0.4, 0.1])
    weights = []

    def score(model):
        assert not model.training
        weights.append(model.model.connector.linear_1.weight.clone())
        return {"attributes": next(values)}

    trainer = make_trainer(
        tmp_path,
        {"train": {"connector": 1e-2}},
        score=score,
        max_steps=4,
        eval_strategy="steps",
        eval_steps=1,
        save_strategy="steps",
        save_steps=1,
        load_best_model_at_end=True,
        metric_for_best_model="attributes",
    )
    trainer.train()
    entries = [entry for entry in trainer.state.log_history if "eval_attributes" in entry]
    assert [entry["eval_attributes"] for entry in entries] == [0.2, 0.9, 0.4, 0.1]
    assert all("eval_loss" in entry and entry["num_input_tokens_seen"] > 0 for entry in entries)
    assert trainer.state.best_global_step == 2
    assert torch.equal(trainer.model.model.connector.linear_1.weight, weights[1])


def test_tokens_seen_are_counted_without_padding(tmp_path):
    trainer = make_trainer(tmp_path, max_steps=2, per_device_train_batch_size=8)
    seen = []
    collate = trainer.data_collator

    def counting(examples):
        batch = collate(examples)
        seen.append(int(batch["attention_mask"].sum()))
        return batch

    trainer.data_collator = counting
    trainer.train()
    assert trainer.state.num_input_tokens_seen == sum(seen[:2])


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_last_checkpoint(tmp_path):
    class Poisoned(Rows):
        def __getitem__(self, index):
            row = super().__getitem__(index)
            return {**row, "pixel_values": row["pixel_values"] * math.nan} if index == 11 else row

    settings = {"per_device_train_batch_size": 4, "num_train_epochs": 1, "save_strategy": "steps", "save_steps": 1}
    trainer = make_trainer(tmp_path, rows=Poisoned(), **settings)
    trainer.sampler = torch.utils.data.SequentialSampler(trainer.train_dataset)
    with pytest.raises(
        ValueError, match="loss is nan at step 3 of stage a, in the batch of rows 8, 9, 10, 11; look at"
    ):
        trainer.train()
    kept = sorted(path.name for path in tmp_path.glob("checkpoint-*"))
    assert kept == ["checkpoint-1", "checkpoint-2"]
    assert json.loads((tmp_path / "checkpoint-2" / "trainer_state.json").read_text())["global_step"] == 2


def test_weights_that_are_no_numbers_are_not_saved(tmp_path):
    trainer = make_trainer(tmp_path, max_steps=3, save_strategy="steps", save_steps=2)
    step = trainer.training_step

    def poisoned(*args, **kwargs):
        loss = step(*args, **kwargs)
        if trainer.state.global_step == 1:
            parameters_of(trainer.model)["connector"][0].grad.fill_(math.inf)
        return loss

    trainer.training_step = poisoned
    with pytest.raises(ValueError, match="connector.* is no longer finite after step 2 of stage a"):
        trainer.train()
    assert not list(tmp_path.glob("checkpoint-*"))


def test_length_groups_hold_each_row_once_and_put_like_beside_like():
    lengths = torch.randint(5, 60, (640,), generator=torch.Generator().manual_seed(0)).tolist()
    groups = LengthGroups(lengths, 16, seed=3)
    orders = []
    for epoch in (0, 1, 0):
        groups.epoch = epoch
        orders.append(list(groups))
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[0]) == list(range(640))
    spread = [
        max(group) - min(group) for group in ([lengths[i] for i in orders[0][n : n + 16]] for n in range(0, 640, 16))
    ]
    assert sum(spread) / len(spread) < 10  # at random it would be about 48


def test_length_groups_reach_the_batches(tmp_path):
    rows = Rows(128)
    trainer = make_trainer(tmp_path, {"group_by_length": True}, rows=rows, per_device_train_batch_size=8)
    batches = [batch["rows"].tolist() for batch in trainer.get_train_dataloader()]
    assert sorted(sum(batches, [])) == list(range(128))
    assert sum(len({rows.lengths[row] for row in batch}) for batch in batches) / len(batches) < 2  # of four lengths
