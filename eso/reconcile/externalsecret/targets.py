"""Reads and writes target Secrets; knows without a read whether a Secret is unchanged since our last write.

Neighbours: reconcile.py calls it, desired.py computed the Change. Keeps no value: per target the resourceVersion we
verified and a keyed digest of what went into it. A digest may prove "no write needed", never "absent".
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import orjson

from eso.api import wellknown
from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret
from eso.api.hashing import data_hash, owner_hash
from eso.api.meta import SECRETS
from eso.kube.rest import NotFound as ApiNotFound
from eso.kube.rest import Rest
from eso.reconcile.externalsecret.adopt import foreign, kept_by_others
from eso.reconcile.externalsecret.decide import Seen
from eso.reconcile.externalsecret.desired import Change, Create, Delete, Patch, decoded
from eso.reconcile.externalsecret.records import Key, Sight, TargetRecord, target_record
from eso.reconcile.externalsecret.target import Before
from eso.reconcile.kit.difference import Json
from eso.reconcile.kit.owners import bound_to, controlled_by, last_manager


@dataclass(frozen=True, slots=True)
class Verified:
    """What is known of one target at one resourceVersion."""

    resource_version: str
    hash_matches: bool
    inputs: bytes = b""
    changed_by: str = ""
    state: str = ""  # of a target that was changed: its hash, and the one that its annotation says
    foreign: Json | None = None  # of a Secret of a type that others own: what tells whose it is


@dataclass(frozen=True, slots=True)
class Written:
    """Our own write (`wrote`), or a newer version that a read showed, until the watch has caught up."""

    record: TargetRecord
    by: Key
    wrote: bool = True


class Targets:
    """`cached(namespace, name)` and `labelled(namespace, created_by)` look into the Secret informer; `news(record,
    sight)` is called for the events that `observed` held back."""

    def __init__(
        self,
        rest: Rest,
        cached: Callable[[str, str], TargetRecord | None],
        labelled: Callable[[str, str], list[TargetRecord]],
        news: Callable[[TargetRecord, Sight], None] = lambda record, sight: None,
    ) -> None:
        self.rest, self.cached, self.labelled, self.news = rest, cached, labelled, news
        self._held: dict[Key, list[list[TargetRecord]]] = {}  # per write on its way: what the watch showed meanwhile
        self._verified: dict[Key, Verified] = {}
        self._written: dict[Key, Written] = {}
        self._deleting: dict[
            Key, Key
        ] = {}  # target → the object on whose behalf it is deleted, until the watch shows it
        self._doubtful: set[Key] = set()

    def record(self, namespace: str, name: str) -> TargetRecord | None:
        """The newest record: the informer's, or that of our own write while the watch has not shown it."""
        written = self._written.get((namespace, name))
        return written.record if written is not None else self.cached(namespace, name)

    def observed(self, old: TargetRecord | None, new: TargetRecord | None) -> Sight | None:
        """A watch event arrived. None: a write of ours is on its way, and `news` is called once its reply tells whose
        event this was."""
        record = new or old
        assert record is not None
        key = (record.namespace, record.name)
        written = self._written.get(key)
        if new is None:
            if self._written.pop(key, None) is not None:
                # The event may be about a Secret that our newer write replaced: read the live object before trusting
                # it.
                self._doubtful.add(key)
            self._verified.pop(key, None)
            deleted_by = self._deleting.pop(key, None)
            return Sight(True, deleted_by, wrote=deleted_by is not None)
        self._deleting.pop(key, None)  # it is still there, or there again
        if written is not None:
            if int(new.resource_version) >= int(written.record.resource_version):
                del self._written[key]
            if int(new.resource_version) == int(written.record.resource_version):
                return Sight(True, written.by, written.wrote)
            if int(new.resource_version) < int(written.record.resource_version):
                return Sight(False)  # the target has moved on since; its text as a template source may have been read
        for held in self._held.get(key, ()):
            held.append(new)  # the event may be faster than the reply
        return None if key in self._held else Sight(True)

    async def look(self, es: ExternalSecret) -> Seen | None:
        """What decide needs. Costs a read only for a resourceVersion that was not verified before. Raises Failed for a
        Secret of a type that others own, unless nothing is to be written."""
        key = (es.metadata.namespace, es.target_name)
        record = self.record(*key)
        if record is None and key not in self._doubtful:
            return None
        known = self._verified.get(key)
        if record is None or known is None or known.resource_version != record.resource_version:
            live = await self.live(es)
            if live is None:
                return None
            known, record = self._verified[key], self.record(*key) or record
        managed = record is not None and record.managed
        if es.spec.target.creation_policy != "None":
            kept_by_others(es, known.foreign)
        return Seen(managed, known.hash_matches, known.changed_by, known.state, markable=known.foreign is None)

    async def live(self, es: ExternalSecret) -> Json | None:
        key = (es.metadata.namespace, es.target_name)
        raw = await self.rest.get(SECRETS, *key)
        self._doubtful.discard(key)
        if raw is None:
            self._verified.pop(key, None)
            self._written.pop(key, None)
            return None
        live: Json = orjson.loads(raw)
        if (record := self.record(*key)) is None or int(record.resource_version) < int(
            live["metadata"]["resourceVersion"]
        ):
            self._written[key] = Written(target_record(raw), (es.metadata.namespace, es.metadata.name), wrote=False)
        self._verify(key, live)
        return live

    async def label(self, es: ExternalSecret) -> None:
        """Marks the very version that was looked at: another one may be a Secret of somebody else. Raises Conflict."""
        key = (es.metadata.namespace, es.target_name)
        seen = self._verified.get(key)
        if seen is None:
            return  # it went meanwhile: the next pass looks again
        body = {"metadata": {"labels": {wellknown.LABEL_MANAGED: "true"}, "resourceVersion": seen.resource_version}}
        await self._write(es, self.rest.patch(SECRETS, *key, body, field_manager=es.field_manager))

    async def before(self, es: ExternalSecret, data: Mapping[str, bytes], inputs: bytes, settle: bool) -> Before:
        if settle and data and self.unchanged(es, inputs):
            return Before(inputs=inputs, settled=True)
        # A Secret that is in no record answers the POST with a conflict, which costs no more than asking first.
        known = self.record(es.metadata.namespace, es.target_name)
        return Before(await self.live(es) if known or not data else None, inputs)

    def unchanged(self, es: ExternalSecret, inputs: bytes) -> bool:
        """The target has not changed since it was written from these inputs: no read and no write is needed."""
        key = (es.metadata.namespace, es.target_name)
        known, record = self._verified.get(key), self.record(*key)
        if known is None or record is None or known.resource_version != record.resource_version:
            return False
        return known.hash_matches and known.inputs == inputs

    async def apply(self, es: ExternalSecret, change: Change, before: Before) -> None:
        key = (es.metadata.namespace, es.target_name)
        match change:
            case Create(body):
                sending = self.rest.create(SECRETS, es.metadata.namespace, body, field_manager=es.field_manager)
                await self._write(es, sending, before.inputs)
            case Patch(body=body):
                sending = self.rest.patch(SECRETS, *key, body, field_manager=es.field_manager)
                await self._write(es, sending, before.inputs)
            case Delete() if before.live is not None:
                await self.delete(es, before.live)
            case _ if before.live is not None and (known := self._verified.get(key)):
                self._verified[key] = Verified(
                    known.resource_version, known.hash_matches, before.inputs, foreign=known.foreign
                )

    async def delete(self, es: ExternalSecret, live: Json) -> None:
        """Deletes this very version of the Secret; one that is gone already is fine."""
        meta = live["metadata"]
        key = (es.metadata.namespace, meta["name"])
        self._deleting[key] = (es.metadata.namespace, es.metadata.name)
        try:
            await self.rest.delete(SECRETS, *key, uid=meta["uid"], resource_version=meta["resourceVersion"])
        except BaseException as error:
            self._deleting.pop(key, None)
            if not isinstance(error, ApiNotFound):
                raise
        if self.cached(*key) is None:  # the event came before the reply, or the Secret is not watched
            self._deleting.pop(key, None)
        self._written.pop(key, None)
        self._verified.pop(key, None)

    async def delete_owned(self, es: ExternalSecret) -> bool:
        """Deletion of the ExternalSecret: removes the target only if its controller reference has our uid."""
        live = await self.live(es)
        if live is None or not controlled_by(live, es.metadata.uid):
            return False
        await self.delete(es, live)
        return True

    async def delete_orphans(self, es: ExternalSecret) -> list[str]:
        """Targets left behind by a rename: same `created-by` label, another name, still bound to us. Returns the
        deleted names.

        The reference goes by the label alone, and so deletes the copy that somebody made of a Secret together with its
        labels.
        """
        gone: list[str] = []
        if es.spec.target.creation_policy != "Owner":
            return gone
        for record in self.labelled(es.metadata.namespace, owner_hash(es.metadata.namespace, es.metadata.name)):
            raw = None if record.name == es.target_name else await self.rest.get(SECRETS, record.namespace, record.name)
            if raw is not None and bound_to(live := orjson.loads(raw), EXTERNAL_SECRETS, es.metadata.name):
                await self.delete(es, live)
                gone.append(record.name)
        return gone

    def unwatched(self, es: ExternalSecret) -> str:
        return ""

    def released(self, key: Key) -> None:
        """No ExternalSecret has this target any more."""
        self._doubtful.discard(key)

    def lost(self, es: ExternalSecret) -> None:
        """A conflict showed that our record of the target is old: read it before the next write."""
        key = (es.metadata.namespace, es.target_name)
        self._verified.pop(key, None)
        self._doubtful.add(key)

    async def _write(self, es: ExternalSecret, sending: Awaitable[bytes], inputs: bytes = b"") -> None:
        """One write of ours. What the watch showed before the reply is told afterwards."""
        key, writer = (es.metadata.namespace, es.target_name), (es.metadata.namespace, es.metadata.name)
        held: list[TargetRecord] = []
        self._held.setdefault(key, []).append(held)
        ours = 0
        try:
            raw = await sending
            self._written[key] = Written(target_record(raw), writer)
            self._verify(key, orjson.loads(raw), inputs)
            ours = int(self._written[key].record.resource_version)
            if any(int(record.resource_version) >= ours for record in held):
                del self._written[key]
        finally:
            self._held[key].remove(held)
            if not self._held[key]:
                del self._held[key]
            if held:
                self._told(held[-1], ours, writer)

    def _told(self, last: TargetRecord, ours: int, writer: Key) -> None:
        """`last` is what the watch showed last while our write became version `ours` (0: no reply tells)."""
        version = int(last.resource_version)
        if version > ours:
            self.news(last, Sight(True))
        elif version == ours:
            self.news(last, Sight(True, writer, wrote=True))
        else:
            self.news(last, Sight(False))

    def _verify(self, key: Key, live: Json, inputs: bytes = b"") -> None:
        meta, found = live["metadata"], data_hash(decoded(live))
        mark = (meta.get("annotations") or {}).get(wellknown.ANNOTATION_DATA_HASH)
        whose = foreign(live)
        self._verified[key] = (
            Verified(meta["resourceVersion"], True, inputs, foreign=whose)
            if mark == found
            else Verified(meta["resourceVersion"], False, inputs, last_manager(meta), f"{found} {mark}", whose)
        )
