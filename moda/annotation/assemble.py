"""The last step of `moda annotate`: one row a picture, as parquet shards that `datasets.load_dataset` opens."""

import json
import math
import os
import re
import shutil
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Features, Image, List, Value
from tqdm.auto import tqdm

from pictures_moda import load_picture

from .tally import Tally


ROWS = 100  # of a row group: what a reader, and this writer, hold in memory at once
CLIP_ROWS = 16  # pictures decoded at once
SHARD_BYTES = 500 * 2**20
ANNOTATOR = ("kind", "model", "revision", "adapter", "licence", "parameters", "prompt", "prompt_sha256")
DONE = {"describe": "described", "refine": "refined"}  # where a record says when each step was done
NO_SCORE = "The CLIP gave no number, so the floor can't be kept."
DRAFT = ("gender", "category", "colour", "usage")
PATH = re.compile(r"(?<![\w:/.~])(?:~|\.{1,2})?/(?:[^\s/'\"]+/)+(?=[^\s/'\"]+)")


def assemble(
    records,
    source,
    splits,
    annotators,
    folder,
    checks=(),
    clip_score=None,
    floor=None,
    shard_bytes=SHARD_BYTES,
    finish=None,
    total=None,
):
    """Writes the dataset: `dataset/data/<split>-00000-of-0000N.parquet`, and `assemble/quarantine.jsonl` beside it.

    `dataset/` appears when it is complete: whoever kills this leaves the former one, or none. The same records make the same
    bytes. At most `ROWS` records and pictures of a split are held in memory.

    Args:
        records (`Iterable[dict]`): RECORDs after `refine`, one after the other.
        source ([`Source`]): Where `row` of a record leads to its picture, whose encoded bytes are kept as they are.
        splits (`Iterable[str]`): The split of each record.
        annotators (`dict[str, dict]`): Of `describe` and `refine` each `kind`, `model`, `revision`, `adapter`, `licence`,
            `parameters` (`dict`), `prompt` and `prompt_sha256`, as far as there is one. Of a path the last part is kept.
        folder (`str` or `Path`): Of the run.
        checks (`Iterable[str]`, *optional*): Names of the checks that were on. A row that came here has passed them; named in
            it are those that looked: not `clip_score` without a score or a floor, and not `json`, which reads what models
            answer, where no step asked one.
        clip_score (`Callable[[list[PIL.Image.Image], list[str]], list[float]]`, *optional*): Scores pictures with sentences.
        floor (`float`, *optional*): CLIPScore below which a row is put in quarantine.
        shard_bytes (`int`, *optional*, defaults to 500 MiB): From how many bytes on a shard is followed by another.
        finish (`Callable[[Path, dict], None]`, *optional*): Writes what else belongs into `dataset/`, given the folder that
            will become it and what this returns.
        total (`int`, *optional*): Records, for the progress bar.

    Returns:
        `dict`, which JSON can hold, as the other steps' `step.json`:

        - `step`; `counts`: `in`, `kept` and `quarantined`; `checks`: of each that put rows in quarantine `count`, `examples`;
        - `splits`: of each `rows`, `bytes` of its files, `size` in memory, `shards`;
        - `annotators`, without machine paths; `dates`: of each step the first and the last; `fields`, the names in `metadata`;
        - `passed`: of each check how many rows did;
        - `words`: `median`, `low` and `high` (5th and 95th percentile) of a sentence's words, `histogram` (pairs);
        - `vocabulary`: `words`, `distinct`, and `frequent`, pairs of a word, stop words apart, and its count;
        - `duplicates`: `groups`, `largest_group` (rows), `grouped` (rows whose group has another one), `across_splits`
          (groups in more than one), `pictures` (rows whose file an earlier one has), `sentences` (rows whose sentence an
          earlier one has), `most_repeated` (sentence, count);
        - `marginals`: of each attribute each value's rows, the most frequent first;
        - `clip` (`None` without): `mean`, `median`, `histogram` (`[from, to, rows]`), `floor`;
        - `examples`: a dozen records, the same ones for the same ids; `corrected`: a dozen of those whose draft was flagged.

    Raises:
        `ValueError`: If there is no record, all are put in quarantine, a split's name can't name a file, or a floor has no
            CLIP to keep it.
    """
    if floor is not None and clip_score is None:
        raise ValueError(f"checks.clip_score has the floor {floor} and there is no CLIP; name one in dataset.clip.")
    folder = Path(folder)
    draft, quarantine = folder / ".dataset.part", folder / "assemble" / "quarantine.jsonl"
    shutil.rmtree(draft, ignore_errors=True)
    (draft / "data").mkdir(parents=True)
    quarantine.parent.mkdir(exist_ok=True)
    annotators = {step: _annotator(annotators.get(step) or {}) for step in DONE}
    checks = _looking(checks, annotators, floor)
    fields = list(source.metadata(0)) if len(source.rows) else []
    tally = Tally(annotators, fields, checks, floor)
    schema = features_of(fields).arrow_schema
    pictures = source.rows.select_columns(["image"])
    shards, pending = {}, {}
    with open(quarantine.with_suffix(".part"), "w", encoding="utf-8") as lines:

        def flush(split, records):
            rows, left_out = _rows(records, pictures, annotators, fields, checks, clip_score, floor)
            for line in left_out:
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
            tally.add(split, rows, left_out)
            if rows:
                shards[split].write(pa.Table.from_pylist([row for _, row in rows], schema=schema))

        try:
            records = tqdm(records, total=total, desc="Assembling", unit="row", mininterval=0.5)
            for record, split in zip(records, splits, strict=True):
                if split not in pending:
                    pending[split], shards[split] = [], _Shards(draft / "data", split, schema, shard_bytes)
                pending[split].append(record)
                if len(pending[split]) == ROWS:
                    flush(split, pending[split])
                    pending[split] = []
            for split, left in pending.items():
                flush(split, left)
        finally:
            for split in shards.values():
                split.close()
    os.replace(quarantine.with_suffix(".part"), quarantine)
    if not tally.rows:
        shutil.rmtree(draft)
        why = f"all are in {quarantine}" if tally.quarantined else "no record was left by refine"
        raise ValueError(f"No row is left to make a dataset of: {why}; see the reasons there, and loosen the checks.")
    files = {split: written.rename() for split, written in shards.items()}
    summary = tally.summary(files)
    if finish is not None:
        finish(draft, summary)
    _replace(draft, folder / "dataset")
    return summary


