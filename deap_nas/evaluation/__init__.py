"""Performance estimation: jobs, evaluations, and what a fitness can do. Who runs them is an executor's business."""

from deap_nas.evaluation.curves import Curves, Stopping
from deap_nas.evaluation.evaluation import DetailedFitness, Evaluation, Job, JobFitness, Stage, Status, derive_seed
from deap_nas.evaluation.guard import Guard
from deap_nas.evaluation.runner import Runner, WorkerFilter

__all__ = [
    "Curves",
    "DetailedFitness",
    "Evaluation",
    "Guard",
    "Job",
    "JobFitness",
    "Runner",
    "Stage",
    "Status",
    "Stopping",
    "WorkerFilter",
    "derive_seed",
]
