"""The benches: every provider, against a fake and, where there is one, against the real server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import pytest

from e2e.harness.openbao import OpenBao
from tests.contract.benches import Bench, fake_bench, openbao_bench, vault_bench
from tests.fakes.vault import ROOT, FakeVault


class FakeServer:
    def __init__(self, fake: FakeVault) -> None:
        self.fake, self.address = fake, fake.address

    def write(self, mount: str, key: str, data: Mapping[str, Any]) -> None:
        self.fake.put(mount, key, dict(data))

    def remove(self, key: str) -> None:
        self.fake.kv["secret"][1][key].append(None)

    def break_down(self) -> None:
        self.fake.sealed = True


class RealServer:
    def __init__(self, bao: OpenBao) -> None:
        self.bao, self.address = bao, bao.address
        self.sealed = False

    def write(self, mount: str, key: str, data: Mapping[str, Any]) -> None:
        self.bao.put(mount, key, data, 2 if mount == "secret" else 1)

    def remove(self, key: str) -> None:
        self.bao.delete("secret", key)

    def break_down(self) -> None:
        self.bao.seal()
        self.sealed = True


@pytest.fixture(scope="session")
def real_server() -> Iterator[RealServer]:
    with OpenBao() as bao:
        bao.mount_kv("secret")
        bao.mount_kv("kv1", 1)
        yield RealServer(bao)


@pytest.fixture
async def fake_server() -> AsyncIterator[FakeServer]:
    fake = await FakeVault().start()
    yield FakeServer(fake)
    await fake.stop()


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


VAULTS = [
    (vault_bench, "vault", 2),
    (vault_bench, "vault", 1),
    (openbao_bench, "openBao", 2),
    (openbao_bench, "openBao", 1),
]


@pytest.fixture(
    params=[
        pytest.param(None, id="fake"),
        *(
            pytest.param((make, version, "fake_server"), id=f"{name} KV v{version} against the fake")
            for make, name, version in VAULTS
        ),
        *(
            pytest.param((make, version, "real"), id=f"{name} KV v{version} against OpenBao", marks=pytest.mark.real)
            for make, name, version in VAULTS
        ),
    ]
)
def bench(request: pytest.FixtureRequest) -> Bench:
    if request.param is None:
        return fake_bench()
    make, version, server_fixture = request.param
    server = request.getfixturevalue(server_fixture)
    token = server.bao.root_token if server_fixture == "real" else ROOT
    made: Bench = make(server, token, version)
    return made
