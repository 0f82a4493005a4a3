"""A cluster that another operator of the same API kept in sync until now: whatever it left as it should be is left
alone."""

from __future__ import annotations

import base64
import copy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from e2e.harness.cluster import Json
from eso.api.hashing import data_hash, owner_hash, sha3, synced_resource_version
from eso.api.meta import ObjectMeta
from tests.conformance.conftest import MERGE, Case
from tests.harness.inprocess import ACCOUNT, SYSTEM

MANAGED = "reconcile.external-secrets.io/managed"
DATA_HASH = "reconcile.external-secrets.io/data-hash"
CREATED_BY = "reconcile.external-secrets.io/created-by"
FINALIZER = "externalsecrets.external-secrets.io/externalsecret-cleanup"
PREFIX = "externalsecrets.external-secrets.io/"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
OURS = f"system:serviceaccount:{SYSTEM}:{ACCOUNT}"
LONG = "n" * 40


@dataclass(frozen=True)
class Left:
    """One object and its Secret as they were left. `written`: what the operator before us put into the Secret beside
    its marks."""

    name: str = "test-es"
    spec: Json = field(default_factory=dict)
    target: Json = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)
    written: Json = field(default_factory=dict)
    data: dict[str, str] = field(default_factory=lambda: {"targetProperty": "some-value"})
    foreign: dict[str, str] = field(default_factory=dict)

    @property
    def manager(self) -> str:
        plain = PREFIX + self.name
        return plain if len(plain) <= 63 else f"{PREFIX}sha3/{sha3(self.name)}"

    @property
    def owner(self) -> bool:
        return self.target.get("creationPolicy", "Owner") == "Owner"


STATES = [
    pytest.param(Left(), id="Owner"),
    pytest.param(Left(target={"deletionPolicy": "Delete"}), id="Owner and Delete"),
    pytest.param(Left(target={"creationPolicy": "Orphan"}), id="Orphan"),
    pytest.param(Left(target={"creationPolicy": "CreateOrMerge"}), id="CreateOrMerge"),
    pytest.param(Left(target={"creationPolicy": "Merge"}, foreign={"theirs": "kept"}), id="Merge beside a foreign key"),
    pytest.param(Left(target={"immutable": True}, written={"immutable": True}), id="immutable"),
    pytest.param(Left(spec={"refreshPolicy": "CreatedOnce"}), id="CreatedOnce"),
    pytest.param(Left(spec={"refreshPolicy": "OnChange"}), id="OnChange"),
    pytest.param(
        Left(
            labels={"team": "a"},
            annotations={LAST_APPLIED: "{}", "note": "b"},
            written={"metadata": {"labels": {"team": "a"}, "annotations": {LAST_APPLIED: "{}", "note": "b"}}},
        ),
        id="copied metadata",
    ),
    pytest.param(
        Left(
            labels={"not": "copied"},
            target={
                "template": {
                    "type": "example.com/kind",
                    "metadata": {"labels": {"t": "{{ .targetProperty }}"}},
                    "data": {"k": "<{{ .targetProperty }}>"},
                }
            },
            written={"type": "example.com/kind", "metadata": {"labels": {"t": "some-value"}}},
            data={"k": "<some-value>"},
        ),
        id="a template",
    ),
    pytest.param(Left(name=LONG), id="a hashed field manager"),
    pytest.param(
        Left(spec={"data": None, "dataFrom": [{"find": {"name": {"regexp": ".*"}}}]}, data={"a": "1", "b": "2"}),
        id="find",
    ),
]


