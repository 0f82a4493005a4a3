"""The bench of `fortanix`: an app's API key; a secret is the JSON of its members, which are texts."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.fortanix import KEY, FakeFortanix


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeFortanix(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, json.dumps(dict(data)).encode())

        def break_down() -> None:
            server.down = True

        def rotate() -> None:
            server.key = bench.secrets["login/key"] = base64.b64encode(f"app:{len(server.asked)}".encode()).decode()

        block = {"apiUrl": server.address, "apiKey": {"secretRef": {"name": "login", "key": "key"}}}
        bench = Bench(ground.whole("fortanix"), block, put, {"login/key": KEY})
        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.objects.pop(key, None) and None
        bench.nested = bench.scalars = bench.finds = bench.validates = bench.proves_absence = bench.trusts = False
        bench.at = lambda address: {"apiUrl": address}
        bench.shapes = ("[]", '"text"', "{}", '{"kid":7}', '{"kid":"k","obj_type":"AES","value":7}')
        yield bench
        await bench.close()


BENCHES = (Case("fortanix", made, wire=True),)
