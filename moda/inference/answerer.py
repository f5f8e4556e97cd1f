"""Answers questions about pictures in one thread: all that wait at a time in one batch, a picture that comes again not encoded again."""

import threading
from collections import OrderedDict, deque
from concurrent.futures import Future
from dataclasses import dataclass, field

import torch


LONGEST_TEXT = 16  # characters a position: longer ones are not even tokenised


@dataclass
class Picture:
    """A picture of a question.

    Args:
        digest (`bytes`): Of its file, to know it again by.
        pixels (`torch.FloatTensor` of shape `(channels, height, width)`, *optional*): For the encoder; or
        features (`torch.FloatTensor` of shape `(positions, size)`, *optional*): what it returned before.
    """

    digest: bytes
    pixels: torch.Tensor | None = None
    features: torch.Tensor | None = None


@dataclass
class Question:
    """A conversation that waits for its next sentence.

    Args:
        input_ids (`list[int]`): From [`~Answerer.encode`].
        pictures (`list[Picture]`): In the order of the conversation.
        max_new_tokens (`int`, *optional*): Longest answer; never more than the answerer's own limit, which is the default.
        temperature (`float`, *optional*, defaults to 0.0): 0 is greedy; above it tokens are drawn, and `top_p` and `seed` count.
        stop (`list[str]`, *optional*): Texts that an answer ends before.
        n (`int`, *optional*, defaults to 1): Answers. Greedy ones are all the same.
        logprobs (`bool`, *optional*, defaults to `False`): Whether to tell each token's log-probability.
    """

    input_ids: list[int]
    pictures: list[Picture]
    max_new_tokens: int | None = None
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    stop: list[str] = field(default_factory=list)
    n: int = 1
    logprobs: bool = False


@dataclass
class Answer:
    """A sentence.

    Args:
        text (`str`): Without special tokens.
        finish_reason (`str`): `"stop"`, or `"length"` where it was cut.
        tokens (`int`): Written for it, the end-of-sequence token included.
        logprobs (`list[tuple[str, float]]`, *optional*): Of each token that shows in the text, its natural log-probability.
        confidence (`float`, *optional*): The mean of all of them, the end-of-sequence token's included; of no token there is
            none.
    """

    text: str
    finish_reason: str
    tokens: int
    logprobs: list | None = None
    confidence: float | None = None


