"""Runs the stages of a recipe, one after the other, from wherever the last session was cut off."""

import shutil

import torch
from accelerate import PartialState
from transformers import TrainerState, set_seed

from moda.data.features import FeatureDataset
from moda.data.pixels import PixelDataset
from moda.data.wording import ATTRIBUTES
from moda.evaluation.sentences import GenerationScore, spread
from processing_moda import ModaDataCollator

from .adapters import add_adapter, merged, quantized, save_adapter
from .build import load_model_and_processor
from .machine import choose_attention
from .parts import count_parts, freeze_all_but, freeze_table
from .resume import Clock, check_start, keep_stage, last_checkpoint
from .trainer import StageTrainer


COLUMNS = ("description", "descriptions", "prompt", "messages", "answers", *ATTRIBUTES)


def columns_of(rows):
    """The columns of a split that training and scoring read."""
    return [name for name in COLUMNS if name in rows.column_names]


def run_stage(recipe, stage, model, processor, catalogue, held_out, wording, folder, target):
    """Trains one stage and leaves the model in `target`, or goes on with it.

    Args:
        recipe ([`Recipe`]): The whole.
        stage ([`Stage`]): Which stage of it.
        model ([`ModaForConditionalGeneration`]): As the stage before left it.
        processor ([`ModaProcessor`]): The model's.
        catalogue ([`Catalogue`]): What the stage trains on.
        held_out ([`PixelDataset`]): Rows to evaluate on within the stage.
        wording ([`Wording`]): Reads what is said of them.
        folder (`Path`): The stage's checkpoints.
        target (`Path`): Where the trained model goes, as a repository.

    Returns:
        `tuple[ModaForConditionalGeneration, dict]`: The trained model, and the stage's figures.
    """
    say = PartialState().print
    arguments = stage.arguments(folder)  # anew: a process has one precision, that of the arguments made last
    set_seed(arguments.seed)
    model.to(arguments.device)
    say(f"\nStage {stage.name}")
    model.config.image_attention = stage.image_attention or model.config.image_attention
    # Convolutions on a CPU are a fifth faster with the channels last; to other encoders it makes no difference.
    model.model.vision_tower.to(memory_format=torch.channels_last)
    dataset = open_rows(recipe, stage, model, processor, catalogue.splits["train"], arguments.seed)
    check_start(folder, pictures=dataset.fingerprint, rows=len(dataset), processes=PartialState().num_processes)
    if "lora" in stage.rates:
        base = folder / "base"  # as the model is now: an adapter is nothing without it
        save_once(model, processor, base)
        if stage.lora.get("quantize"):
            model = quantized(base, stage.lora)
        model = add_adapter(model, stage.lora, "connector" in stage.rates, base)
    else:
        freeze_all_but(model, stage.rates)
    say(freeze_table(model, stage.rates))
    plan = batches_of(arguments)
    say(
        f"batch: {plan['rows']} rows = {plan['per_device']} x {plan['accumulation']} accumulated x {plan['devices']} device(s)"
    )
    notes = [*arguments.notes, *choose_attention(model, arguments)]
    for note in notes:
        say(note)

    collator = ModaDataCollator(
        processor,
        max_length=stage.max_length,
        token_noise=stage.token_noise,
        packing=stage.packing,
        loss_on=stage.loss_on,
        seed=arguments.seed,
    )
    score = None
    if arguments.eval_strategy != "no":
        score = scorer(recipe, model, processor, held_out, wording, arguments)
    trainer = StageTrainer(
        model,
        arguments,
        stage=stage,
        collator=collator,
        eval_collator=ModaDataCollator(processor, max_length=stage.max_length, loss_on=stage.loss_on),
        score=score,
        train_dataset=dataset,
        eval_dataset=torch.utils.data.Subset(held_out, fixed_rows(recipe, held_out)),
        processing_class=processor,
        callbacks=[Clock()],
    )
    checkpoint = last_checkpoint(folder)
    if not restored(trainer, checkpoint):
        trainer.train(resume_from_checkpoint=checkpoint)

    record = {
        "stage": stage.name,
        "trained": stage.rates,
        "image_attention": model.config.image_attention,
        "parts": count_parts(model),
        "data": {"source": catalogue.source, "fingerprint": dataset.fingerprint},
        "from_features": isinstance(dataset, FeatureDataset),
        "batch": plan,
        "notes": notes,
        **progress_of(trainer, len(dataset), plan["rows"]),
    }
    if "lora" in stage.rates:
        if PartialState().is_main_process:
            save_adapter(model, folder / "adapter")
        model = merged(model, base)
    # Sharded weights are put together by all processes.
    weights = trainer.accelerator.get_state_dict(trainer.model_wrapped) if trainer.is_fsdp_enabled else None
    if PartialState().is_main_process:
        model.save_pretrained(target, state_dict=weights)
        processor.save_pretrained(target)
        keep_stage(folder, record)
        for checkpoint in folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint)
    PartialState().wait_for_everyone()
    # Whoever comes back after a stop has the model from the disk, without what the Trainer left on it: so has everyone.
    model, _ = load_model_and_processor(target)
    return model.to(arguments.device), record


