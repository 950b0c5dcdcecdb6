"""Training a model or a search's candidates, in one process or in one of several."""

from stages.core.context import StageContext, StageResult
from stages.core.distributed import read_dist_env
from stages.core.workspace import PREPARED
from stages.preprocess.store import Store
from stages.train import candidates
from stages.train.group import joined
from stages.train.results import finish
from stages.train.training import Training, checkpoints, clear


def stored(job: StageContext) -> Store:
    """Return what is trained on."""
    return Store(job.workspace.input(PREPARED, job.model.dataset))


def work(job: StageContext) -> StageResult | None:
    """Train: in one of several processes, of which the first alone writes and records."""
    with joined(job.model.train):
        if read_dist_env().is_main:
            return lead(job, stored(job))
        follow(job, stored(job))
    return None


def follow(job: StageContext, store: Store) -> None:
    """Take part in what the first process leads."""
    if job.model.search.strategy != "none":
        candidates.follow(job, store)
        return
    training = Training(job, job.model.train, store, checkpoints())
    with training.alone():
        training.follow()


def lead(job: StageContext, store: Store) -> StageResult:
    """Train and write what comes of it."""
    config, search = job.model.train, job.model.search
    if search.strategy != "none":
        with candidates.best_of(job, store) as (training, run, found):
            trained = training.restore()
            finish(training, trained, run, {"search": found})
        return StageResult(search.monitor, search.mode, trained.best)
    training = Training(job, config, store, checkpoints())
    with training.alone():
        prepared = training.prepare()
        with training.tracked() as run:
            trained = training.train(prepared, run)
            finish(training, trained, run, {})
        clear(training.scratch)
    return StageResult(config.monitor, config.mode, trained.best)
