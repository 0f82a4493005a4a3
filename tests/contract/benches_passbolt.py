"""The bench of `passbolt`: one user at the contract server, who stands for a host. A key of the tests is the id and the
name of a resource, its password the JSON of the members."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.backend import Fault
from tests.fakes.passbolt import HOST, ONE, PASSPHRASE, TWO, FakePassbolt

ENDED = '{"header":{"status":"error","code":401,"message":"Authentication is required to continue"},"body":""}'
SUCCESS = '{"header":{"status":"success"},"body":%s}'


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakePassbolt(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, key, json.dumps(dict(data)))

        def break_down() -> None:
            server.down = True

        block = {
            "host": f"https://{HOST}",
            "auth": {
                "passwordSecretRef": {"name": "login", "key": "passphrase"},
                "privateKeySecretRef": {"name": "login", "key": "privateKey"},
            },
        }
        secrets = {"login/passphrase": PASSPHRASE, "login/privateKey": ONE}
        bench = Bench(ground.whole("passbolt", server.hosts), block, put, secrets)

        def rotate() -> None:
            server.armored = bench.secrets["login/privateKey"] = TWO if server.armored == ONE else ONE
            server.tokens.clear()

        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.resources.pop(key, None) and None
        bench.whole = bench.properties = bench.extracts = bench.validates = bench.proves_absence = False
        bench.expired = Fault(401, body=ENDED)
        bench.faults_at = "^/(resource|secrets)"
        bench.shapes = ("[]", '"text"', "{}", '{"header":{}}', *(SUCCESS % body for body in ("7", "[]", "{}", '"x"')))
        bench.empty = (SUCCESS % "[]",)
        yield bench
        await bench.close()


BENCHES = (Case("passbolt", made, wire=True),)
