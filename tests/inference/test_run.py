"""A catalogue into a table: whatever happens on the way, what comes out is what one quiet run makes."""

import csv
import json
import multiprocessing
import os
import resource
import shutil
import signal
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from conftest import make_picture
from filelock import FileLock

import moda.inference.run
from moda.cli import main
from moda.inference.inputs import open_inputs
from moda.inference.journal import Journal


COUNT = 40
PLAIN = ["--max-new-tokens", "5", "--dtype", "float32", "--quantize", "none", "--batch-size", "2"]


def fill(folder, indices):
    folder.mkdir(exist_ok=True)
    for index in indices:
        make_picture(index).save(folder / f"{index:02}.png")
    return folder


@pytest.fixture(scope="module")
def made(repository, tmp_path_factory):
    """Pictures, one of them bad, and what one run makes of them."""
    folder = tmp_path_factory.mktemp("made")
    fill(folder / "photos", range(COUNT))
    (folder / "photos" / "07.png").write_bytes(b"no picture")
    command = ["describe", "photos", "--model", str(repository), *PLAIN, "--output"]
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main([*command, "whole.jsonl", "--workers", "0"]) == 1
    return folder, command


@pytest.fixture
def photos(made, tmp_path, monkeypatch):
    """A copy of them, where the run is; the command, and what it is to make."""
    shutil.copytree(made[0] / "photos", tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    return made[1], (made[0] / "whole.jsonl").read_bytes()


def start(command):
    """Starts a run in a process of its own; returns when it has described something, and stands there to be stopped."""
    journal = Path(f"{command[command.index('--output') + 1]}.journal")

    def describe():
        add = Journal.add

        def add_and_stand(self, rows):
            add(self, rows)
            if journal.stat().st_size >= 1000:
                time.sleep(120)  # else a quick machine is done before the signal comes

        Journal.add = add_and_stand
        signal.signal(signal.SIGINT, signal.default_int_handler)  # where a shell's background job ignores Ctrl-C
        sys.exit(main(command))

    process = multiprocessing.get_context("fork").Process(target=describe)
    process.start()
    while process.is_alive() and (not journal.exists() or journal.stat().st_size < 1000):
        time.sleep(0.001)
    return process


@contextmanager
def most_bytes(count):
    """A disk on which no file grows beyond some bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def rows_of(file):
    return [json.loads(line) for line in open(file, encoding="utf-8")]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_killed_run_goes_on_and_ends_as_if_nothing_had_happened(photos, workers):
    command, whole = photos
    command = [*command, "rows.jsonl", "--workers", workers]
    process = start(command)
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert process.exitcode == -signal.SIGKILL and not os.path.exists("rows.jsonl")
    done = sum(len(entry.get("rows", ())) for entry in rows_of("rows.jsonl.journal"))
    assert 0 < done < COUNT
    with open("rows.jsonl.journal", "ab") as journal:  # as a kill in the middle of a line would leave it
        journal.write(b'{"rows": [{"id": "39.png", "descr')
    assert main(command) == 1
    assert open("rows.jsonl", "rb").read() == whole
    described = [row["id"] for entry in rows_of("rows.jsonl.journal") for row in entry.get("rows", ())]
    assert sorted(described) == [f"{index:02}.png" for index in range(COUNT)]  # each once
    assert not os.path.exists("rows.jsonl.lock")


def test_ctrl_c_is_a_sentence_and_the_run_goes_on_later(photos, capfd):
    command, whole = photos
    process = start([*command, "rows.jsonl"])
    os.kill(process.pid, signal.SIGINT)
    process.join()
    assert process.exitcode == 130 and not os.path.exists("rows.jsonl")
    error = capfd.readouterr().err
    assert "the same command goes on from there" in error and "Traceback" not in error
    assert main([*command, "rows.jsonl"]) == 1
    assert open("rows.jsonl", "rb").read() == whole


def test_a_full_disk_is_a_sentence_and_what_was_done_is_kept(photos, capsys):
    command, whole = photos
    for room in (2000, 5000):  # the journal does not fit
        with most_bytes(room):
            assert main([*command, "rows.jsonl"]) == 1
        assert "journal can't be written: File too large. What was done is kept" in capsys.readouterr().err
    assert main([*command, "rows.jsonl"]) == 1
    assert open("rows.jsonl", "rb").read() == whole
    with most_bytes(5000):  # nor the note that what failed is tried again
        assert main([*command, "rows.jsonl"]) == 1
    assert "journal can't be written: File too large. What was done is kept" in capsys.readouterr().err

    fill(Path("photos"), [7])
    assert main([*command, "rows.jsonl"]) == 0
    mended = open("rows.jsonl", "rb").read()
    os.unlink("rows.jsonl")
    with most_bytes(5000):  # now the table
        assert main([*command, "rows.jsonl"]) == 1
    assert "rows.jsonl can't be written: File too large. What was done is kept (40" in capsys.readouterr().err
    assert not os.path.exists("rows.jsonl") and not os.path.exists("rows.jsonl.unfinished")
    assert main([*command, "rows.jsonl"]) == 0
    assert open("rows.jsonl", "rb").read() == mended != whole


def test_csv_and_parquet_hold_the_same_rows(photos, capsys):
    command, whole = photos
    assert main([*command, "rows.csv"]) == 1
    assert main([*command, "rows.parquet", "--failures", "bad.jsonl"]) == 1
    rows = [json.loads(line) for line in whole.splitlines()]
    assert pq.read_table("rows.parquet").to_pylist() == rows
    with open("rows.csv", newline="", encoding="utf-8") as file:
        flat = list(csv.DictReader(file))
    for row in rows:
        row.update({name: "; ".join(value) for name, value in row.items() if isinstance(value, list)})
    assert flat == [{name: str(value) for name, value in row.items()} for row in rows]
    assert [row["id"] for row in rows] == [f"{index:02}.png" for index in range(COUNT) if index != 7]
    assert rows[0]["model"] == "moda-tiny" and rows[0]["revision"].startswith("sha256:")
    [failure] = rows_of("failures.jsonl")
    assert (
        failure["output"] == "rows.csv"
        and failure["id"] == "07.png"
        and "07.png can't be read as a picture" in failure["error"]
    )
    assert rows_of("bad.jsonl") == [{**failure, "output": "rows.parquet"}]
    # A list is of all tables of its folder, and a run changes no rows but its own.
    assert main([*command, "rows.parquet"]) == 1
    assert [row["output"] for row in rows_of("failures.jsonl")] == ["rows.csv", "rows.parquet"]
    fill(Path("photos"), [7])
    assert main([*command, "rows.csv"]) == 0
    assert [row["output"] for row in rows_of("failures.jsonl")] == ["rows.parquet"]
    assert not os.path.exists("failures.jsonl.lock")


def test_pictures_that_are_new_changed_gone_or_mended_are_described_and_no_others(photos, capsys):
    command, whole = photos
    assert main([*command, "rows.jsonl"]) == 1
    capsys.readouterr()
    fill(Path("photos"), [7, COUNT, COUNT + 1])
    make_picture(99).save("photos/03.png")
    Path("photos/05.png").unlink()
    assert main([*command, "rows.jsonl", "--json"]) == 0
    done = json.loads(capsys.readouterr().out)
    assert done["new"] == 4 and done["described"] == COUNT + 1 and done["failures"] is None
    assert not os.path.exists("failures.jsonl")
    before = {row["id"]: row for row in map(json.loads, whole.splitlines())}
    after = {row["id"]: row for row in rows_of("rows.jsonl")}
    assert list(after) == sorted(before.keys() - {"05.png"} | {"07.png", "40.png", "41.png"})
    assert {name for name in before if before[name] != after.get(name)} == {"03.png", "05.png"}

    written = os.stat("rows.jsonl")
    assert main([*command, "rows.jsonl"]) == 0
    assert "Nothing to do: 41 of 41 pictures are described" in capsys.readouterr().err
    assert os.stat("rows.jsonl").st_ino == written.st_ino
    os.unlink("rows.jsonl")  # and made again from the journal
    assert main([*command, "rows.jsonl"]) == 0
    assert {row["id"]: row for row in rows_of("rows.jsonl")} == after


def test_the_output_of_another_run_is_refused_and_overwritten_only_when_told(photos, repository, tmp_path, capsys):
    command, whole = photos
    fill(Path("others"), [50])
    assert main([*command, "rows.jsonl"]) == 1
    others = [word if word != "photos" else "others" for word in command]
    shutil.copytree(repository, "moda-two")
    config = json.loads(open("moda-two/generation_config.json").read())
    open("moda-two/generation_config.json", "w").write(json.dumps({**config, "bos_token_id": 3}))
    for changed, sentence in (
        ([*command, "rows.jsonl", "--prompt", "What?"], "--prompt None there and 'What?' now"),
        ([*command, "rows.jsonl", "--max-new-tokens", "6"], "--max-new-tokens 5 there and 6 now"),
        ([*command, "rows.jsonl", "--dtype", "bfloat16"], "--dtype 'float32' there and 'bfloat16' now"),
        ([*command, "rows.jsonl", "--model", "moda-two"], "--revision 'sha256:"),
        ([*others, "rows.jsonl"], "pictures from photos there"),
    ):
        capsys.readouterr()
        assert main(changed) == 1
        error = capsys.readouterr().err
        assert "belongs to another run" in error and sentence in error and "--overwrite" in error
        assert open("rows.jsonl", "rb").read() == whole
    # What is left to the machine is what it was.
    assert main([*command, "rows.jsonl", "--dtype", "auto", "--quantize", "auto"]) == 1
    assert main([*others, "rows.jsonl", "--overwrite"]) == 0
    assert [row["id"] for row in rows_of("rows.jsonl")] == ["50.png"]
    os.unlink("rows.jsonl.journal")
    assert main([*others, "rows.jsonl"]) == 1
    assert "rows.jsonl is there already" in capsys.readouterr().err


def test_what_is_something_else_is_not_written_over(photos, capsys):
    for name, content in (
        ("text.csv.journal", "a table\n"),
        ("number.csv.journal", "7\n"),
        ("list.jsonl", '{"id": 1}\n'),
    ):
        Path(name).write_text(content)
    for arguments, sentence in (
        (["failures.jsonl"], "has the name of the list of failures"),
        (["rows.csv", "--failures", "./rows.csv"], "would be written over the output"),
        (["rows.csv", "--failures", "no/bad.jsonl"], "There is no folder 'no'"),
        (["rows.csv", "--failures", "list.jsonl"], "list.jsonl is no list of failures"),
        (["text.csv"], "text.csv.journal is no journal of a run"),
        (["number.csv"], "number.csv.journal is no journal of a run"),
    ):
        assert main([*photos[0], *arguments]) == 1
        assert sentence in capsys.readouterr().err
    assert sorted(path.name for path in Path().iterdir() if path.is_file()) == [
        "list.jsonl",
        "number.csv.journal",
        "text.csv.journal",
    ]


def test_a_picture_replaced_while_its_batch_is_described_is_described_again(photos, tmp_path):
    journal = Journal(tmp_path / "a.journal", ["00.png", "01.png"], lambda index: stamps[index])
    stamps = ["old", "old"]
    journal.begin({})
    batch = journal.hand_out([0, 1])[0:2]
    stamps[1] = "new"
    journal.add([{"index": index, "id": journal.ids[index], "error": None} for index in batch])
    journal.close()
    assert Journal(journal.path, journal.ids, lambda index: stamps[index]).missing().tolist() == [1]


def test_sources_may_change_as_long_as_a_picture_is_among_them(photos):
    command, whole = photos
    several = [command[0], "photos/00.png", "photos/01.png", *command[2:], "rows.jsonl"]
    assert main(several) == 0
    several[1:3] = ["photos/01.png", "photos/02.png", "photos/03.png"]
    assert main(several) == 0
    assert [row["id"] for row in rows_of("rows.jsonl")] == several[1:4]


def test_two_runs_at_once_are_refused(photos, monkeypatch, capsys):
    monkeypatch.setattr(moda.inference.run, "PATIENCE", 0.05)
    with FileLock("rows.jsonl.lock"):
        assert main([*photos[0], "rows.jsonl"]) == 1
    assert "Another run is writing rows.jsonl at this moment" in capsys.readouterr().err
    assert not os.path.exists("rows.jsonl.journal")


def test_a_model_that_is_not_there_leaves_nothing_behind(photos, capsys):
    assert main([*photos[0], "rows.jsonl", "--model", "runs/no-such-model"]) == 1
    assert "is neither a folder with a model" in capsys.readouterr().err
    assert os.listdir() == ["photos"]


def test_any_id_survives_every_format(photos, repository):
    ids = ['comma, "quote"', "two\nlines", "=1+1", "Größe 42 👗", "007"]
    with open("products.jsonl", "w") as file:
        for index, name in enumerate(ids):
            file.write(json.dumps({"id": name, "image": f"photos/{index:02}.png"}) + "\n")
    command = ["describe", "products.jsonl", "--model", str(repository), *PLAIN, "--output"]
    for name in ("rows.jsonl", "rows.csv", "rows.parquet"):
        assert main([*command, name]) == 0
    with open("rows.csv", newline="", encoding="utf-8") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ids
    assert [row["id"] for row in rows_of("rows.jsonl")] == ids == pq.read_table("rows.parquet")["id"].to_pylist()


def test_a_picture_inside_a_table_is_known_by_its_bytes(tmp_path):
    import pyarrow as pa

    pictures = [{"bytes": bytes([index] * 9), "path": None} for index in (1, 2, 1)]
    pq.write_table(pa.table({"id": ["a", "b", "c"], "image": pictures}), tmp_path / "rows.parquet")
    inputs = open_inputs([str(tmp_path / "rows.parquet")])
    first, second, third = (moda.inference.run.stamp(inputs, index) for index in range(3))
    assert first == third != second


def test_a_table_never_replaces_what_it_describes(tmp_path, capsys):
    table = tmp_path / "products.csv"
    table.write_text("id,image\n1,nothing.jpg\n")
    before = table.read_bytes()
    for source in (table, tmp_path / "*.csv"):
        command = ["describe", str(source), "--output", str(table), "--overwrite", "--model", str(tmp_path)]
        assert main(command) == 1
        assert "is one of the sources" in capsys.readouterr().err and table.read_bytes() == before
