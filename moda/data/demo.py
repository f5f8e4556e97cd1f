"""The demo catalogue: drawn fashion products with the columns of the Kaggle catalogue, made on the spot.

Every picture is drawn by this package and every sentence is written from its tables, so the demo needs no download and
no licence. Row `i` of seed `s` is the same on every machine and however many rows are asked for.
"""

import functools
import hashlib
import io
import json
import multiprocessing
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from .drawing import COLOURS
from .staging import ARTICLES, stage_product
from .wording import Wording
from .words import GENDER_WORDS, PATTERN_WORDS, USAGE_WORDS


# Raise this whenever a row or a picture changes, so that a folder written earlier is not mistaken for the new one.
VERSION = 1
RECORD = "demo.json"
SPLITS = ("train", "validation", "test")
COLUMNS = (
    "id",
    "image",
    "gender",
    "masterCategory",
    "subCategory",
    "articleType",
    "baseColour",
    "season",
    "year",
    "usage",
    "productDisplayName",
    "pattern",
    "description",
    "split",
    "printed_text",
)
BRANDS = ("Larkmoor", "Tindlewick", "Oszari", "Quillane", "Maravel & Co", "Nordhaze", "Bellvanto", "Fennimark")
PRINTS = ("SURF", "HELLO", "NYC", "1985", "WILD", "DREAM", "ROCK", "LUCKY", "RIO", "42", "WOW", "TOKYO", "OK!")
PRINTABLE = {"Tshirts": 0.35, "Tops": 0.15, "Caps": 0.3, "Backpacks": 0.25}

EVERYONE = ("Men", "Women", "Unisex", "Boys", "Girls")
FEMALE = ("Women", "Girls")
ADULTS = ("Men", "Women", "Unisex")
PATTERNS = tuple(PATTERN_WORDS)


@dataclass(frozen=True)
class Kind:
    """What an article type may be combined with; the combinations are those a shop would sell."""

    master: str
    sub: str
    genders: tuple[str, ...]
    usages: tuple[str, ...]
    patterns: tuple[str, ...] = ("Solid",)
    seasons: tuple[str, ...] = ("Summer", "Fall", "Winter", "Spring")


WARM, COLD = ("Summer", "Spring"), ("Fall", "Winter")
KINDS: dict[str, Kind] = {
    "Tshirts": Kind("Apparel", "Topwear", EVERYONE, ("Casual", "Sports"), PATTERNS, WARM),
    "Shirts": Kind("Apparel", "Topwear", EVERYONE, ("Casual", "Formal", "Party"), PATTERNS),
    "Tops": Kind("Apparel", "Topwear", FEMALE, ("Casual", "Ethnic", "Party"), PATTERNS, WARM),
    "Sweaters": Kind("Apparel", "Topwear", EVERYONE, ("Casual", "Sports", "Party"), ("Solid", "Striped"), COLD),
    "Jackets": Kind("Apparel", "Topwear", EVERYONE, ("Casual", "Formal", "Sports"), ("Solid", "Checked"), COLD),
    "Kurtas": Kind("Apparel", "Topwear", EVERYONE, ("Casual", "Ethnic", "Party"), PATTERNS),
    "Dresses": Kind("Apparel", "Dress", FEMALE, ("Casual", "Formal", "Ethnic", "Party"), PATTERNS, WARM),
    "Skirts": Kind("Apparel", "Bottomwear", FEMALE, ("Casual", "Formal", "Ethnic", "Party"), PATTERNS),
    "Jeans": Kind("Apparel", "Bottomwear", EVERYONE, ("Casual", "Party")),
    "Trousers": Kind(
        "Apparel", "Bottomwear", EVERYONE, ("Casual", "Formal", "Ethnic"), ("Solid", "Checked", "Striped")
    ),
    "Track Pants": Kind("Apparel", "Bottomwear", EVERYONE, ("Casual", "Sports")),
    "Shorts": Kind("Apparel", "Bottomwear", EVERYONE, ("Casual", "Sports"), PATTERNS, WARM),
    "Socks": Kind("Apparel", "Socks", EVERYONE, ("Casual", "Formal", "Sports"), PATTERNS, COLD),
    "Casual Shoes": Kind("Footwear", "Shoes", EVERYONE, ("Casual", "Party"), ("Solid", "Checked", "Floral")),
    "Sports Shoes": Kind("Footwear", "Shoes", EVERYONE, ("Sports", "Casual")),
    "Formal Shoes": Kind("Footwear", "Shoes", ("Men", "Women", "Boys"), ("Formal", "Party")),
    "Heels": Kind("Footwear", "Shoes", ("Women",), ("Casual", "Formal", "Ethnic", "Party")),
    "Sandals": Kind("Footwear", "Sandal", EVERYONE, ("Casual", "Ethnic", "Sports"), seasons=WARM),
    "Flip Flops": Kind("Footwear", "Flip Flops", EVERYONE, ("Casual", "Ethnic"), PATTERNS, WARM),
    "Handbags": Kind("Accessories", "Bags", FEMALE, ("Casual", "Formal", "Ethnic", "Party"), PATTERNS),
    "Backpacks": Kind("Accessories", "Bags", EVERYONE, ("Casual", "Sports"), PATTERNS),
    "Watches": Kind("Accessories", "Watches", EVERYONE, ("Casual", "Formal", "Sports", "Party")),
    "Sunglasses": Kind("Accessories", "Eyewear", EVERYONE, ("Casual", "Sports", "Party"), seasons=WARM),
    "Belts": Kind("Accessories", "Belts", EVERYONE, ("Casual", "Formal", "Ethnic")),
    "Caps": Kind("Accessories", "Headwear", EVERYONE, ("Casual", "Sports"), PATTERNS, WARM),
    "Ties": Kind("Accessories", "Ties", ("Men", "Boys"), ("Formal", "Party"), PATTERNS),
    "Wallets": Kind("Accessories", "Wallets", ADULTS, ("Casual", "Formal", "Ethnic"), ("Solid", "Checked")),
    "Scarves": Kind("Accessories", "Scarves", ADULTS, ("Casual", "Formal", "Ethnic"), PATTERNS, COLD),
    "Gloves": Kind("Accessories", "Gloves", EVERYONE, ("Casual", "Sports"), ("Solid", "Striped"), COLD),
    "Umbrellas": Kind("Accessories", "Umbrellas", EVERYONE, ("Casual", "Formal"), PATTERNS),
    "Perfume and Body Mist": Kind("Personal Care", "Fragrance", ADULTS, ("Casual", "Formal", "Party")),
    "Lipstick": Kind("Personal Care", "Lips", ("Women",), ("Casual", "Party")),
    "Nail Polish": Kind("Personal Care", "Nails", FEMALE, ("Casual", "Party")),
}


