"""Calls over gRPC: each status has its class, and what is no gRPC, or more than one message, is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from eso.errors import EsoError
from eso.net.http import Pools, Timeouts
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
from eso.providers.kit import grpc
from eso.providers.kit.grpc import NAMES, Grpc, Status, refusal
from eso.providers.kit.http import NothingThere
from eso.providers.kit.protobuf import price
from eso.runtime.memory import Memory, holding
from tests.fakes.backend import Fault
from tests.fakes.clock import VirtualClock
from tests.fakes.grpc import GrpcBackend, framed, refused

PLANTED = "planted-7f3a9c"
CALL = "/pkg.Service/Get"


class Echo(GrpcBackend):
    async def called(self, method: str, message: bytes, token: str) -> bytes:
        return token.encode() + b"|" + message


@pytest.fixture
async def server() -> AsyncIterator[Echo]:
    async with Echo() as made:
        yield made


@pytest.fixture
async def api(server: Echo) -> AsyncIterator[Grpc]:
    made = Grpc(Pools().channel(server.address), "Vendor")
    yield made
    await made.close()


async def test_a_call_brings_one_message_and_shows_its_token_nowhere(server: Echo, api: Grpc):
    api = api.with_token(PLANTED)
    assert await api.unary("Get", CALL, b"\1\2") == PLANTED.encode() + b"|\1\2"
    assert PLANTED not in repr(api)
    assert server.asked[0].headers["grpc-timeout"] == "30000m"
    with pytest.raises(InvalidConfig):
        api.with_token("a\nb")


async def test_a_reply_reserves_what_its_messages_may_take(server: Echo, api: Grpc):
    memory = Memory(64 << 20, VirtualClock())
    with holding(memory.open("team")):
        await api.unary("Get", CALL, b"x" * 10_000)
        assert memory.used >= price(b"x" * 10_000)
    assert memory.used == 0


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (1, Unavailable),
        (2, Unavailable),
        (3, InvalidConfig),
        (4, Timeout),
        (5, NothingThere),
        (6, InvalidConfig),
        (7, Denied),
        (8, Throttled),
        (9, InvalidConfig),
        (10, Unavailable),
        (11, InvalidConfig),
        (12, NothingThere),
        (13, Unavailable),
        (14, Unavailable),
        (15, Unavailable),
        (16, AuthExpired),
    ],
)
async def test_a_status_has_its_class_and_its_text_is_not_shown(
    server: Echo, api: Grpc, code: int, kind: type[EsoError]
):
    server.fail(refused(code, **{"grpc-message": PLANTED}))
    with pytest.raises(EsoError) as failed:
        await api.unary("Get", CALL, b"")
    assert type(failed.value) is kind
    assert str(failed.value) == f"rpc error: code = {NAMES[code]}"
    if isinstance(failed.value, Unavailable):
        assert failed.value.answered


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"grpc-retry-pushback-ms": "1500"}, 1.5),
        ({"grpc-retry-pushback-ms": "-1"}, None),
        ({"grpc-retry-pushback-ms": "9" * 12}, 24 * 3600.0),
        ({"grpc-retry-pushback-ms": "soon"}, None),
        ({"retry-after": "7"}, 7.0),
    ],
)
async def test_a_throttled_call_says_how_long_to_wait(
    server: Echo, api: Grpc, headers: dict[str, str], seconds: float | None
):
    server.fail(refused(8, **headers))
    with pytest.raises(Throttled) as failed:
        await api.unary("Get", CALL, b"")
    assert failed.value.retry_after == seconds


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        pytest.param(Fault(200, body="<html>", headers={}), Malformed, id="a page"),
        pytest.param(Fault(200, body=""), Malformed, id="no status"),
        pytest.param(refused(17), Malformed, id="a status that is none"),
        pytest.param(Fault(200, body="", headers={"grpc-status": "0"}), Malformed, id="OK without a message"),
        pytest.param(Fault(200, body="\0\0"), Malformed, id="half a length"),
        pytest.param(Fault(200, body="\0\0\0\0\5ab"), Malformed, id="half a message"),
        pytest.param(Fault(200, body=framed(b"a") * 2), Malformed, id="two messages"),
        pytest.param(Fault(200, body=framed(b"a") + "garbage"), Malformed, id="garbage behind it"),
        pytest.param(Fault(200, body="\1\0\0\0\1a", headers={"content-type": "application/grpc"}), Malformed, id="zip"),
        pytest.param(Fault(200, body=framed(b"a" * 5_000_000)), Malformed, id="more than is taken"),
        pytest.param(Fault(204, body=""), Malformed, id="another success"),
        pytest.param(Fault(401), AuthExpired, id="401 of a proxy"),
        pytest.param(Fault(403), Denied, id="403 of a proxy"),
        pytest.param(Fault(404), NothingThere, id="404 of a proxy"),
        pytest.param(Fault(502), Unavailable, id="502 of a proxy"),
        pytest.param(Fault(302, headers={"Location": "https://other"}), Unavailable, id="a redirect"),
    ],
)
async def test_what_is_no_grpc_or_more_than_one_message_is_told(
    server: Echo, api: Grpc, fault: Fault, kind: type[EsoError]
):
    server.fail(replace(fault))
    with pytest.raises(EsoError) as failed:
        await api.unary("Get", CALL, b"")
    assert type(failed.value) is kind
    assert api.channel.server in str(failed.value)
    assert await api.unary("Get", CALL, b"x") == b"|x"


async def test_a_reference_as_long_as_a_book_is_refused_before_it_is_sent(server: Echo, api: Grpc):
    with pytest.raises(InvalidConfig):
        await api.unary("Get", CALL, b"x" * (grpc.MOST_SENT + 1))
    assert server.asked == []


async def test_the_deadline_ends_a_call(server: Echo, api: Grpc):
    server.fail(Fault(hang=True))
    with pytest.raises(Timeout) as failed:
        await replace(api, timeouts=Timeouts(total=0.1)).unary("Get", CALL, b"")
    assert not failed.value.answered


async def test_each_call_has_its_turn_and_an_error_leaves_through_it(server: Echo, api: Grpc):
    seen = list[tuple[str, str, bool]]()

    class Counted:
        def __init__(self, provider: str, call: str) -> None:
            self.named = provider, call

        async def __aenter__(self) -> None:
            await asyncio.sleep(0)

        async def __aexit__(self, kind: object, *_: object) -> None:
            seen.append((*self.named, kind is not None))

    token = TURN.set(Counted)
    try:
        await api.unary("Get", CALL, b"")
        server.fail(refused(7))
        with pytest.raises(Denied):
            await api.unary("Get", CALL, b"")
    finally:
        TURN.reset(token)
    assert seen == [("Vendor", "Get", False), ("Vendor", "Get", True)]


def test_a_status_may_be_worded():
    assert str(refusal(Status(7), "cannot read: ")) == "cannot read: rpc error: code = PermissionDenied"
