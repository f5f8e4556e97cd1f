"""What a user wants described, wherever it lies: files, folders, globs, addresses, tables and datasets, as one list."""

import bisect
import glob
import os
from collections import Counter
from itertools import accumulate
from pathlib import Path

from .input_columns import PICTURE_SUFFIXES, is_address, public_name
from .input_tables import TABLE_SUFFIXES, Part, Places, open_rows, read_table_of_pictures


METADATA_FILES = ("metadata.csv", "metadata.jsonl", "metadata.parquet")
NOT_READ = {
    **dict.fromkeys((".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".7z", ".rar"), "unpack it and give its folder"),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "save it as CSV and give that"),
    **dict.fromkeys((".pdf", ".mp4", ".mov"), "save its pictures in a folder and give that"),
}


class Inputs:
    """Pictures in order, each with an id; none is read before it is asked for.

    May be pickled for other processes: it holds ids and places, and datasets as the files that they lie in.

    Attributes:
        ids (`list[str]`): Of the pictures, each once: the source's own; else the path below the folder given, the path or
            address as the source names it, or the row's number, from 0. An id that is taken has its source's name before it, or
            `#2` behind it.
        skipped (`list[dict]`): What can't be used at all: `id` and `error`, a sentence.
        notes (`list[str]`): What was guessed, mended or passed over, a sentence each.
        allow_private (`bool`): As given, for who fetches the pictures.
    """

    def __init__(self, parts, ids, skipped, notes, allow_private):
        self.ids, self.skipped, self.notes, self.allow_private = ids, skipped, notes, allow_private
        self._pictures = [part.pictures for part in parts]
        self._ends = list(accumulate(map(len, self._pictures)))

    def __len__(self):
        return len(self.ids)

    def picture(self, index):
        """Returns something that [`load_picture`] opens: a path, an address or `{"bytes": ..., "path": ...}`.

        Raises:
            `IndexError`: If there is no such row.
        """
        index = range(len(self))[index]
        part = bisect.bisect_right(self._ends, index)
        return self._pictures[part].picture(index - (self._ends[part - 1] if part else 0))


def open_inputs(sources, columns=None, allow_private=False):
    """Opens everything that is to be described, in the order given.

    Args:
        sources (`str`, `os.PathLike` or a list of them): Mixed freely:
            a picture; a folder, with all pictures below it but hidden ones, or in one of the layouts that [`open_splits`]
            opens, or as `datasets` saves them; a glob (`**` goes down folders), of which only the pictures are taken if it
            matches any; an `http(s)://` or `data:` URL of a picture; a parquet, CSV, TSV, JSON, JSONL or text file whose
            rows hold pictures, or name paths (from its own folder on) or URLs; the id of a dataset on the Hub.
        columns (`dict[str, str]`, *optional*): What tables call `image` and `id`; guessed from names and contents by
            default, and noted.
        allow_private (`bool`, *optional*, defaults to `False`): Kept for who fetches the pictures.

    Returns:
        [`Inputs`]

    Raises:
        `FileNotFoundError`: If there is nothing at a path.
        `ValueError`: If a source holds no picture or can't be read, a column is not there, or none tells of pictures.
    """
    sources = [sources] if isinstance(sources, (str, os.PathLike)) else list(sources)
    sources, columns = [os.fspath(source) for source in sources], dict(columns or {})
    if not sources:
        raise ValueError("There is nothing to describe; name pictures, folders, tables, URLs or a dataset's id.")
    if unknown := columns.keys() - {"image", "id"}:
        raise ValueError(f"columns names {', '.join(sorted(unknown))}; it takes image and id.")
    parts, named, doubled = [], set(), 0
    for source in sources:
        for part in _open(source, columns):
            if part.spare:  # pictures named one by one
                keep = []
                for row, place in enumerate(part.pictures.places):
                    keep += [row] if place not in named else []
                    named.add(place)
                doubled += len(part.ids) - len(keep)
                part.pictures.places, part.ids, part.spare = (
                    [values[row] for row in keep] for values in (part.pictures.places, part.ids, part.spare)
                )
                if parts and parts[-1].spare:
                    last = parts[-1]
                    last.pictures.places += part.pictures.places
                    for of in ("ids", "spare", "skipped", "notes"):
                        getattr(last, of).extend(getattr(part, of))
                    continue
            parts.append(part)
    skipped = [row for part in parts for row in part.skipped]
    notes = list(dict.fromkeys(note for part in parts for note in part.notes))
    if not any(len(part.pictures) for part in parts):
        why = [row["error"] for row in skipped] + notes
        raise ValueError(f"There is no picture in {_origin(sources)}{': ' + why[0] if why else '.'}")
    ids, changed = _unique(parts)
    if doubled:
        notes.append(f"Pictures that were named again, and are taken once: {doubled:,}.")
    if changed:
        notes.append(
            f"Ids with their source's name before them or #2, #3, … behind, since earlier rows have them: {changed:,}."
        )
    return Inputs(parts, ids, skipped, notes, allow_private)


def _open(source, columns):
    path = Path(os.path.expanduser(source))
    if is_address(source):
        return [_pictures([source], [source if len(source) < 4096 else "data: URL"])]
    if path.is_dir():
        return _open_folder(path, source, columns)
    suffix = path.suffix.lower()
    if os.path.lexists(path):
        if suffix in NOT_READ:
            raise ValueError(f"{source} is none of the kinds that are read; {NOT_READ[suffix]}.")
        if suffix in TABLE_SUFFIXES:
            return [read_table_of_pictures(path, columns)]
        if suffix == ".parquet":
            return _open_dataset(path, columns)
        return [_pictures([os.path.abspath(path)], [source])]
    if glob.has_magic(source):
        return _open_glob(source, columns)
    if suffix[1:].isalpha() or source.startswith((".", "/", "~")) or source.count("/") > 1:
        raise FileNotFoundError(f"There is no picture or folder at {source!r}; check the path.")
    return _open_dataset(source, columns)


def _open_glob(source, columns):
    matched = sorted(glob.glob(os.path.expanduser(source), recursive=True), key=lambda path: (path.count(os.sep), path))
    # ** follows links, also in a circle: what is there again is taken by its shortest path.
    real = {os.path.realpath(path): path for path in reversed(matched)}
    files = sorted(path for place, path in real.items() if not os.path.isdir(place))
    pictures = [path for path in files if _is_picture(path)]
    if pictures:
        part = _pictures(list(map(os.path.abspath, pictures)), pictures)
        if others := len(files) - len(pictures):
            part.notes.append(f"Files that {source} matches and that are no pictures by their names: {others:,}.")
        return [part]
    if not matched:
        raise FileNotFoundError(f"Nothing matches {source!r}; check the pattern.")
    return [part for path in files or matched for part in _open(path, columns)]


def _open_folder(path, source, columns):
    if (path / "dataset_dict.json").is_file() or (path / "state.json").is_file():
        return _open_dataset(path, columns, saved=True)
    kaggle = (path / "styles.csv").is_file() and (path / "images").is_dir()
    named = any((path / name).is_file() for name in METADATA_FILES)
    if kaggle or named or any(path.glob("*.parquet")) or any(path.glob("data/*.parquet")):
        return _open_dataset(path, columns)
    skipped, others = [], Counter()
    found = sorted(_walk(str(path), "", skipped, others))
    if not found and not skipped:
        tables = sorted(ending for ending in others if ending in TABLE_SUFFIXES)
        hint = f"; it holds {', '.join(tables)} files: give one of those" if tables else ""
        raise ValueError(f"Folder {source} holds no picture ({', '.join(sorted(PICTURE_SUFFIXES))}){hint}.")
    part = _pictures([os.path.join(path.absolute(), inner) for inner in found], found)
    part.spare, part.skipped = [os.path.join(source, inner) for inner in map(public_name, found)], skipped
    if count := others.total():
        part.notes.append(f"Files in {path.absolute().name}/ that are no pictures by their names: {count:,}.")
    return [part]


def _walk(folder, inner, skipped, others, above=frozenset()):
    """Yields the pictures below a folder, by their paths from there; links are followed, but never in a circle."""
    try:
        seen = os.stat(os.path.join(folder, inner))
        with os.scandir(os.path.join(folder, inner)) as found:
            entries = sorted(found, key=lambda entry: entry.name)
    except OSError as error:
        name = os.path.join(os.path.basename(os.path.abspath(folder)), inner)
        why = f"Folder {name} can't be opened ({error.strerror}); its pictures are not described."
        skipped.append({"id": public_name(inner) or name, "error": why})
        return
    if (seen.st_dev, seen.st_ino) in above:
        return
    for entry in entries:
        place = os.path.join(inner, entry.name)
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            yield from _walk(folder, place, skipped, others, above | {(seen.st_dev, seen.st_ino)})
        elif _is_picture(entry.name):
            yield place
        else:
            others[os.path.splitext(entry.name)[1].lower()] += 1


def _open_dataset(source, columns, saved=False):
    """Opens a parquet file, a folder that is a catalogue or was saved by `datasets`, or the id of a dataset on the Hub."""
    from moda.data.sources import open_splits

    local = isinstance(source, Path)
    name = source.absolute().name if local else source
    if saved:
        import datasets

        opened = datasets.load_from_disk(str(source))
        splits, left_out, notes = opened if isinstance(opened, dict) else {"all": opened}, [], []
    else:
        opened = open_splits(str(source.absolute()) if local else source)
        splits, left_out, notes = opened.splits, opened.left_out, opened.notes
    folder = str((source if source.is_dir() else source.parent).absolute()) if local else None
    parts = []
    for split, rows in splits.items():
        parts.append(open_rows(rows, name, columns, folder, f"{split}:" if len(splits) > 1 else ""))
    parts[0].skipped = [{"id": row["id"] or name, "error": row["why"]} for row in left_out] + parts[0].skipped
    parts[0].notes += notes
    return parts


def _pictures(places, names):
    names = list(map(public_name, names))
    return Part(Places("", places), names, "", spare=list(names))


def _is_picture(name):
    return os.path.splitext(name)[1].lower() in PICTURE_SUFFIXES


def _unique(parts):
    """Returns an id for each picture, each once, and how many had to be changed."""
    ids, taken, changed, times = [], {}, 0, Counter()
    for number, part in enumerate(parts):
        for row, own in enumerate(part.ids):
            name = own
            if name in taken and part.spare:
                name = part.spare[row]
            elif taken.get(name, number) != number:
                name = f"{part.name}:{own}"
            while name in taken:
                times[own] += 1
                name = f"{own}#{times[own] + 1}"
            taken[name] = number
            changed += name != own
            ids.append(name)
    return ids, changed


def _origin(sources):
    names = [os.path.basename(os.path.abspath(name)) if os.path.lexists(name) else name for name in sources]
    names = [
        public_name(name).split("?")[0][:100]
        if is_address(name)
        else name.rpartition("/")[2]
        if name[:1] in "/~"
        else name
        for name in names
    ]
    return ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
