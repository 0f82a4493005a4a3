"""The Go side, built and started once for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from e2e.harness.fixtures import needed
from tests.oracle.build import binary
from tests.oracle.oracle import Oracle


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--oracle-seed",
        type=int,
        default=None,
        help="seed of the random templates (default: a pinned one; also ORACLE_SEED)",
    )


def pytest_collection_finish(session: pytest.Session) -> None:
    """The first build is nobody's test time."""
    if "oracle" in needed(session):
        binary()


@pytest.fixture(scope="session")
def oracle() -> Iterator[Oracle]:
    with Oracle() as started:
        yield started
