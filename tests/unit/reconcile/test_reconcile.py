from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import msgspec
import pytest

from eso.api import wellknown
from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret, StoreRef, decode_external_secret
from eso.api.generators import GENERATOR_STATES
from eso.api.hashing import owner_hash
from eso.api.meta import SECRETS, Undecodable
from eso.errors import EsoError
from eso.generators.states import Owner
from eso.kube.rest import ApiError
from eso.providers.contract import Find, RemoteRef, SecretNotFound
from eso.reconcile.externalsecret.decide import LabelTarget
from eso.reconcile.externalsecret.desired import decoded
from eso.reconcile.externalsecret.generic import GenericTargets
from eso.reconcile.externalsecret.reconcile import Draft, PassSettings, Prepared, ReconcileExternalSecret, Refused
from eso.reconcile.externalsecret.targets import TargetRecord, Targets, target_record
from eso.reconcile.externalsecret.triggers import TARGET_CHANGED
from eso.reconcile.kit.event import Event
from eso.reconcile.kit.record import Ended, PassRecord
from eso.runtime.deadline import deadline
from eso.runtime.outcome import After, Done, Fatal, Parked, Retry, Wake
from eso.secretbytes import SecretBytes
from eso.stores.gate import GateClosed, Waiting
from tests.fakes.apiserver import FakeApiServer, Json, Reset, Status
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock, until
from tests.fakes.generators import Making
from tests.unit.reconcile.objects import NOW, blank_secret, encoded, es, reference, target

ES, SECRET = ("ns", "test-es"), ("ns", "test-secret")
FINALIZER = wellknown.FINALIZER_EXTERNAL_SECRET
DATA = [{"secretKey": "a", "remoteRef": {"key": "remote"}}]
VALUE = {"a": b"value"}


class Backend:
    """The front door of `stores`: `value` is what every entry reads, `found` what every search finds."""

    def __init__(self) -> None:
        self.value: bytes | EsoError = b"value"
        self.maps: dict[str, bytes] | None = None
        self.reads = 0
        self.urgent: list[bool] = []
        self.stall: asyncio.Event | None = None

    async def read(
        self, namespace: str, store: StoreRef, ref: RemoteRef, since: float | None = None, *, urgent: bool = False
    ) -> SecretBytes:
        self.reads += 1
        self.urgent.append(urgent)
        if self.stall is not None:
            await self.stall.wait()
        if isinstance(self.value, EsoError):
            raise copy.copy(self.value)
        return SecretBytes(self.value)

    async def read_map(
        self, namespace: str, store: StoreRef, ref: RemoteRef, since: float | None = None, *, urgent: bool = False
    ) -> dict[str, SecretBytes]:
        if self.maps is not None:
            return {key: SecretBytes(value) for key, value in self.maps.items()}
        return {"a": await self.read(namespace, store, ref, since, urgent=urgent)}

    async def find(
        self, namespace: str, store: StoreRef, find: Find, since: float | None = None
    ) -> dict[str, SecretBytes]:
        self.reads += 1
        return {}


class Log:
    def debug(self, text: str, **fields: Any) -> None: ...

    info = warning = error = debug


class Meter:
    def __init__(self) -> None:
        self.seen: list[tuple[Any, ...]] = []

    def __getattr__(self, name: str) -> Callable[..., None]:
        return lambda *args: self.seen.append((name, *args[1:]))

    def count(self, name: str) -> int:
        return sum(seen[0] == name for seen in self.seen)


class World:
    """One process on an API server whose watches are always up to date, except where a test says otherwise
    (`stale`)."""

    def __init__(self, api: FakeApiServer, **settings: Any) -> None:
        self.api, self.rest, self.backend, self.meter = api, api.rest(), Backend(), Meter()
        self.events: list[Event] = []
        self.stale: ExternalSecret | Undecodable | None = None
        self.classes: dict[str, str] = {}
        self.records: list[PassRecord] = []
        self.others: list[ExternalSecret] = []  # with the same target
        self.targets = Targets(self.rest, lambda *key: self.shown().get(key), self.labelled)
        generic = GenericTargets(self.rest, lambda *_: None, namespace="", log=Log())
        self.making = Making(api, rest=self.rest)
        self.passes = ReconcileExternalSecret(
            self,
            self.targets,
            generic,
            self.backend,
            self.rest,
            PassSettings(**settings),
            identity=lambda namespace, store: "identity",
            batch=lambda es: self.making.generators.batch(Owner(EXTERNAL_SECRETS, es.metadata)),
            emit=lambda one, event: self.events.append(event),
            meter=self.meter,
            offload=self.offload,
            monotonic=lambda: 0.0,
            log=Log(),
            sharing=lambda es: [(other.namespace, other.name) for other in self.others],
            record=self.records.append,
        )

    async def offload(self, namespace: str, desk: Any, limits: Any) -> Any:
        return desk(limits)

    # the informers

    def external_secret(self, key: Any) -> ExternalSecret | Undecodable | None:
        for other in self.others:
            if other.name == key[1]:
                return other
        live = self.api.get(EXTERNAL_SECRETS, *key)
        return self.stale or (decode_external_secret(msgspec.json.encode(live)) if live else None)

    def learned(self, raw: bytes) -> None: ...

    def store_class(self, namespace: str, ref: StoreRef) -> str | None:
        return self.classes.get(ref.name, "")

    def shown(self) -> dict[tuple[str, str], TargetRecord]:
        records = (target_record(msgspec.json.encode(live)) for live in self.api.all(SECRETS))
        return {(r.namespace, r.name): r for r in records}

    def labelled(self, namespace: str, created_by: str) -> list[TargetRecord]:
        return [r for r in self.shown().values() if (r.namespace, r.created_by) == (namespace, created_by)]

    # a test

    def remove_secret(self) -> None:
        """By somebody else; the watch has shown it."""
        record = self.shown()[SECRET]
        self.api.remove(SECRETS, *SECRET)
        self.targets.observed(record, None)

    def put(self, **spec: Any) -> Json:
        finalizers, annotations = spec.pop("finalizers", []), spec.pop("annotations", {})
        spec = {"secretStoreRef": {"name": "s", "kind": "SecretStore"}, "target": target(), "data": DATA} | spec
        meta = {"name": ES[1], "namespace": ES[0], "finalizers": finalizers, "annotations": annotations}
        return self.api.put(
            EXTERNAL_SECRETS, {"metadata": meta, "spec": {k: v for k, v in spec.items() if v is not None}}
        )

    def delete(self) -> None:
        self.api.edit(EXTERNAL_SECRETS, *ES, {"metadata": {"deletionTimestamp": "2026-05-01T12:00:00Z"}})

    async def run(self, at: datetime = NOW, *reasons: str, triggered: bool = False) -> Any:
        """One pass, then the watches catch up."""
        try:
            return await self.passes.reconcile(ES, Wake(frozenset(reasons), at if triggered else None), at)
        finally:
            for record in self.shown().values():
                self.targets.observed(record, record)

    async def settle_repair(self, at: datetime) -> None:
        """The watch has shown that somebody else wrote the target."""
        for record in self.shown().values():
            self.targets.observed(record, record)
        await self.run(at, TARGET_CHANGED)

    async def settle(self, at: datetime = NOW) -> Any:
        """Passes until one has nothing to try again."""
        for _ in range(5):
            outcome = await self.run(at)
            if not isinstance(outcome, Retry):
                return outcome
        raise AssertionError("still not settled")

    @property
    def status(self) -> Json:
        live = self.api.get(EXTERNAL_SECRETS, *ES)
        assert live is not None
        return live.get("status", {})

    @property
    def ready(self) -> tuple[str, str]:
        (ready,) = [c for c in self.status["conditions"] if c["type"] == "Ready"]
        return ready["status"], ready["message"]

    def secret(self, name: str = SECRET[1]) -> dict[str, bytes] | None:
        live = self.api.get(SECRETS, "ns", name)
        return None if live is None else decoded(live)

    def asked(self) -> list[str]:
        """The requests since the last time, shortened."""
        found = [f"{r.method} {r.path.split('/namespaces/ns/')[-1]}" for r in self.api.requests]
        self.api.requests.clear()
        return found


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeApiServer() as api:
        made = World(api)
        yield made
        await made.rest.access.close()


