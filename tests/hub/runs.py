"""A folder as a training leaves it, with traces of the machine that it ran on."""

import json

from conftest import make_model, make_picture, make_processor

from moda.data.sheet import contact_sheet


HOME = "/home/ann"
RUN = {
    "recipe": "mine",
    "source": f"{HOME}/shop/products.parquet",
    "train_rows": 4321,
    "train_minutes": 12.3,
    "warmup_minutes": 0.0,
    "images_per_second": 56.7,
    "machine": "2 cores, no GPU",
    "transformers": "5.23.0",
    "torch": "2.13.0",
    "evaluated_rows": 123,
    "scores": {"baseColour": {"accuracy": 0.5, "right": 4, "rows": 8}},
    "stages": [
        {
            "stage": "describe",
            "trained": {"connector": {"learning_rate": 1e-3, "weight_decay": 0.0}},
            "image_attention": "image_bidirectional",
            "steps": 12,
            "batch": {"rows": 64},
            "tokens": 3456,
            "data": {"source": f"{HOME}/shop/products.parquet"},
            "notes": [f"features are kept in {HOME}/.cache/moda, of float16"],
        }
    ],
}
RECIPE = f"""output_dir: {HOME}/runs/mine  # a comment
model: {{vision: {HOME}/backbones/clip, text: HuggingFaceTB/SmolLM-360M}}
data: {{path: "{HOME}/My Shop/products.parquet"}}
name: mine
"""


def make_run(folder):
    """Writes a run of a tiny model."""
    model = make_model()
    model.config.text_config._name_or_path = f"{HOME}/backbones/smollm"
    model.save_pretrained(folder)
    make_processor().save_pretrained(folder)
    (folder / "run.json").write_text(json.dumps(RUN))
    (folder / "recipe.yaml").write_text(RECIPE)
    (folder / "README.md").write_text(f"# Of the training, in {HOME}\n")
    pictures = [
        make_picture(seed, size=size) for seed, size in enumerate([(40, 30), (30, 40), (32, 32), (8, 8), (9, 9)])
    ]
    contact_sheet(pictures, ["A red shirt."] * 5).save(folder / "sheet.png")
    for name in ("loss.csv", "scores.csv", "predictions.csv"):
        (folder / name).write_text("step,loss\n")
    (folder / "training_args.bin").write_bytes(b"\x80\x04a pickle of the Trainer")
    (folder / "checkpoint-3").mkdir()
    (folder / "checkpoint-3" / "optimizer.pt").write_bytes(b"\x80\x04")
    (folder / "masks_moda.py").write_text("# as it was when the run was made\n")
    return folder
