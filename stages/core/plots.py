"""Plots that stages write beside their results."""

from pathlib import Path

Row = dict[str, float]


def draw_curves(path: Path, rows: list[Row], best: Row, title: str) -> None:
    """Draws loss and accuracy of a training over its epochs.

    Args:
        path: The image file.
        rows: An epoch's number and metrics each: `epoch`, `train_loss`, `val_loss`, `train_accuracy`, `val_accuracy`.
        best: The row of the epoch whose weights are kept; it is marked.
        title: The figure's title.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.4), layout="constrained")
    epochs = [row["epoch"] for row in rows]
    for axes, name in zip(figure.subplots(1, 2), ("loss", "accuracy"), strict=True):
        for split, style in (("train", "C7--"), ("val", "C0-")):
            axes.plot(epochs, [row[f"{split}_{name}"] for row in rows], style, label=split, marker="o", ms=3)
        axes.axvline(best["epoch"], color="C1", lw=1, label="kept")
        axes.set(xlabel="epoch", ylabel=name, xticks=epochs if len(epochs) <= 12 else epochs[:: len(epochs) // 8])
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False)
    figure.suptitle(title, fontsize=11)
    figure.savefig(path, dpi=110)
