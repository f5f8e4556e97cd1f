"""ROUGE-L for `evaluate.load("metrics/rouge_l")`; see [`moda.evaluation.captions`]."""

import evaluate

from moda.evaluation import metric


_DESCRIPTION = """
ROUGE-L: the longest common subsequence of words, as an F-score (β = 1.2) of the best precision and the best recall over the references.
The scores equal those of COCO's caption evaluation (pycocoevalcap 1.2); no Java is needed.
"""
_CITATION = """
@inproceedings{lin2004rouge,
    title = {{ROUGE}: a package for automatic evaluation of summaries},
    author = {Lin, Chin-Yew},
    booktitle = {Text Summarization Branches Out},
    year = {2004}
}
"""
_KWARGS_DESCRIPTION = """
Args:
    predictions (`list[str]`): One sentence a row.
    references (`list[list[str]]` or `list[str]`): Of each row one or more human sentences.
    return_rows (`bool`, *optional*, defaults to `False`): Whether to return the score of each row, too.

Returns:
    rouge_l (`float`, 0–1): The mean of the rows.
    rouge_l_rows (`list[float]`): With `return_rows`.

Example:

    >>> rouge_l = evaluate.load("metrics/rouge_l")
    >>> scores = rouge_l.compute(predictions=["a red shirt"], references=[["a red shirt for men", "a shirt"]])
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class RougeL(metric.CaptionMetric):
    score, about, citation_text, arguments = "rouge_l", _DESCRIPTION, _CITATION, _KWARGS_DESCRIPTION
