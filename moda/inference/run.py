"""A run over a catalogue: goes on where it was killed, adds what is new, and writes the table when all is done."""

import errno
import glob
import hashlib
import json
import os
import time
import zlib
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from filelock import Timeout

from .failures import check_failures, write_failures
from .input_columns import is_address, public_name
from .journal import DONE, FAILED, Journal
from .tables import COLUMNS, check_output, locked, read_attributes, write_table


# What an answer depends on, and how a difference is called.
KEY = {
    "model": "--model",
    "revision": "--revision",
    "dtype": "--dtype",
    "quantize": "--quantize",
    "prompt": "--prompt",
    "max_new_tokens": "--max-new-tokens",
}
PATIENCE = 3  # seconds that the processes of a run that was just killed may take to end
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
WEIGHTS = ("*.safetensors", "config.json", "generation_config.json", "p*processor_config.json", "tokenizer*.json")
WEIGHTS += ("graph.json", "vision.*", "decoder.*")  # of an exported graph


def describe_catalogue(
    inputs, settings, output, engine, sources=(), failures=None, overwrite=False, choose=None, say=print
):
    """Describes pictures into a table; what was done before, by a run that was killed or that had fewer pictures, is kept.

    Beside the table lies its journal (`OUTPUT.journal`), which has all that was done; the table is written from it, in the
    inputs' order, when there is nothing left to do. A picture is described again if its file has changed, and if it failed
    in a run that came to its end.

    Args:
        inputs ([`Inputs`]): Pictures.
        settings ([`Settings`]): Where `dtype` or `quantize` is `"auto"` or `batch_size` is `None`, the journal's choice is
            kept, or else `choose` is asked.
        output (`str` or `Path`): The table: `.jsonl`, `.csv` or `.parquet`.
        engine (`Callable`): Such as [`describe_locally`].
        sources (`Sequence[str]`, *optional*): What the inputs were opened from, as the user calls it.
        failures (`str` or `Path`, *optional*): Gets `output`, `id` and `error` of each bad picture; see [`write_failures`].
            Defaults to `failures.jsonl` beside the table.
        overwrite (`bool`, *optional*, defaults to `False`): Whether to begin anew whatever is there.
        choose (`Callable`, *optional*): Such as [`choose`]: makes a choice where the settings leave one, and says why.
        say (`Callable[[str], None]`, *optional*, defaults to `print`): Is told what is decided.

    Returns:
        `dict`: `described` and `failed` pictures in all, `new` ones of this run, `seconds` for these, `output`, `failures`.

    Raises:
        `ValueError`: If the output belongs to another run or is being written by one, naming what differs, or the failures
            would be written into a file that is something else.
        `OSError`: If it can't be written; what was done is kept.
    """
    output = check_output(output)
    failures = check_failures(failures, output)
    _check_not_a_source(output, sources)
    try:
        with locked(output, PATIENCE):
            return _open_and_run(inputs, settings, output, engine, sources, failures, overwrite, choose, say)
    except Timeout:
        raise ValueError(
            f"Another run is writing {output} at this moment; wait for it, or choose another --output."
        ) from None


def _check_not_a_source(output, sources):
    named = [path for source in map(str, sources) for path in (source, *glob.glob(source, recursive=True))]
    if output.exists() and any(os.path.exists(path) and os.path.samefile(path, output) for path in named):
        raise ValueError(f"{output} is one of the sources, which a table would replace; choose another --output.")


def _open_and_run(inputs, settings, output, engine, sources, failures, overwrite, choose, say):
    file = output.with_name(f"{output.name}.journal")
    if overwrite:
        file.unlink(missing_ok=True)
    elif output.exists() and not file.exists():
        raise ValueError(
            f"{output} is there already, and no journal of a run beside it ({file.name}); give --overwrite, or another "
            "--output."
        )
    journal = Journal(file, inputs.ids, lambda index: stamp(inputs, index))
    try:
        return _run(journal, inputs, settings, output, failures, engine, sources, choose, say)
    finally:
        journal.close()