def _random(*key: object) -> random.Random:
    # Python's own generator, seeded from a digest of text: the same on every machine, unlike hash() of a string.
    digest = hashlib.sha256("/".join(map(str, ("moda-demo", VERSION, *key))).encode()).digest()
    return random.Random(int.from_bytes(digest[:16], "big"))


def _whole(name: str, value: object, least: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(
            f"{name} must be a whole number of at least {least}, not {value!r}; pass for example {name}=96."
        )
    return value


def split_of(row: Mapping[str, Any]) -> str:
    """Name the split a row belongs to.

    The split follows from the combination of article type, colour, pattern, gender and usage, not from the row's
    number: every combination that is met in validation or test is one that training never shows.

    Args:
        row (`Mapping[str, Any]`): A catalogue row.

    Returns:
        `str`: `"train"` (8 of 10 combinations), `"validation"` or `"test"` (1 of 10 each).
    """
    key = "/".join(str(row[name]) for name in ("articleType", "baseColour", "pattern", "gender", "usage"))
    tenth = int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], "big") % 10
    return {8: "validation", 9: "test"}.get(tenth, "train")


def demo_row(index: int, seed: int = 0) -> dict[str, Any]:
    """Sample the metadata of one row, without its picture.

    Args:
        index (`int`): Number of the row, from 0; it does not matter how many others are made.
        seed (`int`, defaults to 0): Seed of the catalogue.

    Returns:
        `dict[str, Any]`: All columns of [`COLUMNS`] but `image`.

    Raises:
        `ValueError`: If `index` or `seed` is negative or not a whole number.
    """
    _whole("index", index, 0)
    rng = _random("row", _whole("seed", seed, 0), index)
    article = rng.choice(list(KINDS))
    kind = KINDS[article]
    colour, gender, usage = rng.choice(list(COLOURS)), rng.choice(kind.genders), rng.choice(kind.usages)
    # Half of what can be patterned is; the others are solid, as in a shop.
    patterned = len(kind.patterns) > 1 and rng.random() < 0.5
    pattern = rng.choice(kind.patterns[1:]) if patterned else "Solid"
    row: dict[str, Any] = {
        "id": index,
        "gender": gender,
        "masterCategory": kind.master,
        "subCategory": kind.sub,
        "articleType": article,
        "baseColour": colour,
        "season": rng.choice(kind.seasons),
        "year": rng.randint(2011, 2019),
        "usage": usage,
        "productDisplayName": f"{rng.choice(BRANDS)} {gender} {colour} {article}",
        "pattern": pattern,
    }
    row["description"] = _wording().write(row, rng=rng)
    row["split"] = split_of(row)
    printed = pattern == "Solid" and rng.random() < PRINTABLE.get(article, 0.0)
    row["printed_text"] = rng.choice(PRINTS) if printed else None
    return row


