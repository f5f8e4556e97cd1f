"""Measures how well the lexicon reads sentences of varied style, against what people read in them.

    python benchmarks/rule_judge.py           # writes benchmarks/results/rule-judge.json
    python benchmarks/rule_judge.py --errors tuning  # shows what is read wrongly in one part; writes nothing

The fixture's sentences were written and labelled without knowledge of the lexicon. Its tuning part was looked at to mend the
lexicon, its held-out part in the end too; nobody looked at what is misread in its unseen part, which is therefore the one that
says what to expect of new sentences. Let it be so: `--errors` does not show it.
A mention matches a label where the value read first is one that the label accepts, one to one;
what is said again is no second mention. Words are read under their well-known names, as for no catalogue in particular.
"""

import argparse
import json
import sys
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
FIXTURE = ROOT / "tests" / "evaluation" / "judge_sentences.jsonl"
RESULTS = ROOT / "benchmarks" / "results" / "rule-judge.json"
ATTRIBUTES = ("baseColour", "articleType", "gender", "usage")
DETAILS = ("material", "pattern", "neckline", "sleeves")


def load_fixture(path=FIXTURE):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def labels(row, attribute):
    """Of each label the values that it accepts."""
    found = row.get(attribute) if attribute in ATTRIBUTES else row.get("details", {}).get(attribute)
    found = [found] if isinstance(found, str) else found or []
    return [tuple(label.split("|")) for label in found]


def compare(said, wanted):
    """Matches mentions with labels; returns how many match, the mentions left over and the labels left over."""
    left, extra = [tuple(name.lower() for name in label) for label in wanted], []
    for mention in said:
        place = next((place for place, label in enumerate(left) if mention.values[0].lower() in label), None)
        if place is None:
            extra.append(mention)
        else:
            left.pop(place)
    return len(wanted) - len(left), extra, left


def measure(rows, attribute, lexicon, show=False):
    """Precision, recall and F1 of one attribute over rows of the fixture."""
    from moda.data.lexicon import statements

    right = read = wanted = 0
    for row in rows:
        said = [mention for mention in statements(lexicon.read(row["sentence"])) if mention.attribute == attribute]
        label = labels(row, attribute)
        matched, extra, missed = compare(said, label)
        right, read, wanted = right + matched, read + len(said), wanted + len(label)
        if show and (extra or missed):
            print(
                f"{row['id']} {attribute}: {row['sentence']!r}\n    extra {[(m.text, m.values) for m in extra]}, missed {missed}"
            )
    scores = {"precision": right / read if read else None, "recall": right / wanted if wanted else None}
    scores["f1"] = 2 * right / (read + wanted) if read + wanted else None
    return {
        **{name: score and round(score, 4) for name, score in scores.items()},
        "right": right,
        "read": read,
        "labelled": wanted,
    }


def results_of(rows, lexicon):
    """Scores of the whole fixture and of its parts."""
    parts = {"all": rows}
    for row in rows:
        parts.setdefault(row["part"], []).append(row)
    return {
        name: {
            "sentences": len(found),
            **{attribute: measure(found, attribute, lexicon) for attribute in (*ATTRIBUTES, *DETAILS)},
        }
        for name, found in parts.items()
    }


def main():
    from moda.data.lexicon import Lexicon

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--errors", metavar="PART", choices=("tuning", "held-out"))
    chosen = parser.parse_args().errors
    rows, lexicon = load_fixture(), Lexicon({})
    if chosen:
        part = [row for row in rows if row["part"] == chosen]
        for attribute in (*ATTRIBUTES, *DETAILS):
            measure(part, attribute, lexicon, show=True)
        return
    results = results_of(rows, lexicon)
    RESULTS.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    for name, scores in results.items():
        print(name, ", ".join(f"{attribute} {scores[attribute]['f1']}" for attribute in (*ATTRIBUTES, *DETAILS)))


if __name__ == "__main__":
    main()
