"""Freezing, learning rates by part, and what the table says of them."""

from conftest import make_model

from moda.training.parts import count_parts, freeze_all_but, freeze_table, parameter_groups, parameters_of


RATES = {
    "connector": {"learning_rate": 1e-3, "weight_decay": 0.1},
    "language": {"learning_rate": 2e-5, "weight_decay": 0.3},
}


def count(parameters):
    return sum(parameter.numel() for parameter in parameters)


def test_parts_are_all_of_the_model_and_nothing_twice():
    model = make_model()
    parts = parameters_of(model)
    assert list(parts) == ["vision", "connector", "language"]
    members = [parameter for parameters in parts.values() for parameter in parameters]
    assert len(members) == len(set(members)) and set(members) == set(model.parameters())
    assert set(parts["vision"]) == set(model.model.vision_tower.parameters())
    assert model.lm_head.weight in set(parts["language"])


def test_every_trained_parameter_is_in_one_group_with_its_parts_rate_and_decay():
    model = make_model()
    freeze_all_but(model, ["connector", "language"])
    groups = parameter_groups(model, RATES)
    members = [parameter for group in groups for parameter in group["params"]]
    assert len(members) == len(set(members))
    assert set(members) == {parameter for parameter in model.parameters() if parameter.requires_grad}
    assert not set(members) & set(model.model.vision_tower.parameters())
    assert {group["name"]: group["lr"] for group in groups} == {"connector": 1e-3, "language": 2e-5}
    for group in groups:
        decay = RATES[group["name"]]["weight_decay"]
        assert group["weight_decay"] in (0, decay)
        assert all((parameter.ndim > 1) == (group["weight_decay"] == decay) for parameter in group["params"])


def test_freezing_leaves_frozen_parts_without_gradient_and_in_eval_mode():
    model = make_model()
    freeze_all_but(model, ["connector"])
    model.train()
    parts = parameters_of(model)
    assert all(parameter.requires_grad for parameter in parts["connector"])
    assert not any(parameter.requires_grad for part in ("vision", "language") for parameter in parts[part])
    assert model.model.connector.training
    assert not any(module.training for module in model.model.vision_tower.modules())
    assert not any(module.training for module in model.model.language_model.modules())


def test_table_counts_a_tied_head_once():
    model = make_model()
    freeze_all_but(model, ["connector", "language"])
    rows = {line.split()[0]: line.split()[1:] for line in freeze_table(model, RATES).splitlines()}
    parts = parameters_of(model)
    assert rows["vision"] == [f"{count(parts['vision']):,}", "0", "frozen"]
    assert rows["language"] == [f"{count(parts['language']):,}"] * 2 + ["2.0e-05", "0.3"]
    assert rows["all"] == [
        f"{sum(p.numel() for p in model.parameters()):,}",
        f"{count(parts['connector']) + count(parts['language']):,}",
    ]
    assert rows["mask:"][0] == f"{model.config.image_attention};"
    assert sum(part["parameters"] for part in count_parts(model)) == sum(p.numel() for p in model.parameters())
