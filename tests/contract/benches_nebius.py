"""The bench of `nebiusmysterybox`: one service account at the contract server; a member of a secret is an entry."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.grpc import DENIED, UNAUTHENTICATED, framed, refused
from tests.fakes.nebius import DOMAIN, FakeNebius, key_file

BLOCK = {"apiDomain": DOMAIN, "auth": {"serviceAccountCredsSecretRef": {"name": "login", "key": "key.json"}}}
SHAPES = (framed(b"\xff\xff"), framed(b"\x12\x05\x0a"), framed(b"\x10\x01"), framed(b"") + "trailing", "\0\0")


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeNebius(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, {name: text if isinstance(text, str) else json.dumps(text) for name, text in data.items()})

        def break_down() -> None:
            server.down = True

        whole = ground.whole("nebiusmysterybox", server.hosts)
        bench = Bench(whole, BLOCK, put, {"login/key.json": key_file("publickey-1")})

        def rotate() -> None:
            server.tokens.clear()
            server.kids = {f"publickey-{server.issued + 2}"}
            bench.secrets["login/key.json"] = key_file(next(iter(server.kids)))

        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.secrets.pop(key) and None
        bench.expired, bench.denied, bench.shapes = refused(UNAUTHENTICATED), refused(DENIED), SHAPES
        bench.faults_at = "PayloadService"
        bench.nested = bench.scalars = bench.finds = bench.validates = bench.trusts = False
        yield bench
        await bench.close()


BENCHES = (Case("nebiusmysterybox", made, wire=True),)
