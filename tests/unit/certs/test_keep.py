"""The Secret, read and written: faults on the way, and an end at any await."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest

from eso.api.meta import SECRETS
from eso.certs.keep import Contended, Keeper, NoSecret, decoded
from eso.certs.mint import CA_CERT, Kept, needed
from eso.kube.rest import ApiError
from eso.runtime.offload import Offload
from tests.fakes.apiserver import FakeApiServer, Reset, Status
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock
from tests.harness.inprocess import Log

NAME = "hook.system.svc"
START = datetime(2026, 5, 1, tzinfo=UTC)


class Desk:
    def __init__(self, api: FakeApiServer) -> None:
        self.api, self.clock, self.log = api, VirtualClock(START), Log()
        self.rest = api.rest(tries=1)
        self.keeper = Keeper(self.rest, "system", "hook", NAME, self.clock, Offload(1), self.log)
        self.empty()

    def empty(self) -> None:
        self.api.put(SECRETS, {"metadata": {"name": "hook", "namespace": "system"}})

    @property
    def data(self) -> dict[str, bytes]:
        return decoded(self.api.get(SECRETS, "system", "hook") or {})


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with FakeApiServer() as api:
        made = Desk(api)
        yield made
        await made.rest.access.close()  # type: ignore[attr-defined]  # FixedAccess has it


async def test_what_is_missing_is_made_once(desk: Desk):
    first = await desk.keeper.ca()
    assert first == desk.data[CA_CERT] and needed(desk.data, NAME, START) == Kept()
    assert await desk.keeper.ca() == first and len(desk.api.writes) == 1


async def test_other_members_of_the_secret_stay(desk: Desk):
    desk.api.edit(SECRETS, "system", "hook", {"data": {"other": "eA=="}, "metadata": {"labels": {"a": "b"}}})
    await desk.keeper.ca()
    found = desk.api.get(SECRETS, "system", "hook") or {}
    assert found["data"]["other"] == "eA==" and found["metadata"]["labels"] == {"a": "b"}


async def test_without_the_secret_nothing_is_made(desk: Desk):
    desk.api.remove(SECRETS, "system", "hook")
    with pytest.raises(NoSecret, match='secrets "hook" not found in namespace system'):
        await desk.keeper.ca()
    assert desk.api.writes == []


async def test_a_conflict_is_looked_at_again_but_not_for_ever(desk: Desk):
    desk.api.fail(Status(409, "Conflict"), method="PATCH", times=2)
    assert await desk.keeper.ca() == desk.data[CA_CERT]
    desk.empty()
    desk.api.fail(Status(409, "Conflict"), method="PATCH", times=3)
    with pytest.raises(Contended):
        await desk.keeper.ca()
    assert desk.data == {}


async def test_a_write_that_was_done_although_no_reply_came_is_taken(desk: Desk):
    desk.api.fail(Reset(happened=True), method="PATCH")
    with pytest.raises(ApiError):
        await desk.keeper.ca()
    made = desk.data[CA_CERT]
    assert await desk.keeper.ca() == made and len(desk.api.writes) == 1


async def test_no_key_reaches_the_log(desk: Desk):
    await desk.keeper.ca()
    told = repr(desk.log.lines)
    assert "there is no CA" in told and "PRIVATE" not in told and "BEGIN" not in told


async def test_cancelled_anywhere_the_next_one_finishes(desk: Desk):
    async for _ in every_await(desk.keeper.ca):
        assert await desk.keeper.ca() == desk.data[CA_CERT]
        assert needed(desk.data, NAME, START) == Kept()
        desk.empty()
