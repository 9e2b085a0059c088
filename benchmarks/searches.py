"""Population files of the searches that are compared, and what each had found when it had spent a budget."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from spending import BUDGETS, costs_of

from deap_nas.evaluation import Status
from deap_nas.store import HDF5Store


@dataclass(frozen=True)
class Row:
    """A row of the table: a representation, and whether it is searched at random."""

    name: str
    is_random: bool = False

    @property
    def label(self):
        """Its name in tables and figures."""
        return f"{self.name}, random" if self.is_random else self.name

    def file(self, folder, seed):
        """Population file of its search with a seed."""
        name = self.label.replace(",", "").replace(" ", "-")
        return Path(folder) / f"seed{seed}" / f"{name}.h5"


class Search:
    """A search as its population file has it.

    Args:
        folder: of all searches.
        row: of the table.
        seed: of the search.
    """

    def __init__(self, folder, row, seed):
        """See the class."""
        self.row, self.seed = row, seed
        with HDF5Store.read(row.file(folder, seed)) as store:
            self.records = store.records()
        costs = [costs_of(record.evaluation) for record in self.records]
        #: Budget -> what was spent of it after each evaluation, in the order in which they ended.
        self.spent = {name: np.cumsum([0, *(cost[name] for cost in costs)])[1:] for name in BUDGETS}
        values = [accuracy_of(record) for record in self.records]
        #: Highest accuracy after none, one, two, ... evaluations; NaN while all have failed.
        self.best = np.fmax.accumulate([np.nan, *values])

    @property
    def totals(self):
        """Budget -> what was spent of it."""
        return {name: float(spent[-1]) if len(spent) else 0.0 for name, spent in self.spent.items()}

    def n_within(self, name, budget):
        """How many evaluations a budget pays for."""
        return np.searchsorted(self.spent[name], budget, side="right")

    def best_at(self, name, amounts):
        """Highest accuracy for each of some amounts of a budget; NaN where nothing has succeeded for it."""
        return self.best[self.n_within(name, amounts)]

    def chosen(self, name, budget):
        """The first of the fittest within a budget; None if it pays for none that has not failed."""
        paid = self.records[: self.n_within(name, budget)]
        return max((record for record in paid if not np.isnan(accuracy_of(record))), key=accuracy_of, default=None)

    def bests(self):
        """Each record that is fitter than all before it."""
        risen = np.diff(np.nan_to_num(self.best, nan=-1.0)) > 0
        return [record for record, rises in zip(self.records, risen, strict=True) if rises]


def accuracy_of(record):
    """Validation accuracy of a record, in [0, 1]; NaN of one that failed."""
    evaluation = record.evaluation
    return evaluation.values[0] if evaluation.status is Status.OK else float("nan")


def common_budgets(searches, wanted):
    """What is compared: of each budget what was wanted, or else the most that all searches have spent.

    Args:
        searches: that have spent what was wanted.
        wanted: budget -> amount, or None.
    """
    least = {name: min(search.totals[name] for search in searches) for name in BUDGETS}
    return {name: least[name] if amount is None else amount for name, amount in wanted.items()}
