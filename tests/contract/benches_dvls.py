"""The bench of `dvls`: an application with one vault; a secret is the password of an entry, which is JSON."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.dvls import APP, SECRET, VAULT, FakeDvls


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeDvls(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, password=json.dumps(dict(data)))

        def break_down() -> None:
            server.down = True

        def rotate() -> None:
            secret = f"{SECRET}-{len(server.asked)}"
            server.apps = {APP: secret}
            server.tokens.clear()
            bench.secrets["login/secret"] = secret

        auth = {"appId": {"name": "login", "key": "id"}, "appSecret": {"name": "login", "key": "secret"}}
        block = {"serverUrl": server.address, "vault": VAULT, "insecure": True, "auth": {"secretRef": auth}}
        bench = Bench(ground.whole("dvls"), block, put, {"login/id": APP, "login/secret": SECRET})
        bench.server, bench.break_down, bench.rotate, bench.remove = server, break_down, rotate, server.remove
        bench.properties = bench.extracts = bench.finds = bench.validates = bench.trusts = False
        bench.faults_at = "/vault/"
        bench.at = lambda address: {"serverUrl": address}
        bench.shapes = ("[]", '"text"', "{}", '{"data":7}', '{"data":[]}', '{"data":[7],"currentPage":1,"totalPage":1}')
        bench.writes, bench.one_place = True, True
        bench.creates = bench.merges = bench.marks = False
        yield bench
        await bench.close()


BENCHES = (Case("dvls", made, wire=True),)
