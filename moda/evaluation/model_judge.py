"""The guide's judge: a vision-language model that sees the picture and the metadata, and says what a sentence gets right."""

import base64
import hashlib
import io
import json
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tqdm.auto import tqdm

from moda.data.wording import ATTRIBUTES
from pictures_moda import load_picture

from .five import BINARY, Verdict
from .model_verdict import parse_verdict


PROMPTS = Path(__file__).parent / "prompts"
COLUMNS = (*ATTRIBUTES, "masterCategory", "subCategory", "season", "productDisplayName")


@dataclass(frozen=True)
class Estimate:
    """What judging would cost; printed, it is a line.

    Args:
        requests (`int`): Not in the cache yet. A reminder to each unusable answer comes on top.
        cached (`int`): In the cache.
        tokens_in (`int`), tokens_out (`int`): Of all requests that are not in the cache.
        measured (`int`): On how many answers of the cache the counts of tokens rest; 0 where they are guessed.
        cost (`float`, *optional*): In the currency of the prices; `None` without prices.
    """

    requests: int
    cached: int
    tokens_in: int
    tokens_out: int
    measured: int
    cost: float | None

    def __str__(self):
        basis = f"from {self.measured:,} answers" if self.measured else "guessed: 4 letters a token"
        cost = "" if self.cost is None else f", about {self.cost:,.2f} at the prices given"
        return (
            f"{self.requests:,} requests to send, {self.cached:,} answered before; about {self.tokens_in:,} tokens in and "
            f"{self.tokens_out:,} out ({basis}){cost}."
        )


