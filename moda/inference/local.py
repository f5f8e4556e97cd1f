"""Describes pictures on this machine, with all its cores."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from urllib.parse import urlsplit

import torch
from transformers.utils import logging

from fetching_moda import fetch

from .describer import Describer, prepare
from .input_columns import public_name
from .resources import FEW, SMALL, available_cores
from .workers import Workers


FETCHED_AT_ONCE = 8  # by one process


def describe_locally(inputs, indices, settings, progress=None, describer=None):
    """Describes pictures on this machine.

    Few pictures are described by this process alone. For more there are processes beside it: a small model is run by as many
    of them as there are cores, a thread and whole batches each, sharing its weights; of a larger one, or on a GPU, this
    process runs the model with all cores, and the others read the pictures meanwhile.

    Args:
        inputs ([`Inputs`]): Pictures.
        indices (`Sequence[int]`): Those to describe.
        settings ([`Settings`]): With its precision chosen. `workers`: 0 for none; by default as many as there are cores for
            a small model, and at most two that read for a large one. More than one of `threads` makes any model a large one.
        progress (`Callable[[str], None]`, *optional*): Is told how the cores are used.
        describer ([`Describer`], *optional*): Loaded already.

    Yields:
        `list[dict]`: The rows of a batch, with `index`, `id`, `description`, `confidence`, and `error` instead of these two.

    Raises:
        `ChildProcessError`: If processes die and no picture is to blame.
    """
    cores = available_cores()
    describer = describer or Describer(settings)
    size = settings.batch_size
    batches = (list(indices[start : start + size]) for start in range(0, len(indices), size))
    small = describer.device == "cpu" and describer.parameters <= SMALL and settings.threads in (None, 1)
    workers = settings.workers
    if workers is None:
        workers = 0 if len(indices) < FEW else cores if small else min(2, cores)
    workers = min(workers, -(-len(indices) // size))
    whole = small and workers > 0
    if not whole:
        torch.set_num_threads(settings.threads or (1 if small else cores))
    if progress is not None:
        progress(_division(workers, whole))

    work = Work(inputs, settings, describer, whole)
    if not workers:
        for batch in batches:
            yield work.describe(*work.read(batch))
        return

    def blamed(index, code):
        error = f"{inputs.ids[index]} killed the process that read it, twice (exit code {code}); remove or replace it."
        row = make_row(inputs, index, error=error)
        return [row] if whole else ([row], None)

    for made in Workers(workers, work, blamed).run(batches):
        yield made if whole else work.describe(*made)


class Work:
    """What one process does with a batch. Pickled, for a process that is not forked, it leaves the model behind.

    Args:
        inputs ([`Inputs`]): Pictures.
        settings ([`Settings`]): The describer's.
        describer ([`Describer`]): Of which only the processor is needed for reading.
        whole (`bool`): Whether the process describes what it has read, and else gives back the pixels.
    """

    def __init__(self, inputs, settings, describer, whole):
        self.inputs, self.settings, self.describer, self.whole = inputs, settings, describer, whole
        self.processor = describer.processor

    def __getstate__(self):
        return {**self.__dict__, "describer": None}

    def __call__(self, batch, reading):
        if self.whole and self.describer is None:
            logging.disable_progress_bar()  # of loading, in the middle of the run's own
            self.describer = Describer(self.settings)
        rows, pixels = self.read(batch, reading)
        reading(None)
        return self.describe(rows, pixels) if self.whole else (rows, None if pixels is None else pixels.numpy())

    def read(self, batch, reading=None):
        """Returns the batch's rows, those of bad pictures complete, and the pixels of the others in one tensor."""
        rows, pixels, reading = [], [], reading or (lambda index: None)
        with ThreadPoolExecutor(FETCHED_AT_ONCE) as pool:  # whose threads start only where there is something to fetch
            for index, picture in [(index, self._picture(index, pool, reading)) for index in batch]:
                reading(index)
                try:
                    name = self.inputs.ids[index]
                    pixels.append(prepare(self.processor, picture(), self.settings.allow_private, name))
                    rows.append(make_row(self.inputs, index))
                except Exception as error:  # whatever a decoder raises; nothing that one picture does stops the others
                    rows.append(make_row(self.inputs, index, error=str(error) or type(error).__name__))
        return rows, torch.stack(pixels) if pixels else None

    def _picture(self, index, pool, reading):
        """Returns a function that returns the picture, or raises what was wrong with it."""
        reading(index)
        try:
            picture = self.inputs.picture(index)
        except Exception as error:
            return partial(_raise, error)
        if isinstance(picture, str) and picture[:8].lower().startswith(("http://", "https://")):
            return pool.submit(_fetch, picture, self.settings.allow_private).result
        return lambda: picture

    def describe(self, rows, pixels):
        """Completes the rows that have no error."""
        if pixels is not None:
            good = (row for row in rows if row["error"] is None)
            for row, said in zip(good, self.describer(torch.as_tensor(pixels)), strict=True):
                row.update(said)
        return rows


def _raise(error):
    raise error


def _fetch(address, allow_private):
    """Fetches a picture; the address's password is in no error."""
    name = public_name(address)
    try:
        return fetch(address, name if len(name) < 300 else f"{name[:100]}…", allow_private)
    except ValueError as error:
        if name == address:
            raise
        said, credentials = str(error), f"{urlsplit(address).netloc.rpartition('@')[0]}@"
        for secret in (credentials, credentials.partition(":")[2]):
            said = said.replace(secret, "") if secret else said
        raise ValueError(said) from None


def _division(workers, whole):
    from moda.data.lines import many

    if whole:
        return f"{workers} process{' describes' if workers == 1 else 'es describe'}, a thread each"
    threads = torch.get_num_threads()
    readers = f"{workers} process{' reads' if workers == 1 else 'es read'}"
    return f"{many(threads, 'thread')} describe{'s' * (threads == 1)}, {readers}"


def make_row(inputs, index, error=None):
    """Returns the row (`dict`) of a picture that is not described yet, or can't be."""
    return {"index": index, "id": inputs.ids[index], "description": None, "confidence": None, "error": error}
