"""The bench of `passworddepot`: a user of one database; a secret is the password of an entry, which is JSON. A read of
the tests names no field."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

from eso.providers.passworddepot import codec
from tests.contract.benches import Bench, Case, Ground
from tests.fakes.passworddepot import DATABASE, HOST, PASSWORD, USER, FakePasswordDepot

FIELD = "pass"


def value(entry: codec.Entry, property: str, real: Callable[[codec.Entry, str], bytes] = codec.value) -> bytes:
    return real(entry, property or FIELD)


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakePasswordDepot(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put(key, **{FIELD: json.dumps(dict(data))})

        def break_down() -> None:
            server.down = True

        def rotate() -> None:
            password = f"{PASSWORD}-{len(server.asked)}"
            server.users = {USER: password}
            server.tokens.clear()
            bench.secrets["login/password"] = password

        block = {"host": HOST, "database": DATABASE, "auth": {"secretRef": {"credentials": {"name": "login"}}}}
        secrets = {"login/username": USER, "login/password": PASSWORD}
        bench = Bench(ground.whole("passworddepot", server.hosts), block, put, secrets)
        bench.server, bench.break_down, bench.rotate, bench.remove = server, break_down, rotate, server.remove
        bench.properties = bench.extracts = bench.finds = bench.validates = bench.proves_absence = False
        bench.trusts, bench.sole = False, FIELD
        bench.faults_at = "/list|/read"
        bench.shapes = ("[]", '"text"', "{}", '{"entries":7}', '{"entries":[{"name":7}]}')
        with patch.object(codec, "value", value):
            yield bench
        await bench.close()


BENCHES = (Case("passworddepot", made, wire=True),)
