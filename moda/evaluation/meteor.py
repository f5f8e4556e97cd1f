"""METEOR 1.5: by exact and stemmed words in Python, or the reference program where Java is installed."""

import shutil
from functools import lru_cache

import numpy as np
import snowballstemmer

from .ptb import tokenize_rows


# The defaults for English of METEOR 1.5: how recall, fragmentation and content words count.
ALPHA, BETA, GAMMA, DELTA = 0.85, 0.2, 0.6, 0.75
STEM_WEIGHT = 0.6  # of a match that only the stems make; that of the same word is 1
BEAM = 40
STEMMER = snowballstemmer.stemmer("english")
# Frequent words of English, fitted to those that METEOR 1.5 weighs as function words in captions.
FUNCTION_WORDS = set(
    """
    's a about after all also an and any are as at be been but by can could first for from had has have he her his i
    if in into is it its may me more most my n't no not now of on one or other our out over people s said she should
    so some such than that the their then there they this time to two up us was we were what when where which who
    will with would you your
    """.split()
)


def meteor(sentences, references, reference=False):
    """Scores sentences by METEOR 1.5 (Denkowski & Lavie 2014), English.

    Words are aligned with each reference's: as many as possible, in as few chunks, as little displaced as possible. Matches
    m of weight w, content words counting δ and function words 1 - δ, give precision P and recall R;

        score = (1 - γ (chunks / m)^β) · P R / (α P + (1 - α) R)

    The reference program matches synonyms and paraphrases, too, from tables that are not shipped here. Without them it gives
    the same score for 96 of 100 sentences; the others have a word or stem twice, or function words that are not on the list
    here. With them its scores lie higher: on 1,000 pictures of Flickr8k 0.255 for a human caption against four others, where
    this function gives 0.238, 0.023 apart in a row; rows rank alike by 0.93 (Spearman), and five systems in the same order.
    So compare scores of this function with one another, never with published ones.

    Args:
        sentences (`Sequence[str]`): One a row; an empty one scores 0.
        references (`Sequence[str | Sequence[str]]`): Of each row one or more; the best one counts.
        reference (`bool`, *optional*, defaults to `False`): Whether to run the reference program, as COCO's evaluation
            does. It takes Java and `pip install "moda[coco]"`.

    Returns:
        `dict`: `{"corpus": float, "rows": array of shape (rows,), float64}`; the corpus score is that of the summed counts of
        all rows.

    Raises:
        `ValueError`: If sentences and references do not align, or a row has none.
        `RuntimeError`: If the reference program is asked for and Java is missing, or it ends before its time.
        `ImportError`: If a package that it takes is missing.
    """
    candidates, human = tokenize_rows(sentences, references)
    return _run_reference(candidates, human) if reference else meteor_of_tokens(candidates, human)


def meteor_of_tokens(candidates, references):
    """[`meteor`] in Python, of what [`tokenize_rows`] returns."""
    counts = _counts(candidates, references)
    return {"corpus": float(meteor_of_sums(counts.sum(0))), "rows": meteor_of_sums(counts)}


def meteor_statistics(sentences, references):
    """Counts what [`meteor`] is made of, whose arguments and errors these are: enough for that of any choice of rows.

    Returns:
        `np.ndarray` of shape `(rows, 6)`: Of each row the counts in `STATISTICS`, against its best reference. Summed over
        rows, each as often as it counts, they are what [`meteor_of_sums`] takes.
    """
    return _counts(*tokenize_rows(sentences, references))


STATISTICS = ("weighed_candidate", "weighed_reference", "candidate", "reference", "matches", "chunks")


def _counts(candidates, references):
    counts = np.zeros((len(candidates), len(STATISTICS)))
    for row, (candidate, accepted) in enumerate(zip(candidates, references)):
        words = _words(candidate)
        found = np.array([_statistics(words, _words(tokens)) for tokens in accepted], dtype=np.float64)
        counts[row] = found[int(np.argmax(meteor_of_sums(found)))]
    return counts


