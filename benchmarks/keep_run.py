"""Keeps the figures of a run as a committed result: `python benchmarks/keep_run.py runs/demo [name]`.

Of the demo, whose pictures are drawn by this project, the sheet is kept as well.
"""

import json
import shutil
import sys
from pathlib import Path

from PIL import Image


RESULTS = Path(__file__).resolve().parent / "results"


def main(folder, name=None):
    figures = json.loads((folder / "run.json").read_text())
    name = name or figures["recipe"]
    figures["source"] = Path(figures["source"]).name
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(figures, indent=2) + "\n")
    shutil.copy(folder / "loss.png", RESULTS / f"{name}-loss.png")
    if name == "demo":
        sheet = Image.open(folder / "sheet.png").convert("RGB")
        sheet.save(RESULTS / "demo-sheet.jpg", quality=88)  # a quarter of the PNG's bytes


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
