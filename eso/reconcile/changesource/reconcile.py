"""One ChangeSource's story: its stores may be used, its credentials can be read, and from then on events are accepted.

Neighbours: room.py runs it, journal.py keeps what was heard, report.py words the condition. The server of change events
looks a source up in `served`.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import orjson

from eso.api import wellknown
from eso.api.changesource import (
    MEMBERS,
    SHORTEST_INTERVAL,
    Auth,
    ChangeSource,
    Driven,
    Failing,
    Health,
    Place,
    SecretKeyRef,
    Starting,
)
from eso.api.conditions import condition
from eso.api.externalsecret import StoreRef
from eso.api.meta import SECRETS, Condition, Undecodable
from eso.api.secretstore import SecretStore
from eso.gocompat.duration import DurationError
from eso.kube.rest import Conflict, Rest
from eso.reconcile.changesource.journal import Journal
from eso.reconcile.changesource.report import ready, starting
from eso.reconcile.kit.suspend import awake, suspended, suspended_until
from eso.runtime.outcome import Done, Outcome, Retry, Wake
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


class Drive(Protocol):
    """What asks the sources that no sender comes to."""

    def put(self, key: Key, driven: Driven) -> None: ...
    def end(self, key: Key) -> None: ...
    def health(self, key: Key) -> Health: ...


class Meter(Protocol):
    def passed(self, key: Key, seconds: float) -> None: ...
    def ready(self, key: Key, status: str) -> None: ...
    def gone(self, key: Key) -> None: ...


class ReconcileChangeSource:
    """`lookup` is the informer, `store(kind, namespace, name)` a store's record. `own_namespace`: the operator's; only
    sources there may wake the objects of all namespaces that use a ClusterSecretStore. `listens`: webhooks are served;
    `edits(key)` counts the changes of the Secrets that a source names."""

    def __init__(
        self,
        lookup: Callable[[Key], ChangeSource | Undecodable | None],
        store: Callable[[str, str, str], SecretStore | None],
        journal: Journal,
        drive: Drive,
        rest: Rest,
        *,
        own_namespace: str,
        listens: bool,
        edits: Callable[[Key], int],
        meter: Meter,
        monotonic: Callable[[], float],
    ) -> None:
        self.lookup, self.store, self.journal, self.rest = lookup, store, journal, rest
        self.drive, self.listens, self.edits = drive, listens, edits
        self.own_namespace, self.meter, self.monotonic = own_namespace, meter, monotonic
        self.served: dict[Key, Served] = {}

    async def reconcile(self, key: Key, wake: Wake, now: datetime) -> Outcome:
        began, source = self.monotonic(), self.lookup(key)
        if source is None or isinstance(source, Undecodable) or source.metadata.deletion_timestamp is not None:
            self.served.pop(key, None)
            self.drive.end(key)
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
        member = member_of(source, self.listens, faults)
        until = suspended_until(source.metadata.annotations, now)
        await self.journal.open(source, places if until is None else (), debounce)
        self._driven(key, source, member, places if until is None else [])
        told = self.condition(key, source, member, faults, now)
        if until is not None:
            told = suspended(told, source.metadata.annotations, until, now)
        written = await self.journal.tell(key, told)
        if member == "webhook" and source.spec.webhook is not None:
            stores = len(places) if until is None else 0
            self.served[key] = Served(source.metadata.uid, source.spec.webhook.auth, secrets, stores)
        else:
            self.served.pop(key, None)
        self.meter.ready(key, told.status)
        if not written or missing:
            return Retry()
        return awake(until, now) if until is not None else Done()

    def _driven(self, key: Key, source: ChangeSource, member: str, places: Sequence[Place]) -> None:
        """A source without a usable store is not asked: what it would say could wake nobody, and would be gone."""
        if member in ("", "webhook") or not places:
            self.drive.end(key)
        else:
            self.drive.put(key, Driven(source.metadata.uid, source.spec, tuple(places), self.edits(key)))

    def condition(
        self, key: Key, source: ChangeSource, member: str, faults: Sequence[Fault], now: datetime
    ) -> Condition:
        generation = source.metadata.generation
        if member in ("", "webhook"):
            return ready(member, faults, now, generation)
        match self.drive.health(key):
            case Failing(reason, text):
                return ready(member, [(reason, text), *faults], now, generation)
            case Starting() if not faults:
                # After a start of the operator the last word stands until the source has answered.
                known = condition(self.journal.conditions(key), "Ready")
                same = known is not None and known.observed_generation == generation
                return known if known is not None and same else starting(now, generation)
            case _:
                return ready(member, faults, now, generation)

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


def member_of(source: ChangeSource, listens: bool, faults: list[Fault]) -> str:
    """The member of the spec that is at work, "" for none; says in `faults` why."""
    members = source.spec.members
    if len(members) != 1:
        faults.append(("InvalidSpec", f"exactly one of {', '.join(MEMBERS)} must be set"))
        return ""
    webhook = source.spec.webhook
    if webhook is not None and webhook.auth.jwt is not None and not webhook.auth.jwt.names_sender:
        faults.append(("InvalidSpec", "spec.webhook.auth.jwt.claims must name the sender, by sub or email for example"))
    if members[0] == "webhook" and not listens:
        faults.append(("NotListening", "the operator accepts no change events: it has no --change-events-addr"))
    if source.spec.poll is not None:
        try:
            shortest = source.spec.poll.interval_seconds
        except DurationError as error:
            faults.append(("InvalidSpec", f"spec.poll.interval: {error}"))
            return ""
        if shortest < SHORTEST_INTERVAL:
            faults.append(("InvalidSpec", f"spec.poll.interval: must be at least {SHORTEST_INTERVAL:.0f}s"))
            return ""
    return members[0]
