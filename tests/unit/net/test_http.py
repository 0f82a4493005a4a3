from __future__ import annotations

import asyncio
import gc
import socket
import ssl
import threading
import warnings
from asyncio.sslproto import SSLProtocol
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from e2e.harness.certs import Authority
from eso.net import http
from eso.net.http import (
    Pool,
    Pools,
    Proxies,
    TimedOut,
    Timeouts,
    TlsError,
    TooLarge,
    TransportError,
    Unreachable,
    Unsendable,
    origin,
    tls_context,
)
from eso.runtime.memory import Memory, decoded, holding, reserve
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, until

CANARY = "hunter2"


@asynccontextmanager
async def serving(handler, tls: ssl.SSLContext | None = None):
    server = web.Server(handler)
    runner = web.ServerRunner(server, access_log=None, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]  # port 0 has no public answer
        yield f"http{'s' if tls else ''}://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def raw_server(reply: bytes):
    """Sends `reply` to whatever comes, and hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(reply)
        writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.fixture
async def pool():
    pool = Pool()
    yield pool
    await pool.close()


async def echo(request: web.BaseRequest) -> web.StreamResponse:
    return web.Response(
        text=f"{request.method} {request.path_qs} {await request.text()}",
        headers={"X-Seen": request.headers.get("X-Sent", "")},
    )


async def test_a_reply_is_its_status_headers_and_body_whatever_the_status(pool):
    async def teapot(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(
            status=418,
            text=f"{request.method} {request.path_qs} {await request.text()}",
            headers={"X-Seen": request.headers["X-Sent"]},
        )

    async with serving(teapot) as url:
        reply = await pool.request("PUT", f"{url}/p", params={"q": "a b"}, headers={"X-Sent": "yes"}, body=b"body")
    assert (reply.status, reply.headers["x-seen"], reply.body) == (418, "yes", b"PUT /p?q=a+b body")


async def test_the_body_and_the_headers_of_a_reply_do_not_print(pool):
    async def secret(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=CANARY, headers={"Set-Cookie": CANARY})

    async with serving(secret) as url:
        assert CANARY not in repr(await pool.request("GET", url))


async def test_neither_cookies_nor_redirects_are_followed(pool):
    seen: list[str] = []

    async def redirect(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.headers.get("Cookie", ""))
        return web.Response(status=302, headers={"Location": "/elsewhere", "Set-Cookie": "session=1"})

    async with serving(redirect) as url:
        assert (await pool.request("GET", url)).status == 302
        assert (await pool.request("GET", url)).status == 302
    assert not any(seen)


async def test_the_environment_is_not_read(pool, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    async with serving(echo) as url:
        assert (await pool.request("GET", url)).status == 200


async def test_a_reply_longer_than_wanted_is_not_read_to_its_end(pool):
    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 10_000)

    async with serving(endless) as url:
        with pytest.raises(TooLarge, match="longer than 50000 bytes"):
            await pool.request("GET", url, max_body=50_000)


async def test_the_limit_counts_what_was_unpacked(pool):
    async def bomb(request: web.BaseRequest) -> web.StreamResponse:
        response = web.Response(body=b"\0" * 1_000_000)
        response.enable_compression(web.ContentCoding.gzip)
        return response

    async with serving(bomb) as url:
        with pytest.raises(TooLarge):
            await pool.request("GET", url, max_body=50_000)


@pytest.mark.parametrize(
    ("reply", "text"),
    [
        pytest.param(b"", "closed the connection without a reply", id="nothing at all"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhunter2", "broke off", id="half a body"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n7\r\nhunter2\r\n",
            "broke off",
            id="half of the chunks",
        ),
        pytest.param(b"hunter2 is not HTTP\r\n\r\n", "does not speak HTTP", id="another protocol"),
        pytest.param(b"HTTP/1.1 200 OK\r\nhunter2\r\n\r\n", "does not speak HTTP", id="a broken header"),
        pytest.param(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 7\r\n\r\nhunter2",
            "broke off",
            id="not what it is said to be packed as",
        ),
    ],
)
async def test_a_reply_that_is_none_is_an_error_that_does_not_quote_it(pool, reply, text):
    async with raw_server(reply) as url:
        with pytest.raises(Unreachable, match=text) as caught:
            await pool.request(
                "POST", f"{url}/{CANARY}?token={CANARY}", headers={"Authorization": CANARY}, body=CANARY.encode()
            )
    error = caught.value
    assert error.sent
    assert CANARY not in f"{error} {error!r} {error.fix}"
    assert error.__cause__ is None, "the client's own error is not chained: its text quotes what it could not read"
    assert error.__suppress_context__


async def test_no_server_no_host_no_address(pool):
    for url, error, text in (
        ("http://127.0.0.1:1/x", Unreachable, "cannot reach http://127.0.0.1:1: connection refused"),
        ("http://does-not-exist.invalid/x", Unreachable, "cannot reach http://does-not-exist.invalid: no such host"),
        ("http://[::1/x", Unsendable, "the request to an unusable address cannot be sent"),
    ):
        with pytest.raises(error) as caught:
            await pool.request("GET", url)
        assert str(caught.value).startswith(text)
        assert not caught.value.sent


async def test_a_header_that_would_smuggle_another_is_not_sent(pool):
    async with serving(echo) as url:
        with pytest.raises(Unsendable, match="cannot be sent as it is") as caught:
            await pool.request("GET", url, headers={"Authorization": f"{CANARY}\r\nX-Evil: 1"})
        assert CANARY not in str(caught.value)


async def never(request: web.BaseRequest) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def test_no_reply_in_time(pool):
    async with serving(never) as url:
        with pytest.raises(TimedOut, match=r"no reply from http://127\.0\.0\.1:\d+ within 0\.05 s") as caught:
            await pool.request("GET", url, timeouts=Timeouts(total=0.05))
        assert caught.value.sent
        with pytest.raises(TimedOut, match=r"within 0\.05 s"):
            await pool.request("GET", url, timeouts=Timeouts(total=None, idle=0.05))


async def test_our_own_cancellation_is_not_taken_for_a_timeout(pool):
    async with serving(never) as url:
        task = asyncio.ensure_future(pool.request("GET", url, timeouts=Timeouts(total=30)))
        await until(lambda: pool._active == 1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert pool._active == 0


# Streams.


async def trickle(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(status=int(request.query.get("status", "200")))
    await response.prepare(request)
    for piece in (b"one", b"two"):
        await response.write(piece)
        await asyncio.sleep(0)
    if request.query.get("then") == "silence":
        await asyncio.Event().wait()
    if request.query.get("then") == "cut":
        assert request.transport is not None
        request.transport.abort()
    return response


async def test_a_stream_arrives_as_it_is_sent(pool):
    async with serving(trickle) as url, pool.stream("GET", f"{url}?status=201") as stream:
        assert stream.status == 201
        assert b"".join([chunk async for chunk in stream.chunks()]) == b"onetwo"


async def test_a_silent_stream_times_out(pool):
    async with serving(trickle) as url:
        got = b""
        with pytest.raises(TimedOut, match="went silent"):
            async with pool.stream("GET", f"{url}?then=silence", timeouts=Timeouts(idle=0.05)) as stream:
                async for chunk in stream.chunks():
                    got += chunk
        assert got == b"onetwo"


async def test_a_stream_that_is_cut_says_so(pool):
    async with serving(trickle) as url:
        with pytest.raises(Unreachable):
            async with pool.stream("GET", f"{url}?then=cut") as stream:
                async for _ in stream.chunks():
                    pass


async def test_an_error_of_the_reader_stays_what_it_is(pool):
    async with serving(trickle) as url:
        with pytest.raises(TimeoutError, match="mine"):
            async with pool.stream("GET", url):
                raise TimeoutError("mine")
        assert pool._active == 0


async def test_a_stream_left_early_gives_its_connection_up(pool):
    async with serving(trickle) as url:
        async with pool.stream("GET", f"{url}?then=silence") as stream:
            assert await anext(stream.chunks())
        assert (await pool.request("GET", url)).body == b"onetwo"


# Life of a pool.


async def test_a_retired_pool_serves_whom_it_serves_and_closes_then(pool):
    release = asyncio.Event()

    async def slow(request: web.BaseRequest) -> web.StreamResponse:
        await release.wait()
        return web.Response(text="done")

    async with serving(slow) as url:
        task = asyncio.ensure_future(pool.request("GET", url))
        await until(lambda: pool._active == 1)
        await pool.retire()
        assert pool._session is not None
        release.set()
        assert (await task).body == b"done"
        assert pool._session is None


async def test_a_pool_that_does_nothing_retires_at_once(pool):
    async with serving(echo) as url:
        await pool.request("GET", url)
        await pool.retire()
        assert pool._session is None


async def test_closing_fails_what_is_in_flight(pool):
    async with serving(never) as url:
        task = asyncio.ensure_future(pool.request("GET", url))
        await until(lambda: pool._active == 1)
        await asyncio.sleep(0)
        await pool.close()
        with pytest.raises(TransportError):
            await task


@pytest.mark.parametrize("kind", ["request", "stream"])
async def test_an_exchange_can_be_cancelled_at_every_await(kind):
    pool = Pool(connections=1)
    async with serving(trickle) as url:

        async def exchange() -> None:
            if kind == "request":
                await pool.request("GET", url)
            else:
                async with pool.stream("GET", url) as stream:
                    async for _ in stream.chunks():
                        pass

        count = 0
        async for _ in every_await(exchange):
            count += 1
            assert (await pool.request("GET", url)).body == b"onetwo"  # the only connection is free
            assert pool._active == 0
        assert count > 0
    await pool.close()


# Trust.


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def server_tls(authority: Authority) -> ssl.SSLContext:
    pair = authority.server("server")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.cert))
    context.load_cert_chain(pair.cert, pair.key)
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


async def whoami(request: web.BaseRequest) -> web.StreamResponse:
    assert request.transport is not None
    certificate = request.transport.get_extra_info("peercert") or {}
    return web.Response(text=str([value for part in certificate.get("subject", ()) for _, value in part]))


async def test_a_server_we_have_no_ca_for_is_not_talked_to(server_tls):
    pool = Pool(tls=tls_context())
    async with serving(whoami, server_tls) as url:
        with pytest.raises(Unreachable, match="cannot trust https://") as caught:
            await pool.request("GET", url)
    assert not caught.value.sent
    await pool.close()


@pytest.mark.parametrize("how", ["file", "pem"])
async def test_a_given_ca_is_trusted_and_a_client_certificate_is_shown(authority, server_tls, how):
    pair = authority.client("client", "us")
    if how == "file":
        context = tls_context(ca_file=str(authority.cert), cert_file=str(pair.cert), key_file=str(pair.key))
    else:
        context = tls_context(
            ca_pem=authority.cert.read_bytes(), cert_pem=pair.cert.read_bytes(), key_pem=pair.key.read_bytes()
        )
    pool = Pool(tls=context)
    async with serving(whoami, server_tls) as url:
        assert (await pool.request("GET", url)).body == b"['us']"
    await pool.close()


async def test_a_ca_beside_the_systems_is_trusted_and_takes_none_of_them_away(
    authority, server_tls, tmp_path, monkeypatch
):
    other = Authority(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(other.cert))  # stands for the system's authorities
    context = tls_context(ca_pem=authority.cert.read_bytes(), beside_system=True)
    subjects = [dict(part[0] for part in found["subject"])["commonName"] for found in context.get_ca_certs()]
    assert len(subjects) == 2
    pool = Pools().open("https://localhost", ca=authority.cert.read_bytes(), beside_system=True)
    async with serving(whoami, server_tls) as url:
        assert (await pool.request("GET", url)).status == 200
    await pool.close()


async def test_the_name_in_the_certificate_counts(authority, server_tls):
    context = tls_context(ca_file=str(authority.cert))
    wrong, right = Pool(tls=context, server_name="elsewhere.example"), Pool(tls=context, server_name="localhost")
    async with serving(whoami, server_tls) as url:
        with pytest.raises(Unreachable, match="cannot trust"):
            await wrong.request("GET", url)
        assert (await right.request("GET", url)).status == 200
    await wrong.close()
    await right.close()


async def test_comments_of_a_ca_may_be_in_any_language(authority, server_tls):
    ca = "# Zertifizierungsstelle für Dienste\n".encode() + authority.cert.read_bytes()
    pool = Pool(tls=tls_context(ca_pem=ca))
    async with serving(whoami, server_tls) as url:
        assert (await pool.request("GET", url)).status == 200
    await pool.close()


@pytest.fixture(scope="module")
def strangers(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A certificate that vouches for nobody here, and a key."""
    other = Authority(tmp_path_factory.mktemp("strangers"))
    key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    return other.cert.read_bytes() + b"# between\n" + key