def features_of(fields):
    """The dataset's columns.

    Args:
        fields (`list[str]`): Names of the source's columns of text.

    Returns:
        `datasets.Features`
    """
    text = Value("string")
    annotator = dict.fromkeys((*ANNOTATOR, "date"), text)
    features = {
        "id": text,
        "image": Image(),
        "description": text,
        "initial_description": text,
        "draft": dict.fromkeys(DRAFT, text),
        "metadata": dict.fromkeys(fields, text),
        "group": text,
        "annotators": {"describe": annotator, "refine": annotator},
        "checks": List(text),
        "clip_score": Value("float32"),
    }
    # Parquet has no empty struct.
    return Features({name: kind for name, kind in features.items() if kind != {}})


def without_paths(value):
    """A copy in which a path, in any text, is the name of its file or folder: what is published tells of no machine."""
    if isinstance(value, dict):
        return {name: without_paths(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [without_paths(item) for item in value]
    return PATH.sub("", value) if isinstance(value, str) else value


def _annotator(fields):
    found = without_paths({name: fields.get(name) for name in ANNOTATOR})
    return {name: str(value) if value is not None and name != "parameters" else value for name, value in found.items()}


def _looking(checks, annotators, floor):
    """The checks that look at what these annotators wrote."""
    models = any(who["kind"] not in (None, "metadata") for who in annotators.values())
    found = [name for name in checks if name != "clip_score" and (models or name != "json")]
    return [*found, *(["clip_score"] if floor is not None else [])]


def _rows(records, pictures, annotators, fields, checks, clip_score, floor):
    """Pairs of a record and its row, and lines for the quarantine."""
    rows, left_out = [], []

    def leave_out(record, check, why):
        line = {"id": record["id"], "row": record["row"], "check": check, "why": why, "reasons": {check: why}}
        left_out.append({**line, "said": record["description"], "metadata": record["metadata"]})

    found = pictures[[record["row"] for record in records]]["image"]
    for first in range(0, len(records), CLIP_ROWS):
        batch = []
        for record, picture in zip(records[first : first + CLIP_ROWS], found[first : first + CLIP_ROWS]):
            try:
                batch.append((record, _file(picture), load_picture(picture) if clip_score else None))
            except (OSError, ValueError) as error:
                leave_out(record, "unreadable", without_paths(str(error)))
        scores = [None] * len(batch)
        if clip_score and batch:
            scores = clip_score([picture for _, _, picture in batch], [record["description"] for record, *_ in batch])
        for (record, file, _), score in zip(batch, scores, strict=True):
            score = float(score) if score is not None and math.isfinite(score) else None
            if floor is not None and (score is None or score < floor):
                why = f"The CLIPScore {score:.2f} is below the floor of {floor:.2f}." if score is not None else NO_SCORE
                leave_out(record, "clip_score", why)
            else:
                rows.append((record, _row(record, file, annotators, fields, checks, score)))
    return rows, left_out


def _file(picture):
    """The encoded file, as it is, and its name."""
    path, content = picture.get("path"), picture.get("bytes")
    return {"bytes": Path(path).read_bytes() if content is None else content, "path": Path(path).name if path else None}


def _row(record, file, annotators, fields, checks, score):
    row = {
        "id": record["id"],
        "image": file,
        "description": record["description"],
        "initial_description": record["draft"]["description"],
        "draft": {name: record["draft"].get(name) for name in DRAFT},
        "metadata": {name: record["metadata"].get(name) for name in fields},
        "group": record["group"],
        "annotators": {
            step: {**who, "parameters": _written(who["parameters"]), "date": record[DONE[step]]["date"]}
            for step, who in annotators.items()
        },
        "checks": checks,
        "clip_score": score,
    }
    return row if fields else {name: value for name, value in row.items() if name != "metadata"}


def _written(parameters):
    return None if parameters is None else json.dumps(parameters, sort_keys=True, ensure_ascii=False)


class _Shards:
    """The parquet files of a split, numbered when all are written."""

    def __init__(self, folder, split, schema, most):
        if not re.fullmatch(r"\w+(\.\w+)*", split or ""):
            raise ValueError(f"{split!r} can't be the name of a split; use letters, digits and underscores.")
        self.folder, self.split, self.schema, self.most = folder, split, schema, most
        self.files, self.writer, self.size = [], None, 0

    def write(self, table):
        if self.writer is None:
            self.files.append(self.folder / f"{self.split}-{len(self.files)}.part")
            self.file = open(self.files[-1], "wb")
            self.writer = pq.ParquetWriter(self.file, self.schema)
        self.writer.write_table(table)
        self.size += table.nbytes
        if self.file.tell() >= self.most:
            self.close()

    def close(self):
        if self.writer is not None:
            self.writer.close()
            self.file.close()
            self.writer = None

    def rename(self):
        size = {"bytes": sum(file.stat().st_size for file in self.files), "size": self.size}
        for number, file in enumerate(self.files):
            file.rename(self.folder / f"{self.split}-{number:05d}-of-{len(self.files):05d}.parquet")
        return {**size, "shards": len(self.files)}


def _replace(new, target):
    """Puts a folder in the place of another: there is never half of one."""
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)
