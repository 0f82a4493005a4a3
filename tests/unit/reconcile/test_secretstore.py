"""What a validation showed → condition, Events, outcome; and what a pass over a store writes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from eso.api.meta import ObjectMeta, Undecodable
from eso.api.secretstore import SECRET_STORES, SecretStore, decode_secret_store
from eso.api.suspend import FOREVER
from eso.errors import EsoError
from eso.providers.contract import Validation, ValidationFailed
from eso.reconcile.kit.event import Event
from eso.reconcile.secretstore.reconcile import ReconcileStore
from eso.reconcile.secretstore.report import Report, invalid, new_status, parked, paused, valid
from eso.reconcile.secretstore.triggers import Triggers
from eso.runtime.deadline import deadline
from eso.runtime.outcome import After, Done, Lane, Parked, Retry, Wake
from eso.stores.gate import GateClosed, Retrying
from tests.fakes.apiserver import FakeApiServer, Json, Status
from tests.fakes.clock import VirtualClock, until

NOW = datetime(2026, 5, 1, 12, 0, 0, 999, tzinfo=UTC)
AT_NOON, EARLIER = "2026-05-01T12:00:00Z", "2026-05-01T11:00:00Z"
VALID = {"type": "Ready", "status": "True", "reason": "Valid", "message": "store validated"}
FAILED = {"type": "Ready", "status": "False", "reason": "InvalidProviderConfig", "message": "unable to validate store"}
WARNING = Event(
    "Warning", "StoreUnmaintained", "store isn't currently maintained. Please plan and prepare accordingly."
)


def store(*conditions: Json, generation: int = 3, capabilities: str = "ReadWrite", **spec: Any) -> SecretStore:
    status = {"conditions": list(conditions)} | ({"capabilities": capabilities} if conditions else {})
    meta = {"name": "s", "namespace": "ns", "uid": "u", "generation": generation}
    found = decode_secret_store(
        msgspec.json.encode({"metadata": meta, "spec": {"provider": {"fake": {}}} | spec, "status": status})
    )
    assert isinstance(found, SecretStore)
    return found


def annotated() -> SecretStore:
    one = store()
    one.metadata.annotations["a"] = "b"
    return one


UNREADABLE = Undecodable(ObjectMeta(name="s", namespace="ns"), "why")


def said(report: Report) -> Json:
    c = report.condition
    return {"type": c.type, "status": c.status, "reason": c.reason, "message": c.message}


# reports


@pytest.mark.parametrize("result", list(Validation))
@pytest.mark.parametrize("maintained", [True, False])
def test_no_error_means_valid_whatever_the_result(result: Validation, maintained: bool):
    report = valid(result, "ReadWrite", 60, maintained=maintained)
    assert (said(report), report.outcome, report.capability) == (VALID, After(60), "ReadWrite")
    assert report.events == (*(() if maintained else (WARNING,)), Event("Normal", "Valid", "store validated"))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        pytest.param(
            ValidationFailed("no", Validation.ERROR, fix="do"),
            "unable to validate store",
            id="a validation that failed",
        ),
        pytest.param(
            ValidationFailed("no", Validation.READY, fix="do"),
            "unable to validate store",
            id="a validation that failed oddly",
        ),
        pytest.param(EsoError("no", fix="do"), "unable to create client", id="no client"),
    ],
)
def test_an_error_backs_off(error: EsoError, message: str):
    report = invalid(error, 60)
    assert (said(report), report.outcome) == (FAILED | {"message": message}, Retry(error))
    assert report.events == (Event("Warning", "InvalidProviderConfig", "no (do)"),)


def test_a_state_that_cannot_be_found_out_leaves_the_store_usable():
    report = invalid(ValidationFailed("no", Validation.UNKNOWN), 60)
    assert said(report) == VALID | {"reason": "ValidationUnknown", "message": "could not determine validation status"}
    assert (report.outcome, report.capability, report.events) == (
        After(60),
        "",
        (Event("Warning", "ValidationUnknown", "no"),),
    )


def test_a_closed_gate_keeps_the_message_of_the_failure_that_closed_it():
    no_client = {**FAILED, "message": "unable to create client"}
    report = parked(store(no_client), GateClosed("down", "endpoint:vault:https://vault", 4))
    assert said(report) == no_client


@pytest.mark.parametrize(
    ("gate", "message"), [("identity:x", "unable to create client"), ("endpoint:x", "unable to validate store")]
)
def test_a_closed_gate_is_the_condition_of_the_store(gate: str, message: str):
    report = parked(store(), GateClosed("down", gate, 4))
    assert (said(report), report.outcome) == (FAILED | {"message": message}, Parked(gate, 4))


# status

GOOD, BAD = valid(Validation.READY, "ReadWrite", 60, maintained=True), invalid(ValidationFailed("no"), 60)


def status(one: SecretStore, report: Report, told: int = 0) -> Json | None:
    return new_status(one, report, NOW, told)


def test_the_first_validation_writes_everything():
    written = VALID | {"lastTransitionTime": AT_NOON, "observedGeneration": 3}
    assert status(store(), GOOD) == {"conditions": [written], "capabilities": "ReadWrite"}


def test_a_failure_moves_the_time_and_keeps_the_capabilities():
    before = VALID | {"lastTransitionTime": EARLIER, "observedGeneration": 3}
    assert status(store(before), BAD) == {
        "conditions": [FAILED | {"lastTransitionTime": AT_NOON, "observedGeneration": 3}],
        "capabilities": "ReadWrite",
    }


# C-252
def test_c_252_the_same_again_is_not_written():
    assert status(store(VALID | {"lastTransitionTime": EARLIER, "observedGeneration": 3}), GOOD) is None


def test_a_new_generation_is_written_and_moves_no_time():
    found = status(store(VALID | {"lastTransitionTime": EARLIER, "observedGeneration": 2}), GOOD)
    assert found is not None and found["conditions"] == [
        VALID | {"lastTransitionTime": EARLIER, "observedGeneration": 3}
    ]


def test_a_schema_that_drops_the_generation_is_written_to_once():
    pruned = store(VALID | {"lastTransitionTime": EARLIER})
    assert status(pruned, GOOD) is not None
    assert status(pruned, GOOD, told=3) is None


def test_capabilities_that_changed_are_written():
    found = status(
        store(VALID | {"lastTransitionTime": EARLIER, "observedGeneration": 3}, capabilities="ReadOnly"), GOOD
    )
    assert found is not None and found["capabilities"] == "ReadWrite"


SUSPEND = "extensions.external-secrets.io/suspend"
FOR_EVER = f"suspended until the annotation {SUSPEND} is removed"


def test_a_pause_keeps_the_status_and_says_until_when():
    one = store(VALID | {"lastTransitionTime": EARLIER, "observedGeneration": 3})
    one.metadata.annotations[SUSPEND] = "true"
    report = paused(one, FOREVER, NOW)
    told = {"reason": "Suspended", "message": f"{FOR_EVER}; before: Valid, store validated"}
    assert status(one, report) == {
        "conditions": [VALID | told | {"lastTransitionTime": EARLIER, "observedGeneration": 3}],
        "capabilities": "ReadWrite",
    }
    assert report.outcome == Done()


def test_a_pause_ends_with_the_next_validation():
    told = {"reason": "Suspended", "message": f"{FOR_EVER}; before: Valid, store validated"}
    ended = status(store(VALID | told | {"lastTransitionTime": EARLIER, "observedGeneration": 3}), GOOD)
    before = VALID | {"lastTransitionTime": EARLIER, "observedGeneration": 3}
    assert ended == {"conditions": [before], "capabilities": "ReadWrite"}


# --- triggers


@pytest.mark.parametrize(
    ("old", "new", "added"),
    [
        pytest.param(None, store(), [("changed", Lane.NEW)], id="created"),
        pytest.param(store(), None, [("gone", Lane.NEW)], id="deleted"),
        pytest.param(store(), UNREADABLE, [("gone", Lane.NEW)], id="not readable any more"),
        pytest.param(UNREADABLE, store(), [("changed", Lane.NEW)], id="readable again"),
        pytest.param(store(), store(generation=4), [("changed", Lane.NEW)], id="edited"),
        pytest.param(store(), annotated(), [("changed", Lane.NEW)], id="annotated"),
        pytest.param(store(), store(VALID), [], id="a status alone"),
    ],
)
def test_a_store_runs_when_a_pass_could_find_something_else(
    old: SecretStore | Undecodable | None, new: SecretStore | Undecodable | None, added: list[tuple[str, Lane]]
):
    found: list[tuple[str, Lane]] = []
    triggers = Triggers(lambda key, lane, reason, at: found.append((reason, lane)))
    triggers.store(old, new)
    assert found == added


def test_a_credential_of_one_consumer_is_no_reason_to_validate_the_store():
    found: list[Any] = []
    triggers = Triggers(lambda key, lane, reason, at: found.append((key, lane, reason)))
    triggers.credential(("ns", "s"), "team")
    assert found == []
    triggers.credential(("ns", "s"), "")
    assert found == [(("ns", "s"), Lane.EVENT, "credential changed")]


# the pass


class World:
    """One store on an API server; `answer` is what validation finds, or raises."""

    def __init__(self, api: FakeApiServer) -> None:
        self.api, self.rest = api, api.rest()
        self.store: SecretStore | None = None
        self.answer: Exception | None = None
        self.as_operator = self.hangs = False
        self.events: list[Event] = []
        self.marks: list[tuple[str, Any]] = []
        self.errors: list[str] = []
        self.meanwhile = lambda: None
        self.passes = ReconcileStore(
            SECRET_STORES,
            lambda key: self.store,
            self,
            self.rest,
            controller_class="default",
            requeue_seconds=300.0,
            emit=lambda meta, event: self.events.append(event),
            meter=self,
            monotonic=lambda: 0.0,
            log=self,
        )

    def put(self, **spec: Any) -> None:
        self.read(
            self.api.put(
                SECRET_STORES, {"metadata": {"name": "s", "namespace": "ns"}, "spec": {"provider": {"fake": {}}} | spec}
            )
        )

    def read(self, body: Json | None = None) -> Json:
        found = body or self.api.get(SECRET_STORES, "ns", "s")
        assert found is not None
        store = decode_secret_store(msgspec.json.encode(found))
        assert isinstance(store, SecretStore)
        self.store = store
        return found

    async def run(self) -> Any:
        return await self.passes.reconcile(("ns", "s"), Wake(), NOW)

    async def validate(self, store: SecretStore) -> tuple[Validation, str]:
        self.meanwhile()
        if self.hangs:
            await asyncio.Event().wait()
        if self.answer is not None:
            raise self.answer
        return Validation.READY, "ReadWrite"

    def maintained(self, store: SecretStore) -> bool:
        return False

    def ambient(self, store: SecretStore) -> bool:
        return self.as_operator

    def passed(self, key: Any, seconds: float) -> None:
        self.marks.append(("passed", key))

    def ready(self, key: Any, status: str) -> None:
        self.marks.append(("ready", status))

    def gone(self, key: Any) -> None:
        self.marks.append(("gone", key))

    def error(self, text: str, **_: Any) -> None:
        self.errors.append(text)

    debug = info = warning = error


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with FakeApiServer() as api:
        made = World(api)
        yield made
        await made.rest.access.close()


AMBIENT = Event(
    "Normal",
    "AmbientCredentials",
    "store uses the operator's own cloud identity; --ambient-credentials says which stores may",
)


async def test_a_store_that_uses_the_operators_own_identity_is_told_so_once(world: World):
    world.put()
    await world.run()
    assert AMBIENT not in world.events
    world.as_operator = True
    for _ in range(3):
        await world.run()
    assert world.events.count(AMBIENT) == 1
    world.put(refreshInterval=60)
    await world.run()
    assert world.events.count(AMBIENT) == 1, "an edited store is the same one"


async def test_a_store_that_cannot_log_in_uses_no_identity(world: World):
    world.put()
    world.as_operator, world.answer = True, ValidationFailed("no")
    await world.run()
    assert AMBIENT not in world.events


async def test_a_validation_that_takes_too_long_is_ended_and_told(world: World):
    clock = VirtualClock()
    world.put()
    world.passes.limit = lambda: deadline(clock, 120.0)
    world.hangs = True
    running = asyncio.create_task(world.run())
    await until(lambda: clock.timers > 0)
    await clock.advance(121.0)
    await running
    assert world.store is not None
    status = world.read()["status"]["conditions"][0]
    assert (status["status"], status["reason"]) == ("False", "InvalidProviderConfig")
    assert any("takes longer than 120 s" in event.message for event in world.events)


async def test_a_store_that_is_made_anew_is_told_anew(world: World):
    world.as_operator = True
    world.put()
    await world.run()
    world.api.remove(SECRET_STORES, "ns", "s")
    world.store = None
    await world.run()
    world.put()
    await world.run()
    assert world.events.count(AMBIENT) == 2


async def test_a_pass_tells_once(world: World):
    world.put()
    assert await world.run() == After(300)
    assert world.read()["status"]["conditions"] == [VALID | {"lastTransitionTime": AT_NOON, "observedGeneration": 1}]
    assert world.events == [WARNING, Event("Normal", "Valid", "store validated")]
    await world.run()
    assert len(world.api.writes) == 1 and len(world.events) == 2
    assert world.marks == [("ready", "True"), ("passed", ("ns", "s"))] * 2


# C-254
async def test_c_254_the_annotation_silences_the_maintenance_warning(world: World):
    world.put()
    world.api.edit(
        SECRET_STORES,
        "ns",
        "s",
        {"metadata": {"annotations": {"external-secrets.io/ignore-maintenance-checks": "false"}}},
    )
    world.read()
    await world.run()
    assert world.events == [Event("Normal", "Valid", "store validated")]


async def test_a_store_of_another_class_is_not_looked_at(world: World):
    world.put(controller="other")
    world.answer = EsoError("must not be asked")
    assert await world.run() == Done()
    assert world.api.writes == [] and world.marks == []


async def test_a_store_that_is_gone_takes_its_series_with_it(world: World):
    assert await world.run() == Done()
    assert world.marks == [("gone", ("ns", "s"))]


# C-253
@pytest.mark.parametrize("again", [False, True], ids=["deleted", "recreated"])
async def test_c_253_what_is_not_there_any_more_is_not_written_to(world: World, again: bool):
    world.put()

    def meanwhile() -> None:
        world.api.remove(SECRET_STORES, "ns", "s")
        if again:
            world.api.put(
                SECRET_STORES, {"metadata": {"name": "s", "namespace": "ns"}, "spec": {"provider": {"fake": {}}}}
            )

    world.meanwhile = meanwhile
    assert await world.run() == After(300)
    assert world.events == [] and world.errors == []
    assert "status" not in (world.api.get(SECRET_STORES, "ns", "s") or {})


async def test_a_status_that_cannot_be_written_is_logged_and_tried_again_soon(world: World):
    world.put()
    world.api.fail(Status(403, "Forbidden"), method="PATCH")
    assert await world.run() == Retry()
    assert world.errors == ["could not write the store's status"]
    await world.run()
    assert world.read()["status"]["conditions"][0]["status"] == "True"


async def test_a_bug_of_a_provider_is_a_condition_of_its_store_and_quotes_nothing(world: World):
    world.put()
    world.answer = KeyError("a value")
    outcome = await world.run()
    assert isinstance(outcome, Retry)
    ready = world.read()["status"]["conditions"][0]
    assert (ready["status"], ready["reason"], ready["message"]) == (
        "False",
        "InvalidProviderConfig",
        "unable to create client",
    )
    assert [event.message for event in world.events] == [
        "the provider failed unexpectedly: KeyError (report this as a bug of the operator; its log has the place)"
    ]
    assert world.errors == ["a provider failed unexpectedly"]


async def test_a_paused_store_is_not_validated_until_its_time(world: World):
    world.put()
    until = {"metadata": {"annotations": {SUSPEND: "2026-05-01T12:10:00Z"}}}
    world.api.edit(SECRET_STORES, "ns", "s", until)
    world.read()
    world.answer = EsoError("must not be asked")
    assert await world.run() == After(599.999001)
    [told] = world.read()["status"]["conditions"]
    assert (told["status"], told["message"]) == ("Unknown", "suspended until 2026-05-01T12:10:00Z")
    assert [mark for mark in world.marks if mark[0] == "ready"] == []


async def test_a_store_made_anew_under_its_name_gets_its_generation_told_again(world: World):
    """What was told belongs to one uid."""
    world.put()
    await world.run()
    world.api.remove(SECRET_STORES, "ns", "s")
    world.put()
    await world.run()
    assert world.read()["status"]["conditions"][0]["observedGeneration"] == 1


def test_a_validation_that_will_be_tried_again_tells_nothing_new() -> None:
    report = parked(store(VALID), Retrying("behind", "retry:x", 4))
    assert (said(report), report.events, report.outcome) == (VALID, (), Parked("retry:x", 4))
