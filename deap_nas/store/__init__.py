"""Population stores: memory, and an HDF5 file that survives a kill at any instant."""

from deap_nas.files import beside
from deap_nas.store.checking import Problem, find_problems
from deap_nas.store.contract import Record, Store, resume_population
from deap_nas.store.hdf5.population_file import HDF5Store
from deap_nas.store.memory_store import MemoryStore
from deap_nas.store.merging import merge_runs
from deap_nas.store.opening import open_run
from deap_nas.store.table_export import save_table, to_frame, write_csv

__all__ = [
    "HDF5Store",
    "MemoryStore",
    "Problem",
    "Record",
    "Store",
    "beside",
    "find_problems",
    "merge_runs",
    "open_run",
    "resume_population",
    "save_table",
    "to_frame",
    "write_csv",
]
