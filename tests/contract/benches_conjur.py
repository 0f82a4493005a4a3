"""The bench of `conjur`: a host with an API key."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.conjur import API_KEY, USER, FakeConjur


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeConjur(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.variables[key] = json.dumps(dict(data), separators=(",", ":")).encode()

        def break_down() -> None:
            server.down = True

        def rotate() -> None:
            key = f"{API_KEY}-{len(server.asked)}"
            server.keys = {USER: key}
            server.tokens.clear()
            bench.secrets["login/key"] = key

        auth = {
            "account": "shop",
            "userRef": {"name": "login", "key": "user"},
            "apiKeyRef": {"name": "login", "key": "key"},
        }
        block = {"url": server.address, "auth": {"apikey": auth}}
        bench = Bench(ground.whole("conjur"), block, put, {"login/user": USER, "login/key": API_KEY})
        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.variables.pop(key, None) and None
        bench.framed = bench.scalars = bench.validates = bench.proves_absence = False
        bench.faults_at = "/(secrets|resources)"
        bench.shapes = ()
        bench.at = lambda address: {"url": address}
        yield bench
        await bench.close()


BENCHES = (Case("conjur", made, wire=True),)
