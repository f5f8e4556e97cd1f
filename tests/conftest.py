"""Small models, tokenizers and checkpoints that the tests build themselves: nothing is downloaded."""

import os
import tempfile


os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ["MODA_CACHE"] = tempfile.mkdtemp(prefix="moda-test-cache-")  # the user's own is none of the tests' business
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import sys
from pathlib import Path

import pytest
import torch


ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the Hub files, from the repository root
torch.set_num_threads(1)  # the models are tiny: threads would only wait for each other

SENTENCES = [
    "A navy blue casual shirt for men.",
    "A pair of red sports shoes for women, made for sports.",
    "Describe the product.",
    "What colour is it?",
    "An olive dress for girls, for a party.",
    "A black leather handbag for women.",
]
TINY_CLIP = {
    "model_type": "clip_vision_model",
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "image_size": 32,
    "patch_size": 16,
    "projection_dim": 24,
}
RESNET = {
    "model_type": "resnet",
    "embedding_size": 8,
    "hidden_sizes": [8, 16],
    "depths": [1, 1],
    "layer_type": "basic",
    "image_size": 32,
}
TINY_LLAMA = {
    "model_type": "llama",
    "vocab_size": 320,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "tie_word_embeddings": True,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}


@pytest.fixture(autouse=True)
def own_precision(monkeypatch):
    """TrainingArguments of transformers 4 leave their precision in the environment, for every later Trainer."""
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "no")


def make_tokenizer(eos_token="</s>"):
    """A byte-level BPE tokenizer with `<image>`, trained on a handful of sentences."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<s>", eos_token, "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<s>", eos_token=eos_token, pad_token="<pad>", model_max_length=256
    )


def make_config(**changes):
    from configuration_moda import ModaConfig

    fields = {
        "vision_config": dict(TINY_CLIP),
        "text_config": dict(TINY_LLAMA),
        "vision_feature_select_strategy": "default",
        "image_token_id": len(make_tokenizer()),
    }
    return ModaConfig(**{**fields, **changes})


def make_model(seed=0, **changes):
    """A MODA of a few thousand weights, all drawn wide: with the usual 0.02 every output would look alike."""
    from modeling_moda import ModaForConditionalGeneration

    torch.manual_seed(seed)
    model = ModaForConditionalGeneration(make_config(**changes)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.2)
    model.generation_config.suppress_tokens = [model.config.image_token_id]
    return model


def make_processor(image_seq_length=4, size=32, **kwargs):
    from transformers import CLIPImageProcessor

    from processing_moda import ModaProcessor

    image_processor = CLIPImageProcessor(size={"height": size, "width": size}, do_center_crop=False)
    return ModaProcessor(image_processor, make_tokenizer(), image_seq_length=image_seq_length, **kwargs)


def make_picture(seed=0, size=(40, 30), mode="RGB"):
    from PIL import Image

    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (size[1], size[0], 3), generator=generator, dtype=torch.uint8)
    return Image.fromarray(pixels.numpy()).convert(mode)


def make_png(seed=0, **kwargs):
    """The encoded file of `make_picture`."""
    import io

    buffer = io.BytesIO()
    make_picture(seed, **kwargs).save(buffer, "PNG")
    return buffer.getvalue()


BLOCK = """
import sys


class NoCheckout:  # an installed or neighbouring checkout must not stand in for a file that the repository lacks
    def find_spec(self, name, path=None, target=None):
        if path is None and name.endswith("_moda"):
            raise ModuleNotFoundError(name)


sys.meta_path.insert(0, NoCheckout())
"""


def run_clean(script, *arguments, python=sys.executable, cwd="/", modules=None):
    """Runs a script in a process that knows nothing of this repository, as a user's would; returns what it printed."""
    import subprocess

    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false", OMP_NUM_THREADS="1")
    if modules is not None:
        environment["HF_MODULES_CACHE"] = str(modules)
    command = [str(python), "-I", "-c", BLOCK + script] if "\n" in str(script) else [str(python), script]
    done = subprocess.run(
        [*command, *map(str, arguments)],
        env=environment,
        cwd=cwd,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="session")
def serve():
    """Serves a folder on 127.0.0.1: `serve(folder)` returns the address of its root."""
    import functools
    import http.server
    import threading

    class Silent(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    servers = []

    def start(folder):
        handler = functools.partial(Silent, directory=str(folder))
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture(scope="session")
def repository(tmp_path_factory):
    """A saved MODA repository: weights, configs, processor and the Hub files."""
    folder = tmp_path_factory.mktemp("repository") / "moda-tiny"
    make_model().save_pretrained(folder)
    make_processor().save_pretrained(folder)
    return folder


# What the tests of the model and of its generation share.
GENERATING = ["causal", "image_bidirectional", "image_lookahead", "prefix_lm"]


TEXTS = [
    "<image><image>What colour is it?",
    "Hi",
    "A pair of <image> red sports shoes",
    "<image>shirt<image> and a bag",
]


PICTURES = [[0, 1], [], [2], [3, 4]]  # seeds, row by row: neighbours, none, one in the middle, two apart


@pytest.fixture(scope="module")
def processor():
    return make_processor()


@pytest.fixture(scope="module")
def model():
    """The default policy; tests that change it take a copy."""
    return make_model()


def inputs_of(processor, rows=range(4), **kwargs):
    rows = list(rows)
    images = [[make_picture(seed) for seed in PICTURES[row]] for row in rows]
    images = {} if not any(images) else {"images": images}
    return processor(text=[TEXTS[row] for row in rows], **images, **kwargs)


def largest(a, b):
    return (a.float() - b.float()).abs().max().item()


# moda-mini, smaller yet.
TINY = {
    "preset": "moda-mini",
    "vision_config": {"image_size": [32, 32], "embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
    "text_config": {
        "hidden_size": 64,
        "intermediate_size": 64,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "num_key_value_heads": 2,
    },
}


@pytest.fixture(scope="session")
def squares(tmp_path_factory):
    """Plain red, green and blue squares: three products that anything can learn."""
    import io

    from datasets import Dataset, Image
    from PIL import Image as Picture

    table = {"image": [], "articleType": [], "baseColour": [], "gender": [], "usage": [], "split": []}
    for index in range(96):
        colour, kind = ("Red", "Green", "Blue")[index % 3], ("Shirts", "Socks")[index // 3 % 2]
        buffer = io.BytesIO()
        # Shirts fill the picture, socks only its lower half.
        picture = Picture.new("RGB", (32, 32), "white")
        picture.paste(colour.lower(), (0, 0 if kind == "Shirts" else 16, 32, 32))
        picture.save(buffer, "PNG")
        row = (
            {"bytes": buffer.getvalue(), "path": None},
            kind,
            colour,
            "Men",
            "Casual",
            "validation" if index < 12 else "train",
        )
        for name, value in zip(table, row):
            table[name].append(value)
    table["image"][50] = {"bytes": make_png()[:200], "path": None}  # a corrupt one in the middle
    file = tmp_path_factory.mktemp("squares") / "products.parquet"
    Dataset.from_dict(table).cast_column("image", Image()).to_parquet(file)
    return file
