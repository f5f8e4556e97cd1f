"""The parts of a model: what is trained, at which rate, and a table that says so."""

PARTS = ("vision", "connector", "language", "lora")


def parameters_of(model):
    """Sorts the parameters by part.

    Args:
        model ([`ModaForConditionalGeneration`] or `PeftModel`): The model, with or without an adapter.

    Returns:
        `dict[str, list[Parameter]]`: `vision`, `connector`, `language` (with its head; a tied head counts once), and `lora`,
        what an adapter added to the language model, if there is one.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    parts = {
        "vision": [base.model.vision_tower],
        "connector": [base.model.connector],
        "language": [base.model.language_model, base.lm_head],
    }
    sorted_ = {name: {} for name in PARTS}  # dicts, since a parameter may be reached twice
    for part, modules in parts.items():
        for module in modules:
            for name, parameter in module.named_parameters():
                if "original_module." not in name:  # of a connector that peft trains, the frozen copy
                    sorted_["lora" if "lora_" in name else part][parameter] = None
    return {name: list(parameters) for name, parameters in sorted_.items() if parameters}


def freeze_all_but(model, trained):
    """Lets the parts named in `trained` learn and freezes the others."""
    for name, parameters in parameters_of(model).items():
        for parameter in parameters:
            parameter.requires_grad_(name in trained)


def parameter_groups(model, rates):
    """Splits the trained parameters by part, and within a part by whether they decay (matrices do, biases and norms not).

    Args:
        model ([`ModaForConditionalGeneration`] or `PeftModel`): With the frozen parts frozen.
        rates (`dict[str, dict]`): Of each trained part, `learning_rate` and `weight_decay`.

    Returns:
        `list[dict]`: Parameter groups for a torch optimizer, with the part's `name`.
    """
    groups = []
    for name, parameters in parameters_of(model).items():
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        for decay in (True, False):
            chosen = [parameter for parameter in trained if (parameter.ndim > 1) == decay]
            if chosen:
                group = {"name": name, "params": chosen, "lr": rates[name]["learning_rate"]}
                groups.append({**group, "weight_decay": rates[name]["weight_decay"] * decay})
    return groups


def count_parts(model):
    """Counts the parameters of each part, and those that are trained: `[{"name", "kind", "parameters", "trained"}]`."""
    config = model.config
    kinds = {
        "vision": config.vision_config.model_type,
        "connector": config.connector_type,
        "language": config.text_config.model_type,
        "lora": "adapter",
    }
    return [
        {
            "name": name,
            "kind": kinds[name],
            "parameters": sum(parameter.numel() for parameter in parameters),
            "trained": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        }
        for name, parameters in parameters_of(model).items()
    ]


def freeze_table(model, rates):
    """Draws the table of parts: parameters, how many are trained, learning rate, weight decay; and the mask."""
    lines = [f"{'part':<10} {'parameters':>13} {'trained':>13} {'rate':>9} {'decay':>7}"]
    counts = count_parts(model)
    for part in counts:
        line = f"{part['name']:<10} {part['parameters']:>13,} {part['trained']:>13,}"
        if part["trained"]:
            rate = rates[part["name"]]
            lines.append(f"{line} {rate['learning_rate']:>9.1e} {rate['weight_decay']:>7g}")
        else:
            lines.append(f"{line} {'frozen':>9}")
    total, trained = (sum(part[key] for part in counts) for key in ("parameters", "trained"))
    lines.append(f"{'all':<10} {total:>13,} {trained:>13,}")
    config = model.config
    lines.append(f"mask: {config.image_attention}; a picture takes {config.image_seq_length} position(s)")
    return "\n".join(lines)
