"""Contracts as test classes: what the package relies on in a part that somebody else writes.

Inherit one in a test module of your own and say how the part is made; pytest then runs its tests::

    class TestMyExecutor(ExecutorContract):
        def make_executor(self):
            return MyExecutor(n_workers=2)
"""

from deap_nas.testing.estimator_contract import EstimatorContract
from deap_nas.testing.executor_contract import ExecutorContract
from deap_nas.testing.layer_contract import LayerContract, OperationContract
from deap_nas.testing.space_contract import IntegerSpaceContract, SpaceContract
from deap_nas.testing.store_contract import StoreContract
from deap_nas.testing.strategy_contract import StrategyContract
from deap_nas.testing.surrogate_contract import SurrogateContract
from deap_nas.testing.survival_contract import SurvivalContract

__all__ = [
    "EstimatorContract",
    "ExecutorContract",
    "IntegerSpaceContract",
    "LayerContract",
    "OperationContract",
    "SpaceContract",
    "StoreContract",
    "StrategyContract",
    "SurrogateContract",
    "SurvivalContract",
]
