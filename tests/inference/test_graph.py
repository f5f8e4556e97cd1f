"""Exported graphs say what the model says, under every policy, in batches and alone, and without PyTorch."""

import functools
import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import (
    GENERATING,
    RESNET,
    TINY_CLIP,
    TINY_LLAMA,
    inputs_of,
    largest,
    make_model,
    make_picture,
    make_processor,
)

from generation_moda import generate_sentences
from moda.cli import main
from moda.inference import graph
from moda.inference.graph import export_graph, is_graph, load_graph
from moda.inference.run import identify


for package in ("onnx", "onnxscript", "onnxruntime"):
    pytest.importorskip(package)
logging.getLogger(
    "torch.__trace"
).propagate = False  # torch.export's diary, which pytest would keep: thousands of pages

ONE_LAYER = {**TINY_LLAMA, "num_hidden_layers": 1}
QWEN2 = {**ONE_LAYER, "model_type": "qwen2", "tie_word_embeddings": False}
SHAPES = {  # a CNN's positions, Llama, a head tied to the embeddings; CLIP's pooled embedding, Qwen2, a head of its own
    "image_bidirectional": {"vision_config": RESNET, "text_config": ONE_LAYER},
    "prefix_lm": {
        "vision_config": {**TINY_CLIP, "num_hidden_layers": 1},
        "vision_feature_select_strategy": "pooled",
        "text_config": QWEN2,
    },
}


@pytest.fixture(scope="module")
def traced_once():
    """Tracing takes seconds and does not depend on the kind of the export: each module is traced once."""
    trace, programs = graph._trace, {}

    def traced(module, *args):
        key = type(module), module.model, getattr(module, "own_head", None) is None
        if key not in programs:
            programs[key] = trace(module, *args)
        return programs[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph, "_trace", traced)
        yield


@pytest.fixture(scope="module")
def export(tmp_path_factory, traced_once):
    """Makes a model, its processor, and its graph in a folder; each once, in whatever order tests ask for them."""

    @functools.cache
    def make(policy):
        model = make_model(2, image_attention=policy, **SHAPES[policy])  # a seed under which no two rows say the same
        # The CNN has more positions than CLIP has patches.
        return model, make_processor(model.config.image_seq_length), tmp_path_factory.mktemp("graphs")

    @functools.cache
    def export(policy, kind):
        model, processor, folder = make(policy)
        return model, processor, export_graph(model, processor, folder / kind, kind)

    return export


@pytest.fixture(params=SHAPES)
def exported(request, export):
    return export(request.param, "onnx")


@pytest.fixture(params=[("image_bidirectional", "onnx"), ("prefix_lm", "onnx"), ("image_bidirectional", "openvino")])
def both(request, export):
    """The graph loaded by either engine."""
    if request.param[1] == "openvino":
        pytest.importorskip("openvino")
    model, processor, folder = export(*request.param)
    return model, processor, load_graph(folder, threads=1)


def difference(array, tensor):
    return np.abs(np.asarray(array) - tensor.detach().numpy()).max()


@pytest.mark.parametrize("policy", GENERATING)
@torch.no_grad()
def test_what_is_traced_computes_what_the_model_does(policy):
    """Prompts of four lengths, and one token behind them; policies differ in nothing that an exporter could take amiss."""
    model, processor = make_model(image_attention=policy), make_processor()
    batch = inputs_of(processor)
    images = model.get_image_features(batch["pixel_values"]).pooler_output
    decoder, inputs, _, _ = graph._decoder(model, own_head=policy == "causal")
    outputs = model(**batch, use_cache=True)
    ids, mask = batch["input_ids"], batch["attention_mask"]
    logits, *past = decoder(ids, mask, images, [part[:1, :, :0].expand(4, -1, -1, -1) for part in inputs["past"]])
    assert largest(logits, outputs.logits[:, -1]) < 1e-4 < logits.abs().max()
    ids, mask = torch.full((4, 1), 40), torch.nn.functional.pad(mask, (0, 1), value=1)
    outputs = model(input_ids=ids, attention_mask=mask, past_key_values=outputs.past_key_values, use_cache=True)
    assert largest(decoder(ids, mask, images[:0], past)[0], outputs.logits[:, -1]) < 1e-4


@torch.no_grad()
def test_logits_are_those_of_the_model(both):
    model, processor, graph_model = both
    batch = inputs_of(processor)  # four prompts of four lengths with no, one and two pictures
    ids, mask = batch["input_ids"], batch["attention_mask"]
    outputs = model(**batch, use_cache=True)
    embeds = graph_model.vision.run({"pixel_values": batch["pixel_values"].numpy()})[0]
    past = [np.zeros((4, heads, 0, size), np.float32) for heads, size in graph_model.notes["past"]]
    logits, past = graph_model.step(ids.numpy(), mask.numpy(), embeds, past)
    assert difference(logits, outputs.logits[:, -1]) < 1e-4 and np.abs(logits).max() > 0.5
    for token in (40, 50):
        ids, mask = torch.full((4, 1), token), torch.nn.functional.pad(mask, (0, 1), value=1)
        outputs = model(input_ids=ids, attention_mask=mask, past_key_values=outputs.past_key_values, use_cache=True)
        logits, past = graph_model.step(ids.numpy(), mask.numpy(), embeds[:0], past)
        assert difference(logits, outputs.logits[:, -1]) < 1e-4


