"""The bench of the provider `fake`: its values stand in the store."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from tests.contract.benches import Bench, Case, Ground


@asynccontextmanager
async def made(ground: Ground) -> AsyncIterator[Bench]:
    block: dict[str, Any] = {"data": []}

    def put(key: str, data: Mapping[str, Any]) -> None:
        block["data"].append({"key": key, "value": json.dumps(dict(data), separators=(",", ":"))})

    bench = Bench(ground.whole("fake"), block, put, writes=True, merges=False, marks=False)
    yield bench
    await bench.close()


BENCHES = (Case("fake", made),)
