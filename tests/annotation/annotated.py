"""A made-up run of `moda annotate` over drawn products: what the steps before `assemble` leave behind."""

import io
from types import SimpleNamespace

from datasets import Dataset, Image

from moda.annotation.checks import DEFAULTS
from moda.data.demo import demo_rows


FIELDS = "gender masterCategory subCategory articleType baseColour season year usage productDisplayName pattern".split()
SPLITS = ["train"] * 8 + ["validation", "test"]
VISION = {
    "kind": "local",
    "model": "microsoft/Phi-4-multimodal-instruct",
    "revision": "93f923e",
    "adapter": "vision-lora",
    "licence": "mit",
    "parameters": {"max_new_tokens": 300, "do_sample": False},
    "prompt": "describe-v1",
    "prompt_sha256": "0123456789ab",
}
INSTRUCT = {
    **VISION,
    "model": "/models/mine/Phi-3-mini",
    "adapter": None,
    "prompt": "refine-v1",
    "prompt_sha256": "ba9876543210",
}
RULES = {"kind": "metadata", "model": "metadata", "revision": "0a1b2c3d4e5f", "licence": None}
ANNOTATORS = {"describe": VISION, "refine": INSTRUCT}
METADATA_ONLY = dict.fromkeys(ANNOTATORS, RULES)
CHECKS = {**DEFAULTS, "language": False}
ON = [name for name, settings in CHECKS.items() if settings is not False]
REVERSED = {"Men": "Women", "Women": "Men", "Boys": "Girls", "Girls": "Boys", "Unisex": "Girls"}


def make_source(count=40, size=48):
    """Drawn products, opened as `moda.annotation.source` opens them, and their descriptions."""
    drawn = list(demo_rows(count, size=size))
    for row in drawn:
        buffer = io.BytesIO()
        row["image"].save(buffer, "PNG")
        row["image"] = {"bytes": buffer.getvalue(), "path": f"/home/somebody/pictures/{row['id']}.png"}
    rows = Dataset.from_list(drawn).cast_column("image", Image(decode=False))

    def metadata(index):
        return {name: None if drawn[index][name] is None else str(drawn[index][name]) for name in FIELDS}

    return SimpleNamespace(rows=rows, metadata=metadata), drawn


def make_records(source, drawn):
    """RECORDs after `refine`: every eighth draft has printed text in it, every tenth calls the wearer wrong."""
    for place, row in enumerate(drawn):
        flags, draft = {}, row["description"].replace("A ", "The picture shows a ", 1)
        if place % 8 == 0:
            draft, flags = draft[:-1] + ' with the text "SURF".', {"leaked_print": "“SURF” is quoted from the product."}
        elif place % 10 == 5:
            draft = f"A {row['articleType'].lower()} for {REVERSED[row['gender']].lower()}."
            flags["contradiction"] = f"The draft says {REVERSED[row['gender']]}, the metadata say {row['gender']}."
        yield {
            "id": f"p{row['id']}",
            "row": place,
            "group": str(place // 2),
            "split": None,
            "metadata": source.metadata(place),
            "draft": {
                "description": draft, "gender": row["gender"], "category": row["articleType"],
                "colour": row["baseColour"], "usage": None,
            },
            "described": {"date": "2026-11-20", "attempts": 1, "flags": flags},
            "description": row["description"],
            "refined": {"date": "2026-11-21", "attempts": 1, "flags": {}},
        }  # fmt: skip


def make_steps(records, assembled):
    """The `step.json` of every step, to what `assemble` returned."""
    entered, quarantined = assembled["counts"]["in"], 3
    described = entered + quarantined

    def lines(name):
        return [
            {"id": record["id"], "row": record["row"], "why": record["described"]["flags"][name],
             "said": record["draft"]["description"], "metadata": record["metadata"]}
            for record in records if name in record["described"]["flags"]
        ]  # fmt: skip

    def noted(found):
        return {"count": len(found), "examples": found[:6]}

    def against(record, said, **reasons):
        check, why = next(iter(reasons.items()))
        line = {name: record[name] for name in ("id", "row", "metadata")}
        return {**line, "check": check, "why": why, "reasons": reasons, "said": said}

    asked = {"asked": described - 5, "cached": 5, "retried": 2, "tokens_in": 91_000, "tokens_out": 4_200}
    print_of = "“WILD” is quoted from the product."
    wild = against(records[1], 'Says "WILD".', leaked_print=print_of, length="The description has 2 words; write more.")
    dream = against(records[2], "A Dream top for women.", leaked_print="“DREAM” is only in the title.")
    cut = against(records[3], '{"description": "A pair of', json="The answer ends in the middle of the object.")
    short = {**wild, "check": "length", "why": wild["reasons"]["length"]}  # an example of its second reason
    sample = {
        "step": "sample",
        "counts": {"in": 2 * described + 7, "kept": described, "skipped": 7, "not drawn": described},
        "checks": {
            "unreadable": noted([{"id": "p900", "row": None, "check": "unreadable", "why": "It ends too early."}] * 4),
            "picture_size": noted(
                [{"id": "p3", "row": 3, "check": "picture_size", "why": "It has 20 × 20 pixels."}] * 3
            ),
        },
        "distances": {"gender": 0.0021, "masterCategory": 0.0008, "articleType": 0.0194, "baseColour": 0.0153},
        "missing": [
            {"column": "articleType", "value": "Cufflinks <small>", "expected": 1.25, "why": "All are one group."},
            {"column": "gender", "value": None, "expected": 2.0, "why": "Its 4 rows can't be used."},
        ],
        "near_duplicates": {"rows": 12, "groups": 5},
        "entropy": {"articleType": [4.9, 5.04]},
        "notes": ["3 pictures in /data/shop/images have no row in styles.csv.", "2 lines had broken commas."],
        "seconds": 4.2,
    }
    describe = {
        "step": "describe",
        "annotator": VISION,
        "prompt": {"name": "describe-v1", "sha256": "0123456789ab"},
        "counts": {"in": described, "kept": described - 1, "quarantined": 1, **asked},
        "checks": {"json": noted([cut])},
        "flags": {name: noted(lines(name)) for name in ("leaked_print", "contradiction")},
        "seconds": 812.4,
    }
    refine = {
        "step": "refine",
        "annotator": INSTRUCT,
        "prompt": {"name": "refine-v1", "sha256": "ba9876543210"},
        "counts": {"in": described - 1, "kept": entered, "quarantined": 2, **asked},
        "checks": {"leaked_print": noted([wild, dream]), "length": noted([short])},
        "flags": {},
        "seconds": 377.0,
    }
    assembled = {**assembled, "distances": {name: distance + 0.001 for name, distance in sample["distances"].items()}}
    return {"sample": sample, "describe": describe, "refine": refine, "assemble": assembled}


def make_summary(records, assembled):
    return {
        "name": "Shop described",
        "origin": "/data/shop/styles.csv",
        "checks": CHECKS,
        "columns": {"image": "image", "articleType": "kind", "gender": "for"},
        "guessed": {"articleType": "kind"},
        "notes": ["4 rows were moved to the split of others of /data/shop."],
        "steps": make_steps(records, assembled),
        "facts": {"command": "moda annotate /data/shop sample.count=5400", "versions": {"datasets": "5.2.0"}},
    }
