"""The bench of `infisical`: a machine identity with a client secret, one environment of a project."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.backend import Fault
from tests.fakes.infisical import CLIENT, PASSWORD, FakeInfisical


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeInfisical(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.secrets[key] = json.dumps(dict(data), separators=(",", ":"))

        def break_down() -> None:
            server.down = True

        def rotate() -> None:
            secret = f"{PASSWORD}-{len(server.asked)}"
            server.identities["universal-auth"] = [{"clientId": CLIENT, "clientSecret": secret}]
            server.tokens.clear()
            bench.secrets["login/secret"] = secret

        block = {
            "hostAPI": server.address,
            "secretsScope": {"projectSlug": "shop", "environmentSlug": "dev"},
            "auth": {
                "universalAuthCredentials": {
                    "clientId": {"name": "login", "key": "id"},
                    "clientSecret": {"name": "login", "key": "secret"},
                }
            },
        }
        secrets = {"login/id": CLIENT, "login/secret": PASSWORD}
        bench = Bench(ground.whole("infisical"), block, put, secrets)
        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.secrets.pop(key, None) and None
        bench.scalars = False  # a property that is no text is empty, by the reference's own rule
        bench.writes, bench.merges, bench.marks = True, True, False
        bench.faults_at = "/v3/secrets/raw"
        bench.at = lambda address: {"hostAPI": address}
        bench.expired = Fault(401, body='{"statusCode":401,"message":"Token expired","error":"TokenError"}')
        bench.shapes = ("[]", '"text"', '{"secret":7}', '{"secret":{"secretKey":"app","secretValue":7}}', "{}")
        yield bench
        await bench.close()


BENCHES = (Case("infisical", made, wire=True),)
