"""One step of the annotation: a record in, an answer, a record out or a reason why not; nothing is lost on the way.

A step writes its folder at the end and at once: `rows.jsonl`, `quarantine.jsonl`, and `step.json` with a key of all that
they depend on. What costs something, the models' answers, is kept answer by answer in the cache of its annotator.
"""

import hashlib
import json
import os
import shutil
import time
from collections import Counter, deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import chain
from pathlib import Path

from moda.data.answer_cache import Answer
from moda.data.endpoint import EndpointError


EXAMPLES = 6  # of each check, for the report
SAID = 2000  # characters of an answer that are kept with the reason why it can't be used
UNANSWERED, UNREADABLE = "unanswered", "unreadable"
SILENT = "nothing_to_say"  # of the annotator that knows metadata alone


class StepFolder:
    """The folder of a step's results, which is there as a whole or not at all.

    Args:
        folder (`Path`): Made where there is none.
        key (`str`): Digest of all that the results depend on.
    """

    def __init__(self, folder, key):
        self.folder, self.key = Path(folder), key
        self.part = self.folder.with_name(self.folder.name + ".part")

    def note(self):
        """What `step.json` says of finished results of this very key, or `None`."""
        note = read_note(self.folder)
        if not note or note["key"] != self.key or note["counts"].get(UNANSWERED):
            return None
        shutil.rmtree(self.part, ignore_errors=True)  # of a run in between that came to nothing
        return note if file_digest(self.folder / "rows.jsonl") == note["output_sha256"] else None

    def begin(self):
        """Makes room for new results, and returns the folder to write them into."""
        shutil.rmtree(self.part, ignore_errors=True)
        self.part.mkdir(parents=True)
        return self.part

    def finish(self, note):
        """Puts the new results in the place of the old ones."""
        note = {**note, "key": self.key, "output_sha256": file_digest(self.part / "rows.jsonl")}
        write_json(self.part / "step.json", note)
        shutil.rmtree(self.folder, ignore_errors=True)
        os.replace(self.part, self.folder)
        return note


def annotate_records(name, before, folder, annotator, ask, read, check, settings=None):
    """Runs one step over all records.

    Args:
        name (`str`): The step's.
        before (`Path`): `rows.jsonl` of the step before.
        folder ([`StepFolder`]): Where to.
        annotator ([`Annotator`]): Whom to ask.
        ask (`Callable[[dict], str | list]`): Makes the content of a record's first message; in several threads at once.
        read (`Callable[[str, str], dict]`): Makes the record's new fields of an answer's text and `finish_reason`; raises
            `ValueError` with a sentence where it can't.
        check (`Callable[[dict], tuple[dict, dict]]`): Of a record with its new fields the reasons against it, and what is
            only noted, each `dict[check, sentence]`.
        settings (`dict`, *optional*): Of the checks, for the record.

    Returns:
        `tuple[dict, list[str]]`: What `step.json` holds, and what went wrong, a sentence each.

    Raises:
        `ValueError`: If no row came out of it; what there was of an earlier run stays.
    """
    started, part = time.monotonic(), folder.begin()
    outcomes, total = _Outcomes(annotator, ask, read, check), sum(1 for _ in read_lines(before))
    with open_lines(part / "outcomes.jsonl") as file:
        for outcome in outcomes.first(read_lines(before), total, name.capitalize()):
            write_line(file, outcome)
    for attempt in range(2, annotator.attempts + 1):
        if outcomes.failed:
            outcomes.again(read_lines(before), attempt, f"{name.capitalize()}, again")
    counts, checks, flags = Counter({"in": total, "kept": 0, "quarantined": 0}), {}, {}
    with open_lines(part / "rows.jsonl") as rows, open_lines(part / "quarantine.jsonl") as quarantine:
        for index, outcome in enumerate(read_lines(part / "outcomes.jsonl")):
            outcome = outcomes.better.get(index, outcome)
            if "check" in outcome:
                counts["quarantined"] += 1
                counts[UNANSWERED] += outcome["check"] == UNANSWERED
                for reason, why in outcome["reasons"].items():
                    note_example(checks, reason, {**outcome, "check": reason, "why": why})
                write_line(quarantine, outcome)
            else:
                counts["kept"] += 1
                done = outcome.get("refined") or outcome["described"]
                said = outcome.get("description") or outcome["draft"]["description"]
                for flag, why in done["flags"].items():
                    note_example(flags, flag, {"id": outcome["id"], "row": outcome["row"], "why": why, "said": said})
                write_line(rows, outcome)
    problems = list(dict.fromkeys(outcomes.problems))
    if not counts["kept"]:
        first = problems or [line["why"] for note in checks.values() for line in note["examples"]] or ["there was none"]
        raise ValueError(f"No row came through {name}: {first[0].rstrip('.')}; all are in {part / 'quarantine.jsonl'}.")
    (part / "outcomes.jsonl").unlink()
    paid = ("asked", "cached", "retried", "refused", "tokens_in", "tokens_out")
    prompt = annotator.prompt and {"name": annotator.prompt.name, "sha256": annotator.prompt.sha256}
    note = {
        "step": name,
        "annotator": annotator.identity,
        "prompt": prompt,
        "counts": {**counts, **{kind: annotator.back_end.counts[kind] for kind in paid}},
        "checks": checks,
        "flags": flags,
        "settings": settings,
        "input_sha256": file_digest(before),
        "seconds": round(time.monotonic() - started, 1),
    }
    return folder.finish(note), problems


