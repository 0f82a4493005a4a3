"""The bench of `keepersecurity`: an application at the contract server, which stands for Keeper's host. A key of the
tests is the UID and the title of a record; a push goes to the field `value` of the record of this title."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

from eso.providers.keepersecurity import client, pushing
from tests.contract.benches import Bench, Case, Ground
from tests.fakes.backend import Fault
from tests.fakes.keepersecurity import FOLDER, FakeKeeper


def named(key: str, real: Callable[[str], pushing.Named] = pushing.named) -> pushing.Named:
    return real(key if "/" in key else f"{key}/value")


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeKeeper(ground.tls) as server:
        server.put("first of its folder", folder=FOLDER)

        def put(key: str, data: Mapping[str, Any]) -> None:
            custom = [{"type": "text", "label": label, "value": [value]} for label, value in data.items()]
            server.put(key, id=key, custom=custom)

        def break_down() -> None:
            server.down = True

        block = {"authRef": {"name": "login", "key": "config"}, "folderID": FOLDER, "getByTitleFallback": True}
        whole = ground.whole("keepersecurity", server.hosts)
        bench = Bench(whole, block, put, {"login/config": server.device.secret})

        def rotate() -> None:
            bench.secrets["login/config"] = server.new_device().secret

        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.records.pop(key, None) and None
        bench.whole = bench.nested = bench.scalars = bench.validates = bench.proves_absence = bench.trusts = False
        bench.expired = Fault(403, body='{"error":"access_denied"}')
        bench.writes, bench.merges, bench.marks = True, False, False
        with patch.object(pushing, "named", named), patch.object(client, "UID", re.compile(r"[a-z0-9-]+")):
            yield bench
        await bench.close()


BENCHES = (Case("keepersecurity", made, wire=True),)
