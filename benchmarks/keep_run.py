"""Keeps the figures of a run, or of backbones, as a committed result: `python benchmarks/keep_run.py runs/demo [name]`.

Of the demo, whose pictures are drawn by this project, the sheet is kept as well; of the four alignment stages the curves.
"""

import json
import shutil
import sys
from pathlib import Path

from PIL import Image


RESULTS = Path(__file__).resolve().parent / "results"


def main(folder, name=None):
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


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
