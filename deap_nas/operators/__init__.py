"""DEAP-style operators: initialise, mutate, mate, select."""

from deap_nas.operators.motif import cxMotif, initDiversified, initTrivial, mutEdge
from deap_nas.operators.selection import selTournamentFraction

__all__ = ["cxMotif", "initDiversified", "initTrivial", "mutEdge", "selTournamentFraction"]
