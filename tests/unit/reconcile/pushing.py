"""PushSecrets on the whole operator: objects for the fake API server, and what a test asks of them.

Neighbours: tests/unit/app/operating.py runs the operator, tests/harness/pushable.py is the backend.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from eso.api.meta import SECRETS, Resource
from eso.api.pushsecret import PUSH_SECRETS
from eso.api.secretstore import CLUSTER_SECRET_STORES, SECRET_STORES
from eso.generators.registry import Registry as GeneratorKinds
from tests.fakes.apiserver import FakeApiServer, Json
from tests.harness.pushable import Pushable
from tests.unit.app.operating import START, Operating, condition, operating, put_store

FINALIZER = "pushsecret.externalsecrets.io/finalizer"
STORE_FINALIZER = "secretstore.externalsecrets.io/finalizer"


def entry(key: str, remote: str, prop: str = "", **others: Any) -> Json:
    ref = {"remoteKey": remote} | ({"property": prop} if prop else {})
    return {"match": ({"secretKey": key} if key else {}) | {"remoteRef": ref}} | others


def put_source(api: FakeApiServer, name: str = "source", namespace: str = "team", *, at: str = "", **data: str) -> None:
    """`at`: when somebody wrote it last; labels are given as `labels`."""
    labels = data.pop("labels", None)
    meta: Json = {"name": name, "namespace": namespace, **({"labels": labels} if labels else {})}
    if at:
        meta["managedFields"] = [{"manager": "somebody", "time": at}]
    values = {key.replace("__", "-"): base64.b64encode(value.encode()).decode() for key, value in data.items()}
    api.put(SECRETS, {"metadata": meta, "type": "Opaque", "data": values or {"key": "dmFsdWU="}})


def put_push(
    api: FakeApiServer,
    name: str = "ps",
    namespace: str = "team",
    *,
    stores: list[Json] | None = None,
    source: str = "source",
    status: Json | None = None,
    annotations: Mapping[str, str] | None = None,
    finalizers: list[str] | None = None,
    **spec: Any,
) -> Json:
    body = {
        "refreshInterval": "1h0m0s",
        "updatePolicy": "Replace",
        "deletionPolicy": "None",
        "secretStoreRefs": [{"name": "store", "kind": "SecretStore"}] if stores is None else stores,
        "selector": {"secret": {"name": source}},
        "data": [entry("key", "path/to/key")],
    }
    meta: Json = {"name": name, "namespace": namespace, "annotations": dict(annotations or {})}
    meta |= {"finalizers": finalizers} if finalizers else {}
    given = {k: v for k, v in (body | spec).items() if v is not None}
    return api.put(PUSH_SECRETS, {"metadata": meta, "spec": given} | ({"status": status} if status else {}))


def end(api: FakeApiServer, resource: Resource, namespace: str, name: str) -> None:
    """A deletion by another client, which finalizers delay."""
    found = api.get(resource, namespace, name)
    assert found is not None
    if found["metadata"].get("finalizers"):
        api.edit(resource, namespace, name, {"metadata": {"deletionTimestamp": "2026-05-01T12:00:00Z"}})
    else:
        api.remove(resource, namespace, name)


class Pushing:
    """One operator with one backend; stands for what a user sees."""

    def __init__(self, one: Operating, backend: Pushable) -> None:
        self.one, self.api, self.backend, self.clock = one, one.api, backend, one.clock

    def get(self, name: str = "ps", namespace: str = "team") -> Json | None:
        return self.api.get(PUSH_SECRETS, namespace, name)

    def status(self, name: str = "ps", namespace: str = "team") -> Json:
        return (self.get(name, namespace) or {}).get("status") or {}

    def ready(self, name: str = "ps", namespace: str = "team") -> Json:
        return condition(self.get(name, namespace), "Ready")

    def said(self, name: str = "ps", namespace: str = "team") -> tuple[str, str, str]:
        ready = self.ready(name, namespace)
        return ready.get("status", ""), ready.get("reason", ""), ready.get("message", "")

    def books(self, name: str = "ps", namespace: str = "team") -> dict[str, list[str]]:
        return {
            store: sorted(entries)
            for store, entries in self.status(name, namespace).get("syncedPushSecrets", {}).items()
        }

    async def synced(self, name: str = "ps", namespace: str = "team") -> None:
        await self.one.until(lambda: self.said(name, namespace)[:2] == ("True", "Synced"))
        await self.one.idle()

    async def failed(self, message: str = "", name: str = "ps", namespace: str = "team") -> None:
        await self.one.until(
            lambda: self.said(name, namespace)[0] == "False" and message in ("", self.said(name, namespace)[2])
        )
        await self.one.idle()

    async def gone(self, name: str = "ps", namespace: str = "team") -> None:
        await self.one.until(lambda: self.get(name, namespace) is None)
        await self.one.idle()

    async def settled(self) -> None:
        await self.clock.advance(0.0)
        await self.one.idle()

    def edit(self, patch: Json, name: str = "ps", namespace: str = "team") -> None:
        self.api.edit(PUSH_SECRETS, namespace, name, patch)

    def spec(self, name: str = "ps", namespace: str = "team", **spec: Any) -> None:
        self.edit({"spec": spec}, name, namespace)

    def delete(self, name: str = "ps", namespace: str = "team") -> None:
        end(self.api, PUSH_SECRETS, namespace, name)

    def finalizers(self, name: str = "ps", namespace: str = "team") -> list[str]:
        return list(((self.get(name, namespace) or {}).get("metadata") or {}).get("finalizers") or [])

    def held(self, name: str = "store", namespace: str = "team") -> bool:
        """Whether the store carries the finalizer."""
        found = self.api.get(SECRET_STORES if namespace else CLUSTER_SECRET_STORES, namespace, name)
        return STORE_FINALIZER in ((found or {}).get("metadata") or {}).get("finalizers", [])

    def events(self, reason: str = "") -> list[str]:
        return [one["message"] for one in self.one.events() if reason in ("", one.get("reason"))]


@asynccontextmanager
async def pushing(
    api: FakeApiServer,
    *flags: str,
    backend: Pushable | None = None,
    start: datetime = START,
    kinds: GeneratorKinds | None = None,
) -> AsyncIterator[Pushing]:
    script = backend or Pushable()
    async with operating(api, *flags, providers={"fake": script}, start=start, kinds=kinds) as one:
        await one.running()
        yield Pushing(one, script)


def put_world(api: FakeApiServer, **spec: Any) -> None:
    """The default fixture: a store, a source, a PushSecret."""
    put_store(api, ready=True)
    put_source(api)
    put_push(api, **spec)
