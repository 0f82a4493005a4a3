"""A server that a generator names may say what it likes: a credential that it repeats is not told."""

from __future__ import annotations

import base64

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
