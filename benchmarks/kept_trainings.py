"""Trainings that are kept in a file, each as soon as it has ended, so that none is done twice.

The file has a line of JSON for each, and only ever grows. One that its worker has lost, or that took too long, is not
kept: when the same script is started again, it is tried again.
"""

import json
import sys
from concurrent.futures import FIRST_COMPLETED, wait
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from tqdm import tqdm

from deap_nas.engine.outcome import outcome
from deap_nas.evaluation import Job, Runner, Status
from deap_nas.executors.channel import count_workers
from deap_nas.files import make_folder, naming

#: What follows from the genotype, and would come out again.
_LASTING = (Status.OK, Status.NOT_VIABLE, Status.FAILED, Status.DIVERGED)


@dataclass(frozen=True)
class Training:
    """One training of a genotype."""

    #: An :class:`~deap_nas.training.AccuracyFitness` of one repeat.
    fitness: Any
    genotype: Any
    seed: int

    @property
    def key(self):
        """What it is known by: equal where fitness, genotype and seed are."""
        row = self.fitness.space.encode(self.genotype).tolist()
        content = json.dumps([self.fitness.to_dict(), row, self.seed], sort_keys=True)
        return blake2b(content.encode(), digest_size=16).hexdigest()


class KeptTrainings:
    """What trainings have given, in a file.

    Args:
        path: of the file; a new one is made with its folder. A last line that a kill has torn is dropped.
    """

    def __init__(self, path):
        """See the class."""
        self.path = path
        make_folder(path.parent)
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        whole = text[: text.rfind("\n") + 1]
        if whole != text:
            with naming(path), path.open("r+b") as file:
                file.truncate(len(whole.encode()))
        self._found = {fields["key"]: fields for fields in map(json.loads, whole.splitlines())}

    def accuracy(self, training):
        """Validation accuracy of a training, of those that were asked for; None where it has failed."""
        return self._found.get(training.key, {}).get("accuracy")

    def train(self, trainings, executor):
        """Do those of the trainings that are not there, as many at a time as there are workers."""
        wanted = {training.key: training for training in trainings}
        left = {key: training for key, training in wanted.items() if key not in self._found}
        running = {}
        bar = tqdm(total=len(wanted), initial=len(wanted) - len(left), desc="trainings", file=sys.stderr, disable=None)
        with bar:
            try:
                for number, (key, training) in enumerate(left.items()):
                    job = Job(number, training.genotype, training.seed)
                    running[executor.submit(Runner(training.fitness), job)] = key, job
                    while len(running) >= count_workers(executor):
                        bar.update(self._keep_ended(running))
                while running:
                    bar.update(self._keep_ended(running))
            finally:
                for future in running:
                    future.cancel()

    def _keep_ended(self, running):
        """Wait for trainings that end, and keep them; gives their number."""
        ended, _ = wait(running, return_when=FIRST_COMPLETED)
        for future in ended:
            key, job = running.pop(future)
            evaluation = outcome(future, job, is_first=not self._found, is_last_try=True)
            if evaluation.status in _LASTING:
                self._keep(key, evaluation)
            else:
                print(f"a training was lost ({evaluation.error}); start again to try it again", file=sys.stderr)
        return len(ended)

    def _keep(self, key, evaluation):
        fields = {"key": key, "status": evaluation.status.name}
        if evaluation.status is Status.OK:
            fields["accuracy"] = evaluation.scores[0]
        else:
            fields["error"] = evaluation.error
        with naming(self.path), self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(fields) + "\n")
        self._found[key] = fields
