"""Pictures and sentences in, model inputs and labels out: what comes out is compared value by value."""

import json
import shutil

import pytest
import torch
from conftest import make_picture, make_processor, make_tokenizer, run_clean

from processing_moda import DEFAULT_PROMPT, ModaProcessor


IMAGE_ID, EOS, PAD = 300, 1, 2


@pytest.fixture(scope="module")
def processor():
    return make_processor()


# Prompts


def pieces(processor, ids):
    """Ids as text, runs of <image> as numbers: [4, 'What colour is it?']"""
    found = []
    for i in ids.tolist() if isinstance(ids, torch.Tensor) else ids:
        if i == IMAGE_ID:
            found.append(found.pop() + 1 if found and isinstance(found[-1], int) else 1)
        elif i != PAD:
            text = processor.tokenizer.decode([i])
            found.append(found.pop() + text if found and isinstance(found[-1], str) else text)
    return found


def test_layout_of_prompts(processor):
    a, b, c = (make_picture(seed) for seed in range(3))

    def layout(*args, **kwargs):
        return [pieces(processor, row) for row in processor(*args, **kwargs)["input_ids"]]

    question = "What colour is it?"
    assert layout(a) == [[4, DEFAULT_PROMPT + "\n"]]
    assert layout([a, b]) == [[4, DEFAULT_PROMPT + "\n"]] * 2
    assert layout(a, question) == [[4, question + "\n"]]
    assert layout(a, [question]) == layout([a], question) == layout([[a]], question) == [[4, question + "\n"]]
    assert layout(a, question + " ") == [[4, question + " "]]  # white space: the caller has seen to its end
    assert layout(a, "Look: <image> What?\n") == [["Look: ", 4, " What?\n"]]
    assert layout(a, "Look: <image>") == [["Look: ", 4]]
    assert layout([a, b], question) == [[8, question + "\n"]]
    assert layout([a, b], "<image> or <image>?") == [[4, " or ", 4, "?\n"]]
    assert layout([a, b], ["One", "Two"]) == [[4, "One\n"], [4, "Two\n"]]
    assert layout([a, b, c], ["<image><image>One", "Two <image>"]) == [[8, "One\n"], ["Two ", 4]]
    assert layout([[a, b], [c]], ["One", "Two"]) == [[8, "One\n"], [4, "Two\n"]]
    assert layout([[a], []], ["One", "Two"]) == [[4, "One\n"], ["Two\n"]]
    assert layout(text="Hello") == [["Hello\n"]]
    assert layout(text=["Hello", "you"]) == [["Hello\n"], ["you\n"]]
    assert layout() == [[DEFAULT_PROMPT + "\n"]]
    own = make_processor(image_seq_length=1, default_prompt="Say what you see.")
    assert pieces(own, own(a)["input_ids"][0]) == [1, "Say what you see.\n"]


def test_counts_that_disagree_name_both_numbers(processor):
    a, b, c = (make_picture(seed) for seed in range(3))
    with pytest.raises(ValueError, match=r"Text 0 names 2 <image> and comes with 1 picture\(s\)"):
        processor(a, "<image><image>")
    with pytest.raises(ValueError, match=r"Text 0 names 1 <image> and comes with 2 picture\(s\)"):
        processor([a, b], "<image>")
    with pytest.raises(ValueError, match=r"Text 0 names 1 <image> and comes with 0 picture\(s\)"):
        processor(text="<image> what?")
    with pytest.raises(ValueError, match=r"Text 1 names 2 <image> and comes with 1 picture\(s\)"):
        processor([[a], [b]], ["<image>", "<image><image>"])
    with pytest.raises(ValueError, match=r"3 picture\(s\) do not match 2 text\(s\) naming 2 <image>"):
        processor([a, b, c], ["<image>", "<image>"])
    with pytest.raises(ValueError, match="2 rows and 1 suffixes"):
        processor([a, b], suffix=["One"])
    with pytest.raises(ValueError, match="2 positions a picture, and this processor's image_seq_length is 4"):
        processor(image_features=torch.zeros(1, 2, 32))


