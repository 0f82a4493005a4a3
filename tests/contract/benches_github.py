"""The bench of `github`: secrets of one repository, which nobody reads."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.github import PEM, FakeGithub


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeGithub(ground.tls) as server:
        server.prefix = "/api/v3"

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put("repos", key, json.dumps(dict(data)).encode())

        block = {
            "url": server.address,
            "appID": 12,
            "installationID": 34,
            "organization": "shop",
            "repository": "api",
            "auth": {"privateKey": {"name": "login", "key": "pem"}},
        }
        bench = Bench(ground.whole("github"), block, put, {"login/pem": PEM})
        bench.server = server
        bench.reads = bench.whole = bench.properties = bench.extracts = bench.finds = bench.proves_absence = False
        bench.writes, bench.merges, bench.marks = True, False, False
        bench.at = lambda address: {"url": address}
        yield bench
        await bench.close()


BENCHES = (Case("github", made),)
