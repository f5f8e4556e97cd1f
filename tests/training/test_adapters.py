"""Adapters: what they train, what is saved of them, and that loaded and merged ones compute the same."""

import importlib.util
import json

import pytest
import torch
from conftest import TINY_LLAMA, inputs_of, largest, make_model, run_clean
from transformers import Trainer, TrainerCallback, TrainingArguments


peft = pytest.importorskip("peft")

from moda.training.adapters import (  # noqa: E402
    add_adapter,
    check_options,
    load_adapter,
    lora_config,
    merged,
    quantized,
    save_adapter,
)
from moda.training.stage import CHECKPOINTING  # noqa: E402


GPT2 = {"model_type": "gpt2", "vocab_size": 320, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 256}
GPT2 |= {"bos_token_id": 0, "eos_token_id": 1}
WIDE = {**TINY_LLAMA, "hidden_size": 64}  # bitsandbytes rounds 64 weights of a row together
KINDS = {"lora": {}, "dora": {"use_dora": True}, "rslora": {"use_rslora": True}}
needs_bitsandbytes = pytest.mark.skipif(
    importlib.util.find_spec("bitsandbytes") is None, reason="bitsandbytes is not installed"
)


def options_of(kind):
    return {"r": 4, "lora_alpha": 16, **KINDS[kind]}


def adapted_model(base, kind="lora", with_connector=False, **options):
    torch.manual_seed(1)
    return add_adapter(make_model(), {**options_of(kind), **options}, with_connector, base)


def rows_of(processor, count=8):
    batches = [inputs_of(processor, [row % 4], suffix=["A navy shirt."]) for row in range(count)]
    return [dict(batch) for batch in batches]


def train(model, processor, folder, steps, resume=None, stop=None, **settings):
    class StopAt(TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            control.should_training_stop |= state.global_step == stop

    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=1,
        learning_rate=1e-2,
        remove_unused_columns=False,
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
        save_steps=3,
        **{f"{CHECKPOINTING}_kwargs": {"use_reentrant": False}},  # else 4.57 finds nothing to derive below an adapter
        **settings,
    )
    rows = rows_of(processor)
    trainer = Trainer(model, arguments, train_dataset=rows, data_collator=lambda batch: batch[0], callbacks=[StopAt()])
    trainer.train(resume_from_checkpoint=resume)
    return trainer


def logits_of(model, processor):
    model.eval()
    with torch.no_grad():
        return model(**inputs_of(processor)).logits


def base_weights(model):
    """The weights under the adapter, by their names in the base."""
    weights = {}
    for name, value in model.get_base_model().state_dict().items():
        if "lora_" not in name and "modules_to_save" not in name:
            weights[name.replace(".base_layer", "").replace(".original_module", "")] = value
    return weights


@pytest.fixture(scope="module")
def trained(repository, processor, tmp_path_factory):
    """Trains each kind of adapter once, with and without the connector, and saves it."""
    made = {}

    def get(kind, with_connector=False):
        if (kind, with_connector) not in made:
            model = adapted_model(repository, kind, with_connector)
            folder = tmp_path_factory.mktemp(kind)
            train(model, processor, folder / "run", 3, save_strategy="no")
            save_adapter(model, folder / "adapter")
            made[kind, with_connector] = folder / "adapter", logits_of(model, processor), base_weights(model)
        return made[kind, with_connector]

    return get


@pytest.mark.parametrize("text", [None, GPT2])
@pytest.mark.parametrize("with_connector", [False, True])
def test_only_the_adapter_is_trained(repository, text, with_connector):
    model = make_model(**({} if text is None else {"text_config": text}))
    layers = [
        name
        for name, layer in model.model.language_model.named_modules()
        if type(layer).__name__ in ("Linear", "Conv1D")
    ]
    model = add_adapter(model, {"r": 4, "use_dora": True}, with_connector, repository).get_base_model()
    trained = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    expected = {
        f"model.language_model.{layer}.lora_{part}.default.weight"
        for layer in layers
        for part in ("A", "B", "magnitude_vector")
    }
    connector = {name for name in trained if name.startswith("model.connector.modules_to_save.default.")}
    assert bool(connector) == with_connector
    assert len(layers) in (14, 8) and trained - connector == expected


