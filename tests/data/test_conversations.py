"""Conversations, questions and lists of sentences are read from every layout, and what is left out is counted."""

import json

import pytest
from conftest import make_picture, make_png
from datasets import Dataset, Features, Image, List, Value

from moda.data.catalogue import load_catalogue


def turns(*contents):
    return [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(contents)]


def llava(*values):
    return [{"from": ("human", "gpt")[i % 2], "value": text} for i, text in enumerate(values)]


def pictures(numbers):
    return [None if number is None else {"bytes": make_png(number), "path": None} for number in numbers]


def write(tmp_path, columns, features=None):
    rows = Dataset.from_dict(columns, features=features)
    if "image" in columns:
        rows = rows.cast_column("image", Image())
    rows.to_parquet(tmp_path / "rows.parquet")
    return {"path": str(tmp_path / "rows.parquet"), "validation": 0.5}


def everything(data):
    """All rows of a catalogue, whichever split they fell into."""
    return [row for split in load_catalogue(data).splits.values() for row in split]


@pytest.mark.parametrize(
    "question, said",
    [
        ("<image>\nWhat is it?", "What is it?"),
        ("What is it?\n<image>", "What is it?"),
        ("<image>What is it?", "What is it?"),
        ("What is in <image> here?", "What is in here?"),
        ("What is it?", "What is it?"),
    ],
)
def test_llava_turns_become_messages_that_name_no_picture(tmp_path, question, said):
    chats = [llava(question, "A shirt.", f"Colour {index}?", "Red.") for index in range(4)]
    columns = {"image": pictures(range(4)), "conversations": chats, "reason": ["their own"] * 4}
    found = everything(write(tmp_path, columns))
    assert {row["reason"] for row in found} == {"their own"}
    assert sorted((row["messages"] for row in found), key=str) == [
        turns(said, "A shirt.", f"Colour {index}?", "Red.") for index in range(4)
    ]
    assert "conversations" not in found[0] and found[0]["image"]["bytes"]


def test_llavas_release_layout(tmp_path, capsys):
    (tmp_path / "coco").mkdir()
    (tmp_path / "images").mkdir()
    make_picture(0).save(tmp_path / "coco" / "a.png")
    make_picture(1).save(tmp_path / "images" / "b.png")
    chat = llava("<image>\nWhat is it?", "A shirt.")
    rows = [
        {"id": "0001", "image": "coco/a.png", "conversations": chat},
        {"id": 2, "image": "b.png", "conversations": chat},
        {"id": "text only", "conversations": llava("Hi.", "Hello.")},
        {"id": "lost", "image": "coco/lost.png", "conversations": chat},
        {"id": "two", "image": ["coco/a.png", "b.png"], "conversations": chat},
    ]
    (tmp_path / "list.json").write_text(json.dumps(rows))
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, rows)))
    for name in ("list.json", "lines.jsonl"):
        found = everything({"path": str(tmp_path / name), "validation": 0.5})
        assert {row["image"]["path"] for row in found} == {
            str(tmp_path / "coco" / "a.png"),
            str(tmp_path / "images" / "b.png"),
        }
        assert all(row["messages"] == turns("What is it?", "A shirt.") for row in found)
        said = capsys.readouterr().out
        for reason in ("without a picture", "whose picture is not there", "with several pictures"):
            assert f"left out: 1 rows of {tmp_path / name} {reason}\n" in said


def test_a_picture_that_was_not_there_is_found_once_it_is(tmp_path):
    make_picture(0).save(tmp_path / "0.png")
    make_picture(1).save(tmp_path / "1.png")
    rows = [{"image": f"{index}.png", "messages": turns("What?", "A shirt.")} for index in range(3)]
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    data = {"path": str(tmp_path / "rows.json"), "validation": 0.5}
    assert len(everything(data)) == 2
    make_picture(2).save(tmp_path / "2.png")
    assert len(everything(data)) == 3


