"""What is pushed: read once, and counted in the memory of the pass for as long as it is kept."""

from __future__ import annotations

import base64
from collections.abc import AsyncGenerator
from typing import Any

import msgspec
import orjson

from eso.api.meta import ObjectMeta
from eso.api.pushsecret import PushSecret, PushSecretSpec
from eso.reconcile.pushsecret.sources import Reader
from eso.runtime.memory import Memory, holding, take, volume
from tests.fakes.clock import VirtualClock

KEYS = 2_000


def secret(name: str) -> dict[str, Any]:
    data = {f"k{i}": base64.b64encode(b"value").decode() for i in range(KEYS)}
    return {"metadata": {"name": name, "namespace": "ns", "uid": name, "resourceVersion": "1"}, "data": data}


class Rest:
    """Every name has a Secret; a reply counts as the network counts it. `most`: what was held at a time."""

    def __init__(self, memory: Memory) -> None:
        self.memory, self.most = memory, 0

    async def get(self, resource: Any, namespace: str, name: str) -> bytes:
        return self.counted(orjson.dumps(secret(name)))

    async def list_pages(self, resource: Any, namespace: str, *, label_selector: str) -> AsyncGenerator[bytes, None]:
        for page in (["b", "a"], ["c"]):
            yield self.counted(orjson.dumps({"items": [secret(name) for name in page]}))

    def counted(self, raw: bytes) -> bytes:
        take(len(raw))
        self.most = max(self.most, self.memory.used)
        return raw


def ps(**source: Any) -> PushSecret:
    spec = msgspec.convert({"selector": {"secret": source}}, PushSecretSpec)
    return PushSecret(ObjectMeta(name="ps", namespace="ns"), spec)


async def test_a_secret_counts_with_its_values_once_it_is_read() -> None:
    memory = Memory(64 << 20, VirtualClock())
    with holding(memory.open("ns")):
        found = await Reader(Rest(memory)).read(ps(name="a"))  # type: ignore[arg-type]  # reads only
        (source,) = found.sources
        assert len(source.data) == KEYS and memory.used == volume(source.data)
    assert memory.used == 0


async def test_secrets_by_label_are_taken_apart_one_at_a_time_in_the_order_of_their_names() -> None:
    memory = Memory(64 << 20, VirtualClock())
    with holding(memory.open("ns")):
        found = await Reader(Rest(memory)).read(ps(selector={"matchLabels": {"a": "b"}}))  # type: ignore[arg-type]
        assert [source.name for source in found.sources] == ["a", "b", "c"]
        assert [name for name, _, _ in found.versions] == ["a", "b", "c"]
        kept = sum(volume(source.data) for source in found.sources)
        pages = sum(len(orjson.dumps({"items": [secret(name) for name in page]})) for page in (["b", "a"], ["c"]))
        assert kept <= memory.used <= kept + pages
    assert memory.used == 0
