"""Asks a model of transformers on this machine, as an endpoint is asked: in order, in batches, and never twice for one answer."""

import hashlib
import json
import os
import re
from collections import Counter, deque
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from accelerate import PartialState
from accelerate.utils import release_memory
from accelerate.utils.memory import should_reduce_batch_size
from huggingface_hub import hf_hub_download
from jinja2 import TemplateError
from tqdm.auto import tqdm
from transformers import AutoConfig, AutoProcessor
from transformers.utils import is_peft_available

from moda.data.answer_cache import Answer, AnswerCache
from moda.data.machine import cpu_computes_bfloat16
from moda.data.store import CACHE

from .chat import Chat, Question
from .weights import KNOWN, adapter_folder, auto_class, digest_of, one_line, opening


AHEAD = 8  # batches of requests that may wait for one that is asked
FAILURES = (ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, MemoryError, OSError, TemplateError)


@dataclass
class Waiting:
    """A request on its way: with its question until there is an answer."""

    key: str
    question: Question | None = None
    answer: Answer | None = None


class LocalModel:
    """A vision-language or an instruct model of transformers, with the interface of [`~moda.data.endpoint.Endpoint`].

    It answers greedily. Neighbouring requests with as many pictures are answered at once; whose answers are on disk before
    they are returned, in a file that only grows. A run that was killed, and a second run, find them there; where all are
    there, the weights are never loaded.

    Args:
        load (`Callable[[], PreTrainedModel]`), processor (`ProcessorMixin` or `PreTrainedTokenizerBase`): See [`Chat`].
        name (`str`): What to call the model.
        revision (`str`): Which weights of that name; part of the cache's key. [`load_local`] finds it.
        adapter (`str`, *optional*): The adapter that is on.
        batch_size (`int`, *optional*): Requests at once. Defaults to 4 on a CPU, 16 elsewhere; halved where memory runs out.
        max_new_tokens (`int`, *optional*, defaults to 300): Longest answer; a request may have its own `max_tokens`.
        cache (`str` or `Path`, *optional*, defaults to `~/.cache/moda/answers`, or below `$MODA_CACHE`):
            A `.jsonl` file, or a folder for one file a model.

    Attributes:
        counts (`Counter`): `asked` (answered just now), `cached`, `failed`, `refused`; `tokens_in`, `tokens_out` of just now.
        problem (`str`, *optional*): After [`LocalModel.ask_all`]: what is missing, why, and how to go on.
        notes (`list[str]`): What was changed on the way.
        identity (`dict`): `kind`, `model`, `revision`, `adapter`, `parameters`: all, beside the request, that decides on an
            answer. The precision is not among it, nor any path.

    Raises:
        `ValueError`: If the model can't be asked, see [`Chat`], or a number is too small.
        `OSError`: If the cache can't be written.

    Example:

    ```python
    >>> model = load_local("microsoft/Phi-3-mini-4k-instruct")
    >>> [answer] = model.ask_all([{"messages": [{"role": "user", "content": "What goes with red shoes?"}]}])
    ```
    """

    def __init__(
        self,
        load,
        processor,
        name,
        revision,
        adapter=None,
        batch_size=None,
        max_new_tokens=300,
        cache=CACHE / "answers",
    ):
        self.batch_size = (4 if PartialState().device.type == "cpu" else 16) if batch_size is None else batch_size
        if self.batch_size < 1 or max_new_tokens < 1:
            raise ValueError(f"batch_size is {batch_size}, max_new_tokens {max_new_tokens}; give at least 1.")
        self.name, self.chat = name, Chat(load, processor, name, max_new_tokens)
        self.identity = {
            "kind": "local",
            "model": name,
            "revision": revision,
            "adapter": adapter,
            "parameters": {"max_new_tokens": max_new_tokens, "do_sample": False},
        }
        cache = Path(cache).expanduser()
        self.cache = cache if cache.suffix == ".jsonl" else cache / (re.sub(r"[^\w.-]+", "-", name) + ".jsonl")
        self._answers = AnswerCache(self.cache)
        self.counts, self.problem, self.notes = Counter(), None, []

    def key(self, request):
        """Digest of all that the answer to a request depends on; the cache's key."""
        return hashlib.sha256(json.dumps([self.identity, request], sort_keys=True).encode()).hexdigest()

    def known(self, request):
        """The answer that the cache holds, or `None`."""
        return self._answers.get(self.key(request))

    def ask_all(self, requests, total=None, title="Asking"):
        """Asks all that is not in the cache. A progress bar says how far it is and how long it takes.

        Args:
            requests (`Iterable[dict]`): See [`Chat.read`]. They are taken as they are needed.
            total (`int`, *optional*): How many; defaults to their length, where they have one.
            title (`str`, *optional*): Of the progress bar.

        Yields:
            [`Answer`]: In the order of the requests. One that can't be answered (a broken picture, a prompt longer than the
            model's context) has an `error`, and the rest goes on.

        Raises:
            `ValueError`: If the weights can't be loaded.
        """
        total = len(requests) if total is None and hasattr(requests, "__len__") else total
        self.problem, done, missing, trouble = None, 0, 0, None
        with tqdm(total=total, desc=title, unit="request") as bar:
            for answer in self._answer_in_order(requests):
                self.counts.update(cached=answer.cached, failed=bool(answer.error), refused=answer.refused)
                done, missing, trouble = done + 1, missing + bool(answer.error), answer.error or trouble
                bar.update()
                yield answer
        if missing:
            self.problem = (
                f"{self.name} left {missing:,} of {done:,} requests without an answer (the last: {trouble}); the others are "
                f"kept in {self.cache}, so mend these and run the same again."
            )

    def _answer_in_order(self, requests):
        line, batch, running = deque(), [], {}

        def ask():
            self._ask(batch)
            batch.clear()
            running.clear()

        def finished():
            while line and line[0][0].answer:
                waiting, again = line.popleft()
                yield replace(waiting.answer, cached=True) if again and not waiting.answer.error else waiting.answer

        for request in requests:
            key = self.key(request)
            again = key in running
            waiting = running[key] if again else self._read(request, key)
            if waiting.question and not again:
                if batch and batch[0].question.kind != waiting.question.kind:
                    ask()
                batch.append(waiting)
                running[key] = waiting
            line.append((waiting, again))
            if len(batch) >= self.batch_size or len(line) >= AHEAD * self.batch_size:
                ask()
            yield from finished()
        ask()
        yield from finished()

    def _read(self, request, key):
        answer = self._answers.get(key)
        if answer:
            return Waiting(key, answer=answer)
        try:
            return Waiting(key, self.chat.read(request))
        except FAILURES as error:
            return Waiting(key, answer=Answer(error=one_line(error)))

    def _ask(self, batch):
        """Answers a batch; one that fails is asked in halves, down to the request that is the reason."""
        if not batch:
            return
        _ = self.chat.model  # loaded here, since what can't be is no fault of a request
        try:
            answers, failure = self.chat.answer([waiting.question for waiting in batch]), None
        except FAILURES as error:
            failure, scarce = one_line(error), isinstance(error, MemoryError) or should_reduce_batch_size(error)
        if failure is None:
            for waiting, answer in zip(batch, answers):
                self._answers.add(waiting.key, self.name, answer)
                self.counts.update(asked=1, tokens_in=answer.tokens_in, tokens_out=answer.tokens_out)
                waiting.answer = answer
            return
        half = len(batch) // 2
        if scarce:
            release_memory()  # here, where the error no longer holds the batch
            if 0 < half < self.batch_size:
                self.batch_size = half
                self.notes.append(
                    f"Memory ran out at {len(batch)} requests at once; {half} are asked at once from there on."
                )
                tqdm.write(self.notes[-1])
        if half:
            self._ask(batch[:half])
            self._ask(batch[half:])
        else:
            batch[0].answer = Answer(error=failure)


