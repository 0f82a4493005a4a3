"""Makes the benches, and the real servers that some of them stand on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from e2e.harness.certs import Authority
from e2e.harness.moto import Moto
from e2e.harness.openbao import OpenBao
from tests.contract.benches import Bench, Case, Ground, cases
from tests.contract.realvault import RealServer


@pytest.fixture(scope="session")
def real_server() -> Iterator[RealServer]:
    with OpenBao() as bao:
        bao.mount_kv("secret")
        bao.mount_kv("kv1", 1)
        yield RealServer(bao)


@pytest.fixture
def real(real_server: RealServer) -> Iterator[RealServer]:
    """The real server, with nothing in it but its mounts."""
    bao = real_server.bao
    for path, version in (("secret", 2), ("kv1", 1)):
        bao.request("DELETE", f"sys/mounts/{path}")
        bao.mount_kv(path, version)
    yield real_server
    if real_server.sealed:
        bao.unseal()
        real_server.sealed = False


@pytest.fixture(scope="session")
def moto_server() -> Iterator[Moto]:
    with Moto() as server:
        yield server


@pytest.fixture
def moto(moto_server: Moto) -> Moto:
    moto_server.reset()
    return moto_server


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Who signs the certificates of contract servers that speak https."""
    return Authority(tmp_path_factory.mktemp("authority"))


def parameters(*, wire: bool = False) -> list[object]:
    return [
        pytest.param(case, id=case.id, marks=[pytest.mark.real] if case.real else [])
        for case in cases()
        if case.wire or not wire
    ]


@pytest.fixture(params=parameters())
async def bench(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """Every provider on every backend."""
    case: Case = request.param
    async with case.make(Ground(request.getfixturevalue)) as made:
        yield made


@pytest.fixture(params=parameters(wire=True))
def case(request: pytest.FixtureRequest) -> Case:
    """Every provider on a contract server that takes faults; the test makes the bench."""
    found: Case = request.param
    return found


@pytest.fixture
def ground(request: pytest.FixtureRequest) -> Ground:
    return Ground(request.getfixturevalue)
