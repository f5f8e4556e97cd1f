"""`transformers.Trainer` for one stage: rates and a floor for each part, loss where there are labels, a stop at NaN."""

import functools
import math

import torch
from torch.optim.lr_scheduler import LambdaLR
from transformers import Trainer, TrainerCallback
from transformers.trainer_pt_utils import get_length_grouped_indices

from collator_moda import IGNORED

from .parts import parameter_groups


class StageTrainer(Trainer):
    """Trains a stage.

    Args:
        stage ([`Stage`]): Its rates, floor and grouping.
        collator ([`ModaDataCollator`]): Makes the training batches.
        eval_collator ([`ModaDataCollator`], *optional*): Makes the batches of the evaluation; without noise.
        score (`Callable`, *optional*): Called with the model at each evaluation; returns figures that join the loss.
        kwargs: For `Trainer`.
    """

    def __init__(self, *args, stage, collator, eval_collator=None, score=None, **kwargs):
        self.stage, self.score = stage, score
        self.eval_collator = functools.partial(collate_with_rows, eval_collator or collator)
        self.sampler = None
        self.split = torch.zeros(2, 2, dtype=torch.float64)  # loss and count of noised targets, and of clean ones
        super().__init__(*args, data_collator=functools.partial(collate_with_rows, collator), **kwargs)
        if stage.group_by_length:
            size = self.get_total_train_batch_size(self.args)
            self.sampler = LengthGroups(self.train_dataset.lengths, size, self.args.data_seed or self.args.seed)
        self.add_callback(FollowEpoch(*filter(None, (self.train_dataset, collator, self.sampler))))
        self.add_callback(LogWhatIsSaved())

    def create_optimizer(self, *args, **kwargs):
        if self.optimizer is None:
            kind, options = self.get_optimizer_cls_and_kwargs(self.args, self.model)
            self.optimizer = kind(parameter_groups(self.model, self.stage.rates), **options)
        return self.optimizer

    def create_scheduler(self, num_training_steps, optimizer=None):
        if self.lr_scheduler is None and self.stage.min_learning_rate is not None:
            optimizer = optimizer or self.optimizer
            warmup = self.args.get_warmup_steps(num_training_steps)
            # transformers' cosine_with_min_lr takes the floor relative to one rate for all groups; here each gets its own.
            self.lr_scheduler = LambdaLR(
                optimizer,
                [
                    functools.partial(
                        cosine_to_floor, warmup, num_training_steps, self.stage.min_learning_rate / group["lr"]
                    )
                    for group in optimizer.param_groups
                ],
            )
            self._created_lr_scheduler = True
        return super().create_scheduler(num_training_steps, optimizer)

    def _get_train_sampler(self, train_dataset=None):
        return self.sampler or super()._get_train_sampler(train_dataset)

    def get_eval_dataloader(self, eval_dataset=None):
        collator, self.data_collator = self.data_collator, self.eval_collator
        try:
            return super().get_eval_dataloader(eval_dataset)
        finally:
            self.data_collator = collator

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        rows = inputs.pop("rows", None)
        inputs = {**inputs, "logits_to_keep": "labels"}  # the vocabulary is wide, and most positions teach nothing
        loss, outputs = super().compute_loss(model, inputs, True, num_items_in_batch)
        if model.training:
            if not torch.isfinite(loss):
                self._stop(loss.item(), rows)
            if self.stage.token_noise > 0:
                self._split_loss(outputs.logits.detach(), inputs["input_ids"], inputs["labels"])
        return (loss, outputs) if return_outputs else loss

    def _stop(self, loss, rows):
        raise ValueError(
            f"The loss is {loss} at step {self.state.global_step + 1} of stage {self.stage.name}, in the batch of rows "
            f"{', '.join(map(str, rows.tolist())) if rows is not None else '(unnamed)'}; {self._way_out()}"
        )

    def _way_out(self):
        return (
            f"look at the data, or go on from the last good checkpoint in {self.args.output_dir}, which is kept, with a lower "
            "learning rate: model={pretrained: that checkpoint} and another output_dir."
        )

    def _split_loss(self, logits, input_ids, labels):
        """Adds up the loss apart where the input was noised, and where it was left clean (which `full` lets one copy)."""
        targets = labels[:, 1:]
        supervised = targets != IGNORED
        losses = torch.nn.functional.cross_entropy(logits.float(), targets[supervised], reduction="none").double().cpu()
        noised = (input_ids[:, 1:] != targets)[supervised].cpu()
        for row, chosen in enumerate((noised, ~noised)):
            self.split[row] += torch.stack([losses[chosen].sum(), chosen.sum().double()])

    def log(self, logs, *args, **kwargs):
        if "loss" in logs and self.stage.token_noise > 0:
            split = self.accelerator.reduce(self.split.to(self.args.device), "sum")
            for name, (loss, count) in zip(("loss_noised", "loss_clean"), split.tolist()):
                if count:
                    logs[name] = loss / count
            self.split.zero_()
        super().log(logs, *args, **kwargs)

    def evaluation_loop(self, *args, metric_key_prefix="eval", **kwargs):
        output = super().evaluation_loop(*args, metric_key_prefix=metric_key_prefix, **kwargs)
        if self.score is not None:
            figures = self.score(self.accelerator.unwrap_model(self.model).eval())
            output.metrics.update({f"{metric_key_prefix}_{name}": value for name, value in figures.items()})
        return output

    def _save_checkpoint(self, model, trial):
        for name, parameter in self.accelerator.unwrap_model(model).named_parameters():
            if parameter.requires_grad and not torch.isfinite(parameter).all():
                raise ValueError(
                    f"{name} is no longer finite after step {self.state.global_step} of stage {self.stage.name}; "
                    + self._way_out()
                )
        super()._save_checkpoint(model, trial)


