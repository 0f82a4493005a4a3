"""Every provider connects to nothing that stores may not reach: what it would have sent stays here."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any
from urllib.parse import unquote

import pytest

from eso.api.hosts import hosts_of
from eso.errors import EsoError, causes
from eso.net.http import Pool, Proxies
from eso.net.reach import Reach
from eso.providers.contract import InvalidConfig, Remote, RemoteRef
from eso.stores.registry import PROVIDERS
from tests.contract.benches import Bench, Case, Ground, cases
from tests.fakes.backend import Backend

# `fake` asks nobody; of `onepasswordSDK` the vendor's library connects: tests/unit/providers/onepasswordsdk.
ELSEWHERE = {"fake", "onepasswordSDK"}
CASES = [case for case in cases() if case.wire or case.id in ("github", "ngrok")]
METADATA = "http://169.254.169.254:80"


async def refused(bench: Bench, **changes: object) -> EsoError:
    """What a login and a read end with."""
    with pytest.raises(EsoError) as failed:
        client = await bench.open(**changes)  # type: ignore[arg-type]  # the block's members
        ref = RemoteRef("app")
        if bench.reads:
            client.value(await client.fetch(client.request(ref)), ref)
        else:
            await client.exists(Remote("app"))  # type: ignore[attr-defined]  # it only writes
    return failed.value


def told(error: EsoError) -> str:
    return " ".join(map(str, causes(error)))


@pytest.fixture(params=[pytest.param(case, id=case.id) for case in CASES])
def case(request: pytest.FixtureRequest) -> Case:
    found: Case = request.param
    return found


async def test_what_is_on_no_list_is_not_asked_and_its_name_is_not_resolved(case: Case, ground: Ground) -> None:
    async with Backend() as proxy, case.make(ground) as bench:
        pools = bench.provider.pools
        pools.hosts, pools.proxies = {}, Proxies(proxy.address, proxy.address)
        pools.reach = Reach(allowed=hosts_of(["nowhere.example"]))
        changes = bench.at("http://backend.example:8200") if bench.at is not None else {}
        error = await refused(bench, **changes)
        assert isinstance(error, InvalidConfig)
        assert "not among the hosts that stores may reach" in told(error)
        assert proxy.asked == []
        assert proxy.open_connections() == 0


async def test_no_metadata_service_is_asked(case: Case, ground: Ground) -> None:
    async with case.make(ground) as bench:
        pools = bench.provider.pools
        pools.reach = Reach(link_local=False)
        pools.hosts = dict.fromkeys(pools.hosts, METADATA)
        error = await refused(bench, **(bench.at(METADATA) if bench.at is not None else {}))
        assert isinstance(error, InvalidConfig)
        assert "a link-local address" in told(error)


async def test_a_denied_network_is_not_connected_to(case: Case, ground: Ground) -> None:
    async with case.make(ground) as bench:
        assert bench.server is not None
        bench.provider.pools.reach = Reach(denied=hosts_of(["127.0.0.0/8", "::1"]))
        error = await refused(bench)
        assert isinstance(error, InvalidConfig)
        assert "in a network that stores may not reach" in told(error)
        assert bench.server.asked == []
        assert bench.server.open_connections() == 0


CLIMBING = ("..", "../x", "a/../../x", "a/..", "..\\x", "a\\..\\..\\x", "%2e%2e/x", "a/..%2f..%2fx", "..%5cx", "./../x")


async def test_no_key_leads_a_read_out_of_its_place(
    case: Case, ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor in the hands of the client library, or at a server that reads an escaped slash, or a backslash, as a
    slash."""
    urls: list[str] = []
    real = Pool._open

    async def noted(self: Pool, method: str, url: str, *rest: Any) -> Any:
        urls.append(url)
        return await real(self, method, url, *rest)

    async with case.make(ground) as bench:
        client: Any = await bench.open()
        monkeypatch.setattr(Pool, "_open", noted)
        for key in (f"{prefix}{way}" for way in CLIMBING for prefix in ("", bench.prefix)):
            urls.clear()
            with suppress(EsoError):
                if bench.reads:
                    await client.fetch(client.request(RemoteRef(key)))
                else:
                    await client.exists(Remote(key))
            for url in urls:
                path = url.partition("?")[0]
                assert ".." not in re.split(r"[/\\]", unquote(path)), (key, path)
        await client.close()


async def test_every_provider_is_among_them(ground: Ground) -> None:
    found = set()
    for case in CASES:
        async with case.make(ground) as bench:
            found.add(bench.provider.name)
    assert found == set(PROVIDERS) - ELSEWHERE
