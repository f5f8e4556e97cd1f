"""Keeps the figures of a run as a committed result: `python benchmarks/keep_run.py runs/demo`.

Of the demo, whose pictures are drawn by this project, the sheet and the curve are kept as well.
"""

import json
import shutil
import sys
from pathlib import Path


RESULTS = Path(__file__).resolve().parent / "results"


def main(folder):
    figures = json.loads((folder / "run.json").read_text())
    figures["source"] = Path(figures["source"]).name
    (RESULTS / f"{figures['recipe']}.json").write_text(json.dumps(figures, indent=2) + "\n")
    shutil.copy(folder / "loss.png", RESULTS / f"{figures['recipe']}-loss.png")
    if figures["recipe"] == "demo":
        shutil.copy(folder / "sheet.png", RESULTS / "demo-sheet.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
