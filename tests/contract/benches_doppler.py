"""The bench of `doppler`: a service token at the contract server, which stands for Doppler's host."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.backend import Fault
from tests.fakes.doppler import TOKEN, FakeDoppler


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeDoppler(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.secrets[key] = json.dumps(dict(data), separators=(",", ":"))

        def break_down() -> None:
            server.down = True

        block = {"auth": {"secretRef": {"dopplerToken": {"name": "login"}}}}
        bench = Bench(ground.whole("doppler", server.hosts), block, put, {"login/dopplerToken": TOKEN})

        def rotate() -> None:
            token = f"{TOKEN}-{len(server.asked)}"
            server.tokens = {token}
            bench.secrets["login/dopplerToken"] = token

        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.secrets.pop(key, None) and None
        bench.properties = bench.proves_absence = bench.trusts = False
        bench.writes, bench.merges, bench.marks = True, False, False
        bench.expired = Fault(401, body='{"messages":["Invalid Auth token"],"success":false}')
        bench.denied = Fault(403, body='{"messages":["You do not have access"],"success":false}')
        bench.shapes = ("[]", '"text"', "7", '{"app":7}', '{"app":["x"]}', '{"app":{}}')
        yield bench
        await bench.close()


BENCHES = (Case("doppler", made, wire=True),)
