"""Evolution of neural-network architectures for DEAP.

The core, importable without torch, mpi4py and h5py: search spaces say which genotypes are legal, operators vary and
select them in DEAP's form, the loops run the search, and the graph tells what a genotype costs. The parts that need
more are packages of their own: :mod:`deap_nas.assembly` and :mod:`deap_nas.training` (torch),
:mod:`deap_nas.executors` (processes, MPI ranks), :mod:`deap_nas.store` (population files) and :mod:`deap_nas.report`
(pictures).

Each name is imported when it is first asked for, so that a rank that waits for work has loaded little; the names are in
``__init__.pyi``.
"""

import lazy_loader

from deap_nas import errors as errors  # so that "except deap_nas.errors.NASError" needs no other import

_named, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    """Import what is asked for, or look the version up."""
    if name != "__version__":
        return _named(name)
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("deap-nas")
    except PackageNotFoundError:  # used from a folder that is not installed
        return "unknown"
