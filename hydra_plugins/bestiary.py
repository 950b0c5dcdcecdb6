"""The launchers of a sweep; Hydra takes launchers from this package alone. How they run jobs is stages/launch.py's."""

from stages.launch import Sturdy
from stages.slurm import Submitit


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