ON_STATUS = "PATCH externalsecrets/test-es/status"


async def test_a_first_sync_is_two_writes_and_no_read(world: World):
    world.put()
    assert isinstance(await world.run(), After)
    assert world.asked() == ["POST secrets", ON_STATUS]
    assert world.secret() == VALUE and world.ready == ("True", "secret synced")
    assert world.events == [Event("Normal", "Created", "secret created")]


async def test_a_refresh_without_a_change_asks_the_api_server_nothing(world: World):
    world.put(refreshInterval="1m")
    await world.run()
    world.asked()
    await world.run(NOW + timedelta(minutes=1))
    assert world.backend.reads == 2 and world.asked() == []
    await world.run(NOW + timedelta(minutes=5))
    assert world.asked() == [ON_STATUS]  # the heartbeat
    assert world.status["refreshTime"] == "2026-05-01T12:05:00Z"
    assert len(world.events) == 1


async def test_a_pass_that_is_not_due_reads_nothing(world: World):
    world.put(refreshInterval="1h")
    await world.run()
    world.asked()
    outcome = await world.run(NOW + timedelta(seconds=1))
    assert isinstance(outcome, After) and outcome.seconds <= 3600
    assert world.backend.reads == 1 and world.asked() == []


async def test_a_changed_value_is_one_read_and_one_write(world: World):
    world.put(refreshInterval="1m")
    await world.run()
    world.asked()
    world.backend.value = b"other"
    await world.run(NOW + timedelta(minutes=1))
    assert world.asked() == ["GET secrets/test-secret", "PATCH secrets/test-secret", ON_STATUS]
    assert world.secret() == {"a": b"other"}


async def test_only_a_periodic_read_waits_for_others_of_its_batch(world: World):
    world.put(refreshInterval="1m")
    await world.run()
    await world.run(NOW + timedelta(minutes=1))
    world.api.edit(EXTERNAL_SECRETS, *ES, {"spec": {"refreshInterval": "2m"}})
    await world.run(NOW + timedelta(minutes=1, seconds=1))
    assert world.backend.urgent == [True, False, True]


async def test_a_refresh_time_in_the_future_is_put_right(world: World):
    world.put()
    await world.run()
    world.api.edit(EXTERNAL_SECRETS, *ES, {"status": {"refreshTime": "2026-06-01T00:00:00Z"}})
    restarted = World(world.api)
    await restarted.run(NOW + timedelta(seconds=1))
    assert restarted.backend.reads == 1
    assert world.status["refreshTime"] == "2026-05-01T12:00:01Z"
    await restarted.rest.access.close()


async def test_a_restart_neither_reads_nor_writes_what_is_in_order(world: World):
    world.put()
    await world.run()
    world.asked()
    restarted = World(world.api)
    await restarted.run(NOW + timedelta(seconds=1))
    assert restarted.backend.reads == 0 and restarted.asked() == ["GET secrets/test-secret"]
    await restarted.rest.access.close()


async def test_an_object_of_another_class_is_left_alone(world: World):
    world.put(target=target(deletion="Delete"))
    world.classes["s"] = "another"
    assert await world.run() == Done()
    assert world.asked() == [] and world.backend.reads == 0


async def test_an_object_that_is_gone_is_forgotten(world: World):
    assert await world.run() == Done()
    assert world.meter.count("gone") == 1 and world.asked() == []


async def test_the_status_of_an_object_that_was_replaced_meanwhile_is_not_touched(world: World):
    world.put()
    world.stale = world.external_secret(ES)
    world.api.remove(EXTERNAL_SECRETS, *ES)
    world.put()
    await world.run()
    assert world.status == {} and world.events == []


async def test_the_status_of_an_object_that_went_meanwhile_is_no_error(world: World):
    world.put()
    world.stale = world.external_secret(ES)
    world.api.remove(EXTERNAL_SECRETS, *ES)
    assert isinstance(await world.run(), After)
    assert world.events == []


