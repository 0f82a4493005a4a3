"""The bench of `onboardbase`: one environment at the contract server, which stands for Onboardbase's host."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground
from tests.fakes.onboardbase import ENVIRONMENT, KEY, PASSCODE, PROJECT, FakeOnboardbase


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeOnboardbase(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.secrets[key] = json.dumps(dict(data), separators=(",", ":"))

        def break_down() -> None:
            server.down = True

        keys = {"apiKeyRef": {"name": "login", "key": "key"}, "passcodeRef": {"name": "login", "key": "passcode"}}
        block = {"auth": keys, "project": PROJECT, "environment": ENVIRONMENT}
        secrets = {"login/key": KEY, "login/passcode": PASSCODE}
        bench = Bench(ground.whole("onboardbase", server.hosts), block, put, secrets)

        def rotate() -> None:
            server.key = bench.secrets["login/key"] = f"{KEY}-{len(server.asked)}"
            server.passcode = bench.secrets["login/passcode"] = f"{PASSCODE} {len(server.asked)}"

        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.secrets.pop(key, None) and None
        bench.quoted, bench.proves_absence, bench.trusts = True, False, False
        bench.shapes = ("[]", '"text"', "7", "{}", '{"data":[]}', '{"data":{"secrets":{}}}', '{"data":{"secrets":[7]}}')
        yield bench
        await bench.close()


BENCHES = (Case("onboardbase", made, wire=True),)
