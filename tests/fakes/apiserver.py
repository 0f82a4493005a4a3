"""An API server in this process, on loopback: the rules of the real one that a client can trip over, and faults on
demand.

Neighbours: stands on the far side of `eso.kube`. Keeps JSON objects of any kind; knows list (pages, selectors), watch
(resume, bookmarks,
410), create, merge and JSON patch, replace, delete, preconditions, finalizers, generations, status, TokenRequest,
TokenReview, SubjectAccessReview. It knows no schemas. Nothing here waits on its own: a watch ends when a test ends it.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import re
import ssl
import uuid
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from aiohttp import web

from eso.api.meta import ObjectMeta, Resource
from eso.kube.config import FixedAccess
from eso.kube.rest import Rest
from eso.net.http import Pool, Reply, Stream, Timeouts

Json = dict[str, Any]
Key = tuple[str, str]


# Faults. Each is used up by one request that matches it.


@dataclass(frozen=True)
class Status:
    """An error reply. `plain` sends text instead of a Status object, as proxies do."""

    code: int
    reason: str = ""
    message: str = "no"
    retry_after: int | None = None
    plain: bool = False
    details: Json | None = None


@dataclass(frozen=True)
class HalfReply:
    """The reply breaks off in the middle; a write did happen."""


@dataclass(frozen=True)
class Reset:
    """The connection is cut before a reply; `happened`: the write was done all the same."""

    happened: bool = False


@dataclass(frozen=True)
class Hang:
    """No reply, ever. `happened`: the write was done all the same."""

    happened: bool = False


@dataclass(frozen=True)
class Late:
    """The request is looked at when the test calls `release`, and answered as usual then."""


@dataclass(frozen=True)
class Garbage:
    """200 and a body that is no answer to the request."""

    body: bytes = b"<html>sign in</html>"


Fault = Status | HalfReply | Reset | Hang | Late | Garbage


@dataclass
class _Rule:
    fault: Fault
    method: str
    path: re.Pattern[str]
    times: int
    watch: bool | None


@dataclass(frozen=True)
class Request:
    """What arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str] = field(repr=False)
    client: str = ""  # common name of the client's certificate

    @property
    def watch(self) -> bool:
        return "watch" in self.query


@dataclass(frozen=True)
class _Change:
    version: int
    collection: str
    old: Json | None
    new: Json | None


@dataclass(eq=False)
class _Watcher:
    collection: str
    namespace: str
    wanted: Callable[[Json], bool]
    partial: bool
    response: web.StreamResponse
    request: web.Request
    queue: asyncio.Queue[bytes | None]


class _Refused(Exception):
    def __init__(self, code: int, reason: str, message: str, details: Json | None = None) -> None:
        super().__init__(message)
        self.code, self.reason, self.message, self.details = code, reason, message, details


class UnhurriedPool(Pool):
    """Gives each request minutes: the server lives on the client's loop, and a process that gets no CPU for the
    seconds of the operator would take its own standstill for the server's. Shorter limits are a test's own."""

    async def request(self, *args: Any, timeouts: Timeouts, **rest: Any) -> Reply:
        return await super().request(*args, timeouts=unhurried(timeouts), **rest)

    def stream(self, *args: Any, timeouts: Timeouts, **rest: Any) -> AbstractAsyncContextManager[Stream]:
        return super().stream(*args, timeouts=unhurried(timeouts), **rest)


def unhurried(timeouts: Timeouts) -> Timeouts:
    return timeouts if (timeouts.total or 0.0) < 5.0 else replace(timeouts, total=300.0, connect=300.0)


class UnhurriedAccess(FixedAccess):
    """The fake API server's address, with connections that wait for it."""

    def __init__(self, server: str, authorization: str = "") -> None:
        super().__init__(server, authorization)
        self._pool = UnhurriedPool()


