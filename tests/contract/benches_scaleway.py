"""The bench of `scaleway`: one project at the contract server; a secret is the JSON of its members. A key of the
tests is a name."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

from eso.providers.scaleway import codec
from tests.contract.benches import Bench, Case, Ground
from tests.fakes.backend import Fault
from tests.fakes.scaleway import ACCESS, PROJECT, REGION, SECRET, FakeScaleway

PREFIX = "name:"


def named(key: str, real: Callable[[str], codec.Place] = codec.place_of) -> codec.Place:
    return real(key if ":" in key else f"{PREFIX}{key}")


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeScaleway(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, json.dumps(dict(data), separators=(",", ":")).encode())

        def break_down() -> None:
            server.down = True

        block = {
            "apiUrl": server.address,
            "region": REGION,
            "projectId": PROJECT,
            "accessKey": {"value": ACCESS},
            "secretKey": {"secretRef": {"name": "login", "key": "secret"}},
        }
        bench = Bench(ground.whole("scaleway"), block, put, {"login/secret": SECRET})

        def rotate() -> None:
            server.key = bench.secrets["login/secret"] = str(uuid.uuid4())

        bench.server, bench.break_down, bench.rotate, bench.remove = server, break_down, rotate, server.remove
        bench.prefix, bench.trusts = PREFIX, False
        bench.expired = Fault(401, body='{"type":"denied_authentication"}')
        bench.denied = Fault(403, body='{"type":"permissions_denied"}')
        bench.shapes = ("[]", '"text"', "7", '{"data":7}', '{"data":"%"}', '{"secrets":7}', '{"secrets":[7]}')
        bench.at = lambda address: {"apiUrl": address}
        bench.writes, bench.merges, bench.marks = True, False, False
        with patch.object(codec, "place_of", named):
            yield bench
        await bench.close()


BENCHES = (Case("scaleway", made, wire=True),)