def leave(case: Case, left: Left, refreshed: datetime) -> tuple[Json, Json]:
    """Writes the object, its Secret and its status as the operator before us did, with its field managers → (object,
    Secret)."""
    es = case.external_secret(
        left.name,
        labels=left.labels,
        annotations=left.annotations,
        target=left.target,
        **{"refreshInterval": "720h"} | left.spec,
    )
    case.edit("externalsecrets", left.name, {"metadata": {"finalizers": [FINALIZER]}}, manager="external-secrets")
    meta = {
        "labels": {MANAGED: "true"} | ({CREATED_BY: owner_hash(case.namespace, left.name)} if left.owner else {}),
        "annotations": {DATA_HASH: data_hash({k: v.encode() for k, v in (left.foreign | left.data).items()})},
    }
    if left.owner:
        reference = {
            "apiVersion": "external-secrets.io/v1",
            "kind": "ExternalSecret",
            "name": left.name,
            "uid": es["metadata"]["uid"],
        }
        meta["ownerReferences"] = [reference | {"controller": True, "blockOwnerDeletion": True}]
    body = merged({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "test-secret", **meta}}, left.written)
    if left.foreign:
        case.foreign_secret(data=left.foreign)
        found = case.raw_secret()
        body["data"] = found["data"] | encoded(left.data)
        body["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
        secret = case.api.request(
            "PUT", f"{case.api.path('secrets', case.namespace, 'test-secret')}?fieldManager={left.manager}", body
        )
    else:
        body["data"] = encoded(left.data)
        secret = case.api.request(
            "POST", f"{case.api.path('secrets', case.namespace)}?fieldManager={left.manager}", body
        )
    version = synced_resource_version(
        ObjectMeta(generation=es["metadata"]["generation"], labels=left.labels, annotations=left.annotations)
    )
    told = f"{refreshed:%Y-%m-%dT%H:%M:%SZ}"
    ready = {
        "type": "Ready",
        "status": "True",
        "reason": "SecretSynced",
        "message": "secret synced",
        "lastTransitionTime": told,
    }
    status = {
        "refreshTime": told,
        "syncedResourceVersion": version,
        "binding": {"name": "test-secret"},
        "conditions": [ready],
    }
    path = f"{case.api.path('externalsecrets', case.namespace, left.name, 'status')}?fieldManager=external-secrets"
    return case.api.request("PATCH", path, {"status": status}, content_type=MERGE), secret


def merged(into: Json, more: Json) -> Json:
    return into | {k: merged(into[k], v) if isinstance(v, dict) and k in into else v for k, v in more.items()}


def encoded(data: dict[str, str]) -> dict[str, str]:
    return {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}


def our_writes(case: Case, since: int) -> list[str]:
    requests = case.cluster.audit.requests(user=OURS, since=since)
    return [
        r.what
        for r in requests
        if r.namespace == case.namespace
        and r.verb in ("create", "update", "patch", "delete")
        and r.resource != "events"
    ]


def without_generation(status: Json, *also: str) -> Json:
    """The status without the member that only we write."""
    found = {k: v for k, v in copy.deepcopy(status).items() if k not in ("observedGeneration", *also)}
    for condition in found["conditions"]:
        condition.pop("observedGeneration", None)
    return found


def settle(case: Case, name: str) -> None:
    case.eventually(lambda: case.es(name)["status"].get("observedGeneration") == 1, what="the generation is told")
    version: Any = case.es(name)["metadata"]["resourceVersion"]
    case.holds(lambda: case.es(name)["metadata"]["resourceVersion"] == version, 2)


def scripted(case: Case) -> None:
    case.provider.found = {"a": b"1", "b": b"2"}
    case.store()


@pytest.mark.parametrize("left", STATES)
def test_what_was_in_sync_is_neither_read_nor_written(case: Case, left: Left):
    scripted(case)
    es, secret = leave(case, left, datetime.now(UTC) - timedelta(minutes=1))
    since = case.cluster.audit.mark()
    with case.running():
        settle(case, left.name)
        assert case.passes(left.name) >= 1
    assert case.raw_secret() == secret
    assert case.provider.count() == 0
    assert [w for w in our_writes(case, since) if "secretstores" not in w] == [
        "patch externalsecrets.external-secrets.io/status"
    ]
    after = case.es(left.name)
    assert without_generation(after["status"]) == without_generation(es["status"])
    assert after["metadata"]["finalizers"] == [FINALIZER]


@pytest.mark.parametrize("left", [s for s in STATES if "refreshPolicy" not in s.values[0].spec])
def test_what_is_overdue_is_read_and_still_not_written(case: Case, left: Left):
    scripted(case)
    es, secret = leave(case, left, datetime.now(UTC) - timedelta(days=60))
    since = case.cluster.audit.mark()
    with case.running():
        settle(case, left.name)
    assert case.raw_secret() == secret
    assert case.provider.count() == 1
    assert [w for w in our_writes(case, since) if "secretstores" not in w] == [
        "patch externalsecrets.external-secrets.io/status"
    ]
    after = case.es(left.name)
    assert without_generation(after["status"], "refreshTime") == without_generation(es["status"], "refreshTime")
    assert after["status"]["refreshTime"] > es["status"]["refreshTime"]
    assert case.events(left.name) == []


def test_a_key_that_leaves_the_object_leaves_the_secret_that_was_taken_over(case: Case):
    """Ownership recorded by the operator before us is ours now."""
    scripted(case)
    entries = [{"secretKey": k, "remoteRef": {"key": k}} for k in ("one", "two")]
    left = Left(
        spec={"data": entries},
        target={"creationPolicy": "Merge"},
        data={"one": "some-value", "two": "some-value"},
        foreign={"theirs": "kept"},
    )
    leave(case, left, datetime.now(UTC) - timedelta(minutes=1))
    with case.running():
        settle(case, left.name)
        case.edit_es({"spec": {"data": entries[:1]}})
        case.eventually(lambda: case.secret() == {"theirs": "kept", "one": "some-value"})


def test_an_object_that_was_taken_over_is_deleted_without_a_trace(case: Case):
    """The finalizer that the operator before us put on every object does not hold one up."""
    scripted(case)
    left = Left(target={"creationPolicy": "Orphan"})
    _, secret = leave(case, left, datetime.now(UTC) - timedelta(minutes=1))
    with case.running():
        settle(case, left.name)
        case.delete("externalsecrets", left.name)
        case.eventually(lambda: case.api.get("externalsecrets", case.namespace, left.name) is None)
    assert case.raw_secret() == secret
