"""Sources that the operator drives, through the whole operator on the fake API server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from eso.api.changesource import CHANGE_SOURCES
from eso.providers.contract import CredentialReader, Denied, Plan, StoreView, turn
from tests.fakes.apiserver import FakeApiServer
from tests.harness.scripted import Scripted, ScriptedClient
from tests.unit.app.operating import Operating, condition, operating, put_external_secret, put_store
from tests.unit.app.test_change_events import later, put_source, status, synced, value

FLAG = "--enable-change-sources"


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        yield server


class Versioned(Scripted):
    """Tells versions without values."""

    def __init__(self) -> None:
        super().__init__()
        self.versions: dict[str, str] = {"key": "1"}
        self.refused = False

    async def open(self, store: StoreView, plan: Plan, credentials: CredentialReader) -> VersionedClient:
        return VersionedClient(self, store)


class VersionedClient(ScriptedClient):
    script: Versioned

    def bind(self, store: StoreView) -> VersionedClient:
        return VersionedClient(self.script, store)

    async def probe(self, keys: Sequence[str]) -> Mapping[str, str]:
        async with turn("scripted", "Probe"):
            self.script.calls.append(("probe", tuple(keys)))
            if self.script.refused:
                raise Denied("not allowed to list")
            return {key: self.script.versions[key] for key in keys if key in self.script.versions}


def put_poll(api: FakeApiServer, name: str = "source", interval: str = "1m", **spec: Any) -> None:
    body = {"storeRefs": [{"name": "store"}], "poll": {"interval": interval}, **spec}
    api.put(CHANGE_SOURCES, {"metadata": {"name": name, "namespace": "team"}, "spec": body})


def ready(api: FakeApiServer, name: str = "source") -> tuple[str, str, str]:
    found = condition(api.get(CHANGE_SOURCES, "team", name), "Ready")
    return found.get("status", ""), found.get("reason", ""), found.get("message", "")


def at_rest(one: Operating) -> bool:
    snapshots = [room.queue.snapshot() for room in one.operator.rooms]
    return not any(snapshot.running or snapshot.depth for snapshot in snapshots)


@asynccontextmanager
async def driving(api: FakeApiServer, script: Scripted, **more: Any) -> AsyncIterator[Operating]:
    """An operator that stops once its passes have ended: what they write waits for the time to go on."""
    async with operating(api, FLAG, providers={"fake": script}, **more) as one:
        yield one
        await later(one, lambda: at_rest(one))


async def begun(one: Operating, *names: str) -> None:
    """Every object has its first value, and the first probe is in the status."""
    await later(one, lambda: ready(one.api)[0] == "True" and "seen" in status(one.api))
    await synced(one, *names)


async def test_a_version_that_moved_brings_the_new_value_long_before_the_refresh(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_external_secret(api, refreshInterval="24h")
    put_poll(api)
    script = Versioned()
    async with driving(api, script) as one:
        await begun(one)
        assert status(api)["source"] == "poll"
        reads, script.value = script.count(), b"rotated"
        await one.clock.advance(200)
        assert script.count() == reads and value(one) == "some-value"  # the versions are the same
        script.versions["key"] = "2"
        await later(one, lambda: value(one) == "rotated", step=1.0)
        assert script.count() == reads + 1
        assert 'provider="scripted",status="success"} ' in one.metrics().replace('call="Probe",', "")


async def test_many_objects_cost_one_probe_and_no_read(api: FakeApiServer):
    names = [f"object-{n}" for n in range(50)]
    put_store(api, provider={"fake": {}})
    script = Versioned()
    for name in names:
        put_external_secret(api, name, key=name, refreshInterval="24h")
        script.versions[name] = "1"
    put_poll(api)
    async with driving(api, script) as one:
        await begun(one, *names)
        reads, probes = script.count(), script.count("probe")
        await one.clock.advance(60)
        await one.idle()
        assert script.count("probe") == probes + 1 and script.count() == reads


async def test_what_changed_while_no_process_ran_is_found_by_the_next_one(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_external_secret(api, refreshInterval="24h")
    put_poll(api)
    script = Versioned()
    async with driving(api, script) as one:
        await begun(one)
        now = one.clock.now()
    script.value, script.versions["key"] = b"rotated", "2"
    async with driving(api, script, start=now + timedelta(seconds=30)) as one:
        await later(one, lambda: value(one) == "rotated" and "pending" not in status(api))


async def test_a_store_that_refuses_is_told_and_well_again_when_it_answers(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_external_secret(api)
    put_poll(api)
    script = Versioned()
    script.refused = True
    async with driving(api, script) as one:
        await later(one, lambda: ready(api) == ("False", "SourceFailed", "not allowed to list"))
        script.refused = False
        await later(one, lambda: ready(api)[0] == "True", step=1.0)


async def test_a_provider_that_tells_no_versions_is_told(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_external_secret(api)
    put_poll(api)
    async with driving(api, Scripted()) as one:
        await later(one, lambda: ready(api)[1] == "SourceFailed")
        assert "tells no versions" in ready(api)[2]


async def test_a_source_ends_with_its_object_and_pauses_with_its_annotation(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_external_secret(api)
    put_poll(api)
    script = Versioned()
    async with driving(api, script) as one:
        await later(one, lambda: ready(api)[0] == "True")
        paused = api.get(CHANGE_SOURCES, "team", "source")
        assert paused is not None
        paused["metadata"]["annotations"] = {"extensions.external-secrets.io/suspend": "true"}
        api.put(CHANGE_SOURCES, paused)
        await later(one, lambda: ready(api)[1] == "Suspended")
        probes = script.count("probe")
        await one.clock.advance(300)
        assert script.count("probe") == probes
        del paused["metadata"]["annotations"]
        api.put(CHANGE_SOURCES, paused)
        await later(one, lambda: script.count("probe") > probes)
        api.remove(CHANGE_SOURCES, "team", "source")
        await later(one, lambda: not one.knows(CHANGE_SOURCES, "source"))
        await one.idle()
        probes = script.count("probe")
        await one.clock.advance(300)
        assert script.count("probe") == probes


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        pytest.param({"poll": None}, "exactly one of", id="no member"),
        pytest.param({"sqs": {"queueURL": "https://x", "region": "x"}}, "exactly one of", id="two members"),
        pytest.param({"poll": {"interval": "soon"}}, "spec.poll.interval", id="no duration"),
        pytest.param({"poll": {"interval": "1s"}}, "at least 10s", id="too often"),
    ],
)
async def test_a_spec_that_cannot_work_is_told_where_the_schema_is_older(
    api: FakeApiServer, spec: Mapping[str, Any], message: str
):
    put_store(api, provider={"fake": {}})
    put_poll(api, **spec)
    async with driving(api, Versioned()) as one:
        await later(one, lambda: ready(api)[1] == "InvalidSpec")
        assert message in ready(api)[2]


async def test_a_webhook_without_a_port_is_told(api: FakeApiServer):
    put_store(api, provider={"fake": {}})
    put_source(api)
    async with driving(api, Scripted()) as one:
        await later(one, lambda: ready(api)[1] == "NotListening")
