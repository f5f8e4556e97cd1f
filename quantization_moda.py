"""Rounds a MODA to int8: which layers, how the head shares the embedding, and what a config says about it."""

import torch
from torch import nn


try:  # as remote code
    from .int8_moda import Int8Embedding, Int8Linear
except ImportError:  # from the repository root, or installed
    from int8_moda import Int8Embedding, Int8Linear


UNTRAINABLE = (
    "A model with int8 weights can't be trained; train the float model that it was made from, and export again."
)


def to_int8(part):
    """Replaces the linear layers below a module, and the input embedding of a language model, by int8 ones, in place.

    One layer at a time: its float weights are gone before the next one's turn. Layers of other classes that look like
    linear ones stay, since their owners read their weights; so does the projection at the end of CLIP, which is small, and
    which transformers 4 draws anew, before it loads it, as only float weights can be.
    """
    places = [
        (parent, name)
        for parent in part.modules()
        if parent is not part
        for name, child in parent.named_children()
        if type(child) is nn.Linear
    ]
    for parent, name in places:
        setattr(parent, name, Int8Linear.from_linear(getattr(parent, name)))


def to_int8_embedding(language_model):
    """Replaces the input embedding of a language model by an int8 one, in place.

    Raises:
        `ValueError`: If it is more than a table.
    """
    embedding = language_model.get_input_embeddings()
    if type(embedding) is not nn.Embedding:
        raise ValueError(
            f"The embedding of this {language_model.config.model_type} is a {type(embedding).__name__}, which int8 "
            "weights can't stand in for; keep its weights in float32 or bfloat16."
        )
    language_model.set_input_embeddings(Int8Embedding.from_embedding(embedding))


def quantize_int8(model):
    """Rounds the weights of a MODA to int8, in place: the language model, its head, the vision encoder.

    The connector, the norms, the biases and the convolutions stay as they are. A head that shares the embedding's weights
    goes on sharing them.

    Args:
        model ([`ModaForConditionalGeneration`]): Its weights are float.

    Returns:
        [`ModaForConditionalGeneration`]: The same, in evaluation mode, with `config.weight_format` `"int8"`.

    Raises:
        `ValueError`: If its weights are int8 already, or it has an adapter, or an embedding that is more than a table.
    """
    if model.config.weight_format is not None:
        raise ValueError(f"The weights of this model are {model.config.weight_format} already; take the float model.")
    if hasattr(model, "peft_config") or any(hasattr(module, "base_layer") for module in model.modules()):
        raise ValueError("This model has an adapter; merge it first, as merge_and_unload() of peft does.")
    inner, tied = model.model, model.lm_head.weight is model.get_input_embeddings().weight
    to_int8_embedding(inner.language_model)  # the one that may refuse
    model.lm_head = None if tied else Int8Linear.from_linear(model.lm_head)
    to_int8(inner.language_model)
    to_int8(inner.vision_tower)
    model.config.weight_format = "int8"
    if tied:
        embedding = model.get_input_embeddings()
        with torch.device("meta"):  # without memory: its weights are the embedding's
            model.lm_head = Int8Linear(embedding.embedding_dim, embedding.num_embeddings, bias=False)
        share_head(model.lm_head, embedding)
    return model.eval()


def share_head(head, embedding):
    """Lets an [`Int8Linear`] share the weights of an [`Int8Embedding`].

    The file holds them once. Memory holds them twice once the head is packed (5 % of MODA 519M's weights): a packed head has
    no rows to look up, and one that is read row by row is slower on every token by more than that is worth.
    """
    head.shared = True
    head.weight = embedding.weight
    head.out_features, head.in_features = embedding.weight.shape
    head.register_buffer("weight_scale", embedding.weight_scale, persistent=False)
