"""Answers of a language model, kept on disk so that none is asked and paid for twice."""

import json
import os
import re
import threading
from contextlib import suppress
from dataclasses import asdict, dataclass

from filelock import FileLock


REFUSAL = re.compile(
    r"\W*(i['’]?m (sorry|unable|not able)|i am (sorry|unable|not able)|i (can['’]?t|cannot|can not|won['’]?t|will not)\b"
    r"|sorry\b|as an ai\b|unfortunately, i\b)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Answer:
    """What came of one request.

    Args:
        text (`str`): What the model said.
        finish_reason (`str`, *optional*): Why it ended: `"stop"`, `"length"`, `"content_filter"`, …
        date (`str`): Day of the answer, in UTC.
        tokens_in (`int`), tokens_out (`int`): As the endpoint counts them; 0 where it does not say.
        cached (`bool`): Whether it was known before.
        error (`str`, *optional*): Why there is no answer; the other fields mean nothing then.
    """

    text: str = ""
    finish_reason: str | None = None
    date: str = ""
    tokens_in: int = 0
    tokens_out: int = 0
    cached: bool = False
    error: str | None = None

    @property
    def refused(self):
        """Whether the model, or a filter in front of it, declined: by the reason given, by silence or by its words."""
        if self.error or self.finish_reason == "length" and not self.text.strip():
            return False
        return self.finish_reason == "content_filter" or not self.text.strip() or bool(REFUSAL.match(self.text))


class AnswerCache:
    """A file of one JSON object a line, which several threads and processes may write and none ever rewrites.

    Args:
        file (`Path`): Made where there is none.

    Raises:
        `OSError`: If it can't be written.
    """

    def __init__(self, file):
        self.file, self.known, self.end = file, {}, 0
        self.lock, self.file_lock = threading.Lock(), FileLock(f"{file}.lock")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            open(file, "ab").close()
        except OSError as error:
            raise OSError(f"The cache of answers {file} can't be written ({error.strerror}); choose another.") from None

    def get(self, key):
        """The [`Answer`] kept under a key, by whichever process, or `None`."""
        with self.lock:
            if self.file.stat().st_size > self.end:
                with open(self.file, "rb") as file:
                    file.seek(self.end)
                    new = file.read()
                new = new[: new.rfind(b"\n") + 1]  # the last line may be half written
                self.end += len(new)
                for line in new.splitlines():
                    with suppress(ValueError, KeyError, TypeError):  # one that a killed process left behind
                        fields = json.loads(line)
                        self.known[fields["key"]] = Answer(**fields["answer"], cached=True)
            return self.known.get(key)

    def add(self, key, model, answer):
        """Keeps an answer; it is on disk when this returns."""
        kept = {name: value for name, value in asdict(answer).items() if name not in ("cached", "error")}
        line = json.dumps({"key": key, "model": model, "answer": kept}).encode() + b"\n"
        with self.lock, self.file_lock, open(self.file, "r+b") as file:
            if file.seek(0, os.SEEK_END):
                file.seek(-1, os.SEEK_END)
                line = line if file.read(1) == b"\n" else b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
