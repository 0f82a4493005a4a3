"""The bench of `onepassword`: a Connect server with one vault; a secret is an item, its JSON the field `password`."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.backend import Fault
from tests.fakes.onepassword import TOKEN, VAULT, FakeConnect


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeConnect(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in data.items()}
            server.put(key, texts | {"password": json.dumps(dict(data))})

        def break_down() -> None:
            server.down = True

        block = {
            "connectHost": server.address,
            "vaults": {VAULT: 1},
            "auth": {"secretRef": {"connectTokenSecretRef": {"name": "login", "key": "token"}}},
        }
        bench = Bench(ground.whole("onepassword"), block, put, {"login/token": TOKEN})

        def rotate() -> None:
            server.token = bench.secrets["login/token"] = f"{TOKEN}-{len(server.asked)}"

        bench.server, bench.break_down, bench.rotate, bench.remove = server, break_down, rotate, server.remove
        bench.nested = bench.scalars = bench.extracts = bench.finds = bench.trusts = False
        bench.proves_absence = False
        bench.writes, bench.merges, bench.marks, bench.one_place = True, False, False, True
        bench.expired = Fault(401, body='{"status":401,"message":"Invalid token signature"}')
        bench.denied = Fault(403, body='{"status":403,"message":"not authorized for the vault"}')
        bench.shapes = ('"text"', "{}", '{"id":7}', "null", "[7]", '[{"id":7}]')  # an empty list is a reply
        bench.at = lambda address: {"connectHost": address}
        yield bench
        await bench.close()


BENCHES = (Case("onepassword", made, wire=True),)
