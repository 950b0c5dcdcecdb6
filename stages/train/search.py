"""A search: which values a model's candidates have, and which of them is the best."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any

from stages.config.schema import Model, Search, Train
from stages.config.search_space import apply_overrides, expand_search_space
from stages.core.metrics import monitor_sort_key
from stages.train.history import Row

Values = dict[str, Any]


@dataclass(frozen=True)
class Candidate:
    """One point of the space: its values by their keys below `train`, and the whole config that follows."""

    values: Values
    config: Train

    @property
    def name(self) -> str:
        """The values in words."""
        return " ".join(f"{key}={value}" for key, value in self.values.items())


def candidates(search: Search, config: Train) -> list[Candidate]:
    """Return the points to try, in order: all of a grid, or a seeded draw in which none comes twice."""
    space = expand_search_space(search, config)
    grid = [dict(zip(space, values, strict=True)) for values in product(*space.values())]
    rng = random.Random(search.seed)
    chosen = rng.sample(grid, search.runs) if search.strategy == "random" else grid
    return [Candidate(values, apply_overrides(config, values)) for values in chosen]


def configs(model: Model) -> list[Train]:
    """Return all that a model is trained with: its own values, or those of each candidate."""
    if model.search.strategy == "none":
        return [model.train]
    return [candidate.config for candidate in candidates(model.search, model.train)]


def winner(rows: Sequence[Row], search: Search) -> int:
    """Return the number of the candidate whose kept epoch is the best; the first of equals."""
    return min(range(len(rows)), key=lambda number: monitor_sort_key(search.monitor, search.mode, rows[number]))


def record(search: Search, tried: Sequence[Candidate], rows: Sequence[Row]) -> dict[str, Any]:
    """Return what a search found, for the model's description."""
    best = winner(rows, search)
    return {
        "strategy": search.strategy,
        "monitor": search.monitor,
        "mode": search.mode,
        "winner": tried[best].values,
        "candidates": [
            {"values": candidate.values, "best": {name: round(value, 6) for name, value in row.items()}}
            for candidate, row in zip(tried, rows, strict=True)
        ],
    }
