"""Fills the model card from a run's own numbers."""

from importlib.resources import files
from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData

from moda.training.parts import parts_of


def write_card(folder, model, run, scores, name):
    """Writes the model card of a repository.

    Args:
        folder (`str`): The repository.
        model ([`ModaForConditionalGeneration`]): Counted for the table of parts.
        run (`dict`): What `train.py` wrote to `run.json`.
        scores (`dict`): What [`attribute_accuracy`] returned.
        name (`str`): Title.

    Returns:
        `Path`: The card, `README.md`.
    """
    config = model.config
    kinds = {
        "vision": config.vision_config.model_type,
        "connector": config.connector_type,
        "language": config.text_config.model_type,
    }
    seen = set()
    parts = []
    for part, modules in parts_of(model).items():
        parameters = {p for module in modules for p in module.parameters()} - seen
        seen |= parameters
        parts.append({"name": part, "what": kinds[part], "parameters": sum(p.numel() for p in parameters)})
    data = ModelCardData(
        language="en",
        license="apache-2.0",
        library_name="transformers",
        pipeline_tag="image-to-text",
        tags=["moda", "image-captioning", "fashion", "custom_code"],
    )
    card = ModelCard.from_template(
        data,
        template_str=(files("hub_card") / "model_card.md").read_text(encoding="utf-8"),
        name=name,
        repository=Path(folder).name,
        parameters=sum(part["parameters"] for part in parts),
        parts=parts,
        config=config,
        run=run,
        scores=scores,
    )
    path = Path(folder) / "README.md"
    card.save(path)
    return path
