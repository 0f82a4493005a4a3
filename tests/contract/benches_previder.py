"""The bench of `previder`: a token that may read; a secret is the JSON of its members, which is one text."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.previder import TOKEN, FakePrevider


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakePrevider(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.secrets[key] = json.dumps(dict(data))

        def break_down() -> None:
            server.down = True

        def rotate() -> None:
            server.token = bench.secrets["login/token"] = f"{TOKEN}-{len(server.asked)}"

        token = {"name": "login", "key": "token"}
        block = {"baseUri": server.address, "auth": {"secretRef": {"accessToken": token}}}
        bench = Bench(ground.whole("previder"), block, put, {"login/token": TOKEN})
        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.secrets.pop(key, None) and None
        bench.properties = bench.extracts = bench.finds = bench.trusts = False
        bench.at = lambda address: {"baseUri": address}
        bench.shapes = ("[]", '"text"', "{}", '{"secret":7}', '{"secret":null}')
        yield bench
        await bench.close()


BENCHES = (Case("previder", made, wire=True),)
