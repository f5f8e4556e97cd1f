"""Describes pictures on the machines of a Ray cluster: Ray Data carries the batches, the rows come back to this process.

Two steps, both in actors that Ray starts again when they die: one actor reads the files where the run was started, and for
every `threads` cores of the cluster there is one with a model, which decodes and describes them.
"""

import logging
import os
import pickle
import shutil
import tempfile
import warnings
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from threading import Lock

import numpy as np
from filelock import FileLock

from .resources import available_cores


ATTEMPTS = 3  # at a batch whose actor dies, before its pictures are tried one by one
STORE_BYTES = (
    512 * 2**20
)  # of shared memory, beside the model, for the batches on their way in a Ray that is started here

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_BACKEND_LOG_LEVEL": "fatal",
    "RAY_DEDUP_LOGS_SKIP_REGEX": ".",  # on standard output, deaths that are seen to
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
}


def describe_on_ray(inputs, indices, settings, progress=None):
    """Describes pictures on a Ray cluster; an engine like [`describe_locally`].

    It joins the cluster that this process is connected to, or the one that `RAY_ADDRESS` names; without either it starts
    Ray on this machine, and stops it at the end. An actor or a machine that dies costs what it had at hand, which others do
    again; no row comes twice.

    Args:
        inputs ([`Inputs`]): Its files are read on the machine that this runs on; the others need not have them.
        indices (`Sequence[int]`): Pictures to describe.
        settings ([`Settings`]): `threads` are the cores of an actor; by default 1 for a folder with a small model, and else
            as many as the smallest machine has. A folder is sent to the actors; each loads a model of the Hub from there.
            `workers` is not looked at.
        progress (`Callable[[str], None]`, *optional*): Told once where it runs, and with how many actors.

    Yields:
        `list[dict]`: The rows of a batch (`index`, `id`, `description`, `confidence`, `error`), in any order of batches.

    Raises:
        `ValueError`: If Ray is not installed, the model can't be loaded, or no machine has the cores for an actor.
        `ConnectionError`: If there is no cluster at `RAY_ADDRESS`.
    """
    from .local import SMALL, make_row

    ray = _ray()
    model = _packed(settings.model)
    weights = model["files"].items() if isinstance(model, dict) else ()
    weights = sum(content.nbytes for name, content in weights if name.endswith(".safetensors"))
    with _cluster(ray, settings.threads, weights + STORE_BYTES):
        threads, actors, machines = _sizes(ray, settings.threads or (1 if 0 < weights <= 4 * SMALL else None))
        if progress is not None:
            progress(f"{actors} actors describe, {threads} threads each, on {machines} machines of a Ray cluster")
        settings, model = replace(settings, threads=threads), ray.put(model)
        size = settings.batch_size
        batches = [list(indices[start : start + size]) for start in range(0, len(indices), size)]
        for alone in (False, False, True):  # so that a picture that kills what touches it costs no other one its row
            if alone:
                batches = [[index] for batch in batches for index in batch]
            done = set()
            for rows in _run(ray, inputs, batches, settings, model, calls=1 if alone else 2):
                done.add(rows[0]["index"])
                yield rows
            batches = [batch for batch in batches if batch[0] not in done]
        error = "{} killed the process that worked on it, also alone; remove or replace it."
        yield from ([make_row(inputs, index, error=error.format(inputs.ids[index]))] for (index,) in batches)


