import hashlib
import json
import shutil
from dataclasses import replace

import huggingface_hub
import pytest
import torch
import transformers
from endpoints import ask
from tiny_models import load, look, phi4_config, phi4_tokenizer, plain, save_tiny_phi3, save_tiny_phi4
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel
from transformers.utils import is_torchvision_available

from moda.annotation.local import LocalModel, load_local
from moda.annotation.weights import digest_of, licences_of, read_licence


QUESTIONS = [
    "What colour is it?",
    "Hi",
    "A pair of red sports shoes for women, made for sports: what for?",
    "And this?",
]


@pytest.fixture(scope="module")
def phi3(tmp_path_factory):
    return save_tiny_phi3(tmp_path_factory.mktemp("models") / "tiny-phi3")


@pytest.fixture
def phi4(tmp_path, monkeypatch):
    return save_tiny_phi4(tmp_path / "tiny-phi4", monkeypatch)


def test_an_answer_does_not_depend_on_its_batch(phi3, tmp_path):
    requests = [ask("Hi"), ask("Hi", max_tokens=3), *map(ask, QUESTIONS)]
    alone = load(phi3, max_new_tokens=12, batch_size=1, cache=tmp_path / "1")
    together = load(phi3, max_new_tokens=12, batch_size=4, cache=tmp_path / "4")
    one, many = list(alone.ask_all(requests)), list(together.ask_all(iter(requests)))
    assert [answer.text for answer in one] == [answer.text for answer in many] and len({*many}) > 4
    assert [answer.tokens_in for answer in one] == [answer.tokens_in for answer in many]
    assert many[3] == replace(many[0], cached=True) and (many[0].tokens_out, many[1].tokens_out) == (12, 3)
    assert together.counts["asked"] == alone.counts["asked"] == 5 and together.counts["cached"] == 1
    assert together.problem is None
    twice = load(phi3, max_new_tokens=12, cache=tmp_path / "twice")
    first, second, _ = twice.ask_all([ask("Hi"), ask("Hi"), ask("Who?")])
    assert first.text == second.text == many[0].text and (first.cached, second.cached) == (False, True)
    assert twice.counts["asked"] == 2 and len((tmp_path / "twice" / "tiny-phi3.jsonl").read_text().splitlines()) == 2


def test_what_was_answered_is_never_asked_again(phi3, tmp_path):
    requests = [ask(f"What goes with {number} shoes?") for number in range(7)]
    first = load(phi3, max_new_tokens=4, batch_size=2, cache=tmp_path)
    killed = first.ask_all(requests)
    begun = [next(killed), next(killed), next(killed)]  # in the middle of the second batch
    killed.close()
    assert first.counts["asked"] == 4
    second = load(phi3, max_new_tokens=4, batch_size=3, cache=tmp_path)
    answers = list(second.ask_all(requests))
    assert [answer.text for answer in answers[:3]] == [answer.text for answer in begun]
    assert (second.counts["asked"], second.counts["cached"]) == (3, 4)
    assert second.known(requests[6]).text == answers[6].text and second.known(ask("Who?")) is None
    third = load(phi3, max_new_tokens=4, cache=tmp_path)
    assert [answer.text for answer in third.ask_all(requests)] == [answer.text for answer in answers]
    assert third.counts["asked"] == 0 and third.counts["cached"] == 7


