"""Who may scrape: what the API server is asked, how often, and what its silence means."""

from __future__ import annotations

import asyncio

import pytest

from eso.errors import EsoError
from eso.kube.bearers import (
    ALLOWED_SECONDS,
    ASKING,
    KEPT,
    REFUSED_SECONDS,
    WAITING,
    Allowed,
    Bearers,
    NotAllowed,
    Overrun,
    Unknown,
    bearer_token,
)
from eso.kube.rest import ApiError
from tests.fakes.apiserver import FakeApiServer, Garbage, Late, Status
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, settle, until


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        server.users = {"t-prom": "prometheus", "t-other": "other"}
        server.granted = {("prometheus", "get", "/metrics"), ("other", "get", "/healthz")}
        yield server


@pytest.fixture
async def bearers(api):
    rest = api.rest(turns=None, tries=1)
    yield Bearers(rest, VirtualClock())
    await rest.access.close()


@pytest.mark.parametrize(
    ("authorization", "verdict", "asked"),
    [
        pytest.param("Bearer t-prom", Allowed("prometheus"), 2, id="a token with the right"),
        pytest.param("bearer  t-prom ", Allowed("prometheus"), 2, id="the scheme's case does not matter"),
        pytest.param("Bearer t-other", NotAllowed("other"), 2, id="a token without the right"),
        pytest.param("Bearer invented", Unknown(), 1, id="a token that nobody made"),
        pytest.param("", Unknown(), 0, id="no header"),
        pytest.param("Bearer ", Unknown(), 0, id="no token"),
        pytest.param("Basic t-prom", Unknown(), 0, id="another scheme"),
        pytest.param("Bearer \udcff\udcfe", Unknown(), 0, id="bytes that are no text"),
        pytest.param("Bearer ä", Unknown(), 0, id="letters that no token has"),
    ],
)
async def test_the_api_server_decides(api, bearers, authorization, verdict, asked):
    assert await bearers.verdict(authorization) == verdict
    assert len(api.writes) == asked


async def test_the_right_is_asked_for_all_that_is_known_of_the_user(api, bearers):
    await bearers.verdict("Bearer t-prom")
    assert api.writes[1].body == {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {
            "user": "prometheus",
            "uid": "uid-of-prometheus",
            "groups": ["system:authenticated"],
            "extra": {"a": ["b"]},
            "nonResourceAttributes": {"path": "/metrics", "verb": "get"},
        },
    }


async def test_an_answer_counts_for_a_minute_and_a_refusal_for_ten_seconds(api, bearers):
    for _ in range(3):
        await bearers.verdict("Bearer t-prom")
        await bearers.verdict("Bearer t-other")
    assert len(api.writes) == 4
    api.granted = {("other", "get", "/metrics")}
    bearers._clock.jump(REFUSED_SECONDS)
    assert await bearers.verdict("Bearer t-prom") == Allowed("prometheus")
    assert await bearers.verdict("Bearer t-other") == Allowed("other")
    bearers._clock.jump(ALLOWED_SECONDS)
    assert await bearers.verdict("Bearer t-prom") == NotAllowed("prometheus")


@pytest.mark.parametrize("fault", [Status(500), Status(403), Garbage(b'{"status": 7}'), Garbage(b"<html>")])
@pytest.mark.parametrize("path", ["tokenreviews", "subjectaccessreviews"])
async def test_without_an_answer_nobody_is_admitted_and_nothing_is_kept(api, bearers, fault, path):
    api.fail(fault, path=path)
    with pytest.raises(ApiError):
        await bearers.verdict("Bearer t-prom")
    assert await bearers.verdict("Bearer t-prom") == Allowed("prometheus")


async def test_scrapes_with_one_token_share_one_question(api, bearers):
    api.fail(Late(), path="tokenreviews")
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(bearers.verdict("Bearer t-prom")) for _ in range(9)]
        await until(lambda: api.writes != [])
        api.release()
    assert {one.result() for one in asked} == {Allowed("prometheus")}
    assert len(api.writes) == 2
    assert not bearers._locks


async def test_a_flood_of_invented_tokens_asks_few_questions_at_once_and_the_rest_is_sent_away(api, bearers):
    api.fail(Late(), path="tokenreviews", times=ASKING)
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(outcome(bearers, f"Bearer invented-{n}")) for n in range(WAITING + 20)]
        await until(lambda: len(api.writes) == ASKING)
        await settle()
        assert len(api.writes) == ASKING
        api.release()
    assert [one.result() for one in asked].count("overrun") == 20
    assert not bearers._locks and bearers._waiting == 0


async def test_a_flood_of_invented_tokens_does_not_send_a_known_bearer_away(api, bearers):
    assert await bearers.verdict("Bearer t-prom") == Allowed("prometheus")
    for n in range(KEPT):
        await bearers.verdict(f"Bearer invented-{n}")
    assert len(bearers._kept) == KEPT
    bearers._clock.jump(ALLOWED_SECONDS)
    api.fail(Late(), path="tokenreviews", times=ASKING)
    async with asyncio.TaskGroup() as group:
        flood = [group.create_task(outcome(bearers, f"Bearer other-{n}")) for n in range(WAITING)]
        await until(lambda: bearers._waiting == WAITING)
        known = group.create_task(outcome(bearers, "Bearer t-prom"))
        await settle()
        api.release()
    assert known.result() == "Allowed" and {one.result() for one in flood} == {"Unknown"}


async def outcome(bearers: Bearers, authorization: str) -> str:
    try:
        return type(await bearers.verdict(authorization)).__name__
    except Overrun:
        return "overrun"


async def test_answers_are_kept_for_so_many_tokens_only(api, bearers):
    bearers._kept.update({f"{n}".encode(): (0.0, Unknown()) for n in range(KEPT)})
    await bearers.verdict("Bearer t-prom")
    assert len(bearers._kept) == KEPT
    assert not any(b"t-prom" in name for name in bearers._kept)


async def test_every_await_may_be_cancelled(api):
    rest = api.rest(turns=None, tries=1)
    bearers = Bearers(rest, VirtualClock())
    async for _ in every_await(lambda: bearers.verdict("Bearer t-prom")):
        assert not bearers._locks and bearers._waiting == 0
        bearers._kept.clear()
    await rest.access.close()


@pytest.mark.parametrize("header", ["Bearer", "BearerX t", "Bearer\tt", "t"])
def test_what_is_no_bearer_has_no_token(header):
    assert bearer_token(header) == ""


def test_an_overrun_is_one_of_our_errors():
    assert issubclass(Overrun, EsoError)
