"""Requests to the API server: get, list, create, replace, patch, delete; raw JSON out.

Neighbours: config.py says where and as whom, `net.http` carries it; watch.py streams through it. The namespace is
always an argument. Errors carry the API server's own message. Requests that the server did not accept (429, or 503 with
Retry-After) are sent again a few times, if the caller wants that.
"""

from __future__ import annotations

import math
import re
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, nullcontext
from typing import Any, Final, Protocol

import msgspec
import orjson

from eso.api.meta import Resource
from eso.errors import EsoError
from eso.net.http import Pool, Reply, Stream, Timeouts, TooLarge, TransportError
from eso.observe.echo import closed
from eso.runtime.clock import Clock, SystemClock
from eso.runtime.fair import FairSlots, Group, alone

MERGE_PATCH: Final = "application/merge-patch+json"
JSON_PATCH: Final = "application/json-patch+json"
JSON: Final = "application/json"
PARTIAL: Final = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
PARTIAL_LIST: Final = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"

PAGE: Final = 500
MAX_OBJECT: Final = 16 * 1024 * 1024  # bytes; etcd takes 1.5 MB, decompressed replies stay far below
# bytes that are taken apart in one turn of the loop, some milliseconds; a larger page is asked for again in parts
MAX_PAGE: Final = 4 << 20
MAX_MESSAGE: Final = 1024  # characters of a server's message that are kept
TRIES: Final = 4
TURNS: Final = 84  # requests at once; one namespace alone gets three quarters of them
# Patches of heavy objects at once. One of thousands of entries costs the API server a second of a core, whatever it
# changes; eight at a time leave nothing to the requests and watches of everybody else.
HEAVY_TURNS: Final = 2
PAUSE: Final = 1.0  # seconds after a 429 that does not say how long
LONGEST_WAIT: Final = 10.0  # seconds; a longer Retry-After is the queue's business, not a pass's


class ApiError(EsoError):
    """The API server refused, or could not be asked. `status` is the HTTP status, 0 without one; `reason` the Status
    object's.

    `retry_after`: seconds the server asked for, None when it did not. `fields`: where in the object the faults are, as
    far down as the names are those of Kubernetes: `metadata.labels`, `data`, `spec`. The message has words of a fixed
    vocabulary and `names`, those of the request: the server, or a webhook behind it, may repeat what was sent. `said`:
    its own words, for whoever knows what of them is harmless.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int = 0,
        reason: str = "",
        retry_after: float | None = None,
        fix: str = "",
        fields: tuple[str, ...] = (),
        said: str = "",
        names: tuple[str, ...] = (),
    ) -> None:
        super().__init__(message, fix=fix)
        self.status, self.reason, self.retry_after, self.fields = status, reason, retry_after, fields
        self.said, self.names = said or message, names


class NotFound(ApiError):
    """The object is proven not to exist."""


class UnknownResource(ApiError):
    """404 that proves nothing about an object: the server does not serve this kind (CRD missing), or something else
    answered."""


class AlreadyExists(ApiError):
    """409 on create."""


class Conflict(ApiError):
    """409: the resourceVersion or uid is not the live one."""


class Unauthorized(ApiError):
    """401, also after the credentials were read again."""


class Forbidden(ApiError):
    """403."""


class Gone(ApiError):
    """410: the resourceVersion or the continue token left the server's window."""


class Invalid(ApiError):
    """400 or 422: the object cannot be stored as it is."""


class TooMany(ApiError):
    """429, still after the waits the server asked for."""


class Unavailable(ApiError):
    """5xx: the server is there and cannot answer."""


class Unreachable(ApiError):
    """No reply. `sent` False: the server cannot have seen the request; otherwise a write may have happened."""

    def __init__(self, message: str, *, sent: bool = True, fix: str = "") -> None:
        super().__init__(message, fix=fix)
        self.sent = sent


class NotLeading(ApiError):
    """A write was held back because the lease may end before it would."""


