"""One ChangeSource's story: its stores may be used, its credentials can be read, and from then on events are accepted.

Neighbours: room.py runs it, journal.py keeps what was heard, report.py words the condition. The server of change events
looks a source up in `served`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import orjson

from eso.api import wellknown
from eso.api.changesource import Auth, ChangeSource, SecretKeyRef
from eso.api.externalsecret import StoreRef
from eso.api.meta import SECRETS, Undecodable
from eso.api.secretstore import SecretStore
from eso.gocompat.duration import DurationError
from eso.kube.rest import Conflict, Rest
from eso.reconcile.changesource.journal import Journal, Place
from eso.reconcile.changesource.report import ready
from eso.reconcile.kit.suspend import FOREVER, suspended, suspended_until
from eso.runtime.outcome import After, Done, Outcome, Retry, Wake
from eso.secretbytes import SecretBytes

Key = tuple[str, str]
Fault = tuple[str, str]  # reason, text
LONGEST_DEBOUNCE = 3600.0


@dataclass(frozen=True, slots=True)
class Served:
    """A source as the server needs it. `stores`: how many of its stores may be used."""

    uid: str
    auth: Auth
    secrets: tuple[SecretBytes, ...]
    stores: int


class Meter(Protocol):
    def passed(self, key: Key, seconds: float) -> None: ...
    def ready(self, key: Key, status: str) -> None: ...
    def gone(self, key: Key) -> None: ...


class ReconcileChangeSource:
    """`lookup` is the informer, `store(kind, namespace, name)` a store's record. `own_namespace`: the operator's; only
    sources there may wake the objects of all namespaces that use a ClusterSecretStore."""

    def __init__(
        self,
        lookup: Callable[[Key], ChangeSource | Undecodable | None],
        store: Callable[[str, str, str], SecretStore | None],
        journal: Journal,
        rest: Rest,
        *,
        own_namespace: str,
        meter: Meter,
        monotonic: Callable[[], float],
    ) -> None:
        self.lookup, self.store, self.journal, self.rest = lookup, store, journal, rest
        self.own_namespace, self.meter, self.monotonic = own_namespace, meter, monotonic
        self.served: dict[Key, Served] = {}

    async def reconcile(self, key: Key, wake: Wake, now: datetime) -> Outcome:
        began, source = self.monotonic(), self.lookup(key)
        if source is None or isinstance(source, Undecodable) or source.metadata.deletion_timestamp is not None:
            self.served.pop(key, None)
            self.journal.close(key)
            if source is None:
                self.meter.gone(key)
            return Done()
        try:
            outcome = await self._pass(key, source, now)
        except Conflict:
            outcome = Retry()
        self.meter.passed(key, self.monotonic() - began)
        return outcome

    async def _pass(self, key: Key, source: ChangeSource, now: datetime) -> Outcome:
        places, faults = self.places(source)
        secrets, missing = await self.secrets(source)
        faults += missing
        try:
            debounce = min(LONGEST_DEBOUNCE, max(0.0, source.spec.debounce_seconds))
        except DurationError as error:
            debounce = 0.0
            faults.append(("InvalidSpec", f"spec.debounce: {error}"))
        until = suspended_until(source.metadata.annotations, now)
        await self.journal.open(source, places if until is None else (), debounce)
        condition = ready(faults, now, source.metadata.generation)
        if until is not None:
            condition = suspended(condition, source.metadata.annotations, until, now)
        auth = source.spec.webhook.auth if source.spec.webhook is not None else Auth()
        written = await self.journal.tell(key, condition)
        self.served[key] = Served(source.metadata.uid, auth, secrets, len(places) if until is None else 0)
        self.meter.ready(key, condition.status)
        if not written or missing:
            return Retry()
        return Done() if until is None or until == FOREVER else After((until - now).total_seconds())

    def places(self, source: ChangeSource) -> tuple[list[Place], list[Fault]]:
        """The stores whose objects may be woken, and why others may not."""
        found: list[Place] = []
        faults: list[Fault] = []
        for ref in source.spec.store_refs:
            place = self.place(source.namespace, ref)
            if place is not None:
                found.append(place)
            elif ref.cluster_scoped:
                # Whether there is such a store is nothing that a namespace may find out this way.
                text = f'ClusterSecretStore "{ref.name}" does not exist or admits no ChangeSource of this namespace'
                faults.append(("StoreNotAllowed", text))
            else:
                faults.append(("StoreMissing", f'SecretStore "{ref.name}" does not exist'))
        return found, faults

    def place(self, namespace: str, ref: StoreRef) -> Place | None:
        if not ref.cluster_scoped:
            found = self.store("SecretStore", namespace, ref.name)
            return Place(("SecretStore", namespace, ref.name), namespace) if found is not None else None
        cluster_store = self.store("ClusterSecretStore", "", ref.name)
        if cluster_store is None:
            return None
        where = ("ClusterSecretStore", "", ref.name)
        if namespace == self.own_namespace:
            return Place(where, "")
        admitted = cluster_store.metadata.annotations.get(wellknown.ANNOTATION_CHANGE_SOURCES_FROM, "")
        return Place(where, namespace) if namespace in [one.strip() for one in admitted.split(",")] else None

    async def secrets(self, source: ChangeSource) -> tuple[tuple[SecretBytes, ...], list[Fault]]:
        """The values that the sender may prove itself with. Raises ApiError."""
        found: list[SecretBytes] = []
        faults: list[Fault] = []
        auth = source.spec.webhook.auth if source.spec.webhook is not None else Auth()
        for ref in auth.secret_refs:
            value = await self.value(source.namespace, ref)
            if not value:
                faults.append(("CredentialMissing", f'Secret "{ref.name}" has no key "{ref.key}" with a value'))
            elif auth.jwt is not None and not is_key_set(value):
                faults.append(("InvalidSpec", f'key "{ref.key}" of Secret "{ref.name}" is no JWKS'))
            else:
                found.append(SecretBytes(value))
        return tuple(found), faults

    async def value(self, namespace: str, ref: SecretKeyRef) -> bytes:
        """b"" when there is none."""
        raw = await self.rest.get(SECRETS, namespace, ref.name)
        data = (orjson.loads(raw).get("data") or {}) if raw is not None else {}
        try:
            return base64.b64decode(data.get(ref.key) or "").strip()
        except binascii.Error:
            return b""


def is_key_set(document: bytes) -> bool:
    try:
        parsed = orjson.loads(document)
    except orjson.JSONDecodeError:
        return False
    return isinstance(parsed, dict) and isinstance(parsed.get("keys"), list)
