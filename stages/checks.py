"""What must hold between the values of the tree, beyond each one's type; the first that does not is a UserError."""

from stages.errors import UserError, choose
from stages.registry import LAYOUT, NETWORKS, check_options
from stages.schema import Model, Tree, check_ranges
from stages.space import searched, varied


def check(tree: Tree) -> None:
    """Check ranges, names, and what depends on one another."""
    check_ranges(tree)
    for part in (
        check_splits,
        check_pictures,
        check_mirrors,
        check_batches,
        check_names,
        check_freezes,
        check_searches,
    ):
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
        rule = model.train.freeze
        globs = isinstance(rule, list) and all(isinstance(glob, str) for glob in rule)
        if not globs and rule not in ("none", "all"):
            raise UserError(f"models.{name}.train.freeze: {rule!r} is not allowed; say none, all, or a list of globs")


def check_searches(tree: Tree) -> None:
    """Raise a UserError for a search that cannot be made, or a value in it that `train` does not take."""
    for name, model in tree.models.items():
        if model.search.strategy != "none":
            check_search(f"models.{name}.search", model, tree.plugins)


def check_search(where: str, model: Model, plugins: list[str]) -> None:
    """Try every value of a space."""
    space = searched(model.search, model.train)
    points = 1
    for key, values in space.items():
        points *= len(values)
        for value in values:
            try:
                train = varied(model.train, {key: value})
                check_ranges(train)
                check_options(NETWORKS[train.framework], train.network, plugins, "network")
            except UserError as error:
                raise UserError(f"{where}.space: {error}") from error
    if not space:
        raise UserError(f"{where}.space: empty; name keys of train and their values, or say strategy: none")
    if model.search.strategy == "random" and model.search.runs > points:
        raise UserError(
            f"{where}.runs: {model.search.runs} is more than the space's {points} points; say strategy: grid"
        )
