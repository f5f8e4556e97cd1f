"""A store is built once, by one process, goes on where it was killed, and says what is wrong with its folder."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from conftest import ROOT
from filelock import FileLock

from moda.data import store


# Rows of 1,000 numbers, three a batch; a line for each row that is computed, and some time, so that a kill falls inside.
BUILDER = """
import sys, time
import numpy as np
from moda.data import store

def compute(first):
    for start in range(first, 30, 3):
        with open(sys.argv[2], "a") as log:
            log.writelines(f"{row}\\n" for row in range(start, start + 3))
        time.sleep(float(sys.argv[3]))
        good = [row for row in range(start, start + 3) if row % 7 != 6]
        values = np.stack([np.random.default_rng(row).random(1000, dtype=np.float32) for row in good])
        yield values, [(row, f"row {row} is broken") for row in range(start, start + 3) if row % 7 == 6]

store.SECONDS_BETWEEN_NOTES = 0
file, left_out = store.open_or_build(sys.argv[1], "key", "source", (1000,), "float32", 30, compute, "Building")
print(np.load(file, mmap_mode="r").shape, left_out)
"""
KEPT = [row for row in range(30) if row % 7 != 6]


def start_builder(folder, log, pause=0.0, before=""):
    command = [sys.executable, "-c", before + BUILDER, str(folder), str(log), str(pause)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(process):
    output, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    return output.splitlines()


def rows_of(folder):
    return np.load(folder / "key.npy")


def expected_rows():
    return np.stack([np.random.default_rng(row).random(1000, dtype=np.float32) for row in KEPT])


def test_a_killed_build_goes_on_behind_what_was_noted(tmp_path):
    whole, killed, log = tmp_path / "whole", tmp_path / "killed", tmp_path / "log"
    finish(start_builder(whole, tmp_path / "other"))
    assert np.array_equal(rows_of(whole), expected_rows())

    process = start_builder(killed, log, pause=0.2)
    deadline = time.monotonic() + 60
    while not (killed / "key.json").is_file() or json.loads((killed / "key.json").read_text())["done"] < 9:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = json.loads((killed / "key.json").read_text())["done"]
    assert 9 <= done < 30
    with open(killed / "key.npy", "ab") as file:  # half a batch behind what the note counts, as a kill may leave it
        file.write(b"x" * 5000)
    before = log.read_text().split()
    log.unlink()

    lines = finish(start_builder(killed, log))
    assert f"going on from {done}" in lines[0]
    again = log.read_text().split()
    assert again == [str(row) for row in range(done, 30)]  # nothing that was noted is computed once more
    assert before[:done] == [str(row) for row in range(done)]
    assert (killed / "key.npy").read_bytes() == (whole / "key.npy").read_bytes()
    assert (killed / "key.json").read_bytes() == (whole / "key.json").read_bytes()


def test_two_processes_at_once_build_it_once(tmp_path):
    log = tmp_path / "log"
    processes = [start_builder(tmp_path / "cache", log, pause=0.1) for _ in range(2)]
    outputs = [finish(process) for process in processes]
    assert sorted(log.read_text().split(), key=int) == [str(row) for row in range(30)]
    assert outputs[0][-1] == outputs[1][-1] and "(26, 1000)" in outputs[0][-1] and "row 6 is broken" in outputs[0][-1]
    assert sum("Building once" in line for output in outputs for line in output) == 1
    assert np.array_equal(rows_of(tmp_path / "cache"), expected_rows())


def test_a_disk_that_gets_full_is_told_and_what_was_done_is_kept(tmp_path):
    # Files of at most 40,000 bytes: the operating system refuses the tenth row.
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (40000, 40000))\n"
    process = start_builder(tmp_path / "cache", tmp_path / "log", before=limit)
    errors = process.communicate(timeout=120)[1]
    assert process.returncode != 0
    last = errors.strip().splitlines()[-1]
    assert last.startswith(f"OSError: The cache folder {tmp_path / 'cache'} can't be written (File too large)")
    assert "needed" in last and "free" in last and "MODA_CACHE=another folder" in last
    assert json.loads((tmp_path / "cache/key.json").read_text())["done"] == 9
    (tmp_path / "log").unlink()
    finish(start_builder(tmp_path / "cache", tmp_path / "log"))
    assert (tmp_path / "log").read_text().split()[0] == "9"
    assert np.array_equal(rows_of(tmp_path / "cache"), expected_rows())


def build(folder, key="key", source="source", count=4, **kwargs):
    def compute(first):
        yield np.full((count - first, 1000), 5, np.uint8), []

    return store.open_or_build(folder, key, source, (1000,), "uint8", count, compute, "Building", **kwargs)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("a regular file")
    with pytest.raises(
        OSError, match=r"The cache folder .*/file/below can't be written .*: 4 KB are needed and .* free"
    ):
        build(tmp_path / "file/below")
    with pytest.raises(OSError, match=r"/proc/moda can't be written .*MODA_CACHE=another folder, or write to paper\.$"):
        build("/proc/moda", ways_out=", or write to paper")


def test_a_full_folder_is_named_before_anything_is_computed(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 3999, 3999))
    with pytest.raises(OSError, match="is too full: 4 KB are needed and 4 KB free; make room, or set MODA_CACHE="):
        build(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert build(tmp_path, count=3)[0].is_file()


def test_a_finished_store_needs_no_writing(tmp_path, monkeypatch):
    file, _ = build(tmp_path)

    def read_only(*args, **kwargs):
        raise OSError("read-only")

    monkeypatch.setattr(os, "utime", read_only)
    monkeypatch.setattr(store, "FileLock", read_only)
    monkeypatch.setattr(store.tempfile, "TemporaryFile", read_only)
    assert build(tmp_path) == (file, [])


def test_a_store_that_lost_rows_is_built_again(tmp_path):
    file, _ = build(tmp_path)
    good = file.read_bytes()
    file.write_bytes(good[:-10])
    assert build(tmp_path)[0].read_bytes() == good
    (tmp_path / "key.json").write_text("")  # as a crash of the machine may leave it
    assert build(tmp_path)[0].read_bytes() == good


def test_unused_stores_of_the_same_pictures_make_room(tmp_path, capsys):
    week_ago = time.time() - (store.DAYS_UNUSED + 1) * 86400
    for key, source in [("old", "source"), ("busy", "source"), ("other", "other pictures"), ("recent", "source")]:
        build(tmp_path, key, source)
    for key in ("old", "busy", "other"):
        os.utime(tmp_path / f"{key}.npy", (week_ago, week_ago))
    capsys.readouterr()
    with FileLock(tmp_path / "busy.lock"):
        build(tmp_path, "new")
    assert {file.stem for file in tmp_path.glob("*.npy")} == {"busy", "other", "recent", "new"}
    assert {file.stem for file in tmp_path.glob("*.json")} == {"busy", "other", "recent", "new"}
    assert "2 other cache(s) of the same pictures there: 8.26 KB" in capsys.readouterr().out
    build(tmp_path, "busy")  # opening counts as use
    build(tmp_path, "newer")
    assert (tmp_path / "busy.npy").is_file()


def test_the_line_before_building_says_count_size_folder_and_time(tmp_path, capsys):
    build(tmp_path)
    line = capsys.readouterr().out.strip()
    assert line.startswith(
        f"Building once: 4 pictures, 4 KB in {tmp_path}/key.npy, about 0 s at the first batch's pace"
    )
    build(tmp_path)
    assert capsys.readouterr().out == ""
    assert [store._duration(seconds) for seconds in (8, 300, 9000)] == ["8 s", "5 min", "2.5 h"]
    assert [store._size(count) for count in (8, 5_529_600, 1.2e12)] == ["8 B", "5.53 MB", "1.2 TB"]
