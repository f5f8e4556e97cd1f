"""Writes the results in README.md and docs/ from benchmarks/results/: `python benchmarks/readme.py` (with `--check`, compares only).

What is in there comes from runs of `train.py` (`python benchmarks/keep_run.py runs/demo` keeps one), from
`python benchmarks/parameters.py`, `python benchmarks/inference.py` and `python benchmarks/full_size.py FOLDER`.
"""

import csv
import json
import re
import sys
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
WRITTEN = "written by benchmarks/readme.py from benchmarks/results/, do not edit"
NAMES = {"baseColour": "colour", "articleType": "article", "gender": "gender", "usage": "usage"}
RUNS = {
    "demo": ("drawn catalogue", "python train.py recipes/demo.yaml"),
    "demo-linear": (
        "the same, linear connector",
        "python train.py recipes/demo.yaml model.connector_type=linear output_dir=runs/linear",
    ),
    "alignment-mini": (
        "drawn catalogue, four alignment stages, own CLIP and language model",
        "moda backbones runs/backbones && python train.py recipes/alignment-mini.yaml",
    ),
    "fashion-small": (
        "Kaggle's Fashion Product Images, 60×80 px",
        "python train.py recipes/fashion-small.yaml data.path=…",
    ),
    "fashion-small-seed1": (
        "the same, another seed",
        "python train.py recipes/fashion-small.yaml data.path=… seed=1 output_dir=runs/seed1",
    ),
}


def read(name):
    file = RESULTS / name
    return json.loads(file.read_text()) if file.is_file() else None


