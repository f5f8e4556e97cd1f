"""A stage of a recipe: what is trained, how fast, under which mask, in which batches."""

import dataclasses
import os
from typing import Any, Optional

import torch
import transformers
from transformers import TrainingArguments

from .adapters import check_installed, check_options
from .machine import choose_precision


# Of the Trainer's own ways these would break what a recipe promises: an exact resume, a batch as it says, curves by tokens.
NOT_OURS = {
    "output_dir",
    "resume_from_checkpoint",
    "ignore_data_skip",
    "save_only_model",
    "auto_find_batch_size",
    "dataloader_persistent_workers",
    "include_num_input_tokens_seen",
}
TRAINER_FIELDS = {f.name for f in dataclasses.fields(TrainingArguments) if f.init} - NOT_OURS
TRAINER_DEFAULTS = {
    "remove_unused_columns": False,  # the collator reads columns that the model does not name
    "report_to": "none",
    "logging_steps": 20,
    "logging_nan_inf_filter": False,  # a loss that is no number ends the run, it is not averaged away
    "save_total_limit": 2,
    "prediction_loss_only": True,  # the logits of a whole evaluation would not fit
    "include_num_input_tokens_seen": "non_padding",
    "dataloader_pin_memory": torch.cuda.is_available(),
}

# The name that this transformers has for gradient checkpointing; recipes may always use the first one.
CHECKPOINTING = "activation_checkpointing" if "activation_checkpointing" in TRAINER_FIELDS else "gradient_checkpointing"


if transformers.__version__.startswith("4."):  # its default way loses the gradient behind frozen layers; 5 changed it
    TRAINER_DEFAULTS["gradient_checkpointing_kwargs"] = {"use_reentrant": False}


@dataclasses.dataclass
class Stage:
    """A checked stage.

    Args:
        name (`str`): The stage's, for logs and folders.
        train (`list[str]` or `dict`): Parts that are trained, of `vision`, `connector`, `language` and `lora` (an adapter
            on the language model); as a dictionary, with the learning rate of each, or with `learning_rate` and
            `weight_decay`. A rate of 0 freezes. What is missing is the trainer's `learning_rate` and `weight_decay`.
        data (`dict`, *optional*): See [`load_catalogue`]. Defaults to the recipe's.
        image_attention (`str`, *optional*): Mask policy, see `masks_moda`. Defaults to that of the stage before, at first
            to the model's.
        token_noise (`float`, defaults to 0.0): See [`ModaDataCollator`].
        loss_on (`str`, defaults to `"answer"`): Of conversations, see [`ModaDataCollator`].
        batch_size (`int`, *optional*): Rows of an optimizer step, over all processes and accumulated batches. Defaults to
            what `per_device_train_batch_size` and `gradient_accumulation_steps` make.
        min_learning_rate (`float`, *optional*): What the learning rate of every part falls to along a cosine.
        augment (`list[str]`): `flip`, `shift`, or both. Defaults to the recipe's.
        max_length (`int`, *optional*): Longest row in tokens, see [`ModaDataCollator`].
        packing (`bool`, defaults to `False`): Several rows in one, see [`ModaDataCollator`].
        group_by_length (`bool`, defaults to `False`): Batches of rows of like length.
        lora (`dict`): Fields of `peft.LoraConfig`, and `quantize: nf4` for a language model in 4 bit.
        trainer (`dict`): `TrainingArguments`.

    Raises:
        `ValueError`: If nothing is trained, or a rate, a floor or a share can't be.
    """

    name: str
    train: Any
    data: Optional[dict] = None
    image_attention: Optional[str] = None
    token_noise: float = 0.0
    loss_on: str = "answer"
    batch_size: Optional[int] = None
    min_learning_rate: Optional[float] = None
    augment: list[str] = dataclasses.field(default_factory=list)
    max_length: Optional[int] = None
    packing: bool = False
    group_by_length: bool = False
    lora: dict[str, Any] = dataclasses.field(default_factory=dict)
    trainer: dict[str, Any] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        where = f"stages.{self.name}"
        named = self.train if isinstance(self.train, dict) else dict.fromkeys(self.train or ())
        shared = {
            "learning_rate": self.trainer.get("learning_rate", 5e-5),
            "weight_decay": self.trainer.get("weight_decay", 0.0),
        }
        self.rates, self.uses_shared_rate = {}, False
        for part, own in named.items():
            own = own if isinstance(own, dict) else {} if own is None else {"learning_rate": own}
            unknown = sorted(set(own) - set(shared))
            if unknown:
                raise ValueError(f"{where}.train.{part} has no key {unknown[0]!r}; it takes {', '.join(shared)}.")
            self.uses_shared_rate |= "learning_rate" not in own
            rate = {**shared, **own}
            for key, value in rate.items():
                if not isinstance(value, (int, float)) or isinstance(value, bool) or value < 0:
                    raise ValueError(f"{where}: the {key} of {part} is {value!r}, where a number from 0 up belongs.")
            if rate["learning_rate"] > 0:  # the paper's tables freeze by a rate of 0
                self.rates[part] = rate
        if not self.rates:
            raise ValueError(f"{where} trains nothing; name parts in train, as in train: {{connector: 1.0e-3}}.")
        if "lora" in self.rates and "language" in self.rates:
            raise ValueError(
                f"{where} trains language and lora; an adapter stands in for the language model: keep one."
            )
        if self.lora and "lora" not in self.rates:
            raise ValueError(f"{where} says how lora is built, and does not train it; add lora to its train.")
        check_options(self.lora)
        if self.min_learning_rate is not None:
            self._check_floor(where)
        if not isinstance(self.token_noise, (int, float)) or not 0 <= self.token_noise < 1:
            raise ValueError(f"{where}.token_noise is {self.token_noise!r}; it is a share, from 0 up to 1.")
        if self.loss_on not in ("answer", "all"):
            raise ValueError(f"{where}.loss_on is {self.loss_on!r}; choose answer or all.")
        for key in ("batch_size", "max_length"):
            value = getattr(self, key)
            if value is not None and (not isinstance(value, int) or isinstance(value, bool) or value < 1):
                raise ValueError(f"{where}.{key} is {value!r}; it is a whole number, from 1 up.")
        for key in ("packing", "group_by_length"):
            if not isinstance(getattr(self, key), bool):
                raise ValueError(f"{where}.{key} is {getattr(self, key)!r}, where true or false belongs.")

    def _check_floor(self, where):
        kind = self.trainer.setdefault("lr_scheduler_type", "cosine")
        if kind != "cosine":
            raise ValueError(
                f"{where} has min_learning_rate and lr_scheduler_type {kind!r}; the floor belongs to a cosine: drop one."
            )
        lowest = min(self.rates.items(), key=lambda item: item[1]["learning_rate"])
        if not 0 <= self.min_learning_rate <= lowest[1]["learning_rate"]:
            raise ValueError(
                f"{where}.min_learning_rate is {self.min_learning_rate!r}, and {lowest[0]} starts at "
                f"{lowest[1]['learning_rate']}; a floor lies between 0 and that."
            )

    def arguments(self, output_dir):
        """Makes the stage's `TrainingArguments`: its own over MODA's defaults, and precision and batches worked out.

        Args:
            output_dir (`Path`): Where its checkpoints go.

        Returns:
            `TrainingArguments`, with `notes`, a list of what was chosen and why.
        """
        if "lora" in self.rates:
            check_installed(self.lora)
        settings, notes = choose_precision(self.trainer)
        checkpointing = settings.get("gradient_checkpointing") or settings.get(CHECKPOINTING)
        if checkpointing and not {"language", "lora"} & set(self.rates):
            notes.append(
                "gradient checkpointing: of no use in this stage: transformers does it in parts that are trained"
            )
        arguments = training_arguments(output_dir, settings)
        plan_batches(arguments, self.batch_size, settings, f"stages.{self.name}")
        if arguments.world_size > 1 and "ddp_find_unused_parameters" not in settings:
            # An encoder's last norm and projection may have no share in the features that are read.
            arguments.ddp_find_unused_parameters = "vision" in self.rates
        arguments.notes = notes
        return arguments


