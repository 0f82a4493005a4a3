"""Reads and writes target Secrets; knows without a read whether one still is as we left it.

Neighbours: reconcile.py calls it, desired.py computed the Change. Keeps no value: per target the resourceVersion we
verified and a keyed digest of what went into it. A digest may prove "no write needed", never "absent".
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import msgspec
import orjson

from eso.api import wellknown
from eso.api.externalsecret import EXTERNAL_SECRETS, ExternalSecret
from eso.api.hashing import data_hash
from eso.api.meta import CONFIG_MAPS, SECRETS
from eso.errors import EsoError
from eso.kube.rest import NotFound as ApiNotFound
from eso.kube.rest import Rest
from eso.reconcile.externalsecret.decide import Seen
from eso.reconcile.externalsecret.desired import Change, Create, Delete, Patch, decoded
from eso.reconcile.externalsecret.readplan import sources_of
from eso.reconcile.kit.difference import Json
from eso.reconcile.kit.owners import bound_to, controlled_by, last_manager

Key = tuple[str, str]
MOST_BYTES = 16 << 20  # of all template sources of one object


class TargetRecord(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a Secret: enough to see that it changed and whether it is ours."""

    namespace: str
    name: str
    resource_version: str
    managed: bool = False
    created_by: str = ""


class _Meta(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    resourceVersion: str = ""
    labels: dict[str, str] | None = None


class _Partial(msgspec.Struct):
    metadata: _Meta


_partial = msgspec.json.Decoder(_Partial)


def target_record(raw: bytes | msgspec.Raw) -> TargetRecord:
    """Metadata of one Secret → the record. Labels that are not ours are dropped at once."""
    meta = _partial.decode(raw).metadata
    labels = meta.labels or {}
    managed = labels.get(wellknown.LABEL_MANAGED) == "true"
    return TargetRecord(
        meta.namespace, meta.name, meta.resourceVersion, managed, labels.get(wellknown.LABEL_CREATED_BY, "")
    )


@dataclass(frozen=True, slots=True)
class Verified:
    """What is known of one target at one resourceVersion."""

    resource_version: str
    hash_matches: bool
    inputs: bytes = b""
    changed_by: str = ""


class Targets:
    """`cached(namespace, name)` and `labelled(namespace, created_by)` look into the Secret informer; `news` is told
    what `observed` held back."""

    def __init__(
        self,
        rest: Rest,
        cached: Callable[[str, str], TargetRecord | None],
        labelled: Callable[[str, str], list[TargetRecord]],
        news: Callable[[TargetRecord], None] = lambda record: None,
    ) -> None:
        self.rest, self.cached, self.labelled, self.news = rest, cached, labelled, news
        self._held: dict[Key, list[list[TargetRecord]]] = {}  # per write on its way: what the watch showed meanwhile
        self._verified: dict[Key, Verified] = {}
        self._written: dict[Key, TargetRecord] = {}
        self._doubtful: set[Key] = set()
        self._digest_key = secrets.token_bytes(32)

    def record(self, namespace: str, name: str) -> TargetRecord | None:
        """The newest that is known: the informer's, or our own write that it has not shown yet."""
        return self._written.get((namespace, name)) or self.cached(namespace, name)

    def observed(self, old: TargetRecord | None, new: TargetRecord | None) -> bool:
        """A watch event arrived; True when it is news and not the echo of our own write."""
        record = new or old
        assert record is not None
        key = (record.namespace, record.name)
        written = self._written.get(key)
        if new is None:
            if self._written.pop(key, None) is not None:
                # the watch is behind our own write: what is gone may be what was there before it
                self._doubtful.add(key)
            self._verified.pop(key, None)
            return True
        if written is not None:
            if int(new.resource_version) >= int(written.resource_version):
                del self._written[key]
            if int(new.resource_version) <= int(written.resource_version):
                return False
        for held in self._held.get(key, ()):
            held.append(new)  # the echo may be faster than the reply: `_write` knows then
        return key not in self._held

    async def look(self, es: ExternalSecret) -> Seen | None:
        """What decide needs. Costs a read only for a resourceVersion that was not verified before."""
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
        return Seen(record is not None and record.managed, known.hash_matches, known.changed_by)

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
            self._written[key] = target_record(raw)
        self._verify(key, live)
        return live

    async def label(self, es: ExternalSecret) -> None:
        body = {"metadata": {"labels": {wellknown.LABEL_MANAGED: "true"}}}
        key = (es.metadata.namespace, es.target_name)
        await self._write(key, self.rest.patch(SECRETS, *key, body, field_manager=es.field_manager))

    def inputs(
        self, es: ExternalSecret, data: Mapping[str, bytes], sources: Mapping[tuple[str, str], Mapping[str, str]]
    ) -> bytes:
        """Keyed digest of all that decides the target's content, apart from the target itself."""
        digest = hashlib.blake2b(key=self._digest_key, digest_size=16)
        head = [es.metadata.uid, es.metadata.generation, es.metadata.labels, es.metadata.annotations]
        digest.update(orjson.dumps(head, option=orjson.OPT_SORT_KEYS))
        for name in sorted(data):
            digest.update(b"%d:%b%d:%b" % (len(name.encode()), name.encode(), len(data[name]), data[name]))
        for source in sorted(sources):
            digest.update(orjson.dumps([source, dict(sources[source])], option=orjson.OPT_SORT_KEYS))
        return digest.digest()

    def unchanged(self, es: ExternalSecret, inputs: bytes) -> bool:
        """The target still is the one that these very inputs led to: no read, no write."""
        key = (es.metadata.namespace, es.target_name)
        known, record = self._verified.get(key), self.record(*key)
        if known is None or record is None or known.resource_version != record.resource_version:
            return False
        return known.hash_matches and known.inputs == inputs

    async def apply(self, es: ExternalSecret, change: Change, live: Json | None, inputs: bytes) -> None:
        """One write at most. Raises the API's errors."""
        key = (es.metadata.namespace, es.target_name)
        match change:
            case Create(body):
                await self._write(
                    key, self.rest.create(SECRETS, es.metadata.namespace, body, field_manager=es.field_manager), inputs
                )
            case Patch(body=body):
                await self._write(key, self.rest.patch(SECRETS, *key, body, field_manager=es.field_manager), inputs)
            case Delete() if live is not None:
                await self.delete(key, live)
            case _ if live is not None and (known := self._verified.get(key)):
                self._verified[key] = Verified(known.resource_version, known.hash_matches, inputs)

    async def delete(self, key: Key, live: Json) -> None:
        meta = live["metadata"]
        with contextlib.suppress(ApiNotFound):
            await self.rest.delete(SECRETS, *key, uid=meta["uid"], resource_version=meta["resourceVersion"])
        self._written.pop(key, None)
        self._verified.pop(key, None)

    async def delete_owned(self, es: ExternalSecret) -> bool:
        """Deletion of the ExternalSecret: removes the target only if its controller reference has our uid."""
        live = await self.live(es)
        if live is None or not controlled_by(live, es.metadata.uid):
            return False
        await self.delete((es.metadata.namespace, es.target_name), live)
        return True

    async def delete_orphans(self, es: ExternalSecret, created_by: str) -> list[str]:
        """Targets left behind by a rename: same `created-by` label, another name, still bound to us. Returns the
        deleted names.

        The reference goes by the label alone, and so deletes the copy that somebody made of a Secret together with its
        labels.
        """
        gone: list[str] = []
        for record in self.labelled(es.metadata.namespace, created_by):
            raw = None if record.name == es.target_name else await self.rest.get(SECRETS, record.namespace, record.name)
            if raw is not None and bound_to(live := orjson.loads(raw), EXTERNAL_SECRETS, es.metadata.name):
                await self.delete((record.namespace, record.name), live)
                gone.append(record.name)
        return gone

    async def sources(self, es: ExternalSecret) -> dict[tuple[str, str], dict[str, str]]:
        """Contents of the ConfigMaps and Secrets that `templateFrom` names, read in the object's own namespace."""
        found: dict[tuple[str, str], dict[str, str]] = {}
        size = 0
        for kind, name in sources_of(es.spec):
            resource = CONFIG_MAPS if kind == "ConfigMap" else SECRETS
            raw = await self.rest.get(resource, es.metadata.namespace, name)
            if raw is None:
                raise SourceMissing(
                    f'{resource.plural} "{name}" not found',
                    fix=f"create the {kind} in namespace {es.metadata.namespace}",
                )
            size += len(raw)
            if size > MOST_BYTES:
                raise SourceMissing(
                    f"the sources of templateFrom are more than {MOST_BYTES} bytes", fix="name fewer, or smaller ones"
                )
            data = orjson.loads(raw).get("data") or {}
            found[kind, name] = (
                data
                if kind == "ConfigMap"
                else {k: base64.b64decode(v).decode(errors="surrogateescape") for k, v in data.items()}
            )
        return found

    def released(self, key: Key) -> None:
        """No ExternalSecret has this target any more."""
        self._doubtful.discard(key)

    def lost(self, es: ExternalSecret) -> None:
        """Our picture of the target proved wrong: read it before the next write."""
        key = (es.metadata.namespace, es.target_name)
        self._verified.pop(key, None)
        self._doubtful.add(key)

    async def _write(self, key: Key, sending: Awaitable[bytes], inputs: bytes = b"") -> None:
        """One write of ours. What the watch showed before the reply is told afterwards, unless it was this write or
        older."""
        held: list[TargetRecord] = []
        self._held.setdefault(key, []).append(held)
        ours = 0
        try:
            raw = await sending
            self._remember(key, raw, inputs)
            ours = int(self._written[key].resource_version)
            if any(int(record.resource_version) >= ours for record in held):
                del self._written[key]
        finally:
            self._held[key].remove(held)
            if not self._held[key]:
                del self._held[key]
            if held and int(held[-1].resource_version) > ours:
                self.news(held[-1])

    def _remember(self, key: Key, raw: bytes, inputs: bytes = b"") -> None:
        """Our own write updates what we know before the watch shows it."""
        live: Json = orjson.loads(raw)
        self._written[key] = target_record(raw)
        self._verify(key, live, inputs)

    def _verify(self, key: Key, live: Json, inputs: bytes = b"") -> None:
        meta = live["metadata"]
        matches = (meta.get("annotations") or {}).get(wellknown.ANNOTATION_DATA_HASH) == data_hash(decoded(live))
        self._verified[key] = Verified(meta["resourceVersion"], matches, inputs, "" if matches else last_manager(meta))


class SourceMissing(EsoError):
    """A `templateFrom` ConfigMap or Secret is not there, or all of them are too much."""
