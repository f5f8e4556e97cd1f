"""Chats with a model of transformers: OpenAI's requests in, greedy answers out, a batch at a time."""

import base64
import functools
import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import torch
from jinja2 import TemplateError

from moda.data.answer_cache import Answer
from pictures_moda import load_picture


WITHOUT_EFFECT = {"seed", "temperature", "top_p"}  # on a greedy answer


@dataclass(frozen=True)
class Question:
    """A request as a model takes it.

    Args:
        text (`str`): The chat template's.
        pictures (`list[PIL.Image.Image]`): In the order of their marks in the text.
        limit (`int`): Most tokens of the answer.
    """

    text: str
    pictures: Sequence
    limit: int

    @property
    def kind(self):
        """What the questions of a batch have in common."""
        return len(self.pictures), self.limit


class Chat:
    """A vision-language or an instruct model, with what it takes to ask it. The model is loaded when it is first asked.

    A chat template takes a message's content in parts, or as a string, such as Phi's: there the processor's marks for the
    pictures go in front.

    Args:
        load (`Callable[[], PreTrainedModel]`): Loads the model, which has `generate`.
        processor (`ProcessorMixin` or `PreTrainedTokenizerBase`): With a chat template. Pads at the left from now on.
        name (`str`): What to call the model in an error.
        limit (`int`): Most tokens of an answer, where a request does not say.

    Attributes:
        model (`PreTrainedModel`): Loaded once, for whoever looks at it first.
        takes_pictures (`bool`): Whether a request may hold pictures.

    Raises:
        `ValueError`: If there is no chat template, or in it no place for a picture.
    """

    def __init__(self, load, processor, name, limit):
        self.load, self.processor, self.name, self.limit = load, processor, name, limit
        self.tokenizer = tokenizer = getattr(processor, "tokenizer", processor)
        self.takes_pictures = getattr(processor, "image_processor", None) is not None
        template = getattr(processor, "chat_template", None) or getattr(tokenizer, "chat_template", None)
        self.template = template.get("default") if isinstance(template, dict) else template
        if not self.template:
            raise ValueError(f"{name} has no chat template; give a model that chats.")
        self.picture_mark = getattr(processor, "image_token", None) or getattr(tokenizer, "image_token", None)
        self.reads_parts = self._reads_parts()
        if self.takes_pictures and not self.reads_parts and not self.picture_mark:
            raise ValueError(f"The chat template of {name} has no place for a picture; give another model.")
        tokenizer.padding_side = "left"  # generation goes on at the right
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        special = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
        longest_first = sorted((mark for mark in special if len(mark) > 1), key=lambda mark: (-len(mark), mark))
        self.special = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    @functools.cached_property
    def model(self):
        return self.load().eval()

    @functools.cached_property
    def ends(self):
        """The tokens that end an answer."""
        ends = self.model.generation_config.eos_token_id
        return sorted({*(ends if isinstance(ends, list) else [ends]), self.tokenizer.eos_token_id} - {None})

    def read(self, request):
        """Reads a chat request: `messages`, whose pictures are data URLs, and `max_tokens`.

        Returns:
            [`Question`]

        Raises:
            `ValueError`: If it asks for what this model can't do, or a picture can't be read.
        """
        parameters = dict(request)
        pictures, messages = [], parameters.pop("messages")
        limit = parameters.pop("max_tokens", self.limit)
        unknown = sorted(name for name in parameters if name not in WITHOUT_EFFECT)
        unknown += ["temperature"] if parameters.get("temperature") else []
        if unknown:
            raise ValueError(f"a local model answers greedily, without {', '.join(unknown)}")
        messages = [
            {"role": message["role"], "content": [self._read_part(part, pictures) for part in _parts(message)]}
            for message in messages
        ]
        if pictures and not self.takes_pictures:
            raise ValueError(f"{self.name} takes no pictures")
        if not self.reads_parts:
            for message in messages:
                marks = "".join(self.picture_mark for part in message["content"] if part["type"] == "image")
                texts = [part["text"] for part in message["content"] if part["type"] == "text"]
                message["content"] = marks + "\n".join(texts)
        return Question(self._render(messages), pictures, limit)

    @torch.inference_mode()
    def answer(self, questions):
        """Answers a batch of questions of one kind.

        Returns:
            `list[Answer]`: One a question; `finish_reason` is `"length"` where the limit came before the end.

        Raises:
            `ValueError`: If a question and its answer are longer than the model's context, among others.
            `RuntimeError`: If memory runs out, among others.
        """
        inputs = self._inputs(questions)
        asked, lengths, limit = inputs["input_ids"], inputs["attention_mask"].sum(dim=1).tolist(), questions[0].limit
        context = getattr(self.model.config.get_text_config(), "max_position_embeddings", None)
        if context and max(lengths) + limit > context:
            raise ValueError(
                f"the prompt takes {max(lengths):,} tokens and the answer up to {limit:,}, together more than the "
                f"{context:,} of {self.name}; shorten it"
            )
        sequences = self.model.generate(
            **inputs,
            max_new_tokens=limit,
            do_sample=False,
            num_beams=1,
            eos_token_id=self.ends,
            pad_token_id=self.tokenizer.pad_token_id,
        )
        if torch.equal(sequences[:, : asked.shape[1]], asked):  # some models do not repeat what they were asked
            sequences = sequences[:, asked.shape[1] :]
        today, answers = f"{datetime.now(UTC):%Y-%m-%d}", []
        for said, length in zip(sequences.tolist(), lengths):
            end = next((index for index, token in enumerate(said) if token in self.ends), None)
            text = self.tokenizer.decode(said[:end], skip_special_tokens=True).strip()
            tokens = len(said) if end is None else end + 1
            answers.append(Answer(text, "length" if end is None else "stop", today, length, tokens))
        return answers

    def _inputs(self, questions):
        text, options = [question.text for question in questions], {"padding": True, "return_tensors": "pt"}
        if self.processor is self.tokenizer:
            inputs = self.tokenizer(text, add_special_tokens=False, **options)
        else:
            if self.tokenizer.bos_token and text[0].startswith(self.tokenizer.bos_token):
                options["add_special_tokens"] = False  # the template has written them
            pictures = [question.pictures for question in questions] if questions[0].pictures else None
            inputs = self.processor(text=text, images=pictures, **options)
        takes = inspect.signature(self.model.forward).parameters
        inputs = {name: x for name, x in inputs.items() if name != "token_type_ids" or name in takes}
        inputs = {name: torch.as_tensor(x).to(self.model.device) for name, x in inputs.items()}
        # A model may count what its masks hold, and bfloat16 counts no further than 256.
        floating = {name for name, x in inputs.items() if x.is_floating_point() and "mask" not in name}
        return {name: x.to(self.model.dtype) if name in floating else x for name, x in inputs.items()}

    def _render(self, messages):
        return self.tokenizer.apply_chat_template(
            messages, chat_template=self.template, add_generation_prompt=True, tokenize=False
        )

    def _reads_parts(self):
        text, picture = {"type": "text", "text": "probe"}, {"type": "image"}
        try:
            plain, pictured = (
                self._render([{"role": "user", "content": content}]) for content in ([text], [picture, text])
            )
        except (TypeError, ValueError, LookupError, TemplateError):
            return False
        return "probe" in plain and "'type'" not in plain and (plain != pictured or not self.takes_pictures)

    def _read_part(self, part, pictures):
        if part["type"] == "text":
            # Words that read like a mark of the template's own must not act as one.
            return {"type": "text", "text": self.special.sub(lambda mark: f"{mark[0][0]} {mark[0][1:]}", part["text"])}
        if part["type"] != "image_url":
            raise ValueError(f"a local model reads text and pictures, and no part of type {part['type']!r}")
        head, _, encoded = part["image_url"]["url"].partition(";base64,")
        if not head.startswith("data:"):
            raise ValueError(
                f"a picture's URL begins with {head[:20]!r}; a local model reads data:image/…;base64, only"
            )
        pictures.append(load_picture(base64.b64decode(encoded), "the picture"))
        return {"type": "image"}


def _parts(message):
    content = message["content"]
    return [{"type": "text", "text": content}] if isinstance(content, str) else content