def _run(journal, inputs, settings, output, failures, engine, sources, choose, say):
    name, revision = identify(settings.model, settings.revision)
    asked = {field: getattr(settings, field) for field in KEY} | {"model": name, "revision": revision}
    asked["quantize"] = None if settings.quantize == "none" else settings.quantize
    if settings.quantize == "int8" and _is_int8(settings.model, settings.revision):
        asked["quantize"] = "auto"  # which such a repository leaves as it is
    run = journal.run
    if run is None:
        settings, reason = choose(settings, len(inputs)) if choose else (settings, None)
        chosen = {field: getattr(settings, field) for field in ("dtype", "quantize", "batch_size")}
        run = {**asked, **chosen, "reason": reason, "sources": [public_name(str(source)) for source in sources]}
        journal.begin(run)
    else:
        _check_same(run, asked, journal, output)
        settings = replace(
            settings,
            dtype=run["dtype"],
            quantize=run["quantize"],
            batch_size=settings.batch_size or run["batch_size"],
        )
        reason = run["reason"]
    done, failed = journal.count(DONE), journal.count(FAILED)
    if failed and journal.written:
        say(f"Trying {failed:,} again that failed before.")
        with _told(journal.path, journal):
            journal.retry_failed()
    missing = journal.missing()
    if done and len(missing):
        say(f"Going on: {done:,} of {len(inputs):,} pictures are described already.")
    began = time.monotonic()
    if len(missing):
        if reason:
            say(reason)
        _describe(journal, inputs, missing.tolist(), settings, engine, say)
    seconds = time.monotonic() - began
    digest = hashlib.sha256(json.dumps([inputs.ids, inputs.skipped]).encode()).hexdigest()
    with _told(failures, journal):
        write_failures(failures, output, [*journal.rows(FAILED), *inputs.skipped] if journal.end else inputs.skipped)
    if journal.written != digest or not output.exists():
        if journal.gone:
            say(f"{len(journal.gone):,} described before are no longer among the pictures, and left out.")
        with _told(output, journal):
            write_table(output, (_row(row, run) for row in journal.rows(DONE)))
        with _told(journal.path, journal):
            journal.note_written(digest)
    elif not len(missing):
        say(f"Nothing to do: {done:,} of {len(inputs) + len(inputs.skipped):,} pictures are described in {output}.")
    failed = journal.count(FAILED) + len(inputs.skipped)
    return {
        "described": journal.count(DONE),
        "failed": failed,
        "new": len(missing),
        "seconds": round(seconds, 2),
        "output": str(output),
        "failures": str(failures) if failed else None,
    }


def _describe(journal, inputs, missing, settings, engine, say):
    from tqdm.auto import tqdm

    total = len(inputs)
    with tqdm(total=total, initial=total - len(missing), unit=" pictures", desc="Describing", smoothing=0.1) as bar:
        batches = engine(inputs, journal.hand_out(missing), settings, progress=say)
        try:
            for rows in batches:
                for row in rows:
                    if row["error"] is None:
                        row["confidence"] = round(row["confidence"], 4)
                        row.update(read_attributes(row["description"]))
                with _told(journal.path, journal):
                    journal.add([{name: value for name, value in row.items() if value is not None} for row in rows])
                bar.update(len(rows))
                if failed := journal.count(FAILED):
                    bar.set_postfix(failed=failed, refresh=False)
        finally:
            batches.close()


def identify(model, revision=None):
    """Names a model for good: what its answers depend on has one name, and nothing else has it.

    Args:
        model (`str`): Folder or id of a repository.
        revision (`str`, *optional*): Branch, tag or commit.

    Returns:
        `tuple[str, str]`: A folder's name and a digest of its weights and configuration (12 hex digits of SHA-256), or the
        id and the commit.
    """
    folder = Path(model)
    if folder.is_dir():
        digest = hashlib.sha256()
        for path in sorted({path for pattern in WEIGHTS for path in folder.glob(pattern)}):
            with open(path, "rb") as file:
                digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
        return folder.resolve().name, f"sha256:{digest.hexdigest()[:12]}"
    from transformers.utils.hub import cached_file, extract_commit_hash

    try:
        return model, extract_commit_hash(cached_file(model, "config.json", revision=revision), None)
    except OSError:
        return model, revision  # loading it says what is wrong


def stamp(inputs, index):
    """Tells a picture from another one under the same id: a file's size and time, an address, or a sum of its bytes."""
    try:
        picture = inputs.picture(index)
        if isinstance(picture, dict):
            content = picture.get("bytes")
            if content is not None:
                return f"{len(content)}:{zlib.crc32(content):08x}"
            picture = picture["path"]
        if is_address(str(picture)):
            picture = public_name(picture)
            return picture if len(picture) < 1000 else f"{len(picture)}:{zlib.crc32(picture.encode()):08x}"
        found = Path(picture).stat()
        return f"{found.st_size}:{found.st_mtime_ns}"
    except Exception:
        return "unreadable"


def _is_int8(model, revision):
    from configuration_moda import ModaConfig

    try:
        return ModaConfig.from_pretrained(model, revision=revision).weight_format == "int8"
    except OSError:
        return False  # loading it says what is wrong


def _check_same(run, asked, journal, output):
    """Refuses to mix the answers of two runs in one table."""
    other = []
    for field, option in KEY.items():
        if asked[field] != run[field] and asked[field] != "auto":
            other.append(f"{option} {run[field]!r} there and {asked[field]!r} now")
    if journal.gone and not journal.known:
        other.append(f"pictures from {', '.join(run['sources'])} there, none of which is among those now")
    if other:
        raise ValueError(
            f"{output} belongs to another run ({'; '.join(other)}); choose another --output, or give --overwrite to begin "
            "anew."
        )


def _row(row, run):
    return {name: run[name] if name in ("model", "revision") else row[name] for name in COLUMNS}


@contextmanager
def _told(path, journal):
    """Says in a sentence that the disk is full."""
    try:
        yield
    except OSError as error:
        if error.errno not in FULL:
            raise
        raise OSError(
            f"{path} can't be written: {error.strerror}. What was done is kept ({journal.count(DONE):,} pictures); make "
            "room, and run the same command again."
        ) from error
