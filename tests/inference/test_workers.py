"""Processes that describe or read: they say what one process says, and one that dies costs a picture at most."""

import json
import os
import signal

import pytest
from conftest import make_picture

import moda.inference.local
import moda.inference.workers
from moda.inference.describer import Describer, Settings
from moda.inference.inputs import open_inputs
from moda.inference.local import describe_locally
from moda.inference.resources import available_cores, available_memory, choose_batch_size
from moda.inference.run import stamp
from moda.inference.workers import Workers


class Pictures:
    """Inputs of which some do to the process that reads them what a broken decoder or a lack of memory would."""

    def __init__(self, folder, deadly=(), once=None):
        self.folder, self.deadly, self.once = folder, deadly, once
        self.ids = [f"{index}.png" for index in range(11)]

    def __len__(self):
        return len(self.ids)

    def picture(self, index):
        if index in self.deadly and not (self.once and self.once.exists()):
            if self.once:
                self.once.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return str(self.folder / self.ids[index])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("eleven")
    for index in range(11):
        make_picture(index).save(folder / f"{index}.png")
    (folder / "4.png").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def settings(repository):
    return Settings(str(repository), max_new_tokens=4, batch_size=2)


@pytest.fixture(scope="module")
def describer(settings):
    return Describer(settings)


def rows_of(inputs, settings, describer=None, **changes):
    settings = Settings(**{**vars(settings), **changes})
    batches = describe_locally(inputs, range(len(inputs)), settings, describer=describer)
    return sorted((row for rows in batches for row in rows), key=lambda row: row["index"])


@pytest.fixture(scope="module")
def alone(folder, settings, describer):
    return rows_of(Pictures(folder), settings, describer, workers=0)


@pytest.fixture(params=["describe", "read"])
def what_they_do(request, monkeypatch):
    """Processes describe with a small model, and read for one that is not."""
    if request.param == "read":
        monkeypatch.setattr(moda.inference.local, "SMALL", 0)


def test_other_processes_describe_or_read_and_the_rows_are_the_same(folder, settings, describer, alone, what_they_do):
    assert rows_of(Pictures(folder), settings, describer, workers=2, threads=1) == alone
    assert [row["error"] is None for row in alone] == [index != 4 for index in range(11)]


def test_a_picture_that_kills_its_process_twice_is_to_blame_and_no_other(
    folder, settings, describer, alone, what_they_do
):
    rows = rows_of(Pictures(folder, deadly={5, 6}), settings, describer, workers=2, threads=1)
    for index in (5, 6):
        assert rows[index]["description"] is None
        assert rows[index]["error"].startswith(f"{index}.png killed the process that read it, twice (exit code -9)")
    others = [index for index in range(11) if index not in (5, 6)]
    said = [rows[index]["description"] for index in others]
    assert said == [alone[index]["description"] for index in others] and len(rows) == 11


def test_a_process_that_dies_once_costs_nothing(folder, settings, describer, alone, tmp_path):
    once = tmp_path / "once"
    assert rows_of(Pictures(folder, {7}, once), settings, describer, workers=2) == alone
    assert once.exists()


def test_a_started_process_loads_the_model_itself(folder, settings, describer, monkeypatch):
    """Where processes are not forked, what they are to do is pickled, without the model."""
    work = moda.inference.local.Work(Pictures(folder), settings, describer, whole=True)
    left = work.__getstate__()
    assert left["describer"] is None and left["settings"] == settings
    work.__dict__.update(left)
    assert [row["id"] for row in work([0, 1], lambda index: None)] == ["0.png", "1.png"]


def test_a_started_reader_loads_no_model(folder, settings, describer, alone, monkeypatch):
    monkeypatch.setattr(moda.inference.local, "SMALL", 0)
    monkeypatch.setattr(moda.inference.workers, "START", "spawn")
    rows = rows_of(open_inputs(folder), settings, describer, model="no/such/model", workers=1, batch_size=16)
    assert {row["id"]: row["description"] for row in rows} == {row["id"]: row["description"] for row in alone}


def test_a_password_in_an_address_is_written_nowhere(settings, describer):
    inputs = open_inputs("http://me:secret@127.0.0.1:9/a.png")
    [row] = rows_of(inputs, settings, describer, allow_private=True)
    assert row["id"] == "http://127.0.0.1:9/a.png" and "could not be fetched" in row["error"]
    assert "secret" not in json.dumps(row) + stamp(inputs, 0)
    assert inputs.picture(0) == "http://me:secret@127.0.0.1:9/a.png"


def die(batch, reading):
    os.kill(os.getpid(), signal.SIGKILL)


def test_processes_that_die_without_a_picture_to_blame_end_the_run():
    workers = Workers(2, die, blamed=None)
    with pytest.raises(ChildProcessError, match="died twice over the same pictures .exit code -9.*--batch-size"):
        list(workers.run([[0, 1], [2, 3]]))
    assert not any(worker.process.is_alive() for worker in workers.workers)


def fail(batch, reading):
    raise RuntimeError(f"no batch {batch}")


def test_what_a_process_raises_is_raised_here():
    with pytest.raises(RuntimeError, match=r"no batch \[3\]"):
        list(Workers(1, fail, blamed=None).run([[3]]))


def test_batches_are_asked_for_as_there_is_room():
    asked = []
    batches = (asked.append(index) or [index] for index in range(50))
    done = Workers(2, lambda batch, reading: batch, blamed=None).run(batches)
    first = next(done)
    assert len(asked) <= 6
    assert sorted(batch[0] for batch in [first, *done]) == list(range(50))


def test_cores_and_memory_are_those_of_the_container(tmp_path, monkeypatch, describer):
    import moda.inference.resources as resources

    assert 1 <= available_cores() <= os.cpu_count() and available_memory() > 2**20
    monkeypatch.setattr(resources, "CGROUP", tmp_path)
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert available_cores() == 1
    (tmp_path / "memory.max").write_text(f"{2**26}\n")
    (tmp_path / "memory.current").write_text(f"{2**26 - 2**22}\n")
    assert available_memory() == 2**22
    (tmp_path / "memory.stat").write_text(f"anon 5\ninactive_file {2**21}\nactive_file 7\n")
    assert available_memory() == 2**22 + 2**21
    assert 1 <= choose_batch_size(describer.model.config, 48) < 64
    (tmp_path / "memory.max").write_text("max\n")
    assert choose_batch_size(describer.model.config, 48) == 64