class Access(Protocol):
    """The API server's address, our credentials and the connections; all may change between two requests."""

    @property
    def server(self) -> str:
        """`https://host:port`, no slash at the end."""

    async def pool(self) -> Pool:
        """The current connections."""

    async def authorization(self) -> str:
        """Value of the Authorization header, "" for none."""

    async def refused(self, authorization: str) -> bool:
        """The server answered 401 to `authorization`: read the credentials again; True when they are different now."""


class _Cause(msgspec.Struct):
    field: str = ""


class _Details(msgspec.Struct):
    name: str = ""
    retryAfterSeconds: float | None = None
    causes: list[_Cause] = []


class _Status(msgspec.Struct):
    kind: str = ""
    message: str = ""
    reason: str = ""
    code: int = 0
    details: _Details | None = None


class _ListMeta(msgspec.Struct):
    resourceVersion: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _ListHead(msgspec.Struct):
    metadata: _ListMeta = msgspec.field(default_factory=_ListMeta)


# The value that the server quotes in `Invalid value: <value>: <reason>`. A scalar ends at the next `: reason`; maps and
# lists run to the end of the message.
_QUOTED: Final = re.compile(
    r"\b((?:Invalid|Unsupported|Duplicate) value: )"
    r"""(?:"(?:[^"\\]|\\.)*(?:"|\Z)|(?:\{|\[|map\[).*|[^"\s](?:(?!: [a-z]).)*)""",
    re.DOTALL,
)
METADATA: Final = frozenset(
    {"annotations", "finalizers", "generateName", "labels", "name", "namespace", "ownerReferences"}
)
ROOTS: Final = frozenset({"binaryData", "data", "immutable", "metadata", "spec", "status", "stringData", "type"})
_status = msgspec.json.Decoder(_Status)
_head = msgspec.json.Decoder(_ListHead)


def _always(_: float) -> bool:
    return True


