"""Which addresses a store may lead the operator to."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from typing import Any

import pytest
from aiohttp import web
from aiohttp.resolver import ThreadedResolver

from eso.api.hosts import hosts_of
from eso.app.flags import ControllerSettings
from eso.app.wiring import reach_of
from eso.net.http import Forbidden, Pool, Pools, Proxies, Reply, TransportError, Unreachable, Unsendable
from eso.net.reach import EVERYWHERE, Barred, Reach, addresses_of, meanings
from eso.providers.contract import Unavailable
from eso.providers.kit.http import followed
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
        "fd20:ce::254",
        "fd00:42::42",
        "2002:a9fe:a9fe::1",
        "::169.254.169.254",
        "::ffff:0:169.254.169.254",
        "64:ff9b:1::a9fe:a9fe",
        "2001:db8::5efe:169.254.169.254",
        "64:ff9b:1:a9fe:a9:fe00::",
        "64:ff9b:1:baa9:fe:a9fe::",
        "64:ff9b:1:a9:fe:a9fe::",
        "64:ff9b:1:abcd:a9:fea9:fe00:0",
        "2001:0:102:304:0:0:5601:5601",
        "64:ff9b::168.63.129.16",
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


@pytest.mark.parametrize(
    "url",
    [
        "",
        "//127.0.0.1:{port}/",
        "127.0.0.1:{port}",
        "/path",
        "file:///etc/passwd",
        "ftp://127.0.0.1:{port}/",
        "ws://127.0.0.1:{port}/",
        "gopher://127.0.0.1:{port}/",
        "data:text/plain,a",
        "unix:///run/a.sock",
        "http+unix://%2Frun%2Fa.sock/",
        "http:127.0.0.1:{port}",
        "http:/127.0.0.1:{port}",
        "http:///127.0.0.1:{port}/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:-1/",
        "http://127.0.0.1:{port}x/",
        "http://[127.0.0.1]:{port}/",
        "http://[::1/",
        "http://\t/",
        " http://127.0.0.1:{port}/",
        "http://127.0.0.1\\@:{port}/",
    ],
)
async def test_an_address_that_is_none_is_an_error_of_a_type_and_nothing_is_sent(url):
    seen: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.path)
        return web.Response()

    async with serving(answer) as server:
        pool = Pools().open(url)
        with pytest.raises(TransportError) as refused:
            await pool.request("GET", url.format(port=server.rpartition(":")[2]))
        assert refused.value.sent is False
        assert seen == []
        await pool.close()


def near(allowed: str = "", denied: str = "", **more: Any) -> Reach:
    return Reach(allowed=hosts_of(allowed.split()), denied=hosts_of(denied.split()), **more)


async def asked(url: str, reach: Reach, proxies: Proxies | None = None) -> str:
    """ "" when the server of `url` answers, else why the operator did not connect."""
    pools = Pools(proxies, reach)
    pool = pools.open(url)
    try:
        assert (await pool.request("GET", url)).status == 200
    except Forbidden as refused:
        assert refused.sent is False and refused.fix
        return str(refused)
    finally:
        await pool.close()
    return ""


@pytest.mark.parametrize(
    ("host", "allowed", "denied", "refused"),
    [
        pytest.param("localhost", "", "", "", id="without lists everything may be reached"),
        pytest.param("localhost", "localhost", "", "", id="an allowed name"),
        pytest.param("LOCALHOST", "localhost", "", "", id="however it is written"),
        pytest.param("localhost", "127.0.0.0/8", "", "", id="a name that leads into an allowed network"),
        pytest.param("127.0.0.1", "127.0.0.1", "", "", id="an allowed address"),
        pytest.param("127.0.0.1", "localhost", "", "not among", id="the address behind an allowed name"),
        pytest.param("localhost", "vault.example.com *.example.com", "", "not among", id="a name that is not listed"),
        pytest.param("localhost", "10.0.0.0/8", "", "not among", id="an address that is not listed"),
        pytest.param("localhost", "", "localhost", "a host that stores may not", id="a denied name"),
        pytest.param("localhost", "", "127.0.0.0/8", "a network that stores", id="a name that leads to a denied one"),
        pytest.param("127.0.0.1", "", "127.0.0.1", "a network that stores", id="a denied address"),
        pytest.param("localhost", "localhost", "127.0.0.0/8", "a network that stores", id="denied wins over allowed"),
        pytest.param("127.0.0.1", "127.0.0.0/8", "localhost", "", id="a denied name denies no address"),
    ],
)
async def test_lists_of_hosts_are_held_where_the_connection_is_made(host, allowed, denied, refused):
    async with serving(nothing) as url:
        target = url.replace("127.0.0.1", host)
        reach = near(allowed, denied)
        assert (refused in await asked(target, reach)) is True
        assert bool(await asked(target, reach)) is bool(refused)
        dialled = Pools(reach=reach).dial(target)
        if refused:
            with pytest.raises(Forbidden, match=refused):
                await dialled
        else:
            await dialled


@pytest.mark.parametrize(
    "target",
    [
        pytest.param("http://127.0.0.1:{port}@localhost:{port}/", id="an allowed host as user"),
        pytest.param("http://127.0.0.1:{port}\\@localhost:{port}/", id="a backslash before the host"),
        pytest.param("http://localhost:{port}/#@127.0.0.1:{port}", id="an allowed host in the fragment"),
        pytest.param("http://ｌｏｃａｌｈｏｓｔ:{port}/", id="a name in wide letters"),
        pytest.param("http://2130706433:{port}/", id="an address as one number"),
        pytest.param("http://127.1:{port}/", id="a short address"),
        pytest.param("http://[::ffff:127.0.0.1]:{port}/", id="an address inside of another"),
    ],
)
async def test_no_spelling_gets_past_a_denied_host(target):
    async with serving(nothing) as url:
        port = url.rpartition(":")[2]
        pool = Pools(reach=near(denied="localhost 127.0.0.0/8")).open(url)
        with pytest.raises(TransportError):
            await pool.request("GET", target.format(port=port))
        await pool.close()


@pytest.mark.parametrize(
    ("address", "allowed", "denied", "refused"),
    [
        pytest.param("64:ff9b::a00:1", "10.0.0.0/8", "", "", id="what the internet's NAT64 leads to is allowed"),
        pytest.param("64:ff9b::a00:1", "64:ff9b::/96", "", "", id="its own network is allowed"),
        pytest.param("::ffff:10.0.0.1", "10.0.0.0/8", "", "", id="IPv4 that is written as IPv6 is IPv4"),
        pytest.param("::ffff:10.0.0.1", "::ffff:10.0.0.0/104", "", "", id="in a list as well"),
        pytest.param("2001:db8::5efe:a00:1", "10.0.0.0/8", "", "not among", id="an end that somebody chose"),
        pytest.param("2001:db8::200:5efe:a00:1", "10.0.0.0/8", "", "not among", id="another such end"),
        pytest.param("2002:a00:1::1", "10.0.0.0/8", "", "not among", id="a tunnel to an allowed address"),
        pytest.param("64:ff9b:1::a00:1", "10.0.0.0/8", "", "not among", id="a translation of somebody's choice"),
        pytest.param("64:ff9b::a00:1", "", "64:ff9b::/96", "a network that", id="a denied network of NAT64"),
        pytest.param("2002:a00:1::1", "", "2002::/16", "a network that", id="a denied network of tunnels"),
        pytest.param("2002:a00:1::1", "", "10.0.0.0/8", "a network that", id="a tunnel to a denied address"),
        pytest.param("64:ff9b::a00:1", "", "10.0.0.0/8", "a network that", id="NAT64 to a denied address"),
        pytest.param("2001:db8::5efe:a00:1", "", "10.0.0.0/8", "a network that", id="an end that may be denied"),
        pytest.param("10.0.0.1", "", "::ffff:10.0.0.0/104", "a network that", id="a denied IPv4 written as IPv6"),
        pytest.param("fd00::1%eth0", "", "fd00::/8", "a network that", id="a zone changes nothing"),
        pytest.param("FD00:0:0:0::1", "", "fd00::/8", "a network that", id="nor do letters and zeros"),
        pytest.param("10.0.0.1", "", "fd00::/8", "", id="a network of another kind denies nothing"),
        pytest.param("0.0.0.0", "", "127.0.0.0/8", "a network that", id="the address of nobody leads to this machine"),
        pytest.param("::", "", "127.0.0.1", "a network that", id="in IPv6 too"),
        pytest.param("::ffff:0.0.0.0", "", "127.0.0.1", "a network that", id="and as IPv4 that is written as IPv6"),
        pytest.param("0.0.0.0", "127.0.0.1", "", "not among", id="and allows nothing"),
    ],
)
def test_lists_look_at_what_an_address_is_and_at_what_it_may_lead_to(address, allowed, denied, refused):
    reach = near(allowed, denied)
    if refused:
        with pytest.raises(Barred, match=refused):
            reach.check((address, 443), "backend.example")
    else:
        reach.check((address, 443), "backend.example")


@pytest.mark.parametrize("host", ["ｌocalhost", "LOCALHOST", "local\u00adhost", "localhost.", "lo\u200ccalhost"])
async def test_no_spelling_of_a_denied_name_is_dialled(host):
    """A resolver reads wide letters as plain ones; so does the list."""
    async with serving(nothing) as url:
        port = url.rpartition(":")[2]
        pools = Pools(reach=near(denied="localhost"))
        with pytest.raises(TransportError):
            await pools.dial(f"http://{host}:{port}")
        with pytest.raises(TransportError):
            await pools.connected(f"http://x:y@{host}:{port}/path")


@pytest.mark.parametrize(
    "location",
    [
        "//other.example/a",
        "http://other.example/a",
        "http://backend.example:81/a",
        "http://backend.example:0/a",
        "https://backend.example/a",
        "http://backend.example.:80/a",
        "http://user@backend.example/a",
        "http://backend.example@other.example/a",
        "http://other.example\\@backend.example/a",
        "http://backend.example\\.other.example/a",
        "http://stra\u1e9ee.example/a",
        "http://b\u0430ckend.example/a",
        "http://backend.example:99999/a",
        "http://[::ffff:127.0.0.1]/a",
        "file:///etc/passwd",
        "ftp://backend.example/a",
        "gopher://backend.example/a",
        "data:text/plain,a",
        "unix:/run/a.sock",
        "",
    ],
)
def test_no_spelling_of_a_redirect_leads_to_another_server(location):
    url = "http://backend.example/v1/a"
    with pytest.raises(Unavailable) as refused:
        followed("GET", url, Reply(302, {"Location": location}, b""), False)
    assert "other.example" not in str(refused.value)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/b", "http://backend.example/b"),
        ("b?c", "http://backend.example/v1/b?c"),
        ("//backend.example/b", "http://backend.example/b"),
        ("HTTP://Backend.Example:80/b", "http://Backend.Example:80/b"),
        ("http:///b", "http://backend.example/b"),
        ("http:\\\\other.example/b", "http://backend.example/v1/\\\\other.example/b"),
    ],
)
def test_a_redirect_to_the_server_itself_is_followed(location, target):
    assert followed("GET", "http://backend.example/v1/a", Reply(302, {"Location": location}, b""), False) == target


async def test_behind_a_proxy_the_name_has_to_pass_as_it_stands():
    async with serving(nothing) as url:
        proxies = Proxies(http=url)  # which answers for every host
        assert await asked("http://backend.example", near("*.other.example 127.0.0.1"), proxies) != ""
        assert await asked("http://vault.backend.example", near("*.backend.example"), proxies) == ""
        assert "not among" in await asked("http://backend.example", near("10.0.0.0/8"), proxies)
        assert "not among" in await asked("http://10.9.9.9", near("backend.example"), proxies)
        assert await asked("http://10.9.9.9", near("10.0.0.0/8"), proxies) == ""
        assert "may not reach" in await asked("http://10.9.9.9", near(denied="10.0.0.0/8"), proxies)
        assert "may not reach" in await asked("http://backend.example", near(denied="*.example"), proxies)
        assert await asked("http://backend.example", near(denied="127.0.0.0/8"), proxies) == ""
        with pytest.raises(Forbidden, match="not among"):
            await Pools(proxies, near("10.0.0.0/8")).dial("http://backend.example")


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "169.254.169.254.",
        "2852039166",
        "0xa9fea9fe",
        "0xA9.0xfe.0xa9.0xfe",
        "0251.0376.0251.0376",
        "169.254.43518",
        "1６9.254.169.254",
        "%31%36%39.254.169.254",
        "[::ffff:169.254.169.254]",
        "[fe80::1%25eth0]",
        "[fd00:ec2::254]",
        "100.100.100.200",
        "metadata.google.internal",
        "Metadata.Google.Internal.",
        "metadata.goog",
        "instance-data",
    ],
)
async def test_behind_a_proxy_a_metadata_service_is_refused_as_it_is_written(host):
    async with serving(nothing) as url:
        proxies = Proxies(http=url)
        with suppress(Unsendable):  # no host can be written like that
            assert "link-local" in await asked(f"http://{host}/latest", NEAR, proxies)
        with pytest.raises(TransportError):
            await Pools(proxies, NEAR).dial(f"http://{host}/latest")
        assert await asked(f"http://backend.example/{host}", NEAR, proxies) == ""


@pytest.mark.parametrize("host", ["167772161", "0xa000001", "10.1", "012.0.0.1", "10.0.0.1."])
async def test_behind_a_proxy_no_spelling_of_an_address_gets_past_the_lists(host):
    async with serving(nothing) as url:
        proxies = Proxies(http=url)
        assert "may not reach" in await asked(f"http://{host}/", near(denied="10.0.0.0/8"), proxies)
        assert "not among" in await asked(f"http://{host}/", near("192.168.0.0/16"), proxies)
        assert await asked(f"http://{host}/", near("10.0.0.0/8"), proxies) == ""


async def test_a_name_that_leads_elsewhere_when_it_is_asked_again_is_judged_each_time(monkeypatch):
    """The address that was judged is the one that is connected to: there is no second look at the name."""
    async with serving(nothing) as url:
        port = int(url.rpartition(":")[2])
        answers = iter([["127.0.0.1"], ["169.254.169.254"], ["169.254.169.254", "127.0.0.1"]])
        looked: list[str] = []

        async def resolve(self: Any, host: str, port: int = 0, family: Any = 0) -> list[dict[str, Any]]:
            looked.append(host)
            return [
                {"hostname": host, "host": one, "port": port, "family": socket.AF_INET, "proto": 0, "flags": 0}
                for one in next(answers)
            ]

        monkeypatch.setattr(ThreadedResolver, "resolve", resolve)
        target = f"http://rebinding.example:{port}/"
        assert await asked(target, NEAR) == ""
        assert "link-local" in await asked(target, NEAR)
        assert await asked(target, NEAR) == ""  # by the one address that may be reached
        assert len(looked) == 3


async def test_the_api_server_is_refused_on_its_own_port_where_stores_may_not_name_it():
    async with serving(nothing) as api, serving(nothing) as other:
        settings = ControllerSettings(deny_api_server_stores=True)
        reach = reach_of(settings, api.replace("127.0.0.1", "localhost"))
        assert "the API server" in await asked(api, reach)
        assert await asked(other, reach) == ""
        assert await asked(api, reach_of(ControllerSettings(), api)) == ""


def test_the_address_of_a_name_that_nobody_knows_is_none():
    assert addresses_of("no-such-host.invalid", 443) == frozenset()
    assert addresses_of("127.0.0.1", 443) == {(meanings("127.0.0.1")[0], 443)}


async def test_requests_of_many_hosts_in_one_task_are_judged_each_by_its_own_name():
    async with serving(nothing) as url:
        port = url.rpartition(":")[2]
        reach = near("localhost")
        for _ in range(3):
            assert await asked(f"http://localhost:{port}", reach) == ""
            assert "not among" in await asked(f"http://127.0.0.1:{port}", reach)


async def test_every_await_of_a_dial_may_be_cancelled():
    async with serving(nothing) as url:
        async for _ in every_await(lambda: Pools().dial(url)):
            continue


async def nothing(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response()
