"""Reads what rows show and say: pictures or their paths, conversations, questions and answers, several sentences.

No picture is decoded or copied here: the text columns are rewritten on disk, in batches, beside the pictures.
"""

import hashlib
import os
import re
from collections import Counter

import pyarrow.compute as pc
from datasets import Dataset, Features, Image, List, Value, concatenate_datasets

from processing_moda import IMAGE_TOKEN


TEXT, PICTURE = Value("string"), Image(decode=False)
MESSAGES = List({"role": TEXT, "content": TEXT})
ROLES = {"human": "user", "gpt": "assistant"}  # LLaVA's names
FOLDED = "folded into another row"


def read_rows(rows, folder=None, fold=False):
    """Brings what a split's rows show and say into MODA's columns, and leaves out the rows where that can't be.

    What rows say is the first of these that they have: `messages` (chat format, contents as text or in parts) or
    `conversations` (LLaVA's own format), which become `messages` from a user's turn to an assistant's, the picture named
    nowhere, since it comes first; `question` with `answer` or `answers`, which become `prompt`, `description` (the most
    frequent of several answers) and `answers` (all of them); a list of sentences in `description` or else in `captions`,
    which become `descriptions` and `description`, the first of them.

    Args:
        rows (`datasets.Dataset`): With `image`, or with `images` of one picture each.
        folder (`Path`, *optional*): Where the paths of pictures begin.
        fold (`bool`, defaults to `False`):
            Whether all that is asked about one picture becomes one conversation, as in stage 3 of the alignment paper.
            One picture is one path, or the same bytes.

    Returns:
        `tuple[datasets.Dataset, collections.Counter]`:
            The rows that can be used, with `image` undecoded; and how many could not, by reason.

    Raises:
        `ValueError`: If there is nothing that could be folded.
    """
    rows, unseen = read_pictures(_with_usual_text(rows), folder)
    names = rows.column_names
    turns = next((name for name in ("messages", "conversations") if name in names), None)
    answer = next((name for name in ("answer", "answers") if name in names), None)
    text = next((name for name in ("description", "captions") if name in names), None)
    unsaid = unseen
    if turns:
        rows, unsaid = _rewrite(rows, [turns], _read_turns, {"messages": MESSAGES})
    elif answer and "question" in names:
        made = {"prompt": TEXT, "description": TEXT, "answers": List(TEXT)}
        rows, unsaid = _rewrite(rows, ["question", answer], _read_answers, made)
    elif text == "captions" or (text and not isinstance(rows.features[text], Value)):
        rows, unsaid = _rewrite(rows, [text], _read_sentences, {"description": TEXT, "descriptions": List(TEXT)})
    reasons = [first or second for first, second in zip(unseen, unsaid)]
    if fold:
        rows, reasons = _fold(rows, reasons)
    if any(reasons):
        rows = rows.select([index for index, reason in enumerate(reasons) if reason is None])
    return rows, Counter(reason for reason in reasons if reason not in (None, FOLDED))


def hold_out_pictures(rows, test_size, seed):
    """Splits rows as `datasets.Dataset.train_test_split` does, but keeps all rows of one picture on one side.

    Args:
        rows (`datasets.Dataset`): With an undecoded `image`.
        test_size (`float`): Share of the pictures that is held out.
        seed (`int`): Of the draw.

    Returns:
        `dict[str, datasets.Dataset]`: `train` and `test`.
    """
    keys = _picture_keys(rows)
    halves = Dataset.from_dict({"key": list(dict.fromkeys(keys))}).train_test_split(test_size=test_size, seed=seed)
    side = {key: name for name, half in halves.items() for key in half["key"][:]}
    return {name: rows.select([index for index, key in enumerate(keys) if side[key] == name]) for name in halves}


def _with_usual_text(rows):  # pandas and polars write large strings, which don't mix with others
    wide = [name for name, kind in rows.features.items() if kind == Value("large_string")]
    if not wide:
        return rows
    usual = rows.select_columns(wide).cast(Features(dict.fromkeys(wide, TEXT)))
    rest = rows.remove_columns(wide)
    return concatenate_datasets([rest, usual], axis=1) if rest.column_names else usual


def _rewrite(rows, columns, function, made, raw=False, **options):
    """Puts what `function` makes of some columns in their place; returns the rows, and of each why it can't be used."""
    old = rows.select_columns(columns)
    new = (old.with_format("arrow") if raw else old).map(
        function,
        batched=True,
        remove_columns=columns,
        features=Features({**made, "reason": TEXT}),
        desc=f"Reading {' and '.join(columns)}",
        **options,
    )
    reasons = new.with_format(None)["reason"][:]
    new = new.with_format(None).remove_columns("reason")
    rest = rows.remove_columns([name for name in rows.column_names if name in (*columns, *made)])
    return (concatenate_datasets([rest, new], axis=1) if rest.column_names else new), reasons


def read_pictures(rows, folder):
    if "image" not in rows.column_names:
        rows = rows.rename_column("images", "image")
    kind = rows.features["image"]
    if not (isinstance(kind, (Image, dict)) or kind == Value("binary")):  # paths, or lists of pictures
        return _rewrite(
            rows,
            ["image"],
            _read_picture,
            {"image": PICTURE},
            raw="Image(" in str(kind),  # undecoded
            fn_kwargs={"folder": folder and str(folder)},
            load_from_cache_file=False,  # what lies in the folder may have changed
        )
    rows = rows.cast_column("image", Image()).cast_column("image", PICTURE)
    stored = rows.data.column("image")
    absent = pc.and_(*(pc.is_null(pc.struct_field(stored, [field])) for field in ("bytes", "path")))
    return rows, ["without a picture" if value else None for value in absent.to_pylist()]


