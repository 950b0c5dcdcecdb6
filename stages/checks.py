"""What must hold between the values of the tree, beyond each one's type; the first that does not is a UserError."""

import math
import re
from pathlib import PurePosixPath
from typing import Any

from stages.errors import UserError, choose
from stages.index_schema import Features
from stages.ranges import check_ranges
from stages.registry import LAYOUT, NETWORKS, TRAINED, check_options, modules
from stages.schema import Model, Train, Tree
from stages.space import searched, varied

EVERYTHING = "bestiary"  # the service of all models and indexes
HOST = re.compile(r"(\[[0-9a-fA-F:.]+\]|[^\s/@:#?\[\]]+)(:\d{1,5})?")


def check(tree: Tree) -> None:
    """Check ranges, names, and what depends on one another."""
    check_ranges(tree)
    for part in CHECKS:
        part(tree)


def check_splits(tree: Tree) -> None:
    """Raise a UserError for fractions that do not sum to 1."""
    for name, dataset in tree.datasets.items():
        split = dataset.preprocess.split
        total = split.train + split.val + split.test
        if abs(total - 1) > 1e-6:
            parts = f"train {split.train} + val {split.val} + test {split.test}"
            raise UserError(f"datasets.{name}.preprocess.split: {parts} = {total:g}; the fractions must sum to 1")


def check_pictures(tree: Tree) -> None:
    """Raise a UserError for drawn pictures whose smallest side is the largest."""
    for name, dataset in tree.datasets.items():
        drawn = dataset.fetch.synthetic
        if drawn.smallest > drawn.largest:
            where = f"datasets.{name}.fetch.synthetic"
            raise UserError(f"{where}: smallest {drawn.smallest} is more than largest {drawn.largest}")


def check_mirrors(tree: Tree) -> None:
    """Raise a UserError for a mirror that is not a bucket."""
    for name, dataset in tree.datasets.items():
        mirror = dataset.fetch.mirror
        if mirror is not None and not mirror.startswith(("s3://", "gs://")):
            raise UserError(f"datasets.{name}.fetch.mirror: {mirror!r} is no bucket; say s3://bucket/folder or gs://…")


def check_parts(tree: Tree) -> None:
    """Raise a UserError for a further file whose name is none, is there twice, or is that of the archive."""
    for name, dataset in tree.datasets.items():
        taken = ["fetch.json", PurePosixPath(dataset.fetch.url).name]
        for part in dataset.fetch.parts:
            if PurePosixPath(part).name != part or part.startswith(".") or part in taken:
                raise UserError(f"datasets.{name}.fetch.parts: {part!r} is not allowed; say a file's name, each once")
            taken.append(part)


def check_batches(tree: Tree) -> None:
    """Raise a UserError for a batch that Triton should prefer but may not make."""
    for name, model in tree.models.items():
        batching = model.package.triton
        sizes = batching.preferred_batch_sizes
        if not all(1 <= size <= batching.max_batch_size for size in sizes):
            where, most = f"models.{name}.package.triton", batching.max_batch_size
            raise UserError(f"{where}.preferred_batch_sizes: {sizes} must lie between 1 and max_batch_size, {most}")


def check_names(tree: Tree) -> None:
    """Raise a UserError for a dataset, layout or network that does not exist, or for its arguments."""
    for name, dataset in tree.datasets.items():
        check_options(LAYOUT, dataset.fetch.layout, tree.plugins, f"datasets.{name}.fetch.layout")
    for name, model in tree.models.items():
        choose(f"models.{name}.dataset", model.dataset, tree.datasets)
        kind = NETWORKS[model.train.framework]
        check_options(kind, model.train.network, tree.plugins, f"models.{name}.train.network")


def check_freezes(tree: Tree) -> None:
    """Raise a UserError for a `freeze` that is neither a word nor a list of globs."""
    for name, model in tree.models.items():
        try:
            check_freeze(model.train)
        except UserError as error:
            raise UserError(f"models.{name}.train.{error}") from error