def test_padding_and_tensors(processor):
    images = [make_picture(0), make_picture(1)]
    texts = ["Hi", "What colour is it?"]
    right, left = processor(images, texts, padding_side="right"), processor(images, texts)
    for batch, side in ((right, "right"), (left, "left")):
        assert set(batch) == {"input_ids", "attention_mask", "pixel_values"}
        length = batch["attention_mask"].sum(-1).tolist()
        width = max(length)
        assert length[0] < length[1] == width == batch["input_ids"].shape[1]
        gap = batch["attention_mask"][0] == 0
        padded = range(width - length[0]) if side == "left" else range(length[0], width)
        assert gap.nonzero().flatten().tolist() == list(padded)
        assert (batch["input_ids"][0][gap] == PAD).all()
        alone = processor(images[0], "Hi")["input_ids"][0]
        assert torch.equal(batch["input_ids"][0][~gap], alone)
    assert processor(images, texts, padding="max_length", max_length=30)["input_ids"].shape == (2, 30)
    lists = processor(images, texts, padding=False, return_tensors=None)
    assert [len(row) for row in lists["input_ids"]] == left["attention_mask"].sum(-1).tolist()
    assert isinstance(lists["input_ids"][0], list) and isinstance(lists["attention_mask"][0][0], int)
    lists = processor(images, texts, return_tensors=None)
    assert torch.equal(torch.tensor(lists["input_ids"]), left["input_ids"])


def test_ready_pictures_take_the_place_of_images(processor):
    images = [make_picture(0), make_picture(1)]
    plain = processor(images, suffix=["One", "Two"])
    pixels = processor(pixel_values=plain["pixel_values"], suffix=["One", "Two"])
    assert all(torch.equal(plain[name], pixels[name]) for name in plain)
    features = torch.randn(2, 4, 32)
    ready = processor(image_features=features, suffix=["One", "Two"])
    assert torch.equal(ready["image_features"], features) and "pixel_values" not in ready
    assert torch.equal(ready["input_ids"], plain["input_ids"]) and torch.equal(ready["labels"], plain["labels"])


# Descriptions


@pytest.mark.parametrize("side", ["left", "right"])
def test_labels_are_the_description_and_its_end(processor, side):
    suffixes = ["A navy blue casual shirt for men.", "Red.", "Shoes </s> with <image> <pad> on them.", ""]
    images = [[make_picture(0)], [make_picture(1), make_picture(2)], [make_picture(3)], [make_picture(4)]]
    batch = processor(
        images, ["What?", "Describe <image> and <image> to me.", "Hi", "Why"], suffixes, padding_side=side
    )
    plain = make_tokenizer()
    for row, suffix in enumerate(suffixes):
        ids, labels = batch["input_ids"][row], batch["labels"][row]
        supervised = (labels != -100).nonzero().flatten()
        assert torch.equal(labels[supervised], ids[supervised])
        assert (
            len(supervised) == len(plain(suffix, add_special_tokens=False, split_special_tokens=True)["input_ids"]) + 1
        )
        assert supervised.diff().eq(1).all()  # in one piece
        assert labels[supervised[-1]] == EOS and not (labels[supervised[:-1]] == EOS).any()
        last_token = batch["attention_mask"][row].nonzero().max()
        assert supervised[-1] == last_token
        assert (
            processor.tokenizer.decode(labels[supervised[:-1]]) == suffix
        )  # also <image> and </s> as they are spelled
        assert (ids == IMAGE_ID).sum() == 4 * len(images[row])
        assert not (labels == IMAGE_ID).any() and not (labels[batch["attention_mask"][row] == 0] != -100).any()
        prompt = processor([images[row]], [["What?", "Describe <image> and <image> to me.", "Hi", "Why"][row]])
        prompt = prompt["input_ids"][0].tolist()
        start = batch["attention_mask"][row].nonzero().min()
        assert ids[start : start + len(prompt)].tolist() == prompt and supervised[0] == start + len(prompt)


def test_suffix_does_not_change_how_the_next_prompt_is_read(processor):
    before = processor(make_picture(), "<image> </s> what?")["input_ids"]
    processor(make_picture(), suffix=["<image> </s>"])
    assert torch.equal(processor(make_picture(), "<image> </s> what?")["input_ids"], before)
    assert (before == IMAGE_ID).sum() == 4 and (before == EOS).sum() == 1