class ModelJudge:
    """Judges sentences with a model behind an endpoint, after the MODA guide ("Training Small Vision Language Models").

    The guide lets GPT-4o mini see the test pictures and score the descriptions; it does not print its prompt. Here the
    model gets the picture (JPEG, at most 512 pixels), the metadata and the sentence, and answers in JSON with what it
    found: lists, so that people can check them, which are counted here and not by the model. An answer that is not of
    this form is asked for once more, with a reminder. Attributes that the metadata lacks stay excluded, whatever it says.

    Args:
        endpoint ([`Endpoint`]): Whom to ask.
        prompt (`str`, *optional*, defaults to `"judge-v1"`):
            A prompt beside this file, by name, or the path of another: the instruction, a line `---`, the reminder.
        columns (`tuple[str]`, *optional*): Metadata that the model is shown. A column that holds the sentence's reference
            would give the answer away.

    Attributes:
        problems (`dict[int, tuple[str, str]]`): Of each row that the last [`ModelJudge.judge_all`] found no verdict for,
            the kind, and the reason in words: `"failed"` (no usable answer, or no readable picture), `"refused"`, or
            `"missing"` (the endpoint gave none; asked again, it may).
        problem (`str`, *optional*): Where answers are missing, how to go on.

    Example:

    ```python
    >>> judge = ModelJudge(Endpoint("https://api.openai.com/v1", "gpt-4o-mini", key_from="OPENAI_API_KEY"))
    >>> print(judge.estimate(sentences, rows, pictures, price_in=0.15, price_out=0.60))
    >>> verdicts = judge.judge_all(sentences, rows, pictures)
    ```
    """

    def __init__(self, endpoint, prompt="judge-v1", columns=COLUMNS):
        self.endpoint, self.columns = endpoint, columns
        file = PROMPTS / f"{prompt}.md" if re.fullmatch(r"[\w-]+", str(prompt)) else Path(prompt)
        if not file.is_file():
            raise FileNotFoundError(f"There is no prompt {file}; give a path or one of {_prompts()}.")
        text = file.read_text(encoding="utf-8")
        self.prompt, self.prompt_sha256 = file.stem, hashlib.sha256(text.encode()).hexdigest()[:12]
        parts = re.split(r"^---$", text, flags=re.MULTILINE)
        if len(parts) != 2:
            raise ValueError(f"The prompt {file} has {len(parts) - 1} lines '---'; write the reminder behind one.")
        self.instruction, self.reminder = (part.strip() for part in parts)
        self.verdicts, self.problems, self.cached, self.dates, self.problem = [], {}, 0, set(), None

    def judge_all(self, sentences, rows, pictures):
        """Judges each sentence. What goes wrong with one does not stop the others.

        Args:
            sentences (`list[str]`): One a row. An empty one is not sent: it names nothing.
            rows (`list[dict]`): Metadata.
            pictures (`Sequence`): Anything that [`load_picture`] takes, one a row.

        Returns:
            `list[Verdict | None]`: One a row; `None` where there is none, see `problems`.

        Raises:
            `ValueError`: If there are not as many sentences as rows and pictures.
            [`EndpointError`]: If the endpoint refuses the key, asks for payment or knows no such model; answers until then
            are kept.
        """
        _check_aligned(sentences, rows, pictures)
        self.problems, self.cached, self.dates, self.problem = {}, 0, set(), None
        self.verdicts = [None if sentence.strip() else _silence(row) for sentence, row in zip(sentences, rows)]
        total = sum(bool(sentence.strip()) for sentence in sentences)
        unusable = self._ask(rows, self._requests(sentences, rows, pictures), total, "Judging")
        if unusable:
            again = self._requests(sentences, rows, pictures, unusable)
            self._ask(rows, again, len(unusable), "Asking again for a verdict")
        return self.verdicts

    def estimate(
        self, sentences, rows, pictures, price_in=None, price_out=None, picture_tokens=2833, answer_tokens=120
    ):
        """Counts what is not in the cache yet, and what it would cost, without asking anything.

        Args:
            sentences, rows, pictures: As [`ModelJudge.judge_all`] takes them.
            price_in (`float`, *optional*), price_out (`float`, *optional*): Of a million tokens in, and out.
            picture_tokens (`int`, *optional*, defaults to 2833): What the model counts for a picture of 512 pixels at low
                detail: so many for GPT-4o mini, 85 for GPT-4o, a few hundred for most others. Not used where the cache
                holds answers, whose own counts are better.
            answer_tokens (`int`, *optional*, defaults to 120): Of a verdict; likewise.

        Returns:
            [`Estimate`]
        """
        _check_aligned(sentences, rows, pictures)
        known, letters, keys = [], 0, set()
        for _, request in tqdm(self._requests(sentences, rows, pictures), "Estimating", len(rows), unit="row"):
            answer, key = self.endpoint.known(request), self.endpoint.key(request)
            if answer is not None:
                known.append(answer)
            elif key not in keys:  # the same sentence of the same picture is asked once
                keys.add(key)
                letters += sum(len(part.get("text", "")) for part in request["messages"][0]["content"])
        counted = [answer for answer in known if answer.tokens_in]
        if counted:
            each_in = sum(answer.tokens_in for answer in counted) / len(counted)
            each_out = sum(answer.tokens_out for answer in counted) / len(counted)
        else:
            each_in, each_out = letters / 4 / max(len(keys), 1) + picture_tokens, answer_tokens
        tokens_in, tokens_out = round(each_in * len(keys)), round(each_out * len(keys))
        prices = None not in (price_in, price_out)
        cost = (tokens_in * price_in + tokens_out * price_out) / 1e6 if prices else None
        return Estimate(len(keys), len(known), tokens_in, tokens_out, len(counted), cost)

    def record(self):
        """Who judged, when, by which prompt, and what came of it: a `dict` for the report, without any secret."""
        kinds = Counter(kind for kind, _ in self.problems.values())
        return {
            "endpoint": self.endpoint.host,
            "model": self.endpoint.model,
            "dates": sorted(self.dates),
            "prompt": self.prompt,
            "prompt_sha256": self.prompt_sha256,
            "parameters": self.endpoint.parameters,
            "judged": sum(verdict is not None for verdict in self.verdicts),
            **{kind: kinds[kind] for kind in ("failed", "refused", "missing")},
            "cached": self.cached,
            "tokens_in": self.endpoint.counts["tokens_in"],
            "tokens_out": self.endpoint.counts["tokens_out"],
            "problem": self.problem,
        }

    def _requests(self, sentences, rows, pictures, unusable=None):
        """Yields each row that is to be asked about with its request; with the reminder, where an answer was unusable."""
        for index in range(len(rows)) if unusable is None else unusable:
            if not sentences[index].strip():
                continue
            try:
                picture = _data_url(pictures[index])
            except (ValueError, OSError) as error:
                self.problems[index] = "failed", str(error)
                continue
            metadata = {name: rows[index][name] for name in self.columns if rows[index].get(name)}
            item = json.dumps({"metadata": metadata, "sentence": sentences[index]}, ensure_ascii=False)
            content = [
                {"type": "text", "text": self.instruction},
                {"type": "image_url", "image_url": {"url": picture, "detail": "low"}},
                {"type": "text", "text": item},
            ]
            request = {"messages": [{"role": "user", "content": content}]}
            if unusable is not None:
                answer = unusable[index]
                request["messages"] += [
                    {"role": "assistant", "content": answer.text or "{"},
                    {"role": "user", "content": self.reminder},
                ]
                if answer.finish_reason == "length" and self.endpoint.parameters.get("max_tokens"):
                    request["max_tokens"] = 2 * self.endpoint.parameters["max_tokens"]
            yield index, request

    def _ask(self, rows, requests, total, title):
        """Asks, and notes verdicts and problems; returns the answers that may be better when asked for again."""
        asked, unusable = [], {}

        def sent():
            for index, request in requests:
                asked.append(index)
                yield request

        for place, answer in enumerate(self.endpoint.ask_all(sent(), total, title)):
            index = asked[place]
            self.cached += answer.cached
            self.problems.pop(index, None)
            if answer.error:
                self.problems[index] = "missing", answer.error
                continue
            self.dates.add(answer.date)
            try:
                self.verdicts[index] = parse_verdict(answer.text, rows[index])
            except ValueError as error:
                kind = "refused" if answer.refused else "failed"
                self.problems[index] = kind, f"{error} It began: {answer.text[:80]!r}"
                if not answer.refused:
                    unusable[index] = answer
        self.problem = self.endpoint.problem or self.problem
        return unusable


def _silence(row):
    """The verdict on an empty sentence."""
    binary = {name: False if row.get(column) else None for name, column in BINARY.items()}
    return Verdict(colours=1 if row.get("baseColour") else 0, **binary, wrong=["says nothing"])


def _data_url(source):
    picture = load_picture(source)
    picture.thumbnail((512, 512))
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=90)
    return "data:image/jpeg;base64," + base64.b64encode(file.getvalue()).decode()


def _check_aligned(sentences, rows, pictures):
    if not len(sentences) == len(rows) == len(pictures):
        raise ValueError(
            f"There are {len(sentences)} sentences and {len(pictures)} pictures for {len(rows)} rows; give one of each."
        )


def _prompts():
    return ", ".join(sorted(file.stem for file in PROMPTS.glob("*.md")))
