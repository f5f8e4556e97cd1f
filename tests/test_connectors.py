"""Connectors: linear where they say so, bent where not, and a new one is a class and a line."""

import torch
from conftest import inputs_of, largest, make_model

import connectors_moda


def test_connectors_are_linear_or_not():
    a, b = torch.randn(2, 3, 4, 32, generator=torch.Generator().manual_seed(0)).unbind(0)

    def additivity_gap(connector_type, **changes):
        connector = make_model(connector_type=connector_type, **changes).model.connector
        with torch.no_grad():
            assert connector(a).shape == (3, 4, 32)
            zero = connector(torch.zeros_like(a))
            return largest(connector(a + b) + zero, connector(a) + connector(b))

    assert additivity_gap("linear") < 1e-4
    assert additivity_gap("mlp") > 1e-2
    assert additivity_gap("transformer") > 1e-2
    mlp = make_model().model.connector
    assert mlp.linear_1.weight.shape == (128, 32) and mlp.linear_2.weight.shape == (32, 128)  # widens to 4 × hidden
    narrow = make_model(projector_hidden_size=20, projector_hidden_act="relu").model.connector
    assert narrow.linear_1.out_features == 20 and narrow.act(torch.tensor(-1.0)) == 0


def test_a_connector_is_one_class_and_one_line(monkeypatch, processor):
    class Doubling(connectors_moda.ModaLinearConnector):
        def forward(self, image_features):
            return 2 * super().forward(image_features)

    monkeypatch.setitem(connectors_moda.CONNECTORS, "doubling", Doubling)
    model, plain = make_model(connector_type="doubling"), make_model(connector_type="linear")
    pixels = inputs_of(processor, [0])["pixel_values"]
    with torch.no_grad():
        doubled = model.get_image_features(pixels).pooler_output
        assert torch.equal(doubled, 2 * plain.get_image_features(pixels).pooler_output)
