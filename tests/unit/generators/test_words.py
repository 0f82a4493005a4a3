"""A server that a generator names may say what it likes: a credential that it repeats is not told."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest
import structlog
from aiohttp import web

from eso.generators.kit.http import WITHHELD, call, message_in
from eso.net.http import Pools
from eso.providers.env import Env
from eso.runtime.offload import Offload
from tests.fakes.clock import VirtualClock
from tests.unit.net.test_http import serving

TOKEN = "glpat-Zq7kWmXp42TvRn9Lbd"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        pytest.param("the name is taken", "the name is taken", id="words of its own"),
        pytest.param(f"token {TOKEN} has no scope api", "token *** has no scope api", id="the token as it was sent"),
        pytest.param(f"token {TOKEN[:12]}… has no scope", WITHHELD, id="its beginning"),
        pytest.param(TOKEN.upper(), WITHHELD, id="in upper case"),
        pytest.param(base64.b64encode(f"x:{TOKEN}".encode()).decode(), WITHHELD, id="in base64"),
        pytest.param(TOKEN[::-1], WITHHELD, id="backwards"),
    ],
)
@pytest.mark.parametrize("how", ["header", "form"])
async def test_the_words_of_a_server_are_told_without_the_credential_that_it_was_sent(
    said: str, told: str, how: str
) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        assert TOKEN in (request.headers.get("Authorization", "") + (await request.text()))
        return web.Response(status=403, body=orjson.dumps({"message": said}))

    env = Env(Pools(), Offload(threads=1, name="values"), VirtualClock(), structlog.get_logger())
    async with serving(answer) as url:
        headers = {"Authorization": f"Bearer {TOKEN}"} if how == "header" else {}
        reply = await call(env, "POST", url, headers, form={"token": TOKEN} if how == "form" else None)
    assert message_in(reply, "message") == told
    assert TOKEN not in repr(reply)


BASIC = "Basic " + base64.b64encode(f"operator:{TOKEN}".encode()).decode()


@pytest.mark.parametrize(
    ("request_", "sent"),
    [
        pytest.param({"headers": {"Authorization": BASIC}}, TOKEN, id="the password of a basic login"),
        pytest.param(
            {"headers": {"authorization": BASIC.lower()[:6] + BASIC[6:]}}, TOKEN, id="of one in small letters"
        ),
        pytest.param({"json": {"auth": [{"token": TOKEN}]}}, TOKEN, id="a member of the body"),
        pytest.param({"body": f"<token>{TOKEN}</token>".encode()}, TOKEN, id="a body of any form"),
        pytest.param({"query": f"?token={TOKEN}&x=y"}, TOKEN, id="a parameter"),
        pytest.param({"query": "?token=gl%2Fpat%3CZq7kWm"}, "gl/pat<Zq7kWm", id="a parameter as it was meant"),
        pytest.param({"headers": {"X-Key": 'gl<p&at"Zq>7k'}}, "gl&lt;p&amp;at&quot;Zq&gt;7k", id="escaped as HTML"),
    ],
)
async def test_whatever_a_request_carried_is_not_told(request_: dict[str, Any], sent: str) -> None:
    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=403, body=orjson.dumps({"message": f"no: {sent}"}))

    env = Env(Pools(), Offload(threads=1, name="values"), VirtualClock(), structlog.get_logger())
    async with serving(answer) as url:
        given = {"headers": {}} | request_
        headers, query = given.pop("headers"), given.pop("query", "")
        reply = await call(env, "POST", f"{url}/{query}", headers, **given)
    told = message_in(reply, "message")
    assert told in (WITHHELD, "no: ***")
