"""Measures `moda annotate`: time, memory, the sample, the sentences, requests in parallel, and a second run.

    python benchmarks/annotation.py fashion-5400.parquet fashion-small.parquet  # writes benchmarks/results/annotation.json

Takes two catalogues in Kaggle's columns and about eight minutes on two cores that have nothing else to do. Each run of the
command is a process of its own with empty caches. Memory is that of the command, and with its workers; what is anonymous can't
be given back to the disk, as a mapped file can. The endpoint is a process on the same cores. Only numbers are written.
"""

import argparse
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import psutil
from tqdm.auto import tqdm


ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
RESULTS = ROOT / "benchmarks" / "results" / "annotation.json"
STEPS = ("sample", "describe", "refine", "assemble")
SAMPLE, SEEDS = 5400, 5
ROUNDS, PARALLEL, SECONDS_AN_ANSWER = 5, (4, 8, 16, 32), 0.05
EACH = 150  # answers that each of the parallel requests waits for in a round
DRAFT = '{"description": "A red cotton shirt for men.", "gender": "men", "category": "shirt", "colour": "red"}'
CHOICE = {"index": 0, "message": {"role": "assistant", "content": DRAFT}, "finish_reason": "stop"}
COMPLETION = json.dumps({"id": "1", "created": 0, "model": "constant", "choices": [CHOICE]})
HEADERS = f"Content-Type: application/json\r\nContent-Length: {len(COMPLETION)}"


class Constant(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(SECONDS_AN_ANSWER)
        self.wfile.write(f"HTTP/1.1 200 OK\r\n{HEADERS}\r\n\r\n{COMPLETION}".encode())


def serve(port):
    ThreadingHTTPServer.request_queue_size = 64
    server = ThreadingHTTPServer(("127.0.0.1", 0), Constant)
    port.send(server.server_port)
    server.serve_forever()


def spread(values, digits=2):
    values = [float(np.median(values)), min(values), max(values)]
    return {name: round(value, digits) for name, value in zip(("median", "least", "most"), values)}


def run(file, out, caches, *options):
    """Runs the command; returns its seconds and the most MiB that it held, alone and with its workers."""
    environment = {**os.environ, "MODA_CACHE": str(caches / "moda"), "HF_HOME": str(caches / "hf")}
    command = [sys.executable, "-m", "moda.cli", "annotate", str(file), *options, "--output", str(out)]
    most, begun = Counter(), time.perf_counter()
    process = psutil.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    while process.poll() is None:
        held = Counter()
        with suppress(psutil.Error):  # it ended meanwhile
            for member in (process, *process.children(recursive=True)):
                memory = member.memory_info()
                for whose in ("alone", "with_workers") if member is process else ("with_workers",):
                    held.update({f"rss_{whose}": memory.rss, f"anonymous_{whose}": memory.rss - memory.shared})
            most |= held
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}; see above why.")
    return time.perf_counter() - begun, {name: size / 2**20 for name, size in most.items()}


def whole(file, folder, runs, *options):
    """The command from empty caches, and again with nothing changed. The last results stay in `folder`."""
    first, again, steps = [], [], []
    for _ in range(runs):
        shutil.rmtree(folder, ignore_errors=True)
        first.append(run(file, folder / "out", folder, *options))
        again.append(run(file, folder / "out", folder, *options))
        notes = {step: json.loads((folder / "out" / step / "step.json").read_text()) for step in STEPS}
        steps.append({step: note["seconds"] for step, note in notes.items()})
        print(f"{file.name}: {first[-1][0]:.1f} s, again {again[-1][0]:.1f} s", flush=True)
    return {
        "runs": runs,
        "rows_in": notes["sample"]["counts"]["in"],
        "rows_kept": {step: note["counts"]["kept"] for step, note in notes.items()},
        "seconds": spread([seconds for seconds, _ in first]),
        "seconds_of_steps": {step: spread([taken[step] for taken in steps]) for step in STEPS},
        "seconds_again": spread([seconds for seconds, _ in again]),
        "most_mebibytes": {name: spread([held[name] for _, held in first], 0) for name in sorted(first[0][1])},
    }


def sampled(file, folder):
    """Total-variation distances of a sample to its catalogue, beside those of rows drawn without looking."""
    from moda.annotation.sample import BY
    from moda.annotation.source import open_source

    seconds, _ = run(file, folder / "sampled", folder, f"sample.count={SAMPLE}", "--step", "sample")
    note = json.loads((folder / "sampled" / "sample" / "step.json").read_text())
    apart, missing = {}, 0
    for name, values in open_source({"path": str(file)}).table(BY).items():
        codes = np.unique([value or "" for value in values], return_inverse=True)[1]
        draws = [np.random.default_rng(seed).choice(codes, SAMPLE, replace=False) for seed in range(SEEDS)]
        shares = [np.bincount(drawn, minlength=codes.max() + 1) / len(drawn) for drawn in (codes, *draws)]
        apart[name] = float(np.mean([abs(drawn - shares[0]).sum() / 2 for drawn in shares[1:]]))
        missing += np.mean([((shares[0] * SAMPLE >= 1) & (drawn == 0)).sum() for drawn in shares[1:]])
    result = {"rows": SAMPLE, "seconds_with_pictures_known": round(seconds, 2)}
    for how, distances, absent in (("moda", note["distances"], len(note["missing"])), ("random", apart, missing)):
        distances = {name: round(distance, 5) for name, distance in distances.items()}
        result[how] = {"distances": distances, "largest": max(distances.values()), "missing_values": round(absent, 2)}
    return result