def load_local(name, adapter=None, revision=None, trust_remote_code=False, **options):
    """Opens a model of transformers to ask. Its weights are fetched and loaded with the first question that is new.

    It runs on the GPU if there is one, with the precision of its weights; else in bfloat16 where the processor computes it,
    and in float32 where it does not.

    Args:
        name (`str`): Folder or id of a vision-language model that chats, or of an instruct model, in safetensors.
        adapter (`str`, *optional*): PEFT adapter to turn on: a folder within the model's, such as `vision-lora`, or, where
            there is a `/` in it, a folder or an id by itself. Phi-4-multimodal gets its own by itself.
        revision (`str`, *optional*): Branch, tag or commit of the model on the Hub. Defaults to the main branch; of
            Phi-4-multimodal to the one that transformers opens without remote code.
        trust_remote_code (`bool`, *optional*, defaults to `False`): Whether to run code from the folder or repository.
        options: `batch_size`, `max_new_tokens` and `cache` of [`LocalModel`].

    Returns:
        [`LocalModel`]

    Raises:
        `ValueError`: If there is no such model, it can't be asked, or it needs a package that is not there.
    """
    known, is_folder = KNOWN.get(name, {}), os.path.isdir(name)
    adapter, revision = adapter or known.get("adapter"), revision or known.get("revision")
    own = adapter and "/" not in adapter
    with opening(name):
        if not is_folder:  # the commit that the branch is at now, for all that is fetched
            revision = Path(hf_hub_download(name, "config.json", revision=revision)).parent.name
        hub = {"revision": revision, "trust_remote_code": trust_remote_code}
        auto = auto_class(AutoConfig.from_pretrained(name, **hub))
        commits, folders = ([], [name]) if is_folder else ([revision], [])
        of_adapter = revision if own else None
        if adapter:
            folder = adapter_folder(name, adapter, of_adapter, weights=False)
            if os.path.isdir(name if own else adapter):
                folders.append(folder)
            elif not own:
                of_adapter = folder.name
                commits.append(of_adapter)
            if not is_peft_available():
                raise ImportError("its adapter needs peft")
        processor = AutoProcessor.from_pretrained(name, **hub)
        if is_folder and not list(Path(name).glob("*.safetensors")):
            raise ValueError("there are no safetensors in it")
        version = "+".join(commits + [digest_of(*folders)] * bool(folders))

    def load():
        device = PartialState().device
        dtype = "auto" if device.type != "cpu" else torch.bfloat16 if cpu_computes_bfloat16() else torch.float32
        with opening(name):
            folder = adapter and adapter_folder(name, adapter, of_adapter)
            model = auto.from_pretrained(name, dtype=dtype, use_safetensors=True, **hub)
            if folder:
                model.load_adapter(str(folder), adapter_name="annotator")
                model.set_adapter("annotator")
            return model.to(device)

    called = Path(name).resolve().name if is_folder else name
    short = adapter and adapter.rstrip("/").rpartition("/")[2]
    return LocalModel(load, processor, called, version, short, **options)
