"""What every store promises the search loop, kept by ours."""

from contextlib import nullcontext

import pytest

from deap_nas.store import HDF5Store, MemoryStore
from deap_nas.testing import StoreContract


class TestMemoryStore(StoreContract):
    def make_store(self, space, *, seed, n_repeats, n_rungs):
        return nullcontext(MemoryStore(seed=seed))


class TestHDF5Store(StoreContract):
    @pytest.fixture(autouse=True)
    def _file(self, tmp_path):
        self.path = tmp_path / "run.h5"

    def make_store(self, space, **sizes):
        return HDF5Store.create(self.path, space=space, settings={}, **sizes)

    def reopen(self, store):
        return HDF5Store.resume(store.path)