def check_freeze(train: Train) -> None:
    """Raise a UserError for one such `freeze`."""
    rule = train.freeze
    globs = isinstance(rule, list) and all(isinstance(glob, str) for glob in rule)
    if not globs and rule not in ("none", "all"):
        raise UserError(f"freeze: {rule!r} is not allowed; say none, all, or a list of globs")


def check_targets(tree: Tree) -> None:
    """Raise a UserError for a place to publish to that nothing can be written to."""
    for name, model in tree.models.items():
        to = model.publish.to
        if "://" in to and not to.startswith(("s3://", "gs://", "file://")):
            raise UserError(f"models.{name}.publish.to: {to!r} cannot be written to; say s3://…, gs://… or a folder")


def check_searches(tree: Tree) -> None:
    """Raise a UserError for a search that cannot be made, or a value in it that `train` does not take."""
    for name, model in tree.models.items():
        if model.search.strategy != "none":
            check_search(f"models.{name}.search", model, tree.plugins)


def check_search(where: str, model: Model, plugins: list[str]) -> None:
    """Raise a UserError for a space that is empty, or smaller than what is to be drawn from it."""
    space = searched(model.search, model.train)
    for key, values in space.items():
        check_values(f"{where}.space", key, values, model.train, plugins)
    if not space:
        raise UserError(f"{where}.space: empty; name keys of train and their values, or say strategy: none")
    points, runs = math.prod(map(len, space.values())), model.search.runs
    if model.search.strategy == "random" and runs > points:
        raise UserError(f"{where}.runs: {runs} is more than the space's {points} points; say strategy: grid")


def check_values(where: str, key: str, values: list[Any], train: Train, plugins: list[str]) -> None:
    """Try every value of a key of a space."""
    if any(value in values[:number] for number, value in enumerate(values)):
        raise UserError(f"{where}: {key}: {values} holds a value twice")
    for value in values:
        try:
            changed = varied(train, {key: value})
            check_ranges(changed)
            check_freeze(changed)
            check_options(NETWORKS[changed.framework], changed.network, plugins, "network")
        except UserError as error:
            raise UserError(f"{where}: {error}") from error


def check_indexes(tree: Tree) -> None:
    """Raise a UserError for an index of what does not exist, or whose name, blocks or columns are not its own."""
    for name, index in tree.indexes.items():
        where = f"indexes.{name}"
        if name in (*tree.models, EVERYTHING):
            raise UserError(f"{where}: taken, by a model or by the service of all; rename it")
        choose(f"{where}.dataset", index.dataset, tree.datasets)
        check_featuriser(f"{where}.features", index.features, tree)
        if not index.show:
            raise UserError(f"{where}.show: empty; name the column that is a picture's heading")
        for key, columns in (("blocks", index.blocks), ("show", index.show)):
            if len(set(columns)) < len(columns):
                raise UserError(f"{where}.{key}: {columns} names a column twice")


def check_featuriser(where: str, features: Features, tree: Tree) -> None:
    """Raise a UserError for a featuriser whose network does not exist, or is not what it is said to be made of."""
    if features.weights == TRAINED:
        choose(f"{where}.network", features.network, tree.models)
        expected = f"artifacts/models/{features.network}/weights.safetensors"
        if features.code != expected:
            raise UserError(f"{where}.code: {features.code!r}; with weights: trained say {where}.code={expected}")
        return
    known = {name for kind in NETWORKS.values() for name in modules(kind, tree.plugins)}
    if features.network in tree.models and features.network not in known:
        raise UserError(
            f"{where}.network: {features.network} is one of models, not a network; say {where}.weights=trained"
        )
    choose(f"{where}.network", features.network, known)


def check_hosts(tree: Tree) -> None:
    """Raise a UserError for a host that pictures may be fetched from and that is none."""
    for host in tree.bento.url_hosts:
        if not HOST.fullmatch(host):
            raise UserError(f"bento.url_hosts: {host!r} is not allowed; say host or host:port, without http://")


CHECKS = (
    check_splits,
    check_pictures,
    check_mirrors,
    check_parts,
    check_batches,
    check_names,
    check_freezes,
    check_searches,
    check_targets,
    check_indexes,
    check_hosts,
)
