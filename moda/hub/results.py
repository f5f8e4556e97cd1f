"""What a run and an evaluation measured, as the model card shows it and as the Hub's `model-index` lists it."""

import re
import shlex

from huggingface_hub import EvalResult
from scipy.stats import binomtest


OVERALL, SCORES = "overall", ("overall", "colour", "style", "category", "gender", "factual")
NAMES = {"baseColour": "colour", "articleType": "article"}  # as people call them
CAPTIONS = {"cider": "CIDEr-D", "bleu_4": "BLEU-4", "rouge_l": "ROUGE-L", "meteor": "METEOR"}
METRICS = {"bleu_4": "bleu", "rouge_l": "rouge"}  # as the Hub calls them
FEWEST = 10  # rows of a class that its share is told of
WEAKEST = 4  # classes of an attribute that are named
PLAIN = r"[A-Za-z0-9_.-]"  # of which the Hub lets the type of a dataset consist


def results_of(run, evaluation, split):
    """Puts together what the card says of the model's quality.

    Args:
        run (`dict`): What `train.py` wrote to `run.json`.
        evaluation (`dict`, *optional*): What `moda evaluate` left in `scores.json`.
        split (`str`): Which rows the run was scored on.

    Returns:
        `dict` or `None`, where nothing was scored: texts and tables of the template. What there is none of is empty.
    """
    if evaluation is None:
        return _of_run(run, split)
    first, *others = evaluation["systems"]
    data, classes = evaluation["data"], evaluation.get("classes")
    family = "five" if (first.get("five") or {}).get(OVERALL, {}).get("value") is not None else "captions"
    columns = [name for name in (SCORES if family == "five" else CAPTIONS) if name in (first.get(family) or {})]
    baselines = [system for system in others if system.get("kind") == "baseline"]
    captions = _captions(first) if family == "five" else []
    sure = _sure(evaluation.get("calibration") or {})
    against = f"Against the references: {', '.join(captions)}." if captions else ""
    return {
        "split": data["split"],
        "where": f"{data['rows']:,} rows of {cell(data['source'])} (`{data['split']}`)",
        "headline": _headline(first, baselines, evaluation) if family == "five" else "",
        "family": family,
        "columns": [CAPTIONS.get(name, name) for name in columns],
        "board": [_line(system, family, columns) for system in evaluation["systems"]],
        "abouts": {cell(system["name"]): cell(system.get("about") or "") for system in baselines},
        "standing": standing(evaluation, baselines, columns, family),
        "resamples": (evaluation.get("bootstrap") or {}).get("resamples"),
        "attributes": _attributes(first.get("attributes") or {}, baselines),
        "precision": (evaluation.get("model") or {}).get("precision", ""),
        "said": list(filter(None, [_exact(first.get("exact_match")), against, sure])),
        "notes": [cell(note) for note in evaluation.get("notes") or []],
        "weakest": None if classes is None else weakest(classes),
        "probes": _probes(evaluation.get("probes") or []),
        "command": told(evaluation.get("command") or "moda evaluate"),
    }


def _of_run(run, split):
    if not run.get("scores"):
        return None
    overall, exact = (run.get("guide") or {}).get(OVERALL), run.get("exact_match")
    said = [
        _exact(exact and {**exact, **_wilson(exact)}),
        "" if overall is None else f"The MODA guide's overall score, 0 to 10, by rules: {overall:.2f}.",
        "The intervals (Wilson's) take the rows for independent, which near-duplicates are not. No baseline was evaluated beside "
        "it: what these shares are worth, `moda evaluate` tells.",
    ]
    return {
        "split": split,
        "where": f"{run['evaluated_rows']:,} rows (`{split}`)",
        "attributes": _attributes({name: {**score, **_wilson(score)} for name, score in run["scores"].items()}, []),
        "said": list(filter(None, said)),
        "notes": [],
        "command": "python train.py recipe.yaml",
    }


def _wilson(score):
    if not score["rows"]:
        return {"value": None, "low": None, "high": None}
    found = binomtest(score["right"], score["rows"]).proportion_ci(method="wilson")
    return {"value": score["accuracy"], "low": float(found.low), "high": float(found.high)}


def _exact(score):
    if not score or score["value"] is None:
        return ""
    return f"The sentence is a reference's, word for word, in {_share(score)} of the rows."


