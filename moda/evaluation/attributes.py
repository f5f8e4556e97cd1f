"""Attribute accuracy: are the colour, the article, the gender and the usage that a sentence states the row's own?"""

import numpy as np

from moda.data.lexicon import states
from moda.data.wording import ATTRIBUTES


def attribute_rows(sentences, rows, lexicon):
    """Reads each sentence and compares what it states with the metadata.

    A row counts for an attribute when its metadata has it. The sentence is right when it states that value and no other;
    words that may mean several values, such as "shoes", are right when one of them is true.

    Args:
        sentences (`list[str]`): One a row.
        rows (`list[dict]`): Metadata.
        lexicon ([`Lexicon`]): Reads the sentences.

    Returns:
        `dict[str, np.ndarray]`: For each attribute that any row has an array of shape `(rows,)`: 1.0, 0.0, or NaN where the
        row lacks it.

    Raises:
        `ValueError`: If there are not as many sentences as rows.
    """
    if len(sentences) != len(rows):
        raise ValueError(f"There are {len(sentences)} sentences for {len(rows)} rows; give one for each row.")
    read = [lexicon.read(sentence) for sentence in sentences]
    scores = {}
    for attribute in ATTRIBUTES:
        truth = [row.get(attribute) for row in rows]
        if any(true is not None for true in truth):
            scores[attribute] = np.array(
                [np.nan if true is None else _right(mentions, attribute, true) for mentions, true in zip(read, truth)]
            )
    return scores


def attribute_accuracy(sentences, rows, wording):
    """Averages [`attribute_rows`].

    Args:
        sentences (`list[str]`): One a row.
        rows (`dict[str, list]`): Metadata columns.
        wording ([`Wording`]): Reads the sentences.

    Returns:
        `dict[str, dict]`: For each attribute that the rows have, none for none, `{"accuracy": share, "right": n, "rows": n}`.

    Raises:
        `ValueError`: If there are not as many sentences as rows.
    """
    lengths = {len(values) for values in rows.values()}
    if lengths - {len(sentences)}:
        raise ValueError(f"There are {len(sentences)} sentences for {sorted(lengths)} rows; give one for each row.")
    table = [{name: values[index] for name, values in rows.items()} for index in range(len(sentences))]
    scores = {}
    for attribute, values in attribute_rows(sentences, table, wording.lexicon).items():
        right, count = int(np.nansum(values)), int((~np.isnan(values)).sum())
        scores[attribute] = {"accuracy": right / count, "right": right, "rows": count}
    return scores


def _right(mentions, attribute, true):
    if attribute == "pattern" and true == "Solid" and not any(mention.attribute == "pattern" for mention in mentions):
        return 1.0  # a solid colour goes without saying
    return float(states(mentions, attribute, true))