def test_contents_in_parts_and_pictures_in_lists(tmp_path, capsys):
    part = {"type": Value("string"), "text": Value("string")}
    features = Features(
        {
            "images": List(Image()),
            "chat": List({"role": Value("string"), "content": List(part)}),
        }
    )
    asked = [{"type": "image", "text": None}, {"type": "text", "text": "What is it?"}]
    chat = [
        {"role": "user", "content": asked},
        {"role": "assistant", "content": [{"type": "text", "text": "A shirt."}]},
    ]
    both = [{"role": "user", "content": asked + asked[:1]}, chat[1]]
    columns = {
        "images": [pictures([0]), pictures([1]), [], pictures([2, 3]), pictures([4])],
        "chat": [chat, chat, chat, chat, both],
    }
    found = everything({**write(tmp_path, columns, features), "columns": {"messages": "chat"}})
    assert [row["messages"] for row in found] == [turns("What is it?", "A shirt.")] * 2
    assert {row["image"]["bytes"] for row in found} == {make_png(0), make_png(1)}
    said = capsys.readouterr().out
    for reason in ("without a picture", "with several pictures", "whose turns name several pictures"):
        assert f"1 rows of {tmp_path / 'rows.parquet'} {reason}\n" in said


BAD = {
    "without a conversation": [],
    "with an empty turn": turns("What?", " "),
    "with <image> in an answer": turns("What?", "An <image>."),
    "whose turns name several pictures": turns("<image> or <image>?", "The first."),
    "whose turns are not user, assistant and so on, up to an assistant's": turns("What?", "A shirt.", "Sure?"),
}
ORDER = "whose turns are not user, assistant and so on, up to an assistant's"


def test_conversations_that_cannot_be_learnt_are_left_out_and_counted(tmp_path, capsys):
    good = turns("What?", "A shirt.")
    wrong_way = [
        [{"role": "system", "content": "Be kind."}, *good],
        good[::-1],
        [good[0], good[0], good[1], good[1]],
    ]
    columns = {"image": pictures(range(14)), "messages": [good] * 5 + [*BAD.values(), *wrong_way, None]}
    found = everything(write(tmp_path, columns))
    assert [row["messages"] for row in found] == [good] * 5
    said = capsys.readouterr().out
    counts = {reason: 1 for reason in BAD} | {"without a conversation": 2, ORDER: 4}
    for reason, count in counts.items():
        assert f"left out: {count} rows of {tmp_path / 'rows.parquet'} {reason}\n" in said
    assert said.count("left out:") == len(counts)


def test_nothing_left_is_an_error_that_says_why(tmp_path):
    data = write(tmp_path, {"image": pictures([0, None, 2]), "messages": [turns("What?")] * 3})
    with pytest.raises(ValueError, match=f"No row of .*rows.parquet can be used: 2 {ORDER}, 1 without a picture;"):
        load_catalogue(data)


@pytest.mark.parametrize("text", ["[]", "[{]", ""])
def test_a_file_that_is_empty_or_broken_is_named(tmp_path, text):
    (tmp_path / "rows.json").write_text(text)
    with pytest.raises(ValueError, match="rows.json has no rows or can't be read as json: ."):
        load_catalogue({"path": str(tmp_path / "rows.json")})


def test_questions(tmp_path, capsys):
    columns = {
        "image": pictures(range(6)),
        "question": ["<image>\nWhat colour?", "What?", "Where?", None, "Who?", "When?"],
        "answer": [["red", "blue", "blue"], ["a shirt"], ["here", "here"], ["x"], [" "], None],
    }
    found = {row["prompt"]: row for row in everything(write(tmp_path, columns))}
    assert set(found) == {"What colour?", "What?", "Where?"}
    assert found["What colour?"]["description"] == "blue"
    assert found["What colour?"]["answers"] == ["red", "blue", "blue"]
    assert found["What?"]["description"] == "a shirt"
    said = capsys.readouterr().out
    assert "1 rows of" in said and "without a question" in said
    assert f"2 rows of {tmp_path / 'rows.parquet'} without an answer" in said


@pytest.mark.parametrize(
    "answers", [["yes", "no"] * 2, [[{"answer": "yes", "answer_id": 1}], [{"answer": "no", "answer_id": 1}]] * 2]
)
def test_questions_under_other_names(tmp_path, answers):
    columns = {"image": pictures(range(4)), "q": [f"Is it {index}?" for index in range(4)], "a": answers}
    found = everything({**write(tmp_path, columns), "columns": {"question": "q", "answer": "a"}})
    assert {(row["prompt"], row["description"]) for row in found} == {
        (f"Is it {index}?", ("yes", "no")[index % 2]) for index in range(4)
    }


