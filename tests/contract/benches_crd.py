"""The bench of the provider `crd`, on the contract server: a secret is a Widget with members beside its metadata."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.backend import Fault
from tests.fakes.crd import GROUP, TOKEN, FakeKinds
from tests.fakes.kubernetes import AUTHORITY


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeKinds(ground.tls) as cluster:
        server = {"url": cluster.address, "caProvider": AUTHORITY}
        block = {
            "server": server,
            "auth": {"token": {"bearerToken": {"name": "login", "key": "token"}}},
            "resource": {"group": GROUP, "version": "v1", "kind": "Widget"},
        }

        def put(key: str, data: Mapping[str, Any]) -> None:
            cluster.put(key, data)

        def remove(key: str) -> None:
            del cluster.objects["widgets", "team-a", key]

        def break_down() -> None:
            cluster.down = True

        bench = Bench(ground.whole("crd"), block, put, {"login/token": TOKEN})

        bench.server, bench.remove, bench.break_down = cluster, remove, break_down
        bench.whole = bench.extracts = False  # its metadata is in it
        bench.validates = False  # the login has asked already
        bench.expired = Fault(401, body='{"kind":"Status","status":"Failure","reason":"Unauthorized","code":401}')
        bench.denied = Fault(403, body='{"kind":"Status","status":"Failure","reason":"Forbidden","code":403}')
        bench.faults_at = "/widgets"
        bench.at = lambda address: {"server": {"url": address, "caProvider": AUTHORITY}}
        yield bench
        await bench.close()


BENCHES = (Case("crd", made, wire=True),)
