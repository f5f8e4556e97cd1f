"""Keeps the figures of a run, backbones or an evaluation as a committed result: `python benchmarks/keep_run.py runs/demo [name]`.

Of the demo, whose pictures are drawn by this project, the sheet is kept as well; of the four alignment stages the curves.
"""

import json
import shutil
import sys
from pathlib import Path

from PIL import Image


RESULTS = Path(__file__).resolve().parent / "results"


def main(folder, name=None):
    if (folder / "scores.json").is_file():
        return keep_evaluation(folder, name)
    if (folder / "backbones.json").is_file():
        figures, name = json.loads((folder / "backbones.json").read_text()), "backbones"
        figures["settings"].pop("data")
    else:
        figures = json.loads((folder / "run.json").read_text())
    name = name or figures["recipe"]
    for record in (figures, *(stage["data"] for stage in figures.get("stages", ()))):
        record["source"] = Path(record["source"]).name  # where it lay is nobody's business
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    if name == "alignment-mini":
        shutil.copy(folder / "scores.png", RESULTS / f"{name}-scores.png")
    if name == "demo":
        sheet = Image.open(folder / "sheet.png").convert("RGB")
        sheet.save(RESULTS / "demo-sheet.jpg", quality=88)  # a quarter of the PNG's bytes


def keep_evaluation(folder, name):
    """Of an evaluation the figures alone: its examples show pictures and rows that may be somebody's."""
    results = json.loads((folder / "scores.json").read_text())
    aside = ("examples", "worst", "classes", "confusion", "losses", "command", "title")
    results = {key: value for key, value in results.items() if key not in aside}
    for family in results["paired"]:
        family["differences"] = {k: v for k, v in family["differences"].items() if ":" not in k}
    name = f"evaluation-{name or folder.name}"
    shutil.copy(folder / "scores.png", RESULTS / f"{name}.png")
    (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
