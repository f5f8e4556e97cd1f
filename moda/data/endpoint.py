"""Asks a language model behind an OpenAI-compatible endpoint: in parallel, again where it fails, and never twice for one answer."""

import hashlib
import json
import os
import random
import re
import threading
from collections import Counter, deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError, HTTPError, OfflineModeIsEnabled
from tqdm.auto import tqdm

from .answer_cache import Answer, AnswerCache
from .pace import Pace, seconds_of
from .store import CACHE


RETRIED = {408, 409, 425, 429, 500, 502, 503, 504, 529}
HOPELESS = {  # what no other request can change
    401: "refuses the key (set the environment variable {key_from} to a valid one)",
    402: "asks for payment (add credit there)",
    403: "does not let this key in (set the environment variable {key_from} to one that may use the model)",
    404: "knows no such model or path (check the URL and the model's name)",
}
SHORTEST_KEY = 16  # letters
# Providers repeat in part the keys that they refuse.
LIKE_A_KEY = re.compile(r"\b(?:sk|hf|gsk|key)[-_][\w*-]{6,}")
BACKOFF = 1.0  # seconds before the first retry; doubled each time
LONGEST_WAIT = 120.0  # seconds; an endpoint that asks for more counts as failed
GIVE_UP_AFTER = 8  # requests in a row, each with its retries
AHEAD = 4  # requests prepared for each that may be on its way


class EndpointError(RuntimeError):
    """An endpoint that no retry can help: a wrong key, no credit, no such model."""


