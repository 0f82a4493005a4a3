"""The bench of `ibm`: an API key, one instance. A key of the tests is the name of a `kv` secret."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

from eso.providers.ibm import codec
from tests.contract.benches import Bench, Case, Ground
from tests.fakes.ibm import KEY, FakeIbm

PREFIX = "default/kv/"


def named(key: str, real: Callable[[str], codec.Place] = codec.place_of) -> codec.Place:
    return real(key if "/" in key else f"{PREFIX}{key}")


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeIbm(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.put("kv", key, data=dict(data))

        def break_down() -> None:
            server.down = True

        def rotate() -> None:
            server.key = bench.secrets["login/key"] = f"{KEY}-{len(server.asked)}"
            server.tokens.clear()

        def block_at(address: str) -> dict[str, Any]:
            ref = {"name": "login", "key": "key"}
            secret = {"secretApiKeySecretRef": ref, "iamEndpoint": address}
            return {"serviceUrl": address, "auth": {"secretRef": secret}}

        bench = Bench(ground.whole("ibm"), block_at(server.address), put, {"login/key": KEY})
        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.secrets.pop(("default", "kv", key), None) and None
        bench.prefix = PREFIX
        bench.finds = bench.validates = bench.proves_absence = bench.trusts = False
        bench.faults_at = "^/api/"
        bench.at = block_at
        bench.shapes = (
            "[]",
            '"text"',
            "{}",
            '{"secret_type":7}',
            '{"secret_type":"kv"}',
            '{"secret_type":"kv","data":7}',
        )
        with patch.object(codec, "place_of", named):
            yield bench
        await bench.close()


BENCHES = (Case("ibm", made, wire=True),)