@functools.cache
def _wording() -> Wording:
    return Wording()


def draw_product(row: Mapping[str, Any], size: int = 96, seed: int = 0) -> Image.Image:
    """Draw the picture of one product.

    Args:
        row (`Mapping[str, Any]`): `articleType`, `baseColour`, `gender`, `usage` and, if present, `pattern` (solid
            otherwise) and `printed_text` decide what is drawn; `id` (0 otherwise) varies light, backdrop and pose.
        size (`int`, defaults to 96): Side of the square picture in pixels, at least 16.
        seed (`int`, defaults to 0): Seed of the catalogue; with `id` it fixes every pixel.

    Returns:
        `PIL.Image.Image`: An RGB picture of `size` x `size` pixels.

    Raises:
        `ValueError`: If the size is too small or an attribute cannot be drawn; any gender and usage can be drawn on
            any article, whether or not a shop would sell it.
    """
    _whole("size", size, 16)
    tables = {"articleType": ARTICLES, "baseColour": COLOURS, "gender": GENDER_WORDS, "usage": USAGE_WORDS}
    row = {"pattern": "Solid", **row}
    for column, table in {**tables, "pattern": PATTERN_WORDS}.items():
        if row.get(column) not in table:
            choices = ", ".join(table)
            raise ValueError(f"{column} {row.get(column)!r} cannot be drawn; choose one of: {choices}.")
    return stage_product(row, size, _random("picture", seed, row.get("id", 0)))


def demo_rows(count: int, seed: int = 0, size: int = 96, start: int = 0) -> Iterator[dict[str, Any]]:
    """Make rows with their pictures, one at a time.

    Args:
        count (`int`): How many rows.
        seed (`int`, defaults to 0): Seed of the catalogue.
        size (`int`, defaults to 96): Side of the pictures in pixels.
        start (`int`, defaults to 0): Number of the first row.

    Returns:
        `Iterator[dict[str, Any]]`: Rows with all of [`COLUMNS`]; `image` is a PIL picture. Only one row is held in
        memory.

    Raises:
        `ValueError`: If `count` is below 1 or another number is out of range, before any row is drawn.
    """
    for name, value, least in (("count", count, 1), ("seed", seed, 0), ("size", size, 16), ("start", start, 0)):
        _whole(name, value, least)
    return (_with_picture(index, seed, size) for index in range(start, start + count))


def _with_picture(index: int, seed: int, size: int) -> dict[str, Any]:
    row = demo_row(index, seed)
    row["image"] = draw_product(row, size, seed)
    return {name: row[name] for name in COLUMNS}


def _encoded_row(task: tuple[int, int, int]) -> dict[str, Any]:
    index, seed, size = task
    row = _with_picture(index, seed, size)
    with io.BytesIO() as buffer:
        row["image"].save(buffer, "PNG")
        row["image"] = {"bytes": buffer.getvalue(), "path": f"demo-{seed}-{index}.png"}
    return row


def _smallest_count(seed: int) -> int:
    met: set[str] = set()
    index = 0
    while len(met) < len(SPLITS):
        met.add(demo_row(index, seed)["split"])
        index += 1
    return index