def meteor_of_sums(sums):
    """METEOR of counts in `STATISTICS`, of shape `(..., 6)`; the scores have the shape `(...)`."""
    weighed_candidate, weighed_reference, candidate, reference, matches, chunks = np.moveaxis(np.asarray(sums), -1, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision, recall = weighed_candidate / candidate, weighed_reference / reference
        mean = precision * recall / (ALPHA * precision + (1 - ALPHA) * recall)
        return np.where(matches > 0, (1 - GAMMA * (chunks / matches) ** BETA) * mean, 0.0)


def _statistics(candidate, reference):
    """The counts that a score is made of, in the order of `STATISTICS`; they can be summed over rows."""
    pairs, chunks = _align(candidate, reference)
    weighed = [
        sum(
            _weight(words[pair[side]]) * (1 if candidate[pair[0]] == reference[pair[1]] else STEM_WEIGHT)
            for pair in pairs
        )
        for side, words in enumerate((candidate, reference))
    ]
    if chunks == 1 and len(pairs) == len(candidate) == len(reference):
        chunks = 0  # a sentence that is its reference is not in pieces
    return (*weighed, sum(map(_weight, candidate)), sum(map(_weight, reference)), len(pairs), chunks)


def _words(tokens):
    """METEOR takes the parts of "t-shirt" for words of their own."""
    return " ".join(tokens).replace("-", " ").split()


def _weight(word):
    return 1 - DELTA if word in FUNCTION_WORDS else DELTA


def _align(candidate, reference):
    """Pairs of places with the same word or stem, each place once: most pairs, then fewest chunks, then least displaced."""
    stems, places = [_stem(word) for word in candidate], {}
    for place, word in enumerate(reference):
        places.setdefault(_stem(word), []).append(place)
    spare = {stem: stems.count(stem) - len(found) for stem, found in places.items()}
    # (places taken, place of the last word or -2) -> (-pairs, chunks, displacement, pairs themselves)
    states = {(0, -2): (0, 0, 0, ())}
    for index, stem in enumerate(stems):
        grown = {}
        for (taken, last), (matches, chunks, moved, pairs) in states.items():
            options = [place for place in places.get(stem, ()) if not taken >> place & 1]
            for place in options:
                key = (taken | 1 << place, place)
                value = (
                    matches - 1,
                    chunks + (place != last + 1),
                    moved + abs(place - index),
                    (*pairs, (index, place)),
                )
                if key not in grown or value < grown[key]:
                    grown[key] = value
            if not options or spare[stem] > 0:
                key, value = (taken, -2), (matches, chunks, moved, pairs)
                if key not in grown or value < grown[key]:
                    grown[key] = value
        states = grown
        if len(states) > BEAM:
            states = dict(sorted(states.items(), key=lambda item: item[1])[:BEAM])
    _, chunks, _, pairs = min(states.values())
    return pairs, chunks


@lru_cache(maxsize=1 << 16)
def _stem(word):
    return STEMMER.stemWord(word)


def _run_reference(candidates, references):
    """Runs the Java program behind COCO's evaluation and leaves no process and no lock behind, whatever happens."""
    try:
        from pycocoevalcap.meteor.meteor import Meteor
    except ImportError:
        raise ImportError(
            'The reference METEOR needs the package pycocoevalcap, which is not installed; run `pip install "moda[coco]"`.'
        ) from None
    if shutil.which("java") is None:
        raise RuntimeError(
            "The reference METEOR needs Java, and there is no `java` on the PATH; install a Java runtime."
        )
    if not candidates:
        return {"corpus": 0.0, "rows": np.zeros(0)}
    program = Meteor()
    try:
        corpus, rows = program.compute_score(
            {row: [" ".join(tokens) for tokens in accepted] for row, accepted in enumerate(references)},
            {row: [" ".join(tokens)] for row, tokens in enumerate(candidates)},
        )
    except (OSError, ValueError):  # a pipe without a program behind it, or an empty line for a score
        program.meteor_p.kill()
        said = program.meteor_p.stderr.read().decode(errors="replace").strip().splitlines()
        raise RuntimeError(
            f"The reference METEOR ended before its time{f' ({said[-1]})' if said else ''}; try it with fewer rows, or use "
            "reference=False."
        ) from None
    finally:
        process = program.meteor_p
        process.kill()
        process.communicate()
        if program.lock.locked():  # held still where scoring failed; its finalizer would wait for it for ever
            program.lock.release()
    return {"corpus": float(corpus), "rows": np.array(rows, dtype=np.float64)}
