"""MODA's processor: pictures and sentences in, model inputs and labels out."""

import itertools
import json
import os

import torch
import transformers
from transformers import AutoImageProcessor, AutoTokenizer, BatchFeature


try:  # as remote code
    from .collator_moda import IGNORED, ModaDataCollator  # noqa: F401
    from .configuration_moda import TRANSFORMERS  # noqa: F401 - which refuses other versions, before more is asked of them

    # Of the files that those above need, transformers 4 copies what is named here along.
    from .fetching_moda import fetch  # noqa: F401
    from .masks_moda import policy_mask  # noqa: F401
    from .pictures_moda import load_picture
    from .vision_moda import image_feature_shape, vision_config_of
except ImportError:  # from the repository root, or installed
    from collator_moda import IGNORED, ModaDataCollator  # noqa: F401
    from configuration_moda import TRANSFORMERS  # noqa: F401
    from pictures_moda import load_picture
    from vision_moda import image_feature_shape, vision_config_of

from transformers.processing_utils import MultiModalData, ProcessorMixin


IMAGE_TOKEN = "<image>"
DEFAULT_PROMPT = "Describe the product."
# What transformers' and TRL's code passes to every processor, and means nothing here.
NOT_FOR_US = frozenset(
    "videos audio audios truncation return_attention_mask return_token_type_ids return_mm_token_type_ids return_offsets_mapping "
    "return_special_tokens_mask return_length verbose device timeout".split()
)
# A picture first, a line each for what was asked and answered; what a user or the model writes can't place a picture.
CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'assistant' %}"
    "{% generation %}{% if message['content'] is string %}{{ message['content'] | replace('<image>', '< image >') }}"
    "{% else %}{% for part in message['content'] %}{{ part['text'] | replace('<image>', '< image >') }}{% endfor %}"
    "{% endif %}{{ eos_token }}{% endgeneration %}{% else %}{% if message['content'] is string %}"
    "{{ message['content'] | replace('<image>', '< image >') }}{% else %}{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>{% elif part['type'] == 'text' %}"
    "{{ part['text'] | replace('<image>', '< image >') }}{% endif %}{% endfor %}{% endif %}{{ '\\n' }}{% endif %}"
    "{% endfor %}"
)