def sentences(out):
    """How varied the sentences are, and how many of the facts the judge by rules reads in them."""
    from moda.annotation.metadata import PATTERNS
    from moda.annotation.steps import read_lines
    from moda.data.wording import ATTRIBUTES, Wording
    from moda.evaluation.rules import RuleJudge

    rows = [(line["description"], line["metadata"]) for line in read_lines(out / "refine" / "rows.jsonl")]
    values = {name: sorted({known[name] for _, known in rows if known.get(name)}) for name in ATTRIBUTES}
    judge, known, read, forms = RuleJudge(Wording(values).lexicon), Counter(), Counter(), Counter()
    for sentence, metadata in tqdm(rows, desc="Judging", unit="row"):
        verdict = judge.judge(sentence, metadata)
        rights = {fact: getattr(verdict, fact) for fact in ("category", "gender", "style")}
        known.update(colour=verdict.colours, **{fact: right is not None for fact, right in rights.items()})
        read.update(colour=verdict.colours_right, **{fact: right is True for fact, right in rights.items()})
        for mention in sorted(judge.lexicon.read(sentence), key=lambda mention: -mention.start):
            sentence = f"{sentence[: mention.start]}<{mention.attribute}>{sentence[mention.end :]}"
        forms[f" {sentence.lower()}".replace(" an ", " a ")] += 1
    return {
        "rows": len(rows),
        "distinct": len({sentence for sentence, _ in rows}),
        "patterns": len(PATTERNS),
        "forms_without_the_facts": len(forms),
        "facts_known": dict(known),
        "facts_read": {fact: round(read[fact] / known[fact], 5) for fact in known},
    }


def concurrency(file, folder):
    """Requests a second of the describe step, beside what so many parallel requests can have at most."""
    from moda.annotation.pipeline import Annotation
    from moda.annotation.recipe import AnnotationRecipe

    here, there = multiprocessing.Pipe()
    multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True).start()
    who = {"annotator": f"http://127.0.0.1:{here.recv()}/v1", "model": "constant", "licence": "mit"}
    data, checks, found = {"path": str(file)}, {"leaked_print": {"ocr": False}}, {parallel: [] for parallel in PARALLEL}
    for parallel in PARALLEL * ROUNDS:
        shutil.rmtree(folder / "asking", ignore_errors=True)
        asked = {"sample": {"count": EACH * parallel}, "describe": {**who, "parallel": parallel}}
        annotation = Annotation(AnnotationRecipe(data, str(folder / "asking"), checks=checks, **asked))
        annotation.sample()
        begun, busy = time.perf_counter(), time.process_time()
        asked = annotation.describe()["counts"]["asked"]
        rate, busy = asked / (time.perf_counter() - begun), 1000 * (time.process_time() - busy) / asked
        found[parallel].append((rate, rate * SECONDS_AN_ANSWER / parallel, busy))
    names = ("requests_a_second", "of_the_most_possible", "cpu_milliseconds_a_request")
    result = {"seconds_an_answer": SECONDS_AN_ANSWER, "rounds": ROUNDS}
    for parallel, rounds in found.items():
        result[f"parallel_{parallel}"] = {name: spread(values, 3) for name, values in zip(names, zip(*rounds))}
    return result


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, what in (("small", "parquet file of a few thousand rows"), ("large", "parquet file of many rows")):
        parser.add_argument(name, type=lambda path: Path(path).resolve(), help=what)
    small, large = vars(parser.parse_args()).values()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)  # before the package is imported, which keeps things where these say
        os.environ.update(MODA_CACHE=str(folder / "moda"), HF_HOME=str(folder / "hf"), HF_HUB_OFFLINE="0")
        from moda.data.machine import describe_machine

        result = {"machine": describe_machine(), "python": sys.version.split()[0], "load": round(os.getloadavg()[0], 2)}
        result["small"] = whole(small, folder / "small", 3)
        result["large"] = whole(large, folder / "large", 1, f"sample.count={10**9}")
        result["sample"] = sampled(large, folder / "large")
        result["sentences"] = sentences(folder / "large" / "out")
        result["concurrency"] = concurrency(small, folder)
    RESULTS.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(RESULTS.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
