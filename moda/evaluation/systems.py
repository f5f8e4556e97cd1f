"""A system under evaluation: what it says of the rows, and its scores, row by row, from which every figure is made."""

import math
from dataclasses import dataclass, field

import numpy as np

from moda.data.wording import ATTRIBUTES

from .answers import normalize_answer
from .attributes import attribute_rows
from .captions import BleuStatistics, bleu_statistics, caption_scores
from .five import Verdict, five_scores, summary
from .intervals import accuracy, bootstrap
from .meteor import meteor_of_sums, meteor_statistics


BEST = {"attributes": 1, "exact_match": 1, "five": 10}  # families of scores that may be all or nothing


@dataclass
class System:
    """What one system says of the rows, and what that is worth.

    Args:
        name (`str`): As the report calls it.
        kind (`str`): `model`, `other model`, `baseline` or `judge model`.
        about (`str`): What it is, in a line.
        sentences (`list[str]`): One a row.
        confidences (`list[float]`, *optional*): Mean log-probabilities of the sentences.
        verdicts (`list[Verdict | None]`): A judge's.
        rows (`dict[str, dict[str, np.ndarray]]`): By family of scores and by name arrays of shape `(rows,)`, NaN where a row
            does not count: `five` (0 to 10), `attributes` and `exact_match` (0 or 1), `captions`, `clip`.
        bleu ([`BleuStatistics`], *optional*): Of which a corpus's BLEU is made, where rows have references.
        meteor (`np.ndarray` of shape `(rows, 6)`, *optional*): Likewise METEOR; see [`meteor_statistics`].
        facts (`dict`): Figures without an interval.
    """

    name: str
    kind: str
    about: str
    sentences: list[str]
    confidences: list[float] | None = None
    verdicts: list[Verdict | None] = field(default_factory=list)
    rows: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    bleu: BleuStatistics | None = None
    meteor: np.ndarray | None = None
    facts: dict = field(default_factory=dict)

    def score(self, rows, judge):
        """Judges the sentences; where rows have no metadata at all there are no scores.

        Args:
            rows (`list[dict]`): Metadata.
            judge ([`RuleJudge`]): Reads the sentences.
        """
        self.verdicts = judge.judge_all(self.sentences, rows)
        if any(row.get(name) is not None for row in rows for name in ATTRIBUTES):
            self.rows["five"] = five_scores(self.verdicts)
            self.rows["attributes"] = attribute_rows(self.sentences, rows, judge.lexicon)
        self.facts["unverifiable"] = sum(verdict.unverifiable for verdict in self.verdicts)
        self.facts["empty"] = sum(not sentence.strip() for sentence in self.sentences)

    def compare(self, references):
        """Scores the sentences against references.

        Args:
            references (`list[list[str]]`): Of each row those that are accepted; rows of none do not count.
        """
        there = np.array([bool(texts) for texts in references])
        said = [sentence for sentence, texts in zip(self.sentences, references) if texts]
        accepted = [texts for texts in references if texts]
        scores = caption_scores(said, accepted, ("rouge_l", "cider"))
        self.rows["captions"] = {name: _spread_out(score["rows"], there, np.nan) for name, score in scores.items()}
        counts = bleu_statistics(said, accepted)  # of a row without references all counts are 0: it changes no sum
        self.bleu = BleuStatistics(**{name: _spread_out(part, there, 0.0) for name, part in vars(counts).items()})
        self.meteor = _spread_out(meteor_statistics(said, accepted), there, 0.0)
        same = [
            float(normalize_answer(sentence) in map(normalize_answer, texts)) if texts else math.nan
            for sentence, texts in zip(self.sentences, references)
        ]
        self.rows["exact_match"] = {"exact_match": np.array(same)}

    def statistic(self, weights):
        """All scores for weights of shape `(resamples, rows)`, by family and name; see [`bootstrap`]."""
        found = {}
        for family, scores in self.rows.items():
            mean = summary(scores, weights) if family == "five" else _means(scores, weights)
            found.update({(family, name): values for name, values in mean.items()})
        if self.bleu is not None:
            orders = self.bleu.corpus(weights).T
            found.update({("captions", f"bleu_{order}"): values for order, values in enumerate(orders, 1)})
            found["captions", "meteor"] = meteor_of_sums(weights @ self.meteor)
        return found

    def figures(self, groups=None, **settings):
        """Sums the system up.

        Args:
            groups (`list`, *optional*): Of each row its group of near-duplicates.
            settings: Of [`bootstrap`].

        Returns:
            `dict`: `name`, `kind`, `about`, the families of scores with their intervals, and the facts; see [`write_report`].
        """
        families = {}
        found = bootstrap(self.statistic, len(self.sentences), groups=groups, **settings)
        for (family, name), score in found.items():
            values = self.rows.get(family, {}).get(name)
            if values is not None:
                known = ~np.isnan(values)
                score = {**score, "rows": int(known.sum()), "excluded": int((~known).sum())}
                best = BEST.get(family)
                if best and known.any() and np.isin(values[known], (0, best)).all():
                    # A share of right ones: Wilson's interval says something also where all are right.
                    of = groups and [group for group, there in zip(groups, known) if there]
                    share = accuracy(values[known] == best, of)
                    score.update(share if best == 1 else _scaled(share, best))
            families.setdefault(family, {})[name] = score
        families.update(families.get("exact_match", {}))
        return {"name": self.name, "kind": self.kind, "about": self.about, **families, **self.facts}


def _scaled(share, best):
    return {"value": best * share["accuracy"], "low": best * share["low"], "high": best * share["high"]}


def _means(scores, weights):
    means = {}
    for name, values in scores.items():
        known = ~np.isnan(values)
        with np.errstate(invalid="ignore", divide="ignore"):
            means[name] = (weights @ np.where(known, values, 0)) / (weights @ known)
    return means


def _spread_out(values, there, rest):
    """Puts values of some rows back to where these rows are among all."""
    whole = np.full((len(there), *values.shape[1:]), rest)
    whole[there] = values
    return whole
