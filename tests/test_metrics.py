"""`evaluate.load("metrics/…")`: offline, from the root and by absolute path, in a cache that nothing was in."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from moda.evaluation.captions import caption_scores


ROOT = Path(__file__).resolve().parents[1]
PREDICTIONS = ["A red shirt for men.", "Blue shoes", "two dogs"]
REFERENCES = [["a red shirt", "a shirt for men"], ["blue sports shoes"], ["two dogs run", "dogs", "a cat"]]
SCRIPT = """
import json, sys
import evaluate

folder, predictions, references = sys.argv[1], *json.loads(sys.argv[2])
found = {}
for name in sys.argv[3:]:
    metric = evaluate.load(folder + name)
    found[name] = metric.compute(predictions=predictions, references=references, return_rows=True)
    found[name + " of one"] = metric.compute(predictions=predictions, references=[row[0] for row in references])
    metric.add_batch(predictions=predictions, references=references)
    found[name + " in batches"] = metric.compute()
    found[name + " says"] = metric.description + metric.citation + metric.inputs_description
print("FOUND" + json.dumps(found))
"""


def run(folder, cwd, home, names):
    environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    environment.pop("HF_MODULES_CACHE", None)
    command = [sys.executable, "-c", SCRIPT, folder, json.dumps([PREDICTIONS, REFERENCES]), *names]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout.split("FOUND")[1])


@pytest.mark.parametrize("place", ["root", "elsewhere"])
def test_metrics_load_and_score(place, tmp_path):
    names = ["bleu", "rouge_l", "cider", "meteor"]
    if place == "root":
        found = run("metrics/", ROOT, tmp_path / "home", names)
    else:
        found = run(f"{ROOT}/metrics/", tmp_path, tmp_path / "home", names)
    expected = caption_scores(PREDICTIONS, REFERENCES, names)
    of_one = caption_scores(PREDICTIONS, [row[0] for row in REFERENCES], names)
    for name in names:
        assert "@inproceedings" in found[f"{name} says"] and "predictions" in found[f"{name} says"]
        for part in [part for part in expected if part.startswith(name)]:
            assert found[name][part] == pytest.approx(expected[part]["corpus"])
            assert found[name][f"{part}_rows"] == pytest.approx(expected[part]["rows"])
            assert found[f"{name} in batches"][part] == pytest.approx(expected[part]["corpus"])
            assert found[f"{name} of one"][part] == pytest.approx(of_one[part]["corpus"])


def test_every_folder_has_its_module_and_its_readme():
    folders = sorted(path.name for path in (ROOT / "metrics").iterdir() if path.is_dir())
    assert folders == ["bleu", "cider", "meteor", "rouge_l"]
    for name in folders:
        assert (ROOT / "metrics" / name / f"{name}.py").is_file()
        assert f'evaluate.load("metrics/{name}")' in (ROOT / "metrics" / name / "README.md").read_text()
