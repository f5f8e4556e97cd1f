"""A repository saved on transformers 4.57 answers the same on 5, and the other way round."""

import json
import os
import sys
from pathlib import Path

import pytest
from conftest import run_clean
from cross_version import CASES


OTHER = os.environ.get("MODA_OTHER_PYTHON")
SCRIPT = Path(__file__).with_name("cross_version.py")
pytestmark = pytest.mark.skipif(
    OTHER is None, reason="MODA_OTHER_PYTHON names no interpreter with the other transformers"
)


@pytest.fixture(scope="module", params=["here to there", "there to here"])
def told(request, tmp_path_factory):
    saver, loader = (sys.executable, OTHER) if request.param == "here to there" else (OTHER, sys.executable)
    folder = tmp_path_factory.mktemp("cross")
    run_clean(SCRIPT, "save", folder, python=saver)
    return json.loads(run_clean(SCRIPT, "check", folder, python=loader, modules=folder / "modules"))


@pytest.mark.parametrize("case", CASES)
def test_the_other_version_answers_the_same(told, case):
    differences = dict(told[case])
    assert differences.pop("keys") == []  # a weight under another name would be drawn at random
    assert differences.pop("renamed") == []
    assert differences.pop("tied") == (case != "siglip-untied")
    assert differences.pop("logits") < 1e-5
    assert set(differences) == {"input_ids", "attention_mask", "labels", "pixel_values", "sequences"}
    assert all(difference == 0 for difference in differences.values()), differences


def test_rope_settings_matter_to_these_models(told):
    """Otherwise a lost theta would go unnoticed above."""
    import torch
    from conftest import TINY_LLAMA, make_model

    ids = torch.arange(5, 60)[None]
    plain, other = (make_model(text_config={**TINY_LLAMA, **change}) for change in ({}, {"rope_theta": 100000.0}))
    with torch.no_grad():
        assert (plain(input_ids=ids).logits - other(input_ids=ids).logits).abs().max() > 1e-3
