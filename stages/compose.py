"""`python -m stages.compose [OVERRIDE ...]` writes params.yaml from conf/; `--check` compares the two."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from stages.config import compose, typed
from stages.console import console
from stages.errors import UserError, refusal
from stages.files import write_text

PARAMS = Path("params.yaml")
MARK = Path("artifacts/composed.txt")


def main() -> None:
    """Write or check params.yaml."""
    parser = argparse.ArgumentParser(prog="python -m stages.compose", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail where params.yaml and conf/ differ")
    parser.add_argument("overrides", nargs="*", help="e.g. profile=documented models.vgg19.train.lr=1e-4")
    arguments = parser.parse_args()
    try:
        check() if arguments.check else write(arguments.overrides)
    except UserError as error:
        sys.exit(refusal(error))


def write(overrides: list[str]) -> None:
    """Compose conf/ into params.yaml, as `dvc exp run` does."""
    config = compose(overrides)
    typed(config)
    write_text(PARAMS, OmegaConf.to_yaml(config))
    console.print(f"wrote {PARAMS}")


def check() -> None:
    """Raise a UserError unless params.yaml equals conf/; an experiment of DVC's may differ, but must be valid."""
    params = OmegaConf.load(PARAMS)
    typed(params)  # type: ignore[arg-type]
    if "DVC_EXP_NAME" not in os.environ:
        found = differences(OmegaConf.to_container(compose()), OmegaConf.to_container(params))
        if found:
            raise UserError(
                f"{PARAMS} is not what conf/ says: {'; '.join(found)}\n"
                "keep conf/: `python -m stages.compose`; "
                "keep the values of an experiment: write them into conf/ and do the same"
            )
    write_text(MARK, "params.yaml holds what conf/ says, and every value is allowed.\n")


def differences(conf: Any, params: Any, path: str = "") -> list[str]:
    """Return one "key: value in conf/, value in params.yaml" for each leaf that differs."""
    if not (isinstance(conf, dict) and isinstance(params, dict)):
        return [] if conf == params else [f"{path}: conf/ {conf!r}, params.yaml {params!r}"]
    found = []
    for name in sorted({*conf, *params}, key=str):
        pair = conf.get(name, "(absent)"), params.get(name, "(absent)")
        found += differences(*pair, f"{path}.{name}" if path else str(name))
    return found


if __name__ == "__main__":
    main()
