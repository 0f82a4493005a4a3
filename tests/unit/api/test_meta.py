"""Resources as paths, times as text, objects that do not decode."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest

from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret, decode_external_secret
from eso.api.meta import (
    CONFIG_MAPS,
    CRDS,
    EVENTS,
    LEASES,
    NAMESPACES,
    SECRETS,
    SERVICE_ACCOUNTS,
    ObjectMeta,
    OwnerReference,
    Resource,
    Undecodable,
    rfc3339,
)
from eso.api.secretstore import CLUSTER_SECRET_STORES


@pytest.mark.parametrize(
    ("resource", "where", "path"),
    [
        pytest.param(SECRETS, ("ns", "x"), "/api/v1/namespaces/ns/secrets/x", id="a core object in its namespace"),
        pytest.param(SECRETS, ("ns",), "/api/v1/namespaces/ns/secrets", id="a list in one namespace"),
        pytest.param(SECRETS, (), "/api/v1/secrets", id="a list over all namespaces"),
        pytest.param(NAMESPACES, ("ns", "x"), "/api/v1/namespaces/x", id="a cluster-wide kind ignores the namespace"),
        pytest.param(
            EXTERNAL_SECRETS,
            ("ns", "x", "status"),
            "/apis/external-secrets.io/v1/namespaces/ns/externalsecrets/x/status",
            id="a subresource of a group",
        ),
        pytest.param(
            CLUSTER_SECRET_STORES,
            ("", "x"),
            "/apis/external-secrets.io/v1/clustersecretstores/x",
            id="a cluster-wide kind of a group",
        ),
        pytest.param(
            SERVICE_ACCOUNTS,
            ("ns", "x", "token"),
            "/api/v1/namespaces/ns/serviceaccounts/x/token",
            id="a token request",
        ),
        pytest.param(LEASES, ("ns", "x"), "/apis/coordination.k8s.io/v1/namespaces/ns/leases/x", id="a lease"),
        pytest.param(CRDS, ("", "x"), "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/x", id="a definition"),
        pytest.param(EVENTS, ("ns",), "/api/v1/namespaces/ns/events", id="events"),
        pytest.param(
            CONFIG_MAPS,
            ("a/b", "../x"),
            "/api/v1/namespaces/a%2Fb/configmaps/..%2Fx",
            id="a name cannot leave its place",
        ),
    ],
)
def test_a_resource_knows_its_path(resource: Resource, where: tuple[str, ...], path: str) -> None:
    assert resource.path(*where) == path


def test_the_api_version_of_a_core_kind_has_no_group() -> None:
    assert (SECRETS.api_version, EXTERNAL_SECRETS.api_version) == ("v1", "external-secrets.io/v1")


@pytest.mark.parametrize(
    ("time", "text"),
    [
        pytest.param(datetime(2024, 5, 1, 12, tzinfo=UTC), "2024-05-01T12:00:00Z", id="whole seconds in UTC"),
        pytest.param(
            datetime(2024, 5, 1, 12, 0, 0, 999_999, tzinfo=UTC), "2024-05-01T12:00:00Z", id="fractions are cut off"
        ),
        pytest.param(
            datetime(2024, 5, 1, 12, tzinfo=timezone(timedelta(hours=2))),
            "2024-05-01T10:00:00Z",
            id="other zones are converted",
        ),
    ],
)
def test_times_are_written_as_the_api_server_writes_them(time: datetime, text: str) -> None:
    assert rfc3339(time) == text


def raw(**members: Any) -> bytes:
    return json.dumps({"metadata": {"name": "x", "namespace": "ns", "finalizers": ["f"]}} | members).encode()


@pytest.mark.parametrize(
    ("members", "where"),
    [
        pytest.param({"spec": {"data": "text"}}, "$.spec.data", id="a list that is a text"),
        pytest.param(
            {"spec": {"target": {"template": {"data": {"a": 1}}}}},
            "$.spec.target.template.data",
            id="a template that is a number",
        ),
        pytest.param({"spec": []}, "$.spec", id="a spec that is a list"),
        pytest.param({"status": {"refreshTime": "yesterday"}}, "$.status.refreshTime", id="a time that is none"),
    ],
)
def test_an_object_that_does_not_decode_keeps_its_metadata(members: dict[str, Any], where: str) -> None:
    record = decode_external_secret(raw(**members))
    assert isinstance(record, Undecodable)
    assert where in record.error
    assert (record.namespace, record.name, record.metadata.finalizers) == ("ns", "x", ("f",))


@pytest.mark.parametrize(
    "members",
    [
        pytest.param({"spec": {"data": None, "target": {"template": None, "name": None}}}, id="in the spec"),
        pytest.param({"status": {"refreshTime": None, "binding": None, "conditions": None}}, id="in the status"),
        pytest.param({"spec": None, "status": None}, id="in the place of spec and status"),
        pytest.param(
            {"metadata": {"name": "x", "namespace": "ns", "labels": None, "finalizers": ["f"]}}, id="in the metadata"
        ),
    ],
)
def test_a_null_means_the_same_as_an_absent_member(members: dict[str, Any]) -> None:
    assert decode_external_secret(raw(**members)) == decode_external_secret(raw())


def test_what_is_not_json_is_an_error() -> None:
    with pytest.raises(msgspec.DecodeError):
        decode_external_secret(b"<html>")


def test_records_share_recurring_strings() -> None:
    body = {
        "spec": {
            "secretStoreRef": {"name": "vault-backend"},
            "data": [{"secretKey": "password", "remoteRef": {"key": "team/app", "property": "password"}}],
        }
    }
    body["metadata"] = {"name": "x", "labels": {"app.kubernetes.io/name": "shop-of-the-team"}}
    one, two = (decode_external_secret(raw(**body)) for _ in range(2))
    assert isinstance(one, ExternalSecret)
    assert isinstance(two, ExternalSecret)
    assert one.spec.data[0].remote_ref.property is two.spec.data[0].secret_key
    assert one.metadata.labels["app.kubernetes.io/name"] is two.metadata.labels["app.kubernetes.io/name"]
    assert one.metadata.labels is not two.metadata.labels


def test_the_controller_is_the_one_reference_that_says_so() -> None:
    other, ours = (
        OwnerReference("v1", "ConfigMap", "a"),
        OwnerReference("external-secrets.io/v1", "ClusterExternalSecret", "b", "u", True),
    )
    assert ObjectMeta(owner_references=(other, ours)).controller == ours
    assert ObjectMeta(owner_references=(other,)).controller is None
    assert (ours.group, other.group) == ("external-secrets.io", "")