def write_demo(
    folder: str | os.PathLike[str],
    count: int = 6000,
    seed: int = 0,
    size: int = 96,
    progress: bool = True,
    workers: int = 1,
) -> Path:
    """Write the demo catalogue as `train.parquet`, `validation.parquet` and `test.parquet`.

    `datasets.load_dataset("parquet", data_files={...})` opens the files with `image` as an `Image` column. The files
    appear only when all of them are complete; a folder that already holds the same catalogue is used as it is.

    Args:
        folder (`str` or `os.PathLike`): Where to write; made if it is missing.
        count (`int`, defaults to 6000): How many rows over all splits, about 80/10/10.
        seed (`int`, defaults to 0): Seed of the catalogue.
        size (`int`, defaults to 96): Side of the pictures in pixels.
        progress (`bool`, defaults to `True`): Show a progress bar, and say so when a finished folder is reused.
        workers (`int`, defaults to 1): Processes to draw with; the files are the same for any number. More than one
            starts fresh interpreters, so a script must then call this under `if __name__ == "__main__":`.

    Returns:
        `Path`: The folder.

    Raises:
        `ValueError`: If `count`, `seed`, `size` or `workers` is out of range, or if so few rows leave a split empty
            (a few dozen are always enough in practice; the message says how many).
        `FileExistsError`: If the folder holds files of those names that this function did not write.
        `NotADirectoryError`: If the folder is a file.
    """
    for name, value, least in (("count", count, 1), ("seed", seed, 0), ("size", size, 16), ("workers", workers, 1)):
        _whole(name, value, least)
    least = _smallest_count(seed)
    if count < least:
        # The datasets library refuses to open an empty split.
        raise ValueError(f"count {count} leaves a split of seed {seed} empty; ask for at least {least} rows.")
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file, not a folder; name a folder to write the demo catalogue into.")
    wanted = {"version": VERSION, "count": count, "seed": seed, "size": size}
    record = _read_record(folder)
    paths = {split: folder / f"{split}.parquet" for split in SPLITS}
    if record == {**wanted, "complete": True} and all(path.is_file() for path in paths.values()):
        if progress:
            print(f"The demo catalogue in {folder} is already complete ({count} rows, seed {seed}); using it.")
        return folder
    strangers = [path.name for path in paths.values() if path.exists()] if record is None else []
    if strangers:
        raise FileExistsError(
            f"{folder} already holds {strangers[0]}, which is no demo catalogue; name another folder."
        )
    folder.mkdir(parents=True, exist_ok=True)

    drafts = {split: folder / f".{split}.parquet.{os.getpid()}.part" for split in SPLITS}
    try:
        _write_shards(drafts, wanted, progress, workers)
        # From here on the folder is marked as ours and unfinished, in case the call ends between two renames.
        _write_record(folder, {**wanted, "complete": False})
        for split, draft in drafts.items():
            os.replace(draft, paths[split])
        _write_record(folder, {**wanted, "complete": True})
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)
    return folder


def _write_shards(drafts: Mapping[str, Path], wanted: Mapping[str, int], progress: bool, workers: int) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq
    from tqdm import tqdm

    schema = _schema()
    pending: dict[str, list[dict[str, Any]]] = {split: [] for split in drafts}
    tasks = ((index, wanted["seed"], wanted["size"]) for index in range(wanted["count"]))
    # Fresh interpreters rather than forks: a fork of a process that runs threads (torch does) may hang.
    pool = multiprocessing.get_context("spawn").Pool(workers) if workers > 1 else None
    writers: dict[str, pq.ParquetWriter] = {}
    try:
        writers = {split: pq.ParquetWriter(path, schema) for split, path in drafts.items()}
        rows = pool.imap(_encoded_row, tasks, chunksize=32) if pool else map(_encoded_row, tasks)
        for row in tqdm(rows, total=wanted["count"], desc="Drawing", unit="picture", disable=not progress):
            batch = pending[row["split"]]
            batch.append(row)
            if len(batch) == 200:
                writers[row["split"]].write_table(pa.Table.from_pylist(batch, schema=schema))
                batch.clear()
        for split, batch in pending.items():
            if batch:
                writers[split].write_table(pa.Table.from_pylist(batch, schema=schema))
    finally:
        for writer in writers.values():
            writer.close()
        if pool is not None:
            pool.terminate()
            pool.join()


def _schema():
    import pyarrow as pa

    types = {"id": "int64", "year": "int64"}
    features: dict[str, dict[str, str]] = {
        name: {"dtype": types.get(name, "string"), "_type": "Value"} for name in COLUMNS
    }
    features["image"] = {"_type": "Image"}
    fields = [pa.field(name, pa.int64() if name in types else pa.string()) for name in COLUMNS]
    fields[COLUMNS.index("image")] = pa.field("image", pa.struct({"bytes": pa.binary(), "path": pa.string()}))
    # The key and layout that the datasets library reads to know a column of bytes is a picture.
    return pa.schema(fields, metadata={"huggingface": json.dumps({"info": {"features": features}})})


def _read_record(folder: Path) -> dict[str, Any] | None:
    try:
        return json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, OSError):
        # A record that cannot be read still says whose folder it is; the catalogue is then drawn anew.
        return {}


def _write_record(folder: Path, record: Mapping[str, Any]) -> None:
    draft = folder / f".{RECORD}.{os.getpid()}.part"
    draft.write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    os.replace(draft, folder / RECORD)