def scores_table():
    lines = [
        "| data | colour | article | gender | usage | held-out rows | training | pictures/s | parameters |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    commands = []
    for name, (data, command) in RUNS.items():
        run = read(f"{name}.json")
        if run is None:
            continue
        shares = " | ".join(f"{100 * run['scores'][key]['accuracy']:.1f} %" for key in NAMES)
        minutes = run["warmup_minutes"] + run["train_minutes"]
        pictures = (run["warmup_pictures"] + run["pictures_seen"]) / (60 * minutes)
        lines.append(
            f"| {data} | {shares} | {run['evaluated_rows']:,} | {minutes:.1f} min | {pictures:.0f} "
            f"| {run['parameters']:,} |"
        )
        commands.append(f"`{command}`")
    demo, backbones = read("demo.json"), read("backbones.json")
    own = ""
    if backbones is not None:
        clip, language = backbones["clip"], backbones["language"]
        own = (
            f" The four stages' backbones took {clip['minutes'] + language['minutes']:.0f} minutes more: a CLIP that finds a "
            f"picture's sentence among 64 in {100 * clip['quality']['recall_at_1']:.0f} % (by chance "
            f"{100 * clip['quality']['recall_chance']:.1f} %), a language model of perplexity "
            f"{language['quality']['perplexity']:.1f} (by the words' frequency alone "
            f"{language['quality']['unigram_perplexity']:.0f})."
        )
    return [
        *lines,
        "",
        "`moda-mini` from random weights, on two shared cores without a GPU (`benchmarks/results/` names each run's machine; the "
        f"demo's: {demo['machine']}). A row is right when the "
        "greedy sentence states its value and no other; no held-out row was trained on. Training includes the encoder's "
        f"warm-up.{own} In the drawings gender and usage are told by conventions (swing tag, backdrop), so those two columns say "
        f"nothing about photographs. Commands: {'; '.join(commands)}.",
    ]


def presets_table():
    file = RESULTS / "presets.csv"
    if not file.is_file():
        return []
    with open(file) as stream:
        rows = list(csv.DictReader(stream))
    lines = ["", "| preset, random weights, float32 | encode a picture | a sentence of 24 tokens | least – most |"]
    lines.append("| --- | ---: | ---: | ---: |")
    for row in rows:
        lines.append(
            f"| `{row['preset']}` | {row['encode_ms']} ms | {row['sentence_of_24_tokens_ms']} ms "
            f"| {row['sentence_ms_min']} – {row['sentence_ms_max']} ms |"
        )
    return [
        *lines,
        "",
        f"On {rows[0]['machine']}: a shared machine, so read the rows against each other (`make bench`).",
    ]


WHAT = {
    "guide": "the guide's loop: encoder at every step, logits everywhere, padded, float32",
    "features": "+ kept features",
    "labels": "+ logits where there are labels",
    "precision": "+ precision and attention chosen by the machine",
    "packed": "+ packed rows",
    "compiled": "+ `torch_compile: true`",
}


def training_table():
    file = RESULTS / "training.csv"
    if not file.is_file():
        return []
    with open(file) as stream:
        rows = list(csv.DictReader(stream))
    lines = [
        "",
        "| training, frozen encoder | rows/s | tokens/s | times the guide's loop | least – most | times the line above |",
    ]
    lines.append("| --- | ---: | ---: | ---: | ---: | ---: |")
    for row in rows:
        lines.append(
            f"| {row['model']}: {WHAT[row['variant']]} | {float(row['rows_per_s']):.3g} | {float(row['tokens_per_s']):,.0f} "
            f"| {row['ratio']} | {row['ratio_min']} – {row['ratio_max']} | {row['to_previous']} |"
        )
    lines += [
        "",
        f"Medians within one run on {rows[0]['machine']}, shared with others (`python benchmarks/training.py`).",
    ]
    work = read("guides-work.json")
    if work is not None:
        lines[-1] += (
            f" The guide's work (5,400 pictures × 40 epochs) would take {work['hours_on_this_machine']} hours here at "
            f"{100 * work['share_of_matrix_rate']:.0f} % of the processor's {work['precision']} matrix rate: a projection from "
            "these steps, not a run."
        )
    file = RESULTS / "resume.csv"
    if file.is_file():
        with open(file) as stream:
            resumed = list(csv.DictReader(stream))
        most = max(float(row["more_than_a_fresh_start"]) for row in resumed)
        lines[-1] += (
            f" Going on from a checkpoint takes at most {most:.1f} seconds longer than a fresh start, whatever the step (up to "
            f"{resumed[-1]['cut_off_at_step']}; `python benchmarks/resume.py`)."
        )
    return lines


def inference_table():
    measured = read("inference.json") or {}
    if "sentence" not in measured:
        return []
    sentence, memory = measured["sentence"], measured.get("memory", {})
    lines = [
        f"| one picture, {sentence['tokens']} tokens, the faster precision of each | parameters | to the sentence | least – most | a token "
        "| of the memory bound | most memory |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, dtype in sentence["best_precision"].items():
        row = sentence[dtype][name]
        whole, token = row["milliseconds"]["sentence"], row["milliseconds"]["token"]
        shares = row.get("share_of_memory_bound", {})
        bound = " / ".join(f"{100 * shares[name]['median']:.0f} %" for name in ("linear", "mv") if shares) or "–"
        most = f"{memory[dtype]['VmHWM_megabytes']:,} MB" if name == "MODA" and dtype in memory else "–"
        lines.append(
            f"| {name}, {dtype} | {row['parameters']:,} | {whole['median']:.0f} ms | {whole['least']:.0f} – {whole['most']:.0f} ms "
            f"| {token['median']:.0f} ms | {bound} | {most} |"
        )
    against = ", ".join(f"{name} {ratio['median']:.2f}" for name, ratio in sentence["moda_to_peer"].items())
    told = [f"MODA's time to the sentence over its peers', within one run: {against}"]
    if "int8" in measured:
        rate = measured["int8"]["int8_to_bfloat16"]
        told.append(
            f"Int8 weights give {rate['median']:.2f} times the tokens a second of bfloat16 ({rate['least']:.2f} – {rate['most']:.2f})"
        )
    for name, found in measured.get("catalogue", {}).items():
        if name in ("moda-mini", "moda-519m"):
            pace, times = found["moda"], found["moda_times_as_fast_as"]
            plain = ", ".join(f"{ratio['median']:.1f} times the {way}" for way, ratio in times.items())
            told.append(
                f"`{name}` describes {found['pictures']:,} pictures at {pace['pictures_a_second']['median']:.3g} a second ({plain}), "
                f"with {100 * pace['cpu_use']['median']:.0f} % of the cores"
            )
    if "precision" in measured:
        same = {kind: measured["precision"][kind]["same_as_float32"] for kind in ("bfloat16", "int8")}
        shares = ", ".join(f"{kind} {100 * share:.1f} %" for kind, share in same.items())
        told.append(f"Sentences that stay as in float32, of {measured['precision']['rows']:,}: {shares}")
    if "start" in measured:
        begun = measured["start"]
        told.append(
            f"`moda describe` of one picture takes {begun['describe_seconds']['median']:.1f} seconds from its start, of which "
            f"importing torch and transformers takes {begun['import_seconds']['median']:.1f}"
        )
    return [
        "",
        *lines,
        "",
        "All with random weights, on "
        f"{sentence['machine']} (`python benchmarks/inference.py`). The memory bound is a plain product of one row with a matrix of as many bytes in "
        "the same run, by `linear` / by `mv`, the faster in bfloat16.",
        "",
        *(f"- {line}." for line in told),
    ]


def full_size_line():
    run = read("full-size.json")
    if run is None:
        return []
    return [
        "",
        f"`recipes/moda-519m.yaml` at full size ({run['parameters']:,} parameters, random backbones laid out as on the Hub): "
        f"{run['steps']} steps of {run['rows_a_step']} rows in {run['train_minutes']} minutes on {run['machine']} "
        "(`python benchmarks/full_size.py FOLDER`).",
    ]


def loading_line():
    measured = read("loading.json")
    if measured is None:
        return []
    lines = []
    for version, dtypes in sorted(measured.items()):
        found = dtypes["float32"]
        load, whole = (found["moda_to_llava"][figure] for figure in ("load_seconds", "read_seconds"))
        ours, theirs = (found[name]["most_to_weights"]["median"] for name in ("MODA", "Llava"))
        lines += [
            f"- Loading the published folder (`AutoModel`, its own code, float32, transformers {version}) takes {load['median']:.2f} times as long as "
            f"transformers' `Llava` of the same backbones ({load['least']:.2f} – {load['most']:.2f}), {whole['median']:.2f} times until every weight "
            f"has been read, and {ours:.2f} times its weights in memory ({theirs:.2f} for `Llava`; `python benchmarks/loading.py`).",
        ]
    return lines


def compatibility_table():
    measured = read("compatibility.json")
    if measured is None:
        return []
    lines = [
        "| transformers | torch | huggingface_hub | tokenizers | Python | tests of the Hub files | what the others saved, loaded |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in measured["rows"]:
        versions, tests = row["versions"], row["tests"]
        names = ("transformers", "torch", "huggingface_hub", "tokenizers", "python")
        told = f"{tests['passed']} passed, {tests['failed']} failed, {tests['skipped']} skipped"
        loads = "; ".join(
            f"{saver}'s: {found['passed']} of {sum(found.values())}" for saver, found in row["loads"].items()
        )
        lines.append(f"| {' | '.join(versions[name] for name in names)} | {told} | {loads} |")
    left_out = " but for " + ", ".join(f"`{name}`" for name in measured["left_out"]) if measured["left_out"] else ""
    return [
        "",
        *lines,
        "",
        f"`tests/test_*.py` with each version{left_out}, on {measured['machine']}; repositories that one version saved have to answer the same on "
        "the others (`python benchmarks/compatibility.py`, or `make matrix`).",
    ]


def judge_table():
    measured = read("rule-judge.json")
    if measured is None:
        return []
    unseen = measured["unseen"]
    lines = [
        f"| | precision | recall | F1, all {measured['all']['sentences']} sentences | F1, {unseen['sentences']} never looked at |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    named = {**NAMES, **{name: name for name in ("material", "pattern", "neckline", "sleeves")}}
    for key, name in named.items():
        whole = measured["all"][key]
        lines.append(
            f"| {name} | {whole['precision']:.3f} | {whole['recall']:.3f} | {whole['f1']:.3f} | {unseen[key]['f1']:.3f} "
            f"({unseen[key]['labelled']} mentions) |"
        )
    return ["", *lines, "", "(`python benchmarks/rule_judge.py`)", ""]


def captions_table():
    measured = read("captions.json")
    if measured is None:
        return []
    systems = measured["systems"]
    names = ["bleu_1", "bleu_4", "rouge_l", "cider", "meteor"]
    lines = [f"| one human caption against the other four | {' | '.join(names)} | METEOR of the Java program |"]
    lines.append("| --- |" + " ---: |" * (len(names) + 1))
    for system, scores in systems.items():
        cells = " | ".join(f"{scores[name]['own']:.3f}" for name in names)
        lines.append(f"| {system} | {cells} | {scores['meteor']['reference']:.3f} |")
    meteor = [scores["meteor"] for scores in systems.values()]
    apart = [score["mean_row_difference"] for score in meteor]
    corpus = [score["corpus_difference"] for score in meteor]
    return [
        "",
        *lines,
        "",
        f"On {measured['pictures']:,} photographs of Flickr8k's validation split. BLEU, ROUGE-L and CIDEr-D differ from "
        f"`pycocoevalcap` {measured['pycocoevalcap']} by {measured['largest_row_difference']:.0e} at most, corpus and row by row; the "
        f"tokens of {measured['tokenizer']['captions']:,} captions differ in {measured['tokenizer']['captions_that_differ']}. All "
        f"three take {measured['seconds']['own']:.2f} seconds, the reference with Java "
        f"{measured['seconds']['reference']:.2f}: {measured['seconds']['times_faster']:.0f} times as long. METEOR without Java lies "
        f"{min(corpus):.3f} to {max(corpus):.3f} below the program's of the corpus, {min(apart):.3f} to {max(apart):.3f} away of a row on "
        f"average, and puts these five in the same order (rank correlation {measured['meteor']['system_rank_correlation']:.2f}). "
        f"On {measured['machine']} (`python benchmarks/captions.py FILE`).",
        "",
    ]


def evaluation_tables():
    lines = []
    for name, (title, command) in EVALUATIONS.items():
        results = read(f"evaluation-{name}.json")
        if results is None:
            continue
        names = ("overall", "colour", "style", "category", "gender", "factual")
        lines += ["", f"| {title} | {' | '.join(names)} |", "| --- |" + " ---: |" * len(names)]
        for system in results["systems"]:
            cells = [f"{s['value']:.2f} ({s['low']:.2f}–{s['high']:.2f})" for s in map(system["five"].get, names)]
            lines.append(f"| {system['name']} | {' | '.join(cells)} |")
        told = [f"{results['data']['rows']:,} rows of {results['data']['split']}"]
        for pair in results["paired"]:
            if pair["b"] == "probe":
                overall = pair["differences"]["overall"]
                ends = f"{overall['low']:+.2f} to {overall['high']:+.2f}"
                told.append(
                    f"the model less the linear probe on its own features: {overall['value']:+.2f} overall ({ends})"
                )
        if results.get("calibration"):
            told.append(
                f"its confidence tells right from wrong sentences with AUROC {results['calibration']['auroc']:.2f}"
            )
        if results.get("probes"):
            probes = [
                f"{p['name']} {100 * p['accuracy']:.0f}"
                + (f" ({100 * p['chance']:.0f})" if p["chance"] is not None else "")
                for p in results["probes"]
            ]
            told.append(f"probes, % right (by chance): {', '.join(probes)}")
        seconds = max(results["seconds"].values())
        lines += ["", f"{'; '.join(told)}. {seconds:.0f} seconds in all on {results['machine']} (`{command}`)."]
    return [*lines, ""]


def annotation_table():
    measured = read("annotation.json")
    if measured is None:
        return []
    small, large = measured["small"], measured["large"]
    lines = [
        "| `--annotator metadata` | rows | seconds in all | sample | describe | refine | assemble | nothing changed | memory of its own |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, found in (("224×299 px", small), ("60×80 px", large)):
        steps = " | ".join(f"{taken['median']:.1f}" for taken in found["seconds_of_steps"].values())
        lines.append(
            f"| Fashion Product Images, {name} | {found['rows_in']:,} | {found['seconds']['median']:.0f} | {steps} "
            f"| {found['seconds_again']['median']:.0f} | {found['most_mebibytes']['anonymous_alone']['median']:.0f} MiB |"
        )
    sample, said, asked = measured["sample"], measured["sentences"], measured["concurrency"]
    facts = ", ".join(f"{name} {100 * share:.2f} %" for name, share in said["facts_read"].items())
    shares = ", ".join(
        f"{name.removeprefix('parallel_')}: {100 * found['of_the_most_possible']['median']:.0f} %"
        for name, found in asked.items()
        if name.startswith("parallel_")
    )
    return [
        "",
        *lines,
        "",
        f"A sample of {sample['rows']:,} of {large['rows_in']:,} rows: total-variation distances of {sample['moda']['largest']:.4f} at most "
        f"(a simple random sample's: {sample['random']['largest']:.4f}), {sample['moda']['missing_values']} values missing that should have a row "
        f"({sample['random']['missing_values']:.1f}). Of what the metadata of {said['rows']:,} rows say, the rule judge reads in their sentences, of "
        f"{said['patterns']} patterns and {said['distinct']:,} of them distinct: {facts}. An endpoint that takes "
        f"{1000 * asked['seconds_an_answer']:.0f} ms is kept busy, of what so many parallel requests allow: {shares}. On "
        f"{measured['machine']}, the endpoint on the same cores (`python benchmarks/annotation.py FASHION-5400 FASHION-SMALL`).",
        "",
    ]


def leaks_table():
    measured = read("leaks.json")
    if measured is None:
        return []
    lines = ["| drafts, half of them leaking | leaks found | rightly held back | good drafts let through |"]
    lines.append("| --- | ---: | ---: | ---: |")
    for part, told in (("tuning", "looked at"), ("held-out", "counted while mending"), ("unseen", "never looked at")):
        found = measured[part]
        cells = [
            f"{s['share']:.3f} ({s['low']:.3f}–{s['high']:.3f})"
            for s in map(found.get, ("recall", "precision", "passed"))
        ]
        lines.append(f"| {found['drafts']} {told} | {' | '.join(cells)} |")
    return [
        "",
        *lines,
        "",
        "Drafts with print in many forms, and others that tempt, written and labelled by hand without knowledge of the filter "
        "(`python benchmarks/leaks.py`).",
        "",
    ]


EVALUATIONS = {
    "fashion-small": (
        "Fashion Product Images, 60×80 px",
        "moda evaluate runs/fashion-small --baselines all --probes",
    ),
    "demo": (
        "drawn catalogue",
        "moda evaluate runs/demo --baselines all --clip runs/backbones/clip --probes",
    ),
}
PAGES = {
    "README.md": {
        "results": lambda: [
            "",
            *scores_table(),
            *inference_table(),
            *loading_line(),
            *compatibility_table(),
            "",
        ],
    },
    "docs/training.md": {"speed": lambda: [*training_table(), *presets_table(), *full_size_line(), ""]},
    "docs/annotation.md": {"annotation": annotation_table, "leaks": leaks_table},
    "docs/evaluation.md": {"evaluation": evaluation_tables, "judge": judge_table, "captions": captions_table},
}


def main():
    for page, blocks in PAGES.items():
        file = ROOT / page
        before = after = file.read_text()
        for name, lines in blocks.items():
            marks = (f"<!-- {name}: {WRITTEN} -->", f"<!-- /{name} -->")
            text = "\n".join([marks[0], *lines(), marks[1]])
            after = re.sub(
                re.escape(marks[0]) + ".*?" + re.escape(marks[1]), lambda _, text=text: text, after, flags=re.S
            )
        if "--check" in sys.argv:
            if after != before:
                sys.exit(f"{page} does not say what benchmarks/results/ say; run python benchmarks/readme.py.")
            continue
        file.write_text(after)


if __name__ == "__main__":
    main()