def test_weights_are_loaded_for_the_first_new_question(phi4, tmp_path, monkeypatch):
    loaded, load_adapter = [], PreTrainedModel.load_adapter
    monkeypatch.setattr(
        PreTrainedModel, "load_adapter", lambda *given, **more: loaded.append(1) or load_adapter(*given, **more)
    )
    requests, options = [look("What is it?", "red"), ask("Hi")], {"max_new_tokens": 3, "cache": tmp_path / "answers"}
    local = load_local(str(phi4), adapter="vision-lora", **options)
    assert local.identity["revision"] == digest_of(phi4, phi4 / "vision-lora")
    assert local.known(requests[0]) is None and len(local.key(requests[0])) == 64
    broken = list(local.ask_all([look("What is it?", plain("red")[:60])]))
    assert broken[0].error and not loaded
    first = list(local.ask_all(requests))
    assert loaded == [1] and local.chat.model.active_adapters() == ["annotator"]
    again = load_local(str(phi4), adapter="vision-lora", **options)
    assert [answer.text for answer in again.ask_all(requests)] == [answer.text for answer in first]
    assert loaded == [1] and again.counts["cached"] == 2 and "model" not in vars(again.chat)


def test_weights_that_can_not_be_loaded_end_it_in_one_sentence(phi3, tmp_path):
    folder = shutil.copytree(phi3, tmp_path / "broken")
    local = load_local(str(folder), cache=tmp_path)
    (folder / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(ValueError, match="broken can't annotate here .*give a folder or an id"):
        list(local.ask_all([ask("Hi")]))
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="broken can't annotate here .there are no safetensors in it"):
        load_local(str(folder), cache=tmp_path)


def test_an_adapter_needs_its_package(phi4, tmp_path, monkeypatch):
    monkeypatch.setattr("moda.annotation.local.is_peft_available", lambda: False)
    with pytest.raises(ValueError, match="its adapter needs peft.; pip install peft"):
        load_local(str(phi4), adapter="vision-lora", cache=tmp_path)


def test_an_adapter_by_itself(phi4, tmp_path):
    (tmp_path / "other").mkdir()
    apart = shutil.move(phi4 / "vision-lora", tmp_path / "other" / "lora")
    local = load(phi4, adapter=str(apart), max_new_tokens=3, cache=tmp_path / "1")
    plain_one = load(phi4, max_new_tokens=3, cache=tmp_path / "2")
    said, before = (next(model.ask_all([look("What is it?", "red")])).text for model in (local, plain_one))
    assert said != before and local.identity["adapter"] == "lora"
    assert local.identity["revision"] == digest_of(phi4, apart) != plain_one.identity["revision"]
    assert str(tmp_path) not in json.dumps(local.identity)


@pytest.fixture
def hub(phi3, phi4, tmp_path, monkeypatch):
    """A Hub cache with a model of two revisions and an adapter, as they are once they were fetched."""
    for constants in (huggingface_hub.constants, transformers.utils.hub.constants):
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(transformers.utils.hub, "TRANSFORMERS_CACHE", str(tmp_path / "hub"), raising=False)  # of 4.57
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    files = {"models--shop--phi": {"main": phi3, "v2": phi3}, "models--shop--lora": {"main": phi4 / "vision-lora"}}
    commits = {}
    for repository, revisions in files.items():
        for revision, folder in revisions.items():
            commit = hashlib.sha1(f"{repository} {revision}".encode()).hexdigest()
            commits[repository.rpartition("-")[2], revision] = commit
            snapshot = shutil.copytree(folder, tmp_path / "hub" / repository / "snapshots" / commit)
            (snapshot / "README.md").write_text(
                f"---\nlicense: {'MIT' if revision == 'main' else 'cc-by-nc-4.0'}\n---\n"
            )
            (tmp_path / "hub" / repository / "refs").mkdir(exist_ok=True)
            (tmp_path / "hub" / repository / "refs" / revision).write_text(commit)
    return commits


def test_a_model_of_the_hub_is_known_by_its_commit(hub, tmp_path):
    options = {"cache": tmp_path / "answers", "max_new_tokens": 3}
    main, second = load_local("shop/phi", **options), load_local("shop/phi", revision="v2", **options)
    assert (main.identity["revision"], second.identity["revision"]) == (hub["phi", "main"], hub["phi", "v2"])
    assert main.identity["model"] == "shop/phi" and (tmp_path / "answers" / "shop-phi.jsonl").is_file()
    [answer] = second.ask_all([ask("Hi")])
    assert answer.tokens_out and not answer.error
    adapted = load_local("shop/phi", adapter="shop/lora", **options)
    assert adapted.identity["revision"] == f"{hub['phi', 'main']}+{hub['lora', 'main']}"
    assert adapted.identity["adapter"] == "lora"


