import re
from pathlib import Path

import pytest

from benchmarks import gpu


@pytest.mark.slow
def test_the_table_has_every_row_on_a_cpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = "--device cpu --images 24 --size 48 --batch 8 --epochs 1 --documented 1 --compile never --write"
    monkeypatch.setattr("sys.argv", ["gpu", *words.split()])
    monkeypatch.setattr(gpu, "PAGE", tmp_path / "gpu.md")
    monkeypatch.setattr(gpu, "NETWORKS", ("base_cnn",))  # a step of resnet50 takes a CPU seconds
    gpu.main()
    page = (tmp_path / "gpu.md").read_text()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in page.splitlines() if line.startswith("|")]
    head, _, *found = rows
    assert tuple(head) == gpu.HEAD
    assert [row[0].partition(":")[0] for row in found] == ["base_cnn"] * 6
    assert [row[4] for row in found] == ["", "≥ 0.9", "≥ 0.9", "", "", "equal"]
    assert all(float(row[1].replace(",", "")) > 0 for row in found[:5])
    assert [row[3] for row in found if gpu.ON_DEVICE in row[0]] == ["1.00×"]
    assert all(re.fullmatch(r"\d+\.\d\d×", row[3]) for row in found[:4])
    assert found[5][1] == "equal"
    assert "no GPU" in page
    assert "base_cnn" in capsys.readouterr().out


def test_the_networks_are_the_documented_ones_but_for_their_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["gpu", "--device", "cpu", "--batch", "8", "--epochs", "1"])
    resnet50 = gpu.config("resnet50", gpu.arguments())
    assert (resnet50.network["name"], resnet50.freeze, resnet50.weights) == ("resnet50", "none", "none")
    config = gpu.config("base_cnn", gpu.arguments())
    assert (config.accelerator, config.batch_size, config.epochs, config.compile) == ("cpu", 8, 2, "always")
    assert config.network == {"name": "base_cnn", "dropout": 0.2}
