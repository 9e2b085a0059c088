"""Contracts as test classes: what the package relies on in a part that somebody else writes.

Inherit one in a test module of your own and say how the part is made; pytest then runs its tests::

    class TestMyExecutor(ExecutorContract):
        def make_executor(self):
            return MyExecutor(n_workers=2)
"""

from deap_nas.testing.executor import ExecutorContract
from deap_nas.testing.layer import LayerContract, OperationContract
from deap_nas.testing.space import IntegerSpaceContract, SpaceContract
from deap_nas.testing.store import StoreContract

__all__ = [
    "ExecutorContract",
    "IntegerSpaceContract",
    "LayerContract",
    "OperationContract",
    "SpaceContract",
    "StoreContract",
]
