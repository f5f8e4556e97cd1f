"""Fills the model card from a run's own numbers."""

from importlib.resources import files
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData


def write_card(folder, config, parts, run, name):
    """Writes the model card of a repository.

    Args:
        folder (`str`): The repository.
        config ([`ModaConfig`]): The model's.
        parts (`list[dict]`): What [`count_parts`] returned.
        run (`dict`): What `train.py` wrote to `run.json`.
        name (`str`): Title.

    Returns:
        `Path`: The card, `README.md`.
    """
    data = ModelCardData(
        language="en",
        library_name="transformers",
        pipeline_tag="image-to-text",
        tags=["moda", "image-captioning", "fashion", "custom_code"],
    )
    card = ModelCard.from_template(
        data,
        template_str=(files("hub_card") / "model_card.md").read_text(encoding="utf-8"),
        name=name,
        repository=folder if not Path(folder).is_absolute() else Path(folder).name,
        source=Path(run["source"]).name,  # a path would tell of the machine
        parameters=sum(part["parameters"] for part in parts),
        parts=parts,
        config=config,
        run=run,
    )
    path = Path(folder) / "README.md"
    card.save(path)
    return path
