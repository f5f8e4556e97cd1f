"""Attribute accuracy: are the colour, the article, the gender and the usage that a sentence states the row's own?"""

from moda.data.wording import ATTRIBUTES


def attribute_accuracy(sentences, rows, wording):
    """Reads each sentence and compares what it states with the metadata.

    A row counts for an attribute when its metadata has it. The sentence is right when it states that value and no other.

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
    read = [wording.read(sentence) for sentence in sentences]
    scores = {}
    for attribute in ATTRIBUTES:
        pairs = [(found[attribute], true) for found, true in zip(read, rows.get(attribute, ())) if true is not None]
        if attribute == "pattern":  # a solid colour goes without saying
            pairs = [(found or ["Solid"], true) for found, true in pairs]
        if pairs:
            right = sum(found == [true] for found, true in pairs)
            scores[attribute] = {"accuracy": right / len(pairs), "right": right, "rows": len(pairs)}
    return scores
