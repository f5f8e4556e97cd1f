"""Describes rows of a dataset by generating, on one process or many, and scores what is said."""

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from tqdm.auto import tqdm

from generation_moda import generate_sentences
from moda.data.wording import ATTRIBUTES

from .answers import exact_match
from .attributes import attribute_accuracy


def describe_rows(model, processor, dataset, indices, batch_size=64, max_new_tokens=48, title=None):
    """Describes rows greedily; each process takes a share, and all get all sentences.

    Args:
        model ([`ModaForConditionalGeneration`]): In evaluation mode.
        processor ([`ModaProcessor`]): Its own.
        dataset ([`PixelDataset`] or [`FeatureDataset`]): Where the rows are; a `prompt`, or the first question of
            `messages`, is asked where a row has one.
        indices (`Sequence[int]`): Which rows.
        batch_size (`int`, *optional*, defaults to 64): Rows at once.
        max_new_tokens (`int`, *optional*, defaults to 48): Longest sentence.
        title (`str`, *optional*): Of a progress bar; none without.

    Returns:
        `list[str]`: In the order of the indices.
    """
    state = PartialState()
    said = []
    with state.split_between_processes(list(indices)) as mine:
        starts = range(0, len(mine), batch_size)
        for first in tqdm(starts, desc=title, unit="batch", disable=not (title and state.is_main_process)):
            rows = dataset.__getitems__(mine[first : first + batch_size])
            name = "image_features" if "image_features" in rows[0] else "pixel_values"
            questions = [question_of(row) or processor.default_prompt for row in rows]
            inputs = processor(text=questions, **{name: torch.stack([row[name] for row in rows])})
            said += generate_sentences(model, processor, dict(inputs), max_new_tokens=max_new_tokens)
    return gather_object(said) if state.num_processes > 1 else said


def spread(count, rows):
    """Chooses `count` of `rows` row numbers, evenly: a mixture's parts lie one behind the other."""
    return [index * rows // count for index in range(count)]


def question_of(row):
    """What is asked of a row: its prompt, the first question of its conversation, or `None` for the default."""
    if row.get("messages"):
        return row["messages"][0]["content"]
    return row.get("prompt")


def references_of(columns, indices):
    """The sentences that are right: of each row its answers, its description, or the first answer of its conversation."""
    found = []
    for index in indices:
        row = {name: values[index] for name, values in columns.items()}
        turns = row.get("messages")
        answer = turns[1]["content"] if turns else row.get("description")
        found.append(row.get("answers") or row.get("descriptions") or [answer])
    return found


def score_sentences(sentences, columns, indices, wording):
    """Scores sentences against their rows.

    Args:
        sentences (`list[str]`): One a row.
        columns (`dict[str, list]`): The dataset's columns.
        indices (`Sequence[int]`): Which rows the sentences are of.
        wording ([`Wording`]): Reads attributes from a sentence.

    Returns:
        `tuple[dict, dict]`: Of each attribute, and of the exact match with the row's own sentence, `{"accuracy", "right",
        "rows"}`; see [`attribute_accuracy`] and [`exact_match`].
    """
    truth = {name: [columns[name][index] for index in indices] for name in columns if name in ATTRIBUTES}
    return attribute_accuracy(sentences, truth, wording), exact_match(sentences, references_of(columns, indices))


class GenerationScore:
    """Describes the same rows again and again while a model learns, and scores them.

    Args:
        processor ([`ModaProcessor`]): The model's.
        dataset ([`PixelDataset`] or [`FeatureDataset`]): Held-out rows.
        indices (`list[int]`): Which of them.
        wording ([`Wording`]): Reads attributes from a sentence.
        options: Of [`describe_rows`].
    """

    def __init__(self, processor, dataset, indices, wording, **options):
        self.processor, self.dataset, self.indices = processor, dataset, indices
        self.wording, self.options = wording, options

    def __call__(self, model):
        """Returns the accuracy of each attribute, their mean as `attributes`, and `exact_match`, from 0 to 1."""
        sentences = describe_rows(model, self.processor, self.dataset, self.indices, **self.options)
        attributes, exact = score_sentences(sentences, self.dataset.columns, self.indices, self.wording)
        figures = {name: score["accuracy"] for name, score in attributes.items()}
        if figures:
            figures["attributes"] = sum(figures.values()) / len(figures)
        return {**figures, "exact_match": exact["accuracy"]}
