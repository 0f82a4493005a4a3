"""Reads and writes targets of any kind, and watches the kinds in use: the counterpart of targets.py for
`spec.target.manifest`.

Neighbours: reconcile.py calls it, manifest.py computed the Change. Whether the kind exists and whether we may touch it
is the object's own condition: a 403 or a missing CRD concerns nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NoReturn

import msgspec
import orjson

from eso.api import wellknown
from eso.api.externalsecret import ExternalSecret
from eso.api.meta import Resource
from eso.errors import EsoError
from eso.kube.informer import Informer
from eso.kube.inuse import InformersInUse
from eso.kube.rest import ApiError, Forbidden, Rest, UnknownResource
from eso.kube.rest import NotFound as ApiNotFound
from eso.reconcile.externalsecret.decide import Seen
from eso.reconcile.externalsecret.desired import Change, Create, Delete, Patch
from eso.reconcile.externalsecret.manifest import Left, body_hash, intact, left_behind, mark_of, refuse
from eso.reconcile.externalsecret.records import Key
from eso.reconcile.externalsecret.stage import Failed, Stage
from eso.reconcile.externalsecret.target import Before
from eso.reconcile.kit.difference import Json
from eso.reconcile.kit.owners import controlled_by, last_manager

LABEL: Final = r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?"
API_VERSION: Final = re.compile(rf"(?:{LABEL}(?:\.{LABEL})*/)?{LABEL}", re.ASCII)
Token = tuple[str, str, str, str]  # apiVersion, kind, namespace, name
Tell = Callable[[Key | None], None]
OWN_WRITES: Final = 8  # of one target whose events may still come


class GenericRecord(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a managed object. `generation` 0: the kind has none."""

    namespace: str
    name: str
    resource_version: str
    generation: int = 0
    data_hash: str = ""


