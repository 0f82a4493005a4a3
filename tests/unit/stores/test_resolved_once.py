"""What is made of a store's record is made once per record: every reference of every pass asks for it."""

from __future__ import annotations

import msgspec

from eso.api.secretstore import SecretStore, decode_secret_store
from eso.net.http import Proxies
from eso.stores.registry import Registry
from eso.stores.resolve import usable


def store(generation: int = 1) -> SecretStore:
    meta = {"name": "s", "namespace": "ns", "uid": "u", "generation": generation}
    made = decode_secret_store(
        msgspec.json.encode({"kind": "SecretStore", "metadata": meta, "spec": {"provider": {"fake": {"data": []}}}})
    )
    assert isinstance(made, SecretStore)
    return made


def test_the_same_record_gives_the_same_store():
    registry, record = Registry(), store()
    assert usable(record, registry) is usable(record, registry)


def test_another_record_of_the_same_name_gives_another_store():
    registry = Registry()
    usable(store(1), registry)
    assert usable(store(2), registry).view.generation == 2


def test_a_store_that_is_gone_is_forgotten():
    registry = Registry()
    usable(store(), registry)
    registry.forget("SecretStore", "ns", "s")
    assert registry.resolved == {}


def test_providers_are_made_with_the_proxies_of_the_process():
    proxies = Proxies.from_environ({"HTTPS_PROXY": "http://proxy:3128"})
    registry = Registry(proxies=proxies)
    assert registry.provider("vault", "s").proxies is proxies
    assert registry.provider("openBao", "s").proxies is proxies
    assert registry.provider("fake", "s").name == "fake"
