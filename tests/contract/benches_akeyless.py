"""The bench of `akeyless`: an access key logs in at the contract server, which stands for the service."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.akeyless import ACCESS_ID, ACCESS_KEY, FakeAkeyless
from tests.fakes.backend import Fault


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeAkeyless(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, json.dumps(dict(data), separators=(",", ":")))

        refs = {name: {"name": "login", "key": name} for name in ("accessID", "accessType", "accessTypeParam")}
        block = {"akeylessGWApiURL": f"{server.address}/v2", "authSecretRef": {"secretRef": refs}}
        server.prefix = "/v2"
        secrets = {"login/accessID": ACCESS_ID, "login/accessType": "api_key", "login/accessTypeParam": ACCESS_KEY}
        bench = Bench(ground.whole("akeyless"), block, put, secrets)

        def rotate() -> None:
            key = bench.secrets["login/accessTypeParam"] = f"key-{len(server.asked)}"
            server.believed["access_key"] = {"access-key": key}
            server.tokens.clear()

        def break_down() -> None:
            server.faults = [Fault(503, times=1_000_000)]

        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.items.pop(key, None) and None
        bench.writes, bench.value = True, b'{"user":"me"}'
        bench.proves_absence = bench.validates = False
        bench.keyed = bench.marks = False  # a push merges members of a JSON object into any item, as in the reference
        bench.expired = Fault(401, body='{"error":"Unauthorized"}')
        bench.denied = Fault(403, body='{"error":"access denied"}')
        bench.shapes = ("[]", '"text"', "{}", '{"item_name":7}', '{"item_name":"app","item_type":{}}')
        bench.empty = ("{}",)
        bench.faults_at = "/(describe-item|get-)"
        bench.at = lambda address: {"akeylessGWApiURL": f"{address}/v2"}
        yield bench
        await bench.close()


BENCHES = (Case("akeyless", made, wire=True),)