def _sizes(ray, threads):
    """Returns the threads of an actor, how many of them the cluster has room for, and on how many machines."""
    cores = [int(node["Resources"].get("CPU", 0)) for node in ray.nodes() if node["Alive"]]
    threads = threads or min(filter(None, cores), default=1)
    rooms = [count // threads for count in cores]
    if not any(rooms):
        raise ValueError(
            f"No machine of the Ray cluster has {threads} cores for an actor, they have {sorted(cores)}; ask for fewer "
            "--threads, or start them with more --num-cpus."
        )
    return threads, sum(rooms), sum(map(bool, rooms))


def _run(ray, inputs, batches, settings, model, calls):
    """Yields the rows of each batch but those at which processes died too often; `calls` at once share an actor's fate."""
    if not batches:
        return
    from ray.data import ActorPoolStrategy, DataContext, from_items

    actors = min(_sizes(ray, settings.threads)[1], len(batches))  # machines may have come or gone
    context = DataContext.get_current().copy()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.max_errored_blocks = -1  # counted by whoever waits for them
    with DataContext.current(context), warnings.catch_warnings():
        # Ray 2.64 is to take `max_task_retries` away, and has nothing in its place yet.
        warnings.simplefilter("ignore", DeprecationWarning)
        data = from_items([{"batch": pickle.dumps(batch)} for batch in batches], override_num_blocks=len(batches))
        data = data.map(
            _Read,
            fn_constructor_args=[inputs],
            compute=ActorPoolStrategy(size=1),
            num_cpus=0,
            label_selector={"ray.io/node-id": ray.get_runtime_context().get_node_id()},
            max_task_retries=ATTEMPTS - 1,
        )
        data = data.map(
            _Describe,
            fn_constructor_args=[model, settings],
            compute=ActorPoolStrategy(
                min_size=1,
                max_size=actors,
                initial_size=actors,
                max_concurrent_calls_per_actor=calls,
                max_tasks_in_flight_per_actor=2 * calls if calls > 1 else 1,
                enable_true_multi_threading=True,
            ),
            num_cpus=settings.threads,
            max_task_retries=ATTEMPTS - 1,
        )
    for row in data.iter_rows():
        rows = pickle.loads(row["batch"])
        if isinstance(rows, Exception):
            raise rows
        yield rows


class _Step:
    """What an actor does to one batch after the other. An error of the step itself takes the batch's place and stops the run."""

    def __call__(self, row):
        batch = pickle.loads(row["batch"])
        if not isinstance(batch, Exception):
            try:
                batch = self.step(batch)
            except (ValueError, OSError) as error:
                batch = ValueError(str(error))
            except Exception as error:  # not all can be pickled
                batch = RuntimeError(f"{type(error).__name__}: {error}")
        return {"batch": pickle.dumps(batch)}  # Arrow would guess at types


class _Read(_Step):
    """Reads the files of a batch, for a machine that may not have them. URLs stay what they are."""

    def __init__(self, inputs):
        self.inputs = inputs

    def step(self, indices):
        pictures = {}
        for index in indices:
            try:
                pictures[index] = _encoded(self.inputs.picture(index))
            except Exception as error:  # as local.py has it: nothing that one picture does stops the others
                pictures[index] = ValueError(str(error) or type(error).__name__)
        return _Carried({index: self.inputs.ids[index] for index in indices}, pictures)


class _Describe(_Step):
    """Describes a batch that was read. While the model works on one, another thread decodes the next."""

    def __init__(self, model, settings):
        self.model, self.settings = model, settings
        self.lock = Lock()

    @cached_property
    def describer(self):
        from .describer import Describer  # here, since the actor that reads needs no PyTorch

        with _unpacked(self.model) as folder:
            return Describer(replace(self.settings, model=folder))

    def step(self, carried):
        from .local import Work

        with self.lock:
            work = Work(carried, self.settings, self.describer, True)
        rows, pixels = work.read(carried.pictures)
        with self.lock:
            return work.describe(rows, pixels)


class _Carried:
    """A batch of [`Inputs`], as far as [`Work`] looks at them."""

    def __init__(self, ids, pictures):
        self.ids, self.pictures = ids, pictures

    def picture(self, index):
        if isinstance(self.pictures[index], Exception):
            raise self.pictures[index]
        return self.pictures[index]


def _encoded(picture):
    """A picture with its file's bytes, where it is a file."""
    path = picture["path"] if isinstance(picture, dict) and picture.get("bytes") is None else picture
    if not isinstance(path, (str, os.PathLike)) or not os.path.isfile(path):
        return picture
    return {"bytes": Path(path).read_bytes(), "path": str(path)}


def _packed(model):
    """The files of a model's folder, or the id that it is."""
    folder = Path(model)
    if not folder.is_dir():
        return model
    return {
        "name": folder.resolve().name,
        "files": {f.name: np.fromfile(f, np.uint8) for f in folder.iterdir() if f.is_file()},
    }


@contextmanager
def _unpacked(reference):
    """The folder or id that `_packed` packed, for as long as it takes to load it."""
    import ray
    from transformers.utils import HF_MODULES_CACHE

    packed, cache = ray.get(reference), Path(HF_MODULES_CACHE)
    cache.mkdir(parents=True, exist_ok=True)
    # One actor of a machine at a time: it copies a repository's code there, and another one would read half a file.
    lock = FileLock(cache / "moda.lock")
    if isinstance(packed, str):
        with lock:
            yield packed
        return
    with lock, tempfile.TemporaryDirectory(prefix="moda-") as parent:
        folder = Path(parent) / packed["name"]  # transformers keeps the code of a repository under this name
        folder.mkdir()
        for name, content in packed["files"].items():
            content.tofile(folder / name)
        yield str(folder)


def _ray():
    for name, value in QUIET.items():  # read when Ray is imported
        os.environ.setdefault(name, value)
    try:
        import ray
        import ray.data  # noqa: F401
    except ImportError as error:
        raise ValueError('`--engine ray` needs Ray; install it with `pip install "moda[ray]"`.') from error
    logging.getLogger("ray").setLevel(logging.CRITICAL)
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    return ray


@contextmanager
def _cluster(ray, threads, store_bytes):
    """Connects to a cluster, or starts Ray on this machine, for as long as it lasts."""
    if ray.is_initialized():
        yield
        return
    quiet = {"logging_level": logging.CRITICAL, "log_to_driver": False}
    address, folder = os.environ.get("RAY_ADDRESS"), None
    try:
        if address:
            try:
                with _silenced():
                    ray.init(address, **quiet)
            except (ConnectionError, ValueError) as error:
                raise ConnectionError(
                    f"No Ray cluster answers at RAY_ADDRESS={address}; start one there, or check "
                    "RAY_AUTH_MODE and RAY_AUTH_TOKEN, or unset it to run on this machine."
                ) from error
        else:
            # Ray's sockets lie in it, whose paths must be short.
            folder = tempfile.mkdtemp(prefix="moda-ray-", dir="/tmp" if os.path.isdir("/tmp") else None)
            local = {"include_dashboard": False, "object_store_memory": store_bytes, "_temp_dir": folder}
            with _silenced():
                ray.init("local", num_cpus=max(threads or 0, available_cores()), **local, **quiet)
        yield
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _silenced():
    """Keeps what Ray's core says of its log level, in C++, from the screen; its errors are exceptions."""
    screen, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(screen, 2)
        os.close(screen), os.close(nowhere)