class _Outcomes:
    """Asks for records, and makes of each answer a record that goes on or a line of the quarantine."""

    def __init__(self, annotator, ask, read, check):
        self.annotator, self.ask, self.read, self.check = annotator, ask, read, check
        self.failed, self.better, self.problems = {}, {}, []  # by place: what may be asked for again, what came of it

    def first(self, records, total, title):
        asked = ((record, None) for record in records)
        for place, (record, answer) in enumerate(self.answers(asked, total, title)):
            yield self.outcome(place, record, answer, 1)

    def again(self, records, attempt, title):
        """Asks once more for what could not be used, and says why."""
        failed, self.failed = self.failed, {}
        asked = ((record, failed[place]) for place, record in enumerate(records) if place in failed)
        for (record, answer), place in zip(self.answers(asked, len(failed), title), sorted(failed)):
            if answer.error:  # it may be answered when the same is run again
                self.failed[place] = failed[place]
                why = f"{answer.error} (the answer before can't be used: {failed[place][0]})"
                self.better[place] = self.against(record, {UNANSWERED: why}, failed[place][1])
            else:
                self.better[place] = self.outcome(place, record, answer, attempt)

    def request(self, record, failed):
        if self.annotator.prompt is None:
            return {"record": record}
        messages = [{"role": "user", "content": self.ask(record)}]
        if failed:
            why, said = failed
            messages += [
                {"role": "assistant", "content": said.strip() or "{"},
                {"role": "user", "content": self.annotator.prompt.reminder(why)},
            ]
        return {"messages": messages}

    def prepared(self, asked):
        """Yields each record with its request, or the error that kept it from being made; threads encode pictures ahead."""
        waiting, threads = deque(), os.cpu_count() or 1
        with ThreadPoolExecutor(threads) as pool:
            for record, failed in asked:
                waiting.append((record, pool.submit(self.request, record, failed)))
                if len(waiting) > 4 * threads:
                    yield self.made(*waiting.popleft())
            while waiting:
                yield self.made(*waiting.popleft())

    def made(self, record, future):
        try:
            return record, future.result(), None
        except (ValueError, OSError) as error:
            return record, None, error

    def answers(self, asked, total, title):
        """Yields each record with its answer, or with the reason why it could not be asked for."""
        prepared, waiting, back_end = self.prepared(asked), deque(), self.annotator.back_end

        def requests():
            for record, request, error in prepared:
                waiting.append((record, request, error))
                if request is not None:
                    yield request

        def unasked():
            while waiting and waiting[0][1] is None:
                record, _, error = waiting.popleft()
                yield record, Answer(text=str(error), finish_reason=UNREADABLE)

        try:
            with closing(back_end.ask_all(requests(), total=total, title=title)) as answers:
                for answer in answers:
                    yield from unasked()
                    yield waiting.popleft()[0], answer
                yield from unasked()
        except EndpointError as error:  # nobody else is let in, either; but what was answered before is there
            self.problems.append(str(error))
            for record, request, trouble in chain(waiting, prepared):
                if request is None:
                    yield record, Answer(text=str(trouble), finish_reason=UNREADABLE)
                else:
                    yield record, self.annotator.known(request) or Answer(error=str(error))
        if back_end.problem:
            self.problems.append(back_end.problem)

    def outcome(self, place, record, answer, attempt):
        """The record with its new fields, or the line of the quarantine."""
        if answer.error:
            return self.against(record, {UNANSWERED: answer.error}, "")
        if answer.finish_reason == UNREADABLE:
            return self.against(record, {UNREADABLE: answer.text}, "")
        if answer.finish_reason == SILENT:
            return self.against(record, {SILENT: "The metadata do not say what kind of product it is."}, "")
        try:
            if answer.refused and answer.text.strip():
                raise ValueError(f"The model declined: {answer.text[:80]!r}.")
            fields = self.read(answer.text, answer.finish_reason)
        except ValueError as error:
            why = str(error)
            self.failed[place] = why, answer.text[:SAID]
            return self.against(record, {"json": why}, answer.text)
        made = {**record, **fields}
        reasons, flags = self.check(made)
        if reasons:
            self.failed[place] = " ".join(reasons.values()), answer.text[:SAID]
            return self.against(record, reasons, fields.get("description") or answer.text)
        done = "described" if "draft" in fields else "refined"
        return {**made, done: {"date": answer.date, "attempts": attempt, "flags": flags}}

    def against(self, record, reasons, said):
        check, why = next(iter(reasons.items()))
        line = {"id": record["id"], "row": record["row"], "check": check, "why": why, "reasons": reasons}
        return {**line, "said": said[:SAID], "metadata": record["metadata"]}


def note_example(notes, name, line):
    """Counts a line under a check's name, and keeps the first few for the report."""
    note = notes.setdefault(name, {"count": 0, "examples": []})
    note["count"] += 1
    if len(note["examples"]) < EXAMPLES:
        note["examples"].append(line)


def digest(*parts):
    """A key of whatever JSON can write."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


def file_digest(path):
    """Digest of a file's bytes, or `None` where there is none."""
    if not Path(path).is_file():
        return None
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def open_lines(path):
    """Opens a JSONL file to write it. What UTF-8 can't write, half of a character that a model broke, becomes a question mark."""
    return open(path, "w", encoding="utf-8", errors="replace")


def write_line(file, value):
    """Writes one line of JSON."""
    file.write(json.dumps(value, ensure_ascii=False) + "\n")


def read_lines(path):
    """Yields the objects of a JSONL file."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def read_note(folder):
    """A step's `step.json`, or `None` where there is none that can be read."""
    try:
        note = json.loads((Path(folder) / "step.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return note if isinstance(note, dict) and {"key", "counts"} <= set(note) else None


def write_json(path, value):
    """Writes readable JSON, whole or not at all."""
    part = Path(path).with_suffix(".part")
    part.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8", errors="replace")
    os.replace(part, path)
