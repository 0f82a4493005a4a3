"""The bench of the provider `kubernetes`, on the contract server; the real API server is in tests/integration."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.kubernetes import AUTHORITY, TOKEN, FakeCluster


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeCluster(ground.tls) as cluster:
        block = {
            "server": {"url": cluster.address, "caProvider": AUTHORITY},
            "auth": {"token": {"bearerToken": {"name": "login", "key": "token"}}},
            "remoteNamespace": "default",
        }

        def put(key: str, data: Mapping[str, Any]) -> None:
            """Members of a Secret are texts: anything else is its JSON."""
            cluster.put(key, {name: text(value).encode() for name, value in data.items()})

        bench = Bench(ground.whole("kubernetes"), block, put, {"login/token": TOKEN})
        bench.server = cluster
        bench.remove = lambda key: cluster.secrets.pop(("default", key), None) and None
        bench.scalars = False
        bench.writes, bench.keyed, bench.marks = True, False, False
        bench.proves_absence = False
        bench.at = lambda address: {"server": {"url": address, "caProvider": AUTHORITY}}
        yield bench
        await bench.close()


def text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


BENCHES = (Case("kubernetes on the contract server", made, wire=True),)
