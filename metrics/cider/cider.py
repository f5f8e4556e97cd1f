"""CIDEr-D for `evaluate.load("metrics/cider")`; see [`moda.evaluation.captions`]."""

import evaluate

from moda.evaluation import metric


_DESCRIPTION = """
CIDEr-D: the likeness of a sentence to each reference by words and word runs that are rare among all references (σ = 6).
The scores equal those of COCO's caption evaluation (pycocoevalcap 1.2); no Java is needed.
"""
_CITATION = """
@inproceedings{vedantam2015cider,
    title = {{CIDEr}: consensus-based image description evaluation},
    author = {Vedantam, Ramakrishna and Zitnick, C. Lawrence and Parikh, Devi},
    booktitle = {Proceedings of CVPR},
    year = {2015}
}
"""
_KWARGS_DESCRIPTION = """
Args:
    predictions (`list[str]`): One sentence a row.
    references (`list[list[str]]` or `list[str]`): Of each row one or more human sentences.
    return_rows (`bool`, *optional*, defaults to `False`): Whether to return the score of each row, too.

Returns:
    cider (`float`, 0–10): The mean of the rows; 0 for a single row, where every word is equally rare.
    cider_rows (`list[float]`): With `return_rows`.

Example:

    >>> cider = evaluate.load("metrics/cider")
    >>> scores = cider.compute(predictions=["a red shirt"], references=[["a red shirt for men", "a shirt"]])
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class Cider(metric.CaptionMetric):
    score, about, citation_text, arguments = "cider", _DESCRIPTION, _CITATION, _KWARGS_DESCRIPTION
