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
from contextlib import closing
from functools import partial
from pathlib import Path

from moda.data.answer_cache import Answer
from moda.data.endpoint import EndpointError


EXAMPLES = 6  # of each check, for the report
SAID = 2000  # characters of an answer that are kept with the reason why it can't be used
UNANSWERED = "unanswered"
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
        rows = self.folder / "rows.jsonl"
        return note if rows.is_file() and file_digest(rows) == note["output_sha256"] else None

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


def annotate_records(name, before, folder, annotator, ask, read, check):
    """Runs one step over all records.

    Args:
        name (`str`): The step's.
        before (`Path`): `rows.jsonl` of the step before.
        folder ([`StepFolder`]): Where to.
        annotator ([`Annotator`]): Whom to ask.
        ask (`Callable[[dict], dict]`): Makes the messages of a record: the first request.
        read (`Callable[[str, str], dict]`): Makes the record's new fields of an answer's text and `finish_reason`; raises
            `ValueError` with a sentence where it can't.
        check (`Callable[[dict], tuple[dict, dict]]`): Of a record with its new fields the reasons against it, and what is
            only noted, each `dict[check, sentence]`.

    Returns:
        `tuple[dict, list[str]]`: What `step.json` holds, and what went wrong, a sentence each.

    Raises:
        `ValueError`: If no row came out of it.
    """
    started, part = time.monotonic(), folder.begin()
    outcomes = _Outcomes(annotator, ask, read, check)
    total = sum(1 for _ in read_lines(before))
    if not total:
        raise ValueError(f"{before} holds no row, so there is nothing to {name}; look at the quarantine beside it.")
    with open(part / "outcomes.jsonl", "w", encoding="utf-8") as file:
        for outcome in outcomes.first(read_lines(before), total, name.capitalize()):
            file.write(json.dumps(outcome, ensure_ascii=False) + "\n")
    for attempt in range(1, annotator.attempts):
        if not outcomes.failed:
            break
        outcomes.again(read_lines(before), attempt, f"{name.capitalize()}, again")
    counts, checks, flags = Counter({"in": 0, "kept": 0, "quarantined": 0}), {}, {}
    with (
        open(part / "rows.jsonl", "w", encoding="utf-8") as rows,
        open(part / "quarantine.jsonl", "w", encoding="utf-8") as quarantine,
    ):
        for index, outcome in enumerate(read_lines(part / "outcomes.jsonl")):
            outcome = outcomes.better.get(index, outcome)
            counts["in"] += 1
            if "check" in outcome:
                counts["quarantined"] += 1
                counts[UNANSWERED] += outcome["check"] == UNANSWERED
                note_example(checks, outcome["check"], outcome)
                quarantine.write(json.dumps(outcome, ensure_ascii=False) + "\n")
            else:
                counts["kept"] += 1
                for flag, why in outcome[_done(name)]["flags"].items():
                    note_example(
                        flags, flag, {"id": outcome["id"], "row": outcome["row"], "why": why, **_text(outcome)}
                    )
                rows.write(json.dumps(outcome, ensure_ascii=False) + "\n")
    (part / "outcomes.jsonl").unlink()
    back_end = annotator.back_end
    asked = {
        kind: back_end.counts[kind] for kind in ("asked", "cached", "retried", "refused", "tokens_in", "tokens_out")
    }
    prompt = annotator.prompt and {"name": annotator.prompt.name, "sha256": annotator.prompt.sha256}
    note = folder.finish(
        {
            "step": name,
            "annotator": annotator.identity,
            "prompt": prompt,
            "counts": {**counts, **asked},
            "checks": checks,
            "flags": flags,
            "seconds": round(time.monotonic() - started, 1),
        }
    )
    return note, list(dict.fromkeys(outcomes.problems))


def _done(name):
    return {"describe": "described", "refine": "refined"}[name]


def _text(record):
    return {"said": record.get("description") or record["draft"]["description"]}