def test_frozen_parts_stay_in_evaluation_mode(repository):
    model = adapted_model(repository, lora_dropout=0.5).train()
    base = model.get_base_model()
    assert not base.model.vision_tower.training and not base.model.connector.training
    assert base.model.language_model.layers[0].self_attn.q_proj.lora_dropout["default"].training
    with_connector = adapted_model(repository, with_connector=True).train().get_base_model()
    assert with_connector.model.connector.modules_to_save["default"].training
    assert not with_connector.model.connector.original_module.training


def test_target_modules_narrow_the_layers_down(repository):
    def hit(target_modules):
        model = adapted_model(repository, target_modules=target_modules)
        return sorted(name for name, module in model.get_base_model().named_modules() if hasattr(module, "lora_A"))

    layers = [f"model.language_model.layers.{number}" for number in (0, 1)]
    assert hit(["q_proj", "mlp.down_proj"]) == sorted(
        f"{layer}.{name}" for layer in layers for name in ("self_attn.q_proj", "mlp.down_proj")
    )
    assert hit(r".*layers\.1\..*_proj|lm_head|.*vision_tower.*") == sorted(
        f"{layers[1]}.{name}"
        for name in (
            *(f"self_attn.{letter}_proj" for letter in "kqvo"),
            *(f"mlp.{name}_proj" for name in ("down", "gate", "up")),
        )
    )
    assert len(hit("all-linear")) == 14


