"""Resolving references, and the life of what a pass made: kept, flagged or taken back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import orjson
import pytest

from eso.api.externalsecret import EXTERNAL_SECRETS, GeneratorRef, decode_external_secret
from eso.api.generators import (
    FINALIZER_GENERATOR_STATE,
    GENERATOR_STATES,
    LABEL_OWNER_KEY,
    GeneratorState,
    StateMeta,
    owner_key,
)
from eso.api.meta import ObjectMeta
from eso.api.validate import external_secret_refusals
from eso.errors import EsoError
from eso.generators import front
from eso.generators import states as kept
from eso.generators.front import StateNotKept
from eso.generators.registry import CLUSTER_GENERATORS, GENERATORS
from eso.generators.resolve import Unresolved
from eso.generators.states import Owner, superseded
from eso.providers.contract import AuthRejected, SecretNotFound
from eso.reconcile.externalsecret.assemble import proven_missing
from eso.runtime.memory import Memory, NoMemory, TooMuchMemory, holding, volume
from tests.fakes.apiserver import FakeApiServer, Json, Status
from tests.fakes.cancel import every_await
from tests.fakes.clock import VirtualClock
from tests.fakes.credentials import StaticCredentials
from tests.fakes.generators import Making

OWNER = Owner(EXTERNAL_SECRETS, ObjectMeta(name="my-es", namespace="ns", uid="uid-1"))
REF = GeneratorRef("Counting", "counter")


# G-009
def test_g009_a_generator_beside_extract_is_refused_where_objects_are_admitted():
    entry = {"extract": {"key": "k"}, "sourceRef": {"generatorRef": {"kind": "Fake", "name": "f"}}}
    body = {"metadata": {"name": "es", "namespace": "ns"}, "spec": {"dataFrom": [entry]}}
    found = external_secret_refusals(decode_external_secret(orjson.dumps(body)).spec)
    assert found == ["extract, find, or generatorRef cannot be set at the same time"]


@pytest.fixture
async def api() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer() as server:
        yield server


@pytest.fixture
async def making(api: FakeApiServer) -> AsyncIterator[Making]:
    found = Making(api)
    found.put()
    yield found
    await found.close()


async def refused(making: Making, ref: GeneratorRef) -> EsoError:
    async with making.generators.batch(OWNER) as batch:
        with pytest.raises(EsoError) as raised:
            await batch.generate(ref, "0")
    return raised.value


def states(api: FakeApiServer) -> list[Json]:
    return sorted(api.all(GENERATOR_STATES), key=lambda one: str(one["metadata"]["name"]))


def expiring(api: FakeApiServer) -> list[bool]:
    """Of each state in the order in which they were made: does it have a deadline?"""
    made = sorted(api.all(GENERATOR_STATES), key=lambda one: int(one["spec"]["state"]["number"]))
    return ["garbageCollectionDeadline" in one["spec"] for one in made]


async def refresh(making: Making, *, fails: bool = False) -> None:
    async with making.generators.batch(OWNER) as batch:
        await batch.generate(REF, "0")
        await batch.keep()
        if not fails:
            await batch.settle(["0"])


# references


@pytest.mark.parametrize(
    ("ref", "message"),
    [
        pytest.param(
            GeneratorRef("Fake", "x", "example.com/v1"),
            "generatorRef may only reference the generators group, but got example.com",
            id="G-002 another group",
        ),
        pytest.param(
            GeneratorRef("Fake", "x", "v1"), "generatorRef may only reference the generators group, but got ", id="core"
        ),
        pytest.param(
            GeneratorRef("Fake", "x", "a/b/c"),
            "generatorRef has invalid APIVersion: unexpected GroupVersion string: a/b/c",
            id="no version at all",
        ),
        pytest.param(
            GeneratorRef("Fake", "x", "generators.external-secrets.io/v9"),
            "generatorRef references unknown GVK generators.external-secrets.io/v9, Kind=Fake",
            id="a version that does not exist",
        ),
        pytest.param(
            GeneratorRef("Dice", "x"),
            "generatorRef references unknown GVK generators.external-secrets.io/v1alpha1, Kind=Dice",
            id="a kind that is not served",
        ),
        pytest.param(
            GeneratorRef("ClusterGenerator", "mixed"),
            "invalid ClusterGenerator: when kind is Fake, FakeSpec must be set",
            id="G-005 a kind without its block",
        ),
        pytest.param(
            GeneratorRef("ClusterGenerator", "odd"), "invalid ClusterGenerator: unknown kind Dice", id="an unknown kind"
        ),
    ],
)
async def test_references_that_only_an_edit_can_mend(
    api: FakeApiServer, making: Making, ref: GeneratorRef, message: str
):
    for name, kind in (("mixed", "Fake"), ("odd", "Dice")):
        spec = {"kind": kind, "generator": {"passwordSpec": {}}}
        api.put(CLUSTER_GENERATORS, {"metadata": {"name": name}, "spec": spec})
    error = await refused(making, ref)
    assert str(error) == f"unable to get generator: terminal error: {message}"
    assert not error.retryable


@pytest.mark.parametrize(
    ("kind", "shown"), [("Fake", "Fake"), ("ClusterGenerator", "ClusterGenerator"), ("Password", "Password")]
)
# G-003
async def test_g003_a_generator_that_is_not_there_is_waited_for(making: Making, kind: str, shown: str):
    error = await refused(making, GeneratorRef(kind, "nope"))
    assert str(error) == f'unable to get generator: {shown}.generators.external-secrets.io "nope" not found'
    assert error.retryable


async def test_an_api_server_that_does_not_answer_is_no_proof(api: FakeApiServer, making: Making):
    api.fail(Status(403, "Forbidden", "countings is forbidden"), path="countings")
    error = await refused(making, REF)
    assert str(error) == "unable to get generator: countings is forbidden"
    assert error.retryable


# G-004
async def test_g004_a_cluster_generator_gives_each_entry_its_own_values(api: FakeApiServer, making: Making):
    spec = {"kind": "Password", "generator": {"passwordSpec": {"length": 30, "digits": 3, "symbols": 3}}}
    api.put(CLUSTER_GENERATORS, {"metadata": {"name": "pw"}, "spec": spec})
    async with making.generators.batch(OWNER) as batch:
        found = [await batch.generate(GeneratorRef("ClusterGenerator", "pw"), str(n)) for n in range(2)]
    assert [len(one["password"]) for one in found] == [30, 30]
    assert found[0] != found[1]


@pytest.mark.parametrize(
    ("controller", "foreign"), [("other", True), ("default", False), ("", False)], ids=["other", "ours", "none"]
)
# G-008
async def test_g008_a_generator_of_another_class_is_foreign(making: Making, controller: str, foreign: bool):
    making.put("mine", controller=controller)
    async with making.generators.batch(OWNER) as batch:
        assert await batch.foreign([GeneratorRef("Counting", "mine")], "default") is foreign
        assert not await batch.foreign([GeneratorRef("Counting", "nope"), GeneratorRef("Dice", "x")], "default")


async def test_a_generator_of_another_class_that_could_not_be_read_at_first_makes_nothing(
    api: FakeApiServer, making: Making
):
    making.put("mine", controller="other")
    api.fail(Status(503), method="GET", path="/mine", times=10)
    ref = GeneratorRef("Counting", "mine")
    async with making.generators.batch(OWNER) as batch:
        assert not await batch.foreign([ref], "default")
        api._rules.clear()
        with pytest.raises(Unresolved, match="belongs to the controller other"):
            await batch.generate(ref, "0")
    async with making.generators.batch(OWNER) as batch:
        assert not await batch.foreign([GeneratorRef("Counting", "late")], "default"), "it is not there yet"
        making.put("late", controller="other")
        with pytest.raises(Unresolved):
            await batch.generate(GeneratorRef("Counting", "late"), "0")


async def test_a_failure_that_says_nothing_of_the_generator_is_not_taken_for_an_answer(
    making: Making, monkeypatch: pytest.MonkeyPatch
):
    making.put("mine", controller="other")

    async def resolve(*_: object) -> None:
        raise NoMemory("no memory for it")

    monkeypatch.setattr(front, "resolve", resolve)
    async with making.generators.batch(OWNER) as batch:
        with pytest.raises(NoMemory):
            await batch.foreign([GeneratorRef("Counting", "mine")], "default")


# values


async def test_values_count_in_the_memory_of_the_pass_and_are_taken_back_where_there_is_none(making: Making):
    memory = Memory(1 << 20, VirtualClock())
    with holding(memory.open("ns")):
        async with making.generators.batch(OWNER) as batch:
            values = await batch.generate(REF, "0")
            assert memory.used >= volume(values)
            await batch.settle(["0"])
    making.counting.size = 2 << 20
    with holding(memory.open("ns")), pytest.raises(TooMuchMemory):
        async with making.generators.batch(OWNER) as batch:
            await batch.generate(REF, "0")
    assert making.counting.taken_back == [2] and memory.used == 0


async def test_an_error_of_the_generator_keeps_its_meaning(making: Making):
    making.counting.failure = SecretNotFound()
    error = await refused(making, REF)
    assert str(error) == "error using generator: Secret does not exist"
    assert proven_missing(error)


async def test_a_refused_generator_names_the_credential_that_ends_in_a_line_break(
    making: Making, monkeypatch: pytest.MonkeyPatch
):
    reader = StaticCredentials({})
    reader.trailing.append('key "token" of secret "login"')
    monkeypatch.setattr(making.generators, "credentials", lambda namespace: reader)
    making.counting.failure = AuthRejected("no", fix="renew it")
    error = await refused(making, REF)
    assert error.fix == 'key "token" of secret "login" ends in a line break: store it without; renew it'


async def test_a_generator_that_breaks_is_an_error_of_the_object_and_quotes_nothing(making: Making):
    making.counting.failure = ValueError("canary")  # type: ignore[assignment]  # what no kind should raise
    error = await refused(making, REF)
    assert str(error) == "error using generator: the generator Counting failed unexpectedly: ValueError"
    assert error.retryable


async def test_values_never_print(making: Making):
    async with making.generators.batch(OWNER) as batch:
        found = await making.counting.generate({}, making.credentials("ns"), making.generators.env)
        await batch.generate(REF, "0")
        assert "value-1" not in repr(found) and "number" not in repr(found)
        assert "number" not in repr(batch._pending)


# states


# G-030
async def test_g030_a_state_names_its_owner_its_generator_and_itself(api: FakeApiServer, making: Making):
    await refresh(making)
    (state,) = states(api)
    meta = state["metadata"]
    assert meta["name"].startswith("gen-externalsecret-my-es-")
    assert meta["labels"] == {LABEL_OWNER_KEY: owner_key("ExternalSecret", "ns", "my-es", "0")}
    assert meta["finalizers"] == [FINALIZER_GENERATOR_STATE]
    assert meta["ownerReferences"] == [
        {"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "name": "my-es", "uid": "uid-1"}
    ]
    assert state["spec"] == {
        "resource": {
            "apiVersion": "generators.external-secrets.io/v1alpha1",
            "kind": "Counting",
            "metadata": {"name": "counter", "namespace": "ns"},
            "spec": {},
        },
        "state": {"number": 1},
    }


@pytest.mark.parametrize(
    ("kind", "name", "state_key", "key"),
    [
        pytest.param(
            "ExternalSecret",
            "my-es",
            "0",
            "9915f96d753b27b8e9efddd3a0d8653f0950199e3e1da6e83e967b73",
            id="G-040 ExternalSecret",
        ),
        pytest.param(
            "PushSecret",
            "my-ps",
            "__pushsecret",
            "4138cb400973e62e83c57cb19b53807d5b4fd183ad8b6f17ba02c6db",
            id="G-040 PushSecret",
        ),
    ],
)
def test_owner_keys(kind: str, name: str, state_key: str, key: str):
    assert owner_key(kind, "default", name, state_key) == key


# G-031
async def test_g031_a_stateless_kind_leaves_nothing(api: FakeApiServer, making: Making):
    making.counting.stateless = True
    await refresh(making)
    assert states(api) == []


# G-032
async def test_g032_the_values_before_the_last_ones_expire(api: FakeApiServer):
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    api.now = lambda: now[0]
    making = Making(api, VirtualClock(now[0]))
    making.put()
    for _ in range(3):
        await refresh(making)
        now[0] += timedelta(seconds=5)
    await making.close()
    deadlines = [one["spec"].get("garbageCollectionDeadline") for one in states(api)]
    assert deadlines == ["2026-01-01T00:02:00Z", None, None]


def test_of_states_of_one_second_the_last_one_that_was_made_stays():
    at = datetime(2026, 1, 1, tzinfo=UTC)
    made = [
        GeneratorState(metadata=StateMeta(name=name, resource_version=version, creation_timestamp=at))
        for name, version in (("gen-z", "99"), ("gen-a", "100"), ("gen-m", "101"))
    ]
    assert [state.name for state in superseded([made[2], made[0], made[1]])] == ["gen-z", "gen-a"]


async def test_an_entry_that_is_no_generator_any_more_keeps_its_latest_values_only(api: FakeApiServer, making: Making):
    api.now = lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=len(api.all(GENERATOR_STATES)))
    await refresh(making)
    await refresh(making)
    async with making.generators.batch(OWNER) as batch:
        await batch.keep()
        await batch.settle(["0"])
    assert ["garbageCollectionDeadline" in one["spec"] for one in states(api)] == [True, False]


# G-034
async def test_g034_values_of_a_pass_that_fails_are_taken_back(api: FakeApiServer, making: Making):
    async with making.generators.batch(OWNER) as batch:
        await batch.generate(REF, "0")
    assert making.counting.taken_back == [1]
    assert states(api) == []


# G-035
async def test_g035_values_that_cannot_be_taken_back_are_remembered_as_expired(api: FakeApiServer, making: Making):
    making.counting.stuck = EsoError("no")
    before = datetime.now(UTC)
    async with making.generators.batch(OWNER) as batch:
        await batch.generate(REF, "0")
    (state,) = states(api)
    assert datetime.fromisoformat(state["spec"]["garbageCollectionDeadline"]) <= before
    assert state["spec"]["state"] == {"number": 1}


async def test_values_whose_target_could_not_be_written_expire_at_once(api: FakeApiServer, making: Making):
    await refresh(making, fails=True)
    (state,) = states(api)
    assert datetime.fromisoformat(state["spec"]["garbageCollectionDeadline"]) <= datetime.now(UTC)
    assert making.counting.taken_back == []  # its controller does that


async def test_values_whose_state_cannot_be_stored_are_taken_back(api: FakeApiServer, making: Making):
    api.fail(Status(403, "Forbidden", "no"), method="POST", path="generatorstates")
    with pytest.raises(StateNotKept, match=r"^unable to store generator state: no$"):
        await refresh(making)
    assert making.counting.taken_back == [1]


async def test_a_generator_that_is_no_size_to_store_at_each_refresh_is_not_asked(api: FakeApiServer, making: Making):
    making.put(text="x" * 70_000)
    with pytest.raises(EsoError, match="are more than 65536 bytes"):
        await refresh(making)
    assert making.counting.made == 0 and states(api) == []


async def test_a_backend_that_gives_megabytes_to_remember_gets_them_back(
    api: FakeApiServer, making: Making, monkeypatch: pytest.MonkeyPatch
):
    await refresh(making)
    (first,) = states(api)
    monkeypatch.setattr(kept, "MOST_BYTES", len(orjson.dumps(first["spec"]["resource"])) + 1)
    with pytest.raises(StateNotKept, match="and what there is to remember of its values, are more than"):
        await refresh(making)
    assert making.counting.taken_back == [2] and len(states(api)) == 1


# G-038
async def test_g038_without_tracking_nothing_is_remembered_or_taken_back(api: FakeApiServer, making: Making):
    async with making.generators.batch(OWNER, tracked=False) as batch:
        await batch.generate(REF, "0")
    assert states(api) == [] and making.counting.taken_back == []


# G-039
async def test_g039_a_push_keeps_its_state_before_anything_is_sent(api: FakeApiServer, making: Making):
    values = await making.generators.for_push(OWNER, REF, None)
    (state,) = states(api)
    assert values == {"value": b"value-1"}
    assert state["metadata"]["labels"][LABEL_OWNER_KEY] == owner_key("ExternalSecret", "ns", "my-es", "__pushsecret")


async def test_values_that_the_backend_has_do_not_expire_while_pushes_fail(api: FakeApiServer):
    now = [datetime(2026, 1, 1, tzinfo=UTC)]
    api.now = lambda: now[0]
    making = Making(api, VirtualClock(now[0]))
    making.put()
    for pushed_at in (None, now[0], now[0], now[0]):  # the first push succeeds, those after it do not
        await making.generators.for_push(OWNER, REF, pushed_at)
        now[0] += timedelta(seconds=5)
    assert expiring(api) == [False, True, False, False]
    await making.generators.for_push(OWNER, REF, now[0] - timedelta(seconds=5))  # the fourth one succeeded
    await making.close()
    assert expiring(api) == [True, True, True, False, False]


@pytest.mark.parametrize("behind", [-3, 0, 3], ids=["the API server is late", "both agree", "it is early"])
async def test_the_clock_of_the_api_server_does_not_say_which_values_the_backend_has(api: FakeApiServer, behind: int):
    clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
    api.now = lambda: clock.now() + timedelta(seconds=behind)
    making = Making(api, clock)
    making.put()
    pushed_at = clock.now()
    for _ in range(4):  # the first push succeeds, those after it do not
        await making.generators.for_push(OWNER, REF, pushed_at)
        await clock.advance(1.0)
    assert expiring(api) == [False, True, False, False]
    await making.close()


async def test_of_states_that_do_not_tell_when_they_were_made_the_slack_of_clocks_is_left(api: FakeApiServer):
    clock = VirtualClock(datetime(2026, 1, 1, tzinfo=UTC))
    api.now = lambda: clock.now() - timedelta(seconds=3)
    making = Making(api, clock)
    making.put()
    pushed_at = clock.now()
    for _ in range(3):
        await making.generators.for_push(OWNER, REF, pushed_at)
        for state in states(api):
            api.edit(GENERATOR_STATES, "ns", state["metadata"]["name"], {"metadata": {"annotations": None}})
        await clock.advance(1.0)
    await making.generators.for_push(OWNER, REF, pushed_at)
    assert expiring(api) == [False, True, False, False]
    await making.close()


async def test_a_secret_after_a_generator_leaves_the_latest_values_only(api: FakeApiServer, making: Making):
    api.now = lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=len(api.all(GENERATOR_STATES)))
    for _ in range(2):
        await making.generators.for_push(OWNER, REF, None)
    await making.generators.after_push(OWNER)
    assert expiring(api) == [True, False]


async def test_another_generator_ends_the_older_values_of_the_one_before(api: FakeApiServer, making: Making):
    api.now = lambda: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=len(api.all(GENERATOR_STATES)))
    making.put("other")
    for _ in range(2):
        await making.generators.for_push(OWNER, REF, None)
    await making.generators.for_push(OWNER, GeneratorRef("Counting", "other"), None)
    assert expiring(api) == [True, False, False]
    api.put(GENERATORS["UUID"].resource, {"metadata": {"name": "id", "namespace": "ns"}, "spec": {}})
    await making.generators.for_push(OWNER, GeneratorRef("UUID", "id"), None)
    assert expiring(api) == [True, True, False], "a kind that leaves nothing behind"


async def test_whenever_a_pass_is_cancelled_nothing_is_forgotten(api: FakeApiServer, making: Making):
    """Each set of values is taken back, or remembered in a state."""
    rounds = 0
    async for _ in every_await(lambda: refresh(making)):
        rounds += 1
        known = set(making.counting.taken_back) | {one["spec"]["state"]["number"] for one in states(api)}
        assert known == set(range(1, making.counting.made + 1))
    assert rounds > 5


async def test_a_kind_whose_values_nobody_takes_back_is_not_remembered(api: FakeApiServer, making: Making):
    making.generators.forgotten = frozenset({"Counting"})
    await refresh(making)
    await refresh(making, fails=True)
    assert states(api) == [] and making.counting.taken_back == []