def test_max_length_cuts_only_the_description(processor):
    image, suffix = make_picture(), "A navy blue casual shirt for men."
    whole = processor(image, suffix=[suffix])
    prompt = int((whole["labels"] == -100).sum())
    length = whole["input_ids"].shape[1]
    for limit in (length + 1, length, length - 1, prompt + 2):
        cut = processor(image, suffix=[suffix], max_length=limit)
        ids = cut["input_ids"][0]
        assert len(ids) == min(limit, length) and ids[-1] == EOS == cut["labels"][0, -1]
        assert torch.equal(ids[:-1], whole["input_ids"][0, : len(ids) - 1])
    with pytest.raises(
        ValueError, match=f"take {prompt} positions and max_length is {prompt + 1}; raise it to at least {prompt + 2}"
    ):
        processor(image, suffix=[suffix], max_length=prompt + 1)
    assert processor(image, max_length=3)["input_ids"].shape[1] == prompt  # a prompt is never cut


def test_a_tokenizer_that_closes_every_text(processor):
    """BOS first, EOS last, as T5's or some Llamas': the prompt stays open, the description is closed once."""
    from tokenizers.processors import TemplateProcessing

    own = make_processor()
    own.tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", EOS)]
    )
    assert own.tokenizer("Hi")["input_ids"][-1] == EOS
    ids = own(make_picture(), "Hi", suffix=["Red."])["input_ids"][0]
    assert (ids == EOS).sum() == 1 and ids[-1] == EOS and ids[0] == 0 and (ids == 0).sum() == 1
    assert own(make_picture(), "Hi", add_special_tokens=False)["input_ids"][0, 0] == IMAGE_ID


# Conversations


def message(role, *content):
    parts = [
        {"type": "text", "text": part} if isinstance(part, str) else {"type": "image", "image": part}
        for part in content
    ]
    return {"role": role, "content": parts}


def chat(processor, messages):
    return processor.apply_chat_template(messages, tokenize=True, return_dict=True, return_tensors="pt")


def test_chat_equals_the_plain_call(processor):
    picture, question = make_picture(), "What colour is it?"
    plain = processor(images=picture, text=question)
    messages = [message("user", picture, question)]
    tokens = chat(processor, messages)
    for name in ("input_ids", "attention_mask", "pixel_values"):
        assert torch.equal(tokens[name], plain[name]), name
    rendered = processor.apply_chat_template(messages)
    assert rendered == "<image>What colour is it?\n"
    assert torch.equal(processor(images=picture, text=rendered)["input_ids"], plain["input_ids"])
    assert processor.apply_chat_template([{"role": "user", "content": question}]) == question + "\n"


def test_conversation_is_the_concatenation_of_its_turns(processor):
    a, b = make_picture(0), make_picture(1)
    messages = [message("user", a, "What colour is it?"), message("assistant", "Red."), message("user", "And ", b, "?")]
    first = processor(images=a, text="What colour is it?", suffix=["Red."])
    second = processor(images=b, text="And <image>?")
    tokens = chat(processor, messages)
    assert torch.equal(tokens["input_ids"], torch.cat([first["input_ids"], second["input_ids"]], 1))
    assert torch.equal(tokens["pixel_values"], torch.cat([first["pixel_values"], second["pixel_values"]]))
    closed = processor.apply_chat_template(messages[:2])
    assert torch.equal(processor(images=a, text=closed)["input_ids"], first["input_ids"])


def test_spelled_out_placeholders_in_a_chat_place_no_picture(processor):
    picture = make_picture()
    for messages in (
        [message("user", picture, "Is <image> a tag? </s>")],
        [message("user", picture, "Hi"), message("assistant", "It says <image>.")],
    ):
        tokens = chat(processor, messages)
        assert (tokens["input_ids"] == IMAGE_ID).sum() == 4
        assert "< image >" in processor.tokenizer.decode(tokens["input_ids"][0])
    for messages in (  # contents may be plain strings, which transformers 4.57 renders but does not tokenize
        [message("user", picture, "Hi"), {"role": "assistant", "content": "It says <image>."}],
        [{"role": "user", "content": "Is <image> a tag?"}, message("user", picture)],
    ):
        rendered = processor.apply_chat_template(messages)
        assert rendered.count("<image>") == 1 and "< image >" in rendered


# Files