STAGE_FIELDS = {f.name for f in dataclasses.fields(Stage)} - {"name", "trainer"}


def training_arguments(output_dir, settings):
    """Makes `TrainingArguments` from settings over MODA's defaults.

    Raises:
        `ValueError`: If a setting has a value that the Trainer can't take, or takes and gets wrong for this model.
    """
    if settings.get("label_smoothing_factor"):
        raise ValueError(
            "label_smoothing_factor shifts no labels for models outside of transformers, so it would teach copying; "
            "leave it out."
        )
    if transformers.__version__.startswith("4."):  # there one stage's precision would be every later one's
        os.environ.pop("ACCELERATE_MIXED_PRECISION", None)
    settings = {key.replace("gradient_checkpointing", CHECKPOINTING): value for key, value in settings.items()}
    # YAML reads no as false.
    settings = {key: "no" if key.endswith("_strategy") and value is False else value for key, value in settings.items()}
    for setting in dataclasses.fields(TrainingArguments):
        value = settings.get(setting.name)
        if isinstance(setting.default, (int, float)) and isinstance(value, str):
            raise ValueError(f"The trainer's {setting.name} is {value!r}, where a number or true or false belongs.")
    try:
        return TrainingArguments(output_dir=str(output_dir), **{**TRAINER_DEFAULTS, **settings})
    except (TypeError, ValueError) as error:
        raise ValueError(f"The trainer's settings can't be used: {error}") from error


def plan_batches(arguments, batch_size, settings, where):
    """Divides a batch over processes, devices and accumulation, in place.

    Args:
        arguments (`TrainingArguments`): Gets `per_device_train_batch_size` and `gradient_accumulation_steps`.
        batch_size (`int`, *optional*): Rows of an optimizer step in all; `None` takes what the arguments make of it.
        settings (`dict`): Which of the two the recipe names.
        where (`str`): The stage's place in the recipe, for messages.

    Raises:
        `ValueError`: If it does not divide, naming all the numbers.
    """
    if batch_size is None:
        return
    devices = arguments.world_size * max(arguments.n_gpu, 1)
    per_device = settings.get("per_device_train_batch_size")
    accumulation = settings.get("gradient_accumulation_steps")
    if per_device is None:
        share = devices * (accumulation or 1)
        per_device, left = divmod(batch_size, share)
        accumulation = accumulation or 1
    elif accumulation is None:
        share = devices * per_device
        accumulation, left = divmod(batch_size, share)
    else:
        share = devices * per_device * accumulation
        left = batch_size - share
    if left or not per_device or not accumulation:
        named = settings.get("per_device_train_batch_size")
        raise ValueError(
            f"{where}.batch_size is {batch_size}, and {devices} device(s) x per_device_train_batch_size "
            f"{named or '(free)'} x gradient_accumulation_steps {settings.get('gradient_accumulation_steps') or '(free)'} do "
            "not make it; change one so that they do, or leave the last two out."
        )
    arguments.per_device_train_batch_size, arguments.gradient_accumulation_steps = per_device, accumulation