class Answerer:
    """A model in a thread of its own.

    A step of 16 rows costs little more than a step of one, since both read all weights: so what waits when a batch ends
    makes up the next. Nothing waits for a batch to fill.

    Args:
        model ([`ModaForConditionalGeneration`]): In evaluation mode.
        processor ([`ModaProcessor`]): Its own.
        batch_size (`int`, *optional*, defaults to 16): Most questions answered at once.
        max_new_tokens (`int`, *optional*, defaults to 256): Longest answer, whatever is asked for.
        kept_pictures (`int`, *optional*, defaults to 256): Pictures whose features are kept, the last used.
    """

    def __init__(self, model, processor, batch_size=16, max_new_tokens=256, kept_pictures=256):
        self.model, self.processor = model, processor
        self.batch_size, self.max_new_tokens, self.kept_pictures = batch_size, max_new_tokens, kept_pictures
        self.batches = self.encoded = 0  # so far
        self._kept, self._lock, self._tokenizer_lock = OrderedDict(), threading.Lock(), threading.Lock()
        config = model.config.get_text_config()
        self._positions = getattr(config, "max_position_embeddings", None) or 2**31
        self._waiting, self._arrival, self._closed = deque(), threading.Condition(), False
        self._thread = threading.Thread(target=self._work, name="answerer", daemon=True)
        self._thread.start()

    def recall(self, digest):
        """Features of a picture that was seen lately, or `None`."""
        with self._lock:
            if digest in self._kept:
                self._kept.move_to_end(digest)
            return self._kept.get(digest)

    def encode(self, messages, pictures):
        """Turns messages into tokens.

        Args:
            messages (`list[dict]`): As the chat template takes them.
            pictures (`int`): How many they have.

        Returns:
            `list[int]`

        Raises:
            `ValueError`: If they leave no room for an answer.
        """
        text = self.processor.apply_chat_template(messages, tokenize=False)
        if len(text) > LONGEST_TEXT * self._positions:
            raise ValueError(
                f"The conversation's {len(text):,} characters are too many for the model's {self._positions:,} positions; "
                "leave out earlier turns."
            )
        shown = {"pixel_values": [torch.empty(pictures, 1, 1, 1)]} if pictures else {}  # only their number is looked at
        with self._tokenizer_lock:  # a fast tokenizer is one thread's at a time
            (ids,) = self.processor(text=[text], return_tensors=None, **shown)["input_ids"]
        room = self._room(ids)
        if room < 1:
            raise ValueError(
                f"The conversation takes {len(ids):,} positions of the model's {self._positions:,}; leave out earlier turns."
            )
        return ids

    def ask(self, question):
        """Lets a question wait for its turn.

        Returns:
            `concurrent.futures.Future`, of `n` [`Answer`]s; cancelled before its turn it costs nothing.

        Raises:
            `RuntimeError`: After [`~Answerer.close`].
        """
        future = Future()
        with self._arrival:
            if self._closed:
                raise RuntimeError("The server is shutting down.")
            self._waiting.append((question, future))
            self._arrival.notify()
        return future

    def close(self):
        """Answers what waits, and ends."""
        with self._arrival:
            self._closed = True
            self._arrival.notify()
        self._thread.join()

    def _room(self, ids):
        return self._positions - len(ids)

    def _work(self):
        while batch := self._next_batch():
            batch = [(question, future) for question, future in batch if future.set_running_or_notify_cancel()]
            if batch:
                self._settle(batch)

    def _settle(self, batch):
        try:
            answers = self._answer([question for question, _ in batch])
        except Exception as error:  # whose question it was is told; the thread lives on
            if len(batch) == 1:
                batch[0][1].set_exception(error)
            else:
                for one in batch:
                    self._settle([one])
            return
        for (_, future), row in zip(batch, answers, strict=True):
            future.set_result(row)

    def _next_batch(self):
        """What waits, in its order: up to a batch of greedy questions, or one whose tokens are drawn."""
        with self._arrival:
            self._arrival.wait_for(lambda: self._waiting or self._closed)
            batch = []
            while self._waiting and len(batch) < self.batch_size:
                drawn = self._waiting[0][0].temperature > 0
                if batch and drawn:
                    break
                batch.append(self._waiting.popleft())
                if drawn:
                    break
            return batch

    @torch.inference_mode()
    def _answer(self, questions):
        self.batches += 1
        features = self._features(questions)
        rooms = [self._room(question.input_ids) for question in questions]
        limits = [
            min(question.max_new_tokens or self.max_new_tokens, self.max_new_tokens, room)
            for question, room in zip(questions, rooms)
        ]
        longest = min(
            max(limits), min(rooms)
        )  # a row that has ended is read on: beyond a learned position there is none
        width = max(len(question.input_ids) for question in questions)
        pad = self.processor.tokenizer.pad_token_id
        ids = [[pad] * (width - len(question.input_ids)) + question.input_ids for question in questions]
        mask = [[0] * (width - len(question.input_ids)) + [1] * len(question.input_ids) for question in questions]
        batch = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}
        if any(map(len, features)):
            batch["image_features"] = torch.cat([row for row in features if len(row)])
        batch = {name: value.to(self.model.device) for name, value in batch.items()}
        written = self._generate(batch, longest, questions[0])[:, width:].tolist()
        if len(questions) == 1 and questions[0].temperature > 0:
            return [[self._finish(questions[0], row, limits[0], features[0]) for row in written]]
        cut = [limit > longest and not self._stops & set(row) for row, limit in zip(written, limits)]
        again = iter(self._answer([question for question, short in zip(questions, cut) if short]) if any(cut) else ())
        return [
            next(again) if short else [self._finish(question, row, limit, pictures)] * question.n
            for question, row, limit, pictures, short in zip(questions, written, limits, features, cut, strict=True)
        ]

    def _features(self, questions):
        """Of each question what the encoder says to its pictures; one that comes twice is encoded once."""
        pictures = {picture.digest: picture for question in questions for picture in question.pictures}
        for picture in pictures.values():  # it may have been encoded while this question waited
            picture.features = self.recall(picture.digest) if picture.features is None else picture.features
        new = [picture for picture in pictures.values() if picture.features is None]
        if new:
            pixels = torch.stack([picture.pixels for picture in new])
            encoded = self.model.encode_images(pixels.to(self.model.device, self.model.dtype))
            self.encoded += len(new)
            for picture, features in zip(new, encoded, strict=True):
                picture.features = features.clone()  # a view would keep the whole batch
                with self._lock:
                    self._kept[picture.digest] = picture.features
                    while len(self._kept) > self.kept_pictures:
                        self._kept.popitem(last=False)
        rows = [[pictures[picture.digest].features for picture in question.pictures] for question in questions]
        return [torch.stack(row) if row else row for row in rows]

    def _generate(self, batch, max_new_tokens, question):
        if question.temperature == 0:
            return self.model.generate(**batch, max_new_tokens=max_new_tokens, do_sample=False)
        with torch.random.fork_rng():
            torch.manual_seed(question.seed) if question.seed is not None else torch.seed()
            return self.model.generate(
                **batch,
                max_new_tokens=max_new_tokens,
                do_sample=True,
                temperature=question.temperature,
                top_p=question.top_p,
                top_k=0,
                num_return_sequences=question.n,
            )

    def _finish(self, question, written, limit, features):
        """Cuts a row where it ends: at the end-of-sequence token, at a text to stop before, or at its own limit."""
        tokens = next((place + 1 for place, token in enumerate(written) if token in self._stops), len(written))
        reason = "stop" if tokens <= limit and written[tokens - 1] in self._stops else "length"
        tokens = min(tokens, limit)
        text = self._decode(written[:tokens])
        found = [text.find(stop) for stop in question.stop if stop in text]
        if found:
            reason, text = "stop", text[: min(found)]
            tokens = next(count for count in range(tokens + 1) if self._decode(written[:count]).startswith(text))
        answer = Answer(text.strip(), reason, tokens)
        if question.logprobs:
            values = self._log_probabilities(question.input_ids, written[:tokens], features) if tokens else []
            special = set(self.processor.tokenizer.all_special_ids)
            shown = [(token, value) for token, value in zip(written, values) if token not in special]
            answer.logprobs = [(self._decode([token]), value) for token, value in shown]
            answer.confidence = sum(values) / tokens if tokens else None
        return answer

    @property
    def _stops(self):
        stops = self.model.generation_config.eos_token_id
        return set(stops if isinstance(stops, list) else [stops])

    def _decode(self, tokens):
        return self.processor.tokenizer.decode(tokens, skip_special_tokens=True)

    def _log_probabilities(self, prompt, written, features):
        """What the model gives each token of an answer, read in one pass over question and answer."""
        ids = torch.tensor([prompt + written], device=self.model.device)
        answer = torch.arange(ids.shape[1], device=ids.device)[None] >= len(prompt)
        shown = {"image_features": features} if len(features) else {}
        outputs = self.model(
            input_ids=ids, token_type_ids=answer.long(), logits_to_keep=len(written) + 1, use_cache=False, **shown
        )
        scores = outputs.logits[0, :-1].float().log_softmax(-1)
        return scores.gather(1, ids[0, len(prompt) :, None])[:, 0].tolist()
