"""From the first list to the first Secret: phases, resources that are not served, stores that nobody validated yet."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from eso.api.externalsecret import EXTERNAL_SECRETS
from eso.api.meta import LEASES, SECRETS
from eso.api.secretstore import SECRET_STORES
from eso.providers.contract import StoreView, Validation
from tests.fakes.apiserver import FakeApiServer, Late, Status
from tests.harness.scripted import Scripted, ScriptedClient
from tests.unit.app.operating import condition, operating, put_external_secret, put_store


@pytest.fixture
async def api():
    async with FakeApiServer() as server:
        yield server


class Slow(Scripted):
    """Validations wait until the test lets them go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()

    async def open(self, store: StoreView, plan: Any, credentials: Any) -> ScriptedClient:
        await super().open(store, plan, credentials)
        return SlowClient(self, store)


class SlowClient(ScriptedClient):
    def bind(self, store: StoreView) -> ScriptedClient:
        return SlowClient(self.script, store)

    async def validate(self) -> Validation:
        assert isinstance(self.script, Slow)
        await self.script.go.wait()
        return await super().validate()


# --- the order of the start


async def test_an_object_gets_its_secret(api: FakeApiServer):
    put_store(api)
    put_external_secret(api)
    async with operating(api) as one:
        await one.until(lambda: one.ready() == "True")
        assert (one.secret() or {})["data"] == {"x": "dmFsdWU="}
        assert one.operator.vitals.health.ask("readyz") == (200, "ok")


async def test_stores_are_listed_before_the_objects_that_use_them_and_secrets_last(api: FakeApiServer):
    async with operating(api) as one:
        await one.running()
        lists = [one.path.rpartition("/")[2] for one in api.requests if not one.watch and one.method == "GET"]
        assert set(lists[:3]) == {"secretstores", "clustersecretstores", "namespaces"}
        objects = {"externalsecrets", "clusterexternalsecrets", "pushsecrets", "clusterpushsecrets", "generatorstates"}
        assert set(lists[3:-2]) == objects
        assert set(lists[-2:]) == {"secrets", "configmaps"}


async def test_the_lists_of_a_phase_are_asked_for_side_by_side(api: FakeApiServer):
    api.fail(Late(), path="/secretstores$")
    async with operating(api) as one:
        await one.until(lambda: {"/api/v1/namespaces"} <= {request.path for request in api.requests})
        assert not any("externalsecrets" in request.path for request in api.requests)
        api.release()
        await one.running()


async def test_a_store_is_validated_while_later_lists_are_on_their_way(api: FakeApiServer):
    put_store(api)
    api.fail(Late(), path="/externalsecrets$")
    async with operating(api) as one:
        await one.until(lambda: condition(api.get(SECRET_STORES, "team", "store"), "Ready") != {})
        assert not one.operator.room("externalsecret").started.is_set()
        api.release()
        await one.running()


async def test_a_list_that_neither_comes_nor_fails_holds_the_next_phase_up_for_half_a_minute(api: FakeApiServer):
    put_store(api, "shared", "")
    api.fail(Status(500, "InternalError"), path="/secretstores$", times=1000)
    async with operating(api) as one:
        await one.until(lambda: any(text == "informer" or "secretstores" in str(f) for text, f in one.lines("warning")))
        assert not any("externalsecrets" in request.path for request in api.requests)
        await one.clock.advance(30.0)
        await one.until(lambda: one.operator.catalogue.listed.is_set())
        assert [fields for text, fields in one.lines("warning") if text == "the next lists begin without this one"]
        # The resource may still come: a room that needs to know about it waits, and the process is not ready.
        assert not one.operator.room("externalsecret").started.is_set()
        assert one.operator.vitals.health.ask("readyz")[0] == 500


# --- resources that are not served


async def test_a_kind_that_is_not_installed_holds_up_its_own_controller_only(api: FakeApiServer):
    put_store(api)
    put_external_secret(api)
    api.unserved = {"clustersecretstores"}
    async with operating(api) as one:
        await one.until(lambda: one.ready() == "True")
        started = {room.name: room.started.is_set() for room in one.operator.rooms}
        waiting = started.pop("clustersecretstore")
        assert not waiting and all(started.values())
        status, text = one.operator.vitals.health.ask("readyz")
        assert status == 200 and text.startswith("ok\n[!]degraded: clustersecretstores: ")
        waits = [fields for text, fields in one.lines("warning") if text == "a controller waits for its resource"]
        assert [fields["controller"] for fields in waits] == ["clustersecretstore"]
        assert 'externalsecrets_controller_running{controller="clustersecretstore"} 0' in one.metrics()