async def test_what_the_api_server_refuses_to_read_is_no_condition(world: World):
    world.api.put(SECRETS, blank_secret({"a": "1"}, labels={wellknown.LABEL_MANAGED: "true"}))
    world.put()
    world.api.forbidden.add(("get", "secrets"))
    with pytest.raises(ApiError):
        await world.run()
    assert world.status == {} and world.meter.count("errored") == 1


@pytest.mark.parametrize(("code", "reason"), [(403, "Forbidden"), (422, "Invalid"), (500, "InternalError")])
async def test_a_write_that_is_refused_is_told_and_tried_again(world: World, code: int, reason: str):
    world.put()
    world.api.fail(Status(code, reason, "denied by somebody"), method="POST", path="/secrets", times=10)
    assert isinstance(await world.run(), Retry)
    assert world.ready == ("False", "could not update secret")
    assert "denied by somebody" in world.events[-1].message


async def test_a_lost_race_is_not_told(world: World):
    world.put(target=target("Merge"))
    world.api.put(SECRETS, blank_secret({"b": "1"}, labels={wellknown.LABEL_MANAGED: "true"}))
    world.api.fail(Status(409, "Conflict"), method="PATCH", path="/secrets/test-secret")
    assert await world.run() == Retry()
    assert world.status == {} and world.events == [] and world.meter.count("errored") == 0
    assert isinstance(await world.run(), After)
    assert world.secret() == {"a": b"value", "b": b"1"}


async def test_a_foreign_secret_is_labelled_before_anything_is_read(world: World):
    world.api.put(SECRETS, blank_secret({"b": "1"}))
    world.put()
    assert await world.run() == Retry()
    assert world.backend.reads == 0 and world.status == {}
    await world.settle()
    assert world.secret() == VALUE


FOREIGN = ["helm.sh/release.v1", "kubernetes.io/service-account-token", "bootstrap.kubernetes.io/token"]


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("policy", ["Owner", "Orphan", "Merge", "CreateOrMerge"])
async def test_a_secret_of_a_type_that_others_own_gets_not_even_our_label(world: World, kind: str, policy: str) -> None:
    world.api.put(SECRETS, {**blank_secret({"theirs": "x"}), "type": kind})
    before = world.api.get(SECRETS, *SECRET)
    world.put(target=target(policy))
    for _ in range(3):
        await world.run()
    assert world.api.get(SECRETS, *SECRET) == before
    assert world.backend.reads == 0
    assert world.ready[0] == "False"
    assert any("no ExternalSecret writes it" in event.message for event in world.events)


@pytest.mark.parametrize("kind", FOREIGN)
async def test_a_policy_that_writes_nothing_leaves_a_secret_of_others_as_it_is(world: World, kind: str) -> None:
    world.api.put(SECRETS, {**blank_secret({"theirs": "x"}), "type": kind})
    before = world.api.get(SECRETS, *SECRET)
    world.put(target=target("None"))
    await world.settle()
    assert world.api.get(SECRETS, *SECRET) == before
    assert world.ready[0] == "True"


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("policy", ["Owner", "Merge", "CreateOrMerge"])
async def test_a_secret_of_others_that_takes_the_place_of_a_plain_one_before_the_label_is_left_alone(
    world: World, kind: str, policy: str
) -> None:
    world.api.put(SECRETS, blank_secret({"b": "1"}))
    world.put(target=target(policy))
    label, theirs = world.targets.label, {**blank_secret({"theirs": "x"}), "type": kind}

    async def late(es: ExternalSecret) -> None:
        world.api.remove(SECRETS, *SECRET)
        world.api.put(SECRETS, theirs)
        await label(es)

    world.targets.label = late  # type: ignore[method-assign]
    assert await world.run() == Retry()
    for _ in range(3):
        await world.run()
    live = world.api.get(SECRETS, *SECRET) or {}
    assert not live["metadata"].get("labels")
    assert set(live["data"]) == {"theirs"}


@pytest.mark.parametrize("kind", FOREIGN)
@pytest.mark.parametrize("policy", ["Owner", "Merge", "CreateOrMerge"])
@pytest.mark.parametrize("there", [True, False], ids=["in place of a plain one", "where none was"])
async def test_a_secret_of_others_that_appears_between_read_and_write_is_left_alone(
    world: World, kind: str, policy: str, there: bool
) -> None:
    managed = {wellknown.LABEL_MANAGED: "true"}
    if there:
        world.api.put(SECRETS, blank_secret({"b": "1"}, labels=managed))
    world.put(target=target(policy))
    apply, theirs = world.targets.apply, {**blank_secret({"theirs": "x"}), "type": kind}

    async def late(es: ExternalSecret, *rest: Any) -> None:
        if world.api.get(SECRETS, *SECRET) is not None:
            world.api.remove(SECRETS, *SECRET)
        world.api.put(SECRETS, theirs)
        await apply(es, *rest)

    world.targets.apply = late  # type: ignore[method-assign]
    await world.run()
    world.targets.apply = apply  # type: ignore[method-assign]
    for _ in range(4):
        await world.run()
    live = world.api.get(SECRETS, *SECRET) or {}
    assert not live["metadata"].get("labels")
    assert not live["metadata"].get("ownerReferences")
    assert set(live["data"]) == {"theirs"}


async def test_a_status_that_could_not_be_written_is_written_by_the_next_pass(world: World):
    world.put()
    world.api.fail(Status(500), method="PATCH", path="/status")
    with pytest.raises(ApiError):
        await world.run()
    assert world.secret() == VALUE and world.status == {}
    await world.run(NOW + timedelta(seconds=1))
    assert world.ready == ("True", "secret synced")


async def test_a_reply_that_was_lost_does_not_write_twice(world: World):
    world.put()
    world.api.fail(Reset(happened=True), method="POST", path="/secrets")
    await world.settle()
    await world.settle(NOW + timedelta(seconds=1))
    assert world.secret() == VALUE and world.ready == ("True", "secret synced")
    assert len(world.api.sent("POST", "/secrets")) <= 2


async def test_a_closed_gate_parks(world: World):
    world.put()
    world.backend.value = GateClosed("the backend is down", "endpoint:x", 7)
    for _ in range(3):
        assert await world.run() == Parked("endpoint:x", 7)
    assert world.ready == ("False", "could not get secret data from provider")
    assert len(world.events) == 1


