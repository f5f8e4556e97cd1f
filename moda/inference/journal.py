"""What a run has done so far, on disk: a killed one goes on from it, and a later one adds to it."""

import json
import os
import time
from collections.abc import Sequence

import numpy as np


BEGINNING = b'{"run": {'
EVERY = 5  # seconds between two times that the disk, and not the system alone, is made to hold the journal
FAILED, DONE = 1, 2


class Journal:
    """A file of JSON lines: what all answers depend on, then the rows of a batch each, as they were made.

    A batch is there as a whole or not at all, so that the batches of a run that goes on are those it would have had. A line
    that was cut by a kill, and whatever lies behind it, is dropped.

    Args:
        file (`Path`): Where it is, or is to be.
        ids (`list[str]`): Of the pictures of this run.
        stamp (`Callable[[int], str]`): What tells a picture from another one of the same id.

    Raises:
        `ValueError`: If the file is something else.
    """

    def __init__(self, file, ids, stamp):
        self.path, self.ids, self.stamp, self.file = file, ids, stamp, None
        self.run, self.written, self.gone, self.known, self.handed_out = None, None, set(), False, {}
        self.states = np.zeros(len(ids), np.uint8)
        self.offsets, self.places = np.zeros(len(ids), np.int64), np.zeros(len(ids), np.int32)
        self.end = self._read() if file.exists() else 0

    def _read(self):
        index_of = {name: index for index, name in enumerate(self.ids)}
        end = 0
        with open(self.path, "rb") as lines:
            for line in lines:
                try:
                    entry = json.loads(line) if line.endswith(b"\n") else None
                except ValueError:
                    entry = None
                cut = entry is None and (line.startswith(BEGINNING) or BEGINNING.startswith(line))
                if end == 0 and not cut and not (isinstance(entry, dict) and isinstance(entry.get("run"), dict)):
                    raise ValueError(f"{self.path} is no journal of a run; move it away, or choose another --output.")
                if not isinstance(entry, dict):
                    break
                self.run = entry.get("run", self.run)
                self.written = entry.get("written")
                if "again" in entry:
                    self.states[self.states == FAILED] = 0
                for place, row in enumerate(entry.get("rows", ())):
                    index = index_of.get(row["id"])
                    self.known |= index is not None
                    if index is None:
                        self.gone.update([row["id"]] if "error" not in row else [])
                    elif row["stamp"] == self.stamp(index):
                        self._place(index, row, end, place)
                    else:
                        self.states[index] = 0
                end += len(line)
        return end

    def _place(self, index, row, offset, place):
        self.states[index] = FAILED if row.get("error") else DONE
        self.offsets[index], self.places[index] = offset, place

    def begin(self, run):
        """Says what the answers of a new journal depend on (`dict`); written with the first rows, so that a run that can't
        even begin leaves nothing behind."""
        self.run = run

    def hand_out(self, indices):
        """Returns indices (`Sequence[int]`) that an engine may take slices of. What a picture is told by is noted when it is
        handed out, since one that is replaced before its row is there has not been described."""
        return _HandedOut(self, indices)

    def add(self, rows):
        """Adds the rows of a batch: dicts with `index`, `id`, and `error` or what is known of the picture."""
        kept = [{"stamp": self.handed_out.pop(row["index"]), **row} for row in rows]
        if not self.end:
            self._write({"run": self.run})
        offset = self.end
        self._write({"rows": [{name: row[name] for name in row if name != "index"} for row in kept]})
        for place, row in enumerate(rows):
            self._place(row["index"], row, offset, place)
        self.written = None

    def retry_failed(self):
        """Forgets which pictures failed, so that they are tried again."""
        self._write({"again": True})
        self.states[self.states == FAILED] = 0
        self.written = None

    def note_written(self, digest):
        """Notes that the table of all rows is written."""
        self._write({"written": digest})
        self.written = digest
        self._sync()

    def missing(self):
        """`np.ndarray`: Indices that have no row yet, in order."""
        return np.flatnonzero(self.states == 0)

    def count(self, state):
        """How many pictures are `DONE`, or `FAILED`."""
        return int((self.states == state).sum())

    def rows(self, state):
        """Yields the rows that are `DONE`, or `FAILED`, in the inputs' order."""
        batches = {}
        with open(self.path, "rb") as file:
            for index in np.flatnonzero(self.states == state):
                offset = int(self.offsets[index])
                if offset not in batches:
                    while len(batches) > 64:  # engines finish batches in an order near to the inputs'
                        del batches[next(iter(batches))]
                    file.seek(offset)
                    batches[offset] = json.loads(file.readline())["rows"]
                yield {name: value for name, value in batches[offset][self.places[index]].items() if name != "stamp"}

    def _write(self, entry):
        if self.file is None:
            self.file = open(self.path, "r+b" if self.end else "wb")
            self.file.truncate(self.end)
            self.file.seek(self.end)
            self.synced = time.monotonic()
        line = _line(entry)
        self.file.write(line)
        self.file.flush()
        self.end += len(line)
        if time.monotonic() - self.synced > EVERY:
            self._sync()

    def _sync(self):
        os.fsync(self.file.fileno())
        self.synced = time.monotonic()

    def close(self):
        """Closes it. What could not be written, of a full disk, is given up."""
        if self.file is not None:
            try:
                self.file.close()
            except OSError:
                pass
            self.file = None


def _line(entry):
    return json.dumps(entry, ensure_ascii=False).encode(errors="replace") + b"\n"


class _HandedOut(Sequence):
    def __init__(self, journal, indices):
        self.journal, self.indices = journal, indices

    def __len__(self):
        return len(self.indices)

    def __getitem__(self, place):
        taken = self.indices[place]
        for index in taken if isinstance(place, slice) else [taken]:
            self.journal.handed_out[index] = self.journal.stamp(index)
        return taken
