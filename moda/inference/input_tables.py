"""Pictures that tables name or hold: CSV, TSV, JSON, JSONL and text files, and the rows of datasets."""

import json
import os
from dataclasses import dataclass, field
from itertools import chain, islice

from .input_columns import NOTHING, choose_columns, is_address, located, place_in, public_name, shows


TABLE_SUFFIXES = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".txt")
LOOKED_AT = 1000  # rows of a text file, for its columns
SHOWN = 20  # rows of a dataset, whose pictures may be large
LONG = 4096  # characters; what is longer, as a picture spelt out in a data: URL, is left in its file
NO_PICTURE = "{} names no picture; fill it in or leave it out."


@dataclass
class Part:
    """The pictures of one source.

    Args:
        pictures (`Places` or `Rows`): Where they are.
        ids (`list[str | None]`): What they are called, or `None` where nothing calls them anything.
        name (`str`): The source's, which tells rows of the same number apart.
        skipped (`list[dict]`): Rows that can't be used: `id` and `error`.
        notes (`list[str]`): Sentences on what was guessed and passed over.
        spare (`list[str]`): Longer ids, for those that are taken.
    """

    pictures: object
    ids: list
    name: str
    skipped: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    spare: list = field(default_factory=list)


class Places:
    """Paths, below a folder where they are relative, and addresses; a number is where a line of `file` begins that holds one."""

    def __init__(self, folder, places, file=None, column=None):
        self.folder, self.places, self.file, self.column = folder, places, file, column

    def __len__(self):
        return len(self.places)

    def picture(self, row):
        place = self.places[row]
        if isinstance(place, int):
            with open(self.file, "rb") as lines:
                lines.seek(place)
                line = json.loads(lines.readline().decode("utf-8-sig", errors="replace"))
            place = place_in(line[self.column] if isinstance(line, dict) else line)
        return located(place, self.folder)


class Rows:
    """Rows of a dataset, each read from the disk when it is asked for."""

    def __init__(self, rows, column, kept, folder):
        self.rows, self.column, self.kept, self.folder = rows, column, kept, folder

    def __len__(self):
        return len(self.kept)

    def picture(self, row):
        value = self.rows[self.kept[row]][self.column][0].as_py()
        value = value[0] if isinstance(value, list) else value
        if isinstance(value, bytes):
            return {"bytes": value, "path": None}
        if isinstance(value, dict) and value.get("bytes"):
            return {"bytes": value["bytes"], "path": value.get("path")}
        return located(place_in(value), self.folder)


def read_table_of_pictures(file, columns):
    """Opens a CSV, TSV, JSON, JSONL or text file whose rows name pictures.

    Args:
        file (`Path`)
        columns (`dict[str, str]`): What its `image` and `id` are called; else guessed.

    Returns:
        [`Part`]

    Raises:
        `ValueError`: If there is no row, no such column, or no column that tells of pictures.
    """
    skipped, notes = [], []
    entries = _entries(file, skipped, notes)
    first = list(islice(entries, LOOKED_AT))
    names = list(dict.fromkeys(name for _, _, row in first for name in row))
    if not names:
        raise ValueError(f"{file} has no rows{': ' + skipped[0]['error'] if skipped else '; it is empty.'}")
    folder = os.path.dirname(os.path.abspath(file))
    if file.suffix.lower() == ".txt" and not shows([row["path"] for _, _, row in first], folder):
        note = f"{file.name} lists no pictures, but lines such as {first[0][2]['path'][:40]!r}."
        return Part(Places(folder, []), [], file.name, notes=[note])
    values = {name: [row.get(name) for _, _, row in first] for name in names}
    image, key, note = choose_columns(values, columns, file, folder)
    ids, places, rows, several = [], [], 0, 0
    for rows, (number, start, row) in enumerate(chain(first, entries), 1):
        value, called = row.get(image), text(row.get(key))
        place = place_in(value)
        if place is None:
            label = f"{'Entry' if number is None else 'Line'} {number or rows} of {file.name}"
            skipped.append({"id": called or f"{file.name}:{number or rows}", "error": NO_PICTURE.format(label)})
            continue
        several += isinstance(value, list) and len(value) > 1
        short = len(place) < LONG and not place.startswith("data:")
        ids.append(called or (public_name(place) if short else str(rows - 1)))
        places.append(place if len(place) < LONG or start is None else start)
    if several:
        notes.append(f"Rows of {file.name} with several pictures, of which the first is taken: {several:,}.")
    there = [place for place in places[:SHOWN] if isinstance(place, str) and not is_address(place)]
    if there and not any(os.path.exists(located(place, folder)) for place in there):
        notes.append(
            f"There is no picture at {there[0]!r}, nor at other paths that {file.name} names; they begin at its own folder."
        )
    pictures = Places(folder, places, str(file.absolute()), image)
    return Part(pictures, ids, file.name, skipped, [*([note] if note else []), *notes])


