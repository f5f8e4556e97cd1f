"""Weakness probes: what vision-language models are known to get wrong, each asked alone, on pictures drawn for it.

Counting, left and right, and the binding of attributes are forced choices between a true sentence and foils that differ
from it in the tested word, by the likelihood of the sentences, as in ARO (Yuksekgonul et al. 2023, "When and why
vision-language models behave like bags-of-words"). Ignored parts of the prompt and printed text that leaks into
descriptions are judged in what the model generates. The weaknesses are those that "An Introduction to Vision-Language
Modeling" (Bordes et al. 2024) lists.
"""

import numpy as np
import torch
from tqdm.auto import tqdm

from generation_moda import generate_sentences
from moda.data.sheet import contact_sheet

from .likelihood import sentence_log_likelihoods
from .probe_suites import SIZE, SUITES, chance


@torch.inference_mode()
def run_probes(model, processor, suites=None, items=48, seed=0, batch_size=32, progress=True):
    """Draws the suites and asks them of a model.

    A choice is right when the true sentence has the highest mean log-likelihood a token; of equal ones the first counts,
    so that a model which does not look gets exactly the chance level.

    Args:
        model ([`ModaForConditionalGeneration`]): In evaluation mode.
        processor ([`ModaProcessor`]): Its own.
        suites (`Iterable[str]`, *optional*): Names in `SUITES`. Defaults to all.
        items (`int`, *optional*, defaults to 48): Items of a suite at least; a group of items is never cut.
        seed (`int`, *optional*, defaults to 0): Of the pictures.
        batch_size (`int`, *optional*, defaults to 32): Rows at once.
        progress (`bool`, *optional*, defaults to `True`): Show a progress bar.

    Returns:
        `list[dict]`: Of each suite its `name`; what it is `about`; `accuracy`, from 0 to 1; how many `rows`; `chance`,
        the accuracy of the best answers given without looking; `parts`, the accuracy of each part of the suite; `right`,
        a boolean array of shape `(rows,)`; `groups`, of each row the number of its group, whose items are drawn alike
        and stand and fall together; and `said`, the sentences chosen or generated. Of "prompt parts", where right is
        what obeys the prompt, `parts` has the share "obeyed and true" as well, and `chance` is `None`: an answer may
        obey without looking.

    Raises:
        `ValueError`: If a suite is not known, or `items` is below 1.

    Example:

    ```python
    >>> for score in run_probes(model, processor, ["counting", "left/right"]):
    ...     print(f"{score['name']}: {score['accuracy']:.0%}, by chance {score['chance']:.0%}")
    ```
    """
    drawn = draw_probes(suites, items, seed)
    results = []
    for name, asked in tqdm(drawn.items(), desc="Probing", unit="suite", disable=not progress):
        suite = SUITES[name]
        answer = _choose if suite.right is None else _generate
        said = answer(model, processor, asked, batch_size)
        judge = suite.right or (lambda item, sentence: sentence in item.answers)
        right = _judged(judge, asked, said)
        parts = np.array([item.part for item in asked])
        shares = {part: float(right[parts == part].mean()) for part in dict.fromkeys(parts.tolist())}
        if suite.true:
            shares["obeyed and true"] = float((right & _judged(suite.true, asked, said)).mean())
        results.append(
            {
                "name": name,
                "about": suite.about,
                "accuracy": float(right.mean()),
                "rows": len(asked),
                "chance": None if suite.true else chance(asked),
                "parts": shares,
                "right": right,
                "groups": [item.group for item in asked],
                "said": said,
            }
        )
    return results


def draw_probes(suites=None, items=48, seed=0, size=SIZE):
    """Draws what [`run_probes`] asks: of each suite its items, the same for the same seed.

    Args:
        suites, items, seed: As there.
        size (`int`, *optional*, defaults to 224): Pixels of a side.

    Returns:
        `dict[str, list[Item]]`
    """
    names = list(SUITES if suites is None else suites)
    unknown = [name for name in names if name not in SUITES]
    if unknown:
        raise ValueError(f"There is no probe {unknown[0]!r}; choose from {', '.join(SUITES)}.")
    if items < 1:
        raise ValueError(f"A probe of {items} items tells nothing; ask for at least 1, or leave it out for 48.")
    return {name: SUITES[name].draw(items, seed, size) for name in names}


def probe_sheet(items, said=None, right=None, columns=8):
    """Lays items out for eyes: each picture over its prompt, what is true, and what a model said, right or wrong.

    Args:
        items (`list[Item]`): Of [`draw_probes`].
        said (`list[str]`, *optional*): What [`run_probes`] says the model said.
        right (`Sequence[bool]`, *optional*): Whether it was right.
        columns (`int`, *optional*, defaults to 8): Pictures a line.

    Returns:
        `PIL.Image.Image`
    """
    captions = []
    for item in items:
        printed = item.printed and f"printed: {item.printed}"
        captions.append("\n".join(filter(None, (item.prompt, ", ".join(item.answers), printed))))
    marks = ["said"] * len(items) if right is None else ["right" if good else "wrong" for good in right]
    if said is not None:
        spoken = zip(captions, marks, said, strict=True)
        captions = [f"{caption}\n{mark}: {sentence}" for caption, mark, sentence in spoken]
    colours = None if right is None else [(20, 110, 50) if good else (170, 30, 30) for good in right]
    return contact_sheet([item.picture for item in items], captions, columns=columns, colours=colours)


def _judged(judge, items, said):
    return np.array([judge(item, sentence) for item, sentence in zip(items, said, strict=True)])


def _choose(model, processor, items, batch_size):
    """Returns of each item the sentence that is likeliest a token."""
    totals, tokens = sentence_log_likelihoods(
        model,
        processor,
        [item.picture for item in items],
        [item.sentences for item in items],
        [item.prompt for item in items],
        batch_size,
    )
    of = np.split(totals / tokens, np.cumsum([len(item.sentences) for item in items])[:-1])
    return [item.sentences[int(scores.argmax())] for item, scores in zip(items, of, strict=True)]


def _generate(model, processor, items, batch_size):
    said = []
    for first in range(0, len(items), batch_size):
        some = items[first : first + batch_size]
        inputs = processor([item.picture for item in some], [item.prompt for item in some])
        said += generate_sentences(model, processor, dict(inputs))
    return said
