"""The bench of `bitwardensecretsmanager`: secrets of one project behind a companion server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.backend import Fault
from tests.fakes.bitwarden import ORGANIZATION, PROJECT, STRANGER, TOKEN, FakeBitwarden


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeBitwarden(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.replace(key, json.dumps(dict(data), separators=(",", ":")))

        def remove(key: str) -> None:
            server.secrets = {id: one for id, one in server.secrets.items() if one["key"] != key}

        def break_down() -> None:
            server.down = True

        def rotate() -> None:
            token = f"{TOKEN}-{len(server.asked)}"
            server.tokens = {token}
            bench.secrets["login/token"] = token

        block = {
            "bitwardenServerSDKURL": server.address,
            "organizationID": ORGANIZATION,
            "projectID": PROJECT,
            "caBundle": STRANGER,  # a store needs one; the tests of this provider have the right one
            "auth": {"secretRef": {"credentials": {"name": "login", "key": "token"}}},
        }
        bench = Bench(ground.whole("bitwardensecretsmanager"), block, put, {"login/token": TOKEN})
        bench.server, bench.remove, bench.break_down, bench.rotate = server, remove, break_down, rotate
        bench.properties = bench.scalars = bench.finds = bench.validates = bench.proves_absence = bench.trusts = False
        bench.writes, bench.merges, bench.marks, bench.one_place = True, False, False, True
        bench.at = lambda address: {"bitwardenServerSDKURL": address}
        bench.expired = Fault(400, body='failed to login: {"error":"invalid_client"}')
        bench.shapes = ("[]", '"text"', "{}", '{"data":7}', '{"data":[7]}', '{"data":[{"id":7,"key":"app"}]}')
        yield bench
        await bench.close()


BENCHES = (Case("bitwardensecretsmanager", made, wire=True),)