def _entries(file, skipped, notes):
    """Yields number (`None` in a list), start in bytes (`None` if it can't be read from there) and `dict` of each row."""
    if file.suffix.lower() == ".txt":
        with open(file, encoding="utf-8-sig", errors="surrogateescape") as lines:
            yield from ((number, None, {"path": line.strip()}) for number, line in enumerate(lines, 1) if line.strip())
        return
    from moda.data.lines import read_lines, read_table

    if file.suffix.lower() in (".csv", ".tsv"):
        header, lines, said = read_table(file)
        notes.extend(said)
        for number, values in lines:
            if len(values) == len(header):
                yield number, None, dict(zip(header, values))
            else:
                why = f"Line {number} of {file.name} has {len(values)} values for {len(header)} columns; mend it."
                skipped.append({"id": f"{file.name}:{number}", "error": why})
        return
    number, start, end, broken, size = 0, 0, 0, [], file.stat().st_size

    def seen(content):
        nonlocal number, start, end
        number, start, end = number + 1, end, end + len(content)

    for row in read_lines(file, broken, seen, (dict, str)):
        row = row if isinstance(row, dict) else {"image": row}
        yield (None, None, row) if (number, end) == (1, size) else (number, start, row)
    for why in broken:  # "Line 3 of ...", "Entry 5 of ..."
        skipped.append({"id": f"{file.name}:{why['why'].split()[1]}", "error": why["why"]})


def open_rows(rows, name, columns, folder=None, prefix=""):
    """Opens a dataset whose rows hold pictures, or name them.

    Args:
        rows (`datasets.Dataset`): No picture of it is decoded, and none but a few are read.
        name (`str`): What to call it.
        columns (`dict[str, str]`): What its `image` and `id` are called; else guessed.
        folder (`str`, *optional*): Where relative paths begin.
        prefix (`str`, *optional*): Before row numbers, where rows have no id.

    Returns:
        [`Part`]

    Raises:
        `ValueError`: If there is no such column, or none that tells of pictures.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    rows = rows.with_format("arrow")
    first = rows[:SHOWN]
    values = {column: first[column].to_pylist() for column in rows.column_names}
    image, key, note = choose_columns(values, columns, name, folder or "")
    called = [text(value) for value in rows.select_columns([key])[:][key].to_pylist()] if key else [None] * len(rows)
    rows, found = rows.select_columns([image]), []
    for batch in rows.iter(LOOKED_AT):
        for chunk in batch[image].chunks:
            if pa.types.is_struct(chunk.type):
                fields = [chunk.type.field(index).name for index in range(chunk.type.num_fields)]
                held, paths = [None] * len(chunk), [None] * len(chunk)
                if "bytes" in fields:
                    held = pc.binary_length(pc.struct_field(chunk, "bytes")).to_pylist()
                if at := next((at for at in ("path", "url", "src") if at in fields), None):
                    paths = pc.struct_field(chunk, at).to_pylist()
                found += [True if size else place_in(path) for size, path in zip(held, paths)]
            elif pa.types.is_string(chunk.type) or pa.types.is_large_string(chunk.type):
                found += map(place_in, chunk.to_pylist())
            else:
                binary = pa.types.is_binary(chunk.type) or pa.types.is_large_binary(chunk.type)
                sizes = pc.binary_length(chunk) if binary else pc.list_value_length(chunk)
                found += [True if size else None for size in sizes.to_pylist()]
    kept, ids, skipped = [], [], []
    for row, (place, own) in enumerate(zip(found, called)):
        if place is None:
            why = NO_PICTURE.format(f"Row {row} of {prefix}{name}")
            skipped.append({"id": own or f"{name}:{prefix}{row}", "error": why})
        else:
            kept.append(row)
            address = isinstance(place, str) and is_address(place)
            ids.append(own or (public_name(place) if address else f"{prefix}{row}"))
    places = [found[row] for row in kept]
    named = all(isinstance(place, str) for place in places)  # then the dataset itself is needed no more
    pictures = Places(folder or "", places) if named else Rows(rows, image, kept, folder or "")
    return Part(pictures, ids, name, skipped, [note] if note else [])


def text(value):
    """Returns an id as text, or `None` where there is none."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    said = "" if value is None else str(value).strip()
    return None if said.lower() in NOTHING else public_name(said)
