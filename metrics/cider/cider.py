"""CIDEr-D for `evaluate.load("metrics/cider")`; see [`moda.evaluation.captions`]."""

import datasets
import evaluate

from moda.evaluation.captions import caption_scores


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
class Cider(evaluate.Metric):
    def _info(self):
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=_KWARGS_DESCRIPTION,
            features=[
                datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
                datasets.Features({"predictions": text, "references": text}),
            ],
        )

    def _compute(self, predictions, references, return_rows=False):
        scores = caption_scores(predictions, references, metrics=["cider"])
        result = {name: score["corpus"] for name, score in scores.items()}
        if return_rows:
            result.update({f"{name}_rows": score["rows"].tolist() for name, score in scores.items()})
        return result
