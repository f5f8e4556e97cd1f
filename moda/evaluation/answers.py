"""Exact match of answers, after the normalisation that visual question answering is scored with."""

import re


ARTICLES = {"a", "an", "the"}
NUMBERS = "zero one two three four five six seven eight nine ten".split()
DIGITS = {"none": "0", **{word: str(number) for number, word in enumerate(NUMBERS)}}


def normalize_answer(text):
    """Takes from an answer what does not make it another: case, articles, punctuation, white space, spelled numbers.

    After `vqaEval.py` of VQA v2 (Goyal et al. 2017, https://github.com/GT-Vision-Lab/VQA). With it "The collagen" is
    "Collagen", as in the alignment paper's examples of PathVQA. Where that file restores apostrophes from a table of
    contractions, they are dropped here on both sides, and its oddities of spacing are not followed. An answer of nothing
    but an article, such as the choice "A", stays.

    Args:
        text (`str`): An answer.

    Returns:
        `str`

    Example:

    ```python
    >>> normalize_answer("The two, black-and-white dogs.")
    '2 black and white dogs'
    ```
    """
    text = re.sub(r"['’]", "", text.lower())
    text = re.sub(r"(?<=\d),(?=\d)|\.(?!\d)", "", text)  # 1,000 is 1000, and 1.5 stays
    words = re.sub(r"[^\w\s.:%$€£°&*]|_", " ", text).split()
    words = [word for word in words if word not in ARTICLES] or words
    return " ".join(DIGITS.get(word, word) for word in words)


def exact_match(sentences, references):
    """Counts the sentences that say one of their references, both normalised by [`normalize_answer`].

    Unlike VQA v2's own accuracy, which asks for three of ten people's consent, one accepted answer is enough.

    Args:
        sentences (`list[str]`): One a row.
        references (`list[str | list[str]]`): Of each row the answer, or all accepted ones; rows of none are not counted.

    Returns:
        `dict`: `{"accuracy": share, "right": n, "rows": n}`; the accuracy of no rows is 0.

    Raises:
        `ValueError`: If there are not as many sentences as rows.
    """
    if len(sentences) != len(references):
        raise ValueError(f"There are {len(sentences)} sentences for {len(references)} rows; give one for each row.")
    right = rows = 0
    for sentence, accepted in zip(sentences, references):
        accepted = [accepted] if isinstance(accepted, str) else accepted or ()
        accepted = {normalize_answer(answer) for answer in accepted if answer}
        rows += bool(accepted)
        right += normalize_answer(sentence) in accepted
    return {"accuracy": right / rows if rows else 0.0, "right": right, "rows": rows}
