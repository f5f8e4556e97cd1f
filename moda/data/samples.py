"""Takes some pictures out of a parquet file, to have files to describe: `python -m moda.data.samples FILE FOLDER COUNT`."""

import sys
from pathlib import Path

from datasets import Image, load_dataset


def write_samples(file, folder, count):
    """Writes the first pictures of a parquet file as `000.png`, `001.png` and so on, and returns their paths."""
    rows = load_dataset("parquet", data_files=str(file), split=f"train[:{count}]").cast_column(
        "image", Image(decode=False)
    )
    Path(folder).mkdir(parents=True, exist_ok=True)
    paths = [Path(folder) / f"{index:03d}.png" for index in range(len(rows))]
    for path, image in zip(paths, rows["image"]):
        path.write_bytes(image["bytes"])
    return paths


if __name__ == "__main__":
    write_samples(sys.argv[1], sys.argv[2], int(sys.argv[3]))
