"""BLEU, ROUGE-L and CIDEr-D, against their definitions written out plainly here, and against COCO's own code."""

import math
import random
from collections import Counter

import numpy as np
import pytest

from moda.evaluation.captions import bleu_statistics, caption_scores
from moda.evaluation.ptb import ptb_tokenize


WORDS = "a the red blue navy shirt shoes dress for men women with and t-shirt in of striped".split()
NAMES = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "cider"]


def draw(rows=40, seed=0):
    """Sentences and one to five references each, of few words, so that many n-grams meet; some sentences are empty."""
    source = random.Random(seed)

    def sentence(least):
        words = " ".join(source.choice(WORDS) for _ in range(source.randint(least, 9)))
        return source.choice([words, f"{words}.", words.capitalize(), f"{words}, 1 1/2 (new)"])

    references = [[sentence(1) for _ in range(source.randint(1, 5))] for _ in range(rows)]
    sentences = [source.choice([accepted[0], sentence(0)]) for accepted in references]
    return [*sentences, "", "shirt"], [*references, ["a red shirt"], ["a red shirt", "a shirt"]]


def grams(words, n):
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def words_of(text):
    return " ".join(ptb_tokenize(text)).split()


def plain_bleu(pairs):
    """Papineni et al. 2002, with COCO's two constants."""
    scores, product = [], 1.0
    length = sum(len(words) for words, _ in pairs)
    closest = sum(min((abs(len(r) - len(words)), len(r)) for r in accepted)[1] for words, accepted in pairs)
    for n in range(1, 5):
        right = total = 0
        for words, accepted in pairs:
            found = grams(words, n)
            right += sum(min(count, max(grams(r, n)[gram] for r in accepted)) for gram, count in found.items())
            total += sum(found.values())
        product *= (right + 1e-15) / (total + 1e-9)
        scores.append(product ** (1 / n))
    ratio = (length + 1e-15) / (closest + 1e-9)
    return [score * (math.exp(1 - 1 / ratio) if ratio < 1 else 1) for score in scores]


def plain_rouge(words, accepted):
    """Lin 2004: the table of common subsequences."""

    def common(a, b):
        table = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
        for i, x in enumerate(a):
            for j, y in enumerate(b):
                table[i + 1][j + 1] = table[i][j] + 1 if x == y else max(table[i][j + 1], table[i + 1][j])
        return table[-1][-1]

    if not words:
        return 0.0
    precision = max(common(words, r) / len(words) for r in accepted)
    recall = max(common(words, r) / len(r) for r in accepted)
    return 2.44 * precision * recall / (recall + 1.44 * precision) if precision else 0.0


def plain_cider(pairs):
    """Vedantam et al. 2015; the length that the penalty compares is in bigrams, as COCO's code has it."""
    seen = Counter(
        gram for _, accepted in pairs for gram in {g for r in accepted for n in range(1, 5) for g in grams(r, n)}
    )

    def weigh(words, n):
        return {g: count * math.log(len(pairs) / max(1, seen[g])) for g, count in grams(words, n).items()}

    scores = []
    for words, accepted in pairs:
        total = 0.0
        for r in accepted:
            difference = max(len(words) - 1, 0) - max(len(r) - 1, 0)
            for n in range(1, 5):
                a, b = weigh(words, n), weigh(r, n)
                product = sum(min(a[g], b[g]) * b[g] for g in a if g in b)
                length = math.hypot(*a.values()) * math.hypot(*b.values())
                total += product / length * math.exp(-(difference**2) / 72) if length else 0
        scores.append(10 * total / 4 / len(accepted))
    return scores


@pytest.mark.parametrize("seed", range(3))
def test_scores_are_those_of_the_definitions(seed):
    sentences, references = draw(seed=seed)
    pairs = [(words_of(text), [words_of(r) for r in accepted]) for text, accepted in zip(sentences, references)]
    scores = caption_scores(sentences, references)
    assert list(scores) == NAMES
    np.testing.assert_allclose([scores[name]["corpus"] for name in NAMES[:4]], plain_bleu(pairs), atol=1e-12)
    rows = [plain_bleu([pair]) for pair in pairs]
    np.testing.assert_allclose(np.stack([scores[name]["rows"] for name in NAMES[:4]], 1), rows, atol=1e-12)
    tokens = [
        (ptb_tokenize(text), [ptb_tokenize(r) for r in accepted]) for text, accepted in zip(sentences, references)
    ]
    np.testing.assert_allclose(scores["rouge_l"]["rows"], [plain_rouge(*row) for row in tokens], atol=1e-12)
    np.testing.assert_allclose(scores["cider"]["rows"], plain_cider(pairs), atol=1e-12)
    for name in ("rouge_l", "cider"):
        assert scores[name]["corpus"] == pytest.approx(scores[name]["rows"].mean(), abs=1e-12)


