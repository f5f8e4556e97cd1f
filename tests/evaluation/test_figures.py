"""The charts, by what is drawn in them and not by how they look."""

import pytest
from conftest import make_picture
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb

from moda.evaluation import figures


def test_scores_are_drawn_where_they_are():
    found = [
        {"name": "a", "kind": "model", "five": {"overall": {"value": 8.0, "low": 7.0, "high": 8.5}}},
        {"name": "b", "kind": "baseline", "five": {"overall": {"value": 0.0, "low": None, "high": None}}},
    ]
    (axis,) = figures.scores(found).axes
    assert axis.get_xlim() == (0, 10) and [tick.get_text() for tick in axis.get_yticklabels()] == ["a", "b"]
    lines = [(list(line.get_xdata()), list(line.get_ydata())) for line in axis.lines]
    assert lines == [([7.0, 8.5], [0, 0]), ([8.0], [0]), ([0.0], [1])]
    interval, point, zero = axis.lines
    assert interval.get_solid_capstyle() == "butt" and interval.get_linewidth() > point.get_markersize()
    assert not zero.get_clip_on()  # whole at the edge
    assert [text.get_text() for text in axis.texts] == ["8.0", "0.0"]


def test_curves_are_drawn_to_scale():
    curves = [{"name": "a", "points": [[1e6, 3.0], [2e6, None], [4e6, 6.0]]}]
    (axis,) = figures.lines(curves, "x", "y", limit=10, scale=1e-6).axes
    assert [list(axis.lines[0].get_xdata()), list(axis.lines[0].get_ydata())] == [[1, 4], [3, 6]]
    assert axis.get_ylim() == (0, 10)
    (axis,) = figures.lines([{"name": "a", "points": [[1, -5.0], [2, -6.0]]}], "x", "y").axes
    low, high = axis.get_ylim()
    assert low < -6 and -5 < high


def test_confusion_shades_are_shares_of_a_line():
    table = {"labels": ["x", "y"], "said": ["x", "y", "nothing said"], "counts": [[3, 1, 0], [0, 0, 2]]}
    (axis,) = figures.confusion(table, "t").axes
    assert axis.images[0].get_array().tolist() == [[0.75, 0.25, 0], [0, 0, 1]]
    assert {(text.get_position(), text.get_text()) for text in axis.texts} == {
        ((0, 0), "75"), ((1, 0), "25"), ((2, 1), "100"),
    }  # fmt: skip
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["x  (4)", "y  (2)"]


def test_calibration_is_drawn_with_confidence_across_and_truth_up():
    bins = [
        {"from": 0.4, "to": 0.5, "confidence": 0.45, "accuracy": 0.2, "low": 0.1, "high": 0.4, "rows": 10},
        {"from": 0.8, "to": 0.9, "confidence": 0.85, "accuracy": 0.5, "low": 0.45, "high": 0.55, "rows": 1500},
    ]
    found = {"bins": bins, "kept": [[0.5, 0.75], [1, 0.5]], "accuracy": 0.5, "rows": 1510}
    axes = {axis.get_xlabel(): axis for axis in figures.calibration(found).axes}
    truth, strip, kept = axes[""], axes["confidence, %"], axes["share of sentences kept, %"]
    points = [container.lines[0] for container in truth.containers]
    assert [(*point.get_xdata(), *point.get_ydata()) for point in points] == [(45, 20), (85, 50)]
    bar = truth.containers[0].lines[2][0].get_segments()[0]
    assert bar[:, 0].tolist() == [45, 45] and bar[:, 1] == pytest.approx([10, 40])
    bars = [(patch.get_x(), patch.get_width(), patch.get_height()) for patch in strip.patches]
    assert bars == [pytest.approx((40, 10, 10)), pytest.approx((80, 10, 1500))] and not truth.patches
    assert [tick.get_text() for tick in strip.get_yticklabels()] == ["0", "1,500"]
    assert [list(kept.lines[0].get_xdata()), list(kept.lines[0].get_ydata())] == [[50, 100], [75, 50]]
    for axis in (truth, kept):
        assert axis.get_xlim() == axis.get_ylim() == (0, 100)
    assert strip.get_xlim() == (0, 100)


def test_right_is_green_and_wrong_red_and_no_text_leaves_its_column():
    sentences = ["A shirt. " * 20, "x" * 300, "一件男士蓝色棉质衬衫适合日常穿着" * 6, "W" * 90, ""]
    shown = [
        {"picture": 0, "sentence": text, "marks": [("right", "✓ a"), ("wrong", "✗ b"), ("other", "– c"), ("part", "◐")]}
        for text in sentences
    ]
    figure = figures.examples(shown, {0: make_picture()})
    colours = {text.get_text(): to_hex(text.get_color()) for text in figure.texts}
    assert colours["✓ a"] == figures.RIGHT and colours["✗ b"] == figures.WRONG and colours["◐"] == figures.PART
    red, green, _ = to_rgb(colours["✓ a"])
    assert green > red
    red, green, _ = to_rgb(colours["✗ b"])
    assert red > green
    width = figure.bbox.width / 4
    with pytest.warns(UserWarning, match="missing from font"):  # Chinese has none: boxes are drawn
        for text in figure.texts:
            extent = text.get_window_extent(FigureCanvasAgg(figure).get_renderer())
            assert extent.x1 <= (extent.x0 // width + 1) * width, text.get_text()
    said = "".join(text.get_text() for text in figure.texts if set(text.get_text()) <= set("x…"))
    assert said == "x" * 199 + "…" and "(nothing said)" in colours
