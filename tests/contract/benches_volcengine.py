"""The bench of `volcengine`: static keys; the contract server stands for the vendor's hosts and computes every
signature again."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.backend import Fault
from tests.fakes.volcengine import ACCESS, REGION, SECRET, FakeVolcengine


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeVolcengine(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, json.dumps(dict(data), separators=(",", ":")))

        def break_down() -> None:
            server.down = True

        refs = {"accessKeyID": {"name": "login", "key": "id"}, "secretAccessKey": {"name": "login", "key": "secret"}}
        block = {"region": REGION, "auth": {"secretRef": refs}}
        secrets = {"login/id": ACCESS, "login/secret": SECRET}
        bench = Bench(ground.whole("volcengine", server.hosts), block, put, secrets)

        def rotate() -> None:
            bench.secrets["login/secret"] = f"{SECRET}-{len(server.asked)}"
            server.keys = {ACCESS: (bench.secrets["login/secret"], "", None)}

        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.secrets.pop(key, None) and None
        bench.nested = bench.finds = bench.validates = bench.proves_absence = bench.trusts = False
        bench.extracts = False  # the texts of its maps keep their quotes
        bench.expired = Fault(401, body='{"ResponseMetadata":{"Error":{"Code":"InvalidAccessKey"}}}')
        bench.denied = Fault(403, body='{"ResponseMetadata":{"Error":{"Code":"AccessDenied"}}}')
        bench.shapes = ("[]", '"text"', "{}", '{"Result":7}', '{"Result":{"SecretValue":7}}', '{"ResponseMetadata":[]}')
        yield bench
        await bench.close()


BENCHES = (Case("volcengine", made, wire=True),)
