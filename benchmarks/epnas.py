"""Progressive search (Perez-Rua 2018 <https://arxiv.org/abs/1808.00391>) beside what it differs from, in one run.

    python benchmarks/epnas.py                              # digits, some minutes
    python benchmarks/epnas.py --table nasbench201.npz      # also on NAS-Bench-201, where the true order is known
    python benchmarks/epnas.py --workers 2 --dataset imagefolder:PATH ...   # see benchmarks/results

The searches are EPNAS, which samples by a surrogate at a temperature that falls to one; PNAS, which takes the K best by
the surrogate; the same steps with uniform draws; and random search over networks of all levels, with as many trainings.
On images each is done with shared weights and with weights drawn anew, and how well shared weights rank networks is
measured on networks that are also trained alone: those of the searches, and random ones by a one-shot model, whose
shared weights random networks have trained. Figure 6 of the paper, the spread over searches by iterations, is drawn.

Started again with the same options, it goes on where it was.
"""

import json
import random
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from statistics import fmean, stdev

import matplotlib.pyplot as plt
import numpy as np
from deap import base, creator
from machine import describe
from tqdm import tqdm

import deap_nas
from deap_nas.command_line import CommandLine, at_least, make_fitness, run
from deap_nas.evaluation import Status, derive_seed
from deap_nas.executors import SerialExecutor
from deap_nas.files import save_json
from deap_nas.report import save_figure
from deap_nas.store import MemoryStore, beside, open_run, resume_population
from deap_nas.strategies import ProgressiveSearch, RandomSearch
from deap_nas.surrogates import LSTMSurrogate, kendall_tau
from deap_nas.training import EPNAS, OneShotFitness, SharedWeights

#: Search -> first and last temperature; None for random search.
SEARCHES = {
    "EPNAS": (10.0, 1.0),
    "EPNAS, down to 0.2": (10.0, 0.2),
    "PNAS, the K best": (0.0, 0.0),
    "uniform draws": (float("inf"), float("inf")),
    "random search": None,
}
