"""Freezing, learning rates by part, and what the table says of them."""

import pytest
import torch
from conftest import make_model

from moda.training.parts import PartsTrainer, freeze_all_but, freeze_table, parameter_groups, parts_of
from moda.training.recipe import training_arguments


def count(modules):
    return sum(p.numel() for p in dict.fromkeys(p for module in modules for p in module.parameters()))


def test_every_trained_parameter_is_in_one_group_with_its_parts_rate():
    model = make_model()
    freeze_all_but(model, ["connector", "language"])
    groups = parameter_groups(model, 1e-3, {"language": 1e-5}, 0.1)
    members = [parameter for group in groups for parameter in group["params"]]
    assert len(members) == len(set(members))
    assert set(members) == {parameter for parameter in model.parameters() if parameter.requires_grad}
    assert not set(members) & set(model.model.vision_tower.parameters())
    rates = {group["name"]: group["lr"] for group in groups}
    assert rates == {"connector": 1e-3, "language": 1e-5}
    for group in groups:
        assert all((p.ndim > 1) == (group["weight_decay"] == 0.1) for p in group["params"])


def test_freezing_leaves_frozen_parts_without_gradient_and_in_eval_mode():
    model = make_model()
    freeze_all_but(model, ["connector"])
    model.train()
    parts = parts_of(model)
    assert all(p.requires_grad for p in parts["connector"][0].parameters())
    assert not any(p.requires_grad for part in ("vision", "language") for m in parts[part] for p in m.parameters())
    assert model.model.connector.training
    assert not model.model.vision_tower.training and not model.model.language_model.training


def test_table_counts_a_tied_head_once():
    model = make_model()
    freeze_all_but(model, ["connector", "language"])
    rows = {line.split()[0]: line.split()[1:] for line in freeze_table(model, 1e-3, {"language": 2e-5}).splitlines()}
    parts = parts_of(model)
    assert rows["vision"] == [f"{count(parts['vision']):,}", "0", "frozen"]
    assert rows["language"] == [f"{count(parts['language']):,}"] * 2 + ["2.0e-05"]
    assert rows["all"][0] == f"{sum(p.numel() for p in model.parameters()):,}"


@pytest.mark.parametrize("scheduler", [("cosine_with_min_lr", {"min_lr_rate": 0.1}), ("constant", {})])
def test_trainer_gives_each_part_its_rate_to_the_last_step(tmp_path, scheduler):
    name, kwargs = scheduler
    model = make_model()
    freeze_all_but(model, ["connector", "language"])
    ids = torch.tensor([model.config.image_token_id] * 4 + [5, 6, 7])
    row = {
        "input_ids": ids,
        "labels": ids.clone().index_fill_(0, torch.arange(4), -100),
        "pixel_values": torch.ones(3, 32, 32),
    }

    def collate(rows):
        return {name: torch.stack([row[name] for row in rows]) for name in rows[0]}

    rates = []

    class Recorder(PartsTrainer):
        def training_step(self, *args, **kwargs):
            rates.append({group["name"]: group["lr"] for group in self.optimizer.param_groups})
            return super().training_step(*args, **kwargs)

    settings = {"max_steps": 4, "learning_rate": 1e-3, "lr_scheduler_type": name, "lr_scheduler_kwargs": kwargs}
    arguments = training_arguments(tmp_path, {**settings, "save_strategy": "no", "disable_tqdm": True, "use_cpu": True})
    vision = {key: value.clone() for key, value in model.model.vision_tower.state_dict().items()}
    trainer = Recorder(
        model, arguments, learning_rates={"language": 1e-5}, train_dataset=[row] * 8, data_collator=collate
    )
    trainer.train()
    assert rates[0] == {
        "connector": 1e-3,
        "language": 1e-5,
    }  # the maximum from the first step: the guide warms nothing up
    last = {group["name"]: group["lr"] for group in trainer.optimizer.param_groups}
    floor = 0.1 if kwargs else 1.0
    assert last == pytest.approx({"connector": 1e-3 * floor, "language": 1e-5 * floor})
    assert all(torch.equal(value, vision[key]) for key, value in model.model.vision_tower.state_dict().items())
