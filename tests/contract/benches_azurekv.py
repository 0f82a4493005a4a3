"""The benches of `azurekv`: a service principal logs in at the contract server, which stands for Azure's hosts."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.azurekv import CLIENT, SECRET, TENANT, VAULT, FakeAzure
from tests.fakes.backend import Fault

CHALLENGE = {"WWW-Authenticate": 'Bearer authorization="https://x.example/t", resource="https://vault.azure.net"'}


@asynccontextmanager
async def made(ground: Ground, *, modern: bool) -> AsyncIterator[Bench]:
    async with FakeAzure(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, json.dumps(dict(data), separators=(",", ":")))

        block = {
            "vaultUrl": VAULT,
            "tenantId": TENANT,
            "useAzureSDK": modern,
            "authSecretRef": {
                "clientId": {"name": "login", "key": "client"},
                "clientSecret": {"name": "login", "key": "secret"},
            },
        }
        secrets = {"login/client": CLIENT, "login/secret": SECRET}
        bench = Bench(ground.whole("azurekv", server.hosts), block, put, secrets)

        def rotate() -> None:
            server.clients[CLIENT] = bench.secrets["login/secret"] = f"secret-{len(server.asked)}"
            server.tokens.clear()

        def break_down() -> None:
            server.down = True

        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = server.remove
        bench.writes, bench.merges = True, False  # the property is not looked at, as in the reference
        bench.marks = modern  # the legacy way refuses to delete what others made, with an error
        bench.validates = bench.trusts = False
        bench.expired = Fault(401, body='{"error":{"code":"Unauthorized"}}', headers=CHALLENGE)
        bench.denied = Fault(403, body='{"error":{"code":"Forbidden","innererror":{"code":"AccessDenied"}}}')
        bench.shapes = (
            "[]",
            '"text"',
            "{}",
            '{"value":7}',
            '{"value":"x","tags":[]}',
            '{"value":"x","attributes":{"exp":"soon"}}',
        )
        bench.faults_at = "/secrets/"
        yield bench
        await bench.close()


BENCHES = (
    Case("azurekv", partial(made, modern=False), wire=True),
    Case("azurekv with useAzureSDK", partial(made, modern=True), wire=True),
)
