"""Runs the Hub files' tests on the versions of transformers that MODA claims, and lets each load what the others saved.

    python benchmarks/compatibility.py                            # writes benchmarks/results/compatibility.json
    python benchmarks/compatibility.py constraints.txt=.venv/bin/python   # in an environment that is there already

A file of constraints is a version; its environment is made in .venv-matrix/ where it is missing (a gigabyte each).
"""

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree


ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from moda.data.machine import describe_machine  # noqa: E402


RESULTS = ROOT / "benchmarks" / "results" / "compatibility.json"
CONSTRAINTS = ("constraints-4.57.txt", "constraints-5.0.txt", "constraints.txt")  # oldest, oldest 5, newest
PACKAGES = ("transformers", "torch", "huggingface_hub", "tokenizers")
CROSS = "tests/test_cross_version.py"


def make_environment(constraints):
    """Makes an environment with the versions of a constraints file, or finds the one that was made; returns its Python."""
    folder = ROOT / ".venv-matrix" / Path(constraints).stem
    python, made_from = folder / "bin" / "python", folder / "made-from.txt"
    wanted = (ROOT / constraints).read_text() + (ROOT / "pyproject.toml").read_text()
    if not made_from.is_file() or made_from.read_text() != wanted:
        print(f"making {folder.relative_to(ROOT)}", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        install = [python, "-m", "pip", "install", "-q"]
        torch = re.search(r"^torch==.+$", wanted, re.M)[0]
        subprocess.run([*install, torch], check=True)  # first and alone, so that pip takes the build it is told to
        packages = ["-c", constraints, "-e", ".[peft]", "pytest", "pytest-xdist"]
        subprocess.run([*install, *packages], cwd=ROOT, check=True)
        made_from.write_text(wanted)
    return python


def versions_of(python):
    script = (
        "import json, platform, sys; from importlib.metadata import version; "
        "print(json.dumps({'python': platform.python_version(), **{name: version(name) for name in sys.argv[1:]}}))"
    )
    return json.loads(subprocess.run([python, "-c", script, *PACKAGES], check=True, capture_output=True).stdout)


def run_tests(python, *arguments, other=None):
    """Runs pytest, and returns a dict with what became of each test."""
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    environment.pop("MODA_OTHER_PYTHON", None)
    if other is not None:
        environment["MODA_OTHER_PYTHON"] = str(other)
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [python, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}", *arguments]
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
        if done.returncode not in (0, 1):  # 1: some failed
            raise RuntimeError(f"pytest did not run on {python}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
        cases = ElementTree.parse(report).iter("testcase")
        outcomes = {"error": "failed", "failure": "failed", "skipped": "skipped"}
        return {
            f"{case.get('classname')}::{case.get('name')}": next(
                (outcomes[child.tag] for child in case if child.tag in outcomes), "passed"
            )
            for case in cases
        }


def count(told):
    told = list(told)
    return {outcome: told.count(outcome) for outcome in ("passed", "failed", "skipped")}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("given", nargs="*", metavar="CONSTRAINTS=PYTHON", help="environments that are there already")
    parser.add_argument("--leave-out", nargs="+", default=[], metavar="FILE", help="tests not to run, as test_train.py")
    parser.add_argument("--processes", default="auto", help="pytest-xdist's, by default one a core")
    options = parser.parse_args()
    if wrong := [text for text in options.given if "=" not in text]:
        parser.error(f"{wrong[0]!r} is no CONSTRAINTS=PYTHON.")
    given = dict(text.split("=", 1) for text in options.given)
    if unknown := set(given) - set(CONSTRAINTS):
        parser.error(f"there is no {', '.join(sorted(unknown))}; choose from {', '.join(CONSTRAINTS)}.")
    rows = []
    for constraints in CONSTRAINTS:
        python = given.get(constraints) or make_environment(constraints)
        rows.append({"constraints": constraints, "versions": versions_of(python), "python": Path(python).absolute()})
    for row in rows:
        files = sorted(str(file.relative_to(ROOT)) for file in (ROOT / "tests").glob("test_*.py"))
        files = [file for file in files if file != CROSS and Path(file).name not in options.leave_out]
        told = run_tests(row["python"], "-n", options.processes, *files)
        failures = sorted(name for name, outcome in told.items() if outcome == "failed")
        row |= {"tests": count(told.values()), "failures": failures, "loads": {}}
        print(row["versions"]["transformers"], row["tests"], *failures, sep="\n", flush=True)
    for one, two in itertools.combinations(rows, 2):
        told = run_tests(one["python"], CROSS, other=two["python"])
        for saver, loader, way in ((one, two, "here to there"), (two, one, "there to here")):
            saved_by = saver["versions"]["transformers"]
            loader["loads"][saved_by] = count(outcome for name, outcome in told.items() if f"[{way}" in name)
            print(loader["versions"]["transformers"], "loads", saved_by, loader["loads"][saved_by], flush=True)
    for row in rows:
        del row["python"]
    result = {"machine": describe_machine(), "left_out": sorted(options.leave_out), "rows": rows}
    RESULTS.write_text(json.dumps(result, indent=1) + "\n")
    if any(found["failed"] or not found["passed"] for row in rows for found in (row["tests"], *row["loads"].values())):
        sys.exit("A version fails.")


if __name__ == "__main__":
    main()
