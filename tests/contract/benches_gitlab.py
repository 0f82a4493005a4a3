"""The bench of `gitlab`: variables of one project."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.backend import Fault
from tests.fakes.gitlab import TOKEN, FakeGitlab


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeGitlab(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, json.dumps(dict(data), separators=(",", ":")))

        def remove(key: str) -> None:
            server.variables[:] = [one for one in server.variables if one.key != key]

        def break_down() -> None:
            server.down = True

        def rotate() -> None:
            token = f"{TOKEN}-{len(server.asked)}"
            server.tokens = {token}
            bench.secrets["login/token"] = token

        auth = {"SecretRef": {"accessToken": {"name": "login", "key": "token"}}}
        block = {"url": server.address, "projectID": "7", "auth": auth}
        bench = Bench(ground.whole("gitlab"), block, put, {"login/token": TOKEN})
        bench.server, bench.remove, bench.break_down, bench.rotate = server, remove, break_down, rotate
        bench.scalars = bench.proves_absence = False
        bench.at = lambda address: {"url": address}
        bench.expired = Fault(401, body='{"error":"invalid_token","error_description":"Token was revoked."}')
        bench.denied = Fault(403, body='{"error":"insufficient_scope"}')
        bench.shapes = ("[]", '"text"', "7", '{"key":7}', '{"key":"app","value":7}', "{}")
        bench.empty = ("[]",)
        yield bench
        await bench.close()


BENCHES = (Case("gitlab", made, wire=True),)
