"""BLEU, ROUGE-L and CIDEr-D of sentences against several references each: the figures of COCO's caption evaluation."""

from dataclasses import dataclass
from itertools import chain

import numpy as np

from .meteor import meteor_of_tokens
from .ptb import tokenize_rows


ORDERS = 4  # n-grams of one to four words
METRICS = ("bleu", "rouge_l", "cider", "meteor")
BETA = 1.2  # of ROUGE-L: how much more recall counts than precision
SIGMA = 6.0  # of CIDEr-D's penalty on a difference in length, in words


def caption_scores(sentences, references, metrics=("bleu", "rouge_l", "cider")):
    """Scores sentences against human ones.

    All figures equal those of `pycocoevalcap` 1.2, the code behind COCO's caption evaluation (Chen et al. 2015), corpus
    and row by row; see [`ptb_tokenize`] for the words that are counted. METEOR alone comes near; see [`meteor`].

    | metric | of a row | of the corpus |
    | --- | --- | --- |
    | `bleu_1` … `bleu_4` (Papineni et al. 2002) | [`BleuStatistics.rows`] | [`BleuStatistics.corpus`], no mean of rows |
    | `rouge_l` (Lin 2004; β = 1.2) | best precision and best recall over the references | the mean of the rows |
    | `cider` (CIDEr-D: Vedantam et al. 2015; σ = 6), 0–10 | mean over the references | the mean of the rows |
    | `meteor` (Denkowski & Lavie 2014) | that of the best reference | from summed counts, no mean of rows |

    CIDEr-D weighs words by how few of these rows' references have them: its figures depend on all rows, and those of a
    single row are 0. Two empty sentences have no words in common: every score is 0 there.

    Args:
        sentences (`Sequence[str]`): One a row; an empty one scores 0.
        references (`Sequence[str | Sequence[str]]`): Of each row one or more; rows may have different numbers of them.
        metrics (`Sequence[str]`, defaults to `("bleu", "rouge_l", "cider")`): Of those and `"meteor"`.

    Returns:
        `dict[str, dict]`: For each name in the table `{"corpus": float, "rows": array of shape (rows,), float64}`.

    Raises:
        `ValueError`: If sentences and references do not align, a row has none, or a metric is not known.

    Example:

    ```python
    >>> scores = caption_scores(["a red shirt", "blue shoes"], [["a red shirt"], ["blue shoes for men", "shoes"]])
    >>> scores["rouge_l"]["rows"].round(3)
    array([1.   , 1.   ])
    ```
    """
    unknown = [name for name in metrics if name not in METRICS]
    if unknown:
        raise ValueError(f"{unknown[0]!r} is no caption metric; choose from {', '.join(METRICS)}.")
    candidates, human = tokenize_rows(sentences, references)
    scores = {}
    if "bleu" in metrics or "cider" in metrics:
        table = NgramTable(candidates, human)
    if "bleu" in metrics:
        statistics = _bleu_statistics(table)
        corpus, rows = statistics.corpus(), statistics.rows()
        for order in range(ORDERS):
            scores[f"bleu_{order + 1}"] = {"corpus": float(corpus[order]), "rows": rows[:, order]}
    if "rouge_l" in metrics:
        scores["rouge_l"] = _mean(np.array([_rouge_l(*row) for row in zip(candidates, human)], dtype=np.float64))
    if "cider" in metrics:
        scores["cider"] = _mean(_cider(table))
    if "meteor" in metrics:
        scores["meteor"] = meteor_of_tokens(candidates, human)
    return scores


