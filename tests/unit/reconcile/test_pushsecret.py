"""Pushing: what is sent, recorded, told and deleted; what wakes a PushSecret and what does not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import orjson
import pytest

from eso.api.generators import FINALIZER_GENERATOR_STATE, GENERATOR_STATES, LABEL_OWNER_KEY, owner_key
from eso.api.hashing import synced_resource_version
from eso.api.meta import CONFIG_MAPS, NAMESPACES, SECRETS, Resource, rfc3339
from eso.api.pushsecret import PUSH_SECRETS, decode_push_secret
from eso.api.secretstore import SECRET_STORES
from eso.errors import Terminal
from eso.providers.contract import AuthRejected, Busy, Denied, NotYet, Throttled, Timeout, Unavailable
from eso.reconcile.pushsecret import look, push
from eso.reconcile.pushsecret.push import COPIES, MOST_SENT
from eso.reconcile.pushsecret.refresh import Pace
from eso.runtime.loopshare import LoopShare
from tests.fakes.apiserver import FakeApiServer
from tests.fakes.clock import settle, until
from tests.harness.pushable import Pushable
from tests.unit.app.operating import START, put_store
from tests.unit.reconcile.pushing import FINALIZER, Pushing, end, entry, pushing, put_push, put_source, put_world

BOOM = Denied("boom")
HELD = {"SecretStore/store": ["path/to/key"]}
OK = ("True", "Synced", "PushSecret synced successfully")


@pytest.fixture
async def api() -> AsyncIterator[FakeApiServer]:
    async with FakeApiServer() as server:
        yield server


def fingerprint(api: FakeApiServer) -> str:
    return synced_resource_version(decode_push_secret(orjson.dumps(api.get(PUSH_SECRETS, "team", "ps"))).metadata)


# --- basic


# P-010
async def test_p_010_the_happy_path(api: FakeApiServer) -> None:
    put_world(api)
    async with pushing(api) as one:
        await one.synced()
        assert one.backend.remote == {("team/store", "path/to/key", ""): b"value"}
        assert one.said() == OK
        recorded = one.status()["syncedPushSecrets"]["SecretStore/store"]["path/to/key"]
        assert recorded == {
            "conversionStrategy": "None",
            "match": {"secretKey": "key", "remoteRef": {"remoteKey": "path/to/key"}},
        }
        assert one.status()["refreshTime"] == START.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert one.status()["syncedResourceVersion"] == fingerprint(api)
        await one.one.until(lambda: one.events("Synced") == ["PushSecret synced successfully"])
        assert one.finalizers() == [] and not one.held()
        assert len(one.one.written(PUSH_SECRETS)) == 1


# P-011
async def test_p_011_a_cluster_store(api: FakeApiServer) -> None:
    put_world(api, stores=[{"name": "store", "kind": "ClusterSecretStore"}])
    put_store(api, namespace="", ready=True)
    async with pushing(api) as one:
        await one.synced()
        assert one.books() == {"ClusterSecretStore/store": ["path/to/key"]}


# P-016, P-017, P-019
async def test_p_016_p_017_p_019_the_provider_gets_the_whole_source(api: FakeApiServer) -> None:
    put_world(api, data=[entry("", "all"), entry("a", "one")])
    put_source(api, a="1", b="<&>", labels={"team": "x"})
    async with pushing(api) as one:
        await one.synced()
        assert one.backend.at("all") == b'{"a":"1","b":"<&>"}'  # P-017
        source = one.backend.pushes[1].source
        assert (source.name, source.namespace, source.type, source.labels) == (
            "source",
            "team",
            "Opaque",
            {"team": "x"},
        )
        assert dict(source.data) == {"a": b"1", "b": b"<&>"}


# P-020
async def test_p_020_two_stores(api: FakeApiServer) -> None:
    put_world(api, stores=[{"name": "store"}, {"name": "other"}])
    put_store(api, "other", ready=True)
    async with pushing(api) as one:
        await one.synced()
        assert one.books() == {"SecretStore/other": ["path/to/key"], "SecretStore/store": ["path/to/key"]}
        assert one.backend.at("path/to/key", store="team/other") == b"value"


@pytest.mark.parametrize(
    "stores",
    [
        pytest.param([], id="P-015 no reference"),
        pytest.param([{"labelSelector": {"matchLabels": {"a": "b"}}}], id="P-014 no store matches"),
        pytest.param([{"name": "foreign"}], id="P-046 only a store of another class"),
    ],
)
async def test_without_a_store_nothing_happens(api: FakeApiServer, stores: list[dict[str, Any]]) -> None:
    put_world(api, stores=stores)
    foreign = put_store(api, "foreign", ready=True)
    api.edit(SECRET_STORES, "team", "foreign", {"spec": {**foreign["spec"], "controller": "other"}})
    async with pushing(api) as one:
        await one.one.idle()
        assert one.status() == {} and one.backend.pushes == [] and one.one.written(PUSH_SECRETS) == []


# --- sources


@pytest.mark.parametrize(
    "selector",
    [
        pytest.param({"secret": {"name": "missing"}}, id="P-030 a missing Secret"),
        pytest.param({"secret": {}}, id="P-035 an empty selector"),
        pytest.param({"generatorRef": {"kind": "Fake", "name": "no"}}, id="P-037 a generator that cannot be had"),
    ],
)
async def test_a_source_that_cannot_be_read(api: FakeApiServer, selector: dict[str, Any]) -> None:
    put_world(api, selector=selector)
    async with pushing(api) as one:
        await one.failed("could not get source secret")
        assert one.said()[1] == "Errored" and one.books() == {} and "refreshTime" not in one.status()


async def test_a_source_that_comes_later_is_pushed_at_once(api: FakeApiServer) -> None:
    put_store(api, ready=True)
    put_push(api)
    async with pushing(api) as one:
        await one.failed("could not get source secret")
        put_source(api)
        await one.synced()
        assert one.backend.keys() == ["path/to/key"]


# P-031
async def test_p_031_a_missing_key(api: FakeApiServer) -> None:
    put_world(api, data=[entry("unexisting", "x")])
    async with pushing(api) as one:
        await one.failed("set secret failed: secret key unexisting does not exist")
        assert one.books() == {"SecretStore/store": []}


LABELLED = {"secret": {"selector": {"matchLabels": {"foo": "bar"}}}}


# P-032, P-033
async def test_p_032_p_033_secrets_by_label_in_the_namespace(api: FakeApiServer) -> None:
    put_world(api, selector=LABELLED, data=None, dataTo=[{"storeRef": {"name": "store"}}])
    put_source(api, "one", labels={"foo": "bar"}, a="1")
    put_source(api, "two", labels={"foo": "bar"}, b="2")
    put_source(api, "three", "other", labels={"foo": "bar"}, c="3")
    async with pushing(api) as one:
        await one.synced()
        assert one.backend.keys() == ["a", "b"] and one.books() == {"SecretStore/store": ["a", "b"]}


# P-034
async def test_p_034_no_secret_matches(api: FakeApiServer) -> None:
    put_world(api, selector=LABELLED)
    backend = Pushable()
    backend.open_error = BOOM  # no store is visited
    async with pushing(api, backend=backend) as one:
        await one.synced()
        assert "syncedPushSecrets" not in one.status() and one.backend.pushes == []


async def test_what_is_wanted_of_one_source_is_not_deleted_because_of_another(api: FakeApiServer) -> None:
    """Ours: the reference deletes and pushes again the entries of the other sources at each refresh."""
    put_world(api, selector=LABELLED, data=None, dataTo=[{"storeRef": {"name": "store"}}], deletionPolicy="Delete")
    put_source(api, "one", labels={"foo": "bar"}, a="1")
    put_source(api, "two", labels={"foo": "bar"}, b="2")
    async with pushing(api) as one:
        await one.synced()
        api.remove(SECRETS, "team", "two")
        await one.one.until(lambda: one.books() == {"SecretStore/store": ["a"]})
        assert one.backend.deletes == [("team/store", "b", "")]


async def test_of_two_sources_with_one_destination_the_last_one_wins(api: FakeApiServer) -> None:
    put_world(api, selector=LABELLED)
    put_source(api, "one", labels={"foo": "bar"}, key="1")
    put_source(api, "two", labels={"foo": "bar"}, key="2")
    async with pushing(api) as one:
        await one.synced()
        assert one.backend.at("path/to/key") == b"2" and len(one.backend.pushes) == 1


# --- stores


# P-043
async def test_p_043_a_login_that_fails(api: FakeApiServer) -> None:
    put_world(api)
    backend = Pushable()
    backend.open_error = BOOM
    async with pushing(api, backend=backend) as one:
        await one.failed("set secret failed: could not get secrets client for store store: boom")
        assert one.books() == {"SecretStore/store": []}


# P-044
async def test_p_044_a_push_that_fails_is_told_and_tried_again(api: FakeApiServer) -> None:
    put_world(api)
    backend = Pushable()
    backend.push_error = BOOM
    async with pushing(api, backend=backend) as one:
        text = "set secret failed: could not write remote ref key to target secretstore store: boom"
        await one.failed(text)
        assert one.books() == {"SecretStore/store": []}
        await one.one.until(lambda: one.events("Errored") == [text])
        backend.push_error = None
        await one.clock.advance(2.0)
        await one.synced()


# P-048
async def test_p_048_a_cluster_store_that_leaves_the_namespace_out(api: FakeApiServer) -> None:
    put_world(api, stores=[{"name": "store", "kind": "ClusterSecretStore"}])
    put_store(api, namespace="", ready=True, conditions=[{"namespaces": ["other"]}])
    api.put(NAMESPACES, {"metadata": {"name": "team", "labels": {"kubernetes.io/metadata.name": "team"}}})
    async with pushing(api) as one:
        await one.failed(
            "set secret failed: could not get secrets client for store store: using cluster store "
            '"store" is not allowed from namespace "team": denied by spec.condition'
        )
        assert one.books() == {"ClusterSecretStore/store": []}


# P-049
async def test_p_049_a_store_that_is_not_ready_is_used(api: FakeApiServer) -> None:
    put_world(api)
    backend = Pushable()
    backend.validate_error = Denied("no")
    async with pushing(api, backend=backend) as one:
        await one.synced()


async def test_a_store_that_fails_does_not_stop_the_others(api: FakeApiServer) -> None:
    """Ours: the reference stops at the first failure."""
    put_world(api, stores=[{"name": "bad"}, {"name": "store"}], data=[entry("key", "a"), entry("key", "b")])
    put_store(api, "bad", ready=True)
    backend = Pushable()
    backend.push_error, backend.only = BOOM, "team/bad"
    async with pushing(api, backend=backend, start=START + timedelta(seconds=0.7)) as one:
        text = "set secret failed: could not write remote ref key to target secretstore bad: boom"
        await one.failed(text)
        assert one.books() == {"SecretStore/bad": [], "SecretStore/store": ["a", "b"]}
        told = (
            f"{text} [written: SecretStore/store: a, SecretStore/store: b; "
            "not written: SecretStore/bad: a, SecretStore/bad: b]"
        )
        await one.one.until(lambda: one.events("Errored") == [told])
        sent = len([push for push in backend.pushes if push.store == "team/store"])
        await one.clock.advance(2.0)
        await one.one.idle()
        assert len([push for push in backend.pushes if push.store == "team/store"]) == sent, "what is there is not sent"


@pytest.mark.parametrize(
    ("size", "most"),
    [
        pytest.param(10, 20, id="small values go to all stores at once"),
        pytest.param(900_000, MOST_SENT // (COPIES * 900_000), id="large ones to a few at a time"),
    ],
)
async def test_what_one_object_has_on_its_way_is_bounded_and_counted(api: FakeApiServer, size: int, most: int) -> None:
    names = [f"store-{n}" for n in range(20)]
    put_world(api, stores=[{"name": name} for name in names], source="large")
    put_source(api, "large", key="x" * size)
    for name in names:
        put_store(api, name, ready=True)
    backend, held = Pushable(), list[int]()
    backend.hang = asyncio.Event()
    async with pushing(api, backend=backend) as one:
        await until(lambda: len(backend.pushes) >= most)
        await settle()
        assert len(backend.pushes) == most
        held.append(one.one.operator.memory.used)
        backend.hang.set()
        await one.synced()
        assert len(backend.pushes) == len(names)
        assert held[0] >= most * COPIES * size
        assert one.one.operator.memory.used == 0


async def test_a_push_that_fails_part_way_says_what_is_in(api: FakeApiServer) -> None:
    put_world(api, data=[entry("key", "a"), entry("missing", "b"), entry("key", "c")])
    async with pushing(api) as one:
        await one.failed("set secret failed: secret key missing does not exist")
        assert one.books() == {"SecretStore/store": ["a"]}
        told = (
            "set secret failed: secret key missing does not exist [written: SecretStore/store: a; "
            "not written: SecretStore/store: b, SecretStore/store: c] (add the key to the source, or to template)"
        )
        await one.one.until(lambda: one.events("Errored") == [told])


async def test_what_was_there_before_is_not_told_as_written(api: FakeApiServer) -> None:
    put_world(api, updatePolicy="IfNotExists", data=[entry("key", "there"), entry("key", "new")])
    backend = Pushable()
    backend.remote["team/store", "there", ""] = b"theirs"
    backend.push_error = BOOM
    async with pushing(api, backend=backend) as one:
        await one.failed()
        await one.one.until(lambda: bool(one.events("Errored")))
        text = "set secret failed: could not write remote ref key to target secretstore store: boom"
        assert one.events("Errored")[0].startswith(f"{text} [not written: SecretStore/store: new]")


async def test_a_value_that_a_backend_quotes_is_not_told(api: FakeApiServer) -> None:
    put_world(api)
    put_source(api, key="correct horse")
    backend = Pushable()
    backend.push_error = Denied("cannot store correct horse here")
    async with pushing(api, backend=backend) as one:
        await one.failed()
        assert "correct horse" not in str(one.get()) + str(one.one.events()) + str(one.one.log.lines)


async def test_p_178_a_remote_entry_that_is_written_by_somebody_else_is_tried_again_without_a_condition(
    api: FakeApiServer,
) -> None:
    """P-178 for every provider that says so."""
    put_world(api)
    backend = Pushable()
    backend.push_error = Busy("locked")
    async with pushing(api, backend=backend) as one:
        await one.one.until(lambda: backend.pushes)
        await one.one.idle()
        assert one.said() == ("", "", "")
        backend.push_error = None
        await one.clock.advance(2.0)
        await one.synced()


# --- update policy


# P-055, P-056, P-057
async def test_p_055_p_056_p_057_if_not_exists(api: FakeApiServer) -> None:
    put_world(api, updatePolicy="IfNotExists", data=[entry("key", "there"), entry("key", "new")])
    backend = Pushable()
    backend.remote["team/store", "there", ""] = b"theirs"
    async with pushing(api, backend=backend) as one:
        await one.synced()
        assert one.said()[2] == "PushSecret synced successfully. Existing secrets in providers unchanged."
        assert (backend.at("there"), backend.at("new")) == (b"theirs", b"value")
        assert one.books() == {"SecretStore/store": ["new", "there"]}
        put_source(api, key="second")
        await one.one.until(lambda: len(backend.asked) == 4)
        assert backend.at("new") == b"value"


# P-058
async def test_p_058_existence_that_cannot_be_told(api: FakeApiServer) -> None:
    put_world(api, updatePolicy="IfNotExists")
    backend = Pushable()
    backend.exists_error = Denied("don't know")
    async with pushing(api, backend=backend) as one:
        await one.failed("set secret failed: could not verify if secret exists in store: don't know")
        assert backend.pushes == []


# P-085
async def test_p_085_what_was_there_before_is_not_deleted(api: FakeApiServer) -> None:
    """Ours: the reference deletes it."""
    data = [entry("key", "there"), entry("key", "new")]
    put_world(api, updatePolicy="IfNotExists", deletionPolicy="Delete", data=data)
    backend = Pushable()
    backend.remote["team/store", "there", ""] = b"theirs"
    async with pushing(api, backend=backend) as one:
        await one.synced()
        assert sorted(backend.asked) == [("team/store", "new", ""), ("team/store", "there", "")], "each once"
        one.delete()
        await one.gone()
        assert backend.deletes == [("team/store", "new", "")] and backend.at("there") == b"theirs"


async def test_an_entry_that_somebody_else_had_is_written_down_as_ours_before_it_is_made_anew(
    api: FakeApiServer,
) -> None:
    put_world(api, updatePolicy="IfNotExists", deletionPolicy="Delete")
    backend, seen = Pushable(), list[Any]()
    backend.remote["team/store", "path/to/key", ""] = b"theirs"

    def marked() -> bool:
        entry = one.status()["syncedPushSecrets"]["SecretStore/store"]["path/to/key"]
        return "extensions.external-secrets.io/found" in (entry.get("metadata") or {})

    async with pushing(api, backend=backend) as one:
        await one.synced()
        assert marked() and backend.pushes == []
        backend.before_push = lambda sent: seen.append(marked())
        del backend.remote["team/store", "path/to/key", ""]
        await one.clock.advance(3700.0)
        await one.one.until(lambda: len(backend.pushes) == 1)
        await one.one.idle()
        assert seen == [False] and not marked()
        one.delete()
        await one.gone()
        assert backend.remote == {}


# --- refresh


# P-059, P-039
async def test_p_059_p_039_a_new_value_is_pushed_at_once(api: FakeApiServer) -> None:
    """Ours: the reference waits for the interval."""
    put_world(api)
    async with pushing(api) as one:
        await one.synced()
        put_source(api, key="second")
        await one.one.until(lambda: one.backend.at("path/to/key") == b"second")
        await one.one.idle()
        assert len(one.backend.pushes) == 2


def test_ten_pushes_follow_news_at_once_and_then_one_each_ten_seconds() -> None:
    pace, now, waits = Pace(), START, []
    for _ in range(13):
        waits.append(pace.wait(now))
        now += timedelta(seconds=pace.wait(now))
        pace = pace.spent(now)
    assert waits == [0.0] * 10 + [10.0] * 3
    assert pace.wait(now - timedelta(hours=1)) == 10.0, "a clock that was set back gives nothing"
    assert pace.wait(now + timedelta(hours=1)) == 0.0


async def test_a_push_that_changes_its_own_source_is_held_to_a_pace(api: FakeApiServer) -> None:
    """As with a store that leads back into the namespace, and a template that adds to the value."""
    put_world(api)
    backend, number = Pushable(), [0]

    def feed(sent: Any) -> None:
        number[0] += 1
        put_source(api, key=f"value-{number[0]}")

    backend.before_push = feed
    async with pushing(api, backend=backend) as one:
        await one.synced()
        await one.one.until(lambda: bool(one.events("TooManyChanges")))
        await one.one.idle()
        assert len(backend.pushes) <= 12
        for _ in range(10):
            await one.clock.advance(10.0)
            await one.one.idle()
        assert 15 <= len(backend.pushes) <= 24 and len(one.events("TooManyChanges")) == 1
        backend.before_push = lambda sent: None
        for _ in range(4):
            await one.clock.advance(10.0)
            await one.one.idle()
        assert backend.at("path/to/key") == f"value-{number[0]}".encode(), "what was held back is pushed"
        for _ in range(12):
            await one.clock.advance(10.0)
        put_source(api, key="at once")
        await one.one.until(lambda: backend.at("path/to/key") == b"at once")


async def test_a_source_that_was_touched_without_a_change_sends_nothing(api: FakeApiServer) -> None:
    put_world(api)
    async with pushing(api) as one:
        await one.synced()
        put_source(api)
        await one.one.until(lambda: one.one.passes("pushsecret") == 2)
        await one.one.idle()
        assert len(one.backend.pushes) == 1


async def test_a_source_by_label_is_seen_when_it_gets_the_label_and_when_it_loses_it(api: FakeApiServer) -> None:
    rule = [{"storeRef": {"name": "store"}}]
    put_world(api, selector=LABELLED, data=None, dataTo=rule, deletionPolicy="Delete")
    put_source(api, "one", a="1")
    async with pushing(api) as one:
        await one.synced()
        assert one.backend.keys() == []
        put_source(api, "one", a="1", labels={"foo": "bar"})
        await one.one.until(lambda: one.backend.keys() == ["a"])
        put_source(api, "one", a="1", labels={"foo": "no"})
        await one.one.until(lambda: one.backend.keys() == [])


# P-060
async def test_p_060_a_status_alone_wakes_nobody(api: FakeApiServer) -> None:
    put_world(api)
    async with pushing(api) as one:
        await one.synced()
        passes = one.one.passes("pushsecret")
        one.edit({"status": {"syncedResourceVersion": "odd"}})
        await one.one.until(lambda: one.one.knows(PUSH_SECRETS, "ps"))
        await one.one.idle()
        assert one.one.passes("pushsecret") == passes


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param({"metadata": {"labels": {"a": "b"}}}, id="P-061 a label"),
        pytest.param({"metadata": {"annotations": {"a": "b"}}}, id="P-061 an annotation"),
        pytest.param({"spec": {"refreshInterval": "2h"}}, id="P-061 the spec"),
    ],
)
async def test_an_edit_compares_every_value_with_the_backend(api: FakeApiServer, patch: dict[str, Any]) -> None:
    put_world(api)
    async with pushing(api) as one:
        await one.synced()
        one.backend.remote["team/store", "path/to/key", ""] = b"drifted"
        await one.clock.advance(10.0)
        one.edit(patch)
        await one.one.until(lambda: one.backend.at("path/to/key") == b"value")


async def recorded(api: FakeApiServer, minutes: int = 10, **spec: Any) -> None:
    """A PushSecret that another process synced some minutes ago, from a source that is older."""
    put_store(api, ready=True)
    put_source(api, at="2026-05-01T10:00:00Z")
    put_push(api, **spec)
    version = fingerprint(api)
    status = {
        "refreshTime": (START - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "syncedResourceVersion": version,
        "syncedPushSecrets": {"SecretStore/store": {"path/to/key": entry("key", "path/to/key")}},
        "conditions": [{"type": "Ready", "status": "True", "reason": "Synced", "message": OK[2]}],
    }
    api.edit(PUSH_SECRETS, "team", "ps", {"status": status})


# P-062
async def test_p_062_a_restart_pushes_nothing_that_is_not_due(api: FakeApiServer) -> None:
    await recorded(api)
    async with pushing(api) as one:
        await one.one.until(lambda: one.one.passes("pushsecret") == 1)
        await one.one.idle()
        assert one.backend.calls_of_writes() == 0 and one.one.written(PUSH_SECRETS) == []
        await one.clock.advance(50 * 60 + 4.0)
        await one.one.idle()
        assert one.backend.calls_of_writes() == 0
        await one.clock.advance(2.0)
        await one.one.until(lambda: len(one.backend.pushes) == 1)


async def test_a_source_that_changed_while_no_process_ran_is_pushed_at_the_start(api: FakeApiServer) -> None:
    await recorded(api)
    put_source(api, key="second", at="2026-05-01T11:55:00Z")
    async with pushing(api) as one:
        await one.one.until(lambda: one.backend.at("path/to/key") == b"second")


async def test_an_entry_that_is_missing_in_the_status_is_pushed_at_the_start(api: FakeApiServer) -> None:
    await recorded(api)
    api.edit(
        PUSH_SECRETS, "team", "ps", {"status": {"syncedPushSecrets": {"SecretStore/store": {"path/to/key": None}}}}
    )
    async with pushing(api) as one:
        await one.one.until(lambda: len(one.backend.pushes) == 1)


@pytest.mark.parametrize(
    ("status", "pushes"),
    [
        pytest.param({"syncedPushSecrets": None}, 0, id="nothing was recorded: nothing is written"),
        pytest.param({}, 1, id="what was recorded is cleaned up"),
    ],
)
async def test_sources_by_label_that_are_all_gone_at_the_start(
    api: FakeApiServer, status: dict[str, Any], pushes: int
) -> None:
    await recorded(api, selector=LABELLED, deletionPolicy="Delete", finalizers=[FINALIZER])
    api.edit(PUSH_SECRETS, "team", "ps", {"status": status})
    async with pushing(api) as one:
        await one.one.until(lambda: one.one.passes("pushsecret") == 1)
        await one.one.idle()
        assert len(one.backend.deletes) == pushes and one.books() == {}
        assert len(one.one.written(PUSH_SECRETS, "status")) == pushes


# P-063, P-064
async def test_p_063_p_064_interval_zero(api: FakeApiServer) -> None:
    put_world(api, refreshInterval="0s")
    async with pushing(api) as one:
        await one.synced()
        put_source(api, key="second")
        await one.clock.advance(7200.0)
        await one.one.idle()
        assert len(one.backend.pushes) == 1, "it is pushed when the object changes, not when its source does"
        one.edit({"metadata": {"annotations": {"a": "b"}}})
        await one.one.until(lambda: one.backend.at("path/to/key") == b"second")


async def test_at_its_interval_every_value_is_compared_with_the_backend(api: FakeApiServer) -> None:
    put_world(api)
    async with pushing(api) as one:
        await one.synced()
        one.backend.remote.clear()
        await one.clock.advance(3599.0)
        assert one.backend.keys() == []
        await one.clock.advance(10.0)
        await one.one.until(lambda: one.backend.keys() == ["path/to/key"])
        await one.one.idle()
        assert one.status()["refreshTime"] > START.strftime("%Y-%m-%dT%H:%M:%SZ")
        assert len(one.events("Synced")) == 1, "nothing new is told"


# P-066, P-067
async def test_p_066_p_067_a_failure_keeps_what_was_and_moves_the_transition_once(api: FakeApiServer) -> None:
    put_world(api)
    async with pushing(api) as one:
        await one.synced()
        before = one.status()
        one.backend.push_error = BOOM
        await one.clock.advance(30.0)
        put_source(api, key="second")
        await one.failed()
        moved = one.ready()["lastTransitionTime"]
        assert moved > before["conditions"][0]["lastTransitionTime"]
        assert one.status()["refreshTime"] == before["refreshTime"]
        assert one.status()["syncedResourceVersion"] == before["syncedResourceVersion"]
        assert one.books() == HELD
        pushes = len(one.backend.pushes)
        await one.clock.advance(2.0)
        await one.one.until(lambda: len(one.backend.pushes) > pushes)
        await one.one.idle()
        assert one.ready()["lastTransitionTime"] == moved
        one.backend.push_error = None
        await one.clock.advance(60.0)
        await one.synced()
        assert one.ready()["lastTransitionTime"] > moved


async def test_an_interval_that_is_none_fails_its_own_object_only(api: FakeApiServer) -> None:
    """Ours: in the reference it stops every PushSecret."""
    put_world(api, refreshInterval="soon")
    put_push(api, "fine")
    async with pushing(api) as one:
        await one.synced("fine")
        await one.failed('invalid spec.refreshInterval "soon": time: invalid duration "soon"')


async def test_many_objects_on_few_remote_keys_send_each_value_once(api: FakeApiServer) -> None:
    put_store(api, "shared", "", ready=True)
    for n in range(10):
        put_source(api, namespace=f"team-{n}")
        for m in range(5):
            stores = [{"name": "shared", "kind": "ClusterSecretStore"}]
            put_push(api, f"ps-{m}", f"team-{n}", stores=stores, data=[entry("key", f"key-{m}")])
    async with pushing(api) as one:
        for n in range(10):
            for m in range(5):
                await one.synced(f"ps-{m}", f"team-{n}")
        assert len(one.backend.pushes) == 5
        await one.clock.advance(3700.0)
        await one.one.idle()
        assert len(one.backend.pushes) <= 10, "at the interval each value is compared once"


async def test_a_generator_is_not_asked_before_it_is_due(api: FakeApiServer) -> None:
    await recorded(api, selector={"generatorRef": {"kind": "Fake", "name": "g"}})
    async with pushing(api) as one:
        await one.one.until(lambda: one.one.passes("pushsecret") == 1)
        await one.one.idle()
        assert one.said() == OK
        put_store(api, labels={"a": "b"})
        await one.one.until(lambda: one.one.passes("pushsecret") == 2)
        await one.one.idle()
        assert one.said() == OK
        await one.clock.advance(51 * 60.0)
        await one.failed("could not get source secret")


# --- deletion


# P-070, P-072
async def test_p_070_p_072_deletion_removes_what_was_pushed(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete", data=[entry("key", "a"), entry("key", "b", "p")])
    async with pushing(api) as one:
        await one.synced()
        assert one.finalizers() == [FINALIZER]
        assert (one.get() or {})["metadata"]["generation"] == 1, "the finalizer alone was written"
        one.delete()
        await one.gone()
        assert one.backend.remote == {}
        assert one.backend.deletes == [("team/store", "a", ""), ("team/store", "b", "p")]


# P-071
async def test_p_071_policy_none_takes_the_finalizer_off(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete")
    async with pushing(api) as one:
        await one.synced()
        one.spec(deletionPolicy="None")
        await one.one.until(lambda: one.finalizers() == [])
        one.delete()
        await one.gone()
        assert one.backend.keys() == ["path/to/key"] and one.backend.deletes == []


# P-073
async def test_p_073_a_deletion_that_fails_holds_the_object(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete")
    put_namespace(api)
    async with pushing(api) as one:
        await one.synced()
        one.backend.delete_error = Denied("Nope")
        one.delete()
        await one.failed("Failed to Delete Secrets from Provider: Nope")
        assert one.finalizers() == [FINALIZER] and one.books() == HELD
        one.backend.delete_error = None
        await one.clock.advance(5.0)
        await one.gone()


# P-074, P-075
async def test_p_074_p_075_a_renamed_remote_key(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete")
    async with pushing(api) as one:
        await one.synced()
        one.backend.delete_error = Denied("Nope")
        one.spec(data=[entry("key", "new-key")])
        await one.failed("Failed to Delete Secrets from Provider: Nope")
        assert one.books() == {"SecretStore/store": ["new-key", "path/to/key"]}
        one.backend.delete_error = None
        await one.clock.advance(5.0)
        await one.synced()
        assert one.books() == {"SecretStore/store": ["new-key"]} and one.backend.keys() == ["new-key"]


# P-076
async def test_p_076_a_property_that_is_dropped(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete", data=[entry("key", "p", "field1"), entry("key", "p", "field2")])
    async with pushing(api) as one:
        await one.synced()
        one.spec(data=[entry("key", "p", "field1")])
        await one.one.until(lambda: one.books() == {"SecretStore/store": ["p/field1"]})
        assert one.backend.deletes == [("team/store", "p", "field2")]


# P-077, P-078
async def test_p_077_p_078_another_store(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete")
    put_store(api, "new-store", ready=True)
    async with pushing(api) as one:
        await one.synced()
        one.backend.delete_error = BOOM
        one.spec(secretStoreRefs=[{"name": "new-store"}])
        await one.failed("Failed to Delete Secrets from Provider: boom")
        assert sorted(one.books()) == ["SecretStore/new-store", "SecretStore/store"]
        one.backend.delete_error = None
        await one.clock.advance(5.0)
        await one.synced()
        assert sorted(one.books()) == ["SecretStore/new-store"] and one.backend.keys() == []


# P-079
async def test_p_079_the_source_is_deleted_and_comes_back(api: FakeApiServer) -> None:
    """Ours: the deletion and the return are seen at once."""
    put_world(api, deletionPolicy="Delete")
    async with pushing(api) as one:
        await one.synced()
        api.remove(SECRETS, "team", "source")
        await one.failed("source secret deleted; provider secrets cleaned up")
        assert one.said()[1] == "SourceDeleted" and one.books() == {} and one.backend.remote == {}
        await one.clock.advance(7200.0)
        await one.one.idle()
        assert one.said()[1] == "SourceDeleted"
        put_source(api, key="second")
        await one.synced()
        assert one.backend.at("path/to/key") == b"second"


# P-080
async def test_p_080_the_source_is_deleted_and_its_remote_entries_cannot_be(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete")
    async with pushing(api) as one:
        await one.synced()
        one.backend.delete_error = BOOM
        api.remove(SECRETS, "team", "source")
        await one.failed("failed to cleanup provider secrets: boom")
        assert one.books() == HELD


# P-081
async def test_p_081_the_source_is_deleted_with_policy_none(api: FakeApiServer) -> None:
    put_world(api)
    async with pushing(api) as one:
        await one.synced()
        api.remove(SECRETS, "team", "source")
        await one.failed("could not get source secret")
        assert one.books() == HELD and one.backend.keys() == ["path/to/key"]


# P-082
async def test_p_082_the_source_never_existed(api: FakeApiServer) -> None:
    put_store(api, ready=True)
    put_push(api, deletionPolicy="Delete")
    async with pushing(api) as one:
        await one.failed("could not get source secret")


# P-083
async def test_p_083_policy_none_never_deletes(api: FakeApiServer) -> None:
    put_world(api)
    async with pushing(api) as one:
        await one.synced()
        one.spec(data=[entry("key", "new-key")])
        await one.one.until(lambda: one.books() == {"SecretStore/store": ["new-key"]})
        assert one.backend.keys() == ["new-key", "path/to/key"] and one.backend.deletes == []


# P-084
async def test_p_084_the_store_was_removed_by_force(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete")
    put_namespace(api)
    async with pushing(api) as one:
        await one.synced()
        await one.one.until(one.held)
        api.edit(SECRET_STORES, "team", "store", {"metadata": {"finalizers": None}})
        end(api, SECRET_STORES, "team", "store")
        await one.one.until(lambda: api.get(SECRET_STORES, "team", "store") is None)
        await one.one.idle()
        assert one.said() == OK, "a store that is gone wakes nobody"
        one.delete()
        await one.failed(
            "Failed to Delete Secrets from Provider: could not get secrets client for store SecretStore/store: "
            'could not get SecretStore "store", SecretStore.external-secrets.io "store" not found'
        )
        assert one.finalizers() == [FINALIZER]
        put_store(api, ready=True)
        await one.gone()


# P-138
async def test_p_138_a_key_that_no_rule_matches_any_more(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete", data=None, dataTo=[{"storeRef": {"name": "store"}}])
    put_source(api, a="1", b="2")
    async with pushing(api) as one:
        await one.synced()
        put_source(api, a="1")
        await one.one.until(lambda: one.backend.keys() == ["a"] and one.books() == {"SecretStore/store": ["a"]})


async def test_a_remote_entry_that_another_object_still_pushes_stays(api: FakeApiServer) -> None:
    """Ours: in the reference the first deletion takes it."""
    put_world(api, deletionPolicy="Delete")
    put_push(api, "second", deletionPolicy="Delete")
    async with pushing(api) as one:
        await one.synced()
        await one.synced("second")
        one.delete()
        await one.gone()
        assert one.backend.keys() == ["path/to/key"] and one.backend.deletes == []
        one.delete("second")
        await one.gone("second")
        assert one.backend.keys() == []


async def test_two_objects_that_go_together_leave_nothing(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete")
    put_push(api, "second", deletionPolicy="Delete")
    async with pushing(api) as one:
        await one.synced()
        await one.synced("second")
        one.delete()
        one.delete("second")
        await one.gone()
        await one.gone("second")
        assert one.backend.keys() == []


async def test_a_terminating_object_of_policy_none_stops_pushing(api: FakeApiServer) -> None:
    """Ours: the reference goes on."""
    put_world(api, finalizers=["example.com/hold"])
    async with pushing(api) as one:
        await one.synced()
        one.delete()
        await one.one.until(lambda: "deletionTimestamp" in (one.get() or {})["metadata"])
        put_source(api, key="second")
        await one.clock.advance(7200.0)
        await one.one.idle()
        assert len(one.backend.pushes) == 1


async def test_what_is_about_to_be_sent_is_written_down_first(api: FakeApiServer) -> None:
    """A process that ends in between leaves a record of what may be there."""
    put_world(api, deletionPolicy="Delete")
    backend, seen = Pushable(), []
    async with pushing(api, backend=backend) as one:
        backend.before_push = lambda sent: seen.append(one.books())
        await one.synced()
        put_push(api, "third", deletionPolicy="Delete", data=[entry("key", "other")])
        await one.synced("third")
    assert HELD in seen


@pytest.mark.parametrize(
    ("error", "books"),
    [
        pytest.param(Denied("no"), [], id="refused: nothing is there"),
        pytest.param(Timeout("no answer"), ["path/to/key"], id="no answer: it may be there"),
    ],
)
async def test_a_push_that_fails_is_recorded_where_it_may_have_arrived(
    api: FakeApiServer, error: Exception, books: list[str]
) -> None:
    put_world(api, deletionPolicy="Delete")
    backend = Pushable()
    backend.push_error = error  # type: ignore[assignment]  # an EsoError
    async with pushing(api, backend=backend) as one:
        await one.failed()
        assert one.books() == {"SecretStore/store": books}


# --- namespaces that go


def put_namespace(api: FakeApiServer, name: str = "team", *, going: bool = False) -> None:
    meta: dict[str, Any] = {"name": name, "labels": {"kubernetes.io/metadata.name": name}}
    api.put(NAMESPACES, {"metadata": meta | ({"finalizers": ["kubernetes"]} if going else {})})
    if going:
        end(api, NAMESPACES, "", name)


async def test_a_namespace_that_goes_is_not_held_and_what_stays_is_named(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete")
    put_namespace(api)
    async with pushing(api) as one:
        await one.synced()
        one.backend.delete_error = Unavailable("down")
        put_namespace(api, going=True)
        one.delete()
        await one.failed()
        assert one.get() is not None, "it may answer in a moment"
        for _ in range(4):
            await one.clock.advance(10.0)
            await one.one.idle()
        await one.gone()
        await one.one.until(lambda: len(one.events("RemoteSecretsLeft")) >= 3)
        told = [event for event in one.one.events() if event["reason"] == "RemoteSecretsLeft"]
        assert {event["involvedObject"]["kind"] for event in told} == {"PushSecret", "Namespace", "SecretStore"}
        assert all("SecretStore/store: path/to/key" in event["message"] for event in told)


@pytest.mark.parametrize(
    "error",
    [pytest.param(Throttled("slowly"), id="it throttles"), pytest.param(Unavailable("down"), id="it is down")],
)
async def test_a_backend_that_answers_again_before_the_namespace_is_gone_is_cleaned_up(
    api: FakeApiServer, error: Any
) -> None:
    put_world(api, deletionPolicy="Delete")
    put_namespace(api)
    async with pushing(api) as one:
        await one.synced()
        one.backend.delete_error = error
        put_namespace(api, going=True)
        one.delete()
        await one.failed()
        one.backend.delete_error = None
        await one.clock.advance(6.0)
        await one.gone()
        assert one.backend.remote == {} and one.events("RemoteSecretsLeft") == []


@pytest.mark.parametrize("error", [Terminal("never"), Denied("no"), AuthRejected("who are you")], ids=type)
async def test_an_answer_that_no_second_try_can_change_holds_no_namespace(api: FakeApiServer, error: Any) -> None:
    put_world(api, deletionPolicy="Delete")
    put_namespace(api)
    async with pushing(api) as one:
        await one.synced()
        one.backend.delete_error = error
        put_namespace(api, going=True)
        one.delete()
        await one.gone()
        await one.one.until(lambda: len(one.events("RemoteSecretsLeft")) >= 3)


@pytest.mark.parametrize("error", [Denied("no"), Unavailable("down")], ids=["it backs off", "it waits at a gate"])
async def test_a_deletion_that_waits_is_woken_when_its_namespace_goes(api: FakeApiServer, error: Any) -> None:
    put_world(api, deletionPolicy="Delete")
    put_namespace(api)
    async with pushing(api) as one:
        await one.synced()
        one.backend.delete_error = error
        one.delete()
        await one.failed()
        for _ in range(12):  # the next try is minutes away
            await one.clock.advance(60.0)
            await one.one.idle()
        one.backend.delete_error = None
        put_namespace(api, going=True)
        await one.gone()
        assert one.backend.remote == {}


@pytest.mark.parametrize("error", [NotYet("soon"), Busy("another writes"), Throttled("slowly")], ids=type)
async def test_a_deletion_that_failed_often_holds_its_namespace_no_longer_than_others(
    api: FakeApiServer, error: Any
) -> None:
    put_world(api, deletionPolicy="Delete")
    put_namespace(api)
    async with pushing(api) as one:
        await one.synced()
        one.backend.delete_error = error
        one.delete()
        await one.failed()
        for _ in range(20):  # the next try is minutes away
            await one.clock.advance(60.0)
            await one.one.idle()
        meta = {"name": "team", "finalizers": ["kubernetes"], "deletionTimestamp": rfc3339(one.clock.now())}
        api.put(NAMESPACES, {"metadata": meta})
        for _ in range(8):
            await one.clock.advance(5.0)
            await one.one.idle()
        await one.gone()


async def test_a_deletion_at_a_closed_gate_notices_that_the_namespace_goes(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete")
    put_namespace(api)
    async with pushing(api) as one:
        await one.synced()
        one.backend.delete_error = Unavailable("down")
        one.delete()
        await one.failed()
        put_namespace(api, going=True)
        for _ in range(10):
            await one.clock.advance(60.0)
            await one.one.idle()
        await one.gone()


# --- templates


# P-100, P-101, P-103
async def test_p_100_p_101_p_103_a_template_adds_to_the_source(api: FakeApiServer) -> None:
    template = {
        "data": {
            "key": "{{ .key | toString | upper }} was templated",
            "otherKey": "{{ .key | toString | upper }} was also templated",
        }
    }
    data = [entry("key", "a"), entry("otherKey", "b"), entry("plain", "c")]
    put_world(api, template=template, data=data)
    put_source(api, key="value", plain="p")
    async with pushing(api) as one:
        await one.synced()
        values = [one.backend.at(key) for key in "abc"]
        assert values == [b"VALUE was templated", b"VALUE was also templated", b"p"]


# P-102
async def test_p_102_a_rule_sees_what_the_template_added(api: FakeApiServer) -> None:
    template = {"data": {"mysql-connection": "{{ .db_host }}:{{ .db_port }}"}}
    rule = {"storeRef": {"name": "store"}, "match": {"regexp": ".*-connection$"}}
    put_world(api, template=template, data=None, dataTo=[rule])
    put_source(api, db_host="h", db_port="1")
    async with pushing(api) as one:
        await one.synced()
        assert one.backend.remote == {("team/store", "mysql-connection", ""): b"h:1"}


# P-104
async def test_p_104_a_broken_template_is_told(api: FakeApiServer) -> None:
    """Ours: the reference says nothing."""
    put_world(api, template={"data": {"x": "{{ .nope }}"}})
    async with pushing(api) as one:
        await one.failed()
        assert one.said()[2].startswith("could not apply template: could not execute template: ")
        one.spec(template={"data": {"x": "{{ .key }}"}})
        await one.synced()


@pytest.mark.parametrize("turn", ["upper", "b32enc", "b64enc", "lower", "substr 2 12", 'printf "%x"'])
async def test_a_key_that_a_template_made_of_a_value_stands_in_no_status(api: FakeApiServer, turn: str) -> None:
    text = f'"x-{{{{ .secret | {turn} }}}}": y\nplain-{{{{ "key" }}}}: z'
    rule = {"storeRef": {"name": "store"}}
    put_world(api, template={"templateFrom": [{"literal": text}]}, data=None, dataTo=[rule])
    put_source(api, secret="Zq7kWmXp42TvRn9Lbd")
    async with pushing(api) as one:
        await one.failed()
        assert "repeats a part of a value" in one.said()[2]
        assert not one.status().get("syncedPushSecrets")
        one.spec(template={"templateFrom": [{"literal": 'plain-{{ "key" }}: z\nwritten: "{{ .secret }}"'}]})
        await one.synced()
        assert ("team/store", "plain-key", "") in one.backend.remote


async def test_a_template_source_that_changes_is_pushed_at_once(api: FakeApiServer) -> None:
    source = {"configMap": {"name": "texts", "items": [{"key": "t"}]}}
    put_world(api, template={"templateFrom": [source]}, data=[entry("t", "t")])
    async with pushing(api) as one:
        text = 'could not apply template: error fetching templateFrom data: configmaps "texts" not found'
        await one.failed(text)
        api.put(CONFIG_MAPS, {"metadata": {"name": "texts", "namespace": "team"}, "data": {"t": "one {{ .key }}"}})
        await one.synced()
        assert one.backend.at("t") == b"one value"
        api.put(CONFIG_MAPS, {"metadata": {"name": "texts", "namespace": "team"}, "data": {"t": "two {{ .key }}"}})
        await one.one.until(lambda: one.backend.at("t") == b"two value")


# --- the finalizer of stores


# P-090
async def test_p_090_to_p_094_a_store_is_held_as_long_as_it_is_needed(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete")
    put_namespace(api)
    async with pushing(api) as one:
        await one.synced()
        await one.one.until(one.held)
        end(api, SECRET_STORES, "team", "store")
        await one.one.idle()
        assert api.get(SECRET_STORES, "team", "store") is not None, "P-093 it is held"
        one.delete()
        await one.gone()
        await one.one.until(lambda: api.get(SECRET_STORES, "team", "store") is None)
        assert one.backend.keys() == []


# P-091
async def test_p_091_policy_none_holds_no_store(api: FakeApiServer) -> None:
    put_world(api)
    async with pushing(api) as one:
        await one.synced()
        assert not one.held()


# P-092, P-095
async def test_p_092_p_095_the_last_consumer_lets_the_store_go(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete")
    put_push(api, "second", deletionPolicy="Delete", data=[entry("key", "other")])
    async with pushing(api) as one:
        await one.synced()
        await one.synced("second")
        await one.one.until(one.held)
        one.delete()
        await one.gone()
        assert one.held()
        one.delete("second")
        await one.one.until(lambda: not one.held())


# P-096
async def test_p_096_policy_none_lets_the_store_go(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete", stores=[{"labelSelector": {"matchLabels": {"a": "b"}}}])
    put_store(api, ready=True, labels={"a": "b"})
    async with pushing(api) as one:
        await one.synced()
        await one.one.until(one.held)
        one.spec(deletionPolicy="None")
        await one.one.until(lambda: not one.held())


async def test_a_cluster_store_is_held_too_and_let_go_at_the_next_start(api: FakeApiServer) -> None:
    put_store(api, "shared", "", ready=True)
    put_source(api)
    put_push(api, stores=[{"name": "shared", "kind": "ClusterSecretStore"}], deletionPolicy="Delete")
    async with pushing(api) as one:
        await one.synced()
        await one.one.until(lambda: one.held("shared", ""))
    api.edit(PUSH_SECRETS, "team", "ps", {"metadata": {"finalizers": None}})
    api.remove(PUSH_SECRETS, "team", "ps")
    async with pushing(api) as one:
        await one.one.until(lambda: not one.held("shared", ""))


async def test_a_store_that_stops_matching_loses_its_copy(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete", stores=[{"labelSelector": {"matchLabels": {"a": "b"}}}])
    put_store(api, ready=True, labels={"a": "b"})
    put_store(api, "other", ready=True, labels={"a": "b"})
    async with pushing(api) as one:
        await one.one.until(lambda: sorted(one.books()) == ["SecretStore/other", "SecretStore/store"])
        await one.one.idle()
        api.edit(SECRET_STORES, "team", "other", {"metadata": {"labels": {"a": "c"}}})
        await one.one.until(lambda: sorted(one.books()) == ["SecretStore/store"])
        assert one.backend.keys("team/other") == []
        await one.one.until(lambda: not one.held("other"))


# --- pauses and gates


async def test_a_paused_object_pushes_nothing_and_goes_on_when_the_pause_ends(api: FakeApiServer) -> None:
    put_world(api, annotations={"extensions.external-secrets.io/suspend": "true"})
    async with pushing(api) as one:
        await one.one.until(lambda: one.said()[1] == "Suspended")
        await one.one.idle()
        assert one.backend.pushes == []
        one.edit({"metadata": {"annotations": {"extensions.external-secrets.io/suspend": None}}})
        await one.synced()


async def test_a_closed_gate_parks_the_push_and_tells_it_once(api: FakeApiServer) -> None:
    put_world(api)
    async with pushing(api) as one:
        await one.synced()
        one.backend.push_error = one.backend.outage = one.backend.validate_error = Unavailable("down")
        for n in range(6):
            put_source(api, key=f"value-{n}")
            await one.clock.advance(2.0)
            await one.one.idle()
        await one.failed()
        told = len([w for w in one.one.written(PUSH_SECRETS, "status")])
        tried = len(one.backend.pushes)
        for _ in range(5):
            await one.clock.advance(5.0)
            await one.one.idle()
        assert len(one.one.written(PUSH_SECRETS, "status")) <= told + 1
        assert len(one.backend.pushes) <= tried + 6
        one.backend.push_error = one.backend.outage = one.backend.validate_error = None
        for _ in range(20):
            await one.clock.advance(30.0)
            await one.one.idle()
        await one.synced()
        assert one.backend.at("path/to/key") == b"value-5"


# --- metrics


def series(one: Pushing) -> list[str]:
    return [line for line in one.one.metrics().splitlines() if line.startswith("pushsecret_") and 'name="ps"' in line]


async def test_series_are_there_while_the_object_is(api: FakeApiServer) -> None:
    put_world(api)
    async with pushing(api) as one:
        await one.synced()
        assert [line for line in series(one) if 'status="True"' in line and line.endswith(" 1")]
        assert [line for line in series(one) if line.startswith("pushsecret_reconcile_duration")]
        one.delete()
        await one.gone()
        await one.one.until(lambda: series(one) == [])


async def test_without_the_reconciler_nothing_is_watched_and_no_store_is_held(api: FakeApiServer) -> None:
    put_world(api, deletionPolicy="Delete")
    async with pushing(api, "--enable-push-secret-reconciler=false") as one:
        await one.one.idle()
        assert one.status() == {} and not one.held() and one.finalizers() == []


# --- generators

STATE_SPEC = {"resource", "state"}  # of one that no deadline ends
FAKES = Resource("generators.external-secrets.io", "v1alpha1", "fakes", "Fake")
UUIDS = Resource("generators.external-secrets.io", "v1alpha1", "uuids", "UUID")


# P-036
async def test_p_036_a_generator_as_the_source(api: FakeApiServer) -> None:
    put_world(api, selector={"generatorRef": {"kind": "Fake", "name": "test"}})
    api.put(FAKES, {"metadata": {"name": "test", "namespace": "team"}, "spec": {"data": {"key": "made"}}})
    async with pushing(api) as one:
        await one.synced()
        assert one.backend.at("path/to/key") == b"made"
        assert one.backend.pushes[0].source.name == "___generated-secret"


# P-038
async def test_p_038_a_generator_makes_a_value_although_the_remote_exists(api: FakeApiServer) -> None:
    put_world(
        api,
        selector={"generatorRef": {"kind": "UUID", "name": "test"}},
        updatePolicy="IfNotExists",
        data=[entry("uuid", "path/to/key")],
    )
    api.put(UUIDS, {"metadata": {"name": "test", "namespace": "team"}, "spec": {}})
    backend = Pushable()
    backend.remote["team/store", "path/to/key", ""] = b"theirs"
    async with pushing(api, backend=backend) as one:
        await one.synced()
        asked = [request for request in api.requests if "/uuids/test" in request.path]
        assert asked and backend.at("path/to/key") == b"theirs"


async def test_a_generator_makes_one_value_per_due_time(api: FakeApiServer) -> None:
    put_world(api, selector={"generatorRef": {"kind": "UUID", "name": "test"}}, data=[entry("uuid", "path/to/key")])
    api.put(UUIDS, {"metadata": {"name": "test", "namespace": "team"}, "spec": {}})
    async with pushing(api) as one:
        await one.synced()
        first = one.backend.at("path/to/key")
        put_store(api, labels={"a": "b"})
        await one.clock.advance(1800.0)
        await one.one.idle()
        assert one.backend.at("path/to/key") == first
        await one.clock.advance(1810.0)
        await one.one.until(lambda: one.backend.at("path/to/key") != first)


async def test_a_generator_is_not_asked_while_its_store_is_missing(api: FakeApiServer) -> None:
    put_world(
        api,
        selector={"generatorRef": {"kind": "UUID", "name": "test"}},
        secretStoreRefs=[{"name": "later"}],
        data=[entry("uuid", "path/to/key")],
    )
    api.put(UUIDS, {"metadata": {"name": "test", "namespace": "team"}, "spec": {}})
    async with pushing(api) as one:
        await one.failed('could not get SecretStore "later", SecretStore.external-secrets.io "later" not found')
        await one.clock.advance(120.0)
        await one.one.idle()
        assert not [request for request in api.requests if "/uuids/test" in request.path], "nobody takes the value"
        put_store(api, name="later")
        await one.synced()
        assert [place[:2] for place in one.backend.remote] == [("team/later", "path/to/key")]


async def test_a_generator_is_not_asked_while_no_store_takes_anything(api: FakeApiServer) -> None:
    put_world(api, selector={"generatorRef": {"kind": "UUID", "name": "test"}}, data=[entry("uuid", "path/to/key")])
    api.put(UUIDS, {"metadata": {"name": "test", "namespace": "team"}, "spec": {}})
    backend = Pushable()
    backend.open_error = Unavailable("down")
    async with pushing(api, backend=backend) as one:
        await one.failed()
        assert "could not get secrets client for store store" in one.said()[2]
        await one.clock.advance(120.0)
        await one.one.idle()
        assert not [request for request in api.requests if "/uuids/test" in request.path], "nobody takes the value"
        backend.open_error = None
        await one.clock.advance(600.0)
        await one.synced()
        assert [place[:2] for place in one.backend.remote] == [("team/store", "path/to/key")]


async def test_a_generator_is_asked_for_the_store_that_takes_its_value_though_another_does_not(
    api: FakeApiServer,
) -> None:
    put_world(
        api,
        selector={"generatorRef": {"kind": "UUID", "name": "test"}},
        secretStoreRefs=[{"name": "store"}, {"name": "other"}],
        data=[entry("uuid", "path/to/key")],
    )
    put_store(api, name="other", ready=True)
    api.put(UUIDS, {"metadata": {"name": "test", "namespace": "team"}, "spec": {}})
    backend = Pushable()
    backend.open_error, backend.only = Unavailable("down"), "team/other"
    async with pushing(api, backend=backend) as one:
        await one.failed()
        assert [place[:2] for place in one.backend.remote] == [("team/store", "path/to/key")]


def put_state(api: FakeApiServer, name: str, at: str, owner: str = "ps") -> None:
    labels = {LABEL_OWNER_KEY: owner_key("PushSecret", "team", owner, "__pushsecret")}
    meta = {"name": name, "namespace": "team", "labels": labels, "creationTimestamp": at}
    spec = {"resource": {"kind": "GitlabDeployToken"}, "state": {"tokenID": 1}}
    api.put(GENERATOR_STATES, {"metadata": meta | {"finalizers": [FINALIZER_GENERATOR_STATE]}, "spec": spec})


@pytest.mark.parametrize(
    "selector",
    [{"secret": {"name": "source"}}, {"secret": {"selector": {"matchLabels": {"app": "shop"}}}}],
    ids=["a Secret", "Secrets by label"],
)
async def test_what_a_generator_left_behind_expires_once_a_secret_is_pushed_instead(
    api: FakeApiServer, selector: dict[str, Any]
) -> None:
    put_world(api, selector=selector)
    put_source(api, labels={"app": "shop"})
    for day in (1, 2, 3):
        put_state(api, f"gen-{day}", f"2026-04-0{day}T00:00:00Z")
    put_state(api, "gen-of-another", "2026-04-01T00:00:00Z", owner="other")
    backend = Pushable()
    backend.push_error = Unavailable("down")

    def expiring() -> list[str]:
        return [one["metadata"]["name"] for one in api.all(GENERATOR_STATES) if one["spec"].keys() > STATE_SPEC]

    async with pushing(api, backend=backend) as one:
        await one.one.until(lambda: one.said()[0] == "False")
        assert expiring() == [], "not before the Secret is there"
        backend.push_error = None
        await one.clock.advance(30.0)
        await one.synced()
        assert sorted(expiring()) == ["gen-1", "gen-2"]


async def test_a_backend_that_never_answers_is_told_once_the_time_of_the_pass_is_over(api: FakeApiServer) -> None:
    put_world(api)
    backend = Pushable()
    backend.hang = asyncio.Event()
    async with pushing(api, backend=backend) as one:
        await one.one.until(lambda: len(backend.pushes) == 1)
        await one.clock.advance(121.0)
        await one.one.until(lambda: one.said()[0] == "False")
        assert one.said()[2] == "the pass takes longer than 120 s"
        backend.hang.set()  # a try that is under way would hold up the end


@pytest.mark.parametrize("metadata", [{"n": 1 << 70}, "deep"], ids=["a number beyond 64 bits", "300 levels"])
async def test_metadata_that_cannot_be_written_down_is_told_and_nothing_is_sent(
    api: FakeApiServer, metadata: Any
) -> None:
    """Without a status nobody would ever delete what was pushed with it."""
    if metadata == "deep":
        metadata = {}
        for _ in range(300):
            metadata = {"a": metadata}
    put_world(api, data=[entry("key", "path/to/key", metadata=metadata)])
    async with pushing(api) as one:
        await one.failed("data[0].metadata: cannot be written down: too many levels, or a number beyond 64 bits")
        assert one.backend.pushes == []


async def test_more_entries_than_a_status_can_hold_are_not_sent(
    api: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(look, "MOST_ENTRIES", 3)
    put_world(
        api,
        secretStoreRefs=[{"name": "store"}, {"name": "other"}],
        data=[entry("key", "one"), entry("key", "two")],
    )
    put_store(api, name="other", ready=True)
    async with pushing(api) as one:
        await one.failed("more than 3 entries for all stores together: no status can hold them")
        assert one.backend.pushes == []


@pytest.mark.parametrize("interval", ["1ns", "1ms"])
async def test_an_interval_of_a_nanosecond_pushes_once_a_second(api: FakeApiServer, interval: str) -> None:
    put_world(api, refreshInterval=interval)
    async with pushing(api) as one:
        await one.synced()
        before = one.one.passes("pushsecret")
        await one.clock.advance(0.5)
        await one.one.idle()
        assert one.one.passes("pushsecret") <= before + 1
        await one.clock.advance(10.0)
        await one.one.until(lambda: one.one.passes("pushsecret") > before + 1)


@pytest.mark.parametrize("admitted", [True, False], ids=["it may use it", "it may not"])
async def test_a_store_of_the_cluster_waits_only_for_objects_that_may_use_it(
    api: FakeApiServer, admitted: bool
) -> None:
    put_store(api, "shared", "", ready=True, conditions=[{"namespaces": ["team" if admitted else "others"]}])
    put_store(api, ready=True)
    put_source(api)
    api.put(NAMESPACES, {"metadata": {"name": "team", "labels": {"kubernetes.io/metadata.name": "team"}}})
    stores = [{"kind": "ClusterSecretStore", "labelSelector": {}}, {"name": "store"}]
    put_push(api, stores=stores, deletionPolicy="Delete")
    async with pushing(api) as one:
        await one.one.until(lambda: one.said()[0] == ("True" if admitted else "False"))
        await one.one.until(lambda: one.held())
        if admitted:
            await one.one.until(lambda: one.held("shared", ""))
        await one.one.idle()
        assert one.held("shared", "") is admitted


async def test_entries_of_many_large_objects_begin_one_after_the_other(
    api: FakeApiServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes some of the loop's time; of twenty objects twenty began in each turn of it."""
    begun: list[str] = []
    step = LoopShare.step

    async def counted(self: LoopShare, owner: str) -> None:
        await step(self, owner)
        begun.append(owner)

    monkeypatch.setattr(LoopShare, "step", counted)
    monkeypatch.setattr(push, "MANY", 2)
    put_world(api, data=[entry("key", f"r{i}") for i in range(3)])
    put_push(api, "few", data=[entry("key", f"s{i}") for i in range(2)])
    async with pushing(api) as one:
        await one.synced()
        await one.synced("few")
        assert begun == ["team"] * 3 and len(one.backend.remote) == 5
