"""Push, delete and exists, on a fake of Secret Manager."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from eso.errors import EsoError
from eso.providers.contract import Busy, Denied, InvalidConfig, Push, Remote, Source, writes
from eso.providers.gcpsm.client import Client
from tests.fakes.backend import Fault
from tests.fakes.cancel import every_await
from tests.fakes.clock import until
from tests.fakes.gcp import LOCATION, PROJECT, FakeGoogle, Secret
from tests.unit.providers.gcpsm.conftest import World

OURS = {"managed-by": "external-secrets"}
SOURCE = Source({"password": b"planted", "user": b"me", "binary": b"\xff\x00"})
NAME = f"projects/{PROJECT}/secrets/app"


def entry(key: str = "app", name: str = "", secret_key: str = "password", **spec: Any) -> Push:
    envelope = {"apiVersion": "kubernetes.external-secrets.io/v1alpha1", "kind": "PushSecretMetadata", "spec": spec}
    return Push(Remote(key, name), secret_key, envelope if spec else None)


def secret(fake: FakeGoogle, name: str = NAME) -> Secret:
    return fake.secrets[name]


def written(fake: FakeGoogle) -> list[str]:
    """What was changed, by method and the end of the path."""
    return [f"{a.method} {a.path.rsplit('/', 1)[1]}" for a in fake.asked if a.method != "GET" and "/secrets" in a.path]


def values(fake: FakeGoogle, name: str = NAME) -> list[bytes]:
    return [version.data for version in secret(fake, name).versions]


# push


# P-175
async def test_p_175_a_new_secret_is_marked_as_ours_and_kept_everywhere(world: World) -> None:
    client = await world.open()
    assert writes(client) is client
    await client.push(entry(), SOURCE)
    assert secret(world.fake).body == {"labels": OURS, "replication": {"automatic": {}}}
    assert values(world.fake) == [b"planted"]
    assert written(world.fake) == ["POST secrets", "POST app:addVersion"]


async def test_a_push_without_a_key_writes_the_whole_source(world: World) -> None:
    client = await world.open()
    await client.push(entry(secret_key=""), Source({"b": b"<&>", "a": b"1"}))
    assert values(world.fake) == [b'{"a":"1","b":"<&>"}']


async def test_bytes_travel_as_they_are(world: World) -> None:
    client = await world.open()
    await client.push(entry(secret_key="binary"), SOURCE)
    assert values(world.fake) == [b"\xff\x00"]


async def test_a_key_that_the_source_does_not_have_writes_nothing(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^secret key nope does not exist$"):
        await client.push(entry(secret_key="nope"), SOURCE)
    assert written(world.fake) == []


# P-178
async def test_p_178_what_is_there_already_is_not_written_again(world: World) -> None:
    client = await world.open()
    await client.push(entry(), SOURCE)
    await client.push(entry(), SOURCE)
    assert values(world.fake) == [b"planted"]
    await client.push(entry(secret_key="user"), SOURCE)
    assert values(world.fake) == [b"planted", b"me"]


@pytest.mark.parametrize(
    ("spec", "replication"),
    [
        pytest.param({"replicationLocations": ["a", "b"]}, [{"location": "a"}, {"location": "b"}], id="places"),
        pytest.param(
            {"replicationLocation": "a", "cmekKeyName": "k"},
            [{"location": "a", "customerManagedEncryption": {"kmsKeyName": "k"}}],
            id="the older field and a key",
        ),
    ],
)
# P-175
async def test_p_175_where_a_new_secret_is_kept(world: World, spec: dict[str, Any], replication: list[Any]) -> None:
    client = await world.open()
    await client.push(entry(**spec), SOURCE)
    assert secret(world.fake).body["replication"] == {"userManaged": {"replicas": replication}}


# P-175
async def test_p_175_a_key_alone_encrypts_everywhere_and_topics_are_told(world: World) -> None:
    client = await world.open()
    await client.push(entry(CMEKKeyName="k", topics=["projects/shop/topics/t"]), SOURCE)
    assert secret(world.fake).body == {
        "labels": OURS,
        "topics": [{"name": "projects/shop/topics/t"}],
        "replication": {"automatic": {"customerManagedEncryption": {"kmsKeyName": "k"}}},
    }


# P-175
async def test_p_175_a_regional_secret_has_no_replication(world: World) -> None:
    client = await world.open(location=LOCATION)
    await client.push(entry(replicationLocations=["a"]), SOURCE)
    name = f"projects/{PROJECT}/locations/{LOCATION}/secrets/app"
    assert secret(world.fake, name).body == {"labels": OURS}
    assert values(world.fake, name) == [b"planted"]


# P-176
async def test_p_176_a_secret_of_somebody_else_is_left_alone(world: World) -> None:
    world.fake.put("app", b"theirs", labels={"managed-by": "somebody"})
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^secret app is not managed by external secrets$"):
        await client.push(entry(), SOURCE)
    assert written(world.fake) == []


@pytest.mark.parametrize(
    ("policy", "labels"),
    [
        pytest.param({}, {"a": "2", "b": "3", **OURS}, id="replaced"),
        pytest.param({"mergePolicy": "Replace"}, {"a": "2", "b": "3", **OURS}, id="replaced by name"),
        pytest.param({"mergePolicy": "Merge"}, {"a": "1", "b": "3", **OURS}, id="merged: what is there wins"),
    ],
)
# P-177
async def test_p_177_labels_and_annotations(world: World, policy: dict[str, str], labels: dict[str, str]) -> None:
    world.fake.put("app", b"planted", labels={"a": "1", **OURS}, annotations={"old": "x"})
    client = await world.open()
    pushed = entry(labels={"a": "2", "b": "3"}, annotations={"new": "y"}, **policy)
    await client.push(pushed, SOURCE)
    assert (secret(world.fake).labels, secret(world.fake).annotations) == (labels, {"new": "y"})
    assert written(world.fake) == ["PATCH app"]
    await client.push(pushed, SOURCE)
    assert written(world.fake) == ["PATCH app"]


@pytest.mark.parametrize(
    ("metadata", "text"),
    [
        pytest.param({"spec": {}}, 'unexpected apiVersion ""', id="no envelope"),
        pytest.param({"labels": {}}, 'unknown field "labels"', id="the flat form"),
        pytest.param(entry(other=1).metadata, 'unknown field "other"', id="a field that is none"),
        pytest.param(entry(labels=["a"]).metadata, "cannot unmarshal array", id="a list for labels"),
        pytest.param(entry(mergePolicy="merge").metadata, "mergePolicy is neither Replace nor Merge", id="a typo"),
    ],
)
async def test_metadata_of_another_form_writes_nothing(world: World, metadata: dict[str, Any], text: str) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=text):
        await client.push(Push(Remote("app"), "password", metadata), SOURCE)
    assert written(world.fake) == []


# push of a property


# P-176
async def test_p_176_a_property_is_set_in_what_is_there(world: World) -> None:
    world.fake.put("app", b'{"db": {"user": "x"},  "n": 1.50}', labels={"team": "a"}, annotations={"k": "v"})
    client = await world.open()
    await client.push(entry(name="db.password"), SOURCE)
    assert values(world.fake)[-1] == b'{"db": {"user": "x","password":"planted"},  "n": 1.50}'
    assert secret(world.fake).labels == {"team": "a", **OURS}  # a foreign secret is taken over
    assert secret(world.fake).annotations == {"k": "v"}
    before = written(world.fake)
    await client.push(entry(name="db.password"), SOURCE)
    assert written(world.fake) == before


async def test_a_property_of_a_new_secret_makes_an_object(world: World) -> None:
    client = await world.open()
    await client.push(entry(name="db.password"), SOURCE)
    assert values(world.fake) == [b'{"db":{"password":"planted"}}']


async def test_an_empty_property_is_written_once(world: World) -> None:
    client = await world.open()
    await client.push(entry(name="p", secret_key="none"), Source({"none": b""}))
    assert values(world.fake) == [b'{"p":""}']
    await client.push(entry(name="p", secret_key="none"), Source({"none": b""}))
    assert len(values(world.fake)) == 1


# P-179
async def test_p_179_a_property_takes_no_metadata(world: World) -> None:
    client = await world.open()
    with pytest.raises(InvalidConfig, match=r"^cannot specify metadata and property at the same time$"):
        await client.push(entry(name="p", labels={"a": "b"}), SOURCE)
    assert world.fake.secrets == {}


# others who write


# P-178
async def test_p_178_two_logins_do_not_push_to_one_secret_at_once(world: World) -> None:
    one, other = await world.open(), await world.open()
    world.fake.gate = asyncio.Event()
    first = asyncio.ensure_future(one.push(entry(), SOURCE))
    await until(lambda: world.fake.count("/secrets/app") > 0)
    with pytest.raises(Busy) as busy:
        await other.push(entry(secret_key="user"), SOURCE)
    assert str(busy.value) == (
        f"failed to acquire lock: provider: GCPSecretManager, secret: {NAME}: "
        "unable to access secret since it is locked"
    )
    world.fake.gate.set()
    await first
    await other.push(entry(secret_key="user"), SOURCE)
    assert values(world.fake) == [b"planted", b"me"]


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        pytest.param({"status": "ALREADY_EXISTS"}, 409, "/secrets$", id="created by somebody else meanwhile"),
        pytest.param({"status": "ABORTED"}, 409, "/secrets/app$", id="marked by somebody else meanwhile"),
        pytest.param(
            {"status": "FAILED_PRECONDITION", "message": "etag mismatch"}, 400, "/secrets/app$", id="another etag"
        ),
    ],
)
async def test_a_write_of_somebody_else_brings_the_push_back(
    world: World, body: dict[str, str], status: int, path: str
) -> None:
    client = await world.open()
    if path.endswith("app$"):
        world.fake.put("app", b"x", labels=OURS)
    await client.exists(Remote("app"))
    world.fake.fail(Fault(200, body='{"etag":"x","labels":{"managed-by":"external-secrets"}}', path="/app$"))
    if path == "/secrets$":
        world.fake.faults.clear()
    world.fake.fail(Fault(status, body=json.dumps({"error": body}), path=path))
    with pytest.raises(Busy):
        await client.push(entry(labels={"a": "b"}), SOURCE)
    assert client.connection.writing == set()


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.push(entry(), SOURCE),
        lambda client: client.delete(Remote("app")),
        lambda client: client.exists(Remote("app")),
    ],
    ids=["push", "delete", "exists"],
)
async def test_a_404_of_something_else_proves_no_absence(
    world: World, call: Callable[[Client], Awaitable[object]]
) -> None:
    client = await world.open()
    world.fake.fail(Fault(404, body="<html>planted</html>"))
    with pytest.raises(EsoError) as failed:
        await call(client)
    assert "planted" not in str(failed.value)
    assert written(world.fake) == []


async def test_a_disabled_latest_version_is_not_written_over(world: World) -> None:
    world.fake.put("app", b"x", labels=OURS).versions[0].state = "DISABLED"
    client = await world.open()
    with pytest.raises(InvalidConfig, match="DISABLED state"):
        await client.push(entry(), SOURCE)
    assert values(world.fake) == [b"x"]


async def test_a_denied_push_says_so(world: World) -> None:
    world.fake.denied.add(NAME)
    client = await world.open()
    with pytest.raises(Denied):
        await client.push(entry(), SOURCE)
    assert client.connection.writing == set()


# delete


async def test_our_secret_is_deleted_with_its_etag(world: World) -> None:
    world.fake.put("app", b"x", labels=OURS)
    client = await world.open()
    await client.delete(Remote("app"))
    assert world.fake.secrets == {}
    assert world.fake.asked[-1].query == {"etag": '"1"'}


@pytest.mark.parametrize(
    ("document", "left"),
    [
        pytest.param(b'{"p": "x", "other":  1.50}', b'{ "other":  1.50}', id="others stay as they are written"),
        pytest.param(b'{ "p": "x" }', None, id="the last one takes the secret along"),
        pytest.param(b'{"other":1}', b'{"other":1}', id="one that is not there changes nothing"),
        pytest.param(b"no JSON", b"no JSON", id="a value without members is not ours to delete by a property"),
    ],
)
async def test_a_property_is_deleted_alone(world: World, document: bytes, left: bytes | None) -> None:
    world.fake.put("app", document, labels=OURS)
    client = await world.open()
    await client.delete(Remote("app", "p"))
    if left is None:
        assert world.fake.secrets == {}
    else:
        assert values(world.fake)[-1] == left
        assert len(values(world.fake)) == (1 if left == document else 2)


async def test_a_property_of_a_secret_without_versions_takes_it_along(world: World) -> None:
    world.fake.put("app", labels=OURS)
    client = await world.open()
    await client.delete(Remote("app", "p"))
    assert world.fake.secrets == {}


async def test_what_is_not_there_or_not_ours_is_left_alone(world: World) -> None:
    world.fake.put("app", b"x")
    client = await world.open()
    await client.delete(Remote("app"))
    await client.delete(Remote("gone"))
    assert values(world.fake) == [b"x"]
    assert written(world.fake) == []


async def test_a_secret_that_moved_before_its_deletion_comes_back(world: World) -> None:
    world.fake.put("app", b"x", labels=OURS)
    client = await world.open()
    world.fake.fail(Fault(200, body='{"etag":"old","labels":{"managed-by":"external-secrets"}}', path="/app$"))
    with pytest.raises(Busy):
        await client.delete(Remote("app"))
    assert values(world.fake) == [b"x"]


async def test_a_secret_that_went_before_its_deletion_is_deleted(world: World) -> None:
    client = await world.open()
    world.fake.fail(Fault(200, body='{"etag":"x","labels":{"managed-by":"external-secrets"}}', path="/app$"))
    await client.delete(Remote("app"))
    assert written(world.fake) == ["DELETE app"]


# exists


async def test_a_secret_exists_when_a_version_can_be_read(world: World) -> None:
    world.fake.put("app", b"one", b"two").versions[1].state = "DISABLED"
    world.fake.put("void")
    client = await world.open()
    assert await client.exists(Remote("app")) is True
    assert await client.exists(Remote("gone")) is False
    assert await client.exists(Remote("void")) is False


async def test_a_secret_without_an_enabled_version_is_an_error(world: World) -> None:
    world.fake.put("app", b"one").versions[0].state = "DISABLED"
    client = await world.open()
    with pytest.raises(InvalidConfig, match="DISABLED state"):
        await client.exists(Remote("app"))


# places and awaits


async def test_writes_to_one_secret_are_one_place(world: World) -> None:
    client = await world.open()
    assert client.place(Remote("app", "a")) == client.place(Remote("app", "b")) == NAME
    assert client.place(Remote("other")) != NAME


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.push(entry(), SOURCE),
        lambda client: client.push(entry(name="p"), SOURCE),
        lambda client: client.delete(Remote("app")),
        lambda client: client.delete(Remote("app", "p")),
        lambda client: client.exists(Remote("app")),
    ],
    ids=["push", "push of a property", "delete", "delete of a property", "exists"],
)
async def test_every_await_of_a_write_may_be_cancelled(world: World, call: Callable[[Client], Any]) -> None:
    client = await world.open()
    async for _ in every_await(lambda: call(client)):
        assert client.connection.writing == set()
        world.fake.secrets.clear()
        world.fake.put("app", b'{"p":"x","q":"y"}', labels=OURS)
    world.fake.secrets.clear()
    await client.push(entry(), SOURCE)
    assert values(world.fake) == [b"planted"]