async def test_a_store_that_waits_for_its_first_validation_parks_without_a_word(world: World):
    world.put()
    world.backend.value = Waiting("not validated yet", "store:x", 3)
    assert await world.run() == Parked("store:x", 3)
    assert world.asked() == [] and world.events == [] and world.status == {}
    assert world.meter.count("errored") == world.meter.count("ready") == 0
    world.backend.value = b"value"
    await world.run(NOW + timedelta(seconds=1))
    assert world.asked() == ["POST secrets", ON_STATUS] and world.ready == ("True", "secret synced")


@pytest.mark.parametrize(
    ("interval", "slots"),
    [("1m", 1), ("0", 0)],
    ids=["each missed slot counts", "who was told not to poll misses none"],
)
async def test_slots_that_a_closed_gate_cost_are_counted_when_the_key_comes_back(
    world: World, interval: str, slots: int
):
    world.put(refreshInterval="1m")
    await world.run()
    world.backend.value = GateClosed("the backend is down", "endpoint:x", 7)
    assert isinstance(await world.run(NOW + timedelta(minutes=1)), Parked)
    world.backend.value = b"value"
    world.api.edit(EXTERNAL_SECRETS, *ES, {"spec": {"refreshInterval": interval}})
    await world.run(NOW + timedelta(minutes=2, seconds=30))
    assert (world.meter.count("missed") > 0) is (slots > 0)


async def test_an_unreadable_member_is_named_and_needs_an_edit(world: World):
    world.put(refreshInterval="soon")
    assert isinstance(await world.run(), Fatal)
    assert world.ready == ("False", "could not get secret data from provider")
    assert "refreshInterval" in world.events[-1].message and world.backend.reads == 0


async def test_a_rename_removes_the_earlier_target_before_it_makes_the_new_one(world: World):
    world.put()
    await world.run()
    live = world.api.get(SECRETS, *SECRET)
    assert live is not None and live["metadata"]["labels"][wellknown.LABEL_CREATED_BY] == owner_hash(*ES)
    world.asked()
    world.put(target=target() | {"name": "other"})
    await world.run(NOW + timedelta(seconds=1))
    assert (world.secret(), world.secret("other")) == (None, VALUE)
    assert world.asked() == ["GET secrets/test-secret", "DELETE secrets/test-secret", "POST secrets", ON_STATUS]
    assert [e.message for e in world.events[1:]] == ["secret deleted because it was orphaned", "secret created"]


# --- deletion
# ----------------------------------------------------------------------------------------------------------------------
# ---------


async def test_the_finalizer_is_put_on_where_deletion_has_work(world: World):
    world.put(target=target(deletion="Delete"))
    await world.run()
    assert world.asked() == ["PATCH externalsecrets/test-es", "POST secrets", ON_STATUS]
    live = world.api.get(EXTERNAL_SECRETS, *ES)
    assert live is not None and live["metadata"]["finalizers"] == [FINALIZER]
    await world.run(NOW + timedelta(seconds=1))
    assert world.asked() == []


async def test_a_deleted_object_takes_its_secret_along_without_the_backend(world: World):
    world.put(target=target(deletion="Delete"))
    await world.run()
    world.delete()
    world.asked()
    reads = world.backend.reads
    assert await world.run() == Done()
    assert world.asked() == ["GET secrets/test-secret", "DELETE secrets/test-secret", "PATCH externalsecrets/test-es"]
    assert world.secret() is None and world.backend.reads == reads


@pytest.mark.parametrize("policy", ["Retain", "Merge"])
async def test_a_finalizer_that_somebody_put_on_goes_and_nothing_else(world: World, policy: str):
    world.put(target=target(deletion=policy), finalizers=["theirs", FINALIZER])
    await world.run()
    world.delete()
    world.asked()
    assert await world.run() == Done()
    assert world.asked() == ["PATCH externalsecrets/test-es"]
    live = world.api.get(EXTERNAL_SECRETS, *ES)
    assert live is not None and live["metadata"]["finalizers"] == ["theirs"]
    assert world.secret() == VALUE


async def test_a_deletion_that_is_refused_keeps_the_finalizer(world: World):
    world.put(target=target(deletion="Delete"))
    await world.run()
    world.delete()
    world.api.forbidden.add(("delete", "secrets"))
    with pytest.raises(ApiError):
        await world.run()
    live = world.api.get(EXTERNAL_SECRETS, *ES)
    assert live is not None and live["metadata"]["finalizers"] == [FINALIZER]
    world.api.forbidden.clear()
    assert await world.run() == Done() and world.secret() is None


async def test_the_class_of_the_store_does_not_hold_up_a_deletion(world: World):
    world.put(target=target(deletion="Delete"), finalizers=[FINALIZER])
    world.classes["s"] = "another"
    world.delete()
    assert await world.run() == Done()
    assert world.asked()[-1] == "PATCH externalsecrets/test-es"


async def test_an_object_that_cannot_be_read_can_still_be_deleted(world: World):
    live = world.put(finalizers=[FINALIZER])
    world.api.put(EXTERNAL_SECRETS, live | {"spec": {"data": "nonsense"}})
    assert isinstance(world.external_secret(ES), Undecodable)
    assert isinstance(await world.run(), Fatal)
    assert world.events[-1].message.startswith("cannot read the object: ")
    world.delete()
    assert await world.run() == Done()
    found = world.api.get(EXTERNAL_SECRETS, *ES)
    assert found is None or not found["metadata"].get("finalizers")


# --- a backend that says that nothing is there
# ------------------------------------------------------------------------------------------------


async def test_proven_absence_deletes_once(world: World):
    world.put(target=target(deletion="Delete"), refreshInterval="1m")
    await world.run()
    world.backend.value = SecretNotFound()
    for minute in (1, 2, 3):
        await world.run(NOW + timedelta(minutes=minute))
    assert world.secret() is None
    assert len(world.api.sent("DELETE", "/secrets/")) == 1
    assert [e.message for e in world.events if e.reason == "Deleted"] == ["secret deleted due to DeletionPolicy=Delete"]
    assert world.ready == ("True", "secret deleted due to DeletionPolicy=Delete")


