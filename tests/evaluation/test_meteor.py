"""METEOR in Python against alignments made by hand, and beside the reference program."""

import random
import shutil
import subprocess
import sys

import numpy as np
import pytest

from moda.evaluation.meteor import _align, _run_reference, meteor, meteor_of_sums, meteor_statistics


JAVA = shutil.which("java") is not None


def test_a_sentence_like_its_reference_scores_one():
    found = meteor(["A red shirt for men.", "blue shoes"], [["a dress", "a red shirt for men"], ["blue shoes"]])
    assert found["rows"].tolist() == [1.0, 1.0] and found["corpus"] == 1.0


def test_formula():
    """Content words weigh 0.75, function words 0.25, stems 0.6; 'shirts' meets 'shirt', and 'a' meets 'a'."""
    found = meteor(["a red shirts"], ["a blue shirt"])["rows"][0]
    share = (0.25 + 0.6 * 0.75) / (0.25 + 2 * 0.75)  # precision and recall alike
    assert found == pytest.approx((1 - 0.6 * (2 / 2) ** 0.2) * share)


def test_recall_counts_more():
    short, long = meteor(["red shirt", "red shirt striped blue"], ["red shirt striped", "red shirt striped"])["rows"]
    assert long > short > 0


@pytest.mark.parametrize(
    "candidate, reference, pairs, chunks",
    [
        ("the dog and the cat", "the cat and the dog", 5, 3),  # "the dog", "and", "the cat"
        ("a b c", "c b a", 3, 3),
        ("a a a", "a", 1, 1),
        ("the red the", "red the", 2, 1),
        ("x y", "p q", 0, 0),
        ("", "a", 0, 0),
    ],
)
def test_alignment(candidate, reference, pairs, chunks):
    found, number = _align(candidate.split(), reference.split())
    assert (len(found), number) == (pairs, chunks)
    assert len({left for left, _ in found}) == len({right for _, right in found}) == pairs


def test_the_best_reference_counts_and_their_order_does_not():
    accepted = ["a dress", "a red shirt", "shoes for men"]
    one = meteor(["a red shirt for men"], [accepted])
    other = meteor(["a red shirt for men"], [accepted[::-1]])
    assert one["rows"][0] == other["rows"][0] == max(meteor(["a red shirt for men"], [r])["rows"][0] for r in accepted)


def test_nothing_said():
    found = meteor(["", "a", "..."], [["a shirt"], [""], [""]])
    assert found["rows"].tolist() == [0, 0, 0] and found["corpus"] == 0
    assert meteor([], [])["rows"].shape == (0,)


@pytest.mark.skipif(not JAVA, reason="no Java")
def test_reference_program_agrees_on_words_and_stems_and_leaves_nothing_behind(monkeypatch):
    """Without synonyms and paraphrases the program computes the same, where no stem stands twice in a sentence."""
    pytest.importorskip("pycocoevalcap")
    from pycocoevalcap.meteor import meteor as wrapper

    started, popen = [], subprocess.Popen

    def words_and_stems(command, **options):
        started.append(popen([*command, "-m", "exact stem", "-w", "1.0 0.6"], **options))
        return started[-1]

    monkeypatch.setattr(wrapper.subprocess, "Popen", words_and_stems)
    sentences, references = [], []
    source = random.Random(0)
    words = (
        "dog/dogs run/running walk/walks jump/jumped red x-ray shirt/shirts the on of with green field/fields".split()
    )

    def sentence(least, most):
        return " ".join(source.choice(word.split("/")) for word in source.sample(words, source.randint(least, most)))

    for _ in range(200):
        sentences.append(sentence(1, 8))
        references.append([sentence(1, 10) for _ in range(source.randint(1, 4))])
    own, theirs = (
        meteor([*sentences, ""], [*references, ["a dog"]]),
        meteor([*sentences, ""], [*references, ["a dog"]], True),
    )
    np.testing.assert_allclose(own["rows"], theirs["rows"], atol=1e-6)
    assert own["corpus"] == pytest.approx(theirs["corpus"], abs=1e-6)
    assert len(started) == 1 and started[0].returncode is not None


def test_without_java(monkeypatch):
    pytest.importorskip("pycocoevalcap")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(RuntimeError, match="needs Java, and there is no `java` on the PATH"):
        meteor(["a"], ["a"], reference=True)


def test_without_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pycocoevalcap.meteor.meteor", None)
    with pytest.raises(ImportError, match=r'pip install "moda\[coco\]"'):
        meteor(["a"], ["a"], reference=True)


def test_a_program_that_dies_is_one_sentence(monkeypatch, tmp_path):
    """A `java` that ends at once: no hang, no lock held, an error that says what it said."""
    pytest.importorskip("pycocoevalcap")
    program = tmp_path / "java"
    program.write_text("#!/bin/sh\necho 'no room for the heap' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(RuntimeError, match="ended before its time .no room for the heap."):
        _run_reference([["a"]] * 50, [[["a"]]] * 50)


def test_the_corpus_of_some_rows_is_that_of_their_sums():
    said = ["a red shirt", "blue shoes for men", "", "two dogs run"]
    human = [["a red shirt for men", "shirt"], ["blue shoes"], ["a belt"], ["dogs running", "two dogs"]]
    weights = np.array([[1, 1, 1, 1], [2, 0, 1, 3]])
    corpora = meteor_of_sums(weights @ meteor_statistics(said, human))
    for drawn, corpus in zip(weights, corpora):
        rows = [row for row, count in enumerate(drawn) for _ in range(count)]
        assert corpus == pytest.approx(meteor([said[row] for row in rows], [human[row] for row in rows])["corpus"])