def _read_picture(batch, folder):
    values = batch["image"]
    made = {"image": [], "reason": []}
    for value in values.to_pylist() if hasattr(values, "to_pylist") else values:
        value = value if isinstance(value, list) else [value]
        value = [picture for picture in value if picture]
        found, reason = None, None
        if len(value) != 1:
            reason = "with several pictures" if value else "without a picture"
        elif not isinstance(value[0], str):
            found = {"bytes": value[0], "path": None} if isinstance(value[0], bytes) else value[0]
        elif (found := _find(value[0], folder)) is None:
            reason = "whose picture is not there"
        made["image"].append(found)
        made["reason"].append(reason)
    return made


def _find(path, folder):
    if "://" in path:
        return path
    beside = [os.path.join(folder, path), os.path.join(folder, "images", path)] if folder else []
    return next((place for place in (*beside, path) if os.path.isfile(place)), None)


def _read_turns(batch):
    made = {"messages": [], "reason": []}
    for turns in next(iter(batch.values())):
        messages, reason = _messages(turns)
        made["messages"].append(None if reason else messages)
        made["reason"].append(reason)
    return made


def _messages(turns):
    if isinstance(turns, dict):  # lists by field, as datasets has them under Sequence
        turns = [dict(zip(turns, values)) for values in zip(*turns.values())]
    if not turns:
        return None, "without a conversation"
    messages, pictures = [], 0
    for turn in turns:
        role, content = turn.get("role") or turn.get("from"), turn.get("content") or turn.get("value") or ""
        if isinstance(content, list):
            pictures += sum(str(part.get("type")).startswith("image") for part in content)
            content = "\n".join(part["text"] for part in content if part.get("type") == "text" and part.get("text"))
        pictures += content.count(IMAGE_TOKEN)
        messages.append({"role": ROLES.get(role, role), "content": _without_placeholder(content)})
        if IMAGE_TOKEN in content and messages[-1]["role"] == "assistant":
            return None, f"with {IMAGE_TOKEN} in an answer"
    if pictures > 1:
        return None, "whose turns name several pictures"
    roles = [message["role"] for message in messages]
    if len(roles) % 2 or roles != ["user", "assistant"] * (len(roles) // 2):
        return None, "whose turns are not user, assistant and so on, up to an assistant's"
    if not all(message["content"] for message in messages):
        return None, "with an empty turn"
    return messages, None


def _without_placeholder(text):
    return re.sub(rf"[ \t]*\n?{IMAGE_TOKEN}\n?[ \t]*", " ", text).strip()


def _read_answers(batch):
    made = {"prompt": [], "description": [], "answers": [], "reason": []}
    for question, given in zip(batch.pop("question"), next(iter(batch.values()))):
        given = given if isinstance(given, list) else [given]
        given = [answer["answer"] if isinstance(answer, dict) else answer for answer in given]  # VQAv2's are dicts
        given = [str(answer).strip() for answer in given if answer is not None and str(answer).strip()]
        question = _without_placeholder(question or "")
        made["prompt"].append(question)
        made["answers"].append(given)
        made["description"].append(Counter(given).most_common(1)[0][0] if given else None)
        made["reason"].append(None if question and given else f"without {'an answer' if question else 'a question'}")
    return made


def _read_sentences(batch):
    made = {"description": [], "descriptions": [], "reason": []}
    for said in next(iter(batch.values())):
        said = [sentence.strip() for sentence in ([said] if isinstance(said, str) else said or []) if sentence]
        said = [sentence for sentence in said if sentence]
        made["description"].append(said[0] if said else None)
        made["descriptions"].append(said)
        made["reason"].append(None if said else "without anything to say")
    return made


def _fold(rows, reasons):
    """Joins the turns of each picture in its first row."""
    names = rows.column_names
    if "messages" in names:
        turns = rows["messages"][:]
    elif "prompt" in names and "description" in names:
        pairs = list(zip(rows["prompt"][:], rows["description"][:]))
        turns = [[{"role": "user", "content": a}, {"role": "assistant", "content": b}] for a, b in pairs]
        reasons = [was or (None if all(pair) else "without a prompt") for was, pair in zip(reasons, pairs)]
    else:
        raise ValueError(
            f"data.fold joins what is asked about one picture, and the columns {', '.join(names)} ask nothing; leave it out, "
            "or name the columns, as in data: {columns: {question: ..., answer: ...}}."
        )
    split = rows["split"][:] if "split" in names else [None] * len(rows)
    first, reasons = {}, list(reasons)
    for index, key in enumerate(zip(split, _picture_keys(rows))):
        if reasons[index] is None and first.setdefault(key, index) != index:
            turns[first[key]] += turns[index]
            reasons[index] = FOLDED
    folded = [said if reason is None else None for said, reason in zip(turns, reasons)]
    rows = rows.remove_columns([name for name in ("messages", "prompt", "description", "answers") if name in names])
    joined = Dataset.from_dict({"messages": folded}, features=Features({"messages": MESSAGES}))
    return concatenate_datasets([rows, joined], axis=1), reasons


def _picture_keys(rows):
    keys = []
    for batch in rows.select_columns("image").iter(1000):
        for image in batch["image"]:
            image = image or {"bytes": None, "path": None}
            content = image["bytes"]
            keys.append(hashlib.blake2b(content, digest_size=16).hexdigest() if content else image["path"])
    return keys
