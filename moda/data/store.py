"""Rows computed once and kept on disk: a `.npy` file that only grows, beside a note that says how far it is.

Rows are on disk before the note counts them, so a build that was killed goes on behind the last row of the note; a lock
lets one process build while the others, on this machine or on a shared folder, wait for it.
"""

import io
import json
import os
import shutil
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout
from tqdm.auto import tqdm


CACHE = Path(os.environ.get("MODA_CACHE", "~/.cache/moda")).expanduser()
SECONDS_BETWEEN_NOTES = 1.0  # what a killed build repeats at most
DAYS_UNUSED = 7  # after which a store makes room for another one of the same pictures


def open_or_build(folder, key, source, shape, dtype, count, compute, doing, ways_out=""):
    """Opens a store of rows; builds it, or goes on building it, when it is not complete.

    Room and writability of the folder are checked first; after the first batch a line says count, size, folder and about
    how long it will take. Other stores of the same pictures are deleted when nobody opened them for `DAYS_UNUSED` days;
    the line counts those that remain, since another run may be using them.

    Args:
        folder (`Path`): Where stores of this kind lie.
        key (`str`): Digest of everything that the rows depend on; the store's name.
        source (`str`): Digest of the pictures alone, which stores may share.
        shape (`tuple[int, ...]`): Of a row.
        dtype (`np.dtype`): Of its numbers.
        count (`int`): Pictures.
        compute (`Callable[[int], Iterator[tuple[np.ndarray, list[tuple[int, str]]]]]`):
            Computes the rows from a given picture on, in order and in batches: an array of shape `(rows, *shape)`, and
            the pictures without a row, by number, with the reason. The store leaves those out.
        doing (`str`): What is done, such as `"Decoding pictures"`.
        ways_out (`str`, *optional*): What else to do about a full folder, behind "set MODA_CACHE=another folder".

    Returns:
        `tuple[Path, list[tuple[int, str]]]`: The file, which `np.load(file, mmap_mode="r")` opens, of shape
        `(count - left out, *shape)`, and the pictures that were left out.

    Raises:
        `OSError`: If the folder is full or can't be written, naming it, what is needed and what is free.
        `ValueError`: If there is no row for any picture.
    """
    store = _Store(Path(folder), key, source, tuple(shape), np.dtype(dtype), count, ways_out)
    with suppress(OSError):  # the time of last use; a finished store may lie on a read-only disk
        os.utime(store.file, ns=(time.time_ns(), store.file.stat().st_mtime_ns))
    if not store.complete():
        store.check_room()
        with store.locked():
            if not store.complete():  # nobody else has built it meanwhile
                store.build(compute, doing)
    return store.file, [tuple(row) for row in _read(store.note)["left_out"]]


