"""What the folders in `metrics/`, which `evaluate.load` opens, have in common."""

import datasets
import evaluate

from .captions import caption_scores


class CaptionMetric(evaluate.Metric):
    """A caption metric for `evaluate`; a folder's module subclasses it and says what it is.

    (`evaluate.load` takes the first metric that it finds in a module, so a module must not import this class by its name.)

    Attributes:
        score (`str`): Name in [`caption_scores`].
        about, citation_text, arguments (`str`): The description, the citation and the documentation of `compute`.
    """

    score = about = citation_text = arguments = ""

    def _info(self):
        text = datasets.Value("string")
        return evaluate.MetricInfo(
            description=self.about,
            citation=self.citation_text,
            inputs_description=self.arguments,
            features=[
                datasets.Features({"predictions": text, "references": datasets.Sequence(text)}),
                datasets.Features({"predictions": text, "references": text}),
            ],
        )

    def _compute(self, predictions, references, return_rows=False, **options):
        scores = self.scores(predictions, references, **options)
        result = {name: found["corpus"] for name, found in scores.items()}
        if return_rows:
            result.update({f"{name}_rows": found["rows"].tolist() for name, found in scores.items()})
        return result

    def scores(self, predictions, references):
        """The scores of [`caption_scores`]."""
        return caption_scores(predictions, references, metrics=[self.score])
