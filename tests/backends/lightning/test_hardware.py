import os
from typing import Any

import pytest
import torch

from stages.backends.lightning.hardware import WORTHWHILE, channels_last, compiles, device, precision, settle
from stages.config.schema import LightningTrain
from tests.conftest import replace, tree

PLAIN = tree().models["base_cnn"].train
assert isinstance(PLAIN, LightningTrain)
DETERMINISTIC = replace(PLAIN, deterministic=True)


@pytest.fixture
def gpu(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretend to have a GPU of a compute capability, and a C compiler."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: request.param)
    monkeypatch.setattr("shutil.which", lambda name: f"/usr/bin/{name}")


@pytest.mark.parametrize(
    ("gpu", "expected"),
    [((7, 5), ("32-true", True, False)), ((8, 0), ("bf16-mixed", True, True)), ((9, 0), ("bf16-mixed", True, True))],
    indirect=["gpu"],
)
@pytest.mark.usefixtures("gpu")
def test_auto_is_what_the_gpu_rewards(expected: tuple[str, bool, bool]) -> None:
    assert device(PLAIN).type == "cuda"
    assert (precision(PLAIN), channels_last(PLAIN), compiles(PLAIN, WORTHWHILE)) == expected
    assert not compiles(PLAIN, WORTHWHILE - 1)


@pytest.mark.parametrize("gpu", [(9, 0)], indirect=True)
@pytest.mark.usefixtures("gpu")
def test_what_is_said_holds() -> None:
    said = replace(PLAIN, accelerator="cpu", channels_last="always", compile="always")
    assert (device(said).type, precision(said)) == ("cpu", "32-true")
    assert channels_last(said)
    assert compiles(said, 1)
    never = replace(PLAIN, precision="32-true", channels_last="never", compile="never")
    assert (precision(never), channels_last(never), compiles(never, 10**6)) == ("32-true", False, False)


@pytest.mark.parametrize("gpu", [(9, 0)], indirect=True)
@pytest.mark.usefixtures("gpu")
def test_without_a_compiler_auto_does_not_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert not compiles(PLAIN, WORTHWHILE)


def test_on_a_cpu_auto_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert (precision(PLAIN), channels_last(PLAIN), compiles(PLAIN, 10**6)) == ("32-true", False, False)
    monkeypatch.setattr(torch, "set_float32_matmul_precision", pytest.fail)
    settle(DETERMINISTIC)
    assert "CUBLAS_WORKSPACE_CONFIG" not in os.environ


@pytest.mark.parametrize(("config", "workspace", "benchmark"), [(DETERMINISTIC, ":4096:8", False), (PLAIN, None, True)])
@pytest.mark.parametrize("gpu", [(9, 0)], indirect=True)
@pytest.mark.usefixtures("gpu")
def test_a_gpu_is_settled_before_it_starts(
    config: LightningTrain, workspace: str | None, benchmark: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: dict[str, Any] = {}
    monkeypatch.setattr(torch, "use_deterministic_algorithms", lambda on: seen.update(deterministic=on))
    monkeypatch.setattr(torch, "set_float32_matmul_precision", lambda kind: seen.update(matmul=kind))
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", not benchmark)
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", "")
    monkeypatch.delenv("CUBLAS_WORKSPACE_CONFIG")
    settle(config)
    assert seen == {"deterministic": config.deterministic, "matmul": "high"}
    assert torch.backends.cudnn.benchmark is benchmark
    assert os.environ.get("CUBLAS_WORKSPACE_CONFIG") == workspace
    seen.clear()
    settle(replace(config, precision="32-true"))
    assert "matmul" not in seen
