"""ExternalSecrets and Secrets for the tests of this room, in as few words as possible."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret, decode_external_secret
from eso.reconcile.externalsecret.stage import Failed, Stage
from tests.fakes.apiserver import Json

NOW = datetime(2026, 5, 1, 12, 0, 0, tzinfo=UTC)


def es(
    *,
    name: str = "test-es",
    uid: str = "uid-es",
    labels: Any = None,
    annotations: Any = None,
    generation: int = 1,
    status: Any = None,
    **spec: Any,
) -> ExternalSecret:
    """From JSON, as the API server sends it; `spec` in its own words (camelCase)."""
    meta = {
        "name": name,
        "namespace": "ns",
        "uid": uid,
        "generation": generation,
        "labels": labels or {},
        "annotations": annotations or {},
    }
    body = {
        "apiVersion": EXTERNAL_SECRETS.api_version,
        "kind": "ExternalSecret",
        "metadata": meta,
        "spec": spec,
        "status": status or {},
    }
    found = decode_external_secret(msgspec.json.encode(body))
    assert isinstance(found, ExternalSecret)
    return found


def target(creation: str = "Owner", deletion: str = "Retain", **members: Any) -> Json:
    return {"name": "test-secret", "creationPolicy": creation, "deletionPolicy": deletion, **members}


def encoded(data: Mapping[str, bytes | str]) -> dict[str, str]:
    return {
        key: base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()
        for key, value in data.items()
    }


def blank_secret(
    data: Mapping[str, bytes | str] | None = None, *, name: str = "test-secret", immutable: bool = False, **meta: Any
) -> Json:
    """A body to POST."""
    body: Json = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": "ns", **meta},
        "data": encoded(data or {}),
    }
    return body | ({"immutable": True} if immutable else {})


def reference(
    name: str = "test-es",
    *,
    kind: str = "ExternalSecret",
    uid: str = "uid-es",
    controller: bool = True,
    group: str = "external-secrets.io/v1",
) -> Json:
    """An owner reference; by default the one that we write."""
    body: Json = {"apiVersion": group, "kind": kind, "name": name, "uid": uid}
    return body | ({"controller": True, "blockOwnerDeletion": True} if controller else {})


@contextmanager
def fails(stage: Stage, match: str | None = None) -> Iterator[pytest.ExceptionInfo[Failed]]:
    """The block ends with a failure at `stage`."""
    with pytest.raises(Failed, match=match) as raised:
        yield raised
    assert raised.value.stage is stage
