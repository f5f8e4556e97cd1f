"""Repositories with other weights: int8, bfloat16 or float32 ones, loaded by the same call as the original."""

import contextlib
import json
import shutil
import tempfile
from pathlib import Path

import torch
import transformers
from huggingface_hub import snapshot_download
from safetensors import SafetensorError

from modeling_moda import ModaForConditionalGeneration
from processing_moda import ModaProcessor
from quantization_moda import quantize_int8

from .graph_model import is_graph


FLOATS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
FORMATS = ("int8", *FLOATS)
MARK = "export.json"  # what it was made from; also says that the folder may be made again
KEPT = ("LICENSE*", "NOTICE*", "recipe.yaml", "run.json", "*.csv", "*.png", "*.jpg")
NOTES = {
    "int8": (
        "The matrices of the language model, its head and the vision encoder are int8 here, with a float32 scale an output "
        "row; everything else is {dtype}. For a processor without a GPU; not to be trained further."
    ),
    "bfloat16": "The weights are bfloat16 here.",
    "float32": "The weights are float32 here.",
}


def export_model(source, folder, to="int8", dtype="float32", revision=None, overwrite=False):
    """Writes a complete repository with the weights of another in a different format.

    It holds the code, the processor, the tokenizer, the generation settings, the card with a line on the weights, the licence
    and the record of the training. The same `AutoModel.from_pretrained(folder, trust_remote_code=True)` loads it.

    Args:
        source (`str`): Folder or id of a MODA with float weights.
        folder (`str` or `os.PathLike`): Where to. It appears once all is written.
        to (`str`, *optional*, defaults to `"int8"`): `"int8"` ([`quantize_int8`]), `"bfloat16"` or `"float32"`.
        dtype (`str`, *optional*, defaults to `"float32"`): Of what stays float next to int8 weights, and of the arithmetic
            between the products.
        revision (`str`, *optional*): Of a model on the Hub.
        overwrite (`bool`, *optional*, defaults to `False`): Whether to replace an earlier export.

    Returns:
        `tuple[int, int]`: Bytes of the weights before and after.

    Raises:
        `ValueError`: If the source is no MODA, or its weights are int8 or damaged; if the folder is not empty, or not an
            earlier export where that is to be replaced.
    """
    if to not in FORMATS or dtype not in FLOATS:
        raise ValueError(
            f"to is {to!r} and dtype {dtype!r}; choose one of {', '.join(FORMATS)}, and one of {', '.join(FLOATS)}."
        )
    with new_folder(folder, overwrite) as draft:
        source_folder = find_repository(source, revision)
        model = load_floats(source, source_folder)
        if to == "int8":
            quantize_int8(model).to(FLOATS[dtype])
        else:
            model.to(FLOATS[to])
        model.save_pretrained(draft)
        ModaProcessor.from_pretrained(source_folder, trust_remote_code=False).save_pretrained(draft)
        for pattern in KEPT:
            for file in source_folder.glob(pattern):
                shutil.copyfile(file, draft / file.name)
        _write_card(source, source_folder, Path(folder), draft, NOTES[to].format(dtype=dtype))
        before, after = (sum(file.stat().st_size for file in at.glob("*.safetensors")) for at in (source_folder, draft))
        write_mark(draft, source, to, dtype=dtype if to == "int8" else to, bytes_before=before, bytes=after)
    return before, after


def find_repository(source, revision=None):
    """Finds the folder of a repository, in the Hub's cache if it is not a folder itself.

    Raises:
        `ValueError`: If there is no MODA, naming what there is.
    """
    folder = Path(source)
    if not folder.is_dir():
        try:
            folder = Path(snapshot_download(str(source), revision=revision))
        except (OSError, ValueError) as error:
            raise ValueError(
                f"{source} is neither a folder with a model nor a model that the Hub gives out; check the name and the network."
            ) from error
    refuse_graph(folder)
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        config = {}
    if config.get("model_type") != "moda":
        held = f"a model of type {config['model_type']!r}" if config.get("model_type") else "no model"
        raise ValueError(f"{source} holds {held}, not a MODA; name a folder that train.py wrote.")
    if config.get("weight_format"):
        raise ValueError(
            f"The weights of {source} are {config['weight_format']}, from which none of another format can be made without "
            "loss; export the float model that they were made from."
        )
    return folder


def refuse_graph(model):
    """Says how to use an exported graph, where a model is needed.

    Raises:
        `ValueError`: If it is the folder of one.
    """
    if is_graph(model):
        raise ValueError(
            f"{model} is an exported graph, which only describes, by moda describe or moda.inference.graph_model.load_graph; "
            "name the model that it was made from."
        )


def load_floats(source, folder):
    """Loads the weights as they are stored, on the processor, with this checkout's code."""
    try:
        return ModaForConditionalGeneration.from_pretrained(folder, dtype="auto").eval()
    except SafetensorError as error:
        raise ValueError(f"The weights of {source} are damaged ({error}); copy them again.") from error


@contextlib.contextmanager
def new_folder(folder, overwrite=False):
    """A folder that appears whole or not at all: gives a draft beside it, renamed at the end.

    Args:
        folder (`str` or `os.PathLike`): One that is not there, or empty.
        overwrite (`bool`, *optional*, defaults to `False`): Whether an earlier export there is replaced; nothing else is.

    Raises:
        `ValueError`: If something else is there.
    """
    folder = Path(folder)
    held = folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir())))
    if held and not overwrite:
        raise ValueError(f"{folder} is there already and not empty; name another folder, or --overwrite an export.")
    if held and (folder.is_symlink() or not (folder / MARK).is_file()):
        raise ValueError(f"{folder} is no earlier export (it has no {MARK}), so it is left alone; name another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    try:
        draft = beside / "new"
        draft.mkdir()
        yield draft
        if folder.exists():
            folder.rename(beside / "old")
        draft.rename(folder)
    except BaseException:
        if (beside / "old").exists() and not folder.exists():
            (beside / "old").rename(folder)
        raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def write_mark(folder, source, to, **facts):
    """Notes in an export what it was made from."""
    facts = {"source": Path(source).name, "to": to, **facts}  # a path would tell of the machine
    facts |= {"torch": torch.__version__, "transformers": transformers.__version__}
    (folder / MARK).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def _write_card(source, source_folder, folder, draft, note):
    card = source_folder / "README.md"
    if not card.is_file():
        return
    text = card.read_text(encoding="utf-8")
    for name in {str(source), Path(source).name}:
        text = text.replace(f'"{name}"', f'"{folder.name}"')  # in the lines of code that load it
    head, mark, rest = text.partition("\n## ")
    (draft / card.name).write_text(f"{head.rstrip()}\n\n{note}\n{mark}{rest}", encoding="utf-8")