class Rest:
    """Seconds: `timeout` bounds one read, `write_timeout` one write, here and at the server.

    `tries`: how often a request is sent that the server did not accept; 1 for callers that retry themselves. `turns`:
    how many requests run at once, shared fairly by namespace, or by `group` of them; None for callers that bound them
    themselves. Waiting for a turn counts against no timeout, and a turn is given back for the time of a Retry-After.
    `heavy(resource, namespace, name)`: whether a patch of that object costs the API server much; few run at once.

    `may_write(seconds)` is asked before each write whether we lead for as long as the write may take; with a Lease,
    `write_timeout` must be shorter than its duration less one retry period, or no write is ever allowed.
    `names`: what a server that a store names may call by name beside the object that is asked for; None for the
    cluster's own server, which names its users, policies and quotas.
    `counted(status or "<error>", method, host)` is called after each request; None: nothing is counted.
    """

    def __init__(
        self,
        access: Access,
        *,
        timeout: float = 30.0,
        write_timeout: float = 10.0,
        tries: int = TRIES,
        turns: int | None = TURNS,
        names: tuple[str, ...] | None = None,
        may_write: Callable[[float], bool] = _always,
        clock: Clock | None = None,
        counted: Callable[[int | str, str, str], None] | None = None,
        group: Group = alone,
        heavy: Callable[[Resource, str, str], bool] = lambda resource, namespace, name: False,
    ) -> None:
        self.access, self.timeout, self.write_timeout = access, timeout, write_timeout
        self._names = names
        self._tries, self._turns = tries, FairSlots(turns, group) if turns is not None else None
        self._heavy, self._heavy_turns = heavy, FairSlots(HEAVY_TURNS, group)
        self._counted = counted or (lambda code, method, host: None)
        self._may_write, self._clock = may_write, clock or SystemClock()

    async def get(self, resource: Resource, namespace: str, name: str) -> bytes | None:
        """The object's JSON; None only when the API server proved that it does not exist. Raises ApiError."""
        try:
            return await self._send("GET", namespace, one(resource, namespace, name))
        except NotFound:
            return None

    async def list_pages(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = PAGE,
        metadata_only: bool = False,
    ) -> AsyncGenerator[bytes, None]:
        """Raw pages of one consistent list. Raises Gone when it takes too long for that: the pages read so far are
        void, start again."""
        token = ""
        accept = PARTIAL_LIST if metadata_only else JSON
        while True:
            query = (
                {"limit": str(limit)}
                | _some(labelSelector=label_selector, fieldSelector=field_selector)
                | {"continue": token}
            )
            try:
                page = await self._send(
                    "GET", namespace, path(resource, namespace), _some(**query), accept=accept, max_body=MAX_PAGE
                )
            except _TooLarge:
                if limit <= 1:
                    raise
                limit = max(1, limit // 5)
                continue
            try:
                token = _head.decode(page).metadata.continue_
            except msgspec.MsgspecError as error:
                raise Unreachable(f"the list of {resource.plural} is not a list") from error
            yield page
            if not token:
                return

    async def read(self, url_path: str) -> bytes:
        """GET of a path that is no object: discovery, `/version`. Raises ApiError."""
        return await self._send("GET", "", url_path)

    async def create(
        self,
        resource: Resource,
        namespace: str,
        body: Any,
        *,
        field_manager: str = "",
        subresource: str = "",
        name: str = "",
    ) -> bytes:
        """POST. `name` and `subresource` for things like TokenRequest. Raises AlreadyExists, …"""
        url_path = path(resource, namespace, name, subresource)
        return await self._send("POST", namespace, url_path, _some(fieldManager=field_manager), body=body)

    async def patch(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Any,
        *,
        field_manager: str = "",
        subresource: str = "",
        content_type: str = MERGE_PATCH,
    ) -> bytes:
        """A `metadata.resourceVersion` or `metadata.uid` in a merge patch is a precondition: Conflict when it is not
        the live one."""
        heavy = self._heavy(resource, namespace, name)
        async with self._heavy_turns.slot(namespace) if heavy else nullcontext():
            return await self._send(
                "PATCH",
                namespace,
                one(resource, namespace, name, subresource),
                _some(fieldManager=field_manager),
                body=body,
                content_type=content_type,
            )

    async def replace(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Any,
        *,
        field_manager: str = "",
        subresource: str = "",
    ) -> bytes:
        """PUT; the resourceVersion inside `body` is a precondition. Raises Conflict, NotFound, …"""
        url_path = one(resource, namespace, name, subresource)
        return await self._send("PUT", namespace, url_path, _some(fieldManager=field_manager), body=body)

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str = "", resource_version: str = ""
    ) -> None:
        """Background deletion; `uid` and `resource_version` are preconditions. Raises NotFound, Conflict, …"""
        preconditions = _some(uid=uid, resourceVersion=resource_version)
        options: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        await self._send(
            "DELETE",
            namespace,
            one(resource, namespace, name),
            body=options | ({"preconditions": preconditions} if preconditions else {}),
        )

    @asynccontextmanager
    async def watch(
        self,
        resource: Resource,
        namespace: str,
        resource_version: str,
        *,
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
        seconds: int = 300,
        silence: float = 60.0,
    ) -> AsyncIterator[AsyncIterator[bytes]]:
        """Chunks of one watch stream, as they arrive. The server ends it after `seconds`; silent for `silence` seconds
        more, it is broken.

        Raises ApiError: Gone when `resource_version` is too old, Unreachable when the stream breaks.
        """
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(seconds),
            "resourceVersion": resource_version,
        }
        query |= _some(labelSelector=label_selector, fieldSelector=field_selector)
        accept = PARTIAL if metadata_only else JSON
        pool = await self.access.pool()
        authorization = await self.access.authorization()
        timeouts = Timeouts(total=self.timeout, idle=seconds + silence)
        try:
            async with pool.stream(
                "GET",
                self.access.server + path(resource, namespace),
                params=query,
                headers=_headers(authorization, accept),
                timeouts=timeouts,
            ) as stream:
                if stream.status != 200:
                    raise await self._refusal(stream, authorization, names_in(path(resource, namespace)))
                yield stream.chunks()
        except TransportError as error:
            raise Unreachable(str(error), sent=error.sent, fix=error.fix) from error

    async def _refusal(self, stream: Stream, authorization: str, names: tuple[str, ...]) -> ApiError:
        error = api_error(Reply(stream.status, stream.headers, await stream.read()), names, own=self._names is None)
        if isinstance(error, Unauthorized):
            await self.access.refused(authorization)
        return error

    async def _send(
        self,
        method: str,
        namespace: str,
        url_path: str,
        query: Mapping[str, str] | None = None,
        *,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        max_body: int = MAX_OBJECT,
    ) -> bytes:
        data = None if body is None else body if isinstance(body, bytes) else encoded(body)
        writes = method != "GET"
        timeout = self.write_timeout if writes else self.timeout
        if writes:
            # The server gives up when we do: a write that waits in its queue must not happen after another process has
            # taken the lease.
            query = {**(query or {}), "timeout": f"{math.ceil(timeout)}s"}
        tried, refused = 0, False
        while True:
            async with self._turn(namespace):
                if writes and not self._may_write(timeout):
                    raise NotLeading("write held back: the lease may end before the request does")
                authorization = await self.access.authorization()
                headers = _headers(authorization, accept) | ({"Content-Type": content_type} if data is not None else {})
                reply = await self._exchange(method, url_path, query, headers, data, max_body, timeout)
            if reply.status < 300:
                return reply.body
            error = api_error(reply, (*names_in(url_path, body), *(self._names or ())), own=self._names is None)
            if isinstance(error, Unauthorized) and not refused:
                refused = True
                if await self.access.refused(authorization):
                    continue
            tried += 1
            pause = error.retry_after if error.status in (429, 503) else None
            if error.status == 429 and pause is None:
                pause = PAUSE
            if tried >= self._tries or pause is None or pause > LONGEST_WAIT:
                try:
                    raise error
                finally:
                    del error  # else it keeps its own frame, with the body that was sent, until the collector comes
            await self._clock.sleep(pause)

    @asynccontextmanager
    async def _turn(self, namespace: str) -> AsyncIterator[None]:
        if self._turns is None:
            yield
            return
        async with self._turns.slot(namespace):
            yield

    async def _exchange(
        self,
        method: str,
        url_path: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str],
        data: bytes | None,
        max_body: int,
        seconds: float,
    ) -> Reply:
        pool = await self.access.pool()
        timeouts = Timeouts(total=seconds)
        try:
            url = self.access.server + url_path
            reply = await pool.request(
                method, url, params=query, headers=headers, body=data, timeouts=timeouts, max_body=max_body
            )
            self._counted(reply.status, method, self.access.server.partition("://")[2])
            return reply
        except TooLarge as error:
            raise _TooLarge(str(error)) from error
        except TransportError as error:
            self._counted("<error>", method, self.access.server.partition("://")[2])
            raise Unreachable(str(error), sent=error.sent, fix=error.fix) from error


