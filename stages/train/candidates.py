"""A search's candidates, trained in turn as runs nested in one; a killed search repeats none that is finished."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stages.config.schema import Search
from stages.core.console import console
from stages.core.context import StageContext
from stages.core.files import hash_json
from stages.core.metrics import print_ranking
from stages.core.tracking import TrackedRun, flatten, track_training
from stages.preprocess.store import Store
from stages.train.history import Row
from stages.train.search import Candidate, candidates, record, winner
from stages.train.training import Training, checkpoints, clear, undisturbed

WORDS = "searching {} in the same space"

Best = tuple[Training, TrackedRun, dict[str, Any]]


@contextmanager
def best_of(job: StageContext, store: Store) -> Iterator[Best]:
    """Train every candidate, then yield the best one's training, its run, and the search's record."""
    search = job.model.search
    tried, trainings, scratch = entered(job, store)
    params = flatten(search.model_dump(), f"models.{job.name}.search")
    with undisturbed(scratch, WORDS.format(job.name)):
        with track_training(job, scratch, {"data": store.fingerprint, "search": search.strategy}, params) as parent:
            parent.log_dataset(job.model.dataset, store.fingerprint, store.report["source"], "training")
            rows: list[Row] = []
            for number, candidate in enumerate(tried):
                console.print(f"candidate {number + 1}/{len(tried)}: {candidate.name}")
                rows.append(row_of(trainings[number], candidate, parent))
                forget(trainings[: len(rows)], winner(rows, search))
            show(job.name, tried, rows, search)
            best = winner(rows, search)
            parent.log_metrics({f"best_{name}": value for name, value in rows[best].items()})
            with trainings[best].tracked(tried[best].name, parent.id) as run:
                yield trainings[best], run, record(search, tried, rows)
        clear(scratch)


def entered(job: StageContext, store: Store) -> tuple[list[Candidate], list[Training], Path]:
    """Return a search's candidates, their trainings, and where these leave their checkpoints."""
    tried = candidates(job.model.search, job.model.train)
    named = [Training(job, candidate.config, store, checkpoints()).key for candidate in tried]
    scratch = checkpoints() / hash_json([job.model.search.monitor, job.model.search.mode, *named])
    return tried, [Training(job, candidate.config, store, scratch) for candidate in tried], scratch


def follow(job: StageContext, store: Store) -> None:
    """Take part in the trainings of candidates that the first of several processes leads."""
    _, trainings, scratch = entered(job, store)
    with undisturbed(scratch, WORDS.format(job.name)):
        for training in [training for training in trainings if training.finished() is None]:
            training.follow()


def row_of(training: Training, candidate: Candidate, parent: TrackedRun) -> Row:
    """Return the kept epoch's row of a candidate, trained unless it was before."""
    row = training.finished()
    if row is None:
        prepared = training.prepare()
        with training.tracked(candidate.name, parent.id) as run:
            row = training.train(prepared, run).best
        training.finish(row)
    return row


def forget(trainings: Sequence[Training], best: int) -> None:
    """Keep the checkpoints of the best so far alone; they are large."""
    for number, training in enumerate(trainings):
        if number != best:
            training.drop_weights()


def show(name: str, tried: Sequence[Candidate], rows: Sequence[Row], search: Search) -> None:
    """Print one line for each candidate, best first."""
    jobs = [
        (str(number), row, candidate.name) for number, (candidate, row) in enumerate(zip(tried, rows, strict=True), 1)
    ]
    print_ranking(f"search of {name}", search.monitor, search.mode, jobs)
