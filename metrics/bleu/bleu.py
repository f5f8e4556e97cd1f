"""BLEU-1 to BLEU-4 for `evaluate.load("metrics/bleu")`; see [`moda.evaluation.captions`]."""

import evaluate

from moda.evaluation import metric


_DESCRIPTION = """
BLEU: how many of the sentence's runs of one to four words stand in a reference, with a penalty on sentences shorter than the closest reference.
The scores equal those of COCO's caption evaluation (pycocoevalcap 1.2); no Java is needed.
"""
_CITATION = """
@inproceedings{papineni2002bleu,
    title = {{BLEU}: a method for automatic evaluation of machine translation},
    author = {Papineni, Kishore and Roukos, Salim and Ward, Todd and Zhu, Wei-Jing},
    booktitle = {Proceedings of ACL},
    year = {2002}
}
"""
_KWARGS_DESCRIPTION = """
Args:
    predictions (`list[str]`): One sentence a row.
    references (`list[list[str]]` or `list[str]`): Of each row one or more human sentences.
    return_rows (`bool`, *optional*, defaults to `False`): Whether to return the score of each row, too.

Returns:
    bleu_1, bleu_2, bleu_3, bleu_4 (`float`, 0–1): Of all rows together.
    bleu_1_rows, … (`list[float]`): With `return_rows`.

Example:

    >>> bleu = evaluate.load("metrics/bleu")
    >>> scores = bleu.compute(predictions=["a red shirt"], references=[["a red shirt for men", "a shirt"]])
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class Bleu(metric.CaptionMetric):
    score, about, citation_text, arguments = "bleu", _DESCRIPTION, _CITATION, _KWARGS_DESCRIPTION
