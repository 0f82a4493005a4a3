"""The bench of `oracle`: a user's key, one vault at the contract server, which stands for the vendor's hosts and
verifies every signature."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.backend import Fault
from tests.fakes.oracle import COMPARTMENT, FINGERPRINT, MASTER_KEY, REGION, TENANCY, USER, VAULT, FakeOracle, pem

KEYS = {
    "tenancy": TENANCY,
    "user": USER,
    "secretRef": {
        "privatekey": {"name": "login", "key": "key"},
        "fingerprint": {"name": "login", "key": "fingerprint"},
    },
}


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeOracle(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, json.dumps(dict(data), separators=(",", ":")).encode())

        def break_down() -> None:
            server.down = True

        block = {
            "region": REGION,
            "vault": VAULT,
            "compartment": COMPARTMENT,
            "encryptionKey": MASTER_KEY,
            "auth": KEYS,
        }
        secrets = {"login/key": pem("user"), "login/fingerprint": FINGERPRINT}
        bench = Bench(ground.whole("oracle", server.hosts), block, put, secrets)

        def rotate() -> None:
            server.user = "next" if server.user == "user" else "user"
            bench.secrets["login/key"] = pem(server.user)

        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.secrets.pop(key, None) and None
        bench.scalars = bench.proves_absence = bench.trusts = False
        bench.writes, bench.merges, bench.marks = True, False, False
        bench.expired = Fault(401, body='{"code":"NotAuthenticated"}')
        bench.denied = Fault(403, body='{"code":"NotAuthorized"}')
        bench.shapes = ("[]", '"text"', "{}", '{"secretBundleContent":7}', '{"secretBundleContent":{"content":"%"}}')
        bench.empty = ("[]",)
        yield bench
        await bench.close()


BENCHES = (Case("oracle", made, wire=True),)
