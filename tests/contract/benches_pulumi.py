"""The bench of `pulumi`: one environment at the contract server, with an access token; a secret is a property."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.backend import Fault
from tests.fakes.pulumi import ENVIRONMENT, ORGANIZATION, PROJECT, TOKEN, FakePulumi


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakePulumi(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.values[key] = dict(data)

        def break_down() -> None:
            server.down = True

        block = {
            "apiUrl": f"{server.address}/api/esc",
            "organization": ORGANIZATION,
            "project": PROJECT,
            "environment": ENVIRONMENT,
            "auth": {"accessToken": {"secretRef": {"name": "login", "key": "token"}}},
        }
        bench = Bench(ground.whole("pulumi"), block, put, {"login/token": TOKEN})

        def rotate() -> None:
            token = f"{TOKEN}-{len(server.asked)}"
            server.tokens = {token}
            bench.secrets["login/token"] = token

        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.values.pop(key, None) and None
        bench.whole = bench.properties = bench.finds = bench.validates = False  # objects show their traces
        bench.scalars = bench.proves_absence = bench.trusts = False
        bench.expired = Fault(401, body='{"code":401,"message":"Unauthorized"}')
        bench.denied = Fault(403, body='{"code":403,"message":"Forbidden"}')
        bench.shapes = ("[]", '"text"', "7", "{}", '{"id":7}', '{"id":""}', '{"id":".."}', '{"properties":7}')
        bench.at = lambda address: {"apiUrl": f"{address}/api/esc"}
        bench.writes, bench.one_place = True, True
        bench.merges = bench.marks = bench.deletes = False
        yield bench
        await bench.close()


BENCHES = (Case("pulumi", made, wire=True),)
