"""The model card's Python, word for word, as somebody runs it who has the repository and nothing else of this project."""

import re

from conftest import make_config, make_picture, make_png, make_processor, run_clean
from datasets import Dataset, Image

from moda.cli import main
from moda.hub.card import write_card
from modeling_moda import ModaForConditionalGeneration


ID = "me/moda-tiny"
# Each block in a process's empty namespace, as if it were the only one.
EACH = """
import sys
from pathlib import Path

for block in sys.argv[1:]:
    exec(compile(Path(block).read_text(), block, "exec"), {"__name__": "__main__"})
    print("-- end of the block --")
"""


def test_every_block_runs_alone(repository, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    place = tmp_path / ID  # where this is the working directory, the id is a folder's name
    model = ModaForConditionalGeneration.from_pretrained(repository)
    model.save_pretrained(place)
    make_processor().save_pretrained(place)
    parts = [{"name": "all", "kind": "moda", "parameters": sum(p.numel() for p in model.parameters())}]
    card = write_card(place, make_config(), parts, {}, "MODA, tiny", repository=ID, tag="v1.0").read_text()

    make_picture(0).save(tmp_path / "shirt.jpg")
    rows = {"image": [{"bytes": make_png(n), "path": None} for n in range(4)], "description": ["A red shirt."] * 4}
    Dataset.from_dict(rows).cast_column("image", Image()).to_parquet(tmp_path / "products.parquet")
    blocks = re.findall(r"```python\n(.*?)```", card, re.S)
    assert len(blocks) == 3
    for number, block in enumerate(blocks):
        assert block.count(f'"{ID}", revision="v1.0"') == block.count(ID) > 0
        (tmp_path / f"{number}.py").write_text(block)
    names = [f"{number}.py" for number in range(len(blocks))]
    said = run_clean(EACH, *names, cwd=tmp_path, modules=tmp_path / "modules").split("-- end of the block --")
    assert said[0].strip() and said[0].strip() == said[1].strip()  # the pipeline and generate, of one picture
    kept = {path.name for path in (tmp_path / "finetuned").iterdir()}
    assert {"model.safetensors", "modeling_moda.py", "processing_moda.py", "tokenizer.json"} <= kept


def test_the_dataset_cards_block_runs(squares, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    off = [f"checks.{name}=false" for name in ("near_duplicates", "picture_size")]  # squares are small, and look alike
    assert main(["annotate", str(squares), *off, "--output", str(tmp_path / "out")]) == 0
    (block,) = re.findall(r"```python\n(.*?)```", (tmp_path / "out" / "dataset" / "README.md").read_text(), re.S)
    (called,) = re.findall(r'load_dataset\("(.*)"\)', block)
    (tmp_path / called).parent.mkdir(parents=True)
    (tmp_path / called).symlink_to(tmp_path / "out" / "dataset")
    assert re.fullmatch(r".* shirt.*\. \(32, 32\)", run_clean(block, cwd=tmp_path).strip())