def open_rows(recipe, stage, model, processor, rows, seed):
    """Opens a split for a stage: from kept features where the encoder is frozen and pictures stay as they are."""
    say = PartialState().print
    columns = columns_of(rows)
    dtype = "float16" if recipe.features == "auto" else recipe.features
    if recipe.features == "off":
        cached = False
    elif "vision" in stage.rates:
        cached = False
        say("Features are not kept: this stage trains the encoder.")
    elif stage.augment:
        cached = False
        say(f"Features are not kept: augment moves the pictures of this stage ({', '.join(stage.augment)}).")
    else:
        cached = True
    if cached:
        dataset = FeatureDataset(rows, processor.image_processor, model, columns, dtype)
    else:
        dataset = PixelDataset(rows, processor.image_processor, columns, stage.augment, seed)
    dataset.seed, dataset.draws_sentence = seed, True
    for _, reason in dataset.unreadable:
        say(f"left out: {reason}")
    if stage.group_by_length:
        text = [name for name in ("prompt", "description", "messages") if name in dataset.columns]  # letters will do
        dataset.lengths = [sum(map(len, map(str, row))) for row in zip(*(dataset.columns[name] for name in text))]
    return dataset


def fixed_rows(recipe, held_out):
    """The rows that are evaluated again and again, spread evenly over the held-out ones."""
    count = min(recipe.evaluation.get("training_rows") or 128, len(held_out))
    return spread(count, len(held_out))


def scorer(recipe, model, processor, held_out, wording, arguments):
    """What describes and scores rows at each evaluation; `None` where nothing can be generated."""
    metric = (arguments.metric_for_best_model or "loss").removeprefix("eval_")
    known = {"loss", "exact_match", *(name for name in ATTRIBUTES if name in held_out.columns)}
    known |= {"attributes", "guide_overall"} if len(known) > 2 else set()
    why = None
    if model.config.image_attention == "full":
        why = "under the full mask nothing can be generated"
    elif arguments.fsdp:
        why = "the weights are spread over the processes"
    if why:
        PartialState().print(f"Evaluations of this stage give the loss alone: {why}.")
        known = {"loss"}
    if arguments.load_best_model_at_end and metric not in known:
        raise ValueError(
            f"metric_for_best_model is {metric!r}, and evaluations of this stage give {', '.join(sorted(known))}; choose one, or "
            "leave load_best_model_at_end out of this stage."
        )
    if why:
        return None
    options = {key: recipe.evaluation[key] for key in ("batch_size", "max_new_tokens") if key in recipe.evaluation}
    return GenerationScore(processor, held_out, fixed_rows(recipe, held_out), wording, **options)


def restored(trainer, checkpoint):
    """Takes up a stage that was trained to its last step and cut off before it was kept; says whether it was.

    (The Trainer looks whether it is done after a step, not before: it would train one too many.)
    """
    if checkpoint is None:
        return False
    state = TrainerState.load_from_json(f"{checkpoint}/trainer_state.json")
    if state.global_step < state.max_steps:
        return False
    best = state.best_model_checkpoint if trainer.args.load_best_model_at_end else None
    trainer._load_from_checkpoint(best or checkpoint)
    trainer.state = state
    return True


def progress_of(trainer, rows, batch):
    """How far a trainer came, over all sessions of its stage: steps, rows, tokens, minutes, and its log.

    Args:
        trainer (`Trainer`): After its training.
        rows (`int`): Of its dataset.
        batch (`int`): Rows of an optimizer step; the last step of an epoch has what is left, or is left out.
    """
    state, whole = trainer.state, trainer.args.dataloader_drop_last
    per_epoch = max(rows // batch, 1) if whole else -(-rows // batch)
    epochs, more = divmod(state.global_step, per_epoch)
    return {
        "rows": rows,
        "steps": state.global_step,
        "rows_seen": epochs * (per_epoch * batch if whole else rows) + more * batch,
        "tokens": state.num_input_tokens_seen,
        "minutes": round(max((entry.get("seconds", 0.0) for entry in state.log_history), default=0.0) / 60, 3),
        "best_checkpoint": state.best_global_step if trainer.args.load_best_model_at_end else None,
        "log": state.log_history,
    }


def batches_of(arguments):
    """How an optimizer step is made up."""
    plan = {
        "per_device": arguments.per_device_train_batch_size,
        "accumulation": arguments.gradient_accumulation_steps,
        "devices": arguments.world_size * max(arguments.n_gpu, 1),
    }
    return {"rows": plan["per_device"] * plan["accumulation"] * plan["devices"], **plan}


def save_once(model, processor, folder):
    """Saves a repository, unless it is there already."""
    if PartialState().is_main_process and not (folder / "whole").is_file():
        model.save_pretrained(folder)
        processor.save_pretrained(folder)
        (folder / "whole").touch()
    PartialState().wait_for_everyone()
