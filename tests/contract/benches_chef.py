"""The bench of `chef`: the key of a user, one organisation. A key of the tests is the name of an item in one bag."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from unittest.mock import patch

from eso.providers.chef import codec
from tests.contract.benches import Bench, Case, Ground
from tests.fakes.chef import ORGANISATION, USER, FakeChef, pem

BAG = "shop"


def named(key: str, real: Callable[[str], codec.Place] = codec.place_of) -> codec.Place:
    return real(key if "/" in key else f"{BAG}/{key}")


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    async with FakeChef(ground.tls) as server:

        def put(key: str, data: Mapping[str, Any]) -> None:
            server.bags.setdefault(BAG, {})[key] = dict(data)

        def break_down() -> None:
            server.down = True

        ref = {"name": "login", "key": "key"}
        block = {
            "serverUrl": server.url,
            "username": USER,
            "auth": {"secretRef": {"privateKeySecretRef": ref}},
        }
        bench = Bench(ground.whole("chef"), block, put, {"login/key": pem()})

        def rotate() -> None:
            server.key = "next" if server.key == USER else USER
            bench.secrets["login/key"] = pem(server.key)

        bench.server, bench.break_down, bench.rotate = server, break_down, rotate
        bench.remove = lambda key: server.bags.get(BAG, {}).pop(key, None) and None
        bench.prefix, bench.at = f"{BAG}/", lambda address: {"serverUrl": f"{address}{ORGANISATION}/"}
        bench.finds = bench.trusts = False
        bench.scalars = False  # what is no text is empty
        bench.extracts = False  # a whole bag, by another key
        with patch.object(codec, "place_of", named):
            yield bench
        await bench.close()


BENCHES = (Case("chef", made, wire=True),)