@pytest.mark.parametrize("before", [0, 1, 24, 25, 60, 200])
async def test_an_authority_is_found_wherever_it_stands_in_a_bundle(authority, server_tls, strangers, before):
    ca = strangers * before + authority.cert.read_bytes() + strangers * 3
    pool = Pool(tls=tls_context(ca_pem=ca))
    async with serving(whoami, server_tls) as url:
        assert (await pool.request("GET", url)).status == 200
    await pool.close()


def test_a_bundle_is_read_in_pages_and_a_page_without_a_certificate_is_none(strangers):
    pages = http.authorities((strangers * 100).decode())
    assert "".join(pages).count("BEGIN CERTIFICATE") == 100
    assert max(page.count("-----BEGIN ") for page in pages) <= http.PAGE
    key = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"
    assert http.authorities(key * 100) == [key * 100], "which then says that it holds no certificate"


async def test_trust_can_be_switched_off(server_tls):
    pool = Pool(tls=tls_context(verify=False))
    async with serving(whoami, server_tls) as url:
        assert (await pool.request("GET", url)).status == 200
    await pool.close()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        pytest.param({"ca_pem": b"hunter2"}, "cannot use the CA certificates", id="a CA that is none"),
        pytest.param({"ca_pem": b"\xff\xfe"}, "cannot use the CA certificates", id="a CA without a letter"),
        pytest.param(
            {"ca_pem": b"-----BEGIN CERTIFICATE-----\n" * 501}, "more than 500 certificates", id="a bundle without end"
        ),
        pytest.param({"ca_file": "/does/not/exist"}, "no such file or directory", id="a CA file that is not there"),
        pytest.param(
            {"cert_pem": b"hunter2", "key_pem": b"hunter2"},
            "cannot use the client certificate",
            id="a certificate that is none",
        ),
        pytest.param(
            {"cert_pem": b"x" * 70_000, "key_pem": b"hunter2"},
            "longer than a certificate can be",
            id="a certificate that would block a pipe",
        ),
        pytest.param(
            {"cert_file": "/does/not/exist"}, "no such file or directory", id="a certificate file that is not there"
        ),
    ],
)
def test_certificates_that_cannot_be_used_say_so_without_their_content(options, text):
    with pytest.raises(TlsError, match=text) as caught:
        tls_context(**options)
    assert CANARY not in f"{caught.value} {caught.value.fix}"


