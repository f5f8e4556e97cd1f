"""Warms up an encoder from nothing: it learns to read the metadata off the picture before it meets a sentence.

A classifier gets its gradient straight from the label, a describing model through a whole language model that can't
write yet; for an encoder without pretrained weights the first is several times quicker. The heads are thrown away.
"""

import time

import torch
from accelerate import PartialState
from torch import nn
from transformers import Trainer

from moda.data.pixels import PixelDataset
from moda.data.wording import ATTRIBUTES
from vision_moda import encode_images

from .curve import losses
from .resume import keep_warmup, recall_warmup
from .stage import plan_batches, training_arguments
from .trainer import FollowEpoch


SHARED = ("seed", "use_cpu", "bf16", "fp16", "tf32", "dataloader_num_workers", "report_to", "disable_tqdm")
SMOOTHING = 0.05  # shop labels are noisy: no head should be sure


class AttributeClassifier(nn.Module):
    """An encoder with one linear head for each attribute.

    Args:
        vision_tower (`PreTrainedModel`): The encoder; trained in place.
        classes (`dict[str, list[str]]`): The values of each attribute.
        feature_size (`int`): Width of the encoder's features.
        strategy, layer: See [`encode_images`].
    """

    def __init__(self, vision_tower, classes, feature_size, strategy, layer):
        super().__init__()
        self.vision_tower, self.strategy, self.layer = vision_tower, strategy, layer
        self.heads = nn.ModuleDict({name: nn.Linear(feature_size, len(values)) for name, values in classes.items()})

    def forward(self, pixel_values, labels):
        """Returns the sum of the heads' cross-entropies.

        Args:
            pixel_values (`torch.FloatTensor` of shape `(batch, channels, height, width)`): Pictures.
            labels (`torch.LongTensor` of shape `(batch, attributes)`): In the heads' order; -100 where unknown.
        """
        features = encode_images(self.vision_tower, pixel_values, self.strategy, self.layer).mean(1)
        logits = {name: head(features) for name, head in self.heads.items()}
        losses = [
            nn.functional.cross_entropy(logits[name], label, reduction="sum", label_smoothing=SMOOTHING)
            / (label != -100).sum().clamp(min=1)
            for name, label in zip(logits, labels.T)
        ]
        return {"loss": torch.stack(losses).sum(), "logits": tuple(logits.values())}


def warm_up(recipe, model, processor, catalogue, folder, done=False):
    """Trains a fresh encoder as a classifier of the metadata, unless it comes trained, or was warmed up before.

    Args:
        recipe ([`Recipe`]): Its `warmup`, `augment`, and what its trainer says of seed, device and precision.
        model ([`ModaForConditionalGeneration`]): Its encoder is trained in place.
        processor ([`ModaProcessor`]): The model's.
        catalogue ([`Catalogue`]): Rows with metadata.
        folder (`Path`): Keeps the result, so that a run that is cut off later begins behind it.
        done (`bool`, *optional*, defaults to `False`): Whether the model has finished stages behind it already, so that
            only the figures are wanted.

    Returns:
        `dict`: `pictures` seen, `minutes`, and `losses`, pairs of step and loss.
    """
    say, tower = PartialState().print, model.model.vision_tower
    rows = catalogue.splits["train"]
    known = [name for name in ATTRIBUTES if name in rows.column_names and any(rows.unique(name))]
    nothing = {"pictures": 0, "minutes": 0.0, "losses": []}
    if not recipe.warmup:
        return nothing
    if (figures := recall_warmup(folder, None if done else tower)) is not None:
        return figures
    if "preset" not in recipe.model or not known:
        why = "it comes trained" if known else "there is no metadata to learn from"
        say(f"The encoder is not warmed up: {why}.")
        return nothing
    say("Warming up the encoder: it learns to read the metadata off the pictures.")
    shared = {name: recipe.trainer[name] for name in SHARED if name in recipe.trainer}
    settings = {"save_strategy": "no", "include_num_input_tokens_seen": False, **shared, **recipe.warmup}
    batch_size = settings.pop("batch_size", None)
    arguments = training_arguments(folder / "warmup", settings)
    plan_batches(arguments, batch_size, settings, "warmup")
    dataset = PixelDataset(rows, processor.image_processor, known, recipe.augment, arguments.seed)
    figures = train_encoder(model, dataset, arguments)
    if PartialState().is_main_process:
        keep_warmup(folder, tower, figures)
    PartialState().wait_for_everyone()
    return figures


def train_encoder(model, dataset, arguments):
    """Trains `model`'s vision encoder as a classifier of the dataset's columns.

    Args:
        model ([`ModaForConditionalGeneration`]): Its encoder is trained in place.
        dataset ([`PixelDataset`]): With the attributes as its columns.
        arguments (`TrainingArguments`): Of the training.

    Returns:
        `dict`: `pictures` seen, `minutes`, and `losses`, pairs of step and loss.
    """
    classes = {name: sorted(set(values) - {None, ""}) for name, values in dataset.columns.items()}
    numbers = {name: {value: n for n, value in enumerate(values)} for name, values in classes.items()}
    config = model.config
    model.model.vision_tower.to(memory_format=torch.channels_last)  # a fifth faster for convolutions on a CPU
    classifier = AttributeClassifier(
        model.model.vision_tower,
        classes,
        config.image_feature_size,
        config.vision_feature_select_strategy,
        config.vision_feature_layer,
    )

    def collate(rows):
        labels = [[numbers[name].get(row[name], -100) for name in classes] for row in rows]
        return {"pixel_values": torch.stack([row["pixel_values"] for row in rows]), "labels": torch.tensor(labels)}

    trainer = Trainer(
        classifier, arguments, train_dataset=dataset, data_collator=collate, callbacks=[FollowEpoch(dataset)]
    )
    started = time.monotonic()
    trainer.train()
    return {
        "pictures": trainer.state.global_step * trainer.get_total_train_batch_size(arguments),
        "minutes": (time.monotonic() - started) / 60,
        "losses": losses(trainer.state.log_history),
    }
