"""The bench of `barbican`: a user's password at Keystone, one project; a secret's name is its id here."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.barbican import DOMAIN, PASSWORD, PROJECT, REGION, USER, FakeBarbican


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeBarbican(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, json.dumps(dict(data)).encode())

        def break_down() -> None:
            server.down = True

        def rotate() -> None:
            server.password = bench.secrets["login/password"] = f"{PASSWORD}-{len(server.asked)}"
            server.tokens.clear()

        block = {
            "authURL": f"{server.address}/v3",
            "tenantName": PROJECT,
            "domainName": DOMAIN,
            "region": REGION,
            "auth": {
                "username": {"value": USER},
                "password": {"secretRef": {"name": "login", "key": "password"}},
            },
        }
        bench = Bench(ground.whole("barbican"), block, put, {"login/password": PASSWORD})
        bench.server, bench.break_down, bench.rotate, bench.remove = server, break_down, rotate, server.remove
        # Values of members keep the quotes of JSON; a store's validation is its login.
        bench.properties = bench.extracts = bench.validates = bench.proves_absence = bench.trusts = False
        bench.faults_at = "/secrets"
        bench.at = lambda address: {"authURL": f"{address}/v3"}
        yield bench
        await bench.close()


BENCHES = (Case("barbican", made, wire=True),)
