"""Linear algebra on one thread."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

__all__ = ["one_thread"]


def one_thread() -> AbstractContextManager[Any]:
    """While it lasts, linear algebra takes one thread.

    A search's matrices are small: more threads are hardly quicker, and take the cores from trainings.
    """
    return _libraries().limit(limits=1, user_api="blas")  # type: ignore[no-any-return]


@lru_cache(maxsize=1)
def _libraries() -> Any:
    """Looked for once, which takes milliseconds; those that scikit-learn has loaded."""
    import sklearn.gaussian_process  # noqa: F401 - loads NumPy's and SciPy's
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()
