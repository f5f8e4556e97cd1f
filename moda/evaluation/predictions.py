"""Sentences of a system on rows: kept while they are made, so that a stopped evaluation goes on, and read from any file."""

import contextlib
import hashlib
import json
from collections import Counter
from pathlib import Path

import pandas
import torch
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from moda.data.features import ORIGIN
from moda.data.pixels import processor_json
from moda.data.wording import ATTRIBUTES

from .sentences import describe_batch


READERS = {
    ".csv": lambda file: pandas.read_csv(file, dtype=str, keep_default_na=False),
    ".json": lambda file: pandas.DataFrame(json.loads(file.read_text(encoding="utf-8"))),
    ".jsonl": lambda file: pandas.DataFrame(
        json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line.strip()
    ),
    ".parquet": pandas.read_parquet,
}
SENTENCE = ("sentence", "description", "prediction", "generated_text")


def is_predictions(name):
    """Says whether a name is that of a file of predictions, rather than of a model."""
    return Path(name).suffix.lower() in READERS


def describe_kept(model, processor, dataset, file, numbers=None, batch_size=64, max_new_tokens=48, title=None):
    """Describes all rows of a dataset, and keeps each batch as it is made: called again, it goes on.

    Args:
        model ([`ModaForConditionalGeneration`]): In evaluation mode.
        processor ([`ModaProcessor`]): Its own.
        dataset ([`PixelDataset`]): The rows.
        file (`Path`): A JSON line for each row: `row`, `sentence`, `confidence`. Its name must tell all that the sentences
            depend on, as [`file_of`] makes it.
        numbers (`Sequence[int]`, *optional*): What the file calls the rows: their numbers in the split. Defaults to those in
            the dataset.
        batch_size (`int`, *optional*, defaults to 64): Rows at once.
        max_new_tokens (`int`, *optional*, defaults to 48): Longest sentence.
        title (`str`, *optional*): Of a progress bar; none without.

    Returns:
        `tuple[list[str], list[float]]`: Sentences, and their mean log-probabilities per token.

    Raises:
        `ValueError`: If another process is writing the file.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with _alone(file):
        return _describe(model, processor, dataset, file, numbers, batch_size, max_new_tokens, title)


def _describe(model, processor, dataset, file, numbers, batch_size, max_new_tokens, title):
    numbers = range(len(dataset)) if numbers is None else numbers
    kept = _whole_lines(file)
    lines = [json.loads(line) for line in kept]
    with open(file, "ab") as out:
        out.truncate(sum(map(len, kept)))  # a line that was cut off goes
        starts = range(len(lines), len(dataset), batch_size)
        for first in tqdm(starts, desc=title, unit="batch", disable=not title):
            indices = range(first, min(first + batch_size, len(dataset)))
            sentences, confidences = describe_batch(model, processor, dataset, indices, max_new_tokens)
            for index, sentence, confidence in zip(indices, sentences, confidences):
                lines.append({"row": int(numbers[index]), "sentence": sentence, "confidence": round(confidence, 6)})
                out.write((json.dumps(lines[-1], ensure_ascii=False) + "\n").encode())
            out.flush()
    return [line["sentence"] for line in lines], [line["confidence"] for line in lines]


def file_of(folder, name, **depends_on):
    """Names a file of sentences after a system and a digest of all that its sentences depend on.

    So an evaluation with another model, other rows or another length finds no sentences that are not its own, and the
    ones it does not need stay.
    """
    digest = hashlib.sha256(json.dumps(depends_on, sort_keys=True, default=str).encode()).hexdigest()[:8]
    return Path(folder) / "sentences" / f"{name}-{digest}.jsonl"


def kept_sentences(file, numbers, make):
    """The sentences of a system that makes them all at once: from a file, or made and written there.

    Args:
        file (`Path`): See [`file_of`].
        numbers (`Sequence[int]`): The rows' numbers in the split.
        make (`Callable`): Returns a sentence for each.

    Returns:
        `list[str]`
    """
    lines = [json.loads(line) for line in _whole_lines(file)]
    if [line["row"] for line in lines] == list(numbers):
        return [line["sentence"] for line in lines]
    sentences = make()
    file.parent.mkdir(parents=True, exist_ok=True)
    lines = [{"row": int(number), "sentence": sentence} for number, sentence in zip(numbers, sentences)]
    whole = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    part = file.with_suffix(".part")
    part.write_text(whole, encoding="utf-8")
    part.replace(file)
    return sentences


@contextlib.contextmanager
def _alone(file):
    try:
        with FileLock(file.with_suffix(".lock"), timeout=0):
            yield
    except Timeout:
        raise ValueError(f"Another process is writing {file}; wait for it, or give another --output.") from None


def model_digest(model, processor):
    """Digests all that a model says depends on: its weights and config, how it generates, and its tokenizer."""
    fields = {name: value for name, value in model.config.to_dict().items() if name not in ORIGIN}
    generation = {name: value for name, value in model.generation_config.to_dict().items() if name not in ORIGIN}
    vocabulary = sorted(processor.tokenizer.get_vocab().items())
    depends_on = [fields, generation, vocabulary, processor.default_prompt, processor_json(processor.image_processor)]
    key = hashlib.sha256(json.dumps(depends_on, sort_keys=True, default=str).encode())
    for name, weight in model.state_dict().items():
        key.update(f"{name} {tuple(weight.shape)} {weight.dtype}".encode())
        key.update(weight.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return key.hexdigest()[:16]


def _whole_lines(file):
    if not file.exists():
        return []
    with open(file, "rb") as lines:
        return [line for line in lines if line.endswith(b"\n")]


def read_predictions(file, rows, numbers=None):
    """Reads the sentences of a system from a file, and puts them in the order of the rows.

    By `id` where the file has one; by `row`, the row's number in the evaluated split, where it has that; otherwise in the
    file's order, and then their number must be right and metadata that both hold must be the same.

    Args:
        file (`str`): `.csv`, `.json`, `.jsonl` or `.parquet` with a column `sentence` (or `description`, `prediction`,
            `generated_text`), and perhaps `id` or `row`, and `confidence`.
        rows (`list[dict]`): The rows that are evaluated.
        numbers (`Sequence[int]`, *optional*): Their numbers in the split, where some were left out. Defaults to all.

    Returns:
        `tuple[list[str], list[float] | None]`: Sentences and confidences, one a row; NaN where the file has a blank.

    Raises:
        `FileNotFoundError`: If there is no such file.
        `ValueError`: If predictions and rows do not align, naming the first that do not; or if a confidence is none.
    """
    path = Path(file)
    if not path.exists():
        raise FileNotFoundError(f"There are no predictions at {file!r}; check the path.")
    try:
        table = READERS[path.suffix.lower()](path)
    except (ValueError, OSError) as error:
        raise ValueError(f"{file} can't be read as {path.suffix[1:]}: {' '.join(str(error).split())}") from error
    table = table.rename(columns={name: str(name).lower() for name in table if str(name).lower() in ("id", "row")})
    column = next((name for name in SENTENCE if name in table), None)
    if column is None:
        raise ValueError(
            f"{file} has no column {SENTENCE[0]!r} among {', '.join(map(str, table)) or 'none'}; name it so."
        )
    wrong = [value for value in table[column] if not isinstance(value, str) and not pandas.isna(value)]
    if wrong:
        raise ValueError(f"{file} holds {wrong[0]!r} where a sentence should be; give text.")
    numbers = range(len(rows)) if numbers is None else numbers
    with_id = any(row.get("id") is not None for row in rows)
    if "id" in table and not with_id:
        raise ValueError(
            f"{file} has ids and the data has none; name the data's column with --columns id=..., or drop them."
        )
    if "id" in table:
        wanted, name = [_name(row.get("id")) for row in rows], "id"
    elif "row" in table:
        wanted, name = [_name(number) for number in numbers], "row"
    else:
        return _in_order(file, table, column, rows)
    given = [_name(value) for value in table[name]]
    places = {value: place for place, value in enumerate(given)}
    counts = Counter(given)
    problems = {"holds more than once": [], "lacks": []}
    for value in wanted:
        if counts[value] != 1:
            problems["lacks" if not counts[value] else "holds more than once"].append(value)
    for problem, values in problems.items():
        if values:
            raise ValueError(
                f"{file} {problem} {name} {', '.join(values[:5])}{' …' if len(values) > 5 else ''} ({len(values):,} in all) "
                f"of the {len(rows):,} rows evaluated, and begins with {name} {', '.join(given[:3])}; give one sentence for each."
            )
    return _columns(file, table.iloc[[places[value] for value in wanted]], column)


def _name(value):
    """An id or a number as text: 7, 7.0 and "7" are one."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _in_order(file, table, column, rows):
    if len(table) != len(rows):
        raise ValueError(
            f"{file} holds {len(table):,} sentences without id or row, for {len(rows):,} rows; add a column 'id' as in the "
            "data, or give one sentence for each row, in order."
        )
    print(f"note: {file} has neither id nor row: its sentences are taken in the order of the rows.")
    for name in [name for name in ATTRIBUTES if name in table]:
        for number, (said, row) in enumerate(zip(table[name], rows)):
            said = "" if pandas.isna(said) else said
            if name in row and said != (row[name] or ""):
                raise ValueError(
                    f"{file} does not follow the rows' order: its sentence {number + 1} has {name} {said!r}, and row {number} of "
                    f"the data has {row[name]!r}; sort it, or add a column 'id'."
                )
    return _columns(file, table, column)


def _columns(file, table, column):
    sentences = ["" if pandas.isna(value) else str(value) for value in table[column]]
    if "confidence" not in table:
        return sentences, None
    confidences = pandas.to_numeric(table["confidence"], errors="coerce").astype(float)
    blank = table["confidence"].isna() | (table["confidence"].astype(str).str.strip() == "")
    wrong = table["confidence"][(confidences.isna() & ~blank) | (confidences > 0)]
    if len(wrong):
        raise ValueError(
            f"{file} has confidence {wrong.iloc[0]!r} in line {wrong.index[0] + 1}, where a mean log-probability is at most 0; "
            "take the logarithm of a probability, or leave the column out."
        )
    return sentences, confidences.tolist()
