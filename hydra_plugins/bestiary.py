"""A sweep's launchers and its sweeper: Hydra takes them from this package alone; stages/sweeps/ has how jobs run."""

from collections.abc import Sequence

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper

from stages.sweeps.launch import Sturdy
from stages.sweeps.slurm import Submitit


class InTurn(Sturdy):
    """One job after another, in this process."""

    inner = "hydra._internal.core_plugins.basic_launcher.BasicLauncher"


class Joblib(Sturdy):
    """Several jobs at a time, in processes of this machine."""

    inner = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"


class Local(Submitit):
    """A process of this machine for each job."""

    inner = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.LocalLauncher"
    cluster = "local"


class Slurm(Submitit):
    """One SLURM array for all jobs."""

    inner = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"
    cluster = "slurm"


class InOrder(BasicSweeper):
    """Every combination of the values, of which one that does not compose is the failure of its job alone."""

    def validate_batch_is_legal(self, batch: Sequence[Sequence[str]]) -> None:
        """Leave it to the launcher, which composes each job by itself."""
