"""Settings of all tests."""

import os

from hypothesis import HealthCheck, settings

#: Before torch is imported: networks this small gain nothing from more, and another number gives other last digits.
os.environ["OMP_NUM_THREADS"] = "1"

settings.register_profile(
    "default", deadline=None, max_examples=50, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("ci", settings.get_profile("default"), derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")