async def test_a_deletion_that_fails_is_told_and_tried_again(world: World):
    world.put(target=target(deletion="Delete"), refreshInterval="1m")
    await world.run()
    world.backend.value = SecretNotFound()
    world.api.forbidden.add(("delete", "secrets"))
    assert isinstance(await world.run(NOW + timedelta(minutes=1)), Retry)
    assert world.ready == ("False", "could not delete secret") and world.secret() == VALUE


# --- ended at any moment
# ----------------------------------------------------------------------------------------------------------------------

SITUATIONS = [
    pytest.param({}, [], VALUE, id="a creation"),
    pytest.param({"target": target("Merge")}, [blank_secret({"b": "1"})], VALUE | {"b": b"1"}, id="a merge"),
    pytest.param(
        {"target": target(deletion="Delete")},
        [blank_secret({"b": "1"}, ownerReferences=[reference(uid="old")])],
        VALUE,
        id="an adoption",
    ),
]


@pytest.mark.parametrize(("spec", "secrets", "wanted"), SITUATIONS)
async def test_a_pass_that_is_cancelled_anywhere_leaves_what_the_next_one_finishes(
    world: World, spec: Any, secrets: list[Json], wanted: dict[str, bytes]
):
    def begin() -> Awaitable[Any]:
        for one in world.api.all(SECRETS):
            world.api.remove(SECRETS, "ns", one["metadata"]["name"])
        if world.api.get(EXTERNAL_SECRETS, *ES):
            world.api.remove(EXTERNAL_SECRETS, *ES)
        world.put(**spec)
        for one in secrets:
            world.api.put(SECRETS, one)
        return both()

    async def both() -> None:
        for _ in range(2):  # the label, then the rest
            await world.run()

    rounds = 0
    async for _ in every_await(begin):  # type: ignore[arg-type]  # a coroutine is made inside
        rounds += 1
        for process in (world, World(world.api)):  # the same process goes on, or another one takes over
            await process.settle()
            assert world.secret() == wanted and world.ready == ("True", "secret synced")
            if process is not world:
                await process.rest.access.close()
    assert rounds >= 3


# --- templates that roll dice
# ---------------------------------------------------------------------------------------------------------

DICE = target(template={"data": {"a": "{{ .a }}", "dice": "{{ randAlphaNum 12 }}"}})


async def diced(world: World, **spec: Any) -> bytes:
    world.put(**{"target": DICE, "refreshInterval": "1h"} | spec)
    await world.run()
    return value_of(world, "dice")


def value_of(world: World, key: str) -> bytes:
    found = world.secret()
    assert found is not None
    return found[key]


async def test_a_template_that_rolls_dice_is_rendered_anew_at_every_due_refresh(world: World):
    seen = {await diced(world)}
    for hour in (1, 2, 3):
        world.asked()
        await world.run(NOW + timedelta(hours=hour))
        seen.add(value_of(world, "dice"))
        assert world.asked() == ["GET secrets/test-secret", "PATCH secrets/test-secret", ON_STATUS]
    assert len(seen) == 4


async def test_a_template_that_rolls_dice_is_left_alone_between_its_slots(world: World):
    first = await diced(world)
    await world.run(NOW + timedelta(seconds=1))
    await world.run(NOW + timedelta(seconds=2), "store changed", triggered=True)
    assert world.backend.reads == 2 and value_of(world, "dice") == first


async def test_dice_fall_again_when_a_value_changes_or_the_object_is_edited(world: World):
    first = await diced(world)
    world.backend.value = b"other"
    await world.run(NOW + timedelta(seconds=1), "store changed", triggered=True)
    second = value_of(world, "dice")
    world.put(target=DICE | {"template": DICE["template"] | {"metadata": {"labels": {"b": "c"}}}}, refreshInterval="1h")
    await world.run(NOW + timedelta(seconds=2))
    assert len({first, second, value_of(world, "dice")}) == 3


async def test_dice_stay_after_a_restart_until_the_next_slot(world: World):
    first = await diced(world)
    restarted = World(world.api)
    await restarted.run(NOW + timedelta(seconds=1))
    assert value_of(world, "dice") == first
    await restarted.run(NOW + timedelta(hours=1))
    assert value_of(world, "dice") != first
    await restarted.rest.access.close()


@pytest.mark.parametrize("restart", [False, True], ids=["in the same process", "after a restart"])
async def test_a_repair_brings_back_what_was_changed_and_keeps_the_dice(world: World, restart: bool):
    first = await diced(world)
    world.api.edit(
        SECRETS,
        *SECRET,
        {
            "data": encoded({"a": "tampered"}),
            "metadata": {
                "managedFields": [
                    {"manager": f"{wellknown.FIELD_MANAGER_PREFIX}test-es", "fieldsV1": {"f:data": {"f:dice": {}}}},
                    {"manager": "kubectl-edit", "time": "2026-05-01T12:00:00Z", "fieldsV1": {"f:data": {"f:a": {}}}},
                ]
            },
        },
    )
    process = World(world.api) if restart else world
    await process.run(NOW + timedelta(seconds=1), TARGET_CHANGED)
    assert world.secret() == {"a": b"value", "dice": first}
    assert process.records[-1].drift and process.records[-1].changed_by == "kubectl-edit"
    if restart:
        await process.rest.access.close()


# --- the pause annotation
# ---------------------------------------------------------------------------------------------------------

PAUSED = {"extensions.external-secrets.io/suspend": "true"}


def conditions(world: World) -> dict[str, tuple[str, str]]:
    return {c["type"]: (c["status"], c["reason"], c["message"]) for c in world.status["conditions"]}


SYNCED = {"Ready": ("True", "SecretSynced", "secret synced")}


async def test_a_paused_object_is_neither_read_nor_written_and_says_so_once(world: World):
    world.put(annotations=PAUSED, target=target(deletion="Delete"))
    for second in range(3):
        assert await world.run(NOW + timedelta(seconds=second), TARGET_CHANGED) == Done()
    assert world.asked() == [ON_STATUS] and world.backend.reads == 0 and world.secret() is None
    text = "suspended until the annotation extensions.external-secrets.io/suspend is removed"
    assert conditions(world) == {"Ready": ("Unknown", "Suspended", text)}
    assert world.records[-1].ended is Ended.SUSPENDED and world.events == []