def test_an_encrypted_key_does_not_ask_for_a_passphrase(authority: Authority, tmp_path: Path):
    from cryptography.hazmat.primitives import serialization

    pair = authority.client("locked", "us")
    key = serialization.load_pem_private_key(pair.key.read_bytes(), None)
    locked = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"hunter2")
    )
    with pytest.raises(TlsError, match="the key is encrypted"):
        tls_context(cert_pem=pair.cert.read_bytes(), key_pem=locked)


def test_only_forward_secret_ciphers_over_elliptic_curves_are_offered():
    context = tls_context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    old = [cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
    assert old
    assert all(name.startswith("ECDHE-") for name in old)


async def test_a_server_that_speaks_nothing_but_static_rsa_is_not_talked_to(authority: Authority):
    pair = authority.server("old")
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pair.cert, pair.key)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES256-GCM-SHA384")
    pool = Pool(tls=tls_context(ca_file=str(authority.cert)))
    async with serving(whoami, context) as url:
        with pytest.raises(Unreachable):
            await pool.request("GET", url)
    await pool.close()


def test_a_key_that_belongs_to_another_certificate_is_refused(authority: Authority):
    one, other = authority.client("one", "us"), authority.client("other", "them")
    with pytest.raises(TlsError, match="key values mismatch"):
        tls_context(cert_pem=one.cert.read_bytes(), key_pem=other.key.read_bytes())


