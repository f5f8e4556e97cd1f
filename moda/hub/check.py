"""Loads a repository as a stranger would: in a process of its own, offline, by every Auto class and both pipelines.

[`check`] starts that process, which runs this very file and knows nothing of the installed moda.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path


CLASSES = ("AutoConfig", "AutoTokenizer", "AutoImageProcessor", "AutoProcessor")
MODELS = ("AutoModel", "AutoModelForImageTextToText")
PIPELINES = ("image-to-text", "image-text-to-text")
STEPS = (*CLASSES, *MODELS, *PIPELINES)
MOST_TOKENS = 48
# What the environment may say that a stranger's would not: tokens, keys, and where this user's cache and settings are.
PRIVATE = re.compile("^HF_|^HUGGING|^TRANSFORMERS_|TOKEN|KEY|SECRET|PASSWORD", re.IGNORECASE)


def check(folder, say=lambda step: None):
    """Checks that a repository loads on the installed transformers, and that it describes pictures.

    Args:
        folder (`str` or `os.PathLike`): The repository. Described are the pictures in its `samples`, or a plain one.
        say (`Callable`, *optional*): Told each of `STEPS` as it begins.

    Returns:
        `dict[str, str]`: Of each picture, by name, the sentence; both pipelines say the same of the first.

    Raises:
        `ValueError`: If a class or a pipeline fails, naming it and what it said last.
    """
    folder, step, last = Path(folder).resolve(), "Python", b""
    with tempfile.TemporaryDirectory(prefix="moda-check-") as home, tempfile.TemporaryFile() as complaints:
        # A home of its own: no token, no settings, and no code that another repository left.
        environment = {name: value for name, value in os.environ.items() if not PRIVATE.search(name)}
        environment |= {"HF_HOME": home, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
        environment.setdefault(
            "OMP_WAIT_POLICY", "PASSIVE"
        )  # beside other programs, threads that spin cost several times over
        command = [sys.executable, "-P", str(Path(__file__).resolve()), str(folder)]
        piped = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": complaints}
        with subprocess.Popen(command, env=environment, cwd=home, **piped) as process:
            for last in process.stdout:
                if last.startswith(b"step "):
                    step = last[5:].decode().strip()
                    say(step)
        if process.returncode:
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip().splitlines() or [f"status {process.returncode}"]
            raise ValueError(
                f"{folder} is no working repository: on transformers {version('transformers')} {step} fails "
                f"({said[-1].strip()}); nothing was uploaded."
            )
    return json.loads(last)


class NoCheckout:
    """Keeps an installed or neighbouring moda from standing in for a file that the repository lacks."""

    def find_spec(self, name, path=None, target=None):
        if path is None and (name.endswith("_moda") or name == "moda"):
            raise ModuleNotFoundError(name)


def load_all(folder):
    """Loads a repository in every way and describes its pictures; for the process of [`check`].

    Args:
        folder (`str`): The repository.

    Returns:
        `dict[str, str]`: Of each picture the sentence.
    """
    import transformers
    from PIL import Image

    paths = sorted(Path(folder).glob("samples/*.png"))
    pictures = {path.relative_to(folder).as_posix(): Image.open(path).convert("RGB") for path in paths}
    pictures = pictures or {"a plain picture": Image.new("RGB", (224, 224), "navy")}
    generating = {"max_new_tokens": MOST_TOKENS, "do_sample": False}
    for name in CLASSES:
        print("step", name, flush=True)
        processor = getattr(transformers, name).from_pretrained(folder, trust_remote_code=True)
    first, said = next(iter(pictures)), {}
    for name in MODELS:
        print("step", name, flush=True)
        model, told = getattr(transformers, name).from_pretrained(
            folder, dtype="auto", output_loading_info=True, trust_remote_code=True
        )
        wrong = [key for kind in ("missing_keys", "unexpected_keys", "mismatched_keys") for key in told[kind]]
        if wrong:
            raise ValueError(f"the weights and the model do not fit each other in {wrong[0]}")
        for picture in pictures if name == MODELS[0] else [first]:
            inputs = processor(images=pictures[picture])
            tokens = model.eval().generate(**inputs, **generating)[:, inputs["input_ids"].shape[1] :]
            said[name, picture] = processor.batch_decode(tokens, skip_special_tokens=True)[0].strip()
        del model
    for name in PIPELINES:
        print("step", name, flush=True)
        describe = transformers.pipeline(name, folder, dtype="auto", device="cpu", trust_remote_code=True)
        how = generating
        if name == "image-text-to-text":  # it asks for a text, and hands names that it does not know to the processor
            how = {
                "text": f"<image>{processor.default_prompt}",
                "return_full_text": False,
                "generate_kwargs": generating,
            }
        said[name, first] = describe(images=pictures[first], **how)[0]["generated_text"].strip()
        del describe
    expected = {picture: said[MODELS[0], picture] for picture in pictures}
    for (name, picture), sentence in said.items():
        if sentence != expected[picture]:
            raise ValueError(f"{name} says {sentence!r} of {picture} where {MODELS[0]} says {expected[picture]!r}")
    if not any(expected.values()):
        raise ValueError("it says nothing of any picture")
    return expected


if __name__ == "__main__":
    sys.meta_path.insert(0, NoCheckout())
    print(json.dumps(load_all(sys.argv[1])), flush=True)
