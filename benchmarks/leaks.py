"""Measures how well leaked print is found in drafted descriptions, against what a person says of them.

    python benchmarks/leaks.py         # writes benchmarks/results/leaks.json
    python benchmarks/leaks.py --show  # prints what is judged wrongly in the tuning part; writes nothing

The drafts were written and labelled without knowledge of the filter. `--show` leaves out the held-out part, which therefore
says what to expect of new drafts. The unseen part was written later, and nobody has looked at what is judged wrongly in it:
`--show` never prints it, and the scores of single forms leave it out. A draft leaks where it repeats or reports writing on
the product or its packaging: quoted or unquoted words, names of brands and teams, numbers, initials, or merely that there is
text or a logo. Prints without letters, denied text, letters that name a cut (V-neck) and words in their ordinary sense (a
mango top by Mango) do not leak.
"""

import argparse
import json
import sys
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
FIXTURES = [ROOT / "tests" / "annotation" / name for name in ("leak_drafts.jsonl", "leak_drafts_unseen.jsonl")]
RESULTS = ROOT / "benchmarks" / "results" / "leaks.json"
SETTINGS = {"ocr": False, "overlap": 0.5}


def load_fixtures(paths=FIXTURES):
    return [json.loads(line) for path in paths for line in path.read_text(encoding="utf-8").splitlines()]


def judged(rows):
    """Of each draft why the filter holds it back, or `None`."""
    from moda.annotation.leaks import leaked_print

    return [leaked_print(row["draft"], {"metadata": row["metadata"]}, SETTINGS) for row in rows]


def share(right):
    """A share with its Wilson interval; `None` where there is nothing to count."""
    from moda.evaluation.intervals import accuracy

    if not right:
        return None
    found = accuracy(right)
    low, high = (round(float(found[name]), 4) for name in ("low", "high"))
    return {
        "share": round(float(found["accuracy"]), 4),
        "low": low,
        "high": high,
        "right": found["right"],
        "of": found["rows"],
    }


def scores_of(pairs):
    """Recall: of the leaks those found. Precision: of what is held back the leaks. Passed: of the rest what is let through."""
    return {
        "recall": share([why is not None for row, why in pairs if row["leak"]]),
        "precision": share([row["leak"] for row, why in pairs if why is not None]),
        "passed": share([why is None for row, why in pairs if not row["leak"]]),
    }


def results_of(rows, whys):
    """Scores of all drafts and of their parts; of a form, which holds one class alone, the share judged rightly."""
    pairs, parts, forms = list(zip(rows, whys, strict=True)), {}, {}
    for row, why in pairs:
        parts.setdefault(row["part"], []).append((row, why))
        if row["part"] != "unseen":
            forms.setdefault(row["form"], []).append((why is not None) == row["leak"])
    results = {name: {"drafts": len(found), **scores_of(found)} for name, found in {"all": pairs, **parts}.items()}
    return {**results, "forms": {name: share(right) for name, right in forms.items()}}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--show", action="store_true", help="print what is judged wrongly in the tuning part")
    show, rows = parser.parse_args().show, load_fixtures()
    if show:
        rows = [row for row in rows if row["part"] == "tuning"]
        for row, why in zip(rows, judged(rows), strict=True):
            if (why is not None) != row["leak"]:
                print(
                    f"{'missed' if row['leak'] else 'wrongly held back'} ({row['form']}): {row['draft']!r}\n    {why}"
                )
        return
    results = results_of(rows, judged(rows))
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    for name in ("all", "tuning", "held-out", "unseen"):
        told = (f"{score} {results[name][score]}" for score in ("recall", "precision", "passed"))
        print(f"{name}: {results[name]['drafts']} drafts", *told, sep="\n    ")


if __name__ == "__main__":
    main()