async def test_a_pause_keeps_the_last_condition_and_corrects_nothing(world: World):
    world.put()
    await world.run()
    world.api.edit(EXTERNAL_SECRETS, *ES, {"metadata": {"annotations": PAUSED}})
    world.api.edit(SECRETS, *SECRET, {"data": encoded({"a": "tampered"})})
    world.asked()
    assert await world.run(NOW + timedelta(hours=2), TARGET_CHANGED) == Done()
    assert world.asked() == [ON_STATUS] and world.secret() == {"a": b"tampered"}
    status, reason, text = conditions(world)["Ready"]
    assert (status, reason) == ("True", "Suspended") and text.endswith("; before: SecretSynced, secret synced")
    assert world.status["observedGeneration"] == 1 and world.status["binding"] == {"name": "test-secret"}


async def test_a_pause_until_a_time_ends_by_itself(world: World):
    world.put()
    await world.run()
    until = {"extensions.external-secrets.io/suspend": "2026-05-01T12:30:00Z"}
    world.api.edit(EXTERNAL_SECRETS, *ES, {"metadata": {"annotations": until}})
    assert await world.run(NOW + timedelta(minutes=10)) == After(20 * 60.0)
    text = "suspended until 2026-05-01T12:30:00Z; before: SecretSynced, secret synced"
    assert conditions(world) == {"Ready": ("True", "Suspended", text)}
    assert isinstance(await world.run(NOW + timedelta(minutes=30)), After)
    assert conditions(world) == SYNCED and world.backend.reads == 2
    live = world.api.get(SECRETS, *SECRET)
    assert live is not None and not set(PAUSED) & set(live["metadata"]["annotations"])


async def test_taking_the_pause_away_reads_nothing_that_is_not_due(world: World):
    world.put()
    await world.run()
    world.api.edit(EXTERNAL_SECRETS, *ES, {"metadata": {"annotations": PAUSED}})
    await world.run(NOW + timedelta(seconds=1))
    world.api.edit(EXTERNAL_SECRETS, *ES, {"metadata": {"annotations": None}})
    world.asked()
    await world.run(NOW + timedelta(seconds=2))
    assert world.asked() == [ON_STATUS] and world.backend.reads == 1
    assert conditions(world) == SYNCED


async def test_a_pause_that_is_prolonged_still_knows_what_was_before(world: World):
    world.put()
    await world.run()
    for minute in ("30", "40"):
        until = {"extensions.external-secrets.io/suspend": f"2026-05-01T12:{minute}:00Z"}
        world.api.edit(EXTERNAL_SECRETS, *ES, {"metadata": {"annotations": until}})
        await world.run(NOW + timedelta(minutes=1))
    text = "suspended until 2026-05-01T12:40:00Z; before: SecretSynced, secret synced"
    assert conditions(world) == {"Ready": ("True", "Suspended", text)}


async def test_an_object_that_meets_a_closed_gate_after_its_pause_says_what_it_said_before(world: World):
    world.put()
    await world.run()
    world.api.edit(EXTERNAL_SECRETS, *ES, {"metadata": {"annotations": PAUSED}})
    await world.run(NOW + timedelta(seconds=1))
    world.api.edit(EXTERNAL_SECRETS, *ES, {"metadata": {"annotations": None}})
    world.backend.value = GateClosed("down", "endpoint:x", 7)
    await world.run(NOW + timedelta(seconds=2), "store changed", triggered=True)
    assert conditions(world) == SYNCED


async def test_slots_of_a_pause_are_not_missed(world: World):
    world.put(refreshInterval="1m")
    await world.run()
    world.backend.value = GateClosed("the backend is down", "endpoint:x", 7)
    assert isinstance(await world.run(NOW + timedelta(minutes=1)), Parked)
    world.backend.value = b"value"
    world.api.edit(EXTERNAL_SECRETS, *ES, {"metadata": {"annotations": PAUSED}})
    await world.run(NOW + timedelta(minutes=1, seconds=1))
    world.api.edit(EXTERNAL_SECRETS, *ES, {"metadata": {"annotations": None}})
    await world.run(NOW + timedelta(minutes=30))
    assert world.meter.count("missed") == 0 and world.records[-1].missed == 0


async def test_a_paused_object_can_be_deleted(world: World):
    world.put(target=target(deletion="Delete"))
    await world.run()
    world.api.edit(EXTERNAL_SECRETS, *ES, {"metadata": {"annotations": PAUSED}})
    await world.run()
    world.delete()
    assert await world.run() == Done() and world.secret() is None


# --- a pass can stop before it acts
# ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "secrets", "found"),
    [
        pytest.param({}, [], Prepared, id="a creation"),
        pytest.param({"target": target(deletion="Delete")}, [], Prepared, id="with a finalizer"),
        pytest.param({}, [blank_secret({"b": "1"})], LabelTarget, id="a foreign Secret"),
        pytest.param({"refreshInterval": "soon"}, [], Refused, id="a spec without a meaning"),
    ],
)
async def test_what_is_prepared_is_not_done(world: World, spec: Any, secrets: list[Json], found: type):
    world.put(**spec)
    for body in secrets:
        world.api.put(SECRETS, body)
    one = world.external_secret(ES)
    assert isinstance(one, ExternalSecret)
    assert isinstance(await world.passes.prepare(one, Wake(), NOW, Draft(), world.passes.batch(one)), found)
    writes = [f"{r.method} {r.path.rpartition('/')[2]}" for r in world.api.writes]
    assert writes == (["PATCH test-es"] if "target" in spec else []) and world.events == []


# --- two writers
# ---------------------------------------------------------------------------------------------------------


def tamper(world: World, value: str = "theirs") -> None:
    fields = [{"manager": "argocd", "time": "2026-05-01T12:00:00Z", "fieldsV1": {"f:data": {"f:a": {}}}}]
    world.api.edit(SECRETS, *SECRET, {"data": encoded({"a": value}), "metadata": {"managedFields": fields}})


async def fight(world: World, rounds: int, start: datetime) -> int:
    """Another writer changes the target again and again; returns how many of its changes were corrected."""
    corrected = 0
    for n in range(rounds):
        tamper(world)
        await world.settle_repair(start + timedelta(seconds=n))
        corrected += world.secret() == VALUE
    return corrected


