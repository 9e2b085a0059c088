"""Population stores: memory, and an HDF5 file that survives a kill at any instant."""

from deap_nas.store.base import Record, Store, resume_population
from deap_nas.store.memory import MemoryStore

__all__ = ["MemoryStore", "Record", "Store", "resume_population"]
