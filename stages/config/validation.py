"""Rules between the values of the config tree, beyond each one's type. The first broken one is a UserError."""

import math
import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any

from stages.config.schema import Dataset, Features, Index, Model, Train, Tree
from stages.config.search_space import apply_overrides, expand_search_space
from stages.core.errors import UserError, require_known
from stages.core.registry import LAYOUT, NETWORKS, TRAINED, check_options, list_modules

EVERYTHING = "bestiary"  # the service of all models and indexes
_HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s/@:#?\[\]]+)(:\d{1,5})?")

Names = Mapping[str, Collection[str]]
"""All names that the project has: "datasets", "models" and "indexes", whichever of them a tree holds."""


def check_tree(tree: Tree, names: Names) -> None:
    """Checks every rule.

    Args:
        tree: A config tree, which may hold a part of the project's models and datasets only.
        names: All that the project has, for references from one to another.

    Raises:
        UserError: A rule is broken; the message names the path, the value and what is allowed.
    """
    for name, dataset in tree.datasets.items():
        check_dataset(f"datasets.{name}", dataset, tree.plugins)
    for name, model in tree.models.items():
        check_model(f"models.{name}", model, tree.plugins, names)
    for name, index in tree.indexes.items():
        check_index(f"indexes.{name}", name, index, tree.plugins, names)
    for host in tree.bento.url_hosts:
        if not _HOST.fullmatch(host):
            raise UserError(f"bento.url_hosts: {host!r} is not allowed; set host or host:port, without http://")


def check_dataset(path: str, dataset: Dataset, plugins: list[str]) -> None:
    """Checks a dataset's layout, splits, mirror and files."""
    fetch, split = dataset.fetch, dataset.preprocess.split
    total = split.train + split.val + split.test
    if abs(total - 1) > 1e-6:
        fractions = f"train {split.train} + val {split.val} + test {split.test}"
        raise UserError(f"{path}.preprocess.split: {fractions} = {total:g}; the fractions must sum to 1")
    synthetic = fetch.synthetic
    if synthetic.smallest > synthetic.largest:
        raise UserError(
            f"{path}.fetch.synthetic: smallest {synthetic.smallest} is more than largest {synthetic.largest}"
        )
    if fetch.mirror is not None and not fetch.mirror.startswith(("s3://", "gs://")):
        raise UserError(f"{path}.fetch.mirror: {fetch.mirror!r} is no bucket; set s3://bucket/folder or gs://…")
    taken = ["fetch.json", PurePosixPath(fetch.url).name]
    for file in fetch.extra_files:
        if PurePosixPath(file).name != file or file.startswith(".") or file in taken:
            raise UserError(f"{path}.fetch.extra_files: {file!r} is not allowed; set names of files, each once")
        taken.append(file)
    check_options(LAYOUT, fetch.layout, plugins, f"{path}.fetch.layout")


def check_model(path: str, model: Model, plugins: list[str], names: Names) -> None:
    """Checks a model's dataset, network, freezing, batches, search and publishing."""
    require_known(f"{path}.dataset", model.dataset, names["datasets"])
    check_options(NETWORKS[model.train.framework], model.train.network, plugins, f"{path}.train.network")
    _check_freeze(f"{path}.train.freeze", model.train)
    batching = model.package.triton
    if not all(1 <= size <= batching.max_batch_size for size in batching.preferred_batch_sizes):
        raise UserError(
            f"{path}.package.triton.preferred_batch_sizes: {batching.preferred_batch_sizes} must lie between 1 and "
            f"max_batch_size, {batching.max_batch_size}"
        )
    if model.search.strategy != "none":
        _check_search(f"{path}.search", model, plugins)
    target = model.publish.to
    if "://" in target and not target.startswith(("s3://", "gs://", "file://")):
        raise UserError(f"{path}.publish.to: {target!r} cannot be written to; set s3://…, gs://… or a folder")


def check_index(path: str, name: str, index: Index, plugins: list[str], names: Names) -> None:
    """Checks an index's name, dataset, feature extractor and columns."""
    if name in (*names["models"], EVERYTHING):
        raise UserError(f"{path}: taken, by a model or by the service of all; rename it")
    require_known(f"{path}.dataset", index.dataset, names["datasets"])
    _check_features(f"{path}.features", index.features, plugins, names["models"])
    if not index.display_columns:
        raise UserError(f"{path}.display_columns: empty; name the column that is a picture's heading")
    for key in ("partition_by", "display_columns"):
        columns = getattr(index, key)
        if len(set(columns)) < len(columns):
            raise UserError(f"{path}.{key}: {columns} names a column twice")


def _check_freeze(path: str, train: Train) -> None:
    if isinstance(train.freeze, str) and train.freeze not in ("none", "all"):
        raise UserError(f"{path}: {train.freeze!r} is not allowed; set none, all, or a list of globs")


def _check_search(path: str, model: Model, plugins: list[str]) -> None:
    space = expand_search_space(model.search, model.train)
    for key, values in space.items():
        _check_candidates(f"{path}.space", key, values, model.train, plugins)
    if not space:
        raise UserError(f"{path}.space: empty; name keys of train and their values, or set strategy: none")
    points = math.prod(map(len, space.values()))
    if model.search.strategy == "random" and model.search.runs > points:
        raise UserError(
            f"{path}.runs: {model.search.runs} is more than the space's {points} points; set strategy: grid"
        )


def _check_candidates(path: str, key: str, values: list[Any], train: Train, plugins: list[str]) -> None:
    if any(value in values[:number] for number, value in enumerate(values)):
        raise UserError(f"{path}: {key}: {values} holds a value twice")
    for value in values:
        try:
            candidate = apply_overrides(train, {key: value})
            _check_freeze("freeze", candidate)
            check_options(NETWORKS[candidate.framework], candidate.network, plugins, "network")
        except UserError as error:
            raise UserError(f"{path}: {error}") from error


def _check_features(path: str, features: Features, plugins: list[str], models: Collection[str]) -> None:
    if features.weights == TRAINED:
        require_known(f"{path}.network", features.network, models)
        weights = f"artifacts/models/{features.network}/weights.safetensors"
        if features.code != weights:
            raise UserError(f"{path}.code: {features.code!r}; with weights: trained set {path}.code={weights}")
        return
    networks = {name for kind in NETWORKS.values() for name in list_modules(kind, plugins)}
    if features.network in models and features.network not in networks:
        raise UserError(
            f"{path}.network: {features.network} is one of models, not a network; set {path}.weights=trained"
        )
    require_known(f"{path}.network", features.network, networks)