def collate_with_rows(collator, examples):
    """Makes a batch and says which rows are in it, for messages."""
    batch = collator(examples)
    if "row" in examples[0]:
        batch["rows"] = torch.tensor([example["row"] for example in examples])
    return batch


def cosine_to_floor(warmup, total, floor, step):
    """The learning rate at a step, as a share of the highest: up in a line, then down to the floor along a cosine.

    Args:
        warmup (`int`): Steps of the way up; 0 begins at the top.
        total (`int`): Steps in all.
        floor (`float`): Share of the highest rate that is reached at the last step (alignment paper: 1e-8, in every stage,
            whatever the part's rate).
        step (`int`): Steps done.
    """
    if step < warmup:
        return step / warmup
    progress = min((step - warmup) / max(total - warmup, 1), 1.0)
    return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * progress))


class LengthGroups(torch.utils.data.Sampler):
    """Rows in an order that puts those of like length into one batch; of every epoch its own, by seed and epoch alone.

    Args:
        lengths (`list[int]`): Of the rows, in any unit.
        batch_size (`int`): Rows of an optimizer step.
        seed (`int`): Of the order.
    """

    def __init__(self, lengths, batch_size, seed):
        self.lengths, self.batch_size, self.seed, self.epoch = lengths, batch_size, seed, 0

    def __len__(self):
        return len(self.lengths)

    def __iter__(self):
        generator = torch.Generator().manual_seed(self.seed + self.epoch)
        return iter(get_length_grouped_indices(self.lengths, self.batch_size, generator=generator))


class FollowEpoch(TrainerCallback):
    """Tells datasets, collators and samplers the epoch, from which they draw what is random in them.

    Args:
        followers: Objects with an attribute `epoch`.
    """

    def __init__(self, *followers):
        self.followers = followers

    def on_epoch_begin(self, args, state, control, **kwargs):
        for follower in self.followers:
            follower.epoch = int(state.epoch + 1e-6)  # a resumed run begins inside of its epoch


class LogWhatIsSaved(TrainerCallback):
    """Logs at every checkpoint, so that a resumed run averages its losses over the same steps."""

    def on_step_end(self, args, state, control, **kwargs):
        control.should_log |= control.should_save

    on_epoch_end = on_step_end