class _Meta(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    resourceVersion: str = ""
    generation: int = 0
    annotations: dict[str, str] | None = None


class _Partial(msgspec.Struct):
    metadata: _Meta


_partial = msgspec.json.Decoder(_Partial)


def generic_record(raw: bytes | msgspec.Raw) -> GenericRecord:
    """Metadata of one object → the record."""
    meta = _partial.decode(raw).metadata
    marked = (meta.annotations or {}).get(wellknown.ANNOTATION_DATA_HASH, "")
    return GenericRecord(meta.namespace, meta.name, meta.resourceVersion, meta.generation, marked)


class GenericTargets:
    """`changed(api_version, kind, namespace, name, writer)` is called when a managed object of a watched kind was
    written or deleted; `writer` is the ExternalSecret on whose behalf we wrote it ourselves, None for anybody else's
    write. `enabled`: the flag that allows such targets."""

    def __init__(
        self,
        rest: Rest,
        changed: Callable[[str, str, str, str, Key | None], None],
        *,
        namespace: str,
        log: Any,
        enabled: bool = True,
    ) -> None:
        self.rest, self.changed, self.namespace, self.log = rest, changed, namespace, log
        self.enabled = enabled
        self._resources: dict[tuple[str, str], Resource] = {}
        self._informers: InformersInUse[GenericRecord] = InformersInUse(self._informer)
        self._arrivals: InformersInUse[GenericRecord] = InformersInUse(self._arrival_informer)
        self._awaited: dict[Key, Token] = {}  # ExternalSecret that merges → its target, while that is not there
        self._tokens: dict[Key, Token] = {}  # ExternalSecret → its target
        self._known: dict[Token, str] = {}  # the resourceVersion that was read or written last
        self._writers: dict[Token, tuple[str, Key]] = {}  # our own last write: its version, and whose it was
        self._left: dict[Token, Left] = {}
        self._own: dict[
            Token, deque[tuple[int, Key]]
        ] = {}  # our last writes, for those who read the target as a source
        self._flying: dict[Token, list[tuple[int, Tell]]] = {}  # what a watch showed while a write is on its way

    async def run(self) -> NoReturn:
        """The informers of the kinds in use live here, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._informers.run(), name="informers-of-targets")
            group.create_task(self._arrivals.run(), name="informers-of-awaited-targets")
        raise AssertionError("unreachable")

    def _informer(self, resource: Resource) -> Informer[GenericRecord]:
        return Informer(
            self.rest,
            resource,
            generic_record,
            lambda old, new: self._moved(resource, old, new),
            namespace=self.namespace,
            label_selector=f"{wellknown.LABEL_MANAGED}=true",
            metadata_only=True,
            log=self.log,
        )

    def _arrival_informer(self, resource: Resource) -> Informer[GenericRecord]:
        """Sees all objects of the kind, because an object that somebody else makes does not carry our label; keeps only
        those that an ExternalSecret waits for."""
        return Informer(
            self.rest,
            resource,
            generic_record,
            lambda old, new: self._arrived(resource, old, new),
            namespace=self.namespace,
            metadata_only=True,
            keep=lambda record: self._token(resource, record) in self._awaited.values(),
            log=self.log,
        )

    def _arrived(self, resource: Resource, old: GenericRecord | None, new: GenericRecord | None) -> None:
        if old is None and new is not None:
            self.changed(*self._token(resource, new), None)

    def _token(self, resource: Resource, record: GenericRecord) -> Token:
        return resource.api_version, resource.kind, record.namespace, record.name

    def _moved(self, resource: Resource, old: GenericRecord | None, new: GenericRecord | None) -> None:
        record = new or old
        assert record is not None
        token = self._token(resource, record)
        known, (version, writer) = self._known.get(token), self._writers.get(token, ("", None))
        if new is not None and new.resource_version == version:
            self.changed(*token, writer)  # no other object's pass has seen it yet
            return
        if new is None:
            self._known.pop(token, None)
        elif known is None and old is None:
            return  # no pass has read it yet, so one is still to come
        elif known is not None and int(new.resource_version) <= int(known):
            return  # a pass has read it
        elif old is not None and new.generation and (old.generation, old.data_hash) == (new.generation, new.data_hash):
            return  # only the status or labels of others changed
        self.changed(*token, None)

    def wrote(self, token: Token, version: str, tell: Tell) -> None:
        """A watch shows this version of an object: `tell` gets the ExternalSecret on whose behalf we wrote it, None for
        anybody else's write. Called later while a write of ours is on its way, since the event may be faster than the
        reply."""
        if token in self._flying:
            self._flying[token].append((int(version), tell))
        else:
            tell(self._writer(token, int(version)))

    def _writer(self, token: Token, version: int) -> Key | None:
        return next((key for own, key in self._own.get(token, ()) if own == version), None)

    async def _sent(self, es: ExternalSecret, sending: Awaitable[bytes]) -> bytes:
        """The reply to a write."""
        token = token_of(es)
        shown = self._flying.setdefault(token, [])
        try:
            reply = await sending
            version = int(_partial.decode(reply).metadata.resourceVersion)
            self._own.setdefault(token, deque(maxlen=OWN_WRITES)).append((version, (es.namespace, es.name)))
            return reply
        finally:
            if self._flying.get(token) is shown:
                del self._flying[token]
            for seen, tell in shown:
                tell(self._writer(token, seen))

    async def resource(self, api_version: str, kind: str) -> Resource:
        """Asks the API server how the kind is called in URLs. Raises Failed."""
        known = self._resources.get((api_version, kind))
        if known is not None:
            return known
        # The text becomes a part of a URL: with a slash or a dot more, its author could choose another path.
        if not API_VERSION.fullmatch(api_version):
            raise no_such_kind(api_version, kind)
        group, _, version = api_version.rpartition("/")
        try:
            raw = await self.rest.read(f"/apis/{group}/{version}" if group else f"/api/{version}")
        except UnknownResource as error:
            raise no_such_kind(api_version, kind) from error
        except ApiError as error:
            raise Failed(Stage.LOOK, f"failed to get target resource: {error}", fix=error.fix) from error
        for entry in orjson.loads(raw).get("resources") or []:
            if entry.get("kind") == kind and "/" not in entry.get("name", ""):
                found = Resource(group, version, entry["name"], kind, bool(entry.get("namespaced")))
                if not found.namespaced:
                    raise Failed(
                        Stage.LOOK,
                        f"failed to get target resource: {kind} is cluster-scoped",
                        fix="only kinds that live in a namespace can be targets",
                    )
                self._resources[api_version, kind] = found
                return found
        raise no_such_kind(api_version, kind)

    async def live(self, es: ExternalSecret) -> Json | None:
        """The object as it is now, None when it proven does not exist. Raises Failed."""
        resource = await self._resource_of(es)
        try:
            raw = await self.rest.get(resource, es.metadata.namespace, es.target_name)
        except UnknownResource as error:
            self._resources.pop((resource.api_version, resource.kind), None)
            raise no_such_kind(resource.api_version, resource.kind) from error
        except ApiError as error:
            raise Failed(
                Stage.LOOK, f"failed to get target resource: {error}", fix=granting(error, resource)
            ) from error
        return None if raw is None else orjson.loads(raw)

    async def look(self, es: ExternalSecret) -> Seen | None:
        """What decide needs; an object without our label is simply not valid. Raises Failed."""
        refuse(es, enabled=self.enabled)
        if es.spec.target.creation_policy == "None":
            return None
        key, merges = (es.metadata.namespace, es.metadata.name), es.spec.target.creation_policy == "Merge"
        if merges:
            self._awaited[key] = token_of(es)  # before the read: the target may appear while it is on its way
        live = await self.live(es)
        if live is None and merges:
            self._arrivals.use(await self._resource_of(es), key)
        if live is None:
            return None
        self._stop_waiting(key)
        valid = intact(live, self.left(es))
        if valid:
            self._follow(await self._resource_of(es), es, live["metadata"]["resourceVersion"])
        if valid:
            return Seen(True, True)
        return Seen(True, False, last_manager(live["metadata"]), f"{body_hash(live)} {mark_of(live)}")

    def unwatched(self, es: ExternalSecret) -> str:
        """Why a change of the target would not be noticed, "" when it would: the right to write is not the right to
        watch."""
        manifest = es.spec.target.manifest
        resource = self._resources.get((manifest.api_version, manifest.kind)) if manifest is not None else None
        informer = self._informers.get(resource) if resource is not None else None
        if resource is None or informer is None or not isinstance(informer.error, Forbidden):
            return ""
        error = informer.error
        return f"changes of the target are noticed at the next refresh only: {error} ({granting(error, resource)})"

    def left(self, es: ExternalSecret) -> Left | None:
        """What the API server made of our last write, where it added to it."""
        return self._left.get(token_of(es))

    async def label(self, es: ExternalSecret) -> None:
        """A live object without our label is written whole by the pass itself."""

    async def before(self, es: ExternalSecret, data: Mapping[str, bytes], inputs: bytes, settle: bool) -> Before:
        return Before(await self.live(es), inputs, left=self.left(es))

    async def delete_orphans(self, es: ExternalSecret) -> list[str]:
        return []

    def lost(self, es: ExternalSecret) -> None:
        """Every pass reads the live object anyway."""

    async def apply(self, es: ExternalSecret, change: Change, before: Before) -> None:
        if es.spec.target.creation_policy == "None":
            return
        resource = await self._resource_of(es)
        version = ""
        try:
            match change:
                case Create(body):
                    sending = self.rest.create(resource, es.metadata.namespace, body, field_manager=es.field_manager)
                    version = self._wrote(es, body, await self._sent(es, sending))
                case Patch(name=name, body=body, after=after):
                    sending = self.rest.patch(
                        resource, es.metadata.namespace, name, body, field_manager=es.field_manager
                    )
                    version = self._wrote(es, after, await self._sent(es, sending))
                case Delete() if before.live is not None:
                    await self._delete(resource, before.live)
        except ApiError as error:
            verb = {Create: "create", Patch: "update", Delete: "delete"}.get(type(change), "write")
            failed = f"failed to {verb} target resource: "
            error.message, error.said = f"{failed}{error.message}", f"{failed}{error.said}"
            error.fix = error.fix or granting(error, resource)
            raise
        self._follow(resource, es, version)

    async def delete_owned(self, es: ExternalSecret) -> bool:
        """Deletion of the ExternalSecret: the object is deleted only if its controller reference has our uid. Of a kind
        that is not served any more, nothing is left to delete.

        Nothing is deleted where generic targets are switched off. A target that we may not touch any more is left to
        the garbage collector, which goes by the same reference: when a namespace is deleted, the Role may go first, and
        the ExternalSecret must not wait for it.
        """
        if not self.enabled:
            return False
        try:
            live = await self.live(es)
            if live is None or not controlled_by(live, es.metadata.uid):
                return False
            await self._delete(await self._resource_of(es), live)
        except NoSuchKind:
            return False
        except (Failed, Forbidden) as error:
            if not isinstance(error, Forbidden) and not isinstance(error.__cause__, Forbidden):
                raise
            self.log.warning(
                "the target is left to the garbage collector", name=es.name, namespace=es.namespace, error=str(error)
            )
            return False
        return True

    def _stop_waiting(self, key: Key) -> None:
        if self._awaited.pop(key, None) is not None:
            for resource in self._arrivals.resources():
                self._arrivals.release(resource, key)

    def release(self, key: Key) -> None:
        """The ExternalSecret is gone, or has another target. The watch of a kind ends with its last user."""
        self._stop_waiting(key)
        self._unfollow(key)

    def _unfollow(self, key: Key) -> None:
        token = self._tokens.pop(key, None)
        if token is None:
            return
        self._known.pop(token, None)
        self._writers.pop(token, None)
        self._left.pop(token, None)
        self._own.pop(token, None)
        for resource in self._informers.resources():
            self._informers.release(resource, key)

    def watched(self) -> list[Resource]:
        """Every kind that is followed."""
        return list(dict.fromkeys([*self._informers.resources(), *self._arrivals.resources()]))

    async def _resource_of(self, es: ExternalSecret) -> Resource:
        manifest = es.spec.target.manifest
        if manifest is None:
            raise EsoError("the target is a Secret")
        return await self.resource(manifest.api_version, manifest.kind)

    def _follow(self, resource: Resource, es: ExternalSecret, version: str) -> None:
        """Watches the kind on behalf of `es`, and stops watching the kind that it had before. `version`: the newest
        version of the target that we read or wrote."""
        key, token = (es.metadata.namespace, es.metadata.name), token_of(es)
        if self._tokens.get(key) != token:
            self._unfollow(key)
            self._tokens[key] = token
        if version:
            self._known[token] = version
        self._informers.use(resource, key)

    async def _delete(self, resource: Resource, live: Json) -> None:
        meta = live["metadata"]
        with contextlib.suppress(ApiNotFound):
            await self.rest.delete(
                resource, meta["namespace"], meta["name"], uid=meta["uid"], resource_version=meta["resourceVersion"]
            )

    def _wrote(self, es: ExternalSecret, sent: Json, reply: bytes) -> str:
        """The new resourceVersion. Remembers the defaults that the API server added, so that they are not drift."""
        stored: Json = orjson.loads(reply)
        left = left_behind(sent, stored)
        if left is None:
            self._left.pop(token_of(es), None)
        else:
            self._left[token_of(es)] = left
        version: str = stored["metadata"]["resourceVersion"]
        self._writers[token_of(es)] = version, (es.metadata.namespace, es.metadata.name)
        return version


class NoSuchKind(Failed):
    """The API server does not serve the kind: nothing of it can exist."""


def token_of(es: ExternalSecret) -> Token:
    manifest = es.spec.target.manifest
    assert manifest is not None
    return manifest.api_version, manifest.kind, es.metadata.namespace, es.target_name


def no_such_kind(api_version: str, kind: str) -> NoSuchKind:
    return NoSuchKind(
        Stage.LOOK,
        f'failed to get target resource: no matches for kind "{kind}" in version "{api_version}"',
        fix="install its CRD, or correct spec.target.manifest",
    )


def granting(error: ApiError, resource: Resource) -> str:
    if not isinstance(error, Forbidden):
        return error.fix
    return f"let the operator's ServiceAccount get, list, watch, create, patch and delete {resource.plural}"
