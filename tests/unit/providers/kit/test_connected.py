"""A login as several stores see it."""

from __future__ import annotations

import pytest

from eso.net.http import Pool
from eso.providers.contract import InvalidConfig, StoreView
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import Api
from tests.fakes.env import env


class Client(Connected[Connection]):
    """A client without a backend."""


def view(name: str) -> StoreView:
    return StoreView("SecretStore", name, "team-a", "none", {})


def connection(lifetime: float | None = None) -> Connection:
    return Connection(Api(Pool(), "none", "http://127.0.0.1"), env().offload, lifetime)


async def test_stores_of_one_login_share_it() -> None:
    store, held = view("one"), connection(60.0)
    client = Client(store, held)
    other = client.bind(view("other"))
    assert client.bind(store) is client
    assert (type(other), other.store.name, other.connection) == (Client, "other", held)
    assert (other.lifetime, await other.renew()) == (60.0, False)
    await other.close()


async def test_a_store_whose_consumers_log_in_by_themselves_has_no_login_of_its_own() -> None:
    client = Client(view("one"), None)
    with pytest.raises(InvalidConfig, match="this store logs in with credentials of each consumer's namespace"):
        _ = client.connection
    assert client.bind(view("other")).lifetime is None
    await client.close()


async def test_a_reply_is_decoded_in_a_thread_once_it_is_large() -> None:
    client = Client(view("one"), connection())
    assert [await client.decoded(b"x" * size, len) for size in (1, 1 << 20)] == [1, 1 << 20]
    await client.close()
