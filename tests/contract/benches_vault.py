"""The benches of `vault` and `openBao`: both KV versions, on the contract server and on a real OpenBao."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.contract.realvault import RealServer
from tests.fakes.backend import Fault
from tests.fakes.vault import ROOT, FakeVault

MOUNTS = {1: "kv1", 2: "secret"}


def bench(ground: Ground, name: str, version: int, address: str, token: str, put: Callable[..., None]) -> Bench:
    block = {
        "server": address,
        "path": MOUNTS[version],
        "version": f"v{version}",
        "auth": {"tokenSecretRef": {"name": "login", "key": "token"}},
    }
    made = Bench(ground.whole(name), block, lambda key, data: put(MOUNTS[version], key, data), {"login/token": token})
    made.writes = name == "vault"
    if name == "openBao":
        made.proves_absence = made.nested = False
    return made


def on_the_fake(name: str, version: int) -> Callable[[Ground], AbstractAsyncContextManager[Bench]]:
    @asynccontextmanager
    async def made(ground: Ground) -> AsyncIterator[Bench]:
        async with FakeVault(ground.tls) as server:

            def put(mount: str, key: str, data: Mapping[str, Any]) -> None:
                server.put(mount, key, dict(data))

            def break_down() -> None:
                server.sealed = True

            made = bench(ground, name, version, server.address, ROOT, put)
            made.server, made.break_down = server, break_down
            made.remove = lambda key: server.kv[MOUNTS[version]][1].pop(key, None) and None
            # A token that has ended is told by these words, the status alone says the same of a path it may not read.
            made.expired = Fault(403, body='{"errors":["permission denied","invalid token"]}')
            made.denied = Fault(403, body='{"errors":["permission denied"]}')
            made.faults_at = "/(secret|kv1)/"

            def rotate() -> None:
                old = made.secrets["login/token"]
                made.secrets["login/token"] = f"{ROOT}-{len(server.asked)}"
                server.tokens[made.secrets["login/token"]] = server.tokens.pop(old)

            made.rotate = rotate
            made.at = lambda address: {"server": address}
            yield made
            await made.close()

    return made


def on_the_real_one(name: str, version: int) -> Callable[[Ground], AbstractAsyncContextManager[Bench]]:
    @asynccontextmanager
    async def made(ground: Ground) -> AsyncIterator[Bench]:
        real: RealServer = ground.fixture("real")
        made = bench(ground, name, version, real.address, real.bao.root_token, real.write)
        made.break_down = real.break_down
        yield made
        await made.close()

    return made


KINDS = [(name, version) for name in ("vault", "openBao") for version in (2, 1)]
BENCHES = (
    *(Case(f"{name} KV v{version} against the fake", on_the_fake(name, version), wire=True) for name, version in KINDS),
    *(
        Case(f"{name} KV v{version} against OpenBao", on_the_real_one(name, version), real=True)
        for name, version in KINDS
    ),
)
