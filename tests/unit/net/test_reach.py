"""Which addresses a store may lead the operator to."""

from __future__ import annotations

import asyncio
import socket

import pytest
from aiohttp import web

from eso.app.flags import ControllerSettings
from eso.net.http import Forbidden, Pool, Pools, Proxies, TransportError, Unreachable
from eso.net.reach import EVERYWHERE, Barred, Reach
from tests.fakes.cancel import every_await
from tests.fakes.clock import until
from tests.unit.net.test_http import serving

NEAR = Reach(link_local=False, own_ports=frozenset({8080}))


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.170.23",
        "fe80::1",
        "fe80::1%eth0",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "fd00:ec2::254",
        "100.100.100.200",
        "168.63.129.16",
    ],
)
def test_metadata_services_are_refused_in_every_spelling(host):
    with pytest.raises(Barred, match="link-local"):
        NEAR.check((host, 80))
    EVERYWHERE.check((host, 80))


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "0.0.0.0", "::", "127.8.9.1", "::ffff:127.0.0.1"])
def test_the_operators_own_ports_are_refused_on_its_own_addresses(host):
    with pytest.raises(Barred, match="a port of the operator itself"):
        NEAR.check((host, 8080))
    NEAR.check((host, 8200))


def test_an_address_of_this_machine_is_its_own():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing: it only asks which address would be used
        except OSError:
            host = "127.0.0.1"
        else:
            host = probe.getsockname()[0]
    with pytest.raises(Barred):
        NEAR.check((host, 8080))


@pytest.mark.parametrize("host", ["10.0.0.7", "192.0.2.1", "2001:db8::1", "no address"])
def test_every_other_address_may_be_reached(host):
    NEAR.check((host, 8080))


async def test_an_address_is_judged_after_its_name_was_resolved_and_nothing_is_sent():
    seen: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.path)
        return web.Response()

    async with serving(answer) as url:
        port = int(url.rpartition(":")[2])
        pool = Pool(reach=Reach(own_ports=frozenset({port})))
        for host in ("localhost", "127.0.0.1"):
            with pytest.raises(Forbidden, match="a port of the operator itself") as refused:
                await pool.request("GET", f"http://{host}:{port}/metrics")
            assert refused.value.sent is False
        assert seen == []
        await pool.close()


async def test_pools_for_stores_keep_within_the_reach_of_the_process():
    pool = Pools(reach=NEAR).open("http://169.254.169.254")
    with pytest.raises(Forbidden, match="a link-local address") as refused:
        await pool.request("GET", "http://169.254.169.254/latest/meta-data")
    assert "--allow-link-local-stores" in refused.value.fix
    await pool.close()


def test_the_ports_of_the_process_are_those_of_its_flags():
    assert ControllerSettings(metrics_addr=":8080", live_addr="0.0.0.0:8082").own_ports() == {8080, 8082}
    assert ControllerSettings(metrics_addr="0", live_addr=":0").own_ports() == frozenset()


async def test_a_dial_says_whether_a_server_listens_and_sends_nothing():
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        await Pools().dial(f"http://127.0.0.1:{port}/path?query=hunter2")
        await until(lambda: heard == [b""])
        with pytest.raises(Forbidden, match="a port of the operator itself"):
            await Pools(reach=Reach(own_ports=frozenset({port}))).dial(f"http://localhost:{port}")
        proxies = Proxies(http=f"http://127.0.0.1:{port}")
        await Pools(proxies, NEAR).dial("http://backend.invalid:8200")
    with pytest.raises(Unreachable, match="connection refused") as refused:
        await Pools().dial(f"http://127.0.0.1:{port}/hunter2")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://", "http://" + "a" * 80 + ".example", "https://[::1", "http://a..b"])
async def test_a_dial_to_no_host_is_an_error_like_any_other(url):
    with pytest.raises(TransportError):
        await Pools().dial(url, 1.0)


async def test_every_await_of_a_dial_may_be_cancelled():
    async with serving(nothing) as url:
        async for _ in every_await(lambda: Pools().dial(url)):
            continue


async def nothing(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response()
