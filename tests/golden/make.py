"""Writes the golden repository of the transformers that is installed, for `test_golden.py`: `python tests/golden/make.py`.

`4.57/` and `5.23/` are model repositories with random weights as MODA saved them on these versions of transformers, and the
`.safetensors` what they answered then; `hub_files.zip` holds the code that was saved with them. They stand for the repositories
that people have published: a change after which one of them loads no longer, or answers otherwise, breaks theirs as well, and is
to be undone or to learn to read what was saved before it. Only a change that is meant to part with old repositories writes these
files anew, with each version; it says so to their owners, too.
"""

import json
import shutil
import sys
import zipfile
from pathlib import Path

import torch
import transformers
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file


HERE = Path(__file__).resolve().parent
QUESTIONS = ["Describe the product.", "What colour is it?"]
ANSWERS = ["Red.", "Blue."]
SMALL = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def answer(model, processor, pictures):
    """Everything that must stay: what the processor makes of pictures (uint8) and texts, logits, sentences."""
    pictures = [Image.fromarray(picture.numpy()) for picture in pictures]
    batch = processor(images=pictures, text=QUESTIONS, suffix=ANSWERS)
    with torch.no_grad():
        logits = model(**batch).logits
    sequences = model.generate(**processor(images=pictures, text=QUESTIONS), max_new_tokens=8, do_sample=False)
    return {**batch, "logits": logits, "sequences": sequences}, processor.batch_decode(
        sequences, skip_special_tokens=True
    )


def write(file, tensors, sentences):
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    save_file(tensors, file, metadata={"sentences": json.dumps(sentences)})


def read(file):
    with safe_open(file, "pt") as kept:
        return {name: kept.get_tensor(name) for name in kept.keys()}, json.loads(kept.metadata()["sentences"])


def main():
    sys.path[:0] = [str(HERE.parent), str(HERE.parents[1])]
    from conftest import TINY_CLIP, TINY_LLAMA, make_model, make_processor

    folder = HERE / ".".join(transformers.__version__.split(".")[:2])
    shutil.rmtree(folder, ignore_errors=True)
    # A theta that is not the default: each version writes it in its own way.
    text = {**TINY_LLAMA, **SMALL, "num_key_value_heads": 1, "rope_theta": 100000.0}
    model = make_model(vision_config={**TINY_CLIP, **SMALL, "image_size": 16, "patch_size": 8}, text_config=text)
    processor = make_processor(size=16)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    with zipfile.ZipFile(HERE / "hub_files.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(folder.glob("*.py")):
            archive.writestr(zipfile.ZipInfo(file.name), file.read_bytes(), zipfile.ZIP_DEFLATED)  # without a date
            file.unlink()
    # As large as the encoder takes them: how Pillow resamples differs between its versions, 12 and 13 among them.
    pictures = torch.randint(0, 256, (2, 16, 16, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    tensors, sentences = answer(model, processor, pictures)
    write(folder.with_name(f"{folder.name}.safetensors"), {**tensors, "pictures": pictures}, sentences)


if __name__ == "__main__":
    main()