async def test_after_three_corrections_a_slot_has_one_write_and_one_event_names_the_other_writer(world: World):
    world.put(refreshInterval="1h")
    await world.run()
    assert await fight(world, 10, NOW + timedelta(seconds=1)) == 3
    reads = world.backend.reads
    contested = [e for e in world.events if e.reason == "TargetContested"]
    assert len(contested) == 1 and "changed by argocd" in contested[0].message
    for hour in (1, 2):
        await world.run(NOW + timedelta(hours=hour))
        assert world.secret() == VALUE
        assert await fight(world, 5, NOW + timedelta(hours=hour, seconds=5)) == 0
    assert world.backend.reads == reads + 2
    assert len([e for e in world.events if e.reason == "TargetContested"]) == 1


async def test_a_person_who_tries_out_edits_is_corrected_each_time(world: World):
    world.put(refreshInterval="1h")
    await world.run()
    for n in range(8):
        tamper(world, f"edit {n}")
        await world.settle_repair(NOW + timedelta(seconds=2 * n))
        assert world.secret() == VALUE
    assert [e for e in world.events if e.reason == "TargetContested"] == []


async def test_a_slot_without_a_fight_forgives(world: World):
    world.put(refreshInterval="1h")
    await world.run()
    assert await fight(world, 3, NOW + timedelta(seconds=1)) == 3
    await world.run(NOW + timedelta(hours=1))
    assert await fight(world, 3, NOW + timedelta(hours=1, seconds=5)) == 3


async def test_an_edit_ends_the_counting(world: World):
    world.put(refreshInterval="1h")
    await world.run()
    assert await fight(world, 4, NOW + timedelta(seconds=1)) == 3
    world.put(refreshInterval="2h")
    await world.run(NOW + timedelta(minutes=1))
    assert world.secret() == VALUE
    assert await fight(world, 4, NOW + timedelta(minutes=2)) == 3


async def test_an_object_that_never_polls_is_corrected_again_after_an_hour(world: World):
    world.put(refreshInterval="0")
    await world.run()
    assert await fight(world, 3, NOW + timedelta(seconds=1)) == 3
    tamper(world)
    outcome = await world.run(NOW + timedelta(seconds=13), TARGET_CHANGED)
    assert outcome == After(3590.0) and world.secret() == {"a": b"theirs"}
    await world.run(NOW + timedelta(seconds=13 + 3590))
    assert world.secret() == VALUE


# --- what is odd is told once
# ---------------------------------------------------------------------------------------------------------


async def test_keys_that_a_rewrite_loses_are_told_once(world: World):
    world.backend.maps = {"x1": b"1", "x2": b"2", "y": b"3"}
    rewrite = [{"regexp": {"source": "x.", "target": "x"}}]
    world.put(data=None, dataFrom=[{"extract": {"key": "k"}, "rewrite": rewrite}], refreshInterval="1m")
    for minute in range(3):
        await world.run(NOW + timedelta(minutes=minute))
    lost = [e.message for e in world.events if e.reason == "KeysLost"]
    assert lost == [
        "1 of 3 keys were lost in spec.dataFrom[0].rewrite: different keys became equal"
        " (let each key become another one)"
    ]


async def test_two_orphans_on_one_secret_are_told_once(world: World):
    world.others = [es(name="another", target=target("Orphan")), es(name="merging", target=target("Merge"))]
    world.put(target=target("Orphan"), refreshInterval="1m")
    for minute in range(3):
        await world.run(NOW + timedelta(minutes=minute))
    shared = [e.message for e in world.events if e.reason == "TargetShared"]
    assert len(shared) == 1 and "creationPolicy Orphan too: another;" in shared[0]


async def test_a_type_that_cannot_change_is_told_once_and_names_both(world: World):
    world.put()
    await world.run()
    live = world.api.get(SECRETS, *SECRET)
    assert live is not None
    world.api.edit(SECRETS, *SECRET, {"type": "Opaque"})
    world.put(target=target(template={"type": "kubernetes.io/tls"}))
    for second in range(1, 4):
        assert isinstance(await world.run(NOW + timedelta(seconds=second)), Retry)
    assert world.ready == ("False", "could not update secret")
    told = [e.message for e in world.events if "type" in e.message]
    assert len(told) == 1 and "has type Opaque" in told[0] and "kubernetes.io/tls" in told[0]
    world.remove_secret()
    await world.run(NOW + timedelta(seconds=5))
    assert world.ready == ("True", "secret synced")


# --- what one process knows, and the record of a pass
# ---------------------------------------------------------------------------------------------------------


async def test_an_object_that_is_made_again_at_the_same_generation_starts_with_nothing_known(world: World):
    world.put()
    await world.run()
    world.api.remove(EXTERNAL_SECRETS, *ES)
    world.remove_secret()
    world.put()
    await world.run(NOW + timedelta(seconds=1))
    (ready,) = world.status["conditions"]
    assert (ready["observedGeneration"], world.status["observedGeneration"]) == (1, 1)
    assert world.status["refreshTime"] == "2026-05-01T12:00:01Z"


async def test_the_record_of_a_pass_says_what_was_read_and_written_and_holds_no_value(world: World):
    world.put(refreshInterval="1m")
    await world.run(NOW, "listed")
    world.backend.value = b"canary-value"
    await world.run(NOW + timedelta(minutes=1))
    first, second = world.records
    assert (first.kind, first.key, first.ended, first.wake.reasons) == (
        "ExternalSecret",
        ES,
        Ended.SYNCED,
        frozenset({"listed"}),
    )
    assert second.read_from == {("SecretStore", "s")}
    assert second.change is not None and (second.change.verb, second.change.updated) == ("patch", ("a",))
    assert first.change is not None and (first.change.verb, first.change.added) == ("create", ("a",))
    assert (first.refreshed, second.refreshed, second.due) == (None, NOW, second.due)
    assert second.due is not None and NOW < second.due <= second.began
    assert isinstance(second.outcome, After) and second.ready is not None and second.ready.status == "True"
    assert "canary" not in repr(world.records) and "value" not in repr(second.change)


