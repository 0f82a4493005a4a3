"""The bench of `ovh`: one OKMS domain at the contract server, with a token."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.backend import Fault
from tests.fakes.ovh import DOMAIN, TOKEN, FakeOvh


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeOvh(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, dict(data))

        def break_down() -> None:
            server.down = True

        block = {
            "server": server.address,
            "okmsid": DOMAIN,
            "auth": {"token": {"tokenSecretRef": {"name": "login", "key": "token"}}},
        }
        bench = Bench(ground.whole("ovh"), block, put, {"login/token": TOKEN})

        def rotate() -> None:
            server.token = bench.secrets["login/token"] = f"{server.token}x"

        bench.server, bench.break_down, bench.rotate, bench.remove = server, break_down, rotate, server.remove
        bench.trusts = False  # only a store with a client certificate names an authority
        bench.expired = Fault(401, body='{"error_code":2}')
        bench.denied = Fault(403, body='{"error_code":6}')
        bench.shapes = ("[]", '"text"', "{}", '{"version":7}', '{"version":{}}', '{"version":{"data":[1]}}')
        bench.at = lambda address: {"server": address}
        bench.writes, bench.merges, bench.marks = True, False, False
        yield bench
        await bench.close()


BENCHES = (Case("ovh", made, wire=True),)
