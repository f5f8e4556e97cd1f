from moda.evaluation.curves import read_curves


def test_curves_are_those_that_training_wrote(tmp_path):
    from moda.training.curve import write_curve, write_scores

    log = [
        {"step": 2, "num_input_tokens_seen": 50, "eval_loss": 2.0, "eval_guide_colour": 4.0, "eval_gender": 0.5},
        {"step": 4, "num_input_tokens_seen": 90, "eval_loss": 1.0, "eval_guide_colour": 8.0, "eval_gender": 1.0},
    ]
    stages = [{"stage": "a", "tokens": 100, "log": log}, {"stage": "b", "tokens": 100, "log": log[:1]}]
    write_scores(tmp_path, stages)
    write_curve(tmp_path, {"training": [(1, 3.0), (2, 2.5)]})
    curves = read_curves(tmp_path)
    assert curves["curves"] == [{"name": "colour", "points": [[50, 4.0], [90, 8.0], [150, 4.0]]}]
    assert curves["losses"] == [{"name": "training", "points": [[1, 3.0], [2, 2.5]]}]
    assert (tmp_path / "scores.png").stat().st_size > 5000


def test_a_folder_without_any(tmp_path):
    assert read_curves(tmp_path) == {"curves": [], "losses": []}


def test_files_that_something_else_wrote_are_none(tmp_path):
    (tmp_path / "loss.csv").write_text("epoch,value\n1,2\n")
    (tmp_path / "scores.csv").write_text("")
    assert read_curves(tmp_path) == {"curves": [], "losses": []}