class _Store:
    def __init__(self, folder, key, source, shape, dtype, count, ways_out):
        self.folder, self.source, self.shape, self.dtype, self.count = folder, source, shape, dtype, count
        self.file, self.note, self.lock = (folder / f"{key}.{suffix}" for suffix in ("npy", "json", "lock"))
        self.row_bytes = int(np.prod(shape)) * dtype.itemsize
        self.ways_out = ways_out

    def header(self, rows):  # numpy makes it equally long for any number of rows, so that a file can grow
        header = io.BytesIO()
        description = {"descr": self.dtype.str, "fortran_order": False, "shape": (rows, *self.shape)}
        np.lib.format.write_array_header_1_0(header, description)
        return header.getvalue()

    def progress(self):
        """What the note says, if the file holds the rows that it counts."""
        note = _read(self.note)
        if note and self.file.is_file() and self.file.stat().st_size >= self.end_of(note["kept"]):
            return note
        return {"source": self.source, "done": 0, "kept": 0, "left_out": []}

    def end_of(self, rows):
        return len(self.header(0)) + rows * self.row_bytes

    def complete(self):
        note = self.progress()
        return note["done"] == self.count and note["kept"] > 0

    def check_room(self):
        self.drop_unused()
        with self.writing():
            self.folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=self.folder).close()
        if shutil.disk_usage(self.folder).free < self.needed():
            raise self.trouble("is too full")

    def needed(self):
        return self.row_bytes * (self.count - self.progress()["done"])

    def trouble(self, problem):
        there = next(path for path in (self.folder, *self.folder.parents) if path.exists())
        return OSError(
            f"The cache folder {self.folder} {problem}: {_size(self.needed())} are needed and "
            f"{_size(shutil.disk_usage(there).free)} free; make room, or set MODA_CACHE=another folder{self.ways_out}."
        )

    @contextmanager
    def writing(self):
        try:
            yield
        except OSError as error:
            raise self.trouble(f"can't be written ({error.strerror or error})") from error

    def locked(self):
        lock = FileLock(self.lock)
        with self.writing():
            try:
                return lock.acquire(timeout=0)
            except Timeout:  # is an OSError itself
                print(f"Another process is building {self.file}; waiting for it.", flush=True)
                return lock.acquire()

    def build(self, compute, doing):
        note, started, noted = self.progress(), time.monotonic(), None
        with self.writing():
            # Unbuffered: what a full disk refuses must fail where it is written, not once more on closing.
            file = open(self.file, "r+b" if note["done"] else "wb", buffering=0)
        with file, tqdm(desc=doing, unit="picture", total=self.count, initial=note["done"]) as bar:
            with self.writing():
                file.truncate(self.end_of(note["kept"]))
                file.seek(self.end_of(note["kept"]))
            for rows, left_out in compute(note["done"]):
                ready = len(rows) + len(left_out)
                if noted is None:
                    noted = time.monotonic()
                    seconds = (noted - started) / ready * (self.count - note["done"])
                    bar.write(self.announcement(doing, seconds, note["done"]))
                with self.writing():
                    _write(file, rows.tobytes())
                    note["done"], note["kept"] = note["done"] + ready, note["kept"] + len(rows)
                    note["left_out"] += left_out
                    if note["done"] == self.count or time.monotonic() - noted >= SECONDS_BETWEEN_NOTES:
                        self.keep(file, note)
                        noted = time.monotonic()
                bar.update(ready)
        if note["kept"] == 0:
            first = f"; the first: {note['left_out'][0][1]}" if note["left_out"] else "."
            raise ValueError(f"None of {self.count} pictures can be read{first}")

    def keep(self, file, note):
        end = file.tell()
        file.seek(0)
        _write(file, self.header(note["kept"]))
        file.seek(end)
        os.fsync(file.fileno())
        new = self.note.with_suffix(".new")
        new.write_text(json.dumps(note))
        os.replace(new, self.note)

    def announcement(self, doing, seconds, done):
        others = [stat.st_size for _, stat in self.others()]
        return (
            f"{doing} once: {self.count:,} pictures, {_size(self.row_bytes * self.count)} in {self.file}, "
            f"about {_duration(seconds)} at the first batch's pace"
            + (f"; going on from {done:,}" if done else "")
            + (f"; {len(others)} other cache(s) of the same pictures there: {_size(sum(others))}" if others else "")
        )

    def others(self):
        """The files of the same pictures' other stores, with their size and time of last use."""
        found = []
        for note in self.folder.glob("*.json"):
            if note != self.note and _read(note).get("source") == self.source:
                with suppress(FileNotFoundError):
                    found.append((note.with_suffix(".npy"), note.with_suffix(".npy").stat()))
        return found

    def drop_unused(self):
        for file, stat in self.others():
            if time.time() - stat.st_atime > DAYS_UNUSED * 86400:
                with suppress(OSError), FileLock(file.with_suffix(".lock"), timeout=0):  # refused while it is built
                    file.unlink()
                    file.with_suffix(".json").unlink()


def _read(note):
    try:
        note = json.loads(note.read_text())
    except (OSError, ValueError):  # there is none, or a crash of the machine left it empty
        return {}
    return note if isinstance(note, dict) else {}


def _write(file, data):
    data = memoryview(data)
    while data:  # an unbuffered file may take a part
        data = data[file.write(data) :]


def _size(count):
    for unit in ("B", "KB", "MB", "GB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def _duration(seconds):
    return (
        f"{seconds:.0f} s"
        if seconds < 90
        else f"{seconds / 60:.0f} min"
        if seconds < 5400
        else f"{seconds / 3600:.1f} h"
    )
