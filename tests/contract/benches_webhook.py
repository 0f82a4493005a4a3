"""The bench of `webhook`: a service with a JSON document under each key, behind a token from a labelled Secret."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.webhook import TOKEN, FakeService

KEY = "{{ if .remoteRef.key }}{{ .remoteRef.key }}{{ else }}{{ .remoteRef.remoteKey }}{{ end }}"


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeService(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(f"/secrets/{key}", dict(data))

        def remove(key: str) -> None:
            del server.documents[f"/secrets/{key}"]

        def break_down() -> None:
            server.down = True

        block = {
            "url": f"{server.address}/secrets/{KEY}",
            "headers": {"Authorization": "Bearer {{ .login.token }}"},
            "secrets": [{"name": "login", "secretRef": {"name": "login"}}],
            "result": {"jsonPath": "$"},  # an answer that is no JSON is told
        }
        bench = Bench(ground.whole("webhook"), block, put, {"login/token": TOKEN})
        bench.labels = {"login": {"external-secrets.io/type": "webhook"}}

        def rotate() -> None:
            server.token = bench.secrets["login/token"] = f"{TOKEN}-{len(server.asked)}"

        bench.server, bench.break_down, bench.rotate, bench.remove = server, break_down, rotate, remove
        bench.properties = bench.finds = bench.validates = False
        bench.writes, bench.merges, bench.marks = True, False, False
        bench.any_404 = True
        bench.shapes = ()  # any JSON is an answer
        bench.at = lambda address: {"url": f"{address}/secrets/{KEY}"}
        yield bench
        await bench.close()


BENCHES = (Case("webhook", made, wire=True),)
