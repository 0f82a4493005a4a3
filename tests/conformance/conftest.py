"""The default fixture of the numbered cases: a namespace, a store `test-store` on a scripted provider, an
ExternalSecret `test-es` for `test-secret`.

Neighbours: tests/harness runs the operator and the provider; the API server is real.
"""

from __future__ import annotations

import base64
import copy
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from e2e.harness.cluster import Cluster, Json
from e2e.harness.waiting import eventually
from tests.harness.inprocess import InProcess
from tests.harness.scripted import Scripted

API_VERSION = "external-secrets.io/v1"
MERGE = "application/merge-patch+json"


class Case:
    """What one case does and sees. `flags` start the operator; the flood gate is off unless a case is about it."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.api, self.namespace = cluster, cluster.api, namespace
        self.provider = Scripted()
        self.operator: InProcess | None = None
        self._cluster_wide: list[tuple[str, str]] = []

    # given

    @contextmanager
    def running(self, **flags: str) -> Iterator[InProcess]:
        """An operator for this namespace: `running(enable_flood_gate="true")`."""
        named = {"namespace": self.namespace, "enable-flood-gate": "false"} | {
            name.replace("_", "-"): value for name, value in flags.items()
        }
        with InProcess(self.cluster, flags=named, providers={"fake": self.provider}) as operator:
            self.operator = operator
            yield operator

    def store(self, name: str = "test-store", kind: str = "SecretStore", **spec: Any) -> Json:
        """A store on the scripted provider; it is validated by the operator, if one runs."""
        plural = "clustersecretstores" if kind == "ClusterSecretStore" else "secretstores"
        body = {
            "apiVersion": API_VERSION,
            "kind": kind,
            "metadata": {"name": name},
            "spec": {"provider": {"fake": {"data": []}}} | spec,
        }
        if kind == "ClusterSecretStore":
            self._cluster_wide.append((plural, name))
            return self.api.create(plural, "", body)
        return self.api.create(plural, self.namespace, body)

    def external_secret(
        self,
        name: str = "test-es",
        *,
        labels: Mapping[str, str] | None = None,
        annotations: Mapping[str, str] | None = None,
        **spec: Any,
    ) -> Json:
        """The default ExternalSecret; members of `spec` replace the default's. `target` is merged into `{name:
        test-secret}`; None leaves a member out."""
        target = {"name": "test-secret"} | (spec.pop("target", None) or {})
        default = {
            "secretStoreRef": {"name": "test-store", "kind": "SecretStore"},
            "target": {k: v for k, v in target.items() if v is not None},
            "data": [{"secretKey": "targetProperty", "remoteRef": {"key": "barz", "property": "bang"}}],
        }
        meta = {"name": name, "labels": dict(labels or {}), "annotations": dict(annotations or {})}
        wanted = {k: v for k, v in (default | spec).items() if v is not None}
        return self.api.create(
            "externalsecrets",
            self.namespace,
            {"apiVersion": API_VERSION, "kind": "ExternalSecret", "metadata": meta, "spec": wanted},
        )

    def foreign_secret(
        self,
        name: str = "test-secret",
        data: Mapping[str, str] | None = None,
        *,
        manager: str = "somebody",
        **meta: Any,
    ) -> Json:
        """A Secret that somebody else made; `data` in plain text."""
        encoded = {k: base64.b64encode(v.encode()).decode() for k, v in (data or {}).items()}
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, **meta}, "data": encoded}
        return self.api.request("POST", f"{self.api.path('secrets', self.namespace)}?fieldManager={manager}", body)

    # when

    def edit(self, plural: str, name: str, patch: Json, *, manager: str = "somebody", subresource: str = "") -> Json:
        """A merge patch by `manager`."""
        path = f"{self.api.path(plural, self.namespace, name, subresource)}?fieldManager={manager}"
        return self.api.request("PATCH", path, patch, content_type=MERGE)

    def edit_es(self, patch: Json, name: str = "test-es") -> Json:
        return self.edit("externalsecrets", name, patch)

    def delete(self, plural: str, name: str) -> None:
        self.api.delete(plural, self.namespace, name)

    # then

    def es(self, name: str = "test-es") -> Json:
        found = self.api.get("externalsecrets", self.namespace, name)
        assert found is not None, f"there is no ExternalSecret {name}"
        return found

    def raw_secret(self, name: str = "test-secret") -> Json | None:
        return self.api.get("secrets", self.namespace, name)

    def secret(self, name: str = "test-secret") -> dict[str, str] | None:
        """Decoded data, None when there is no such Secret."""
        return self.cluster.secret(self.namespace, name)

    def ready(self, name: str = "test-es", plural: str = "externalsecrets") -> Json:
        """The Ready condition, {} while there is none."""
        return self.cluster.condition(plural, self.namespace, name)

    def synced(self, name: str = "test-es", within: float = 20) -> Json:
        """Waits for Ready=True; returns the condition."""
        return self.cluster.wait_ready("externalsecrets", self.namespace, name, within)

    def failed(self, message: str = "", name: str = "test-es", within: float = 20) -> Json:
        """Waits for Ready=False with that message (any, when empty); returns the condition."""

        def seen() -> Json:
            ready = self.ready(name)
            assert ready.get("status") == "False" and message in ("", ready.get("message")), (
                f"Ready is {ready or 'absent'}"
            )
            return ready

        return eventually(seen, within, what=f"{name} fails with {message!r}")

    def events(self, name: str = "test-es", reason: str = "") -> list[str]:
        """Messages of the Events about an object."""
        return [
            e.get("message", "") for e in self.cluster.events(self.namespace, name) if reason in ("", e.get("reason"))
        ]

    def told(self, text: str, name: str = "test-es", within: float = 15) -> None:
        """Waits for an Event that contains `text`."""

        def seen() -> bool:
            messages = self.events(name)
            assert any(text in message for message in messages), f"no event contains {text!r}: {messages}"
            return True

        eventually(seen, within, what=f"event {text!r}")

    def eventually(self, check: Callable[[], Any], within: float = 15, what: str = "") -> Any:
        """Until `check` returns something true without an AssertionError."""
        return eventually(check, within, what=what)

    def holds(self, check: Callable[[], Any], seconds: float) -> None:
        """`check` is true now and stays so for `seconds`: what must not happen needs time not to happen."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            assert check()
            time.sleep(0.1)

    def passes(self, name: str = "test-es") -> int:
        """How many passes the operator made over an ExternalSecret. One in hand is waited for: what it writes is seen
        before it is counted."""
        assert self.operator is not None
        operator, key = self.operator, (self.namespace, name)
        self.eventually(lambda: not operator.in_hand(key), what=f"no pass over {name} in hand")
        prefix = f'externalsecret_sync_calls_total{{name="{name}",namespace="{self.namespace}"'
        return int(
            sum(
                float(line.rsplit(" ", 1)[1])
                for line in self.operator.metrics().splitlines()
                if line.startswith(prefix)
            )
        )

    def wakes(self) -> int:
        """How often the operator took up an ExternalSecret: see `woken`."""
        assert self.operator is not None
        return len(self.operator.wakes)

    def woken(self, name: str, since: int) -> bool:
        """Whether a pass after so many `wakes` had a reason besides its own time: a back-off has none."""
        assert self.operator is not None
        return any(key == (self.namespace, name) and wake.reasons for key, wake in self.operator.wakes[since:])

    def manager_fields(self, manager: str, name: str = "test-secret") -> Json:
        """fieldsV1 of one manager of a Secret, {} when it owns nothing."""
        found = copy.deepcopy(self.raw_secret(name) or {})
        return next((e["fieldsV1"] for e in found["metadata"].get("managedFields", []) if e["manager"] == manager), {})

    def clean_up(self) -> None:
        for plural, name in self._cluster_wide:
            self.api.delete(plural, "", name)


@pytest.fixture
def case(cluster: Cluster, namespace: str) -> Iterator[Case]:
    """Nothing but a namespace; the test makes the world and starts the operator when it wants to."""
    made = Case(cluster, namespace)
    yield made
    made.clean_up()


@pytest.fixture
def live(case: Case) -> Iterator[Case]:
    """The operator runs and `test-store` is there."""
    with case.running():
        case.store()
        yield case
