"""Presets at their exact size; the largest are built on the meta device, where weights take no memory."""

from pathlib import Path

import pytest
import torch
from transformers import CLIPConfig, CLIPModel

from moda.presets import PRESETS, preset_config
from modeling_moda import ModaForConditionalGeneration


# The design's counts: what runs, and for the guide's model with the text tower that it counts and nothing runs.
COUNTS = {"moda-519m": 455_327_616, "moda-patch": 87_849_216 + 6_640_320 + 361_821_120, "alignment-0.9b": 908_311_920}


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", COUNTS)
def test_preset_has_the_exact_number_of_parameters(name):
    with torch.device("meta"):
        model = ModaForConditionalGeneration(preset_config(name))
    model.tie_weights()
    assert count(model) == COUNTS[name]


def test_the_guides_519_million_count_the_text_tower_of_clip():
    with torch.device("meta"):
        clip = CLIPModel(CLIPConfig())
        moda = ModaForConditionalGeneration(preset_config("moda-519m"))
    moda.tie_weights()
    unused = count(clip) - count(moda.model.vision_tower)
    assert count(clip) == 151_277_313
    assert count(moda) + unused == 518_755_713
    assert round((count(moda) + unused) / 1e6) == 519


def test_positions_of_the_presets():
    positions = {name: preset_config(name).image_seq_length for name in PRESETS}
    assert positions == {"moda-519m": 1, "moda-patch": 49, "alignment-0.9b": 256, "moda-mini": 4}


def test_connector_of_the_519m_widens_then_narrows():
    with torch.device("meta"):
        connector = ModaForConditionalGeneration(preset_config("moda-519m")).model.connector
    shapes = [tuple(module.weight.shape) for module in (connector.linear_1, connector.linear_2)]
    assert shapes == [(3840, 512), (960, 3840)]


def test_mini_runs_at_full_size():
    torch.manual_seed(0)
    config = preset_config("moda-mini")
    model = ModaForConditionalGeneration(config).eval()
    assert 6e6 < count(model) < 12e6
    ids = torch.tensor([[config.image_token_id] * 4 + [5, 6]])
    written = model.generate(input_ids=ids, pixel_values=torch.randn(1, 3, 64, 64), max_new_tokens=3, min_new_tokens=3)
    assert written.shape == (1, 9)


def test_unknown_preset_names_the_known_ones():
    with pytest.raises(ValueError, match="no preset 'moda-max'; choose one of moda-519m"):
        preset_config("moda-max")


def test_changes_are_merged_into_the_preset_and_misspelt_ones_refused():
    config = preset_config("moda-519m", text_config={"num_hidden_layers": 2})
    assert config.text_config.num_hidden_layers == 2 and config.text_config.hidden_size == 960
    with pytest.raises(ValueError, match="text_config has no key 'hiden_size'; did you mean 'hidden_size'"):
        preset_config("moda-mini", text_config={"hiden_size": 64})
    with pytest.raises(ValueError, match="vision_config has no key 'depth'; did you mean 'depths'"):
        preset_config("moda-mini", vision_config={"depth": [1]})


def test_the_readme_says_the_sizes():
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    for name in PRESETS:
        with torch.device("meta"):
            model = ModaForConditionalGeneration(preset_config(name))
        model.tie_weights()
        (row,) = [
            line
            for line in readme.splitlines()
            if line.startswith(f"| `{name}` |") and "positions" not in line and "ms" not in line
        ]
        assert f"| {model.config.image_seq_length} |" in row
        assert f"{count(model):,} |" in row, name