def _headline(first, baselines, evaluation):
    """Overall, beside the model without the picture and the best that does not describe."""
    score = first["five"][OVERALL]
    rows = score.get("rows") or evaluation["data"]["rows"]
    text = f"Overall **{score['value']:.2f}** of 10{_span(score)} on {rows:,} products, judged by rules"
    values = {cell(system["name"]): (system.get("five") or {}).get(OVERALL, {}).get("value") for system in baselines}
    values = {name: value for name, value in values.items() if value is not None}
    beside = []
    if "blind" in values:
        beside.append(f"without the picture the same model gets {values.pop('blind'):.2f}")
    if values:
        best = max(values, key=values.get)
        beside.append(f"the best {'other ' * bool(beside)}baseline, {best}, {values[best]:.2f}")
    return text + "".join(f"{', ' if number else '; '}{part}" for number, part in enumerate(beside)) + "."


def standing(evaluation, baselines, columns, family):
    """Says where a baseline does better than the model, and where the difference may be chance.

    Args:
        evaluation (`dict`): See [`results_of`].
        baselines (`list[dict]`): Of its systems.
        columns (`list[str]`): Scores to compare.
        family (`str`): `five` or `captions`, theirs.

    Returns:
        `list[str]`: Sentences.
    """
    if not baselines:
        return ["No baseline was evaluated beside it: what these scores are worth is not known."]
    pairs = {pair["b"]: pair["differences"] for pair in evaluation.get("paired") or []}
    ahead, level, compared = [], [], 0
    for system in baselines:
        leads, draws = [], []
        for column in columns:
            found = pairs.get(system["name"], {}).get(column if family == "five" else f"{family}: {column}") or {}
            if found.get("low") is None or found.get("high") is None:
                continue
            compared, score = compared + 1, CAPTIONS.get(column, column)
            if found["high"] < 0:
                leads.append(f"{score} by {-found['value']:.2f} ({-found['high']:.2f}–{-found['low']:.2f})")
            elif found["low"] <= 0:
                draws.append(score)
        ahead += [f"{cell(system['name'])}, in {', '.join(leads)}"] if leads else []
        level += [f"{cell(system['name'])} in {', '.join(draws)}"] if draws else []
    said = [f"**A baseline does better:** {'; '.join(ahead)}."] if ahead else []
    said += [f"These rows do not tell it from {'; '.join(level)}."] if level else []
    if not compared:
        said = ["Whether it differs from the baselines by more than chance was not evaluated."]
    return said or ["In each of these scores it is ahead of every baseline, by more than chance makes (95 %)."]


def weakest(classes):
    """Names the values that are found least often, and less often than is usual for their attribute.

    Args:
        classes (`dict[str, list[dict]]`): Of each attribute its values, with `value`, `rows`, `right` and `recall`.

    Returns:
        `dict[str, str]`: Of each attribute that has any such as "Peach (3 of 12), Rust (8 of 15)".
    """
    found = {}
    for attribute, table in classes.items():
        enough = [line for line in table if line["rows"] >= FEWEST]
        usual = sum(line["right"] for line in table) / max(sum(line["rows"] for line in table), 1)
        worst = sorted(enough, key=lambda line: (line["recall"], -line["rows"]))[:WEAKEST]
        named = [
            f"{cell(line['value'])} ({line['right']:,} of {line['rows']:,})" for line in worst if line["recall"] < usual
        ]
        if named:
            found[NAMES.get(attribute, attribute)] = ", ".join(named)
    return found


def eval_results(run, evaluation, split, dataset):
    """Lists the scores for the Hub.

    Args:
        run, evaluation, split: See [`results_of`].
        dataset (`str`): What the run was scored on, its name or its id on the Hub; an evaluation says itself.

    Returns:
        `list[EvalResult]` or `None`, where nothing was scored.
    """
    if evaluation is None:
        attributes, exact = run.get("scores") or {}, run.get("exact_match")
        five, captions = {name: {"value": value} for name, value in (run.get("guide") or {}).items()}, {}
    else:
        first, split, source = evaluation["systems"][0], evaluation["data"]["split"], evaluation["data"]["source"]
        dataset = dataset if dataset.rsplit("/", 1)[-1] == source else source  # it names the last part alone
        attributes, exact = first.get("attributes") or {}, first.get("exact_match")
        five, captions = first.get("five") or {}, first.get("captions") or {}
    rows = [("accuracy", f"Accuracy, {NAMES.get(name, name)}", score["accuracy"]) for name, score in attributes.items()]
    if OVERALL in five:
        rows.append(("moda_overall", "Overall score of the MODA guide, 0 to 10, by rules", five[OVERALL]["value"]))
    if exact and exact.get("rows", 1):
        rows.append(("exact_match", "Exact match", exact["accuracy"]))
    for name, said in CAPTIONS.items():
        if name in captions:
            rows.append((METRICS.get(name, name), said, captions[name]["value"]))
    where = {
        "task_type": "image-to-text",
        "task_name": "Image to text",
        "dataset_type": dataset if re.fullmatch(rf"{PLAIN}+/{PLAIN}+", dataset) else _plain(dataset),
        "dataset_name": dataset,
        "dataset_split": split,
    }
    found = [
        EvalResult(metric_type=kind, metric_name=name, metric_value=round(value, 4), **where)
        for kind, name, value in rows
        if value is not None
    ]
    return found or None