class ModaProcessor(ProcessorMixin):
    r"""
    Fuses an image processor and a tokenizer, and knows how many positions a picture takes.

    Args:
        image_processor (`BaseImageProcessor`): The vision encoder's.
        tokenizer (`PreTrainedTokenizerBase`): The language model's, with an `<image>` token.
        image_seq_length (`int`, *optional*, defaults to 1): Positions that a picture takes, from [`ModaConfig`].
        default_prompt (`str`, *optional*, defaults to `"Describe the product."`): Used where there is no text.
        chat_template (`str`, *optional*): Jinja template. Defaults to MODA's own, which gives a question about a
            picture the very tokens that `processor(images, question)` gives it.

    Example:

    ```python
    >>> inputs = processor(images="shirt.jpg")  # to generate
    >>> batch = processor(images=["shirt.jpg", "shoe.png"], suffix=["A red shirt.", "A black shoe."])  # to train
    ```
    """

    if transformers.__version__.startswith("4."):  # transformers 5 finds these out by itself
        attributes = ["image_processor", "tokenizer"]
        image_processor_class = "AutoImageProcessor"
        tokenizer_class = "AutoTokenizer"

    def __init__(
        self,
        image_processor=None,
        tokenizer=None,
        image_seq_length=1,
        default_prompt=DEFAULT_PROMPT,
        chat_template=None,
        **kwargs,
    ):
        if IMAGE_TOKEN not in tokenizer.get_vocab():
            tokenizer.add_tokens([IMAGE_TOKEN], special_tokens=True)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token
        tokenizer.padding_side = "left"  # a batch continues at its right edge
        self.image_seq_length = image_seq_length
        self.default_prompt = default_prompt
        self.image_token = IMAGE_TOKEN
        self.image_token_id = tokenizer.convert_tokens_to_ids(IMAGE_TOKEN)
        super().__init__(image_processor, tokenizer, chat_template=chat_template or CHAT_TEMPLATE)

    @classmethod
    def from_vision_text_pretrained(
        cls, vision, text, vision_feature_select_strategy="pooled", vision_feature_layer=-1, **kwargs
    ):
        """Builds the processor of `ModaForConditionalGeneration.from_vision_text_pretrained` from the same ids."""
        positions, _ = image_feature_shape(
            vision_config_of(vision), vision_feature_select_strategy, vision_feature_layer
        )
        return cls(
            AutoImageProcessor.from_pretrained(vision),
            AutoTokenizer.from_pretrained(text),
            image_seq_length=positions,
            **kwargs,
        )

    def __call__(
        self,
        images=None,
        text=None,
        suffix=None,
        pixel_values=None,
        image_features=None,
        padding=True,
        padding_side=None,
        max_length=None,
        return_tensors="pt",
        add_special_tokens=True,
        **kwargs,
    ):
        r"""
        Args:
            images (a picture, a list of pictures, or a list of lists, *optional*):
                Anything that [`load_picture`] takes. Of a flat list each text gets as many as it names with `<image>`,
                or one; a list of lists gives each text its own.
            text (`str` or `list[str]`, *optional*, defaults to the default prompt):
                The prompt. Where it names no `<image>`, the pictures come first; a line break is added at its end
                unless it ends in white space or a special token. A list in the place of a prompt holds the questions of
                a conversation, and then `suffix` its answers. `None` in a list is the default prompt.
            suffix (`str` or `list[str]`, *optional*):
                The description to learn. Adds `labels`: its tokens and the end-of-sequence token, -100 elsewhere.
                Special tokens spelled out in it, `<image>` too, are read as plain text.
            pixel_values (`torch.FloatTensor` of shape `(images, channels, height, width)`, *optional*):
                Processed pictures, instead of `images`, one a text unless the text names more; or a list of such
                tensors, one for each text.
            image_features (`torch.FloatTensor` of shape `(images, image_seq_length, features)`, *optional*):
                What the vision encoder returned for them, instead of `images`; or a list, likewise.
            padding (`bool` or `"max_length"`, *optional*, defaults to `True`): To the longest row, or to `max_length`.
            padding_side (`str`, *optional*, defaults to the tokenizer's, `"left"`): `"left"` or `"right"`.
            max_length (`int`, *optional*):
                Cuts the end of descriptions, never the prompt, a picture or the last token. Turns of a conversation that
                do not fit are dropped from its end, with the pictures that they name.
            return_tensors (`str`, *optional*, defaults to `"pt"`): `None` for lists.
            add_special_tokens (`bool`, *optional*, defaults to `True`): Whether the tokenizer's BOS is added.

        Returns:
            [`BatchFeature`] with `input_ids` and `attention_mask` of shape `(batch, length)`; `pixel_values` or
            `image_features`; `labels` of shape `(batch, length)` when there is a `suffix`.

        Raises:
            `ValueError`: If pictures and `<image>` tokens, or texts and suffixes, do not match in number, or nothing of a
                row fits into `max_length`.
        """
        nested = {**kwargs.pop("common_kwargs", {}), **kwargs.pop("text_kwargs", {})}
        if nested:  # transformers' other way of giving the same arguments
            given = {"images": images, "text": text, "suffix": suffix, "padding": padding, "max_length": max_length}
            given |= {"pixel_values": pixel_values, "image_features": image_features, "padding_side": padding_side}
            given |= {"return_tensors": return_tensors, "add_special_tokens": add_special_tokens}
            return self(**{**given, **kwargs, **nested})
        image_options = kwargs.pop("images_kwargs", {})
        with_offsets = kwargs.pop("return_text_replacement_offsets", False)
        for name, value in kwargs.items():
            if hasattr(self.image_processor, name):
                image_options = {**image_options, name: value}
            elif name not in NOT_FOR_US:
                raise TypeError(f"ModaProcessor takes no argument {name!r}; its docstring lists those it takes.")
        texts, suffixes = _as_turns(text), _as_turns(suffix)
        data, counts, by_row = self._read_pictures(images, pixel_values, image_features, image_options)
        if texts is None:
            texts = [[None]] * (len(counts) or len(suffixes or [None]))
        texts = [[self.default_prompt if prompt is None else prompt for prompt in row] for row in texts]
        counts = self._count_images(texts, counts, by_row)
        if suffixes is not None and len(suffixes) != len(texts):
            raise ValueError(f"There are {len(texts)} rows and {len(suffixes)} suffixes; give one for each.")
        rows, labels = self._encode(texts, suffixes, counts, add_special_tokens, max_length)
        if max_length is not None:
            self._drop_pictures(data, counts, rows)
        side = padding_side or self.tokenizer.padding_side
        width = None
        if padding:
            width = max_length if padding == "max_length" and max_length else max(map(len, rows))
        data["attention_mask"] = [_pad([1] * len(row), width, 0, side) for row in rows]
        data["input_ids"] = [_pad(row, width, self.tokenizer.pad_token_id, side) for row in rows]
        if suffixes is not None:
            data["labels"] = [_pad(row, width, IGNORED, side) for row in labels]
        data = BatchFeature(data, tensor_type=return_tensors)
        if with_offsets:  # how vLLM learns what a placeholder became
            replaced = {"type": "image", "text": IMAGE_TOKEN, "replacement": IMAGE_TOKEN * self.image_seq_length}
            data["text_replacement_offsets"] = [[dict(replaced) for _ in range(count)] for count in counts]
        return data

    def _get_num_multimodal_tokens(self, image_sizes=None, **kwargs):
        """How vLLM asks what pictures take, before it has any."""
        pictures = [] if image_sizes is None else image_sizes
        return MultiModalData(
            num_image_tokens=[self.image_seq_length] * len(pictures), num_image_patches=[1] * len(pictures)
        )

    def _read_pictures(self, images, pixel_values, image_features, image_options):
        """Returns what the model gets of the pictures, how many each row has, and whether the caller said so by row."""
        if images is not None:
            rows = _as_rows(images)
            flat = [load_picture(image) for row in rows for image in row]
            data = {}
            if flat:
                data["pixel_values"] = self.image_processor(flat, return_tensors="pt", **image_options)["pixel_values"]
            by_row = isinstance(images, (list, tuple)) and any(isinstance(row, (list, tuple)) for row in images)
            return data, [len(row) for row in rows], by_row
        ready = {"pixel_values": pixel_values, "image_features": image_features}
        data = {name: values for name, values in ready.items() if values is not None}
        counts, by_row = [], False
        for name, values in data.items():
            by_row = isinstance(values, (list, tuple))
            counts += [len(row) for row in values] if by_row else [1] * len(values)
            data[name] = torch.cat([row for row in values if len(row)]) if by_row else values
        positions = self.image_seq_length if image_features is None else data["image_features"].shape[1]
        if positions != self.image_seq_length:
            raise ValueError(
                f"image_features have {positions} positions a picture, and this processor's "
                f"image_seq_length is {self.image_seq_length}; they come from another model."
            )
        return data, counts, by_row

    def _count_images(self, texts, counts, by_row):
        """Deals the pictures out to the texts: how many each row has."""
        named = [sum(text.count(IMAGE_TOKEN) for text in row) for row in texts]
        if not by_row and (len(texts) == 1 or (any(named) and sum(named) == sum(counts))):
            counts = [sum(counts)] if len(texts) == 1 else named  # a flat list: in the order of the texts
        elif not counts:
            counts = [0] * len(texts)
        if len(counts) != len(texts):
            raise ValueError(
                f"{sum(counts)} picture(s) do not match {len(texts)} text(s) naming {sum(named)} <image>; give a list "
                "of lists, one list of pictures for each text."
            )
        for row, (count, name) in enumerate(zip(counts, named, strict=True)):
            if name not in (0, count):
                raise ValueError(
                    f"Text {row} names {name} <image> and comes with {count} picture(s); name each picture "
                    "once, or none."
                )
        return counts

    def _encode(self, texts, suffixes, counts, add_special_tokens, max_length):
        """Returns ids and labels of each row: each question is followed by its answer, which alone is learnt."""
        prompts = []
        for row, (questions, count) in enumerate(zip(texts, counts, strict=True)):
            answered = len(suffixes[row]) if suffixes else 0
            if not questions or len(questions) != (answered if suffixes else 1):
                raise ValueError(
                    f"Row {row} has {len(questions)} question(s) and {answered} answer(s); give each question its answer."
                )
            pictures = "" if any(IMAGE_TOKEN in question for question in questions) else IMAGE_TOKEN * count
            prompts.append([self._close_line(text) for text in (pictures + questions[0], *questions[1:])])
        opening = self._tokenize([row[0] for row in prompts], add_special_tokens)
        later = iter(self._tokenize([question for row in prompts for question in row[1:]]))
        answers = [answer for row in suffixes or [] for answer in row]
        answers = iter(self._tokenize(answers, split_special_tokens=True))

        rows, labels = [], []
        for first, prompt in zip(opening, prompts, strict=True):
            turns = []
            for question in (first, *itertools.islice(later, len(prompt) - 1)):
                spread = (self.image_seq_length if i == self.image_token_id else 1 for i in question)
                question = [i for i, places in zip(question, spread, strict=True) for _ in range(places)]
                turns.append((question, next(answers) + [self.tokenizer.eos_token_id] if suffixes else []))
            if suffixes and max_length is not None:
                turns = _fit(turns, max_length)
            rows.append([i for question, answer in turns for i in question + answer])
            labels.append([i for question, answer in turns for i in [IGNORED] * len(question) + answer])
        return rows, labels

    def _drop_pictures(self, data, counts, rows):
        """Leaves out the pictures of the turns that were left out."""
        kept = [row.count(self.image_token_id) // self.image_seq_length for row in rows]
        if kept != counts:
            for name, values in data.items():
                data[name] = torch.cat([row[:count] for row, count in zip(values.split(counts), kept, strict=True)])
            if not any(kept):
                data.clear()

    def _close_line(self, prompt):
        complete = not prompt or prompt[-1].isspace() or prompt.endswith(tuple(self.tokenizer.all_special_tokens))
        return prompt if complete or prompt.endswith(IMAGE_TOKEN) else prompt + "\n"

    def _tokenize(self, texts, add_special_tokens=False, **kwargs):
        if not texts:
            return []
        rows = self.tokenizer(texts, add_special_tokens=add_special_tokens, **kwargs)["input_ids"]
        if not add_special_tokens:
            return rows
        # A tokenizer that closes every text would end the sentence before it begins.
        eos, eos_id = self.tokenizer.eos_token, self.tokenizer.eos_token_id
        pairs = zip(rows, texts, strict=True)
        return [row[:-1] if row[-1:] == [eos_id] and not text.endswith(eos) else row for row, text in pairs]

    @property
    def model_input_names(self):
        return ["input_ids", "attention_mask", "pixel_values"]

    def save_pretrained(self, save_directory, **kwargs):
        """Saves the processor so that transformers 4.57 and 5 can both load it."""
        push_to_hub, repo_id = kwargs.pop("push_to_hub", False), kwargs.pop("repo_id", None)
        hub_options = {name: kwargs.pop(name) for name in ("token", "private", "revision") if name in kwargs}
        saved = super().save_pretrained(save_directory, **kwargs)
        # transformers 4.57 looks for the image processor in a file of its own, and knows fewer tokenizer fields.
        self.image_processor.save_pretrained(save_directory)
        path = os.path.join(save_directory, "tokenizer_config.json")
        with open(path, encoding="utf-8") as file:
            config = json.load(file)
        if config.get("tokenizer_class") == "TokenizersBackend":
            config["tokenizer_class"] = "PreTrainedTokenizerFast"
        if isinstance(config.get("extra_special_tokens"), list):
            config["additional_special_tokens"] = config.pop("extra_special_tokens")
        with open(path, "w", encoding="utf-8") as file:
            json.dump(config, file, indent=2, ensure_ascii=False, sort_keys=True)
        if push_to_hub:  # not before the files are as they shall be
            self.push_to_hub(repo_id or os.path.basename(os.path.abspath(save_directory)), **hub_options, **kwargs)
        return saved


def _fit(turns, max_length):
    """Cuts the end of the last answer that fits, and drops the turns behind it."""
    kept, room = [], max_length
    for question, answer in turns:
        room -= len(question)
        if room < 2:
            break
        kept.append((question, answer if len(answer) <= room else answer[: room - 1] + answer[-1:]))
        room -= len(answer)
    if not kept:
        prompt = len(turns[0][0])
        raise ValueError(
            f"Pictures and prompt take {prompt} positions and max_length is {max_length}; "
            f"raise it to at least {prompt + 2}."
        )
    return kept


def _as_turns(texts):  # -> a list of rows, each a list of questions, or of answers
    if texts is None:
        return None
    rows = [texts] if isinstance(texts, str) else texts
    return [list(row) if isinstance(row, (list, tuple)) else [row] for row in rows]


def _as_rows(images):  # -> a list of lists of pictures
    if isinstance(images, (list, tuple)):
        return [list(row) if isinstance(row, (list, tuple)) else [row] for row in images]
    if getattr(images, "ndim", 0) == 4:  # a batch in one array
        return [[image] for image in images]
    return [[images]]


def _pad(row, width, value, side):
    gap = [value] * ((width or len(row)) - len(row))
    return gap + row if side == "left" else row + gap


ModaProcessor.register_for_auto_class()
