"""What a search spends, and strategies that end when it is spent."""

from deap_nas.strategies import END

#: What a search spends, by what it is called in words.
BUDGETS = {"evaluations": "evaluations", "flops": "floating-point operations", "hours": "hours of work"}


def costs_of(evaluation):
    """What an evaluation has spent of each; one that failed has taken its time."""
    return {"evaluations": 1, "flops": max(0.0, evaluation.compute), "hours": evaluation.seconds / 3600}


def is_spent(totals, budgets):
    """Whether all budgets that were said, others being None, are spent."""
    return all(totals[name] >= budget for name, budget in budgets.items() if budget is not None)


class Spending:
    """A strategy that does as another one does, and ends the search when its budgets are spent.

    Args:
        strategy: the other one.
        budgets: name -> amount, or None.
    """

    def __init__(self, strategy, budgets):
        """See the class."""
        self.strategy = strategy
        self.budgets = budgets
        self.totals = dict.fromkeys(budgets, 0.0)

    def generate(self):
        """Propose what the other one does, or the end."""
        return END if is_spent(self.totals, self.budgets) else self.strategy.generate()

    def update(self, individual):
        """Take note of what an evaluation has spent."""
        for name, cost in costs_of(individual.evaluation).items():
            self.totals[name] += cost
        self.strategy.update(individual)

    @property
    def share(self):
        """Part of the budgets that is spent, in [0, 1]."""
        return min(1, *(self.totals[name] / budget for name, budget in self.budgets.items() if budget is not None))

    def register(self, toolbox):
        """Put the strategy, with what else the other one can do, into a toolbox."""
        toolbox.register("generate", self.generate)
        toolbox.register("update", self.update)
        for name in ("getstate", "setstate", "remove"):
            if hasattr(self.strategy, name):
                toolbox.register(name, getattr(self.strategy, name))
