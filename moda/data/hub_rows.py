"""Opens a dataset of the Hub, or says at once why there is none, and what was meant."""

import difflib
import logging
import os
from contextlib import contextmanager
from pathlib import Path

import datasets
from huggingface_hub import HfApi
from huggingface_hub.utils import HfHubHTTPError, HFValidationError, validate_repo_id


PATIENCE = 10  # seconds
LOGGERS = ("datasets", "huggingface_hub")


@contextmanager
def quiet():
    """Keeps the lines off the screen in which libraries say how they fare, ahead of the error that they raise."""
    loggers = [logging.getLogger(name) for name in LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels):
            logger.setLevel(level)


def load_hub_rows(source):
    """Opens the dataset of an id on the Hub.

    Args:
        source (`str`): The id; whatever can't be one is taken for a path where nothing lies.

    Returns:
        `dict[str, datasets.Dataset]`: The splits.

    Raises:
        `FileNotFoundError`: If there is none.
        `ValueError`: If it can't be read.
    """
    if Path(source).suffix[1:].isalpha() or source.startswith((".", "/", "~")) or not _is_id(source):
        raise FileNotFoundError(f"There is no catalogue at {source!r}{_near(source)}.")
    with quiet():
        stored = Path(datasets.config.HF_DATASETS_CACHE, source.replace("/", "___")).is_dir()
        try:
            HfApi().dataset_info(source, timeout=PATIENCE)
        except Exception as error:  # of whichever library speaks to the Hub
            if not stored:
                said = f"said: {_sentence(error)}"
                if not isinstance(error, HfHubHTTPError):
                    said = f"can't be asked: {_sentence(error)}"
                raise FileNotFoundError(
                    f"There is no file or folder {source!r}{_near(source)}; and for a dataset of that id, the Hub {said}"
                ) from error
        try:
            return dict(datasets.load_dataset(source))
        except Exception as error:
            raise ValueError(f"The dataset {source!r} of the Hub can't be read: {_sentence(error)}") from error


def _is_id(source):
    try:
        validate_repo_id(source)
    except HFValidationError:
        return False
    return True


def _near(source):
    place, name = os.path.split(source.rstrip("/"))
    names = sorted(os.listdir(place or ".")) if os.path.isdir(place or ".") else []
    near = difflib.get_close_matches(name, names, 3, 0.6)
    if not near:
        return "; give a file, a folder or a dataset's id"
    return f"; did you mean {' or '.join(repr(os.path.join(place, name)) for name in near)}?"


def _sentence(error):
    said = " ".join(str(error).split()) or type(error).__name__
    return said.split(". ")[0].removesuffix(".") + "."
