"""`python -m stages.train model=NAME`: train one model; with `-m` and comma-separated values, a sweep."""

from stages.config.command import stage_command
from stages.core.context import StageContext, StageResult
from stages.train.identity import identity
from stages.train.launch import launched
from stages.train.training import require_classes
from stages.train.weights import locate
from stages.train.work import stored, work


@stage_command("train", select="model", input_hash=identity)
def main(job: StageContext) -> StageResult | None:
    """Trains a model (or the candidates of its search) and keeps the best epoch's weights, history and curves."""
    locate(job.model.train.weights)
    require_classes(stored(job), job.model.dataset)
    return launched(work, job)


if __name__ == "__main__":
    main()
