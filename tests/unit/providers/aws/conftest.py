"""One moto server for all tests of the room; each test finds it empty."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.harness.moto import Moto


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Moto]:
    with Moto() as server:
        yield server


@pytest.fixture
def moto(moto_server: Moto) -> Moto:
    moto_server.reset()
    return moto_server