class _Outcomes:
    """Asks for records, and makes of each answer a record that goes on or a line of the quarantine."""

    def __init__(self, annotator, ask, read, check):
        self.annotator, self.ask, self.read, self.check = annotator, ask, read, check
        self.failed, self.better, self.problems = {}, {}, []

    def first(self, records, total, title):
        for index, (record, answer) in enumerate(self.answers(records, self.request, total, title)):
            yield self.outcome(index, record, answer, 1)

    def again(self, records, attempt, title):
        """Asks once more for what could not be used, and says why."""
        failed, self.failed = self.failed, {}
        indices = deque(sorted(failed))
        chosen = (record for index, record in enumerate(records) if index in failed)
        request = partial(self.request_again, reasons=iter([failed[index] for index in indices]))
        for record, answer in self.answers(chosen, request, len(failed), title):
            index = indices.popleft()
            outcome = self.outcome(index, record, answer, attempt + 1)
            if outcome.get("check") != UNANSWERED:  # else what the first answer lacked stays the reason
                self.better[index] = outcome

    def request(self, record):
        if self.annotator.prompt is None:
            return {"record": record}
        return {"messages": [{"role": "user", "content": self.ask(record)}]}

    def request_again(self, record, reasons):
        why, answer = next(reasons)
        request = self.request(record)
        request["messages"] += [
            {"role": "assistant", "content": answer.text[:SAID].strip() or "{"},
            {"role": "user", "content": self.annotator.prompt.reminder(why)},
        ]
        return request

    def answers(self, records, request, total, title):
        """Yields each record with its answer. A record that can't be asked for, and one whose endpoint lets nobody in, has
        an answer with an `error`."""
        waiting, back_end = deque(), self.annotator.back_end

        def requests():
            for record in records:
                try:
                    made = request(record)
                except (ValueError, OSError) as error:
                    waiting.append((record, None, Answer(error=str(error))))
                else:
                    waiting.append((record, made, None))
                    yield made

        def unasked():
            while waiting and waiting[0][1] is None:
                record, _, answer = waiting.popleft()
                yield record, answer

        try:
            with closing(requests()) as made, closing(back_end.ask_all(made, total=total, title=title)) as answers:
                for answer in answers:
                    yield from unasked()
                    yield waiting.popleft()[0], answer
                yield from unasked()
        except EndpointError as error:
            self.problems.append(str(error))
            for record, made, answer in self.left(waiting, records, request):
                yield record, answer or self.annotator.known(made) or Answer(error=str(error))
        if back_end.problem:
            self.problems.append(back_end.problem)

    def left(self, waiting, records, request):
        yield from waiting
        for record in records:
            try:
                yield record, request(record), None
            except (ValueError, OSError) as error:
                yield record, None, Answer(error=str(error))

    def outcome(self, index, record, answer, attempt):
        """The record with its new fields, or the line of the quarantine."""
        if answer.error:
            return self.against(record, UNANSWERED, answer.error, "")
        if answer.finish_reason == SILENT:
            return self.against(record, SILENT, "The metadata do not say what kind of product it is.", "")
        try:
            fields = self.read(answer.text, answer.finish_reason)
        except ValueError as error:
            why = f"The model declined: {answer.text[:80]!r}." if answer.refused and answer.text.strip() else str(error)
            self.failed[index] = why, answer
            return self.against(record, "json", why, answer.text)
        made = {**record, **fields}
        reasons, flags = self.check(made)
        if reasons:
            name, why = next(iter(reasons.items()))
            self.failed[index] = " ".join(reasons.values()), answer
            return self.against(record, name, why, fields.get("description") or answer.text)
        done = "described" if "draft" in fields else "refined"
        return {**made, done: {"date": answer.date, "attempts": attempt, "flags": flags}}

    def against(self, record, check, why, said):
        kept = {"id": record["id"], "row": record["row"], "check": check, "why": why, "said": said[:SAID]}
        return {**kept, "metadata": record["metadata"]}


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
    """Digest of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def read_lines(path):
    """Yields the objects of a JSONL file."""
    with open(path, encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def read_note(folder):
    """A step's `step.json`, or `None`."""
    file = Path(folder) / "step.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def write_json(path, value):
    """Writes readable JSON."""
    Path(path).write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