async def test_a_kind_that_is_installed_later_is_reconciled_from_then_on(api: FakeApiServer):
    api.unserved = {"clustersecretstores"}
    async with operating(api) as one:
        await one.until(lambda: one.operator.room("externalsecret").started.is_set())
        put_external_secret(api, kind="ClusterSecretStore", store="shared")
        await one.until(lambda: one.ready() == "False")
        api.unserved = set()
        put_store(api, "shared", "")
        await one.clock.advance(30.0)
        await one.until(lambda: one.ready() == "True")
        assert one.operator.vitals.health.ask("readyz") == (200, "ok")


async def test_a_kind_that_may_not_be_listed_holds_up_its_own_controller_only(api: FakeApiServer):
    put_store(api)
    put_external_secret(api)
    api.forbidden = {("list", "clustersecretstores")}
    async with operating(api) as one:
        await one.until(lambda: one.ready() == "True")
        assert not one.operator.room("clustersecretstore").started.is_set()
        assert "clustersecretstores: " in one.operator.vitals.health.ask("readyz")[1]


@pytest.mark.parametrize("plural", ["externalsecrets", "secretstores", "secrets"])
async def test_without_what_it_is_for_the_process_is_not_ready_and_does_the_rest(api: FakeApiServer, plural: str):
    put_store(api, "shared", "")
    api.unserved = {plural}
    async with operating(api) as one:
        shared = one.operator.room("clustersecretstore")
        await one.until(lambda: shared.started.is_set() and one.operator.catalogue.listed.is_set())
        status, text = one.operator.vitals.health.ask("readyz")
        assert status == 500 and f"{plural}: " in text
        await one.until(lambda: condition(one.cluster_store("shared"), "Ready") != {})
        api.unserved = set()
        await one.clock.advance(30.0)
        await one.running()
        assert one.operator.vitals.health.ask("readyz") == (200, "ok")


async def test_a_controller_that_waits_for_its_resource_is_not_taken_for_stuck(api: FakeApiServer):
    put_external_secret(api)
    api.unserved = {"secrets"}
    async with operating(api) as one:
        await one.until(lambda: one.operator.catalogue.listed.is_set())
        room = one.operator.room("externalsecret")
        assert room.queue.snapshot().depth == 1
        one.clock.jump(3600.0)
        assert one.operator.vitals.overdue(room).seconds == 0.0


# --- stores that nobody validated yet


async def test_five_hundred_objects_and_a_new_store_take_one_status_write_each(api: FakeApiServer):
    put_store(api)
    names = [f"secret-{n}" for n in range(500)]
    for name in names:
        put_external_secret(api, name)
    slow = Slow()
    async with operating(api, providers={"fake": slow}) as one:
        queue = one.operator.room("externalsecret").queue
        await one.until(lambda: queue.parked("store:SecretStore/team/store") == 500)
        assert one.written(EXTERNAL_SECRETS) == []
        slow.go.set()
        await one.until(lambda: len(one.written(EXTERNAL_SECRETS, "status")) >= 500)
        await one.idle()
        writes = Counter(request.path.split("/")[-2] for request in one.written(EXTERNAL_SECRETS))
        assert len(writes) == 500 and set(writes.values()) == {1}
        assert len(one.written(SECRETS)) == 500
        assert {one.ready(name) for name in names} == {"True"}


async def test_a_store_that_does_not_answer_in_ten_seconds_is_told_to_its_objects(api: FakeApiServer):
    put_store(api)
    put_external_secret(api)
    slow = Slow()
    async with operating(api, providers={"fake": slow}) as one:
        queue = one.operator.room("externalsecret").queue
        await one.until(lambda: queue.parked("store:SecretStore/team/store") == 1)
        await one.clock.advance(11.0)
        await one.until(lambda: one.ready() == "False")
        slow.go.set()
        await one.until(lambda: one.ready() == "True")
        assert len(one.written(EXTERNAL_SECRETS, "status")) == 2


# --- the lease


async def test_a_standby_lists_and_writes_nothing(api: FakeApiServer):
    put_store(api)
    put_external_secret(api)
    flags = ("--enable-leader-election=true", "--leader-election-namespace=system")
    async with operating(api, *flags) as leader:
        await leader.until(lambda: leader.ready() == "True")
        put_external_secret(api, "second")
        await leader.until(lambda: leader.ready("second") == "True")
        async with operating(api, *flags) as standby:
            await standby.until(lambda: standby.operator.catalogue.listed.is_set())
            await standby.clock.advance(5.0)
            assert not any(room.started.is_set() for room in standby.operator.rooms)
            assert standby.operator.vitals.health.ask("readyz") == (200, "ok")
            await leader.end()
            held = (api.get(LEASES, "system", "external-secrets-controller") or {})["spec"]
            assert held["holderIdentity"] == ""  # given away: the standby need not wait for it to run out
            await standby.clock.advance(5.0)
            await standby.running()