def test_the_licence_is_that_of_the_revision_and_of_the_adapter(hub, phi4):
    assert licences_of("shop/phi") == {"shop/phi": "mit"}
    assert licences_of("shop/phi", revision="v2") == {"shop/phi": "cc-by-nc-4.0"}
    assert licences_of("shop/phi", "shop/lora", "v2") == {"shop/phi": "cc-by-nc-4.0", "shop/lora": "mit"}
    assert licences_of("shop/phi", "shop/none") == {"shop/phi": "mit", "shop/none": None}
    (phi4 / "README.md").write_text("---\nlicense: [MIT, GPL-3.0]\n---\n")
    assert licences_of(str(phi4), "vision-lora") == {str(phi4): "mit, gpl-3.0"}


def test_a_key_tells_weights_and_settings_apart(phi3, tmp_path):
    other = save_tiny_phi3(tmp_path / "elsewhere" / phi3.name, seed=1)
    same = save_tiny_phi3(tmp_path / "again" / phi3.name)
    keys = [
        load(folder, cache=tmp_path, **options).key(ask("Hi"))
        for folder, options in [(phi3, {}), (same, {"batch_size": 1}), (other, {}), (phi3, {"max_new_tokens": 5})]
    ]
    assert keys[0] == keys[1] and len({*keys}) == 3
    identity = load_local(f"{phi3}/", cache=tmp_path).identity
    assert identity == {
        "kind": "local",
        "model": "tiny-phi3",
        "revision": digest_of(phi3),
        "adapter": None,
        "parameters": {"max_new_tokens": 300, "do_sample": False},
    }
    assert str(phi3.parent) not in json.dumps(identity) + (tmp_path / "tiny-phi3.jsonl").read_text()


def test_a_request_that_can_not_be_asked_stops_no_other(phi3, tmp_path):
    model = load(phi3, max_new_tokens=8, batch_size=4, cache=tmp_path)
    requests = [
        ask("Hi"),
        ask("A red shoe. " * 60),
        look("What is it?", "red"),
        ask("And this?"),
        ask("Hi", temperature=0.7),
    ]
    answers = list(model.ask_all(requests))
    assert [bool(answer.error) for answer in answers] == [False, True, True, False, True]
    assert "more than the 256 of tiny-phi3" in answers[1].error and "takes no pictures" in answers[2].error
    assert "without temperature" in answers[4].error and "3 of 5" in model.problem and "greedily" in model.problem
    assert (model.counts["asked"], model.counts["failed"]) == (2, 3)
    assert [model.known(request) is None for request in requests] == [False, True, True, False, True]
    [alone] = load(phi3, max_new_tokens=8, cache=tmp_path / "alone").ask_all([ask("And this?")])
    assert answers[3].text == alone.text


def test_a_batch_too_large_for_memory_is_halved(phi3, tmp_path, capsys):
    def need_too_much(module, inputs, named):
        if len(named["input_ids"]) > 2:
            torch.empty(10**15)  # more than any machine has

    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(phi3, dtype=torch.float32),
        AutoTokenizer.from_pretrained(phi3),
    )
    model.register_forward_pre_hook(need_too_much, with_kwargs=True)
    scarce = LocalModel(lambda: model, tokenizer, "phi", "1", batch_size=8, max_new_tokens=4, cache=tmp_path)
    requests = [ask(f"{number} shoes") for number in range(11)]
    answers = list(scarce.ask_all(requests))
    plain = load(phi3, max_new_tokens=4, cache=tmp_path)
    assert [answer.text for answer in answers] == [answer.text for answer in plain.ask_all(requests)]
    assert scarce.batch_size == 2 and scarce.counts["asked"] == 11 and scarce.problem is None
    assert [note.split(";")[0] for note in scarce.notes] == [
        "Memory ran out at 8 requests at once",
        "Memory ran out at 4 requests at once",
    ]
    assert scarce.notes[0] in capsys.readouterr().out