def test_scores_are_those_of_coco():
    pytest.importorskip("pycocoevalcap")
    from pycocoevalcap.bleu.bleu import Bleu
    from pycocoevalcap.cider.cider import Cider
    from pycocoevalcap.rouge.rouge import Rouge

    sentences, references = draw(rows=200, seed=7)
    truth = {row: [" ".join(ptb_tokenize(text)) for text in accepted] for row, accepted in enumerate(references)}
    said = {row: [" ".join(ptb_tokenize(text))] for row, text in enumerate(sentences)}
    scores = caption_scores(sentences, references)
    corpus, rows = Bleu(4).compute_score(truth, said, verbose=0)
    expected = dict(
        zip(NAMES, [*zip(corpus, rows), Rouge().compute_score(truth, said), Cider().compute_score(truth, said)])
    )
    for name, (corpus, rows) in expected.items():
        assert scores[name]["corpus"] == pytest.approx(corpus, abs=1e-9), name
        np.testing.assert_allclose(scores[name]["rows"], rows, atol=1e-9, err_msg=name)


def test_right_sentences_score_full():
    sentences = [
        f"{colour} {kind} for {who}"
        for colour, kind, who in zip("red blue green".split(), "ab ob ib".split(), "xy yz zx".split())
    ]
    scores = caption_scores(sentences, [[text] for text in sentences])
    for name in NAMES[:5]:
        assert scores[name]["corpus"] == pytest.approx(1)
    assert scores["cider"]["corpus"] == pytest.approx(10)
    wrong = caption_scores(sentences, [["nothing of the kind"]] * 3)
    assert all(score["corpus"] < 1e-3 for score in wrong.values())


def test_order_of_references_and_of_rows_is_immaterial():
    sentences, references = draw()
    scores = caption_scores(sentences, references)
    turned = caption_scores(sentences, [accepted[::-1] for accepted in references])
    order = np.random.default_rng(0).permutation(len(sentences))
    mixed = caption_scores([sentences[row] for row in order], [references[row] for row in order])
    for name in NAMES:
        np.testing.assert_allclose(turned[name]["rows"], scores[name]["rows"], atol=1e-12)
        np.testing.assert_allclose(mixed[name]["rows"], scores[name]["rows"][order], atol=1e-12)
        assert mixed[name]["corpus"] == pytest.approx(scores[name]["corpus"], abs=1e-12)


def test_rows_twice_leave_the_corpus_as_it_was():
    """CIDEr's rarity is a share of the rows, so it stays, too."""
    sentences, references = draw()
    once, twice = caption_scores(sentences, references), caption_scores(sentences * 2, references * 2)
    for name in NAMES:
        if name != "cider":  # there a word no reference has counts as one seen in one row, whatever their number
            assert twice[name]["corpus"] == pytest.approx(once[name]["corpus"], abs=1e-9)
    known = [[*accepted, text or "x"] for text, accepted in zip(sentences, references)]
    once, twice = caption_scores(sentences, known), caption_scores(sentences * 2, known * 2)
    assert twice["cider"]["corpus"] == pytest.approx(once["cider"]["corpus"], abs=1e-9)


def test_bleu_of_a_bootstrap_is_that_of_its_rows():
    sentences, references = draw()
    statistics = bleu_statistics(sentences, references)
    drawn = np.random.default_rng(0).integers(len(sentences), size=(5, len(sentences)))
    weights = np.stack([np.bincount(rows, minlength=len(sentences)) for rows in drawn])
    found = statistics.corpus(weights)
    assert found.shape == (5, 4)
    for rows, bleu in zip(drawn, found):
        expected = caption_scores([sentences[row] for row in rows], [references[row] for row in rows], ["bleu"])
        np.testing.assert_allclose(bleu, [expected[name]["corpus"] for name in NAMES[:4]], atol=1e-12)
    np.testing.assert_allclose(statistics.corpus(weights[0]), found[0], atol=1e-12)


def test_one_reference_may_be_a_string():
    assert caption_scores(["a red shirt", "shoes"], ["red shirts", "shoes"])["rouge_l"]["corpus"] == pytest.approx(
        caption_scores(["a red shirt", "shoes"], [["red shirts"], ["shoes"]])["rouge_l"]["corpus"]
    )


def test_nothing_said_scores_nothing():
    scores = caption_scores(["", "...", "a red shirt"], [["a red shirt"], [""], ["", "a red shirt"]])
    for name in NAMES:
        assert scores[name]["rows"][:2].max() < 1e-9 and np.isfinite(scores[name]["rows"]).all()
    assert scores["rouge_l"]["rows"][2] == 1
    assert all(score["corpus"] < 1e-6 for score in caption_scores(["", ""], [["a"], ["b"]]).values())


def test_no_rows():
    scores = caption_scores([], [])
    assert all(
        score["rows"].shape == (0,) and score["corpus"] == pytest.approx(0, abs=1e-6) for score in scores.values()
    )


def test_unknown_metric():
    with pytest.raises(ValueError, match="'spice' is no caption metric; choose from bleu, rouge_l, cider, meteor."):
        caption_scores(["a"], [["a"]], metrics=["spice"])