class NgramTable:
    """Counts the n-grams of all texts of all rows, as arrays, so that no metric needs to look at words again.

    Texts are numbered: first the sentences, so that a sentence has its row's number, then all references.

    Attributes:
        rows (`int`): How many rows.
        row (`np.ndarray` of shape `(texts,)`): The row that each text belongs to.
        lengths (`np.ndarray` of shape `(texts,)`): Words in each text.
        orders (`list[tuple]`): For n = 1…4 `(text, gram, count, grams)`: which text has which n-gram how often, arrays of
            one shape, sorted by text, then n-gram; and how many different n-grams there are.
    """

    def __init__(self, candidates, references):
        texts = candidates + [tokens for accepted in references for tokens in accepted]
        # The reference code divides at white space, so at the no-break spaces in tokens, too; ROUGE-L does not.
        texts = [" ".join(tokens).split() if any("\u00a0" in token for token in tokens) else tokens for tokens in texts]
        self.rows = len(candidates)
        numbers = [len(accepted) for accepted in references]
        self.row = np.concatenate([np.arange(self.rows), np.repeat(np.arange(self.rows), numbers)]).astype(np.int64)
        self.lengths = np.array([len(tokens) for tokens in texts], dtype=np.int64)
        vocabulary = {}
        words = np.array([vocabulary.setdefault(word, len(vocabulary)) for word in chain(*texts)], dtype=np.int64)
        text = np.repeat(np.arange(len(texts)), self.lengths)
        left = np.repeat(np.cumsum(self.lengths), self.lengths) - np.arange(len(words))  # words from here to the end
        grams, size, self.orders = words, max(len(vocabulary), 1), []
        for order in range(1, ORDERS + 1):
            if order > 1:  # an n-gram is the (n-1)-gram at its beginning and the word at its end
                longer = grams[: len(words) - order + 1] * len(vocabulary) + words[order - 1 :]
                _, grams = np.unique(longer, return_inverse=True)
                size = int(grams.max(initial=0)) + 1
            whole = left[: len(grams)] >= order
            keys, count = np.unique(text[: len(grams)][whole] * size + grams[whole], return_counts=True)
            self.orders.append((keys // size, keys % size, count, size))

    def split(self, order):
        """Of the n-grams of one order: those of the sentences, then those of references, as `(text, row * size + gram, count)`."""
        text, gram, count, size = self.orders[order]
        key = self.row[text] * size + gram
        first = np.searchsorted(text, self.rows)
        return (text[:first], key[:first], count[:first]), (text[first:], key[first:], count[first:])


@dataclass
class BleuStatistics:
    """What BLEU is made of, row by row: enough for the BLEU of any choice of rows, as a bootstrap asks for.

    Args:
        matches (`np.ndarray` of shape `(rows, 4)`): N-grams that a reference has too, each as often as in one at most.
        totals (`np.ndarray` of shape `(rows, 4)`): N-grams of the sentence.
        lengths (`np.ndarray` of shape `(rows,)`): Words of the sentence.
        reference_lengths (`np.ndarray` of shape `(rows,)`): Words of the reference closest in length, the shorter of two.
    """

    matches: np.ndarray
    totals: np.ndarray
    lengths: np.ndarray
    reference_lengths: np.ndarray

    def rows(self):
        """BLEU-1…4 of each row by itself, shape `(rows, 4)`."""
        return _bleu(self.matches, self.totals, self.lengths, self.reference_lengths)

    def corpus(self, weights=None):
        """BLEU-1…4 of all rows together.

        Args:
            weights (`np.ndarray` of shape `(rows,)` or `(resamples, rows)`, *optional*): How often each row counts.
                Defaults to once.

        Returns:
            `np.ndarray`: Shape `(4,)`, or `(resamples, 4)` for two-dimensional weights.
        """
        weights = np.ones(len(self.lengths)) if weights is None else np.asarray(weights, dtype=np.float64)
        return _bleu(*(weights @ part for part in (self.matches, self.totals, self.lengths, self.reference_lengths)))


def bleu_statistics(sentences, references):
    """Counts what BLEU is made of; arguments and errors are those of [`caption_scores`].

    Returns:
        [`BleuStatistics`]
    """
    return _bleu_statistics(NgramTable(*tokenize_rows(sentences, references)))


def _bleu_statistics(table):
    matches = np.zeros((table.rows, ORDERS))
    for order in range(ORDERS):
        (row, key, count), (_, known, often) = table.split(order)
        known, most = _largest(known, often)
        matches[:, order] = np.bincount(row, np.minimum(count, _look_up(known, most, key)), table.rows)
    lengths, row = table.lengths[: table.rows], table.row[table.rows :]
    of_references = table.lengths[table.rows :]
    by_distance = np.lexsort((of_references, np.abs(of_references - lengths[row]), row))
    closest = of_references[by_distance][np.searchsorted(row[by_distance], np.arange(table.rows))]
    totals = np.maximum(lengths[:, None] - np.arange(ORDERS), 0)
    return BleuStatistics(matches, totals.astype(np.float64), lengths.astype(np.float64), closest.astype(np.float64))


def _bleu(matches, totals, lengths, reference_lengths):
    # The two constants are the reference code's: nothing is divided by zero, and no match leaves next to nothing.
    precisions = np.cumprod((matches + 1e-15) / (totals + 1e-9), axis=-1)
    ratio = (lengths + 1e-15) / (reference_lengths + 1e-9)
    brevity = np.exp(np.minimum(0, 1 - 1 / ratio))
    return precisions ** (1 / np.arange(1, ORDERS + 1)) * brevity[..., None]


def _largest(keys, values):
    """The distinct keys, sorted, and the largest value of each."""
    order = np.lexsort((values, keys))
    keys, values = keys[order], values[order]
    last = np.append(keys[1:] != keys[:-1], True)[: len(keys)]
    return keys[last], values[last]


def _look_up(keys, values, wanted):
    """The values of wanted keys, 0 for those that are not among the sorted keys."""
    if not len(keys):
        return np.zeros(len(wanted))
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[place] == wanted, values[place], 0)


def _cider(table):
    texts, bigrams = len(table.row), np.maximum(table.lengths - 1, 0)
    similarity = np.zeros(texts)  # of each reference to its row's sentence
    for order in range(ORDERS):
        text, gram, count, size = table.orders[order]
        (_, candidate_keys, _), (reference, reference_keys, _) = table.split(order)
        documents = np.bincount(np.unique(reference_keys) % size, minlength=size)  # rows whose references have it
        weight = count * (np.log(max(table.rows, 1)) - np.log(np.maximum(documents, 1)))[gram]
        norm = np.sqrt(np.bincount(text, weight**2, texts))
        first = len(candidate_keys)
        own, others = weight[:first], weight[first:]
        clipped = np.minimum(_look_up(candidate_keys, own, reference_keys), others)
        product = np.bincount(reference, clipped * others, texts)
        length = norm[table.row] * norm
        similarity += np.divide(product, length, out=np.zeros(texts), where=length > 0)
    # The reference code takes a text's bigrams for its length.
    difference = bigrams[table.row] - bigrams
    similarity = (similarity * np.exp(-(difference**2) / (2 * SIGMA**2)))[table.rows :]
    row = table.row[table.rows :]
    return 10 / ORDERS * np.bincount(row, similarity, table.rows) / np.bincount(row, minlength=table.rows)


def _rouge_l(candidate, references):
    """ROUGE-L of one row. The longest common subsequence is found in the bits of a number."""
    places = {}
    for index, word in enumerate(candidate):
        places[word] = places.get(word, 0) | 1 << index
    every = (1 << len(candidate)) - 1
    precision = recall = 0.0
    for reference in references:
        free = every  # a bit turns to 0 where the common subsequence grows by one word
        for word in reference:
            if word in places:
                matched = free & places[word]
                free = free + matched | free - matched
        common = len(candidate) - (free & every).bit_count()
        if common:
            precision, recall = max(precision, common / len(candidate)), max(recall, common / len(reference))
    if not precision:
        return 0.0
    return (1 + BETA**2) * precision * recall / (recall + BETA**2 * precision)


def _mean(rows):
    return {"corpus": float(rows.mean()) if len(rows) else 0.0, "rows": rows}