# Proxies.

ENVIRON = {
    "HTTPS_PROXY": "http://proxy:3128",
    "http_proxy": "plain:8080",
    "NO_PROXY": "example.com, .corp.net,*.wild.org,10.0.0.0/8,192.168.1.5,fd00::/8,other.io:8443, ,bad/cidr",
}


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://vault.internal/v1", "http://proxy:3128"),
        ("http://vault.internal/v1", "http://plain:8080"),
        ("https://example.com", None),
        ("https://EXAMPLE.com", None),
        ("https://a.b.example.com", None),
        ("https://notexample.com", "http://proxy:3128"),
        ("https://corp.net", "http://proxy:3128"),
        ("https://x.corp.net", None),
        ("https://x.wild.org", None),
        ("https://10.96.0.1:443", None),
        ("https://11.0.0.1", "http://proxy:3128"),
        ("https://192.168.1.5:8200", None),
        ("https://192.168.1.50", "http://proxy:3128"),
        ("https://[fd00::1]:6443", None),
        ("https://other.io:8443", None),
        ("https://other.io", "http://proxy:3128"),
        ("https://localhost:8200", None),
        ("https://127.0.0.1:6443", None),
        ("https://[::1]:6443", None),
    ],
)
def test_the_proxy_of_an_address(url, proxy):
    assert Proxies.from_environ(ENVIRON).for_url(url) == proxy