def test_sentences_and_confidences_are_those_of_the_model(both):
    model, processor, graph_model = both
    batch = dict(inputs_of(processor))
    arrays = {name: value.numpy() for name, value in batch.items()}
    said, sure = generate_sentences(model, processor, batch, with_confidence=True, max_new_tokens=8)
    sentences, confidences = graph_model.describe(**arrays, max_new_tokens=8)
    assert sentences == said and len(set(said)) > 2
    assert np.allclose(confidences, sure, atol=1e-4)
    pictures = iter(arrays["pixel_values"])
    for row, count in enumerate([2, 0, 1, 2]):
        real = arrays["attention_mask"][row : row + 1] == 1
        own = np.array([next(pictures) for _ in range(count)]).reshape(count, *arrays["pixel_values"].shape[1:])
        alone, sure = graph_model.describe(own, arrays["input_ids"][row : row + 1][real][None], max_new_tokens=8)
        assert alone == [said[row]] and sure[0] == pytest.approx(confidences[row], abs=1e-4)


def test_rows_end_and_tokens_are_suppressed_as_in_generate(both, monkeypatch):
    model, processor, graph_model = both
    batch = dict(inputs_of(processor))
    length = batch["input_ids"].shape[1]
    unwanted = int(model.generate(**batch, do_sample=False, max_new_tokens=1)[1, length])
    options = {"suppress_tokens": [model.config.image_token_id, unwanted]}
    new = model.generate(**batch, do_sample=False, max_new_tokens=8, **options)[:, length:]
    options["eos_token_id"] = [1, int(new[0, 1])]
    said, sure = generate_sentences(model, processor, batch, with_confidence=True, max_new_tokens=8, **options)
    monkeypatch.setitem(graph_model.notes, "eos_token_ids", options["eos_token_id"])
    monkeypatch.setitem(graph_model.notes, "suppress_tokens", options["suppress_tokens"])
    lengths = []
    step = graph_model.step
    monkeypatch.setattr(graph_model, "step", lambda ids, *rest: lengths.append(len(ids)) or step(ids, *rest))
    sentences, confidences = graph_model.describe(**{k: v.numpy() for k, v in batch.items()}, max_new_tokens=8)
    assert sentences == said and np.allclose(confidences, sure, atol=1e-4)
    assert lengths[0] == 4 > min(lengths)  # a row that has ended costs nothing more
    assert unwanted not in new


def test_prompts_are_encoded_as_by_the_processor(exported):
    _, processor, folder = exported
    graph_model = load_graph(folder)
    prompts = [
        processor.default_prompt,
        "What colour is it?",
        "A bag <image> or a shirt",
        "Ends with </s>",
        "So:\n",
        "",
    ]
    batch = processor(images=[[make_picture()] for _ in prompts], text=prompts)
    input_ids, attention_mask = graph_model.encode(prompts)
    assert (input_ids == batch["input_ids"].numpy()).all() and (attention_mask == batch["attention_mask"].numpy()).all()
    with pytest.raises(ValueError, match="1 picture.*need .* <image> ids, and the prompts hold"):
        graph_model.describe(batch["pixel_values"][:1], input_ids[:2], attention_mask[:2])


WITHOUT_TORCH = """
import json, sys
sys.path[:0] = sys.argv[1:3]
from PIL import Image
from graph_model import load_graph

model = load_graph(sys.argv[2], threads=1)
answers = model(model.prepare([Image.open(file) for file in sys.argv[3:]]), max_new_tokens=6)
print(json.dumps([answers, sorted({"torch", "moda"} & set(sys.modules))]))
"""


def test_the_folder_alone_describes_without_torch(export, tmp_path):
    model, processor, folder = export("image_bidirectional", "onnx")
    packages = tmp_path / "packages"  # all that is installed but PyTorch
    packages.mkdir()
    for package in Path(torch.__file__).parents[1].iterdir():
        if package.name.split("-")[0] not in ("torch", "torchgen", "functorch"):
            (packages / package.name).symlink_to(package)
    files = [tmp_path / f"{seed}.png" for seed in range(2)]
    for seed, file in enumerate(files):
        make_picture(seed).save(file)
    command = [sys.executable, "-B", "-I", "-S", "-c", WITHOUT_TORCH, packages, folder, *files]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    answers, loaded = json.loads(done.stdout.splitlines()[-1])
    pixels = processor(images=[[make_picture(0)], [make_picture(1)]])["pixel_values"]
    batch = {"pixel_values": pixels}
    said, sure = generate_sentences(model, processor, batch, with_confidence=True, max_new_tokens=6)
    assert [answer["description"] for answer in answers] == said and loaded == []
    assert np.allclose([answer["confidence"] for answer in answers], sure, atol=1e-4)


