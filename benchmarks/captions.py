"""Compares the caption metrics with COCO's own code, in figures and in time, on human captions and worse ones.

    python benchmarks/captions.py flickr8k.parquet    # writes benchmarks/results/captions.json

Takes Java and `pip install "moda[coco]"`, and a parquet file with the columns `captions` (five a picture) and `split`. Of
each validation picture the first caption is scored against the other four: as it is, with words left out, cut in half, with
its words shuffled, and another picture's in its place. Only numbers are written.
"""

import argparse
import contextlib
import io
import json
import os
import random
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import pyarrow.parquet as parquet  # noqa: E402
from pycocoevalcap.bleu.bleu import Bleu  # noqa: E402
from pycocoevalcap.cider.cider import Cider  # noqa: E402
from pycocoevalcap.rouge.rouge import Rouge  # noqa: E402
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer  # noqa: E402
from scipy.stats import spearmanr  # noqa: E402
from tqdm.auto import tqdm  # noqa: E402

from moda.data.machine import describe_machine  # noqa: E402
from moda.evaluation import ptb  # noqa: E402
from moda.evaluation.captions import caption_scores  # noqa: E402
from moda.evaluation.meteor import meteor  # noqa: E402


RESULTS = ROOT / "benchmarks" / "results" / "captions.json"
ROUNDS = 5


def systems(captions):
    """Sentences of five systems, from the first caption of each picture: the first is a human's, the others ever worse."""
    source = random.Random(0)
    first = [row[0] for row in captions]
    words = [caption.split() for caption in first]
    return {
        "human": first,
        "words left out": [" ".join(word for word in row if source.random() > 0.3) for row in words],
        "cut in half": [" ".join(row[: len(row) // 2]) for row in words],
        "words shuffled": [" ".join(source.sample(row, len(row))) for row in words],
        "another picture's": first[1:] + first[:1],
    }


def reference_tokens(sentences, references):
    tokenizer = PTBTokenizer()
    truth = {row: [{"caption": text} for text in accepted] for row, accepted in enumerate(references)}
    return tokenizer.tokenize(truth), tokenizer.tokenize(
        {row: [{"caption": text}] for row, text in enumerate(sentences)}
    )


def reference_scores(sentences, references):
    """What COCO's code makes of them, in the form of `caption_scores`."""
    truth, said = reference_tokens(sentences, references)
    with contextlib.redirect_stdout(io.StringIO()):
        corpus, rows = Bleu(4).compute_score(truth, said, verbose=0)
        scores = {f"bleu_{order + 1}": found for order, found in enumerate(zip(corpus, rows))}
        scores["rouge_l"] = Rouge().compute_score(truth, said)
        scores["cider"] = Cider().compute_score(truth, said)
    return {name: {"corpus": float(corpus), "rows": np.array(rows)} for name, (corpus, rows) in scores.items()}


def timed(function, *arguments, **options):
    begun = time.perf_counter()
    result = function(*arguments, **options)
    return result, time.perf_counter() - begun


def own_scores(sentences, references):
    ptb._spelled.cache_clear()  # every run begins as the first
    return caption_scores(sentences, references)


def compare(own, reference):
    apart = np.abs(own["rows"] - reference["rows"])
    return {
        "own": own["corpus"],
        "reference": reference["corpus"],
        "corpus_difference": abs(own["corpus"] - reference["corpus"]),
        "largest_row_difference": float(apart.max()),
        "mean_row_difference": float(apart.mean()),
    }


def java_version():
    said = subprocess.run(["java", "-version"], capture_output=True, text=True).stderr
    return said.splitlines()[0] if said else "unknown"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", help="Parquet file with `captions` and `split`.")
    parser.add_argument("--split", default="validation", help="Which rows; validation by default.")
    arguments = parser.parse_args()
    table = parquet.read_table(arguments.data, columns=["captions", "split"]).to_pylist()
    captions = [row["captions"] for row in table if row["split"] == arguments.split]
    references = [row[1:] for row in captions]
    every = [text for row in table for text in row["captions"]]
    by_java, _ = reference_tokens([], [every])
    differ = sum(" ".join(ptb.ptb_tokenize(text)) != tokens for text, tokens in zip(every, by_java[0]))
    made = systems(captions)

    figures, own_seconds, reference_seconds = {}, [], []
    for name, sentences in tqdm(made.items(), desc="BLEU, ROUGE-L, CIDEr-D", unit="system"):
        own, reference = own_scores(sentences, references), reference_scores(sentences, references)
        figures[name] = {metric: compare(own[metric], reference[metric]) for metric in own}
    for _ in tqdm(range(ROUNDS), desc="Time", unit="round"):
        own_seconds.append(timed(own_scores, made["human"], references)[1])
        reference_seconds.append(timed(reference_scores, made["human"], references)[1])

    own_rows, reference_rows, own_meteor, reference_meteor = [], [], [], []
    for name, sentences in tqdm(made.items(), desc="METEOR", unit="system"):
        own, seconds = timed(meteor, sentences, references)
        own_meteor.append(seconds)
        reference, seconds = timed(meteor, sentences, references, reference=True)
        reference_meteor.append(seconds)
        figures[name]["meteor"] = {
            **compare(own, reference),
            "row_rank_correlation": float(spearmanr(own["rows"], reference["rows"]).statistic),
        }
        own_rows.append(own["corpus"])
        reference_rows.append(reference["corpus"])

    exact = [figures[name][metric] for name in figures for metric in figures[name] if metric != "meteor"]
    own, reference = statistics.median(own_seconds), statistics.median(reference_seconds)
    result = {
        "machine": describe_machine(),
        "cores": os.cpu_count(),
        "python": sys.version.split()[0],
        "java": java_version(),
        "pycocoevalcap": version("pycocoevalcap"),
        "pictures": len(captions),
        "references": sum(map(len, references)),
        "tokenizer": {"captions": len(every), "captions_that_differ": differ},
        "largest_corpus_difference": max(score["corpus_difference"] for score in exact),
        "largest_row_difference": max(score["largest_row_difference"] for score in exact),
        "seconds": {"rounds": ROUNDS, "own": own, "reference": reference, "times_faster": reference / own},
        "meteor": {
            "own_seconds": statistics.median(own_meteor),
            "reference_seconds": statistics.median(reference_meteor),
            "times_faster": statistics.median(reference_meteor) / statistics.median(own_meteor),
            "system_rank_correlation": float(spearmanr(own_rows, reference_rows).statistic),
        },
        "systems": figures,
    }
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({name: value for name, value in result.items() if name != "systems"}, indent=1))


if __name__ == "__main__":
    main()
