"""Reads and writes targets of any kind, and watches the kinds in use: the counterpart of targets.py for `spec.target.manifest`.

Neighbours: reconcile.py calls it, manifest.py computed the Change. Whether the kind exists and whether we may touch it is the object's own
condition: a 403 or a missing CRD concerns nobody else.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import orjson

from eso.api import wellknown
from eso.api.externalsecret import ExternalSecret
from eso.api.meta import Resource
from eso.errors import EsoError
from eso.kube.informer import Informer
from eso.kube.inuse import InformersInUse
from eso.kube.rest import ApiError, Rest
from eso.kube.rest import NotFound as ApiNotFound
from eso.reconcile.externalsecret.decide import Seen
from eso.reconcile.externalsecret.desired import Change, Create, Delete, Json, Patch, bound_to
from eso.reconcile.externalsecret.manifest import TargetUnreadable, intact
from eso.reconcile.externalsecret.targets import Key, TargetRecord, target_record


class GenericTargets:
    """`changed(api_version, kind, namespace, name)` is told when a managed object of a watched kind was written by somebody else or deleted."""

    def __init__(self, rest: Rest, changed: Callable[[str, str, str, str], None], *, namespace: str, log: Any) -> None:
        self.rest, self.changed, self.namespace, self.log = rest, changed, namespace, log
        self._resources: dict[tuple[str, str], Resource] = {}
        self._informers: InformersInUse[TargetRecord] = InformersInUse(self._informer)
        self._written: dict[tuple[str, str, str, str], str] = {}

    async def run(self) -> None:
        """The informers of the kinds in use live here, until cancelled."""
        await self._informers.run()

    def _informer(self, resource: Resource) -> Informer[TargetRecord]:
        return Informer(
            self.rest,
            resource,
            target_record,
            lambda old, new: self._moved(resource, old, new),
            namespace=self.namespace,
            label_selector=f"{wellknown.LABEL_MANAGED}=true",
            metadata_only=True,
            log=self.log,
        )

    def _moved(self, resource: Resource, old: TargetRecord | None, new: TargetRecord | None) -> None:
        record = new or old
        assert record is not None
        key = (resource.api_version, resource.kind, record.namespace, record.name)
        if new is not None and self._written.get(key) == new.resource_version:
            return  # the echo of our own write
        self._written.pop(key, None)
        self.changed(*key)

    async def resource(self, api_version: str, kind: str) -> Resource:
        """Asks the API server how the kind is called in URLs. Raises TargetUnreadable."""
        known = self._resources.get((api_version, kind))
        if known is not None:
            return known
        group, _, version = api_version.rpartition("/")
        try:
            raw = await self.rest.read(f"/apis/{group}/{version}" if group else f"/api/{version}")
        except ApiError as error:
            raise TargetUnreadable(f"failed to get target resource: {error}", fix=f"install the CRD of {api_version}, Kind={kind}") from error
        for entry in orjson.loads(raw).get("resources") or []:
            if entry.get("kind") == kind and "/" not in entry.get("name", ""):
                found = Resource(group, version, entry["name"], kind, bool(entry.get("namespaced")))
                if not found.namespaced:
                    raise TargetUnreadable(f"failed to get target resource: {kind} is cluster-scoped", fix="only kinds that live in a namespace can be targets")
                self._resources[api_version, kind] = found
                return found
        raise TargetUnreadable(f'failed to get target resource: no matches for kind "{kind}" in version "{api_version}"', fix="check target.manifest")

    async def live(self, es: ExternalSecret) -> Json | None:
        """The object as it is now, None when it proven does not exist. Raises TargetUnreadable."""
        resource = await self._resource_of(es)
        try:
            raw = await self.rest.get(resource, es.metadata.namespace, es.target_name)
        except ApiError as error:
            fix = f"let the operator's ServiceAccount get, create, patch and delete {resource.plural}" if error.status == 403 else error.fix
            raise TargetUnreadable(f"failed to get target resource: {error}", fix=fix) from error
        return None if raw is None else orjson.loads(raw)

    @staticmethod
    def seen(es: ExternalSecret, live: Json | None) -> Seen | None:
        """What decide needs; an object without our label is simply not valid. Raises EsoError for a managed object without content."""
        return None if live is None else Seen(True, intact(es, live))

    async def apply(self, es: ExternalSecret, change: Change, live: Json | None) -> None:
        """One write at most. Raises the API's errors."""
        resource = await self._resource_of(es)
        try:
            match change:
                case Create(body):
                    self._remember(resource, await self.rest.create(resource, es.metadata.namespace, body))
                case Patch(name=name, body=body):
                    self._remember(resource, await self.rest.patch(resource, es.metadata.namespace, name, body))
                case Delete() if live is not None:
                    await self._delete(resource, live)
        except ApiError as error:
            verb = {Create: "create", Patch: "update", Delete: "delete"}.get(type(change), "write")
            error.message = f"failed to {verb} target resource: {error.message}"
            raise
        if es.spec.target.creation_policy != "None":
            self._informers.use(resource, (es.metadata.namespace, es.metadata.name))

    async def delete_owned(self, es: ExternalSecret) -> bool:
        """Deletion of the ExternalSecret: the object goes only if it is bound to us. A kind that is gone has nothing to delete."""
        try:
            live = await self.live(es)
        except TargetUnreadable as error:
            if "no matches for kind" in str(error):
                return False
            raise
        if live is None or not bound_to(live, es):
            return False
        await self._delete(await self._resource_of(es), live)
        return True

    def release(self, key: Key) -> None:
        """The ExternalSecret is gone: a kind that nobody uses any more is not watched any longer."""
        for resource in self._informers.resources():
            self._informers.release(resource, key)

    def watched(self) -> list[Resource]:
        """Every kind that is followed."""
        return self._informers.resources()

    async def _resource_of(self, es: ExternalSecret) -> Resource:
        manifest = es.spec.target.manifest
        if manifest is None:
            raise EsoError("the target is a Secret")
        return await self.resource(manifest.api_version, manifest.kind)

    async def _delete(self, resource: Resource, live: Json) -> None:
        meta = live["metadata"]
        with contextlib.suppress(ApiNotFound):
            await self.rest.delete(resource, meta["namespace"], meta["name"], uid=meta["uid"], resource_version=meta["resourceVersion"])

    def _remember(self, resource: Resource, raw: bytes) -> None:
        record = target_record(raw)
        self._written[resource.api_version, resource.kind, record.namespace, record.name] = record.resource_version
