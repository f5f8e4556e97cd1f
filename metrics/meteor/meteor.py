"""METEOR 1.5 for `evaluate.load("metrics/meteor")`; see [`moda.evaluation.meteor`]."""

import evaluate

from moda.evaluation import metric
from moda.evaluation.meteor import meteor


_DESCRIPTION = """
METEOR: an alignment of the words with the best reference, by the same words and stems.
The scores are those of METEOR's formula with exact and stemmed words; the reference program, which knows synonyms and
paraphrases, too, runs with `reference=True` where Java and the package pycocoevalcap are.
"""
_CITATION = """
@inproceedings{denkowski2014meteor,
    title = {{Meteor} universal: language specific translation evaluation for any target language},
    author = {Denkowski, Michael and Lavie, Alon},
    booktitle = {Proceedings of the Ninth Workshop on Statistical Machine Translation},
    year = {2014}
}
"""
_KWARGS_DESCRIPTION = """
Args:
    predictions (`list[str]`): One sentence a row.
    references (`list[list[str]]` or `list[str]`): Of each row one or more human sentences.
    return_rows (`bool`, *optional*, defaults to `False`): Whether to return the score of each row, too.
    reference (`bool`, *optional*, defaults to `False`): Whether to run the Java program of COCO's evaluation.

Returns:
    meteor (`float`, 0–1): From the summed counts of all rows.
    meteor_rows (`list[float]`): With `return_rows`.

Example:

    >>> meteor = evaluate.load("metrics/meteor")
    >>> scores = meteor.compute(predictions=["a red shirt"], references=[["a red shirt for men", "a shirt"]])
"""


@evaluate.utils.file_utils.add_start_docstrings(_DESCRIPTION, _KWARGS_DESCRIPTION)
class Meteor(metric.CaptionMetric):
    score, about, citation_text, arguments = "meteor", _DESCRIPTION, _CITATION, _KWARGS_DESCRIPTION

    def scores(self, predictions, references, reference=False):
        return {"meteor": meteor(predictions, references, reference=reference)}
