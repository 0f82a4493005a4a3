"""One pass over a CRD or a webhook configuration: the CA is there, and the object names it.

Neighbours: keep.py has the CA, inject.py the patches, room.py the queues. Each pass comes back after the interval,
whatever it found, so that what somebody undid is done again.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import orjson

from eso.api.meta import CRDS, ObjectMeta, Resource
from eso.api.wellknown import LABEL_COMPONENT
from eso.certs.inject import Service, into_configuration, into_crd, version_of
from eso.certs.keep import FIELD_MANAGER, Keeper
from eso.errors import EsoError
from eso.kube.rest import JSON_PATCH, Conflict, Rest
from eso.runtime.outcome import After, Done, Outcome, Retry, Wake

Key = tuple[str, str]
CONFIGURATIONS: Final = Resource(
    "admissionregistration.k8s.io",
    "v1",
    "validatingwebhookconfigurations",
    "ValidatingWebhookConfiguration",
    namespaced=False,
)
Told = Callable[[ObjectMeta, str], None]


class NotThere(EsoError):
    """A CRD that a flag names is not installed."""


class CrdPasses:
    """`done` has the names of the CRDs that are as they should be, as far as the last pass knew."""

    def __init__(self, rest: Rest, keeper: Keeper, service: Service, interval: float) -> None:
        self._rest, self._keeper, self._service, self._interval = rest, keeper, service, interval
        self.done: set[str] = set()

    async def reconcile(self, key: Key, wake: Wake, now: datetime) -> Outcome:
        name = key[1]
        try:
            bundle = await self._keeper.ca()
            raw = await self._rest.get(CRDS, "", name)
            if raw is None:
                raise NotThere(
                    f'customresourcedefinitions "{name}" not found', fix="install it, or shorten --crd-names"
                )
            if (patch := into_crd(orjson.loads(raw), self._service, bundle)) is not None:
                await self._rest.patch(CRDS, "", name, patch, field_manager=FIELD_MANAGER)
        except Conflict:
            return Retry()  # somebody wrote it meanwhile: look again
        except EsoError:
            self.done.discard(name)
            raise
        self.done.add(name)
        return After(self._interval)


class ConfigurationPasses:
    """`told(meta, text)`: the Event of a configuration that could not be patched. `done` as in CrdPasses."""

    def __init__(self, rest: Rest, keeper: Keeper, service: Service, interval: float, told: Told) -> None:
        self._rest, self._keeper, self._service, self._interval = rest, keeper, service, interval
        self._told = told
        self.done: set[str] = set()

    async def reconcile(self, key: Key, wake: Wake, now: datetime) -> Outcome:
        name = key[1]
        raw = await self._rest.get(CONFIGURATIONS, "", name)
        found = orjson.loads(raw) if raw is not None else {}
        if (found.get("metadata", {}).get("labels") or {}).get(LABEL_COMPONENT) != "webhook":
            self.done.discard(name)
            return Done()
        try:
            bundle = await self._keeper.ca()
            if patch := into_configuration(found, self._service, bundle):
                await self._rest.patch(
                    CONFIGURATIONS, "", name, patch, field_manager=FIELD_MANAGER, content_type=JSON_PATCH
                )
        except Conflict:
            return Retry()
        except EsoError as error:
            self.done.discard(name)
            self._told(meta_of(found), str(error))
            raise
        self.done.add(name)
        return After(self._interval)


def meta_of(found: dict[str, Any]) -> ObjectMeta:
    meta = found["metadata"]
    return ObjectMeta(name=meta["name"], uid=meta.get("uid", ""), resource_version=version_of(found))