class Endpoint:
    """A model behind an OpenAI-compatible endpoint, through [`huggingface_hub.InferenceClient`].

    What was answered is kept in a file that only grows, a line an answer, on disk before it is returned. A run that was
    killed, and a second run at the same time, find it there; to be answered anew, delete it. The key is in none of the
    files, messages and errors.

    Args:
        url (`str`): Such as `http://localhost:8000/v1`; `/chat/completions` is put behind it.
        model (`str`): What the endpoint calls it.
        key_from (`str`, *optional*, defaults to `"MODA_API_KEY"`):
            Environment variable that holds the key. Where it is not set none is sent: the Hub's own token never is, unless
            `HF_TOKEN` is named here.
        parallel (`int`, *optional*, defaults to 8): Requests on their way at once.
        requests_per_minute (`float`, *optional*): Most requests in a minute, retries included, evenly spread.
        retries (`int`, *optional*, defaults to 5): How often a failed request is sent again: after 1, 2, 4, … seconds, ± 50 %,
            or when `Retry-After` says.
        timeout (`float`, *optional*, defaults to 60): Seconds to wait for an answer.
        cache (`str` or `Path`, *optional*, defaults to `~/.cache/moda/answers`, or below `$MODA_CACHE`):
            A `.jsonl` file, or a folder for one file a model.
        revision (`str`, *optional*): Of the model: what another one answered is none of its answers.
        parameters: Of every request, beside `temperature=0`, `seed=0` and `max_tokens=500`; `None` leaves one out.

    Attributes:
        counts (`Counter`): `asked` (answered just now), `cached`, `retried`, `failed`, `refused`; `tokens_in`, `tokens_out`
            paid just now.
        problem (`str`, *optional*): After [`Endpoint.ask_all`]: what is missing, why, and how to go on.

    Raises:
        `ValueError`: If the URL is none or holds a password, the key can't be one, or a number is too small.
        `OSError`: If the cache can't be written.

    Example:

    ```python
    >>> endpoint = Endpoint("http://localhost:8000/v1", "my-model")
    >>> [answer] = endpoint.ask_all([{"messages": [{"role": "user", "content": "What goes with red shoes?"}]}])
    ```
    """

    def __init__(
        self,
        url,
        model,
        key_from="MODA_API_KEY",
        parallel=8,
        requests_per_minute=None,
        retries=5,
        timeout=60.0,
        cache=CACHE / "answers",
        revision=None,
        **parameters,
    ):
        place = urlsplit(url)
        if place.scheme not in ("http", "https") or not place.hostname:
            shown = url.rpartition("@")[2]  # a password may stand before it
            raise ValueError(f"The endpoint's URL is {shown!r}; give one like http://localhost:8000/v1.")
        if place.username or place.password or place.query:
            raise ValueError(
                f"The URL of {place.hostname} holds a user, a password or a query; put the key into {key_from} instead."
            )
        if parallel < 1 or retries < 0 or requests_per_minute is not None and requests_per_minute <= 0:
            raise ValueError(
                f"parallel is {parallel}, retries {retries}, requests_per_minute {requests_per_minute}; give at least 1, 0 "
                "and more than 0."
            )
        self._key = os.environ.get(key_from, "").strip()
        if not re.fullmatch(r"[!-~]*", self._key):  # the HTTP library would print what it can't send
            raise ValueError(f"{key_from} holds white space or letters that no key has; copy the key again.")
        self.url, self.host, self.model, self.key_from = url.rstrip("/"), place.netloc, model, key_from
        self.parallel, self.retries, self.revision = parallel, retries, revision
        self.parameters = {"temperature": 0.0, "seed": 0, "max_tokens": 500, **parameters}
        # Given no key at all, the client would send the Hub's token to this host.
        self._client = InferenceClient(base_url=url, api_key=self._key or "none", timeout=timeout)
        self._pace = Pace(60 / requests_per_minute if requests_per_minute else 0.0)
        cache = Path(cache).expanduser()
        self.cache = cache if cache.suffix == ".jsonl" else cache / (re.sub(r"[^\w.-]+", "-", model) + ".jsonl")
        self._answers = AnswerCache(self.cache)
        self.counts, self.problem = Counter(), None
        self._lock, self._failed_in_a_row, self._last_trouble = threading.Lock(), 0, None

    def key(self, request):
        """Digest of all that the answer to a request depends on; the cache's key."""
        depends_on = [self.url, self.model, {**self.parameters, **request}, *filter(None, [self.revision])]
        return hashlib.sha256(json.dumps(depends_on, sort_keys=True).encode()).hexdigest()

    def known(self, request):
        """The answer that the cache holds, or `None`."""
        return self._answers.get(self.key(request))

    def ask_all(self, requests, total=None, title="Asking"):
        """Asks all that is not in the cache. A progress bar says how far it is and how long it takes.

        Args:
            requests (`Iterable[dict]`): Arguments of `InferenceClient.chat_completion`: `messages`, and parameters that
                differ from the endpoint's own. They are taken as they are needed.
            total (`int`, *optional*): How many; defaults to their length, where they have one.
            title (`str`, *optional*): Of the progress bar.

        Yields:
            [`Answer`]: In the order of the requests. After 8 requests in a row have failed no further one is sent: the
            rest are answered from the cache or have an `error`, and `problem` says how to go on.

        Raises:
            [`EndpointError`]: If the endpoint refuses the key, asks for payment or knows no such model.
        """
        stop, running, waiting = threading.Event(), {}, deque()
        total = len(requests) if total is None and hasattr(requests, "__len__") else total
        self.problem, self._failed_in_a_row, missing, done = None, 0, 0, 0
        pool = ThreadPoolExecutor(self.parallel)
        bar = self._bar = tqdm(total=total, desc=title, unit="request")

        def finish():
            nonlocal missing, done
            key, future, again = waiting.popleft()
            answer = future.result()
            running.pop(key, None)
            answer = replace(answer, cached=True) if again and not answer.error else answer
            missing += bool(answer.error)
            self.counts["cached"] += answer.cached
            self.counts["refused"] += answer.refused
            done += 1
            bar.update()
            return answer

        try:
            for request in requests:
                key = self.key(request)
                again = key in running
                if not again:
                    running[key] = self._start(pool, request, key, stop)
                waiting.append((key, running[key], again))
                while waiting and (waiting[0][1].done() or len(waiting) >= AHEAD * self.parallel):
                    yield finish()
            while waiting:
                yield finish()
        finally:
            stop.set()
            pool.shutdown(cancel_futures=True)  # what is on its way is paid for: it is waited for, and kept
            bar.close()
        if missing:
            self.problem = (
                f"{self.host} left {missing:,} of {done:,} requests without an answer (the last: {self._last_trouble}); "
                f"the others are kept in {self.cache}, so run the same again to ask only for the rest."
            )

    def _start(self, pool, request, key, stop):
        known = self._answers.get(key)
        if known is None:
            return pool.submit(self._ask, request, key, stop)
        future = Future()
        future.set_result(known)
        return future

    def _ask(self, request, key, stop):
        for attempt in range(self.retries + 1):
            self._pace.wait(stop)
            if stop.is_set():
                return Answer(error="not asked, since the endpoint does not answer")
            known = self._answers.get(key)  # another process may have asked meanwhile
            if known is not None:
                return known
            try:
                reply = self._client.chat_completion(model=self.model, **{**self.parameters, **request})
                answer = self._read(reply)
                break
            except (OSError, HTTPError, ValueError) as error:  # whichever HTTP library huggingface_hub is built on
                if _filtered(error):
                    answer = Answer(finish_reason="content_filter", date=_today())
                    break
                trouble, wait = self._diagnose(error, attempt, stop)
            if wait is None or attempt == self.retries:
                with self._lock:
                    self.counts["failed"] += 1
                    self._failed_in_a_row += 1
                    self._last_trouble = trouble
                    if self._failed_in_a_row >= GIVE_UP_AFTER:
                        stop.set()
                return Answer(error=trouble)
            with self._lock:
                self.counts["retried"] += 1
                self._bar.set_postfix_str(f"{self.counts['retried']} retried, the last: {trouble[:40]}")
            stop.wait(wait)
        self._answers.add(key, self.model, answer)
        with self._lock:
            self._failed_in_a_row = 0
            self.counts.update(asked=1, tokens_in=answer.tokens_in, tokens_out=answer.tokens_out)
        return answer

    def _diagnose(self, error, attempt, stop):
        """What went wrong, in words, and how long to wait before trying again; `None` where that is of no use."""
        backoff = BACKOFF * 2**attempt * random.uniform(0.5, 1.5)
        if isinstance(error, OfflineModeIsEnabled):
            stop.set()
            raise EndpointError(
                f"HF_HUB_OFFLINE keeps {self.host} from being asked; unset it for this command."
            ) from None
        if not isinstance(error, HfHubHTTPError):
            if isinstance(error, ValueError):
                return "what it sent is no chat completion", backoff
            late = isinstance(error, TimeoutError) or "Timeout" in type(error).__name__
            return "no answer in time" if late else f"no connection ({type(error).__name__})", backoff
        status, said = error.response.status_code, LIKE_A_KEY.sub("***", self._without_key(error.response.text))
        trouble = f"HTTP {status}: {' '.join(said.split())[:200]}"
        if status in HOPELESS or "insufficient_quota" in said:  # OpenAI's 429 of an account without credit
            stop.set()
            reason = HOPELESS.get(status, HOPELESS[402]).format(key_from=self.key_from)
            raise EndpointError(f"{self.host} {reason}: it answered {trouble}") from None
        if status not in RETRIED:
            return trouble, None
        wait = seconds_of(error.response.headers.get("Retry-After")) or 0.0
        self._pace.pause(min(wait, LONGEST_WAIT))
        return trouble, max(wait, backoff) if wait <= LONGEST_WAIT else None

    def _read(self, reply):
        try:
            choice, usage = reply.choices[0], reply.usage
            said, refusal = choice.message.content, choice.message.get("refusal")
            if isinstance(said, list):  # parts, as some servers answer in
                said = "".join(part.get("text") or "" for part in said)
            return Answer(
                text=self._cleaned("".join(said or refusal or "")),
                finish_reason="content_filter" if refusal and not said else choice.finish_reason,
                date=_today(),
                tokens_in=usage.prompt_tokens or 0 if usage else 0,
                tokens_out=usage.completion_tokens or 0 if usage else 0,
            )
        except (AttributeError, TypeError, LookupError) as error:
            raise ValueError("a reply without a message") from error

    def _cleaned(self, text):
        """Without halves of characters, which no request and no file could hold, and without a real key; `blue` is none."""
        text = text.encode("utf-8", "replace").decode()
        return self._without_key(text) if len(self._key) >= SHORTEST_KEY else text

    def _without_key(self, text):
        return text.replace(self._key, "***") if self._key else text


def _filtered(error):
    """Whether a filter in front of the model declined, as Azure and OpenAI say it."""
    if not isinstance(error, HfHubHTTPError) or error.response.status_code != 400:
        return False
    return any(code in error.response.text for code in ("content_filter", "content_policy_violation"))


def _today():
    return f"{datetime.now(UTC):%Y-%m-%d}"
