"""DEAP-style operators: initialise, mutate, mate, select, kill; limits on what they may give."""

from deap_nas.operators.cell_operators import mutCell, mutHiddenState, mutOperation
from deap_nas.operators.chain_morphisms import (
    mutDeepenChain,
    mutMorphChain,
    mutNarrowChain,
    mutShrinkChain,
    mutWidenChain,
)
from deap_nas.operators.chain_operators import (
    cxChain,
    initChain,
    mutAlterLayer,
    mutChain,
    mutInsertLayer,
    mutRemoveLayer,
)
from deap_nas.operators.cost_limit import CostLimit, median_cost
from deap_nas.operators.dna_morphisms import (
    initConvolutions,
    mutAddGatedSkip,
    mutDeepen,
    mutMorph,
    mutNarrow,
    mutShrink,
    mutWiden,
)
from deap_nas.operators.dna_operators import (
    initLinear,
    mutAddSkip,
    mutAlterLearningRate,
    mutAlterNumberOfChannels,
    mutAlterStride,
    mutFilterSize,
    mutIdentity,
    mutInsertConvolution,
    mutInsertOneToOne,
    mutRemoveConvolution,
    mutRemoveSkip,
    mutResetWeights,
)
from deap_nas.operators.large_scale import LARGE_SCALE_MUTATIONS, mutLargeScale
from deap_nas.operators.motif import cxMotif, initDiversified, initTrivial, mutEdge
from deap_nas.operators.ranking import RankedPopulation
from deap_nas.operators.selection import selInverseDensity, selTournamentCrowded, selTournamentFraction
from deap_nas.operators.survival import killLoser, killOldest, killUnselected
from deap_nas.operators.uniform import Bounded, initUniform, mutGene

__all__ = [
    "LARGE_SCALE_MUTATIONS",
    "Bounded",
    "CostLimit",
    "RankedPopulation",
    "cxChain",
    "cxMotif",
    "initChain",
    "initConvolutions",
    "initDiversified",
    "initLinear",
    "initTrivial",
    "initUniform",
    "killLoser",
    "killOldest",
    "killUnselected",
    "median_cost",
    "mutAddGatedSkip",
    "mutAddSkip",
    "mutAlterLayer",
    "mutAlterLearningRate",
    "mutAlterNumberOfChannels",
    "mutAlterStride",
    "mutCell",
    "mutChain",
    "mutDeepen",
    "mutDeepenChain",
    "mutEdge",
    "mutFilterSize",
    "mutGene",
    "mutHiddenState",
    "mutIdentity",
    "mutInsertConvolution",
    "mutInsertLayer",
    "mutInsertOneToOne",
    "mutLargeScale",
    "mutMorph",
    "mutMorphChain",
    "mutNarrow",
    "mutNarrowChain",
    "mutOperation",
    "mutRemoveConvolution",
    "mutRemoveLayer",
    "mutRemoveSkip",
    "mutResetWeights",
    "mutShrink",
    "mutShrinkChain",
    "mutWiden",
    "mutWidenChain",
    "selInverseDensity",
    "selTournamentCrowded",
    "selTournamentFraction",
]
