"""What the page says of each picture: as HTML, and as a table to download."""

import base64
import csv
import io
import math
from dataclasses import dataclass, field
from html import escape


ATTRIBUTES = ("colour", "category", "gender", "usage", "pattern")
COLUMNS = ("id", "description", *ATTRIBUTES, "confidence", "how_sure", "model", "error")
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what begins so, Excel computes
SURE = ((0.85, "sure"), (0.75, "fairly sure"), (0.0, "not sure: check it"))
HOW_SURE = (
    "How sure: the probability that the model gave the word pieces it wrote, on average (their geometric mean). It tells how "
    "sure the model is, not that it is right."
)


@dataclass
class Answer:
    """What became of one picture.

    Args:
        name (`str`): The file's name or the address.
        thumbnail (`str`, *optional*): A small JPEG, base64.
        sentence (`str`, *optional*): The description; `None` if there is none.
        confidence (`float`, *optional*): Mean natural log-probability of the sentence's tokens.
        attributes (`dict[str, str]`): Of `ATTRIBUTES` those that the sentence states.
        seconds (`float`, *optional*): The model's time for it: an equal share of its batch's.
        error (`str`, *optional*): Why there is no sentence.
    """

    name: str
    thumbnail: str | None = None
    sentence: str | None = None
    confidence: float | None = None
    attributes: dict = field(default_factory=dict)
    seconds: float | None = None
    error: str | None = None


def show(answers, total, model, note=""):
    """The answers as HTML.

    Args:
        answers (`list[Answer]`): So far.
        total (`int`): Pictures in all.
        model (`str`): Its name, for the table to download.
        note (`str`, *optional*): What else to say.

    Returns:
        `str`
    """
    good = [answer for answer in answers if answer.error is None]
    state, save = f"{total} picture{'s' * (total != 1)}", ""
    if not total:
        state = "There is nothing to describe yet; give a picture."
    elif len(answers) < total:
        state = f"Describing {state}: {len(answers)} done …"
    else:
        if len(good) < total:
            state += f", {total - len(good)} not described"
        if good:
            state += f" · {sum(answer.seconds for answer in good):.2f} s"
        if total > 1:
            # With the mark by which Excel knows UTF-8.
            table = base64.b64encode(to_csv(answers, model).encode("utf-8-sig")).decode()
            save = f'<a class="save" download="descriptions.csv" href="data:text/csv;base64,{table}">Download as a table (CSV)</a>'
    return (
        f'<div class="answers"><div class="state"><p role="status">{state}</p>{save}</div>'
        f'<p class="note">{note}</p><div class="cards">{"".join(map(_card, answers))}</div>'
        f'<p class="note">{HOW_SURE if good else ""}</p></div>'
    )


def _card(answer):
    name = escape(answer.name)
    if answer.error is not None:
        return f'<article class="card bad"><div><p class="name">{name}</p><p>{escape(answer.error)}</p></div></article>'
    sure = math.exp(answer.confidence)
    words = next(words for least, words in SURE if sure >= least)
    facts = "".join(
        f"<div><dt>{name.capitalize()}</dt><dd>{escape(value)}</dd></div>" for name, value in answer.attributes.items()
    )
    return f"""<article class="card"><img alt="" src="data:image/jpeg;base64,{answer.thumbnail}"><div>
<p class="sentence">{escape(answer.sentence)}</p>
{f"<dl>{facts}</dl>" if facts else ""}
<p class="sure"><span>How sure: {100 * sure:.0f} %, {words}</span>
<span class="bar" aria-hidden="true"><i style="width:{sure:.0%}"></i></span></p>
<p class="name">{name} · {answer.seconds:.2f} s</p></div></article>"""


def to_csv(answers, model):
    """The answers as a table, a row each.

    Args:
        answers (`list[Answer]`): All.
        model (`str`): Its name.

    Returns:
        `str`: CSV with the columns of `COLUMNS`, text that a spreadsheet would take for a formula behind a `'`: `confidence` is the mean natural log-probability of the sentence's tokens,
        `how_sure` its exponential.
    """
    file = io.StringIO()
    table = csv.DictWriter(file, COLUMNS, lineterminator="\n")
    table.writeheader()
    for answer in answers:
        row = {"id": answer.name, "description": answer.sentence, **answer.attributes, "error": answer.error}
        if answer.error is None:
            row |= {"confidence": answer.confidence, "how_sure": round(math.exp(answer.confidence), 3), "model": model}
        table.writerow({name: _harmless(value) for name, value in row.items()})
    return file.getvalue()


def _harmless(value):
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value