async def test_the_record_of_a_failure_names_its_stage(world: World):
    world.put()
    world.backend.value = EsoError("no")
    await world.run()
    (record,) = world.records
    assert (record.ended, record.stage, record.failed) == (Ended.FAILED, "fetch", True)
    world.backend.value = GateClosed("down", "endpoint:x", 7)
    await world.run()
    assert world.records[-1].ended is Ended.PARKED


async def test_every_pass_leaves_one_record(world: World):
    await world.run()
    world.put()
    world.classes["s"] = "another"
    await world.run()
    world.classes.clear()
    await world.run()
    await world.run(NOW + timedelta(seconds=1))
    world.delete()
    await world.run()
    assert [record.ended for record in world.records] == [
        Ended.GONE,
        Ended.FOREIGN,
        Ended.SYNCED,
        Ended.IDLE,
        Ended.DELETED,
    ]


# generators


def generated(*names: str, **more: Any) -> dict[str, Any]:
    entries = [{"sourceRef": {"generatorRef": {"kind": "Counting", "name": name}}} for name in names]
    return {"dataFrom": entries, "data": [], **more}


def deadlines(world: World) -> list[bool]:
    return ["garbageCollectionDeadline" in one["spec"] for one in world.api.all(GENERATOR_STATES)]


async def test_values_are_made_once_for_a_due_time(world: World):
    world.making.put()
    world.put(**generated("counter"))
    assert isinstance(await world.run(), After)
    assert world.secret() == {"value": b"value-1"}
    await world.run()
    assert (world.secret(), world.making.counting.made) == ({"value": b"value-1"}, 1)
    assert deadlines(world) == [False]


async def test_a_generator_is_not_asked_where_a_read_fails(world: World):
    world.making.put()
    world.backend.value = EsoError("down")
    world.put(**generated("counter", data=DATA, secretStoreRef={"name": "s"}))
    await world.run()
    assert world.making.counting.made == 0
    world.backend.value = b"value"
    await world.run()
    assert world.secret() == {"value": b"value-1", "a": b"value"}


async def test_values_beside_a_generator_that_fails_are_taken_back(world: World):
    world.making.put()
    world.put(**generated("counter", "nope"))
    await world.run()
    assert world.making.counting.taken_back == [1]
    assert world.events[-1].message.startswith(
        "error processing spec.dataFrom[1].sourceRef.generatorRef, err: unable to get generator: "
    )
    assert deadlines(world) == []


async def test_a_target_that_cannot_be_written_costs_the_values_and_the_next_try_makes_new_ones(world: World):
    world.making.put()
    world.put(**generated("counter"))
    world.api.fail(Status(403, "Forbidden"), method="POST", path="/secrets$")
    await world.run()
    assert deadlines(world) == [True]
    await world.run()
    assert world.secret() == {"value": b"value-2"}
    assert deadlines(world) == [True, False]


async def test_a_target_that_may_not_be_written_costs_the_values_before_a_state_is_stored(world: World):
    world.making.put()
    world.api.put(SECRETS, blank_secret({"b": "1"}) | {"immutable": True})
    world.put(**generated("counter", target=target(creation="Merge")))
    await world.run()
    assert deadlines(world) == [] or deadlines(world) == [True]
    assert world.making.counting.taken_back in ([1], [])


async def test_a_state_that_cannot_be_stored_fails_the_pass_before_the_write(world: World):
    world.making.put()
    world.put(**generated("counter"))
    world.api.fail(Status(403, "Forbidden"), method="POST", path="generatorstates")
    await world.run()
    assert world.making.counting.taken_back == [1]
    assert world.events[-1].message.startswith("unable to store generator state: ")
    assert world.api.get(SECRETS, *SECRET) is None


async def test_the_status_of_an_object_with_generators_tells_every_refresh(world: World):
    """After a restart only the status says when the next values are due."""
    world.making.counting.stateless = True
    world.making.put()
    world.put(**generated("counter", refreshInterval="10s"))
    await world.run()
    first = world.status["refreshTime"]
    assert await world.run(NOW + timedelta(seconds=10)) == After(10.0)
    assert world.status["refreshTime"] > first
    assert world.secret() == {"value": b"value-2"}


# G-008
async def test_g008_an_object_whose_generator_belongs_to_another_controller_is_left_alone(world: World):
    world.making.put(controller="other")
    world.put(**generated("counter", target=target(deletion="Delete")))
    assert await world.run() == Done()
    assert world.api.writes == []
    assert world.making.counting.made == 0


async def test_a_deleted_target_gets_values_of_its_own(world: World):
    world.making.put()
    world.put(**generated("counter", refreshPolicy="CreatedOnce"))
    await world.run()
    world.remove_secret()
    await world.run()
    assert world.secret() == {"value": b"value-2"}


async def test_whenever_a_pass_with_a_generator_ends_nothing_is_forgotten(world: World):
    """Each set of values is in the Secret, taken back, or remembered in a state."""
    world.making.put()
    rounds = 0

    async def begin() -> None:
        if world.secret() is not None:
            world.remove_secret()
        if world.api.get(EXTERNAL_SECRETS, *ES):
            world.api.remove(EXTERNAL_SECRETS, *ES)
        world.put(**generated("counter"))
        await world.run()

    async for _ in every_await(begin):
        rounds += 1
        remembered = {one["spec"]["state"]["number"] for one in world.api.all(GENERATOR_STATES)}
        known = remembered | set(world.making.counting.taken_back)
        assert known == set(range(1, world.making.counting.made + 1))
    assert rounds > 10


async def test_a_pass_whose_reads_take_too_long_tells_so_and_writes_nothing(world: World) -> None:
    clock = VirtualClock()
    world.passes.limit = lambda: deadline(clock, 120.0)
    world.put()
    world.backend.stall = asyncio.Event()
    task = asyncio.ensure_future(world.run())
    await until(lambda: world.backend.reads == 1)
    await clock.advance(120.0)
    outcome = await task
    assert isinstance(outcome, Retry) and "longer than 120 s" in str(outcome.error)
    assert world.ready[0] == "False"
    assert world.secret() is None
    assert world.records[-1].ended is Ended.FAILED
    assert ["longer than 120 s" in event.message for event in world.events] == [True]