def test_a_star_means_no_proxy_at_all():
    assert Proxies.from_environ(ENVIRON | {"NO_PROXY": "*"}).for_url("https://vault.internal") is None


def test_no_variables_mean_no_proxy():
    assert Proxies.from_environ({}).for_url("https://vault.internal") is None


def test_a_proxys_password_does_not_print():
    assert CANARY not in repr(Proxies.from_environ({"HTTPS_PROXY": f"http://me:{CANARY}@proxy"}))


@given(st.text(max_size=30), st.integers(1, 65535), st.text(max_size=30))
def test_no_text_in_the_environment_breaks_the_choice(rule, port, host):
    proxies = Proxies.from_environ({"HTTPS_PROXY": "http://p", "NO_PROXY": rule})
    assert proxies.for_url(f"https://h{port}.example:{port}") in (None, "http://p")
    assert "hunter2" not in origin(f"https://user:hunter2@{host}/hunter2?hunter2")


async def test_requests_go_through_the_proxy_that_was_given():
    seen: list[str] = []

    async def proxy(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(str(request.url))
        return web.Response(text="from the proxy")

    async with serving(proxy) as url:
        pool = Pool(proxies=Proxies(http=url))
        assert (await pool.request("GET", "http://vault.internal/v1")).body == b"from the proxy"
        await pool.close()
    assert seen == ["http://vault.internal/v1"]


async def test_a_proxy_that_refuses_is_named_as_such():
    async def proxy(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=407, text=CANARY)

    async with serving(proxy) as url:
        pool = Pool(proxies=Proxies(https=url))
        with pytest.raises(
            Unreachable, match=r"the proxy refused the connection to https://vault.internal with status 407"
        ):
            await pool.request("GET", "https://vault.internal/v1")
        await pool.close()
    pool = Pool(proxies=Proxies(https="http://127.0.0.1:1"))
    with pytest.raises(Unreachable, match=r"cannot reach the proxy for https://vault.internal: connection refused"):
        await pool.request("GET", "https://vault.internal/v1")
    await pool.close()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:hunter2@h:8200/v1/hunter2?token=hunter2#hunter2", "https://h:8200"),
        ("http://[fd00::1]:80/x", "http://[fd00::1]:80"),
        ("http://h:notaport/", "an unusable address"),
    ],
)
def test_only_scheme_host_and_port_of_an_address_are_shown(url, shown):
    assert origin(url) == shown


