"""Unit tests run on an event loop that reports a lost wake-up within a second."""

from __future__ import annotations

from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping

from tests.fakes.loop import impatient_loop


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], AbstractEventLoop]]:
    return {"impatient": impatient_loop}
