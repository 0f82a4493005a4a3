"""The bench of `beyondtrustworkloadcredentials`: one site at the contract server, which stands for BeyondTrust's
host."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.backend import Fault
from tests.fakes.workloadcredentials import ADDRESS, SITE, TOKEN, FakeWorkloadCredentials


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeWorkloadCredentials(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.secrets[f"shop/{key}"] = dict(data)

        def break_down() -> None:
            server.down = True

        block = {
            "server": {"apiUrl": ADDRESS, "siteId": SITE},
            "folderPath": "shop",
            "auth": {"apikey": {"token": {"name": "login", "key": "token"}}},
        }
        name = "beyondtrustworkloadcredentials"
        bench = Bench(ground.whole(name, server.hosts), block, put, {"login/token": TOKEN})

        def rotate() -> None:
            server.token = bench.secrets["login/token"] = f"{server.token}x"

        def remove(key: str) -> None:
            del server.secrets[f"shop/{key}"]

        bench.server, bench.break_down, bench.rotate, bench.remove = server, break_down, rotate, remove
        bench.nested = bench.scalars = bench.finds = False  # a search finds members, under path/member
        bench.expired = Fault(401, body='{"error":"Unauthorized"}')
        bench.denied = Fault(403, body='{"error":"Forbidden"}')
        bench.shapes = ("[]", '"text"', "{}", '{"secret":7}', '{"secret":["x"]}', '{"secret":null}')
        yield bench
        await bench.close()


BENCHES = (Case("beyondtrustworkloadcredentials", made, wire=True),)
