"""The record of both kinds of store."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from eso.api.labels import LabelSelector
from eso.api.meta import Condition, ObjectMeta, Undecodable
from eso.api.secretstore import SecretStore, SecretStoreSpec, SecretStoreStatus, StoreCondition, decode_secret_store
from eso.gocompat.duration import DurationError

FULL: dict[str, Any] = {
    "metadata": {
        "name": "store",
        "uid": "u",
        "resourceVersion": "7",
        "generation": 2,
        "annotations": {"external-secrets.io/ignore-maintenance-checks": ""},
    },
    "spec": {
        "controller": "team-a",
        "refreshInterval": "5m",
        "provider": {
            "vault": {
                "server": "https://vault",
                "auth": {"tokenSecretRef": {"name": "t", "key": "k"}},
                "anything": [1, {"a": None}],
            }
        },
        "retrySettings": {"maxRetries": 3, "retryInterval": "5s"},
        "conditions": [
            {"namespaces": ["a"], "namespaceRegexes": ["b.*"], "namespaceSelector": {"matchLabels": {"env": "prod"}}}
        ],
    },
    "status": {"capabilities": "ReadWrite", "conditions": [{"type": "Ready", "status": "True", "reason": "Valid"}]},
}


def decoded(body: dict[str, Any]) -> SecretStore:
    record = decode_secret_store(json.dumps(body).encode())
    assert isinstance(record, SecretStore)
    return record


def test_every_member_is_read() -> None:
    store = decoded(FULL)
    assert (store.kind, store.namespace, store.name, store.resource_version) == ("ClusterSecretStore", "", "store", "7")
    assert store.spec.provider == FULL["spec"]["provider"]
    assert (store.spec.controller, store.spec.refresh_interval_seconds, store.spec.retry_settings) == (
        "team-a",
        300.0,
        FULL["spec"]["retrySettings"],
    )
    assert store.spec.conditions == (StoreCondition(LabelSelector({"env": "prod"}), ("a",), ("b.*",)),)
    assert (store.status.capabilities, store.ready) == ("ReadWrite", True)


def test_a_store_in_a_namespace_is_a_secret_store() -> None:
    assert SecretStore(ObjectMeta("x", "ns")).kind == "SecretStore"


def test_a_store_survives_the_wire() -> None:
    store = decoded(FULL)
    assert decode_secret_store(msgspec.json.encode(store)) == store


@pytest.mark.parametrize(
    ("conditions", "wanted"),
    [
        pytest.param((), False, id="never validated"),
        pytest.param((Condition("Ready", "False"),), False, id="not ready"),
        pytest.param((Condition("Other", "True"),), False, id="another condition"),
        pytest.param((Condition("Ready", "True", "ValidationUnknown"),), True, id="unknown counts as ready"),
    ],
)
def test_ready(conditions: tuple[Condition, ...], wanted: bool) -> None:
    assert SecretStore(ObjectMeta("x"), status=SecretStoreStatus(conditions=conditions)).ready is wanted


@pytest.mark.parametrize(
    ("interval", "seconds"),
    [
        pytest.param(None, None, id="absent"),
        pytest.param(0, 0.0, id="zero"),
        pytest.param(300, 300.0, id="seconds"),
        pytest.param("5m", 300.0, id="a duration"),
        pytest.param("0", 0.0, id="a zero duration"),
    ],
)
def test_the_interval(interval: int | str | None, seconds: float | None) -> None:
    assert SecretStoreSpec(refresh_interval=interval).refresh_interval_seconds == seconds


@pytest.mark.parametrize(
    ("interval", "text"),
    [
        pytest.param(-5, "invalid refreshInterval -5: must not be negative", id="negative seconds"),
        pytest.param(
            "nonsense", 'invalid refreshInterval "nonsense": time: invalid duration "nonsense"', id="no duration"
        ),
        pytest.param("10", 'invalid refreshInterval "10": time: missing unit in duration "10"', id="no unit"),
        pytest.param("-5m", 'invalid refreshInterval "-5m": must not be negative', id="a negative duration"),
        pytest.param("", 'invalid refreshInterval "": time: invalid duration ""', id="an empty text"),
    ],
)
def test_an_interval_that_is_none(interval: int | str, text: str) -> None:
    with pytest.raises(DurationError) as caught:
        _ = SecretStoreSpec(refresh_interval=interval).refresh_interval_seconds
    assert str(caught.value) == text


def test_an_interval_of_another_type_leaves_the_metadata() -> None:
    record = decode_secret_store(json.dumps(FULL | {"spec": {"refreshInterval": [1]}}).encode())
    assert isinstance(record, Undecodable)
    assert (record.name, record.metadata.generation) == ("store", 2)
