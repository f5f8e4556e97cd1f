"""MODA's data collator: rows of a dataset in, batches for `transformers.Trainer` out."""

import functools
import zlib
from dataclasses import dataclass
from typing import Any, Optional

import torch
from torch.nn.utils.rnn import pad_sequence


IGNORED = -100
READY = {"image_features": 2, "pixel_values": 3}  # columns of pictures ready for the model, dimensions of one picture


@dataclass
class ModaDataCollator:
    r"""
    Makes batches for `transformers.Trainer` from rows of a dataset; set `remove_unused_columns=False` in its arguments.

    A row is a picture with its description, or with a conversation about it. Rows of both kinds may be mixed; a column
    that is `None` in a row counts as absent there.

    Args:
        processor ([`ModaProcessor`]): Reads pictures and sentences.
        image_column (`str`, *optional*, defaults to `"image"`):
            Column of pictures, or lists of pictures; where absent, `images`. Columns `pixel_values` (processed) or
            `image_features` (what the frozen encoder returned), a picture or several a row, take its place where a row
            has them.
        text_column (`str`, *optional*, defaults to `"description"`): Column of sentences to learn.
        prompt_column (`str`, *optional*, defaults to `"prompt"`): Column of prompts; where absent, the default prompt.
        max_length (`int`, *optional*): See [`ModaProcessor.__call__`].
        token_noise (`float`, *optional*, defaults to 0.0):
            Share of the answers' input tokens that are replaced by random ones while their labels stay clean: stage
            0 of the alignment paper (Algorithm 1) uses 0.2, so that under the `full` mask copying is no way out.
            Pictures, prompts, end-of-sequence and padding are never touched.
        seed, epoch (`int`, *optional*, defaults to 0): The noise depends on them and the row alone.
        messages_column (`str`, *optional*, defaults to `"messages"`):
            Column of conversations in the chat format; see [`read_messages`]. A conversation is one sequence, as in stage
            3 of the alignment paper: pictures once, where the messages name them or first; then turn by turn, each answer
            closed by the end-of-sequence token, with the ids that the processor's chat template gives.
        loss_on (`str`, *optional*, defaults to `"answer"`):
            `"answer"`: descriptions and answers are learnt; `"all"`: prompts and questions, too.
        packing (`bool`, *optional*, defaults to `False`):
            Lays several examples into each row of the batch (first fit, longest first) and adds `position_ids` that
            start over with each: the padded batch's loss and gradients, with less padding.
    """

    processor: Any
    image_column: str = "image"
    text_column: str = "description"
    prompt_column: str = "prompt"
    max_length: Optional[int] = None
    token_noise: float = 0.0
    seed: int = 0
    epoch: int = 0
    messages_column: str = "messages"
    loss_on: str = "answer"
    packing: bool = False

    def __post_init__(self):
        if self.loss_on not in ("answer", "all"):
            raise ValueError(f"loss_on is {self.loss_on!r}; choose 'answer' or 'all'.")

    def __call__(self, examples):
        examples = [{name: value for name, value in row.items() if value is not None} for row in examples]
        turns = [self._read_turns(row) for row in examples]
        batch = self.processor(
            text=[questions for questions, _ in turns],
            suffix=[answers for _, answers in turns],
            max_length=self.max_length,
            padding=False,
            return_tensors=None,
            **self._read_pictures(examples),
        )
        ids, labels = ([torch.tensor(row) for row in batch.pop(name)] for name in ("input_ids", "labels"))
        answers = labels
        if self.loss_on == "all":
            labels = [row.masked_fill(row == self.processor.image_token_id, IGNORED) for row in ids]
        if self.token_noise > 0:
            self._add_noise(ids, answers)
        for row in labels:
            row[0] = IGNORED  # nothing comes before it that could predict it
        rows = pack([len(row) for row in ids]) if self.packing else [[index] for index in range(len(ids))]

        def lay(values, filler):
            laid = [torch.cat([values[index] for index in row]) for row in rows]
            return pad_sequence(laid, batch_first=True, padding_value=filler)

        data = {
            "input_ids": lay(ids, self.processor.tokenizer.pad_token_id),
            "attention_mask": lay([torch.ones_like(row) for row in ids], 0),
            "labels": lay(labels, IGNORED),
        }
        if self.packing:
            data["position_ids"] = lay([torch.arange(len(row)) for row in ids], 0)
        counts = [int((row == self.processor.image_token_id).sum()) // self.processor.image_seq_length for row in ids]
        for name in batch.keys() & READY.keys():  # pictures, in the order in which the rows now name them
            values = batch[name].split(counts)
            data[name] = torch.cat([values[index] for row in rows for index in row])
        return data

    def _read_turns(self, row):
        if self.messages_column in row:
            return read_messages(row[self.messages_column], self.processor.image_token)
        if self.text_column not in row:
            self._refuse(row, self.text_column)
        return [row.get(self.prompt_column)], [row[self.text_column]]

    def _read_pictures(self, examples):
        found, kinds = [], set()
        for row in examples:
            name = next((name for name in (*READY, self.image_column, "images") if name in row), None)
            if name is None and self.messages_column not in row:
                self._refuse(row, self.image_column)
            values = row.get(name, [])
            if name in READY:
                values = torch.as_tensor(values)
                values = values if values.ndim > READY[name] else values[None]
            elif not isinstance(values, (list, tuple)):
                values = [values]
            if len(values):
                kinds.add(name if name in READY else "images")
            found.append(values if len(values) else [])
        if len(kinds) > 1:
            kinds = " and as ".join(sorted(kinds))
            raise ValueError(f"The rows of a batch hold their pictures as {kinds}; give all of them one kind.")
        return {kinds.pop() if kinds else "images": found}

    def _refuse(self, row, column):
        raise ValueError(
            f"A row has the columns {', '.join(sorted(row)) or '(none)'}, and not {column!r}; name the "
            "column to the collator, and set remove_unused_columns=False in TrainingArguments, which otherwise "
            "drops every column that the model's forward does not name."
        )

    def _add_noise(self, ids, labels):
        """Replaces some of the answers' ids by random ones, the end-of-sequence tokens aside."""
        tokenizer, words = self.processor.tokenizer, self._words
        for row, targets in zip(ids, labels):
            answer = (targets != IGNORED) & (targets != tokenizer.eos_token_id)
            # Seeded by what the row says, so that neither the batch nor the worker it falls into matters.
            key = zlib.crc32(row[answer].numpy().tobytes(), zlib.crc32(f"{self.seed} {self.epoch}".encode()))
            generator = torch.Generator().manual_seed(key)
            places = answer.nonzero()[:, 0]
            places = places[torch.rand(len(places), generator=generator) < self.token_noise]
            row[places] = words[torch.randint(len(words), (len(places),), generator=generator)]

    @functools.cached_property
    def _words(self):
        tokenizer = self.processor.tokenizer
        specials = {*tokenizer.all_special_ids, self.processor.image_token_id}
        return torch.tensor([i for i in range(len(tokenizer)) if i not in specials])


def read_messages(messages, image_token="<image>"):
    """Splits a conversation into questions and answers, worded as the processor's chat template words them.

    Args:
        messages (`list[dict]`):
            Each with a `role` and a `content`, a string or parts of type `text` and `image`. Whatever stands before an
            answer (of role `assistant`) is its question, a line each.
        image_token (`str`, *optional*, defaults to `"<image>"`): A picture's place; spelled out in a text, it is none.

    Returns:
        `tuple[list[str], list[str]]`: As many questions as answers.

    Raises:
        `ValueError`: If the last message is no answer, or a part is neither text nor, in a question, a picture.
    """
    questions, answers, question = [], [], ""
    for message in messages:
        role, parts, text = message["role"], message["content"], ""
        for part in [{"type": "text", "text": parts}] if isinstance(parts, str) else parts:
            if part["type"] == "text":
                text += part["text"].replace(image_token, "< image >")
            elif part["type"] == "image" and role != "assistant":
                text += image_token
            else:
                raise ValueError(
                    f"A message of role {role!r} has a part of type {part['type']!r}; a question is made of parts of "
                    "type 'text' and 'image', an answer (role 'assistant') of text."
                )
        if role == "assistant":
            questions, answers, question = [*questions, question], [*answers, text], ""
        else:
            question += text + "\n"
    if question or not answers:
        last = f"a message of role {messages[-1]['role']!r}" if messages else "nothing"
        raise ValueError(f"A conversation ends with {last}; end it with what shall be learnt, of role 'assistant'.")
    return questions, answers


def pack(lengths, padding=0.03, widest=4):
    """Lays examples into rows by first-fit decreasing bin packing.

    Args:
        lengths (`list[int]`): Of the examples.
        padding (`float`, *optional*, defaults to 0.03):
            Share that is low enough. The narrowest rows that reach it are taken, since attention costs grow with the
            width; where none do, those that pad least.
        widest (`int`, *optional*, defaults to 4): Width to try up to, in lengths of the longest example.

    Returns:
        `list[list[int]]`: Indices of the examples in each row.
    """
    longest, least = max(lengths), None
    for eighths in range(8, 8 * widest + 1):
        rows, widths = [], []
        for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
            fitting = (row for row, width in enumerate(widths) if width + lengths[index] <= longest * eighths // 8)
            row = next(fitting, len(rows))
            if row == len(rows):
                rows, widths = [*rows, []], [*widths, 0]
            rows[row].append(index)
            widths[row] += lengths[index]
        share = 1 - sum(lengths) / (max(widths) * len(rows))
        if least is None or share < least[0]:
            least = share, rows
        if share <= padding:
            break
    return least[1]
