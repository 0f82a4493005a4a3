"""The bench of `gcpsm`: a service account's key logs in at the contract server, which stands for Google's hosts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.backend import Fault
from tests.fakes.gcp import PROJECT, FakeGoogle, service_account_key


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeGoogle(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, json.dumps(dict(data), separators=(",", ":")).encode())

        def break_down() -> None:
            server.down = True

        block = {
            "projectID": PROJECT,
            "auth": {"secretRef": {"secretAccessKeySecretRef": {"name": "login", "key": "key.json"}}},
        }
        bench = Bench(ground.whole("gcpsm", server.hosts), block, put, {"login/key.json": service_account_key()})

        def rotate() -> None:
            name = f"key-{len(server.asked)}"
            server.key_ids = {name}
            server.tokens.clear()
            bench.secrets["login/key.json"] = service_account_key(private_key_id=name)

        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.secrets.pop(f"projects/{PROJECT}/secrets/{key}", None) and None
        bench.writes, bench.merges = True, False  # exists does not look at the property, as in the reference
        bench.validates = bench.trusts = False
        bench.expired = Fault(401, body='{"error":{"code":401,"status":"UNAUTHENTICATED"}}')
        bench.denied = Fault(403, body='{"error":{"code":403,"status":"PERMISSION_DENIED"}}')
        bench.shapes = ("[]", '"text"', "{}", '{"payload":[]}', '{"payload":{"data":7}}', '{"payload":{"data":"%"}}')
        bench.empty = ("{}",)
        bench.faults_at = "/v1/projects/"
        yield bench
        await bench.close()


BENCHES = (Case("gcpsm", made, wire=True),)
