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
from huggingface_hub import ModelCard, hf_hub_download
from huggingface_hub.errors import HfHubHTTPError, HTTPError
from jinja2 import TemplateError
from tqdm.auto import tqdm
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForImageTextToText, AutoProcessor
from transformers.models.auto import modeling_auto
from yaml import YAMLError

from moda.data.answer_cache import Answer, AnswerCache
from moda.data.machine import cpu_computes_bfloat16
from moda.data.store import CACHE

from .chat import Chat, Question
from .weights import adapter_folder, digest_of


# The main branch of this one holds remote code; what transformers opens by itself is in a pull request.
KNOWN = {"microsoft/Phi-4-multimodal-instruct": {"adapter": "vision-lora", "revision": "refs/pr/70"}}
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
    they are returned, in a file that only grows. A run that was killed, and a second run, find them there.

    Args:
        model (`PreTrainedModel`), processor (`ProcessorMixin` or `PreTrainedTokenizerBase`): See [`Chat`].
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
        model,
        processor,
        name,
        revision,
        adapter=None,
        batch_size=None,
        max_new_tokens=300,
        cache=CACHE / "answers",
    ):
        self.batch_size = (4 if model.device.type == "cpu" else 16) if batch_size is None else batch_size
        if self.batch_size < 1 or max_new_tokens < 1:
            raise ValueError(f"batch_size is {batch_size}, max_new_tokens {max_new_tokens}; give at least 1.")
        self.name, self.chat = name, Chat(model, processor, name, max_new_tokens)
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
            return Waiting(key, answer=Answer(error=_one_line(error)))

    def _ask(self, batch):
        """Answers a batch; one that fails is asked in halves, down to the request that is the reason."""
        if not batch:
            return
        try:
            answers, failure = self.chat.answer([waiting.question for waiting in batch]), None
        except FAILURES as error:
            failure, scarce = _one_line(error), isinstance(error, MemoryError) or should_reduce_batch_size(error)
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
    """Loads a model of transformers to ask. It runs on the GPU if there is one.

    There it has the precision of its weights; on a CPU bfloat16 where the processor computes it, else float32.

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
    known = KNOWN.get(name, {})
    adapter, revision = adapter or known.get("adapter"), revision or known.get("revision")
    device = PartialState().device
    dtype = "auto" if device.type != "cpu" else torch.bfloat16 if cpu_computes_bfloat16() else torch.float32
    try:
        if not os.path.isdir(name):  # the commit that the branch is at now, for all that is fetched
            revision = Path(hf_hub_download(name, "config.json", revision=revision)).parent.name
        hub = {"revision": revision, "trust_remote_code": trust_remote_code}
        config = AutoConfig.from_pretrained(name, **hub)
        processor = AutoProcessor.from_pretrained(name, **hub)  # before gigabytes are fetched and read
        auto = _auto_class(config)
        folders = [adapter_folder(name, adapter, revision)] if adapter else []
        model = auto.from_pretrained(name, dtype=dtype, use_safetensors=True, **hub)
        if adapter:
            model.load_adapter(str(folders[0]), adapter_name="annotator")
            model.set_adapter("annotator")
    except (OSError, ValueError, ImportError, HfHubHTTPError, HTTPError) as error:
        raise ValueError(f"{name} can't annotate here ({_reason(error)}); {_way_out(error)}.") from error
    if os.path.isdir(name):
        name, version = Path(name).resolve().name, digest_of(name, *folders)
    else:
        version = f"{revision}+{digest_of(folders[0])}" if adapter and "/" in adapter else revision
    adapter = adapter and adapter.rstrip("/").rpartition("/")[2]
    return LocalModel(model.to(device), processor, name, version, adapter, **options)


def read_licence(model):
    """The licence that a model's card states, such as `"mit"`.

    Args:
        model (`str`): Folder, or id on the Hub.

    Returns:
        `str`, *optional*: `None` where no card can be read, or it does not say.
    """
    try:
        card = (
            Path(model) / "README.md" if os.path.isdir(model) else hf_hub_download(model, "README.md", etag_timeout=5)
        )
        licence = ModelCard.load(card).data.license
    except (OSError, ValueError, HfHubHTTPError, HTTPError, YAMLError):
        return None
    return licence if isinstance(licence, str) else None


def _auto_class(config):
    own = getattr(config, "auto_map", None) or {}
    for auto, names in (
        (AutoModelForImageTextToText, modeling_auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES),
        (AutoModelForCausalLM, modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES),
    ):
        if config.model_type in names or auto.__name__ in own:
            return auto
    raise ValueError(f"a model of type {config.model_type!r} writes no answers")


def _reason(error):
    return "its processor needs torchvision" if "orchvision" in str(error) else _one_line(error)


def _way_out(error):
    if "orchvision" in str(error):
        return "pip install torchvision, ask it behind an endpoint, or give another model"
    if "peft" in str(error).lower():
        return "pip install peft for its adapter, or give another model"
    return "give a folder or an id that holds a model that chats, such as microsoft/Phi-3-mini-4k-instruct"


def _one_line(error):
    lines = str(error).strip().split("\n")
    return lines[0].rstrip(".") or type(error).__name__
