"""The precision is chosen by measuring, and words and weights of the user's come first."""

import pytest
from conftest import make_config

import moda.inference.precision as precision
from moda.inference.precision import choose_precision


def timed(monkeypatch, **seconds):
    monkeypatch.setattr(precision, "_step_times", lambda config, rows, candidates: {n: seconds[n] for n in candidates})


@pytest.mark.parametrize(
    ("seconds", "dtype", "quantize"),
    [
        ({"float32": 4, "bfloat16": 2, "int8": 1}, "float32", "int8"),
        ({"float32": 4, "bfloat16": 2, "int8": 1.7}, "bfloat16", None),  # not worth its rounding
        ({"float32": 1, "bfloat16": 0.95, "int8": 0.9}, "float32", None),
        ({"float32": 1, "bfloat16": 40, "int8": 2}, "float32", None),  # emulated
    ],
)
def test_the_fastest_that_is_worth_it(monkeypatch, seconds, dtype, quantize):
    timed(monkeypatch, **seconds)
    monkeypatch.setattr(precision, "cpu_computes_bfloat16", lambda: True)
    chosen = choose_precision(make_config(), 1)
    assert (chosen.dtype, chosen.quantize) == (dtype, quantize)
    assert chosen.reason.startswith(f"computing in {quantize or dtype}: for one picture")
    assert all(f"{1000 * value:.2g}" in chosen.reason for value in seconds.values())


def test_no_bfloat16_where_the_processor_has_none(monkeypatch):
    timed(monkeypatch, float32=2, bfloat16=1)
    monkeypatch.setattr(precision, "cpu_computes_bfloat16", lambda: False)
    chosen = choose_precision(make_config(), 16, quantize="none")
    assert chosen.dtype == "float32" and "has no bfloat16" in chosen.reason


@pytest.mark.parametrize(
    ("asked", "got"),
    [
        (("float32", "none"), ("float32", None)),
        (("bfloat16", "none"), ("bfloat16", None)),
        (("bfloat16", "int8"), ("bfloat16", "int8")),
        (("auto", "int8"), ("float32", "int8")),
    ],
)
def test_what_is_asked_for_is_not_measured(monkeypatch, asked, got):
    monkeypatch.setattr(precision, "_step_times", None)
    chosen = choose_precision(make_config(), 16, *asked)
    assert (chosen.dtype, chosen.quantize) == got and "asked" in chosen.reason


def test_a_real_measurement_ends_with_a_reason():
    chosen = choose_precision(make_config(), 4)
    assert chosen.dtype in ("float32", "bfloat16") and "4 pictures at once" in chosen.reason


@pytest.mark.parametrize(("dtype", "quantize"), [("float16", "auto"), ("auto", "int4")])
def test_other_words_are_refused(dtype, quantize):
    with pytest.raises(ValueError, match="choose"):
        choose_precision(make_config(), 1, dtype, quantize)
