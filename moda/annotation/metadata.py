"""The annotator that needs no model: it describes products from their metadata alone."""

import hashlib
import json
import random
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

from tqdm.auto import tqdm

from moda.data import words
from moda.data.answer_cache import Answer
from moda.data.wording import ATTRIBUTES, DRAWN_TEMPLATES, TEMPLATES


CODE = (Path(__file__).parents[1] / "data", Path(__file__))  # the tables, what reads them, and this
PATTERNS = range(DRAWN_TEMPLATES, len(TEMPLATES))
DRAFT = {"gender": "gender", "category": "articleType", "colour": "baseColour", "usage": "usage"}


class MetadataAnnotator:
    """Writes factual sentences from metadata, where other annotators look at pictures; for trials, and as a baseline.

    It stands in for both models of the MODA guide ("Training Small Vision Language Models"): for a record without a draft it
    answers with one, for a record with a draft with a refined description, both as JSON. The sentence is the same, since
    metadata is all that it knows: kind, colour, pattern, for whom and for what. A value that is missing or that the wording
    does not hold is not said. Where `articleType` is missing, a broader category is said that tells a kind, as "Bags" does;
    where there is none, the answer is empty, with the `finish_reason` `"nothing_to_say"`.

    Args:
        wording ([`~moda.data.wording.Wording`]): The words of the catalogue.
        seed (`int`, *optional*, defaults to 0): Draws each record's sentence pattern, by the record's id: what other records
            there are changes nothing.

    Attributes:
        identity (`dict`): `kind`, `model`, `revision` (a digest of the catalogue's values, the tables of words and patterns,
            and the code that reads them), `parameters` (the seed) and `licence`, which is `None`, since no model's terms
            bind the sentences.
        counts (`Counter`): `asked`, and `silent`, those with nothing to say.
        problem: `None`; nothing keeps it from answering.

    Example:

    ```python
    >>> writer = MetadataAnnotator(Wording())
    >>> record = {"id": "7", "metadata": {"articleType": "Jeans", "baseColour": "Navy Blue", "gender": "Men"}}
    >>> writer.draft(record)["description"]
    "A pair of men's navy blue jeans."
    ```
    """

    def __init__(self, wording, seed=0):
        self.wording, self.seed = wording, seed
        self.identity = {
            "kind": "metadata",
            "model": "metadata",
            "revision": _revision(wording),
            "parameters": {"seed": seed},
            "licence": None,
        }
        self.counts, self.problem = Counter(), None

    def draft(self, record):
        """Describes a product.

        Args:
            record (`dict`): With `id` and `metadata`.

        Returns:
            `dict[str, str | None]`: `description`, and `gender`, `category`, `colour` and `usage` as the metadata call them;
            or `None`, where the metadata do not say what it is.
        """
        known = {name: value for name, value in record["metadata"].items() if self._holds(name, value)}
        kind = self.wording.kind(known)
        if kind is None:
            return None
        said = self.wording.write(known, random.Random(f"{self.seed}-{record['id']}").choice(PATTERNS))
        draft = {name: known.get(column) for name, column in DRAFT.items()}
        return {"description": said, **draft, "category": kind}

    def known(self, request):
        """`None`, as whoever has no cache of answers says: it writes faster than one is read."""
        return None

    def _holds(self, name, value):
        if not value or value.lower() in words.UNKNOWN:
            return False
        if name in ATTRIBUTES:
            held = {"articleType": self.wording.articles, "gender": self.wording.genders, **self.wording.words}
            return value in held[name]
        return True

    def ask_all(self, requests, total=None, title="Writing"):
        """Answers requests, each `{"record": record}`.

        Args:
            requests (`Iterable[dict]`): They are taken as they are needed.
            total (`int`, *optional*): How many; defaults to their length, where they have one.
            title (`str`, *optional*): Of the progress bar.

        Yields:
            [`Answer`]: In the order of the requests.
        """
        today = f"{datetime.now(UTC):%Y-%m-%d}"
        for request in tqdm(requests, desc=title, total=total, unit="row"):
            record = request["record"]
            draft = self.draft(record)
            self.counts["asked"] += 1
            if draft is None:
                self.counts["silent"] += 1
                yield Answer(finish_reason="nothing_to_say", date=today)
                continue
            said = {"description": draft["description"]} if "draft" in record else draft
            yield Answer(text=json.dumps(said, ensure_ascii=False), finish_reason="stop", date=today)


def _revision(wording):
    """Digest of all that the sentences are made of: the code with its tables and patterns, and the catalogue's values."""
    digest = hashlib.sha256(json.dumps(wording.lexicon.values, sort_keys=True).encode())
    for place in CODE:
        for file in sorted(place.glob("*.py")) or [place]:
            digest.update(f"{file.name} ".encode() + file.read_bytes())
    return digest.hexdigest()[:12]
