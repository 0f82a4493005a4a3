"""The bench of `ngrok`: secrets of one vault, which nobody reads."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.ngrok import KEY, FakeNgrok


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeNgrok(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, json.dumps(dict(data)))

        block = {
            "apiUrl": server.address,
            "auth": {"apiKey": {"secretRef": {"name": "login", "key": "key"}}},
            "vault": {"name": "shop"},
        }
        bench = Bench(ground.whole("ngrok"), block, put, {"login/key": KEY})
        bench.server = server
        bench.reads = bench.whole = bench.properties = bench.extracts = bench.finds = bench.proves_absence = False
        bench.trusts = False
        bench.writes, bench.merges, bench.marks = True, False, False
        bench.at = lambda address: {"apiUrl": address}
        yield bench
        await bench.close()


BENCHES = (Case("ngrok", made),)