def encoded(body: Any) -> bytes:
    """JSON. Raises Invalid for a body that has none: half a surrogate pair in a text, an integer beyond 64 bits."""
    try:
        return orjson.dumps(body)
    except orjson.JSONEncodeError as error:
        raise Invalid(f"the object cannot be written as JSON: {error}", status=400, reason="BadRequest") from None


class _TooLarge(Unreachable):
    """A smaller page may fit."""


def path(resource: Resource, namespace: str, name: str = "", subresource: str = "") -> str:
    """URL path of one object or collection. Raises Invalid for a name that would leave its segment: names come from
    users."""
    for segment in (namespace, name):
        if segment in (".", "..") or "/" in segment or "%" in segment:
            raise Invalid(
                f"invalid name {segment!r}: a name may not be '.' or '..' and may not contain '/' or '%'",
                status=400,
                reason="BadRequest",
            )
    return resource.path(namespace=namespace, name=name, subresource=subresource)


def one(resource: Resource, namespace: str, name: str, subresource: str = "") -> str:
    """URL path of one object. Raises Invalid without a name or a namespace: that would be a path of many objects, or of
    all namespaces."""
    if not name or (resource.namespaced and not namespace):
        raise Invalid(f"a {resource.kind} without a {'namespace' if name else 'name'}", status=400, reason="BadRequest")
    return path(resource, namespace, name, subresource)


