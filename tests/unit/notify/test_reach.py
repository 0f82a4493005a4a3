"""Where the documents of a ChangeSource are fetched, and where not."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from eso.api.hosts import hosts_of
from eso.net.http import Pools, Proxies
from eso.net.reach import EVERYWHERE, Reach
from eso.notify.keyring import Keyring, NotFetched
from tests.fakes.backend import Asked, Backend
from tests.fakes.clock import VirtualClock

KEY = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
DOORS: dict[str, Callable[[Keyring, str], Awaitable[Any]]] = {
    "a key set": lambda ring, url: ring.keys(url),
    "a certificate": lambda ring, url: ring.certificate(url),
}


class Documents(Backend):
    location, status = "", 307

    async def answer(self, asked: Asked) -> web.StreamResponse:
        if self.location:
            return web.Response(status=self.status, headers={"Location": self.location})
        return web.Response(text=json.dumps({"keys": [KEY]}))


def ring(reach: Reach = EVERYWHERE, proxies: Proxies | None = None) -> Keyring:
    return Keyring(Pools(proxies, reach), VirtualClock())


@pytest.mark.parametrize("door", DOORS)
async def test_a_document_is_fetched_where_it_may_be(door: str) -> None:
    async with Documents() as server:
        assert await DOORS[door](ring(), f"{server.address}/keys")


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_no_redirect_leads_to_a_document(door: str, status: int) -> None:
    async with Documents() as server, Documents() as other:
        server.location, server.status = f"{other.address}/keys", status
        with pytest.raises(NotFetched):
            await DOORS[door](ring(), f"{server.address}/keys")
        assert len(server.asked) == 1
        assert other.asked == []


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize(
    "url",
    [
        "http://169.254.169.254/keys",
        "http://[::ffff:169.254.169.254]/keys",
        "http://[fd00:ec2::254]/keys",
        "http://0xa9fea9fe/keys",
        "file:///etc/passwd",
        "ftp://127.0.0.1/keys",
        "gopher://127.0.0.1/keys",
        "data:application/json,{}",
        "unix:///run/a.sock",
        "//127.0.0.1/keys",
        "http://",
        "http://[",
        "",
    ],
)
async def test_nothing_is_fetched_where_nothing_may_be(door: str, url: str) -> None:
    with pytest.raises(NotFetched):
        await DOORS[door](ring(Reach(link_local=False)), url)


@pytest.mark.parametrize("door", DOORS)
async def test_lists_and_own_ports_hold_for_documents_too(door: str) -> None:
    async with Documents() as server, Backend() as proxy:
        port = int(server.address.rpartition(":")[2])
        for reach in (Reach(own_ports=frozenset({port})), Reach(denied=hosts_of(["127.0.0.0/8"]))):
            with pytest.raises(NotFetched):
                await DOORS[door](ring(reach), f"{server.address}/keys")
        proxies = Proxies(proxy.address, proxy.address)
        with pytest.raises(NotFetched):
            await DOORS[door](ring(Reach(allowed=hosts_of(["nowhere.example"])), proxies), "http://keys.example/keys")
        assert server.asked == proxy.asked == []
        assert server.open_connections() == proxy.open_connections() == 0
