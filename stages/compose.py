"""`python -m stages.compose [OVERRIDE …]` writes params.yaml from conf/; `--check` compares the two."""

import argparse
import os
import sys
from pathlib import Path
from typing import Any

import yaml

from stages.config.composition import compose_tree
from stages.config.load import read_params, validate
from stages.core.console import console, print_error
from stages.core.errors import UserError
from stages.core.files import write_text
from stages.core.workspace import PARAMS

MARK = Path("artifacts/composed.txt")  # constant, so that passing the check again reruns no stage


def main() -> None:
    """Writes or checks params.yaml."""
    parser = argparse.ArgumentParser(prog="python -m stages.compose", description=__doc__)
    parser.add_argument("--check", action="store_true", help="fail if params.yaml and conf/ differ")
    parser.add_argument("overrides", nargs="*", help="e.g. profile=documented models.vgg19.train.lr=1e-4")
    arguments = parser.parse_args()
    try:
        check_params() if arguments.check else write_params(arguments.overrides)
    except UserError as error:
        sys.exit(print_error(error))


def write_params(overrides: list[str]) -> None:
    """Composes conf/ into params.yaml.

    Raises:
        UserError: A value is wrong; params.yaml stays as it was.
    """
    tree = compose_tree(overrides)
    validate(tree)
    write_text(Path(PARAMS), yaml.dump(tree, Dumper=yaml.CSafeDumper, sort_keys=False, allow_unicode=True))
    console.print(f"wrote {PARAMS}")


def check_params() -> None:
    """Checks that params.yaml equals conf/. An experiment of DVC's may differ, but its values must be valid.

    Raises:
        UserError: They differ; the message names each key with both values.
    """
    params = read_params()
    validate(params)
    if "DVC_EXP_NAME" not in os.environ:
        differences = compare_trees(compose_tree(), params)
        if differences:
            raise UserError(
                f"{PARAMS} is not what conf/ says: {'; '.join(differences)}\n"
                "keep conf/: `python -m stages.compose`; "
                "keep the values of an experiment: write them into conf/ and do the same"
            )
    write_text(MARK, "params.yaml holds what conf/ says, and every value is allowed.\n")


def compare_trees(conf: Any, params: Any, path: str = "") -> list[str]:
    """Lists the leaves that differ, each as "key: conf/ value, params.yaml value"."""
    if not (isinstance(conf, dict) and isinstance(params, dict)):
        return [] if conf == params else [f"{path}: conf/ {conf!r}, params.yaml {params!r}"]
    differences = []
    for name in sorted({*conf, *params}, key=str):
        pair = conf.get(name, "(absent)"), params.get(name, "(absent)")
        differences += compare_trees(*pair, f"{path}.{name}" if path else str(name))
    return differences


if __name__ == "__main__":
    main()
