"""DEAP-style operators: initialise, mutate, mate, select, kill; limits on what they may give."""

from deap_nas.operators.chain_operators import (
    cxChain,
    initChain,
    mutAlterLayer,
    mutChain,
    mutInsertLayer,
    mutRemoveLayer,
)
from deap_nas.operators.cost_limit import CostLimit, median_cost
from deap_nas.operators.motif import cxMotif, initDiversified, initTrivial, mutEdge
from deap_nas.operators.ranking import RankedPopulation
from deap_nas.operators.selection import selTournamentCrowded, selTournamentFraction
from deap_nas.operators.survival import killLoser, killOldest, killUnselected
from deap_nas.operators.uniform import Bounded, initUniform, mutGene

__all__ = [
    "Bounded",
    "CostLimit",
    "RankedPopulation",
    "cxChain",
    "cxMotif",
    "initChain",
    "initDiversified",
    "initTrivial",
    "initUniform",
    "killLoser",
    "killOldest",
    "killUnselected",
    "median_cost",
    "mutAlterLayer",
    "mutChain",
    "mutEdge",
    "mutGene",
    "mutInsertLayer",
    "mutRemoveLayer",
    "selTournamentCrowded",
    "selTournamentFraction",
]
