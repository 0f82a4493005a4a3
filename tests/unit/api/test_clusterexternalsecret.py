"""The record of a ClusterExternalSecret."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from eso.api.clusterexternalsecret import (
    ClusterExternalSecret,
    ClusterExternalSecretSpec,
    FailedNamespace,
    decode_cluster_external_secret,
)
from eso.api.labels import LabelSelector
from eso.api.meta import ObjectMeta
from eso.gocompat.duration import DurationError

FULL: dict[str, Any] = {
    "metadata": {"name": "ces", "resourceVersion": "7"},
    "spec": {
        "externalSecretSpec": {"refreshInterval": "1h", "future": {"member": [None, 1]}},
        "externalSecretName": "child",
        "externalSecretMetadata": {"labels": {"a": "1"}, "annotations": {"b": "2"}},
        "namespaceSelector": {"matchLabels": {"env": "prod"}},
        "namespaceSelectors": [{}],
        "namespaces": ["x"],
        "refreshTime": "1m30s",
    },
    "status": {
        "externalSecretName": "child",
        "provisionedNamespaces": ["a"],
        "failedNamespaces": [{"namespace": "b", "reason": "no"}],
        "conditions": [{"type": "Ready", "status": "False", "message": "one or more namespaces failed"}],
    },
}


def decoded(body: dict[str, Any]) -> ClusterExternalSecret:
    record = decode_cluster_external_secret(json.dumps(body).encode())
    assert isinstance(record, ClusterExternalSecret)
    return record


def test_every_member_is_read_and_the_child_is_left_as_it_is() -> None:
    ces = decoded(FULL)
    assert (ces.namespace, ces.name, ces.resource_version, ces.child_name) == ("", "ces", "7", "child")
    assert ces.spec.external_secret_spec == FULL["spec"]["externalSecretSpec"]
    assert (ces.spec.external_secret_metadata.labels, ces.spec.external_secret_metadata.annotations) == (
        {"a": "1"},
        {"b": "2"},
    )
    assert ces.spec.selectors == (LabelSelector({"env": "prod"}), LabelSelector())
    assert (ces.spec.namespaces, ces.spec.refresh_seconds) == (("x",), 90.0)
    assert ces.status.failed_namespaces == (FailedNamespace("b", "no"),)
    assert decode_cluster_external_secret(msgspec.json.encode(ces)) == ces


def test_absent_members() -> None:
    spec = ClusterExternalSecretSpec()
    assert (spec.selectors, spec.refresh_seconds, ClusterExternalSecret(ObjectMeta("x")).child_name) == ((), None, "x")


def test_an_interval_that_cannot_be_read_fails_where_it_is_used() -> None:
    with pytest.raises(DurationError):
        _ = ClusterExternalSecretSpec(refresh_time="soon").refresh_seconds
