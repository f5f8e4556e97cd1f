"""Warms up an encoder from nothing: it learns to read the metadata off the picture before it meets a sentence.

A classifier gets its gradient straight from the label, a describing model through a whole language model that can't
write yet; for an encoder without pretrained weights the first is several times quicker. The heads are thrown away.
"""

import time

import torch
from torch import nn
from transformers import Trainer

from vision_moda import encode_images

from .curve import losses
from .parts import FollowEpoch
from .recipe import training_arguments


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


def warm_up(model, dataset, wording_values, settings, output_dir):
    """Trains `model`'s vision encoder as a classifier of the metadata columns.

    Args:
        model ([`ModaForConditionalGeneration`]): Its encoder is trained in place.
        dataset ([`PixelDataset`]): With the attributes among its columns.
        wording_values (`dict[str, list[str]]`): The values of each attribute.
        settings (`dict`): `TrainingArguments`.
        output_dir (`Path`): Folder for the Trainer.

    Returns:
        `dict`: `pictures` seen, `minutes`, and `losses`, pairs of step and loss.
    """
    classes = {name: values for name, values in wording_values.items() if values and name in dataset.columns}
    numbers = {name: {value: n for n, value in enumerate(values)} for name, values in classes.items()}
    config = model.config
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

    arguments = training_arguments(output_dir, settings)
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


def warmup_settings(recipe):
    """The warm-up's `TrainingArguments`: its own, and what the training says of seed, device and precision."""
    shared = {name: recipe.trainer[name] for name in SHARED if name in recipe.trainer}
    return {"save_strategy": "no", **shared, **recipe.warmup}
