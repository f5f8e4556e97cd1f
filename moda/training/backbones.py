"""Small backbones from nothing, where nothing can be downloaded: a CLIP (arXiv 2103.00020) and a causal language model.

Both learn from the pictures and sentences of one described catalogue, and become ordinary transformers folders. The CLIP's
text tower and the language model share their vocabulary.
"""

import copy
import json
import math
import shutil
from collections import Counter
from pathlib import Path

import torch
import transformers
from accelerate import PartialState
from tokenizers import processors
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForCausalLM,
    CLIPConfig,
    CLIPImageProcessor,
    DataCollatorForSeq2Seq,
    Trainer,
    set_seed,
)

from moda.data.catalogue import load_catalogue
from moda.data.machine import describe_machine
from moda.data.pixels import PixelDataset
from moda.evaluation.clip import Clip, recall_at_k
from moda.presets import PRESETS
from processing_moda import DEFAULT_PROMPT

from .build import train_tokenizer
from .curve import losses, write_curve
from .machine import choose_precision
from .resume import Clock, keep_stage, last_checkpoint, recall_stage, write_whole
from .stage import training_arguments
from .trainer import IGNORED, FollowEpoch, LogWhatIsSaved


PATCH = 8
VISION = {"hidden_size": 192, "intermediate_size": 768, "num_hidden_layers": 4, "num_attention_heads": 3}
TEXT = {"hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 2}
SHARED = {"projection_dim": 128, "hidden_act": "gelu"}
LANGUAGE = PRESETS["moda-mini"]["text_config"]
LONGEST = 256  # tokens of a sentence for the language model, which also has a picture to hold
TRAINING = {"lr_scheduler_type": "cosine", "save_strategy": "epoch", "logging_steps": 50}
CLIP_TRAINING = {"learning_rate": 1e-3, "weight_decay": 0.1, "adam_beta2": 0.98, "dataloader_drop_last": True}
LANGUAGE_TRAINING = {"learning_rate": 2e-3, "weight_decay": 0.05}
INPUTS = ["input_ids", "attention_mask"]
RIVALS = 64  # pictures that a sentence chooses among when recall is measured


def train_backbones(folder, data, clip_epochs=20, language_epochs=6, batch_size=64, image_size=64, seed=0):
    """Trains a CLIP and a causal language model from random weights, or goes on with it.

    Args:
        folder (`str` or `Path`): Gets `clip/` (a whole [`CLIPModel`], its image processor and tokenizer), `language/` (a
            [`LlamaForCausalLM`] and its tokenizer), the curves, and `backbones.json` with the figures.
        data (`dict`): See [`load_catalogue`]. Rows need a picture and a sentence.
        clip_epochs (`int`, *optional*, defaults to 20): Passes of the CLIP over the training rows.
        language_epochs (`int`, *optional*, defaults to 6): Passes of the language model.
        batch_size (`int`, *optional*, defaults to 64): Rows of a step; for the CLIP, the choices among which a picture
            finds its sentence.
        image_size (`int`, *optional*, defaults to 64): Edge of the CLIP's pictures, a multiple of 8; a patch is 8 x 8.
        seed (`int`, *optional*, defaults to 0): Of the weights, the order and the augmentation.

    Returns:
        `dict`: What `backbones.json` says.

    Raises:
        `ValueError`: If the folder holds other settings' work (naming what differs), or a number can't be.

    Example:

    ```python
    >>> train_backbones("runs/backbones", {"demo": None})
    >>> model = ModaForConditionalGeneration.from_vision_text_pretrained(
    ...     "runs/backbones/clip", "runs/backbones/language", vision_feature_select_strategy="default"
    ... )
    ```
    """
    folder, say = Path(folder), PartialState().print
    settings = {
        "data": data,
        "clip_epochs": clip_epochs,
        "language_epochs": language_epochs,
        "batch_size": batch_size,
        "image_size": image_size,
        "seed": seed,
    }
    for name in ("clip_epochs", "language_epochs", "batch_size", "image_size"):
        if settings[name] < 1:
            raise ValueError(f"{name} is {settings[name]}; it is a whole number from 1 up.")
    if image_size % PATCH:
        raise ValueError(
            f"image_size is {image_size}, which patches of {PATCH} do not fill; take a multiple of {PATCH}."
        )
    claim(folder, settings)
    if (folder / "backbones.json").is_file():
        say(f"{folder} holds these backbones already; delete it to train again.")
        return json.loads((folder / "backbones.json").read_text())
    catalogue = load_catalogue(data)
    train, held_out = catalogue.splits["train"], catalogue.splits["validation"]
    if "description" not in train.column_names or None in train["description"][:]:
        raise ValueError(
            f"{catalogue.source} has rows without a description; backbones learn from one sentence a picture."
        )
    say(f"{catalogue.source}: {len(train):,} rows to learn from, {len(held_out):,} held out")
    tokenizer = train_tokenizer(train["description"], LANGUAGE["vocab_size"])
    records = {
        "language": half(folder, "language", train_language, tokenizer, train, held_out, settings),
        "clip": half(folder, "clip", train_clip, tokenizer, train, held_out, settings, catalogue.wording),
    }
    figures = {
        "source": catalogue.source,
        "settings": settings,
        "train_rows": len(train),
        "held_out_rows": len(held_out),
        "vocabulary": len(tokenizer),
        **{name: {key: record[key] for key in record if key != "losses"} for name, record in records.items()},
        "machine": describe_machine(),
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    if PartialState().is_main_process:
        write_curve(folder, {name: record["losses"] for name, record in records.items()})
        write_whole(folder / "backbones.json", json.dumps(figures, indent=2) + "\n")  # it says that all is done
        shutil.rmtree(folder / "checkpoints")
    PartialState().wait_for_everyone()
    return figures


def claim(folder, settings):
    """Notes the settings in the folder, and refuses one that holds the work of others."""
    file = folder / "settings.json"
    before = json.loads(file.read_text()) if file.is_file() else settings
    differing = [
        f"{key}: {before.get(key)} then, {value} now" for key, value in settings.items() if before.get(key) != value
    ]
    if not file.is_file() and ((folder / "clip").exists() or (folder / "language").exists()):
        raise ValueError(f"{folder} holds a clip or language of another origin; choose another folder.")
    if differing:
        raise ValueError(
            f"{folder} holds backbones of other settings ({'; '.join(differing)}); choose another folder, or delete it."
        )
    if PartialState().is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole(file, json.dumps(settings, indent=2) + "\n")


def half(folder, name, train_it, tokenizer, *args):
    """Trains one of the two into `folder/name`, unless it is there; returns its figures."""
    checkpoints = folder / "checkpoints" / name
    record = recall_stage(checkpoints)
    if record is None:
        model, parts, record = train_it(checkpoints, tokenizer, *args)
        if PartialState().is_main_process:
            for part in (model, *parts):
                part.save_pretrained(folder / name)
            loadable_on_4(folder / name)
            keep_stage(checkpoints, record)
            for checkpoint in checkpoints.glob("checkpoint-*"):
                shutil.rmtree(checkpoint)
        PartialState().wait_for_everyone()
    quality = ", ".join(f"{key.replace('_', ' ')} {value:g}" for key, value in record["quality"].items())
    PartialState().print(
        f"{folder / name}: {record['minutes']:.1f} min, {record['steps']:,} steps; held out: {quality}"
    )
    return record


def loadable_on_4(folder):
    """Says what transformers 4.57 must find in a tokenizer's config; 5 takes it as well."""
    file = folder / "tokenizer_config.json"
    config = json.loads(file.read_text())
    if config["tokenizer_class"] == "TokenizersBackend":
        config["tokenizer_class"] = "PreTrainedTokenizerFast"
    if isinstance(config.get("extra_special_tokens"), list):
        config["additional_special_tokens"] = config.pop("extra_special_tokens")
    config["model_input_names"] = INPUTS
    file.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def train_clip(checkpoints, tokenizer, train, held_out, settings, wording):
    """Trains the CLIP by its own contrastive loss; returns it, what is saved beside it, and its figures."""
    size = {"height": settings["image_size"], "width": settings["image_size"]}
    image_processor = CLIPImageProcessor(size=size, do_center_crop=False, crop_size=size)
    config = CLIPConfig(
        text_config={**TEXT, **SHARED, **special_ids(tokenizer)},
        vision_config={**VISION, **SHARED, "image_size": settings["image_size"], "patch_size": PATCH},
        projection_dim=SHARED["projection_dim"],
    )
    tokenizer = closing(tokenizer, config.text_config.max_position_embeddings)
    columns = [name for name in ("description", "articleType") if name in train.column_names]
    dataset = PixelDataset(train, image_processor, columns, ["flip", "shift"], settings["seed"])

    def collate(rows):
        said = tokenizer([row["description"] for row in rows], padding=True, truncation=True, return_tensors="pt")
        said.update(pixel_values=torch.stack([row["pixel_values"] for row in rows]), return_loss=True)
        return said

    set_seed(settings["seed"])
    model = AutoModel.from_config(config, attn_implementation=attention())
    options = {**CLIP_TRAINING, "num_train_epochs": settings["clip_epochs"]}
    record = fit(model, checkpoints, dataset, collate, options, settings, FollowEpoch(dataset))
    seen = PixelDataset(held_out, image_processor, columns)
    others = train.select(range(min(RIVALS, len(train)))).remove_columns("image").to_list()
    record["quality"] = clip_quality(model.eval(), tokenizer, seen, others, wording)
    return model, (image_processor, tokenizer), record


def train_language(checkpoints, tokenizer, train, held_out, settings):
    """Trains the language model to answer MODA's prompt with a sentence; returns it, its tokenizer, and its figures.

    It has the prompt before each sentence, without loss: once a connector puts pictures before the prompt, a frozen
    language model already answers it, and what is left to learn is which sentence belongs to the picture.
    """
    config = AutoConfig.for_model(**{**LANGUAGE, **special_ids(tokenizer)})
    prompt = tokenizer(DEFAULT_PROMPT + "\n")["input_ids"]

    def examples(rows):
        found = []
        for ids in tokenizer(list(rows["description"]), truncation=True, max_length=LONGEST)["input_ids"]:
            answer = [*ids, tokenizer.eos_token_id]
            found.append({"input_ids": prompt + answer, "labels": [IGNORED] * len(prompt) + answer})
        return found

    set_seed(settings["seed"])
    model = AutoModelForCausalLM.from_config(config, attn_implementation=attention())
    seen, unseen = examples(train), examples(held_out)
    collate = DataCollatorForSeq2Seq(tokenizer)
    options = {**LANGUAGE_TRAINING, "num_train_epochs": settings["language_epochs"]}
    record = fit(model, checkpoints, seen, collate, options, settings)
    record["quality"] = {
        "perplexity": perplexity(model.eval(), unseen, collate),
        "unigram_perplexity": unigram_perplexity(seen, unseen, config.vocab_size),
    }
    return model, (tokenizer,), record


def attention():
    """On a CPU, bfloat16 goes backward through eager attention twice as fast as through sdpa."""
    return "sdpa" if torch.cuda.is_available() else "eager"


def special_ids(tokenizer):
    """What a text config must know of its tokenizer. CLIP pools at `eos_token_id`, and takes 2 for its old, wrong one."""
    return {
        "vocab_size": len(tokenizer),
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }


def closing(tokenizer, longest):
    """A copy of the tokenizer that ends each text with EOS, where CLIP reads it off, and cuts it at `longest` tokens."""
    tokenizer = copy.deepcopy(tokenizer)
    eos = tokenizer.eos_token
    tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {eos}", special_tokens=[(eos, tokenizer.eos_token_id)]
    )
    tokenizer.model_max_length, tokenizer.model_input_names = longest, INPUTS
    return tokenizer


def fit(model, checkpoints, dataset, collate, own, settings, *callbacks):
    """Trains a model, from its last checkpoint if it has one; returns steps, minutes, rows per second and losses."""
    batch_size = min(settings["batch_size"], len(dataset))
    steps = len(dataset) // batch_size * own["num_train_epochs"]
    plan = {"per_device_train_batch_size": batch_size, "warmup_steps": steps // 10, "seed": settings["seed"]}
    options, notes = choose_precision({**TRAINING, **own, **plan, "use_cpu": not torch.cuda.is_available()})
    arguments = training_arguments(checkpoints, options)
    clock = Clock()
    trainer = Trainer(
        model,
        arguments,
        train_dataset=dataset,
        data_collator=collate,
        callbacks=[*callbacks, clock, LogWhatIsSaved()],
    )
    PartialState().print(f"\n{checkpoints.name}: {model.num_parameters():,} parameters; {'; '.join(notes)}")
    trainer.train(resume_from_checkpoint=last_checkpoint(checkpoints))
    rows = trainer.state.global_step * trainer.get_total_train_batch_size(arguments)
    return {
        "parameters": model.num_parameters(),
        "steps": trainer.state.global_step,
        "minutes": round(clock.minutes, 3),
        "rows_per_second": round(rows / (60 * clock.minutes), 1),
        "losses": losses(trainer.state.log_history),
    }


def clip_quality(model, tokenizer, dataset, others, wording):
    """Measures a CLIP on held-out rows.

    Args:
        model ([`CLIPModel`]): In evaluation mode.
        tokenizer (`PreTrainedTokenizerFast`): What [`closing`] returned.
        dataset ([`PixelDataset`]): The rows.
        others (`list[dict]`): Products to take attributes from, for sentences about any article.
        wording ([`Wording`]): Writes those.

    Returns:
        `dict[str, float]`: `recall_at_1`: how often a sentence finds its picture among `RIVALS`, beside `recall_chance`;
        and, where rows have an `articleType`, `zero_shot_article`: how often a picture finds its article among all of the
        catalogue's, beside `zero_shot_chance`. An article is the mean of `RIVALS` sentences about it, in all wordings and
        with other products' colour, pattern, gender and usage. See [`recall_at_k`] and [`Clip`].
    """
    clip = Clip(model, dataset.processor, tokenizer, batch_size=128)
    pictures = clip.image_embeddings(dataset, "Embedding pictures")
    sentences = clip.text_embeddings(dataset.columns["description"])
    among = list(zip(pictures.split(RIVALS), sentences.split(RIVALS)))
    found = sum(len(said) * recall_at_k(shown, said, (1,))["text_to_image"][1] for shown, said in among)
    quality = {"recall_at_1": found / len(sentences), "recall_chance": len(among) / len(pictures)}
    named = dataset.columns.get("articleType", ())
    known = [index for index, name in enumerate(named) if name]
    if known:
        prompts = {
            name: [wording.write({**row, "articleType": name}, n) for n, row in enumerate(others)]
            for name in sorted(wording.articles)
        }
        chosen = clip.zero_shot(pictures[known], prompts)
        right = sum(choice == named[index] for choice, index in zip(chosen, known))
        quality.update(zero_shot_article=right / len(known), zero_shot_chance=1 / len(prompts))
    return {name: round(value, 4) for name, value in quality.items()}


@torch.no_grad()
def perplexity(model, examples, collate):
    """The perplexity per token of the examples' labels, EOS included."""
    total, count = 0.0, 0
    for first in range(0, len(examples), 64):
        batch = collate(examples[first : first + 64]).to(model.device)
        tokens = (batch["labels"] != IGNORED).sum().item()
        total += model(**batch).loss.item() * tokens
        count += tokens
    return round(math.exp(total / count), 3)


def unigram_perplexity(examples, held_out, vocab_size):
    """The perplexity of the held-out labels by how often each token comes in the examples, with one added to all."""
    seen, unseen = (
        Counter(token for example in rows for token in example["labels"] if token != IGNORED)
        for rows in (examples, held_out)
    )
    everything = sum(seen.values()) + vocab_size
    surprise = -sum(count * math.log((seen[token] + 1) / everything) for token, count in unseen.items())
    return round(math.exp(surprise / sum(unseen.values())), 3)
