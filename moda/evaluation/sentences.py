"""Describes rows of a dataset by generating, on one process or many, and scores what is said."""

import torch
from accelerate import PartialState
from accelerate.utils import gather_object
from tqdm.auto import tqdm

from generation_moda import generate_sentences
from moda.data.wording import ATTRIBUTES

from .answers import exact_match
from .attributes import attribute_accuracy
from .five import five_scores, summary
from .rules import RuleJudge


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
            indices = mine[first : first + batch_size]
            said += describe_batch(model, processor, dataset, indices, max_new_tokens)[0]
    return gather_object(said) if state.num_processes > 1 else said


def describe_batch(model, processor, dataset, indices, max_new_tokens):
    """Describes some rows at once, and says how sure the model is; see [`describe_rows`].

    Returns:
        `tuple[list[str], list[float]]`: Sentences, and the mean log-probability of their tokens.
    """
    rows = dataset.__getitems__(list(indices))
    name = "image_features" if "image_features" in rows[0] else "pixel_values"
    questions = [question_of(row) or processor.default_prompt for row in rows]
    inputs = processor(text=questions, **{name: torch.stack([row[name] for row in rows])})
    return generate_sentences(model, processor, dict(inputs), with_confidence=True, max_new_tokens=max_new_tokens)


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
        `tuple[dict, dict, dict]`: Of each attribute, and of the exact match with the row's own sentence, `{"accuracy",
        "right", "rows"}`; and the guide's scores from 0 to 10, empty where the rows hold no metadata. See
        [`attribute_accuracy`], [`exact_match`] and [`five_scores`].
    """
    names = [name for name in columns if name in ATTRIBUTES]
    truth = {name: [columns[name][index] for index in indices] for name in names}
    guide = {}
    if names:
        rows = [{name: columns[name][index] for name in names} for index in indices]
        means = summary(five_scores(RuleJudge(wording.lexicon).judge_all(sentences, rows)))
        guide = {name: float(mean) for name, mean in means.items() if mean == mean}
    return attribute_accuracy(sentences, truth, wording), exact_match(sentences, references_of(columns, indices)), guide


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
        """Returns each attribute's accuracy, their mean as `attributes`, `exact_match`, from 0 to 1, and the `guide_` scores."""
        sentences = describe_rows(model, self.processor, self.dataset, self.indices, **self.options)
        attributes, exact, guide = score_sentences(sentences, self.dataset.columns, self.indices, self.wording)
        figures = {name: score["accuracy"] for name, score in attributes.items()}
        if figures:
            figures["attributes"] = sum(figures.values()) / len(figures)
        figures["exact_match"] = exact["accuracy"]
        return {**figures, **{f"guide_{name}": score for name, score in guide.items()}}