def test_save_and_load_is_stable(tmp_path):
    processor = make_processor(image_seq_length=7, default_prompt="What is this?")
    processor.save_pretrained(tmp_path / "one")
    loaded = ModaProcessor.from_pretrained(tmp_path / "one")
    loaded.save_pretrained(tmp_path / "two")
    ModaProcessor.from_pretrained(tmp_path / "two").save_pretrained(tmp_path / "three")
    names = sorted(path.name for path in (tmp_path / "two").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "one").iterdir())
    assert {"preprocessor_config.json", "processor_config.json", "tokenizer.json", "tokenizer_config.json"} <= set(
        names
    )
    for name in names:
        one, two, three = ((tmp_path / folder / name).read_bytes() for folder in ("one", "two", "three"))
        assert two == three, name
        # These two say more of a tokenizer that was loaded than of one built in memory.
        if name not in ("tokenizer_config.json", "special_tokens_map.json"):
            assert one == two, name
    batch = {"images": [make_picture()], "suffix": ["A red </s> <image> shirt."]}
    expected, got = processor(**batch), loaded(**batch)
    assert all(torch.equal(expected[name], got[name]) for name in expected)
    assert (loaded.image_seq_length, loaded.default_prompt) == (7, "What is this?")
    assert loaded.chat_template == processor.chat_template
    assert loaded.tokenizer.padding_side == "left"
    config = json.loads((tmp_path / "one" / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] != "TokenizersBackend" and not isinstance(config.get("extra_special_tokens"), list)


def test_a_saved_processor_brings_its_collator(tmp_path):
    """Copied away, without a model, in a process that knows nothing of this checkout."""
    make_processor().save_pretrained(tmp_path / "saved")
    folder = shutil.copytree(tmp_path / "saved", tmp_path / "copied")
    assert {"processing_moda.py", "collator_moda.py"} <= {path.name for path in folder.iterdir()}
    script = """
import sys
from transformers import AutoProcessor

processor = AutoProcessor.from_pretrained(sys.argv[1], trust_remote_code=True)
ModaDataCollator = sys.modules[type(processor).__module__].ModaDataCollator
assert ModaDataCollator.__module__.startswith("transformers_modules")
rows = [{"image": [], "description": "A shirt.", "prompt": "What?"}] * 2
print(ModaDataCollator(processor, packing=True)(rows)["position_ids"].max().item())
"""
    expected = len(make_processor()(text="What?", suffix="A shirt.")["input_ids"][0]) - 1
    assert int(run_clean(script, folder, modules=tmp_path / "modules")) == expected


def test_decoding_leaves_out_pictures_and_specials(processor):
    batch = processor([make_picture()], suffix=["A red shirt."])
    text = processor.batch_decode(batch["input_ids"], skip_special_tokens=True)
    assert text == [f"{DEFAULT_PROMPT}\nA red shirt."]


def test_arguments_are_understood_or_refused():
    processor = make_processor()
    with pytest.raises(TypeError, match="takes no argument 'sufix'"):
        processor(images=make_picture(0), sufix="A shirt.")
    plain = processor(images=make_picture(0), padding="max_length", max_length=40)
    nested = processor(images=make_picture(0), text_kwargs={"padding": "max_length", "max_length": 40})
    assert torch.equal(plain["input_ids"], nested["input_ids"]) and plain["input_ids"].shape == (1, 40)
    unscaled = processor(images=make_picture(0), do_rescale=False, do_normalize=False)["pixel_values"]
    also = processor(images=make_picture(0), images_kwargs={"do_rescale": False, "do_normalize": False})["pixel_values"]
    assert torch.equal(unscaled, also) and unscaled.max() > 100


def test_rows_without_pictures_have_no_pixels():
    processor = make_processor()
    batch = processor(images=[[], []], suffix=["A shirt.", "A hat."])
    assert "pixel_values" not in batch and batch["labels"].shape[0] == 2
    assert processor(images=[[]], text="Hello")["input_ids"].shape[0] == 1


def test_what_vllm_asks_before_and_after(processor):
    """How many positions pictures take, and what each placeholder became, as its transformers back-end wants it."""
    told = processor._get_num_multimodal_tokens(image_sizes=[(30, 40), (50, 60)])
    assert told["num_image_tokens"] == [processor.image_seq_length] * 2 and told["num_image_patches"] == [1, 1]
    pixels = torch.zeros(3, 3, 32, 32)
    batch = processor(text=["<image><image>a", "<image>b"], pixel_values=pixels, return_text_replacement_offsets=True)
    became = batch.pop("text_replacement_offsets")
    assert [len(row) for row in became] == [2, 1] and became[0][0]["text"] == "<image>"
    for row, ids in zip(became, batch["input_ids"], strict=True):
        written = "".join(part["replacement"] for part in row)
        assert written.count("<image>") == int((ids == processor.image_token_id).sum())
    assert "text_replacement_offsets" not in processor(text=["b"], pixel_values=pixels[:1])
