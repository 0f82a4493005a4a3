"""One call to a backend: its turn, the reply, and what a refusal becomes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from aiohttp import web

from eso.errors import EsoError
from eso.net.http import Pool, Reply, Timeouts
from eso.providers.contract import (
    TURN,
    AuthExpired,
    Denied,
    InvalidConfig,
    Malformed,
    Throttled,
    Timeout,
    Unavailable,
)
from eso.providers.kit import http
from eso.providers.kit.http import Api, NothingThere, Unsigned
from eso.runtime.offload import Offload
from tests.fakes.backend import Backend, Fault
from tests.fakes.cancel import every_await

CANARY = "hunter2"


class Echo(Backend):
    async def answer(self, asked):
        return web.json_response(
            {"path": asked.path, "query": asked.query, "body": asked.text, "tag": asked.headers.get("X-Tag")}
        )


@pytest.fixture
async def server() -> AsyncIterator[Echo]:
    async with Echo() as server:
        yield server


@pytest.fixture
async def api(server) -> AsyncIterator[Api]:
    made = Api(Pool(), "Echo", server.address, {"Authorization": f"Bearer {CANARY}"})
    yield made
    await made.close()


async def test_a_call_takes_its_turn_under_its_names_and_carries_what_it_was_given(server, api):
    turns: list[tuple[str, str]] = []

    @asynccontextmanager
    async def turn(provider: str, call: str) -> AsyncIterator[None]:
        turns.append((provider, call))
        yield

    token = TURN.set(turn)
    try:
        reply = await api.send("Get", "GET", "/v1/x", query={"a": "1 2"}, headers={"X-Tag": "t"})
        await api.send("Put", "PUT", "/v1/y", json={"a": 1})
        await api.send("Login", "POST", "/v1/z", form={"a": "&"})
    finally:
        TURN.reset(token)
    assert turns == [("Echo", "Get"), ("Echo", "Put"), ("Echo", "Login")]
    assert http.object_of(reply.body) == {"path": "/v1/x", "query": {"a": "1 2"}, "body": "", "tag": "t"}
    assert [asked.text for asked in server.asked] == ["", '{"a":1}', "a=%26"]
    assert {asked.headers["Authorization"] for asked in server.asked} == {f"Bearer {CANARY}"}


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidConfig),
        (401, AuthExpired),
        (403, Denied),
        (404, NothingThere),
        (408, Timeout),
        (409, InvalidConfig),
        (429, Throttled),
        (500, Unavailable),
        (503, Unavailable),
        (504, Timeout),
    ],
)
async def test_a_status_becomes_a_typed_error_that_quotes_nothing(server, api, status, kind):
    server.fail(Fault(status, body=CANARY, headers={"X": CANARY}))
    with pytest.raises(EsoError) as refused:
        await api.send("Get", "GET", f"/{CANARY}", query={"q": CANARY})
    assert type(refused.value) is kind
    assert CANARY not in str(refused.value)
    assert getattr(refused.value, "answered", status < 500 and status != 408) is True


async def test_a_status_that_the_caller_expects_is_a_reply(server, api):
    server.fail(Fault(404, body="{}"))
    assert (await api.send("Get", "GET", "/x", ok=(404,))).status == 404


async def test_a_provider_says_it_in_its_own_words(server):
    def refuse(reply: Reply) -> EsoError:
        return http.refusal(f"Echo API error (HTTP {reply.status})", reply)

    own = Api(Pool(), "Echo", server.address, refuse=refuse)
    server.fail(Fault(403, body=CANARY))
    with pytest.raises(Denied, match=r"^Echo API error \(HTTP 403\)$"):
        await own.send("Get", "GET", "/x")
    await own.close()


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(Fault(drop=True, times=2), Unavailable, id="a connection that is closed without a reply"),
        pytest.param(Fault(200, body=CANARY * 9, reset=True), Unavailable, id="a connection that is reset mid-body"),
        pytest.param(Fault(200, body="x" * 2000), Malformed, id="a reply longer than is read"),
        pytest.param(Fault(200, body=CANARY * 20, drip=0.2), Timeout, id="a reply that drips"),
        pytest.param(Fault(hang=True), Timeout, id="no reply at all"),
    ],
)
async def test_a_broken_exchange_becomes_a_typed_error(server, fault, kind):
    api = Api(Pool(), "Echo", server.address, timeouts=Timeouts(total=1.0), max_body=1000)
    server.fail(fault)
    with pytest.raises(EsoError) as broken:
        await api.send("Get", "GET", f"/{CANARY}")
    assert type(broken.value) is kind
    assert CANARY not in str(broken.value)
    await api.close()


async def test_a_server_that_is_not_there_is_unavailable_and_has_not_answered():
    api = Api(Pool(), "Echo", "http://127.0.0.1:9")
    with pytest.raises(Unavailable) as refused:
        await api.send("Get", "GET", "/x")
    assert refused.value.answered is False
    await api.close()


async def test_a_header_that_cannot_be_sent_is_the_stores_fault(api):
    with pytest.raises(InvalidConfig) as refused:
        await api.send("Get", "GET", "/x", headers={"X-Token": f"{CANARY}\r\nHost: other"})
    assert CANARY not in str(refused.value)


async def test_what_is_sent_is_what_was_signed_and_a_hop_is_signed_anew(server, api):
    seen: list[Unsigned] = []

    async def sign(request: Unsigned) -> dict[str, str]:
        seen.append(request)
        return {"X-Tag": request.target}

    server.fail(Fault(307, headers={"Location": "/v1/there?b=1"}, path="^/here$"))
    signing = replace(api, sign=sign)
    reply = await signing.send("Get", "GET", "/here?a=%3A%2F%20%2B%C3%A9")
    assert http.object_of(reply.body)["tag"] == "/v1/there?b=1"
    await signing.send("Get", "POST", "/there", json={"c": 1})
    assert [asked.target for asked in server.asked] == [request.target for request in seen]
    assert [(request.method, request.body) for request in seen] == [("GET", b""), ("GET", b""), ("POST", b'{"c":1}')]
    assert {request.host for request in seen} == {server.address.removeprefix("http://")}
    assert CANARY not in repr(seen)


async def test_a_redirect_is_followed_on_the_same_server(server, api):
    server.fail(Fault(307, headers={"Location": "/v1/there"}, path="^/here$"))
    reply = await api.send("Get", "GET", "/here", query={"a": "1"})
    assert http.object_of(reply.body)["path"] == "/v1/there"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_no_redirect_takes_a_credential_or_a_body_to_another_server(server, api, method):
    async with Echo() as other:
        server.fail(Fault(307, headers={"Location": f"{other.address}/{CANARY}"}))
        with pytest.raises(Unavailable, match="redirects") as refused:
            await api.send("Get", method, "/x", body=b"secret" if method == "POST" else None)
        assert CANARY not in str(refused.value)
        assert other.address not in str(refused.value)
        assert other.asked == []


async def test_a_redirect_that_carries_a_body_is_not_followed_even_on_the_same_server(server, api):
    server.fail(Fault(307, headers={"Location": "/there"}))
    with pytest.raises(Unavailable, match="redirects"):
        await api.send("Push", "POST", "/x", json={})
    assert len(server.asked) == 1


@pytest.mark.parametrize("location", ["", "http://[", "https://127.0.0.1:1/", "http://127.0.0.1:1/"])
async def test_a_redirect_to_nowhere_is_unavailable(server, api, location):
    server.fail(Fault(302, headers={"Location": location}))
    with pytest.raises(Unavailable):
        await api.send("Get", "GET", "/x")


async def test_redirects_in_a_circle_end(server, api):
    server.fail(Fault(302, headers={"Location": "/x"}, times=100))
    with pytest.raises(Unavailable, match="too often"):
        await api.send("Get", "GET", "/x")
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        pytest.param({"Retry-After": "7"}, 7.0, id="seconds"),
        pytest.param({"Retry-After": "0.5"}, 0.5, id="part of a second"),
        pytest.param({"Retry-After": "-3"}, 0.0, id="never negative"),
        pytest.param({"Retry-After": "nan"}, None, id="no number"),
        pytest.param({"Retry-After": "1e999"}, None, id="no end"),
        pytest.param({"Retry-After": "99999999"}, 86400.0, id="at most a day"),
        pytest.param({}, None, id="nothing said"),
        pytest.param({"Retry-After": "soon"}, None, id="a word"),
        pytest.param({"Retry-After": "Thu, 01 Jan 1970 00:02:00 GMT"}, 20.0, id="a date by our clock"),
        pytest.param(
            {"Retry-After": "Fri, 31 Dec 1999 23:59:59 GMT", "Date": "Fri, 31 Dec 1999 23:59:49 GMT"},
            10.0,
            id="a date by the server's clock",
        ),
    ],
)
def test_how_long_the_backend_wants_us_to_wait(headers, seconds):
    assert http.retry_after(headers, lambda: 100.0) == seconds


@pytest.mark.parametrize(
    ("token", "text"),
    [
        pytest.param("s.abc\n", "the token ends in a line break", id="a line break at the end"),
        pytest.param("s.abc\r\n", "the token ends in a line break", id="a line break of another system"),
        pytest.param("s" * 65_537, "the token is longer than 65536 bytes", id="a token that no server takes"),
        pytest.param("s.a\nbc", "the token holds a character that no header can carry", id="a line break within"),
        pytest.param("s.äbc", "the token holds a character that no header can carry", id="a letter beyond ASCII"),
    ],
)
def test_a_token_that_no_header_can_carry_is_named_as_such(token, text):
    with pytest.raises(InvalidConfig) as refused:
        http.bearer(token)
    assert str(refused.value) == text


def test_a_segment_of_a_path_stays_one():
    assert http.segment("a/b?c#d%") == "a%2Fb%3Fc%23d%25"
    for text in ("", ".", ".."):
        with pytest.raises(InvalidConfig):
            http.segment(text)


def test_a_reply_of_another_form_is_malformed_and_not_quoted():
    for decode, body in (
        (http.json_of, f"{CANARY}{{"),
        (http.object_of, f'["{CANARY}"]'),
        (http.list_of, f'{{"a":"{CANARY}"}}'),
        (http.json_of, "[" * 100_000),
        (lambda body: http.text_in(http.object_of(body), "a"), "{}"),
    ):
        with pytest.raises(Malformed) as refused:
            decode(body.encode())
        assert CANARY not in str(refused.value)
    assert http.text_in({"a": "x"}, "a") == "x"
    assert http.list_of(b"[1]") == [1]


async def test_a_long_reply_is_decoded_off_the_loop():
    offload = Offload(threads=1)
    assert await http.decoded(offload, "team-a", b'"%s"' % (b"x" * 70_000), http.json_of) == "x" * 70_000
    assert await http.decoded(offload, "team-a", b"1", http.json_of) == 1
    offload.close()


async def test_every_await_of_a_call_may_be_cancelled(server, api):
    async for _ in every_await(lambda: api.send("Get", "GET", "/x")):
        continue
    assert (await api.send("Get", "GET", "/x")).status == 200
