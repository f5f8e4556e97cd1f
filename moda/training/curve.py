"""The curves of a run, as numbers and as pictures: loss by step, scores by millions of tokens."""

import csv
import itertools

import matplotlib


matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


KINDS = {"loss": "", "loss_noised": ", noised targets", "loss_clean": ", clean targets"}
ASIDE = ("eval_runtime", "eval_samples_per_second", "eval_steps_per_second", "eval_model_preparation_time")


def losses(log_history, kind="loss"):
    """Takes step and loss out of a Trainer's log."""
    return [(entry["step"], entry[kind]) for entry in log_history if kind in entry]


def loss_phases(stages):
    """The loss curves of all stages by name; under token noise, those of noised and of clean targets beside the whole.

    Args:
        stages (`list[dict]`): The stages' records, in order, with `stage` and `log`.
    """
    return {record["stage"] + said: losses(record["log"], kind) for record in stages for kind, said in KINDS.items()}


def write_curve(folder, phases):
    """Writes `loss.csv` and `loss.png`.

    Args:
        folder (`Path`): Where to.
        phases (`dict[str, list[tuple[int, float]]]`): Steps and losses of each phase; empty ones are left out.
    """
    phases = {name: points for name, points in phases.items() if points}
    with open(folder / "loss.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("phase", "step", "loss"))
        writer.writerows((name, step, loss) for name, points in phases.items() for step, loss in points)
    columns, rows = min(max(len(phases), 1), 3), (max(len(phases), 1) + 2) // 3
    figure, axes = pyplot.subplots(rows, columns, figsize=(5 * columns, 3.5 * rows), squeeze=False)
    for axis in axes.flat[len(phases) :]:
        axis.axis("off")
    for axis, (name, points) in zip(axes.flat, phases.items()):
        axis.plot(*zip(*points))
        axis.set(title=name, xlabel="step", ylabel="loss", ylim=(0, None))
        axis.grid(alpha=0.3)
    _save(figure, folder / "loss.png")


def scores_by_tokens(stages):
    """Puts the evaluations of all stages on one axis.

    Args:
        stages (`list[dict]`): The stages' records, in order, with `stage`, `tokens` and `log`.

    Returns:
        `list[dict]`: One a figure: `stage`, `step`, `tokens` (seen since the first stage began), `name`, `value`.
    """
    rows, before = [], 0
    for record in stages:
        for entry in record["log"]:
            figures = {
                name[5:]: value for name, value in entry.items() if name.startswith("eval_") and name not in ASIDE
            }
            for name, value in sorted(figures.items()):
                tokens = before + entry["num_input_tokens_seen"]
                rows.append(
                    {"stage": record["stage"], "step": entry["step"], "tokens": tokens, "name": name, "value": value}
                )
        before += record["tokens"]
    return rows


def write_scores(folder, stages):
    """Writes `scores.csv` and, where there is something to draw, `scores.png`: scores by millions of tokens.

    Args:
        folder (`Path`): Where to.
        stages (`list[dict]`): See [`scores_by_tokens`].
    """
    rows = scores_by_tokens(stages)
    with open(folder / "scores.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, ("stage", "step", "tokens", "name", "value"))
        writer.writeheader()
        writer.writerows(rows)
    names = [name for name in dict.fromkeys(row["name"] for row in rows) if name != "loss"]
    # The guide draws its five scores from 0 to 10 on an axis of their own.
    panels = [
        ("held-out rows right, %", 100, [name for name in names if not name.startswith("guide_")]),
        ("the guide's scores, 0 to 10", 1, [name for name in names if name.startswith("guide_")]),
    ]
    panels = [panel for panel in panels if panel[2]]
    if not panels:
        return
    figure, axes = pyplot.subplots(1, len(panels), figsize=(6.5 * len(panels), 4), squeeze=False)
    ends = list(itertools.accumulate(record["tokens"] for record in stages))
    for axis, (title, scale, drawn) in zip(axes.flat, panels):
        for name in drawn:
            points = [(row["tokens"] / 1e6, scale * row["value"]) for row in rows if row["name"] == name]
            axis.plot(*zip(*points), marker="o", markersize=3, label=name.removeprefix("guide_"))
        for end in ends[:-1]:
            axis.axvline(end / 1e6, color="grey", linewidth=0.8, linestyle=":")
        limit = 102 if scale == 100 else 10.2
        axis.set(xlabel="millions of tokens seen", ylabel=title, ylim=(0, limit), xlim=(0, None))
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
    _save(figure, folder / "scores.png")


def _save(figure, file):
    figure.tight_layout()
    figure.savefig(file, dpi=120)
    pyplot.close(figure)
