"""From a recipe's `model` to a model and its processor."""

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import CLIPImageProcessor, PreTrainedTokenizerFast

from configuration_moda import ModaConfig
from moda.presets import preset_config
from modeling_moda import ModaForConditionalGeneration
from processing_moda import DEFAULT_PROMPT, IMAGE_TOKEN, ModaProcessor


BOS, EOS, PAD = SPECIAL_TOKENS = ("<s>", "</s>", "<pad>")
PROCESSOR_FIELDS = ("vision_feature_select_strategy", "vision_feature_layer")


def build_model_and_processor(model, sentences):
    """Builds what a recipe's `model` names.

    Args:
        model (`dict`): `{"preset": name, ...}`: fresh weights in a preset's shape, with a tokenizer trained on the
            sentences; `{"vision": id or folder, "text": id or folder, ...}`: two checkpoints; or `{"pretrained": id or
            folder, ...}`: a MODA to go on from. What follows are fields of [`ModaConfig`].
        sentences (`Iterable[str]`): Texts that a new tokenizer learns from.

    Returns:
        `tuple[ModaForConditionalGeneration, ModaProcessor]`
    """
    changes = {key: value for key, value in model.items() if key not in ("preset", "vision", "text", "pretrained")}
    if "pretrained" in model:
        return load_model_and_processor(model["pretrained"], **changes)
    if "preset" not in model:
        fields = {key: value for key, value in changes.items() if key in PROCESSOR_FIELDS}
        processor = ModaProcessor.from_vision_text_pretrained(model["vision"], model["text"], **fields)
        return ModaForConditionalGeneration.from_vision_text_pretrained(
            model["vision"], model["text"], **changes
        ), processor

    config = preset_config(model["preset"], **changes)
    tokenizer = train_tokenizer(sentences, config.text_config.vocab_size)
    height, width = _size(config.vision_config.image_size)
    image_processor = CLIPImageProcessor(
        size={"height": height, "width": width}, do_center_crop=False, crop_size={"height": height, "width": width}
    )
    processor = ModaProcessor(image_processor, tokenizer, image_seq_length=config.image_seq_length)
    text_config = config.text_config
    # The tokenizer may find fewer pieces than it may have; the model has exactly as many.
    text_config.vocab_size = len(tokenizer)
    for name, token in (("bos", BOS), ("eos", EOS), ("pad", PAD)):
        setattr(text_config, f"{name}_token_id", tokenizer.convert_tokens_to_ids(token))
    fields = {**config.to_dict(), "text_config": text_config.to_dict(), "image_token_id": processor.image_token_id}
    built = ModaForConditionalGeneration(ModaConfig.from_dict(fields))
    built.generation_config.update(
        bos_token_id=text_config.bos_token_id,
        eos_token_id=text_config.eos_token_id,
        pad_token_id=text_config.pad_token_id,
        max_new_tokens=48,
    )
    return built.eval(), processor


def load_model_and_processor(repository, **changes):
    """Loads a MODA repository, by id or folder, in float32, with fields of its config changed."""
    model = ModaForConditionalGeneration.from_pretrained(repository, dtype=torch.float32, **changes)
    # Our own class: without the word about remote code, transformers would ask at the terminal whether to run it.
    return model.eval(), ModaProcessor.from_pretrained(repository, trust_remote_code=False)


def train_tokenizer(sentences, vocab_size):
    """Trains a byte-level BPE tokenizer, with `<image>` among at most `vocab_size` tokens.

    Args:
        sentences (`Iterable[str]`): Texts to learn from; the default prompt is added.
        vocab_size (`int`): Most tokens.

    Returns:
        `PreTrainedTokenizerFast`
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - 1,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*sentences, *[DEFAULT_PROMPT] * 1000], trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=BOS, eos_token=EOS, pad_token=PAD, model_max_length=512
    )
    fast.add_tokens([IMAGE_TOKEN], special_tokens=True)
    return fast


def _size(size):
    return (size, size) if isinstance(size, int) else tuple(size)
