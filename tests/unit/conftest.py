"""Unit tests run on an event loop that reports a lost wake-up within a second."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

from hypothesis import HealthCheck, settings

from tests.fakes.loop import impatient_loop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    return {"impatient": impatient_loop}


# no deadline for one example: the machine may be busy; the same examples each time: new ones are found by `make props`
settings.register_profile("usual", deadline=None, derandomize=True)
if settings.get_current_profile_name() == "default":
    settings.load_profile("usual")
# `make props`: about a minute for a test that does nothing but compute
settings.register_profile(
    "long", max_examples=5_000, deadline=None, derandomize=False, suppress_health_check=[HealthCheck.too_slow]
)
