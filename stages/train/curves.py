"""The curves that every training leaves behind."""

from pathlib import Path

from stages.train.history import Row


def draw_curves(path: Path, rows: list[Row], best: Row, title: str) -> None:
    """Draw loss and accuracy over the epochs, training and validation, the kept epoch marked."""
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
