"""Connectors: from what the vision encoder saw to what the language model reads.

All map `(images, positions, image_feature_size)` to `(images, positions, hidden_size)`. To add one, write a class that
takes the config and give it a name in `CONNECTORS`.
"""

from torch import nn
from transformers.activations import ACT2FN


class ModaLinearConnector(nn.Module):
    """One linear layer, as in LLaVA 1.0 and PaLI: the baseline of the MODA guide's claim for a non-linear connector."""

    def __init__(self, config):
        super().__init__()
        self.linear = nn.Linear(config.image_feature_size, config.text_config.hidden_size)

    def forward(self, image_features):
        return self.linear(image_features)


class ModaMLPConnector(nn.Module):
    """Widens, bends and narrows: the MODA guide's non-linear projection (512 → 3840 → 960 in the 519M model)."""

    def __init__(self, config):
        super().__init__()
        hidden_size = config.text_config.hidden_size
        inner_size = config.projector_hidden_size or 4 * hidden_size
        self.linear_1 = nn.Linear(config.image_feature_size, inner_size)
        self.act = ACT2FN[config.projector_hidden_act]
        self.linear_2 = nn.Linear(inner_size, hidden_size)

    def forward(self, image_features):
        return self.linear_2(self.act(self.linear_1(image_features)))


class ModaTransformerConnector(nn.Module):
    """One transformer block over a picture's positions, then a linear layer (alignment paper, section 3.2)."""

    def __init__(self, config):
        super().__init__()
        size = config.image_feature_size
        heads = next(heads for heads in range(max(size // 64, 1), 0, -1) if size % heads == 0)
        self.block = nn.TransformerEncoderLayer(
            size, heads, 4 * size, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
        )
        self.linear = nn.Linear(size, config.text_config.hidden_size)

    def forward(self, image_features):
        return self.linear(self.block(image_features))


CONNECTORS = {
    "mlp": ModaMLPConnector,
    "linear": ModaLinearConnector,
    "transformer": ModaTransformerConnector,
}


def build_connector(config):
    """Builds the connector that `config.connector_type` names."""
    if config.connector_type not in CONNECTORS:
        raise ValueError(f"connector_type is {config.connector_type!r}; choose one of {', '.join(CONNECTORS)}.")
    return CONNECTORS[config.connector_type](config)
