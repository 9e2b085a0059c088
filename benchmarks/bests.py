"""The weights of each individual that was the best of its search, kept where they would be forgotten when it dies."""

import shutil

from deap_nas.evaluation import Status
from deap_nas.files import replacing


class Bests:
    """Keeps the weights of each individual that is fitter than all before it, beside those of the members.

    An observer of the search loops.

    Args:
        weights: folder of the weights of a search.
        store: its population file; a kill may have come before the weights of its best were kept, so they are kept now.
    """

    def __init__(self, weights, store):
        """See the class."""
        self.weights, self.kept = weights, weights.with_name(f"{weights.name}-of-bests")
        self.kept.mkdir(parents=True, exist_ok=True)
        self.best = -1.0
        ok = [record.evaluation for record in store if record.evaluation.status is Status.OK]
        if ok:
            self.keep(max(ok, key=lambda evaluation: evaluation.values[0]))

    def __call__(self, individual, n_running):
        """Take note of an evaluation that has ended."""
        del n_running
        evaluation = individual.evaluation
        if evaluation.status is Status.OK and evaluation.values[0] > self.best:
            self.keep(evaluation)

    def keep(self, evaluation):
        """Keep the weights of an evaluation, the best until now."""
        self.best = evaluation.values[0]
        kept = self.kept / f"{evaluation.id}.safetensors"
        if not kept.exists():
            with replacing(kept) as partial:
                shutil.copyfile(self.weights / kept.name, partial)