def test_a_broken_picture_stops_no_other(phi4, tmp_path):
    model = load(phi4, adapter="vision-lora", max_new_tokens=3, cache=tmp_path)
    far = {"type": "image_url", "image_url": {"url": "http://localhost/a.png"}}
    requests = [
        look("What is it?", "red"),
        look("What is it?", plain("red")[:60]),
        {"messages": [{"role": "user", "content": [far]}]},
        look("What is it?", plain("red", size=(500, 1))),
        look("What is it?", "blue"),
    ]
    answers = list(model.ask_all(requests))
    assert [bool(answer.error) for answer in answers] == [False, True, True, True, False]
    assert "aspect ratio is very extreme" in answers[3].error and model.counts["asked"] == 2
    assert "the picture can't be read" in answers[1].error and "data:image" in answers[2].error


@pytest.mark.skipif(is_torchvision_available(), reason="torchvision is there")
def test_phi4_without_torchvision_says_the_way_out(tmp_path):
    tokenizer = phi4_tokenizer()
    tokenizer.save_pretrained(tmp_path)
    phi4_config(tokenizer).save_pretrained(tmp_path)
    (tmp_path / "processor_config.json").write_text('{"processor_class": "Phi4MultimodalProcessor"}')
    kinds = {
        "image_processor_type": "Phi4MultimodalImageProcessorFast",
        "feature_extractor_type": "Phi4MultimodalFeatureExtractor",
    }
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(kinds))
    with pytest.raises(ValueError) as caught:
        load_local(str(tmp_path))
    assert str(caught.value) == (
        f"{tmp_path} can't annotate here (its processor needs torchvision); pip install torchvision, ask it behind an "
        "endpoint, or give another model."
    )


def test_what_can_not_be_asked_is_refused_in_one_sentence(phi3, tmp_path):
    silent = tmp_path / "silent"
    AutoModelForCausalLM.from_pretrained(phi3).save_pretrained(silent)
    tokenizer = AutoTokenizer.from_pretrained(phi3)
    tokenizer.chat_template = None
    tokenizer.save_pretrained(silent)
    with pytest.raises(ValueError, match="silent has no chat template; give a model that chats"):
        load_local(str(silent), cache=tmp_path)
    with pytest.raises(ValueError, match=r"no adapter_config.json in vision-lora"):
        load_local(str(phi3), adapter="vision-lora", cache=tmp_path)
    with pytest.raises(ValueError, match=r"nowhere can't annotate here .*give a folder or an id"):
        load_local(str(tmp_path / "nowhere"), cache=tmp_path)
    AutoConfig.for_model("resnet").save_pretrained(tmp_path / "resnet")
    tokenizer.save_pretrained(tmp_path / "resnet")
    with pytest.raises(ValueError, match="a model of type 'resnet' writes no answers"):
        load_local(str(tmp_path / "resnet"), cache=tmp_path)
    with pytest.raises(ValueError, match="batch_size is 0"):
        load_local(str(phi3), batch_size=0, cache=tmp_path)


@pytest.mark.parametrize("card, licence", [("---\nlicense: mit\n---\n# Phi", "mit"), ("# No front matter", None)])
def test_the_licence_is_read_from_the_card(tmp_path, card, licence):
    (tmp_path / "README.md").write_text(card)
    assert read_licence(str(tmp_path)) == licence


def test_a_licence_that_can_not_be_read_is_none(tmp_path):
    assert read_licence(str(tmp_path)) is None and read_licence("nobody/no-such-model") is None
    (tmp_path / "README.md").write_text("---\nlicense: [: broken\n---\n")
    assert read_licence(str(tmp_path)) is None