def mute(listener: socket.socket, context: ssl.SSLContext, over: threading.Event, reply: bytes) -> None:
    """Answers one request with `reply`, and nothing ever after: no goodbye either."""
    raw, _ = listener.accept()
    with context.wrap_socket(raw, server_side=True, suppress_ragged_eofs=True) as connection:
        connection.recv(65536)
        connection.sendall(reply)
        over.wait(30)


async def left_early(pool: Pool, url: str) -> None:
    async with pool.stream("GET", url) as stream:
        await anext(stream.chunks())


async def given_up(pool: Pool, url: str) -> None:
    with pytest.raises(TimedOut):
        await pool.request("GET", url, timeouts=Timeouts(total=0.2))


async def cancelled_as_the_handshake_ends(pool: Pool, url: str) -> None:
    asking = asyncio.create_task(pool.request("GET", url))
    ended = SSLProtocol._on_handshake_complete  # type: ignore[attr-defined]  # nothing public happens before its waiter

    def end_and_cancel(protocol: SSLProtocol, error: BaseException | None) -> None:
        ended(protocol, error)
        asking.cancel()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SSLProtocol, "_on_handshake_complete", end_and_cancel)
        await asyncio.wait([asking])
    assert asking.cancelled()


@pytest.mark.parametrize(
    ("use", "reply"),
    [
        pytest.param(cancelled_as_the_handshake_ends, b"", id="a request cancelled as its handshake ended"),
        pytest.param(
            left_early, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\none\r\n", id="a stream left early"
        ),
        pytest.param(given_up, b"", id="a request without an answer"),
        pytest.param(given_up, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none", id="half an answer"),
    ],
)
def test_no_socket_is_left_behind_when_the_loop_ends(authority, server_tls, use, reply):
    """A polite goodbye over TLS waits for the other side's; a process that stops does not."""

    async def life(url: str) -> None:
        pool = Pool(tls=tls_context(ca_file=str(authority.cert)))
        await use(pool, url)
        await pool.close()

    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        server = threading.Thread(target=mute, args=(listener, server_tls, over, reply))
        server.start()
        asyncio.run(life(f"https://127.0.0.1:{listener.getsockname()[1]}"))
        gc.collect()
        over.set()
        server.join()
    assert [str(one.message) for one in seen if one.category is ResourceWarning] == []


class Counted:
    """A pool that counts, and the memory it spends."""

    def __init__(self, total: int = 64 << 20, in_flight: int = 1000) -> None:
        self.clock = VirtualClock()
        self.memory = Memory(total, self.clock)
        self.pool = Pool(in_flight=in_flight)


@asynccontextmanager
async def dripping(start: bytes, length: int):
    """Announces `length` bytes, sends `start` and stalls until the event is set; then the rest."""
    go = asyncio.Event()

    async def drip(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = length
        await response.prepare(request)
        await response.write(start)
        await go.wait()
        await response.write(bytes(length - len(start)))
        return response

    async with serving(drip) as url:
        yield url, go


async def test_a_reply_is_reserved_as_it_arrives_and_stays_so_with_what_it_may_be_decoded_to():
    counted = Counted()
    async with dripping(b"x" * 300_000, 1_000_000) as (url, go):
        with holding(counted.memory.open("ns")):
            asked = asyncio.ensure_future(counted.pool.request("GET", url))
            await until(lambda: counted.memory.used >= 300_000)
            assert counted.memory.used < 1_000_000
            go.set()
            reply = await asked
            assert counted.memory.used == len(reply.body) + decoded(reply.body)
        assert counted.memory.used == 0
    await counted.pool.close()


async def test_one_request_of_tenants_begins_in_each_turn_of_the_loop_and_namespaces_take_turns(
    monkeypatch: pytest.MonkeyPatch,
):
    counted, turns, began = Counted(), 0, list[tuple[int, str]]()

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def asks(namespace: str) -> None:
        with holding(counted.memory.open(namespace)), pytest.raises(TransportError):
            await counted.pool.request("GET", f"http://{namespace}")

    class Session:
        async def request(self, method: str, url: str, **_: object) -> None:
            began.append((turns, url))
            raise OSError

    monkeypatch.setattr(counted.pool, "_session", Session())
    counting = asyncio.ensure_future(count())
    await asyncio.wait([asyncio.ensure_future(asks(name)) for name in ["greedy"] * 20 + ["other"]])
    counting.cancel()
    assert len({turn for turn, _ in began}) == 21
    assert [url for _, url in began].index("http://other") <= 2


async def test_a_request_that_finds_no_memory_waits_before_it_is_sent():
    counted, hits = Counted(), []

    async def hit(request: web.BaseRequest) -> web.StreamResponse:
        hits.append(request.path)
        return web.Response(text="x")

    busy = counted.memory.open("ns")
    await busy.reserve(counted.memory.most)
    await busy.reserve(1 << 20)  # it is the one pass that may have more
    async with serving(hit) as url:
        with holding(counted.memory.open("ns")):
            asked = asyncio.ensure_future(counted.pool.request("GET", url))
            await until(lambda: counted.memory.waiting == 1)
            assert hits == []
            busy.close()
            assert (await asked).status == 200
    await counted.pool.close()


async def test_the_wait_for_memory_is_not_the_servers_time():
    counted = Counted()
    busy = counted.memory.open("ns")
    counted.memory._first = busy  # only that one may have more than its share
    async with dripping(b"x" * 300_000, 400_000) as (url, go):
        go.set()
        with holding(counted.memory.open("ns")):
            await busy.reserve(counted.memory.most - 1000)
            asked = asyncio.ensure_future(counted.pool.request("GET", url, timeouts=Timeouts(total=1.0)))
            await until(lambda: counted.memory.waiting == 1)
            limits = [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()]
            assert not [timer for timer in limits if "Timeout._on_timeout" in repr(timer)]
            busy.close()
            assert len((await asked).body) == 400_000
    assert counted.memory.used == 0
    await counted.pool.close()


@pytest.mark.parametrize("body", [b'{"a":[]}' * 100_000, b"x" * 1_000_000])
async def test_a_reply_that_nobody_may_hold_is_refused_by_name(body):
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=body)

    counted = Counted(total=80_000)  # less than what is read before a reply is counted for the first time
    async with serving(answer) as url:
        with holding(counted.memory.open("ns")):
            with pytest.raises(TooLarge, match=f"the reply of {url} needs too much memory"):
                await counted.pool.request("GET", url)
            assert counted.memory.used == 0
    await counted.pool.close()


async def test_a_counted_request_that_is_cancelled_at_any_await_holds_nothing():
    counted = Counted()
    async with serving(echo) as url:

        async def asked() -> None:
            with holding(counted.memory.open("ns")):
                await counted.pool.request("GET", url)

        async for _ in every_await(asked):
            assert counted.memory.used == 0
    await counted.pool.close()


async def test_the_reply_to_a_write_into_the_cluster_waits_for_no_memory():
    """What was written is written: a pass that gave up now would take it for a failure."""
    counted = Counted(total=1_000_000, in_flight=0)
    async with serving(echo) as url:
        with holding(counted.memory.open("ns")):
            await reserve(counted.memory.most)
            await reserve(counted.memory.total // 8)
            reply = await counted.pool.request("PATCH", url, body=b"x" * 300_000)
            assert reply.status == 200
            assert counted.memory.used > counted.memory.most + counted.memory.total // 8
    assert counted.memory.used == 0
    await counted.pool.close()
