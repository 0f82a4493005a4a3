"""The bench of `senhasegura`: an OAuth client of one application; a secret has one map of texts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.senhasegura import CLIENT, HOST, SECRET, FakeSenhasegura


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeSenhasegura(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.remove(key)
            server.put(key, dict(data))

        def break_down() -> None:
            server.down = True

        def rotate() -> None:
            secret = f"{SECRET}-{len(server.asked)}"
            server.clients = {CLIENT: secret}
            server.tokens.clear()
            bench.secrets["login/secret"] = secret

        block = {
            "url": f"https://{HOST}/ignored",
            "module": "DSM",
            "auth": {"clientId": CLIENT, "clientSecretSecretRef": {"name": "login", "key": "secret"}},
        }
        bench = Bench(ground.whole("senhasegura", server.hosts), block, put, {"login/secret": SECRET})
        bench.server, bench.break_down, bench.rotate, bench.remove = server, break_down, rotate, server.remove
        bench.whole = bench.nested = bench.scalars = bench.finds = bench.trusts = False  # the whole is a list of maps
        bench.faults_at = "/application"
        bench.shapes = (
            "[]",
            "{}",
            '{"application":{}}',
            '{"application":{"secrets":7}}',
            '{"application":{"secrets":[{"identity":7}]}}',
        )
        yield bench
        await bench.close()


BENCHES = (Case("senhasegura", made, wire=True),)
