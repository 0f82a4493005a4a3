"""The bench of `delinea`: a client with its secret, one tenant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.delinea import CLIENT, PASSWORD, FakeDelinea


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeDelinea(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.secrets[key] = dict(data)

        def break_down() -> None:
            server.down = True

        def rotate() -> None:
            secret = f"{PASSWORD}-{len(server.asked)}"
            server.clients = {CLIENT: secret}
            server.tokens.clear()
            bench.secrets["login/secret"] = secret

        block = {
            "tenant": "shop",
            "urlTemplate": server.template,
            "clientId": {"value": CLIENT},
            "clientSecret": {"secretRef": {"name": "login", "key": "secret"}},
        }
        bench = Bench(ground.whole("delinea"), block, put, {"login/secret": PASSWORD})
        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.secrets.pop(key, None) and None
        bench.finds = bench.validates = bench.proves_absence = bench.trusts = False
        bench.faults_at = "/secrets/"
        bench.at = lambda address: {"urlTemplate": f"{address}/%s/%s/%s%s"}
        bench.shapes = ("[]", '"text"', "{}", '{"data":7}', '{"data":["x"]}')
        yield bench
        await bench.close()


BENCHES = (Case("delinea", made, wire=True),)
