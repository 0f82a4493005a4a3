"""The bench of `cloudrusm`: one project at the contract server; a secret is the JSON of its members, a key its path."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.cloudru import KEY_ID, PROJECT, SECRET, FakeCloudru
from tests.fakes.grpc import DENIED, UNAUTHENTICATED, framed, refused

KEYS = {
    "accessKeyIDSecretRef": {"name": "login", "key": "id"},
    "accessKeySecretSecretRef": {"name": "login", "key": "secret"},
}
BLOCK = {"auth": {"secretRef": KEYS}, "projectID": PROJECT}
SHAPES = (framed(b""), framed(b"\xff\xff"), framed(b"\x1a\x05\x0a"), framed(b"\x18\x01"), framed(b"") + "trailing")


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeCloudru(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, json.dumps(dict(data), separators=(",", ":")).encode())

        def break_down() -> None:
            server.down = True

        secrets = {"login/id": KEY_ID, "login/secret": SECRET}
        bench = Bench(ground.whole("cloudrusm", server.hosts), BLOCK, put, secrets)

        def rotate() -> None:
            server.tokens.clear()
            bench.secrets["login/secret"] = server.keys[KEY_ID] = f"planted-secret-{server.issued}"

        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.secrets.pop(key) and None
        bench.expired, bench.denied, bench.shapes = refused(UNAUTHENTICATED), refused(DENIED), SHAPES
        bench.faults_at = "SecretService|SecretManagerService"
        # the server matches names itself; of a property only texts have a value
        bench.scalars = bench.finds = bench.validates = bench.trusts = False
        yield bench
        await bench.close()


BENCHES = (Case("cloudrusm", made, wire=True),)
