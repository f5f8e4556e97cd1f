"""Sentences of a system on rows: kept while they are made, so that a stopped evaluation goes on, and read from any file."""

import hashlib
import json
from collections import Counter
from pathlib import Path

import pandas
import torch
from tqdm.auto import tqdm

from moda.data.features import ORIGIN
from moda.data.pixels import processor_json
from moda.data.wording import ATTRIBUTES

from .sentences import describe_batch


READERS = {
    ".csv": lambda file: pandas.read_csv(file, dtype=str, keep_default_na=False),
    ".jsonl": lambda file: pandas.read_json(file, lines=True, dtype=False),
    ".parquet": pandas.read_parquet,
}
SENTENCE = ("sentence", "description", "prediction", "generated_text")


def is_predictions(name):
    """Says whether a name is that of a file of predictions, rather than of a model."""
    return Path(name).suffix.lower() in READERS


def describe_kept(
    model, processor, dataset, file, made_with, numbers=None, batch_size=64, max_new_tokens=48, title=None
):
    """Describes all rows of a dataset, and keeps each batch as it is made: called again, it goes on.

    Args:
        model ([`ModaForConditionalGeneration`]): In evaluation mode.
        processor ([`ModaProcessor`]): Its own.
        dataset ([`PixelDataset`]): The rows.
        file (`Path`): A JSON line for each row: `row`, `sentence`, `confidence`. What it was made with lies beside it.
        made_with (`dict[str, str]`): What the sentences depend on.
        numbers (`Sequence[int]`, *optional*): What the file calls the rows: their numbers in the split. Defaults to those in
            the dataset.
        batch_size (`int`, *optional*, defaults to 64): Rows at once.
        max_new_tokens (`int`, *optional*, defaults to 48): Longest sentence.
        title (`str`, *optional*): Of a progress bar; none without.

    Returns:
        `tuple[list[str], list[float]]`: Sentences, and their mean log-probabilities per token.

    Raises:
        `ValueError`: If the file was made with something else.
    """
    beside = file.with_suffix(".json")
    if file.exists():
        before = json.loads(beside.read_text()) if beside.exists() else {}
        differs = [name for name in made_with if before.get(name) != made_with[name]]
        if differs:
            raise ValueError(
                f"{file} was made with another {', another '.join(differs)}; give another --output, or delete the folder."
            )
    else:
        file.parent.mkdir(parents=True, exist_ok=True)
        beside.write_text(json.dumps(made_with, indent=2) + "\n")
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

    By `id` where both have one; by `row`, the row's number in the evaluated split, where the file has that; otherwise in
    the file's order, and then their number must be right and metadata that both hold must be the same.

    Args:
        file (`str`): `.csv`, `.jsonl` or `.parquet` with a column `sentence` (or `description`, `prediction`,
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
    column = next((name for name in SENTENCE if name in table), None)
    if column is None:
        raise ValueError(f"{file} has no column {SENTENCE[0]!r} among {', '.join(map(str, table))}; name it so.")
    numbers = range(len(rows)) if numbers is None else numbers
    if "id" in table and rows and rows[0].get("id") is not None:
        wanted, name = [str(row["id"]) for row in rows], "id"
    elif "row" in table:
        wanted, name = [str(number) for number in numbers], "row"
    else:
        return _in_order(file, table, column, rows)
    given = [str(value) for value in table[name]]
    twice = [value for value, count in Counter(given).items() if count > 1]
    places = {value: place for place, value in enumerate(given)}
    missing = [value for value in wanted if value not in places]
    for problem, values in (("holds more than once", twice), ("lacks", missing)):
        if values:
            raise ValueError(
                f"{file} {problem} {name} {', '.join(values[:5])}{' …' if len(values) > 5 else ''} ({len(values):,} in all) "
                f"of the {len(rows):,} rows evaluated; give one sentence for each row."
            )
    return _columns(file, table.iloc[[places[value] for value in wanted]], column)


def _in_order(file, table, column, rows):
    if len(table) != len(rows):
        raise ValueError(
            f"{file} holds {len(table):,} sentences without id or row, for {len(rows):,} rows; add a column 'id' as in the "
            "data, or give one sentence for each row, in order."
        )
    for name in [name for name in ATTRIBUTES if name in table]:
        for number, (said, row) in enumerate(zip(table[name], rows)):
            if name in row and (said or "") != (row[name] or ""):
                raise ValueError(
                    f"{file} does not follow the rows' order: its line {number + 1} has {name} {said!r}, and row {number} of "
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
