"""Template sources: kept as bytes, counted, and looked at as text."""

from __future__ import annotations

import base64
import json
import pickle
from typing import Any

import pytest

from eso.reconcile.externalsecret import sources as module
from eso.reconcile.externalsecret.compose import heavy
from eso.reconcile.externalsecret.inputs import digest
from eso.reconcile.externalsecret.sources import SourceMissing, read_sources
from eso.reconcile.kit.texts import Texts, size
from eso.runtime.memory import Memory, holding, take, volume
from eso.template.apply import LARGE
from tests.fakes.clock import VirtualClock
from tests.unit.reconcile.objects import es, target

WIDE = "x" * 100_000 + "\U0001f600"


class Rest:
    """Every ConfigMap and Secret has one wide text; a reply counts as the network counts it."""

    async def get(self, resource: Any, namespace: str, name: str) -> bytes:
        value = base64.b64encode(WIDE.encode()).decode() if resource.plural == "secrets" else WIDE
        raw = json.dumps({"data": {"k": value}}, ensure_ascii=False).encode()
        take(10 * len(raw))
        return raw


def templated(*sources: dict[str, Any]) -> Any:
    return es(target=target(template={"templateFrom": list(sources)}))


def named(kind: str, name: str) -> dict[str, Any]:
    return {kind: {"name": name, "items": [{"key": "k"}]}}


BOTH = templated(named("configMap", "c"), named("secret", "s"))


async def test_sources_are_held_as_bytes_and_the_replies_are_let_go() -> None:
    memory = Memory(64 << 20, VirtualClock())
    with holding(memory.open("ns")):
        found = await read_sources(Rest(), BOTH)  # type: ignore[arg-type]
        assert [dict(one) for one in found.values()] == [{"k": WIDE}] * 2
        assert memory.used == sum(volume(one.contents) for one in found.values()) < 2 * len(WIDE) + 2_000
    assert memory.used == 0


async def test_sources_that_are_too_much_hold_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 150_000)
    memory = Memory(64 << 20, VirtualClock())
    with holding(memory.open("ns")):
        with pytest.raises(SourceMissing, match="more than 150000 bytes"):
            await read_sources(Rest(), BOTH)  # type: ignore[arg-type]
        assert memory.used < 150_000


def test_texts_are_what_they_were_made_of() -> None:
    given = {"a": "plain", "b": "\udcff", "c": WIDE}
    texts = Texts.of(given)
    assert (dict(texts), len(texts), "a" in texts, "x" in texts) == (given, 3, True, False)
    assert dict(pickle.loads(pickle.dumps(texts))) == given
    assert size({("ConfigMap", "c"): texts, ("ConfigMap", "d"): given}) == sum(map(len, texts.contents.values()))
    assert "plain" not in repr(texts)
    data = {"x": b"1"}
    assert digest(b"k", es(), data, {("ConfigMap", "c"): texts}) == digest(
        b"k", es(), data, {("ConfigMap", "c"): given}
    )


class Unread(Texts):
    """Fails whoever decodes it."""

    def __getitem__(self, key: str) -> str:
        raise AssertionError(f"{key} was decoded")


def test_large_sources_are_not_decoded_to_find_out_that_they_are_large() -> None:
    assert heavy(BOTH, {("ConfigMap", "c"): Unread({"k": bytes(LARGE + 1)})})
    assert not heavy(BOTH, {("ConfigMap", "c"): Texts({"k": b"{{ .x }}"})})
