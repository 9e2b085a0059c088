"""Both MPIs, for tests that need nothing which only one of them has."""

import pytest

from tests.launch import MPICH, OPEN_MPI


@pytest.fixture(params=[pytest.param(OPEN_MPI, id="Open MPI"), pytest.param(MPICH, id="MPICH")])
def mpi(request):
    if request.param.launcher is None:
        pytest.skip("this MPI is not installed: scripts/environment brings both")
    return request.param