@pytest.mark.parametrize("with_connector", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_saved_loaded_and_merged_compute_the_same(repository, processor, trained, kind, with_connector):
    folder, expected, _ = trained(kind, with_connector)
    untouched = make_model()
    assert largest(expected, logits_of(untouched, processor)) > 0.1
    loaded = load_adapter(folder)
    assert torch.equal(logits_of(loaded, processor), expected)
    plain = merged(loaded)
    assert type(plain) is type(untouched)
    assert largest(logits_of(plain, processor), expected) < 1e-4 * expected.abs().max()
    assert set(plain.state_dict()) == set(untouched.state_dict())
    assert plain.lm_head.weight is plain.get_input_embeddings().weight
    assert plain.config.to_dict() == type(untouched).from_pretrained(repository).config.to_dict()
    connector_moved = any(
        not torch.equal(a, b)
        for a, b in zip(plain.model.connector.parameters(), untouched.model.connector.parameters())
    )
    assert connector_moved == with_connector


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_the_base_are_left_alone(trained, kind):
    _, _, weights = trained(kind, True)
    before = make_model().state_dict()
    assert set(weights) == set(before)
    assert all(torch.equal(weights[name], before[name]) for name in before)


def test_an_adapter_is_saved_alone(repository, trained):
    folder, _, _ = trained("dora", True)
    assert sorted(path.name for path in folder.iterdir()) == ["adapter_config.json", "adapter_model.safetensors"]
    model = make_model()
    rank_weights = sum(
        4 * sum(w.shape) + w.shape[0] for n, w in model.named_parameters() if "_proj" in n and "language" in n
    )
    connector = sum(parameter.numel() for parameter in model.model.connector.parameters())
    size = (folder / "adapter_model.safetensors").stat().st_size
    assert 0 < size - 4 * (rank_weights + connector) < 8000  # the header with the names
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == str(repository)


def test_a_merged_repository_needs_no_peft(processor, trained, tmp_path):
    folder, expected, _ = trained("dora", True)
    merged(folder).save_pretrained(tmp_path / "merged")
    processor.save_pretrained(tmp_path / "merged")
    torch.save(dict(inputs_of(processor)), tmp_path / "inputs.pt")
    run_clean(
        """
import sys
sys.modules["peft"] = None
import torch
from transformers import AutoModel
model = AutoModel.from_pretrained(sys.argv[1] + "/merged", trust_remote_code=True, dtype=torch.float32).eval()
with torch.no_grad():
    torch.save(model(**torch.load(sys.argv[1] + "/inputs.pt")).logits, sys.argv[1] + "/logits.pt")
""",
        tmp_path,
        modules=tmp_path / "modules",
    )
    assert largest(torch.load(tmp_path / "logits.pt"), expected) < 1e-4 * expected.abs().max()
    assert "peft" not in (tmp_path / "merged" / "config.json").read_text()


def test_anyone_loads_an_adapter_over_remote_code(processor, trained, tmp_path):
    folder, expected, _ = trained("dora", True)
    torch.save(dict(inputs_of(processor)), tmp_path / "inputs.pt")
    run_clean(
        """
import sys
import torch
from peft import AutoPeftModelForCausalLM, PeftConfig, PeftModel
from transformers import AutoModelForImageTextToText
here, folder = sys.argv[1:]
base = PeftConfig.from_pretrained(folder).base_model_name_or_path
base = AutoModelForImageTextToText.from_pretrained(base, trust_remote_code=True, dtype=torch.float32)
for name, model in {
    "over": PeftModel.from_pretrained(base, folder),
    "auto": AutoPeftModelForCausalLM.from_pretrained(folder, trust_remote_code=True, dtype=torch.float32),
}.items():
    with torch.no_grad():
        torch.save(model.eval()(**torch.load(here + "/inputs.pt")).logits, here + f"/{name}.pt")
""",
        tmp_path,
        folder,
        modules=tmp_path / "modules",
    )
    assert torch.equal(torch.load(tmp_path / "over.pt"), expected)
    assert torch.equal(torch.load(tmp_path / "auto.pt"), expected)


def test_generation_goes_through_the_adapter(processor, trained):
    folder, _, _ = trained("lora", True)
    inputs = {**inputs_of(processor), "max_new_tokens": 8, "do_sample": False}
    loaded = load_adapter(folder)
    through = loaded.generate(**inputs)
    assert torch.equal(through, merged(loaded).generate(**inputs))
    assert not torch.equal(through, make_model().generate(**inputs))


def test_two_adapters_on_one_base_are_switched(processor, trained):
    (first, as_first, _), (second, as_second, _) = trained("lora", True), trained("dora")
    model = load_adapter(first)
    model.load_adapter(str(second), adapter_name="second")
    assert torch.equal(logits_of(model, processor), as_first)
    model.set_adapter("second")
    assert torch.equal(logits_of(model, processor), as_second)
    with model.disable_adapter():
        assert torch.equal(logits_of(model, processor), logits_of(make_model(), processor))
    model.set_adapter("default")
    assert torch.equal(logits_of(model, processor), as_first)
    assert largest(as_first, as_second) > 0.05


@pytest.mark.parametrize("checkpointing", [False, True])
def test_a_resumed_training_ends_in_the_same_weights(repository, processor, tmp_path, checkpointing):
    def fresh():
        return adapted_model(repository, "dora", True, lora_dropout=0.1)

    def end(model):
        return {name: value for name, value in model.named_parameters() if value.requires_grad}

    whole = fresh()
    train(whole, processor, tmp_path / "whole", 6, save_strategy="no", **{CHECKPOINTING: checkpointing})
    train(fresh(), processor, tmp_path / "cut", 6, stop=3, **{CHECKPOINTING: checkpointing})
    checkpoint = tmp_path / "cut" / "checkpoint-3"
    assert not list(checkpoint.glob("model*.safetensors"))
    resumed = fresh()
    settings = {"resume": str(checkpoint), CHECKPOINTING: checkpointing}
    train(resumed, processor, tmp_path / "cut", 6, **settings)
    before, after = end(whole), end(resumed)
    assert before.keys() == after.keys() == end(fresh()).keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert not any(torch.equal(value, after[name]) for name, value in end(fresh()).items())


@pytest.mark.parametrize(
    "options, sentence",
    [
        ({"rank": 8}, "lora has no key 'rank'; choose from"),
        ({"lora_dropuot": 0.1}, "did you mean 'lora_dropout'?"),
        ({"bias": "all"}, "lora has no key 'bias'"),
        ({"r": 0}, "lora.r is 0"),
        ({"lora_alpha": "many"}, "lora.lora_alpha is 'many'"),
        ({"lora_dropout": 1.5}, "lora.lora_dropout is 1.5"),
        ({"use_dora": "yes please"}, "lora.use_dora is 'yes please'"),
        ({"init_lora_weights": "pissa"}, "rewrite the weights below it"),
        ({"quantize": "int3"}, "lora.quantize is 'int3'; choose from nf4, fp4"),
        ({"target_modules": ["q_prj"]}, "names 'q_prj', which the language model has not; did you mean 'q_proj'?"),
        ({"target_modules": "q_proj"}, "matches no linear layer of the language model"),
        ({"target_modules": "(q_proj"}, "is no regular expression"),
        ({"rank_pattern": 3}, "peft can't build an adapter"),
    ],
)
def test_bad_options_are_refused_in_a_sentence(repository, options, sentence):
    with pytest.raises(ValueError) as error:
        adapted_model(repository, **options)
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_options_are_checked_without_a_model():
    check_options({"r": 16, "lora_alpha": 32, "use_dora": True, "quantize": "nf4"})
    with pytest.raises(ValueError, match="did you mean 'use_dora'"):
        check_options({"use_doar": True})


def test_a_base_that_moved_is_told(trained, tmp_path):
    folder, _, _ = trained("lora")
    with pytest.raises(ValueError, match=r"belongs to '.*gone', which can't be loaded; pass base="):
        load_adapter(folder, tmp_path / "gone")


def test_the_config_names_the_language_model_alone():
    config = lora_config(make_model(), {"r": 2, "quantize": "nf4"}, False)
    assert config.target_modules.startswith(r"model\.language_model\.") and config.modules_to_save is None


def test_without_bitsandbytes_a_sentence_says_so(repository, monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "bitsandbytes" else find_spec(name, *a)
    )
    with pytest.raises(ValueError, match="pip install bitsandbytes, or leave quantize out"):
        quantized(repository, {"quantize": "nf4"})


@needs_bitsandbytes
def test_an_evaluation_leaves_gradients_over_four_bits_as_they_were(processor, tmp_path):
    make_model(text_config=WIDE).save_pretrained(tmp_path)
    options = {"r": 4, "quantize": "nf4", "init_lora_weights": False}
    model = add_adapter(quantized(tmp_path, options), options, True, tmp_path)

    def gradients():
        model.train().zero_grad()
        model(**rows_of(processor, 1)[0]).loss.backward()
        return [parameter.grad.clone() for parameter in model.parameters() if parameter.requires_grad]

    before = gradients()
    logits_of(model, processor)
    assert all(torch.equal(a, b) for a, b in zip(before, gradients()))


@needs_bitsandbytes
@pytest.mark.parametrize("kind", ["lora", "dora"])
def test_four_bits_are_trained_over_and_merged_into_full_weights(processor, tmp_path, kind):
    options = {**options_of(kind), "quantize": "nf4"}
    plain = make_model(text_config=WIDE)
    plain.save_pretrained(tmp_path / "wide")
    model = quantized(tmp_path / "wide", options)
    in_four_bits = {name for name, module in model.named_modules() if type(module).__name__ == "Linear4bit"}
    assert len(in_four_bits) == 14 and all(name.startswith("model.language_model.") for name in in_four_bits)
    rounding = largest(logits_of(model, processor), logits_of(plain, processor))
    assert rounding > 0
    torch.manual_seed(1)
    model = add_adapter(model, options, True, tmp_path / "wide")
    losses = train(model, processor, tmp_path, 24, save_strategy="no", logging_steps=8).state.log_history
    assert losses[2]["loss"] < losses[0]["loss"]
    save_adapter(model, tmp_path / "adapter")
    model.config.image_attention = "causal"  # as a stage would
    whole = merged(model)
    assert whole.config.image_attention == "causal"
    whole.config.image_attention = plain.config.image_attention
    assert set(whole.state_dict()) == set(plain.state_dict())
    assert not hasattr(whole.config, "quantization_config")
    assert torch.equal(logits_of(whole, processor), logits_of(merged(tmp_path / "adapter"), processor))
    for name, value in whole.model.vision_tower.state_dict().items():
        assert torch.equal(value, plain.model.vision_tower.state_dict()[name])
