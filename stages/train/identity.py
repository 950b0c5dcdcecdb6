"""What a model follows from: a sweep that is repeated takes the models that are there already."""

from dataclasses import asdict
from pathlib import Path

from stages.files import fingerprint, sha256_file
from stages.job import Job
from stages.place import PREPARED
from stages.preprocess.store import Store
from stages.train.training import Training, checkpoints


def identity(job: Job) -> str:
    """Name what a model follows from: its values, its data, the code that trains it."""
    store = Store(job.place.read(PREPARED, job.model.dataset))
    code = [sha256_file(file) for file in sorted(Path(__file__).parent.rglob("*.py"))]
    return fingerprint([Training(job, job.model.train, store, checkpoints()).key, asdict(job.model.search), code])