class FakeApiServer:
    """`async with FakeApiServer() as api`; then `api.rest()` is a client of it.

    Tests act as another user through `put`, `edit` and `remove`. `tokens`: the bearer tokens that are accepted, None
    for no check.
    `users`: token → user, as a TokenReview finds them. `granted`: (user, verb, URL path) as a SubjectAccessReview finds
    them. `mutate`: a mutating webhook, called with each object that a request creates or changes, before it is stored.
    `unserved`: plurals whose CRD is missing. `forbidden`: (verb, plural) pairs that get 403.
    """

    def __init__(
        self,
        *,
        now: Callable[[], datetime] = lambda: datetime(2024, 1, 1, tzinfo=UTC),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.now, self._tls = now, tls
        self.requests: list[Request] = []
        self.tokens: set[str] | None = None
        self.users: dict[str, str] = {}
        self.granted: set[tuple[str, str, str]] = set()
        self.mutate: Callable[[Json], None] = lambda body: None
        self.unserved: set[str] = set()
        self.forbidden: set[tuple[str, str]] = set()
        self.url = ""
        self.version = 100
        self._compacted = 0
        self._objects: dict[str, dict[Key, Json]] = {}
        self._history: list[_Change] = []
        self._snapshots: dict[str, tuple[int, list[Json]]] = {}
        self._rules: list[_Rule] = []
        self._watchers: list[_Watcher] = []
        self._held: set[asyncio.Event] = set()
        self._runner: web.AppRunner | None = None
        self._port = 0

    # life

    async def __aenter__(self) -> FakeApiServer:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Also after `stop`: the same port, the same objects."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.01, handler_cancellation=True)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self._port, ssl_context=self._tls)
        await site.start()
        self._port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]  # port 0 has no public answer
        self.url = f"http{'s' if self._tls else ''}://127.0.0.1:{self._port}"

    async def stop(self) -> None:
        """Breaks every connection."""
        self.release()
        self.break_watches()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def rest(self, token: str = "", **options: Any) -> Rest:
        return Rest(UnhurriedAccess(self.url, f"Bearer {token}" if token else ""), **options)

    # what a test does

    def fail(
        self, fault: Fault, *, method: str = "", path: str = "", times: int = 1, watch: bool | None = None
    ) -> None:
        """The next `times` requests with this method ("" = any) whose path contains the regular expression `path` meet
        `fault`.

        `watch` True or False narrows it to watches or to everything else.
        """
        self._rules.append(_Rule(fault, method, re.compile(path), times, watch))

    def release(self) -> None:
        """Requests that hang are cut off, late ones are answered."""
        for held in self._held:
            held.set()

    def put(self, resource: Resource, body: Json) -> Json:
        """Creates or overwrites an object as it is, status included; fills in the members that the server sets."""
        body = copy.deepcopy(body)
        key = self._key(resource.path(), body)
        old = self._collection(resource.path()).get(key)
        return self._store(resource.path(), key, old, self._completed(resource, body, old))

    def edit(self, resource: Resource, namespace: str, name: str, patch: Json) -> Json:
        """A merge patch by another client."""
        key = (namespace if resource.namespaced else "", name)
        old = self._collection(resource.path())[key]
        return self._store(resource.path(), key, old, self._completed(resource, merge(copy.deepcopy(old), patch), old))

    def remove(self, resource: Resource, namespace: str, name: str) -> None:
        """At once, finalizers or not."""
        key = (namespace if resource.namespaced else "", name)
        self._store(resource.path(), key, self._collection(resource.path())[key], None)

    def get(self, resource: Resource, namespace: str, name: str) -> Json | None:
        found = self._collection(resource.path()).get((namespace if resource.namespaced else "", name))
        return copy.deepcopy(found)

    def all(self, resource: Resource) -> list[Json]:
        return [copy.deepcopy(body) for body in self._collection(resource.path()).values()]

    def meta(self, resource: Resource, namespace: str, name: str) -> ObjectMeta:
        found = self._collection(resource.path())[namespace if resource.namespaced else "", name]["metadata"]
        picked = {
            "uid": found["uid"],
            "resource_version": found["resourceVersion"],
            "finalizers": tuple(found.get("finalizers", ())),
        }
        return ObjectMeta(name=name, namespace=found.get("namespace", ""), labels=found.get("labels", {}), **picked)

    def compact(self) -> None:
        """All resourceVersions and continue tokens handed out so far are too old from now on."""
        self.version += 1
        self._compacted = self.version
        self._history.clear()

    def bookmark(self) -> None:
        """Sends a bookmark of the newest version to every watch."""
        for watcher in self._watchers:
            meta = {"resourceVersion": str(self.version), "creationTimestamp": None}
            self._send(watcher, "BOOKMARK", {"kind": "Bookmark", "apiVersion": "v1", "metadata": meta})

    def send_raw(self, data: bytes) -> None:
        """Writes bytes into every open watch."""
        for watcher in self._watchers:
            watcher.queue.put_nowait(data)

    def send_error(self, code: int, reason: str, message: str) -> None:
        """An ERROR event in every open watch."""
        for watcher in self._watchers:
            self._send(watcher, "ERROR", _status(code, reason, message, None))

    def close_watches(self) -> None:
        """As when timeoutSeconds are over."""
        for watcher in self._watchers:
            watcher.queue.put_nowait(None)

    def break_watches(self) -> None:
        """Connections reset."""
        for watcher in list(self._watchers):
            if watcher.request.transport is not None:
                watcher.request.transport.abort()
            watcher.queue.put_nowait(None)

    @property
    def watching(self) -> int:
        return len(self._watchers)

    def sent(self, method: str, pattern: str = "") -> list[Request]:
        """The requests with this method whose path contains the regular expression."""
        return [one for one in self.requests if one.method == method and re.search(pattern, one.path)]

    @property
    def writes(self) -> list[Request]:
        return [one for one in self.requests if one.method != "GET"]

    # requests

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        query = dict(request.query)
        body = json.loads(raw) if raw else None
        self.requests.append(
            Request(request.method, request.path, query, body, dict(request.headers), _client(request))
        )
        fault = self._fault(request.method, request.path, "watch" in query)
        match fault:
            case Status():
                return _refusal(fault)
            case Garbage(content):
                return web.Response(body=content, content_type="application/json")
            case Reset(happened=False):
                return self._cut(request)
            case Hang(happened=False):
                await self._hold()
                return self._cut(request)
            case Late():
                await self._hold()
        try:
            self._authenticate(request)
            collection, namespace, name, subresource = self._parse(request.path)
            self._authorize(request.method, collection, name, query)
            if request.method == "GET" and "watch" in query:
                return await self._watch(request, collection, namespace, query)
            reply = self._act(request, collection, namespace, name, subresource, query, body)
        except _Refused as refused:
            return _refusal(Status(refused.code, refused.reason, refused.message, details=refused.details))
        match fault:
            case Reset():
                return self._cut(request)
            case Hang():
                await self._hold()
                return self._cut(request)
            case HalfReply():
                return await self._half(request, reply)
        return web.json_response(reply, status=201 if request.method == "POST" else 200)

    def _fault(self, method: str, path: str, watch: bool) -> Fault | None:
        for rule in self._rules:
            if (
                rule.times > 0
                and rule.method in ("", method)
                and rule.path.search(path)
                and rule.watch in (None, watch)
            ):
                rule.times -= 1
                return rule.fault
        return None

    def _cut(self, request: web.Request) -> web.Response:
        if request.transport is not None:  # else the client left
            request.transport.abort()
        return web.Response()

    async def _hold(self) -> None:
        held = asyncio.Event()
        self._held.add(held)
        try:
            await held.wait()
        finally:
            self._held.discard(held)

    async def _half(self, request: web.Request, reply: Json) -> web.StreamResponse:
        data = json.dumps(reply).encode()
        response = web.StreamResponse(headers={"Content-Length": str(len(data)), "Content-Type": "application/json"})
        await response.prepare(request)
        await response.write(data[: len(data) // 2])
        assert request.transport is not None
        request.transport.close()  # the bytes that were written still arrive
        return response

    def _authenticate(self, request: web.Request) -> None:
        if (
            self.tokens is not None
            and request.headers.get("Authorization", "").removeprefix("Bearer ") not in self.tokens
        ):
            raise _Refused(401, "Unauthorized", "Unauthorized")

    def _authorize(self, method: str, collection: str, name: str, query: dict[str, str]) -> None:
        plural = collection.rsplit("/", 1)[-1]
        reads = "watch" if "watch" in query else "get" if name else "list"
        verb = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}.get(method, reads)
        if (verb, plural) in self.forbidden:
            raise _Refused(
                403,
                "Forbidden",
                f'{plural} is forbidden: User "it" cannot {verb} resource "{plural}"',
                {"kind": plural},
            )

    def _parse(self, path: str) -> tuple[str, str, str, str]:
        """Collection path without namespace, namespace, name, subresource."""
        match = re.fullmatch(r"(/api/[^/]+|/apis/[^/]+/[^/]+)((?:/[^/]+)+)", path)
        parts = match[2].strip("/").split("/") if match else []
        namespace = ""
        if len(parts) >= 3 and parts[0] == "namespaces" and parts[2] not in ("status", "finalize"):
            namespace, parts = parts[1], parts[2:]
        if match is None or not 1 <= len(parts) <= 3 or parts[0] in self.unserved:
            raise _Refused(404, "", "404 page not found")
        return f"{match[1]}/{parts[0]}", namespace, *([*parts[1:], "", ""][:2])  # type: ignore[return-value]  # four strings

    def _act(
        self,
        request: web.Request,
        collection: str,
        namespace: str,
        name: str,
        subresource: str,
        query: dict[str, str],
        body: Any,
    ) -> Json:
        objects, key = self._collection(collection), (namespace, name)
        plural = collection.rsplit("/", 1)[-1]
        details = {"name": name, "kind": plural}
        if subresource == "token" and request.method == "POST":
            if key not in objects:
                raise _Refused(404, "NotFound", f'{plural} "{name}" not found', details)
            return {**body, "status": {"token": f"token-of-{name}", "expirationTimestamp": "2024-01-01T01:00:00Z"}}
        if request.method == "POST" and plural in ("tokenreviews", "subjectaccessreviews"):
            return {**body, "status": self._review(plural, body["spec"])}
        if request.method == "POST":
            return copy.deepcopy(self._create(collection, namespace, body))
        if request.method == "GET" and not name:
            return self._list(
                collection, namespace, query, "as=PartialObjectMetadataList" in request.headers.get("Accept", "")
            )
        old = objects.get(key)
        if old is None:
            raise _Refused(404, "NotFound", f'{plural} "{name}" not found', details)
        match request.method:
            case "GET":
                return copy.deepcopy(old)
            case "DELETE":
                return self._delete(collection, key, old, (body or {}).get("preconditions") or {})
            case "PUT":
                new = copy.deepcopy(body)
                _check_uid(collection, old, new)
                if "resourceVersion" not in new["metadata"]:
                    raise _Refused(
                        422,
                        "Invalid",
                        f'{plural} "{name}" is invalid: metadata.resourceVersion: Invalid value: 0: '
                        "must be specified for an update",
                    )
            case _:
                new = _patched(copy.deepcopy(old), body, request.headers.get("Content-Type", ""))
                if subresource != "status":
                    _check_uid(collection, old, new)
        if new["metadata"].get("resourceVersion") != old["metadata"]["resourceVersion"]:
            text = "the object has been modified; please apply your changes to the latest version and try again"
            raise _Refused(409, "Conflict", f'Operation cannot be fulfilled on {plural} "{name}": {text}', details)
        if not subresource:
            self.mutate(new)
        new = self._settled(collection, old, new, subresource)
        if new == old:
            return copy.deepcopy(old)  # the real one does not write either
        if "deletionTimestamp" in new["metadata"] and not new["metadata"].get("finalizers"):
            self._store(collection, key, old, None)
            return new
        return copy.deepcopy(self._store(collection, key, old, new))

    def _review(self, plural: str, spec: Json) -> Json:
        if plural == "tokenreviews":
            user = self.users.get(spec["token"])
            named = {
                "username": user,
                "uid": f"uid-of-{user}",
                "groups": ["system:authenticated"],
                "extra": {"a": ["b"]},
            }
            return {"authenticated": True, "user": named} if user else {"user": {}, "error": "token not known"}
        asked = spec["nonResourceAttributes"]
        return {"allowed": (spec["user"], asked["verb"], asked["path"]) in self.granted}

    def _create(self, collection: str, namespace: str, body: Json) -> Json:
        new = copy.deepcopy(body)
        meta, plural = new.setdefault("metadata", {}), collection.rsplit("/", 1)[-1]
        if namespace:
            meta["namespace"] = namespace
        if "name" not in meta and "generateName" in meta:
            meta["name"] = f"{meta['generateName']}{self.version:05}"
        key = self._key(collection, new)
        if key in self._collection(collection):
            raise _Refused(
                409, "AlreadyExists", f'{plural} "{key[1]}" already exists', {"name": key[1], "kind": plural}
            )
        if "stringData" in new:
            raise _Refused(400, "BadRequest", "this server takes data only")
        self.mutate(new)
        return self._store(collection, key, None, self._completed(None, new, None))

    def _delete(self, collection: str, key: Key, old: Json, preconditions: Json) -> Json:
        plural = collection.rsplit("/", 1)[-1]
        for member, name in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
            wanted, there = preconditions.get(member), old["metadata"][member]
            if wanted and wanted != there:
                text = f"the {name} in the precondition ({wanted}) does not match the {name} in record ({there})"
                raise _Refused(409, "Conflict", f'Operation cannot be fulfilled on {plural} "{key[1]}": {text}')
        if old["metadata"].get("finalizers"):
            new = copy.deepcopy(old)
            new["metadata"].setdefault("deletionTimestamp", _stamp(self.now()))
            return copy.deepcopy(self._store(collection, key, old, new))
        self._store(collection, key, old, None)
        return {"kind": "Status", "apiVersion": "v1", "status": "Success"}

    def _list(self, collection: str, namespace: str, query: dict[str, str], partial: bool) -> Json:
        token, limit = query.get("continue", ""), int(query.get("limit", "0"))
        if token:
            version, rest = self._snapshots.pop(token, (0, []))
            if version < self._compacted or not version:
                raise _Refused(
                    410, "Expired", "The provided continue parameter is too old to display a consistent list result."
                )
        else:
            wanted = _selector(query)
            version = self.version
            everything = self._collection(collection).items()
            rest = [
                copy.deepcopy(body) for key, body in sorted(everything) if namespace in ("", key[0]) and wanted(body)
            ]
        page, rest = (rest[:limit], rest[limit:]) if limit else (rest, [])
        meta: Json = {"resourceVersion": str(version)}
        if rest:
            meta["continue"] = uuid.uuid4().hex
            meta["remainingItemCount"] = len(rest)
            self._snapshots[meta["continue"]] = (version, rest)
        items = [_partial(body) for body in page] if partial else page
        return {
            "kind": "PartialObjectMetadataList" if partial else "List",
            "apiVersion": "v1",
            "metadata": meta,
            "items": items,
        }

    async def _watch(
        self, request: web.Request, collection: str, namespace: str, query: dict[str, str]
    ) -> web.StreamResponse:
        version = int(query.get("resourceVersion") or self.version)
        if version < self._compacted:
            raise _Refused(410, "Expired", f"too old resource version: {version} ({self._compacted})")
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        partial = "as=PartialObjectMetadata" in request.headers.get("Accept", "")
        watcher = _Watcher(collection, namespace, _selector(query), partial, response, request, asyncio.Queue())
        for change in self._history:
            if change.version > version:
                self._offer(watcher, change)
        self._watchers.append(watcher)
        try:
            await response.prepare(request)
            while (data := await watcher.queue.get()) is not None:
                await response.write(data)
            with contextlib.suppress(ConnectionError):
                await response.write_eof()
        except ConnectionError:
            pass  # the client left
        finally:
            self._watchers.remove(watcher)
        return response

    # objects

    def _collection(self, collection: str) -> dict[Key, Json]:
        return self._objects.setdefault(collection, {})

    def _key(self, collection: str, body: Json) -> Key:
        return body["metadata"].get("namespace", ""), body["metadata"]["name"]

    def _completed(self, resource: Resource | None, new: Json, old: Json | None) -> Json:
        """What the server fills in."""
        meta = new["metadata"]
        kept = old["metadata"] if old else {}
        meta["uid"] = kept.get("uid") or meta.get("uid") or str(uuid.uuid4())
        meta["creationTimestamp"] = kept.get("creationTimestamp") or meta.get("creationTimestamp") or _stamp(self.now())
        if "spec" in new:
            changed = old is None or old.get("spec") != new["spec"]
            meta["generation"] = (
                kept.get("generation", meta.get("generation", 1) - 1) + 1 if changed else kept.get("generation", 1)
            )
        if resource is not None:
            new.setdefault("apiVersion", resource.api_version)
            new.setdefault("kind", resource.kind)
        return new

    def _settled(self, collection: str, old: Json, new: Json, subresource: str) -> Json:
        """The object after a write: a write to the object leaves its status alone, a write to the status the rest."""
        if subresource == "status":
            return {**copy.deepcopy(old), "status": new.get("status", {})}
        if collection.startswith("/apis/") and "external-secrets" in collection:
            new.pop("status", None)
            if "status" in old:
                new["status"] = copy.deepcopy(old["status"])
        for member in ("deletionTimestamp", "creationTimestamp"):
            new["metadata"].pop(member, None)
            if member in old["metadata"]:
                new["metadata"][member] = old["metadata"][member]
        return self._completed(None, new, old)

    def _store(self, collection: str, key: Key, old: Json | None, new: Json | None) -> Json:
        self.version += 1
        last = new if new is not None else copy.deepcopy(old) or {}
        last["metadata"]["resourceVersion"] = str(self.version)
        if new is None:
            self._collection(collection).pop(key, None)
        else:
            self._collection(collection)[key] = new
        # A deletion shows the object as it last was, at the version of the deletion.
        change = _Change(self.version, collection, copy.deepcopy(old), copy.deepcopy(new))
        self._history.append(change)
        for watcher in self._watchers:
            self._offer(watcher, change)
        return last

    def _offer(self, watcher: _Watcher, change: _Change) -> None:
        body = change.new or change.old or {}
        if watcher.collection != change.collection or watcher.namespace not in (
            "",
            body["metadata"].get("namespace", ""),
        ):
            return
        was = change.old is not None and watcher.wanted(change.old)
        now = change.new is not None and watcher.wanted(change.new)
        if was or now:
            shown = copy.deepcopy(body)
            shown["metadata"]["resourceVersion"] = str(change.version)
            self._send(watcher, "MODIFIED" if was and now else "ADDED" if now else "DELETED", shown)

    def _send(self, watcher: _Watcher, kind: str, body: Json) -> None:
        shown = _partial(body) if watcher.partial and kind not in ("ERROR", "BOOKMARK") else body
        watcher.queue.put_nowait(json.dumps({"type": kind, "object": shown}, separators=(",", ":")).encode() + b"\n")


def merge(into: Json, patch: Json) -> Json:
    """RFC 7386."""
    for name, value in patch.items():
        if value is None:
            into.pop(name, None)
        elif isinstance(value, dict):
            below = into.get(name)
            into[name] = merge(below if isinstance(below, dict) else {}, value)
        else:
            into[name] = copy.deepcopy(value)
    return into


def _patched(into: Json, patch: Any, content_type: str) -> Json:
    if content_type in ("application/merge-patch+json", "application/strategic-merge-patch+json"):
        return merge(into, patch)
    if content_type != "application/json-patch+json":
        raise _Refused(415, "UnsupportedMediaType", "the body of the request was in an unknown format")
    for step in patch:
        *above, last = [part.replace("~1", "/").replace("~0", "~") for part in step["path"].split("/")[1:]]
        at: Any = into
        for part in above:
            at = at[int(part) if isinstance(at, list) else part]
        match step["op"]:
            case "test":
                if at.get(last) != step["value"]:
                    raise _Refused(422, "Invalid", "the server rejected our request due to an error in our request")
            case "remove":
                del at[last]
            case _:
                at[last] = step["value"]
    return into


def _check_uid(collection: str, old: Json, new: Json) -> None:
    if new["metadata"].get("uid", old["metadata"]["uid"]) != old["metadata"]["uid"]:
        plural, wrong = collection.rsplit("/", 1)[-1], new["metadata"]["uid"]
        raise _Refused(
            422, "Invalid", f'{plural} is invalid: metadata.uid: Invalid value: "{wrong}": field is immutable'
        )
    new["metadata"]["uid"] = old["metadata"]["uid"]


def _selector(query: dict[str, str]) -> Callable[[Json], bool]:
    labels = [_requirement(text) for text in re.split(r",(?![^(]*\))", query.get("labelSelector", "")) if text]
    fields = [text.split("=", 1) for text in query.get("fieldSelector", "").split(",") if text]

    def wanted(body: Json) -> bool:
        found = body["metadata"].get("labels") or {}
        return all(test(found) for test in labels) and all(_field(body, path) == value for path, value in fields)

    return wanted


def _requirement(text: str) -> Callable[[dict[str, str]], bool]:
    if match := re.fullmatch(r"\s*([^\s!=()]+)\s+(in|notin)\s+\(([^)]*)\)\s*", text):
        name, values = match[1], {value.strip() for value in match[3].split(",")}
        return (
            (lambda labels: labels.get(name) in values)
            if match[2] == "in"
            else lambda labels: labels.get(name) not in values
        )
    if match := re.fullmatch(r"([^!=]+)(!=|==?)(.*)", text):
        name, value = match[1], match[3]
        return (
            (lambda labels: labels.get(name) != value) if match[2] == "!=" else lambda labels: labels.get(name) == value
        )
    return (lambda labels: text[1:] not in labels) if text.startswith("!") else lambda labels: text in labels


def _field(body: Json, path: str) -> Any:
    for part in path.split("."):
        body = body.get(part, {}) if isinstance(body, dict) else {}
    return body


def _partial(body: Json) -> Json:
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": body["metadata"]}


def _status(code: int, reason: str, message: str, details: Json | None) -> Json:
    body: Json = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
        "reason": reason,
        "code": code,
    }
    return body | ({"details": details} if details else {})


def _refusal(status: Status) -> web.Response:
    headers = {} if status.retry_after is None else {"Retry-After": str(status.retry_after)}
    if status.plain or not status.reason:
        return web.Response(status=status.code, text=status.message, headers=headers)
    return web.json_response(
        _status(status.code, status.reason, status.message, status.details), status=status.code, headers=headers
    )


def _client(request: web.Request) -> str:
    certificate = request.transport.get_extra_info("peercert") if request.transport is not None else None
    return next(
        (value for part in (certificate or {}).get("subject", ()) for name, value in part if name == "commonName"), ""
    )


def _stamp(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def secret(namespace: str, name: str, data: dict[str, str] | None = None, **meta: Any) -> Json:
    """A Secret; `data` is base64 already."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"namespace": namespace, "name": name, **meta},
        "data": data or {},
    }


def names(bodies: Iterable[Json]) -> list[str]:
    return [body["metadata"]["name"] for body in bodies]