def test_all_rows_of_a_picture_are_held_out_together(tmp_path):
    columns = {"image": pictures([n % 10 for n in range(40)]), "question": ["What?"] * 40, "answer": ["A shirt."] * 40}
    data = write(tmp_path, columns)
    splits = load_catalogue({**data, "validation": 0.3}).splits
    shown = {name: {row["image"]["bytes"] for row in split} for name, split in splits.items()}
    assert len(shown["train"]) == 7 and len(shown["validation"]) == 3
    assert not shown["train"] & shown["validation"]
    assert len(splits["train"]) == 28 and len(splits["validation"]) == 12


def test_folding_makes_one_conversation_of_a_pictures_questions(tmp_path):
    columns = {
        "image": pictures([0, 1, 0, None, 1, 0]),
        "question": list("abcdef"),
        "answer": list("ABCDEF"),
        "split": ["train", "train", "train", "train", "train", "validation"],
    }
    splits = load_catalogue({**write(tmp_path, columns), "fold": True}).splits
    assert list(splits["train"]["messages"]) == [turns("a", "A", "c", "C"), turns("b", "B", "e", "E")]
    assert list(splits["validation"]["messages"]) == [turns("f", "F")]  # never across splits
    assert not {"prompt", "description", "answers"} & set(splits["train"].column_names)


def test_folding_joins_conversations(tmp_path):
    chats = [turns("a", "A"), turns("b", "B", "c", "C"), turns("d", "D"), turns("e", "E")]
    data = write(tmp_path, {"image": pictures([0, 0, 1, 0]), "messages": chats})
    found = sorted((row["messages"] for row in everything({**data, "fold": True})), key=len)
    assert found == [turns("d", "D"), turns("a", "A", "b", "B", "c", "C", "e", "E")]


def test_folding_needs_something_asked(tmp_path):
    data = write(tmp_path, {"image": pictures([0, 1]), "description": ["A shirt."] * 2})
    with pytest.raises(ValueError, match="data.fold joins what is asked.*columns image, description ask nothing"):
        load_catalogue({**data, "fold": True})


@pytest.mark.parametrize("column", ["captions", "description", "texts"])
def test_several_sentences(tmp_path, capsys, column):
    said = [["A dog.", "A brown dog.", " "], ["", "A cat. "], [], None]
    data = write(tmp_path, {"image": pictures(range(4)), column: said})
    if column == "texts":
        data["columns"] = {"description": "texts"}
    found = {row["description"]: row["descriptions"] for row in everything(data)}
    assert found == {"A dog.": ["A dog.", "A brown dog."], "A cat.": ["A cat."]}
    assert "left out: 2 rows" in capsys.readouterr().out


def test_descriptions_without_pictures_are_counted(tmp_path, capsys):
    data = write(tmp_path, {"image": pictures([0, 1, None, 3]), "description": ["A shirt."] * 4})
    assert len(everything(data)) == 3
    assert "left out: 1 rows" in capsys.readouterr().out


def test_rows_of_other_splits_are_counted(tmp_path, capsys):
    splits = ["train", "train", "validation", None, "spare"]
    data = write(tmp_path, {"image": pictures(range(5)), "description": ["A shirt."] * 5, "split": splits})
    assert len(everything(data)) == 3
    said = capsys.readouterr().out
    assert "1 rows of" in said and "split None" in said and "split 'spare'" in said


def test_a_test_split_without_answers_is_dropped_and_the_rest_is_read(tmp_path, capsys):
    features = Features({"image": Image(), "question": Value("string"), "answer": Value("string")})
    for name, answers in (("train", ["a"] * 4), ("test", [None] * 2)):
        columns = {"image": pictures(range(len(answers))), "question": ["What?"] * len(answers), "answer": answers}
        rows = Dataset.from_dict(columns, features=features)
        rows.to_parquet(tmp_path / f"{name}.parquet")
    splits = load_catalogue({"path": str(tmp_path), "validation": 0.5}).splits
    assert {name: len(split) for name, split in splits.items()} == {"train": 2, "validation": 2}
    assert "left out: 2 rows" in capsys.readouterr().out