def test_moda_describe_runs_a_graph(both, tmp_path, capsys):
    model, processor, graph_model = both
    for seed in range(3):
        make_picture(seed).save(tmp_path / f"{seed}.png")
    pictures = [[make_picture(seed)] for seed in range(3)]
    command = ["describe", str(tmp_path), "--model", str(graph_model.folder), "--max-new-tokens", "5", "--json"]
    asking = ["--prompt", "What colour is it?", "--batch-size", "1", "--workers", "1"]
    for options, text in (([], None), (asking, asking[1])):
        batch = dict(processor(images=pictures, text=text and [text] * 3))
        said, sure = generate_sentences(model, processor, batch, with_confidence=True, max_new_tokens=5)
        assert main([*command, *options]) == 0
        rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert [row["description"] for row in rows] == said
        assert np.allclose([row["confidence"] for row in rows], sure, atol=2e-4)  # rounded to four digits
        assert {row["revision"] for row in rows} == {identify(graph_model.folder)[1]}
    for options in (["--dtype", "bfloat16"], ["--quantize", "int8"]):
        assert main([*command, *options]) == 1
        assert "is an exported graph, of which neither dtype nor quantize" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_int8(export, kind, tmp_path):
    model, processor, folder = export("image_bidirectional", "onnx")  # its head must be parted from the embeddings
    if kind == "openvino":
        pytest.importorskip("nncf")
    small = export_graph(model, processor, tmp_path / kind, kind, int8=True)
    batch = {name: value.numpy() for name, value in inputs_of(processor).items()}
    logits = []
    for place in (folder, small):
        graph_model = load_graph(place, threads=1)
        embeds = graph_model.vision.run({"pixel_values": batch["pixel_values"]})[0]
        past = [np.zeros((4, heads, 0, size), np.float32) for heads, size in graph_model.notes["past"]]
        logits.append(graph_model.step(batch["input_ids"], batch["attention_mask"], embeds, past)[0])
    exact, rounded = logits
    assert 0 < np.abs(exact - rounded).max() < 0.1 * np.abs(exact).max()
    assert identify(folder)[1] != identify(small)[1]  # their weights differ, and nothing else
    assert json.loads((small / "graph.json").read_text())["int8"] is True
    weights = {"onnx": "decoder.onnx.data", "openvino": "decoder.bin"}[kind]
    assert (small / weights).stat().st_size < (folder / "decoder.onnx.data").stat().st_size


def test_a_folder_is_complete_and_names_no_place_of_this_machine(exported):
    _, processor, folder = exported
    names = {file.name for file in folder.iterdir()}
    assert names >= {"graph.json", "graph_model.py", "config.json", "generation_config.json", "tokenizer.json"}
    assert is_graph(folder) and [file.name for file in folder.parent.iterdir() if file.name.startswith(".")] == []
    place = str(Path(graph.__file__).parents[2]).encode()
    assert [file.name for file in folder.iterdir() if place in file.read_bytes()] == []


def test_a_failed_export_leaves_nothing(tmp_path, monkeypatch):
    def fail(*args):
        raise OSError("no space left")

    monkeypatch.setattr(graph, "_write", fail)
    with pytest.raises(OSError, match="no space left"):
        export_graph(make_model(), make_processor(), tmp_path / "graph")
    assert list(tmp_path.iterdir()) == []


def test_what_can_not_be_exported_or_loaded_is_said(tmp_path):
    model, processor = make_model(), make_processor()
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "notes.txt").write_text("mine")
    with pytest.raises(ValueError, match="used is there already and not empty"):
        export_graph(model, processor, tmp_path / "used")
    with pytest.raises(ValueError, match="kind is 'tflite'; choose one of onnx, openvino"):
        export_graph(model, processor, tmp_path / "new", kind="tflite")
    with pytest.raises(ValueError, match="in torch.bfloat16 on cpu; load it with dtype='float32'"):
        export_graph(make_model().bfloat16(), processor, tmp_path / "new")
    with pytest.raises(ValueError, match="image_attention is 'full'"):
        export_graph(make_model(image_attention="full"), processor, tmp_path / "new")
    model.config.weight_format = "int8"
    with pytest.raises(ValueError, match="weights are int8 already; export from the float32 model"):
        export_graph(model, processor, tmp_path / "new")
    model.config.weight_format = None
    model.generation_config.repetition_penalty = 1.3
    with pytest.raises(ValueError, match="generation_config sets repetition_penalty=1.3"):
        export_graph(model, processor, tmp_path / "new")
    with pytest.raises(ValueError, match="used has no graph.json"):
        load_graph(tmp_path / "used")
    assert [file.name for file in tmp_path.iterdir()] == ["used"]
