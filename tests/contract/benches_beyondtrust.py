"""The bench of `beyondtrust`: texts of Secrets Safe at the contract server, which stands for the vendor's host."""

from __future__ import annotations

import json
import uuid
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.beyondtrust import ADDRESS, API_KEY, FakeBeyondtrust


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeBeyondtrust(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, json.dumps(dict(data), separators=(",", ":")), key)  # a single name is path and title

        def break_down() -> None:
            server.down = True

        server.folders["pushed"] = str(uuid.uuid4())
        block = {
            "auth": {"apiKey": {"secretRef": {"name": "login", "key": "key"}}},
            "server": {"apiUrl": ADDRESS, "verifyCA": True, "retrievalType": "SECRET", "apiVersion": "3.1"},
        }
        bench = Bench(ground.whole("beyondtrust", server.hosts), block, put, {"login/key": API_KEY})

        def rotate() -> None:
            server.key = bench.secrets["login/key"] = f"{len(server.asked):0128}"
            server.tokens.clear()

        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.properties = bench.extracts = bench.finds = bench.validates = False
        bench.proves_absence = bench.trusts = False
        bench.faults_at = "/secrets-safe/"
        bench.shapes = ("{}", '"text"', "7", "[7]", '{"Data":7}', '[{"Id":"../x","Title":"app"}]')
        bench.metadata = {"title": "pushed", "folder_name": "pushed", "secret_type": "TEXT"}
        bench.writes, bench.one_place = True, True
        bench.merges = bench.marks = bench.deletes = False
        yield bench
        await bench.close()


BENCHES = (Case("beyondtrust", made, wire=True),)
