"""Measures `moda annotate`: time, memory, the sample, the sentences, requests in parallel, and a second run.

    python benchmarks/annotation.py fashion-5400.parquet fashion-small.parquet  # writes benchmarks/results/annotation.json

Takes two catalogues in Kaggle's columns, about ten minutes on two cores, and nothing else to be done by the machine meanwhile.
Each run of the command is a process of its own with empty caches. Memory is that of the command's own process, and with its
workers; what is anonymous can't be given back to the disk, as a file that is mapped can. The endpoint is a process, too, on the
same cores: what it takes of them, the command lacks. Only numbers are written.
"""

import argparse
import json
import multiprocessing
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path


ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results" / "annotation.json"
STEPS = ("sample", "describe", "refine", "assemble")
SAMPLE = 5400
SEEDS = range(5)
ROUNDS = 5
PARALLEL = (4, 8, 16, 32)
SECONDS_AN_ANSWER = 0.05
ANSWERS_EACH = 60  # that each of the parallel requests waits for in a round: 3 s at best
DRAFT = {
    "description": "A red cotton shirt for men.",
    "gender": "men",
    "category": "shirt",
    "colour": "red",
    "usage": None,
}
COMPLETION = {
    "choices": [{"index": 0, "message": {"role": "assistant", "content": json.dumps(DRAFT)}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050},
    **{"id": "1", "object": "chat.completion", "created": 0, "model": "constant"},
}


class Constant(BaseHTTPRequestHandler):
    """Answers every request alike, after a while."""

    protocol_version, wbufsize = "HTTP/1.1", -1

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(SECONDS_AN_ANSWER)
        content = json.dumps(COMPLETION).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


def serve(port):
    """Runs the endpoint; sends its port."""
    ThreadingHTTPServer.request_queue_size, ThreadingHTTPServer.daemon_threads = 64, True
    server = ThreadingHTTPServer(("127.0.0.1", 0), Constant)
    port.send(server.server_port)
    server.serve_forever()


def spread(values, digits=2):
    """Median, least and most."""
    found = {"median": statistics.median(values), "least": min(values), "most": max(values)}
    return {name: round(value, digits) for name, value in found.items()}


def run(file, out, caches, *options):
    """Runs the command; returns its seconds and the most MiB that it took."""
    import psutil

    environment = {**os.environ, "MODA_CACHE": str(caches / "moda"), "HF_HOME": str(caches / "hf")}
    command = [sys.executable, "-m", "moda.cli", "annotate", str(file), *options, "--output", str(out)]
    most, begun = Counter(), time.perf_counter()
    process = psutil.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        taken, at = Counter(), process
        try:
            for at in (process, *process.children(recursive=True)):
                held = at.memory_info()
                for whose in ("all", *(["own"] if at is process else [])):
                    taken[f"{whose}_rss"] += held.rss
                    taken[f"{whose}_anonymous"] += held.rss - held.shared
        except psutil.Error:  # it ended meanwhile
            pass
        most |= taken
        time.sleep(0.05)
    assert process.returncode == 0, command
    return time.perf_counter() - begun, {name: size / 2**20 for name, size in most.items()}


def whole(file, folder, runs, *options):
    """The whole command, from empty caches, and again with nothing changed; the last results stay in `folder`."""
    seconds, again, memory, steps = [], [], [], []
    for number in range(1, runs + 1):
        shutil.rmtree(folder, ignore_errors=True)
        taken, most = run(file, folder / "out", folder, *options)
        second, _ = run(file, folder / "out", folder, *options)
        notes = {step: json.loads((folder / "out" / step / "step.json").read_text()) for step in STEPS}
        seconds, again, memory = [*seconds, taken], [*again, second], [*memory, most]
        steps.append({step: note["seconds"] for step, note in notes.items()})
        print(f"run {number} of {runs}: {taken:.1f} s, again {second:.1f} s, {most['own_rss']:,.0f} MiB", flush=True)
    return {
        "runs": runs,
        "counts": {step: note["counts"] for step, note in notes.items()},
        "seconds": spread(seconds),
        "seconds_of_a_step": {step: spread([taken[step] for taken in steps]) for step in STEPS},
        "seconds_again": spread(again),
        "mebibytes": {name: spread([most[name] for most in memory], 0) for name in sorted(memory[0])},
    }


def sampled(file, folder):
    """How near a sample is to its catalogue, beside one drawn without looking."""
    import numpy as np

    from moda.annotation.recipe import SAMPLED_BY
    from moda.annotation.source import open_source

    seconds, _ = run(file, folder / "sampled", folder, f"sample.count={SAMPLE}", "--step", "sample")
    note = json.loads((folder / "sampled" / "sample" / "step.json").read_text())
    columns, random = open_source({"path": str(file)}).table(SAMPLED_BY), {}
    for name, values in columns.items():
        codes = np.unique(np.array([value or "" for value in values]), return_inverse=True)[1]
        shares = np.bincount(codes) / len(codes)
        draws = [np.random.default_rng(seed).choice(codes, SAMPLE, replace=False) for seed in SEEDS]
        apart = [abs(np.bincount(drawn, minlength=len(shares)) / SAMPLE - shares).sum() / 2 for drawn in draws]
        absent = [
            int(((shares * SAMPLE >= 1) & (np.bincount(drawn, minlength=len(shares)) == 0)).sum()) for drawn in draws
        ]
        random[name] = {"distance": round(float(np.mean(apart)), 5), "missing": float(np.mean(absent))}
    own = {name: round(value, 5) for name, value in note["distances"].items()}
    return {
        "rows": SAMPLE,
        "of": note["counts"]["in"],
        "seconds_with_pictures_inspected": round(seconds, 2),
        "distances": {**own, "largest": max(own.values())},
        "missing": len(note["missing"]),
        "simple_random": {
            "seeds": len(SEEDS),
            "distances": {name: found["distance"] for name, found in random.items()},
            "largest": max(found["distance"] for found in random.values()),
            "missing": round(sum(found["missing"] for found in random.values()), 2),
        },
    }


def sentences(out):
    """How varied the sentences are, and what the judge by rules reads in them again."""
    from tqdm.auto import tqdm

    from moda.annotation.metadata import PATTERNS
    from moda.annotation.steps import read_lines
    from moda.data.wording import ATTRIBUTES, Wording
    from moda.evaluation.rules import RuleJudge

    rows = [(line["description"], line["metadata"]) for line in read_lines(out / "refine" / "rows.jsonl")]
    values = {name: sorted({known[name] for _, known in rows if known.get(name)}) for name in ATTRIBUTES}
    judge, known, right, forms = RuleJudge(Wording(values).lexicon), Counter(), Counter(), Counter()
    for sentence, metadata in tqdm(rows, desc="Judging", unit="row"):
        verdict = judge.judge(sentence, metadata)
        known["colour"] += verdict.colours
        right["colour"] += verdict.colours_right
        for fact in ("category", "gender", "style"):
            known[fact] += getattr(verdict, fact) is not None
            right[fact] += bool(getattr(verdict, fact))
        known["details"] += verdict.details
        right["details"] += verdict.details_right
        for mention in sorted(judge.lexicon.read(sentence), key=lambda mention: -mention.start):
            end = mention.start + len(mention.text)
            sentence = f"{sentence[: mention.start]}<{mention.attribute}>{sentence[end:]}"
        forms[re.sub(r"\b(an|a)\b", "a", sentence, flags=re.IGNORECASE)] += 1
    facts = {
        name: {"right": right[name], "known": known[name], "share": round(right[name] / known[name], 5)}
        for name in known
    }
    words = [len(sentence.split()) for sentence, _ in rows]
    return {
        "rows": len(rows),
        "distinct": len({sentence for sentence, _ in rows}),
        "patterns": len(PATTERNS),
        "forms_without_the_facts": {
            "distinct": len(forms),
            "in_1_percent_or_more": sum(n * 100 >= len(rows) for n in forms.values()),
        },
        "words": spread(words),
        "facts": facts,
    }


def concurrency(file, folder):
    """Requests a second of the describe step, as a share of what so many parallel requests can have at most."""
    from moda.annotation.pipeline import Annotation
    from moda.annotation.recipe import AnnotationRecipe

    here, there = multiprocessing.get_context("spawn").Pipe()
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    server.start()
    settings = {"annotator": f"http://127.0.0.1:{here.recv()}/v1", "model": "constant", "licence": "mit"}
    annotations = {}
    for parallel in PARALLEL:
        out, count = folder / f"parallel-{parallel}", ANSWERS_EACH * parallel
        recipe = AnnotationRecipe(
            data={"path": str(file)},
            output_dir=str(out),
            sample={"count": count},
            describe={**settings, "parallel": parallel},
            checks={"leaked_print": {"ocr": False}},
        )
        annotations[parallel] = Annotation(recipe)
        annotations[parallel].sample()
    found = {parallel: [] for parallel in PARALLEL}
    for _ in range(ROUNDS):
        for parallel, annotation in annotations.items():
            for name in ("answers", "describe"):
                shutil.rmtree(annotation.folder / name, ignore_errors=True)
            begun, busy = time.perf_counter(), time.process_time()
            asked = annotation.describe()["counts"]["asked"]
            rate, cpu = asked / (time.perf_counter() - begun), (time.process_time() - busy) / asked
            found[parallel].append((rate, rate / (parallel / SECONDS_AN_ANSWER), cpu * 1000))
    server.terminate()
    names = ("requests_a_second", "share_of_the_most", "cpu_milliseconds_a_request")
    rounds = {
        parallel: {name: spread(values, 3) for name, values in zip(names, zip(*measured))}
        for parallel, measured in found.items()
    }
    return {"seconds_an_answer": SECONDS_AN_ANSWER, "rounds": ROUNDS, "parallel": rounds}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("small", type=Path, help="parquet file of a few thousand rows")
    parser.add_argument("large", type=Path, help="parquet file of many rows")
    options = parser.parse_args()
    small, large = options.small.resolve(), options.large.resolve()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        os.environ.update(MODA_CACHE=str(folder / "moda"), HF_HOME=str(folder / "hf"), HF_HUB_OFFLINE="0")
        sys.path.insert(0, str(ROOT))
        import pyarrow.parquet as parquet

        from moda.data.machine import describe_machine

        rows = parquet.read_metadata(large).num_rows
        load = round(os.getloadavg()[0], 2)
        result = {"machine": describe_machine(), "python": sys.version.split()[0], "load_before": load}
        result["small"] = whole(small, folder / "small", 3)
        result["large"] = whole(large, folder / "large", 1, f"sample.count={rows}")
        result["sample"] = sampled(large, folder / "large")
        result["sentences"] = sentences(folder / "large" / "out")
        result["concurrency"] = concurrency(small, folder)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
