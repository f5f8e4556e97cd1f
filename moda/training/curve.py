"""The loss curve of a run, as numbers and as a picture."""

import csv

import matplotlib


matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402


def losses(log_history):
    """Takes step and loss out of a Trainer's log."""
    return [(entry["step"], entry["loss"]) for entry in log_history if "loss" in entry]


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
    columns = max(len(phases), 1)
    figure, axes = pyplot.subplots(1, columns, figsize=(5 * columns, 3.5), squeeze=False)
    for axis, (name, points) in zip(axes[0], phases.items()):
        axis.plot(*zip(*points))
        axis.set(title=name, xlabel="step", ylabel="loss", ylim=(0, None))
        axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(folder / "loss.png", dpi=120)
    pyplot.close(figure)
