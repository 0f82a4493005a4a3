"""The benches of `yandexlockbox` and `yandexcertificatemanager`: one service account at the contract server."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.grpc import DENIED, UNAUTHENTICATED, framed, refused
from tests.fakes.yandex import FakeYandex, key_file

BLOCK = {"auth": {"authorizedKeySecretRef": {"name": "login", "key": "key.json"}}}
SHAPES = (framed(b"\xff\xff"), framed(b"\x12\x05\x0a"), framed(b"\x10\x01\x18\x01"), framed(b"") + "trailing", "\0\0")


@asynccontextmanager
async def made(ground: Ground, provider: str) -> AsyncIterator[Bench]:
    async with FakeYandex(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            shown = {name: value if isinstance(value, str) else json.dumps(value) for name, value in data.items()}
            server.put(key, dict(shown))
            server.certify(key, [json.dumps(dict(data))], "key")

        def break_down() -> None:
            server.down = True

        def remove(key: str) -> None:
            del server.secrets[key], server.certificates[key]

        bench = Bench(ground.whole(provider, server.hosts), BLOCK, put, {"login/key.json": key_file("key-1")})

        def rotate() -> None:
            server.tokens.clear()
            server.keys = {f"key-{server.issued + 2}"}
            bench.secrets["login/key.json"] = key_file(next(iter(server.keys)))

        bench.server, bench.break_down, bench.rotate, bench.remove = server, break_down, rotate, remove
        bench.expired, bench.denied, bench.shapes = refused(UNAUTHENTICATED), refused(DENIED), SHAPES
        bench.faults_at = "PayloadService|CertificateContentService"
        bench.nested = bench.scalars = bench.finds = bench.validates = bench.proves_absence = bench.trusts = False
        yield bench
        await bench.close()


@asynccontextmanager
async def lockbox(ground: Ground) -> AsyncIterator[Bench]:
    async with made(ground, "yandexlockbox") as bench:
        yield bench


@asynccontextmanager
async def certificates(ground: Ground) -> AsyncIterator[Bench]:
    """The members of a secret stand in the certificate's chain."""
    async with made(ground, "yandexcertificatemanager") as bench:
        bench.whole = bench.properties = bench.extracts = False
        yield bench


BENCHES = (
    Case("yandexcertificatemanager", certificates, wire=True),
    Case("yandexlockbox", lockbox, wire=True),
)