def names_in(url_path: str, body: Any = None) -> tuple[str, ...]:
    """What a request calls its object: a refusal may name it."""
    names = [piece for piece in url_path.split("/") if piece]
    if isinstance(body, dict):
        metadata = body.get("metadata")
        found = (body.get("kind"), metadata.get("name") if isinstance(metadata, dict) else None)
        names += [name for name in found if isinstance(name, str)]
    joined = [f"{plural}.{group}" for group in names if "." in group for plural in names if plural != group]
    return (*names, *joined)


def api_error(reply: Reply, names: tuple[str, ...] = (), *, own: bool = True) -> ApiError:
    """The typed error for a reply that is not 2xx. Only the Status object's own message is shown, never a body. `own`:
    the server is that of the cluster, and not one that a store names."""
    try:
        status = _status.decode(reply.body)
    except msgspec.MsgspecError:
        status = _Status()
    genuine = status.kind == "Status"
    said = (
        unquoted(status.message)[:MAX_MESSAGE]
        if genuine and status.message
        else f"the API server answered with status {reply.status}"
    )
    return typed(
        reply.status,
        status.reason if genuine else "",
        closed(said, names, own=own) if genuine else said,
        status.details if genuine else None,
        _retry_after(reply.headers),
        said=said,
        names=names,
    )


def unquoted(message: str) -> str:
    """The message without the values that it quotes: a refused value may be a secret that a template put into a label
    or a spec."""
    return _QUOTED.sub(r"\1***", message)


def typed(
    code: int,
    reason: str,
    message: str,
    details: _Details | None = None,
    retry_after: float | None = None,
    *,
    said: str = "",
    names: tuple[str, ...] = (),
) -> ApiError:
    """Status code and reason → the error class."""
    retry = retry_after if retry_after is not None or details is None else details.retryAfterSeconds
    kind: type[ApiError]
    match code, reason:
        case 404, "NotFound" if details is not None and details.name:
            kind = NotFound
        case 404, _:
            kind = UnknownResource
        case 409, "AlreadyExists":
            kind = AlreadyExists
        case 409, _:
            kind = Conflict
        case 401, _:
            kind = Unauthorized
        case 403, _:
            kind = Forbidden
        case 410, _:
            kind = Gone
        case ((400 | 422), _):
            kind = Invalid
        case 429, _:
            kind = TooMany
        case _ if code >= 500:
            kind = Unavailable
        case _:
            kind = ApiError
    fields = tuple(dict.fromkeys(field_root(cause.field) for cause in details.causes)) if details is not None else ()
    return kind(message, status=code, reason=reason, retry_after=retry, fields=fields, said=said, names=names)


def field_root(field: str) -> str:
    """`data[some key]` → `data`, `metadata.labels[x]` → `metadata.labels`, `spec.parts[3].name` → `spec`: what lies
    deeper may be named by a template."""
    first, _, rest = field.partition(".")
    root = first.partition("[")[0]
    if root == "metadata" and (member := rest.partition("[")[0].partition(".")[0]) in METADATA:
        return f"metadata.{member}"
    return root if root in ROOTS else "the object"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds. The API server never sends the date form."""
    text = headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _headers(authorization: str, accept: str) -> dict[str, str]:
    return {"Accept": accept} | ({"Authorization": authorization} if authorization else {})


def _some(**query: str) -> dict[str, str]:
    """The parameters that are set."""
    return {name: value for name, value in query.items() if value}
