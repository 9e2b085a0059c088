"""Pictures of genotypes, the progress of a search, summaries of population files. Needs the extra ``report``."""

from deap_nas.report.ancestry import Ancestor, lineage, lineage_in_words
from deap_nas.report.dominated_volume import hypervolume
from deap_nas.report.draw import draw_genotype, save_drawing, save_figure
from deap_nas.report.lineage_drawing import draw_lineage
from deap_nas.report.network_drawing import draw_network
from deap_nas.report.pictures import draw_best, draw_member
from deap_nas.report.progress import Progress
from deap_nas.report.summary import best_id, in_words, member, summarise

__all__ = [
    "Ancestor",
    "Progress",
    "best_id",
    "draw_best",
    "draw_genotype",
    "draw_lineage",
    "draw_member",
    "draw_network",
    "hypervolume",
    "in_words",
    "lineage",
    "lineage_in_words",
    "member",
    "save_drawing",
    "save_figure",
    "summarise",
]
