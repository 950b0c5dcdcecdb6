import pytest

from stages.package.register import beats


def version(value: float, data: str = "a", source: str = "photos.zip", monitor: str = "val_loss") -> dict[str, str]:
    mode = "max" if monitor == "val_accuracy" else "min"
    return {"value": str(value), "data": data, "source": source, "monitor": monitor, "mode": mode}


@pytest.mark.parametrize(
    ("new", "old", "wins"),
    [
        (version(1), None, True),
        (version(1), version(2), True),
        (version(2), version(1), False),
        (version(1), version(1), False),
        (version(0.9, monitor="val_accuracy"), version(0.8, monitor="val_accuracy"), True),
        (version(0.1, "drawn", "synthetic"), version(0.5, "real"), False),
        (version(0.5, "real"), version(0.1, "drawn", "synthetic"), True),
        (version(0.1, "a hundred photos"), version(0.5, "all photos"), False),
        (version(0.5, "drawn 2", "synthetic"), version(0.1, "drawn", "synthetic"), True),
    ],
)
def test_who_becomes_champion(new: dict[str, str], old: dict[str, str] | None, wins: bool) -> None:
    assert beats(new, old) == wins