def _plain(name):
    return re.sub(PLAIN.replace("[", "[^") + "+", "-", name).strip("-") or "own"


def told(command):
    """A command without what is this machine's own: folders above, and where a judge listens."""
    words = []
    for word in shlex.split(command):
        head, mark, value = word.rpartition("=")
        if words[-1:] == ["--judge"]:
            word = "URL"
        elif word.startswith("--judge="):
            word = "--judge=URL"
        elif value.startswith(("/", "..", "~")):
            word = head + mark + value.rstrip("/").rsplit("/", 1)[-1]
        words.append(word)
    return shlex.join(words)


def cell(text):
    """A text that may stand in a Markdown table: no bar, no line break, no tag, no emphasis."""
    text = " ".join(str(text).split()).replace("&", "&amp;").replace("<", "&lt;")
    return re.sub(r"([\\|`*_\[\]#])", r"\\\1", text)


def _line(system, family, columns):
    kind = system.get("kind")
    name = cell(system["name"])
    cells = [(system.get(family) or {}).get(column) for column in columns]
    return {
        "name": f"**{name}**" if kind == "model" else f"{name} ({kind})",
        "cells": ["–" if c is None or c["value"] is None else f"{c['value']:.2f}{_span(c)}" for c in cells],
    }


def _attributes(scores, baselines):
    lines = []
    for name, score in scores.items():
        if score.get("accuracy") is None:
            continue
        others = {
            cell(system["name"]): system["attributes"][name]["accuracy"]
            for system in baselines
            if (system.get("attributes") or {}).get(name, {}).get("accuracy") is not None
        }
        best = max(others, key=others.get, default=None)
        lines.append(
            {
                "name": NAMES.get(name, name),
                "right": f"{100 * score['accuracy']:.1f} %",
                "interval": _span(score, 100, 1).strip(" ()") + " %" if score.get("low") is not None else "–",
                "rows": f"{score['rows']:,}",
                "best": f"{best} {100 * others[best]:.1f} %" if best else "",
            }
        )
    return lines


def _captions(first):
    found = {said: (first.get("captions") or {}).get(name) or {} for name, said in CAPTIONS.items()}
    known = {said: score for said, score in found.items() if score.get("value") is not None}
    return [f"{said} {score['value']:.3f}{_span(score, 1, 3)}" for said, score in known.items()]


def _probes(probes):
    return [
        {
            "name": cell(probe["name"]),
            "about": cell(probe.get("about") or ""),
            "right": _share({"value": probe["accuracy"], **probe}),
            "chance": "–" if probe.get("chance") is None else f"{100 * probe['chance']:.0f} %",
        }
        for probe in probes
        if probe.get("accuracy") is not None
    ]


def _sure(found):
    if found.get("auroc") is None:
        return ""
    ends = {"low": found.get("auroc_low"), "high": found.get("auroc_high")}
    return (
        "Its confidence sorts right sentences from wrong ones, and is no probability of being right: of a right and a wrong "
        f"sentence the right one has the higher in {100 * found['auroc']:.0f} %{_span(ends, 100, 0, ' %')}, by chance in 50 %."
    )


def _share(score):
    return f"{100 * score['value']:.1f} %{_span(score, 100, 1, ' %')}"


def _span(score, scale=1, digits=2, unit=""):
    low, high = score.get("low"), score.get("high")
    return "" if low is None or high is None else f" ({scale * low:.{digits}f}–{scale * high:.{digits}f}{unit})"
