"""What a model follows from: a sweep that is repeated takes the models that are there already."""

from pathlib import Path

from stages.core.context import StageContext
from stages.core.files import hash_file, hash_json
from stages.core.workspace import PREPARED
from stages.preprocess.store import Store
from stages.train.training import Training, checkpoints


def identity(job: StageContext) -> str:
    """Name what a model follows from: its values, its data, the code that trains it."""
    store = Store(job.workspace.input(PREPARED, job.model.dataset))
    code = [hash_file(file) for file in sorted(Path(__file__).parent.rglob("*.py"))]
    return hash_json([Training(job, job.model.train, store, checkpoints()).key, job.model.search.model_dump(), code])
