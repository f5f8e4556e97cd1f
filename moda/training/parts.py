"""The parts of a model: what is trained, at which rate, and a table that says so."""

from transformers import Trainer, TrainerCallback


def parts_of(model):
    """The three parts of a MODA by their recipe names: `vision`, `connector`, `language` (with its head)."""
    return {
        "vision": [model.model.vision_tower],
        "connector": [model.model.connector],
        "language": [model.model.language_model, model.lm_head],
    }


def freeze_all_but(model, trained):
    """Lets the parts named in `trained` learn and freezes the others."""
    for name, modules in parts_of(model).items():
        for module in modules:
            module.requires_grad_(name in trained)


def parameter_groups(model, learning_rate, learning_rates, weight_decay):
    """Splits the trained parameters by part, and within a part by whether they decay (matrices do, biases and norms not).

    Args:
        model ([`ModaForConditionalGeneration`]): With the frozen parts frozen.
        learning_rate (`float`): Of the parts that `learning_rates` does not name.
        learning_rates (`dict[str, float]`): By part.
        weight_decay (`float`): Of the decaying ones.

    Returns:
        `list[dict]`: Parameter groups for a torch optimizer.
    """
    groups = []
    for name, parameters in _parameters(model).items():
        trained = [parameter for parameter in parameters if parameter.requires_grad]
        for decay in (True, False):
            chosen = [parameter for parameter in trained if (parameter.ndim > 1) == decay]
            if chosen:
                rate = learning_rates.get(name, learning_rate)
                groups.append({"name": name, "params": chosen, "lr": rate, "weight_decay": weight_decay * decay})
    return groups


def _parameters(model):  # by part; a tied head is the embedding once more and counts once
    return {
        name: list(dict.fromkeys(parameter for module in modules for parameter in module.parameters()))
        for name, modules in parts_of(model).items()
    }


def count_parts(model):
    """Counts the parameters of each part, and those that are trained: `[{"name", "kind", "parameters", "trained"}]`."""
    config = model.config
    kinds = (config.vision_config.model_type, config.connector_type, config.text_config.model_type)
    return [
        {
            "name": name,
            "kind": kind,
            "parameters": sum(parameter.numel() for parameter in parameters),
            "trained": sum(parameter.numel() for parameter in parameters if parameter.requires_grad),
        }
        for kind, (name, parameters) in zip(kinds, _parameters(model).items())
    ]


def freeze_table(model, learning_rate, learning_rates):
    """Draws the table of parts: parameters, whether trained, learning rate, and the mask."""
    lines = [f"{'part':<10} {'parameters':>13} {'trained':>13} {'rate':>9}"]
    for part in count_parts(model):
        rate = f"{learning_rates.get(part['name'], learning_rate):.1e}" if part["trained"] else "frozen"
        lines.append(f"{part['name']:<10} {part['parameters']:>13,} {part['trained']:>13,} {rate:>9}")
    total, trained = (sum(part[key] for part in count_parts(model)) for key in ("parameters", "trained"))
    lines.append(f"{'all':<10} {total:>13,} {trained:>13,}")
    config = model.config
    lines.append(f"mask: {config.image_attention}; a picture takes {config.image_seq_length} position(s)")
    return "\n".join(lines)


class PartsTrainer(Trainer):
    """`transformers.Trainer` with a learning rate for each part of the model."""

    def __init__(self, *args, learning_rates=None, **kwargs):
        self.learning_rates = learning_rates or {}
        super().__init__(*args, **kwargs)

    def create_optimizer(self, *args, **kwargs):
        if self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            rate = self.args.learning_rate
            groups = parameter_groups(self.model, rate, self.learning_rates, self.args.weight_decay)
            self.optimizer = kind(groups, **options)
        return self.optimizer


class FollowEpoch(TrainerCallback):
    """Tells datasets and collators the epoch, from which they draw what is random in them.

    Args:
        followers: Objects with an attribute `epoch`.
    """

    def __init__(self, *followers):
        self.followers = followers

    def on_epoch_begin(self, args, state, control, **kwargs):
        for follower in self.followers:
            follower.epoch = int(state.epoch + 1e-6)  # a resumed run begins inside of its epoch
