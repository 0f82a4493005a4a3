"""Trust in events, through the whole operator: intervals stretch while a source is heard, and fall back at once."""

from __future__ import annotations

from datetime import timedelta

import pytest

from eso.api.changesource import CHANGE_SOURCES
from eso.reconcile.kit import trust
from tests.fakes.apiserver import FakeApiServer
from tests.unit.app.operating import Operating, put_external_secret, put_store
from tests.unit.app.test_change_events import Backend, Sender, later, listening, put_source, synced, value
from tests.unit.app.test_driven_sources import at_rest

HOUR = 3600.0
MISSED = 'externalsecrets_events_missed_found_by_poll_total{namespace="team",source="source"}'


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A day of the operator takes seconds of a test."""
    monkeypatch.setattr(trust, "STRETCH", timedelta(hours=2))


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        put_store(server, provider={"fake": {}})
        put_external_secret(server, "trusting", target={"immediate": True})
        put_external_secret(server, "plain")
        put_source(server)
        yield server


async def rest(one: Operating, seconds: float, step: float = 600.0) -> None:
    """Time goes on, and every pass ends on the way."""
    passed = 0.0
    while passed < seconds:
        await one.clock.advance(min(step, seconds - passed))
        passed += step
        await later(one, lambda: at_rest(one), step=0.2)


async def proven(one: Operating, sender: Sender, script: Backend) -> None:
    """Five changes that events told of, and two stretches without one that was missed."""
    await synced(one, "trusting", "plain")
    for n in range(5):
        script.value = b"told-%d" % n
        assert (await sender.send("key"))[0] == 202
        await later(one, lambda: value(one, "trusting") == f"told-{n}" == value(one, "plain"))  # noqa: B023  # awaited
        await rest(one, 1.0)
    await rest(one, 4 * HOUR + 1, step=1800.0)


def reads_of(one: Operating, name: str) -> int:
    """How often the object was refreshed: each refresh that is far enough from the last one is in its status."""
    return sum(f"/{name}/status" in request.path for request in one.api.writes if "externalsecrets" in request.path)


async def refreshes(one: Operating, name: str, seconds: float) -> int:
    before = reads_of(one, name)
    await rest(one, seconds, step=1800.0)
    return reads_of(one, name) - before


async def test_without_the_flag_nothing_stretches(api: FakeApiServer):
    script = Backend()
    async with listening(api, script) as (one, sender):
        await proven(one, sender, script)
        assert await refreshes(one, "trusting", 6 * HOUR) >= 6


async def test_a_proven_source_stretches_immediate_objects_alone(api: FakeApiServer):
    script = Backend()
    async with listening(api, script, "--event-trust=4") as (one, sender):
        await synced(one, "trusting", "plain")
        await proven(one, sender, script)
        await rest(one, 4 * HOUR)
        assert await refreshes(one, "trusting", 6 * HOUR) <= 3
        assert await refreshes(one, "plain", 6 * HOUR) >= 6


async def test_a_change_that_was_missed_ends_it_at_once_for_everything_of_the_source(api: FakeApiServer):
    put_external_secret(api, "other", key="other", target={"immediate": True})
    script = Backend()
    script.values["other"] = b"as ever"
    async with listening(api, script, "--event-trust=4") as (one, sender):
        await proven(one, sender, script)
        await rest(one, 4 * HOUR)
        assert await refreshes(one, "other", 6 * HOUR) <= 3
        script.values["key"] = b"not told"
        await rest(one, HOUR + 60)  # the plain object finds it
        assert MISSED in one.metrics()
        assert await refreshes(one, "other", HOUR) >= 1, "within one interval of its own"
        assert await refreshes(one, "other", 6 * HOUR) >= 6


async def test_a_source_that_is_gone_ends_it_at_once(api: FakeApiServer):
    script = Backend()
    async with listening(api, script, "--event-trust=4") as (one, sender):
        await proven(one, sender, script)
        await rest(one, 4 * HOUR)
        api.remove(CHANGE_SOURCES, "team", "source")
        await later(one, lambda: not one.knows(CHANGE_SOURCES, "source"))
        assert await refreshes(one, "trusting", HOUR + 60) >= 1
        assert await refreshes(one, "trusting", 6 * HOUR) >= 6


async def test_an_event_that_could_not_be_taken_ends_it_at_once(api: FakeApiServer):
    script = Backend()
    async with listening(api, script, "--event-trust=4") as (one, sender):
        await proven(one, sender, script)
        await rest(one, 4 * HOUR)
        assert (await sender.send(body=b"nobody can read this"))[0] == 400
        assert await refreshes(one, "trusting", HOUR + 60) >= 1
