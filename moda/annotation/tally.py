"""What the card and the report tell of a dataset's rows: some numbers and short strings a row, never a picture."""

import array
import hashlib
import heapq
import re
from collections import Counter

import numpy as np
from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS


ATTRIBUTES = ("gender", "masterCategory", "articleType", "baseColour", "usage", "season")
SPLITS = ("train", "validation", "test")
UNKNOWN = "not known"
EXAMPLES, FREQUENT, BINS = 12, 30, 24


class Tally:
    """Counts rows as they pass.

    Args:
        annotators (`dict[str, dict]`): Of each step.
        fields (`list[str]`): Names of the metadata.
        checks (`list[str]`): Names of those that rows may have passed.
        floor (`float`, *optional*): Of CLIPScores.
    """

    def __init__(self, annotators, fields, checks, floor):
        self.annotators, self.fields, self.floor = annotators, fields, floor
        self.rows, self.quarantined, self.splits = 0, {}, Counter()
        self.passed = Counter(dict.fromkeys(checks, 0))
        self.lengths, self.words, self.sentences, self.groups = Counter(), Counter(), Counter(), Counter()
        self.marginals = {name: Counter() for name in ATTRIBUTES if name in fields}
        self.files, self.repeated_files = set(), 0
        self.split_of, self.across = {}, set()  # of groups
        self.dates = {"describe": set(), "refine": set()}
        self.scores, self.examples, self.corrected = array.array("f"), [], []

    def add(self, split, rows, quarantined):
        """Counts some rows of a split.

        Args:
            split (`str`): Its name.
            rows (`list[tuple[dict, dict]]`): Pairs of a RECORD and the dataset's row.
            quarantined (`list[dict]`): Lines of those put in quarantine.
        """
        for line in quarantined:
            noted = self.quarantined.setdefault(line["check"], {"count": 0, "examples": []})
            noted["count"] += 1
            noted["examples"] += [line] if len(noted["examples"]) < EXAMPLES // 2 else []
        self.rows += len(rows)
        self.splits[split] += len(rows)
        for record, row in rows:
            sentence = row["description"]
            self.sentences[sentence] += 1
            self.lengths[len(sentence.split())] += 1
            self.words.update(re.findall(r"[^\W\d_]+(?:[’'-][^\W\d_]+)*", sentence.lower()))
            self.groups[row["group"]] += 1
            if self.split_of.setdefault(row["group"], split) != split:
                self.across.add(row["group"])
            self.passed.update(row["checks"])
            for name, values in self.marginals.items():
                values[row["metadata"][name]] += 1
            digest = hashlib.blake2b(row["image"]["bytes"], digest_size=8).digest()
            self.repeated_files += digest in self.files
            self.files.add(digest)
            for step, dates in self.dates.items():
                dates.add(row["annotators"][step]["date"])
            if row["clip_score"] is not None:
                self.scores.append(row["clip_score"])
            _draw(self.examples, record)
            if record["described"]["flags"]:
                _draw(self.corrected, record)

    def summary(self, files):
        """What [`assemble`] returns.

        Args:
            files (`dict[str, dict]`): Of each split what its files are.

        Returns:
            `dict`
        """
        lengths = np.repeat(*(np.array(column) for column in zip(*sorted(self.lengths.items()))))
        frequent = {word: count for word, count in self.words.items() if word not in ENGLISH_STOP_WORDS}
        grouped = [count for count in self.groups.values() if count > 1]
        quarantined = sum(noted["count"] for noted in self.quarantined.values())
        return {
            "step": "assemble",
            "counts": {"in": self.rows + quarantined, "kept": self.rows, "quarantined": quarantined},
            "checks": self.quarantined,
            "splits": {
                name: {"rows": self.splits[name], **files[name]}
                for name in sorted(files, key=_place)
                if self.splits[name]
            },
            "annotators": self.annotators,
            "dates": {step: [min(dates), max(dates)] for step, dates in self.dates.items()},
            "fields": self.fields,
            "passed": dict(self.passed),
            "words": {
                **dict(zip(("low", "median", "high"), map(float, np.percentile(lengths, (5, 50, 95))))),
                "histogram": [
                    [length, self.lengths[length]] for length in range(min(self.lengths), max(self.lengths) + 1)
                ],
            },
            "vocabulary": {
                "words": self.words.total(),
                "distinct": len(self.words),
                "frequent": [[word, count] for word, count in _ordered(frequent)[:FREQUENT]],
            },
            "duplicates": {
                "groups": len(self.groups),
                "largest_group": max(self.groups.values()),
                "grouped": sum(grouped),
                "across_splits": len(self.across),
                "pictures": self.repeated_files,
                "sentences": self.rows - len(self.sentences),
                "most_repeated": _ordered(self.sentences)[0],
            },
            "marginals": {
                name: {value or UNKNOWN: count for value, count in _ordered(values)}
                for name, values in self.marginals.items()
                if set(values) != {None}
            },
            "clip": self._clip(),
            "examples": [record for _, _, record in sorted(self.examples, reverse=True)],
            "corrected": [record for _, _, record in sorted(self.corrected, reverse=True)],
        }

    def _clip(self):
        if not self.scores:
            return None
        scores = np.array(self.scores, dtype=float)
        counts, ends = np.histogram(scores, bins=BINS)
        bins = [[float(low), float(high), int(count)] for low, high, count in zip(ends, ends[1:], counts)]
        middle = {"mean": float(scores.mean()), "median": float(np.median(scores))}
        return {**middle, "floor": self.floor, "histogram": bins}


def _draw(drawn, record):
    """Keeps the records whose ids have the smallest digests: a sample that depends on neither order nor machine."""
    place = -int.from_bytes(hashlib.blake2b(record["id"].encode(), digest_size=8).digest())
    push = heapq.heappush if len(drawn) < EXAMPLES else heapq.heappushpop
    push(drawn, (place, record["id"], record))


def _ordered(counts):
    """The most frequent first, equals by name."""
    return [list(pair) for pair in sorted(counts.items(), key=lambda pair: (-pair[1], str(pair[0])))]


def _place(split):
    """The usual order of splits."""
    return SPLITS.index(split) if split in SPLITS else len(SPLITS), split
