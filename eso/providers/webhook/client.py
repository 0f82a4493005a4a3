"""One login at an HTTP service: a request is rendered for each read and push, and its answer is the secret.

Neighbours: connect.py makes it, render.py and codec.py compute (apart.py says where), refusal.py words statuses.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urlsplit

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.net.http import Pool, Pools, Reply, Timeouts, TransportError
from eso.providers.contract import (
    Find,
    InvalidConfig,
    Push,
    Remote,
    RemoteRef,
    SecretNotFound,
    Source,
    StoreView,
    Validation,
    ValidationFailed,
    prefixed,
)
from eso.providers.kit.headers import from_store
from eso.providers.kit.http import Api, unaddressed
from eso.providers.kit.payload import pushed
from eso.providers.webhook import codec, refusal
from eso.providers.webhook.apart import Apart
from eso.providers.webhook.ntlm import Ntlm
from eso.providers.webhook.render import Rendered, Seen, Templates, Texts
from eso.providers.webhook.spec import address, seconds, sees

LABEL: Final = "Webhook"
CALL: Final = "HTTPRequest"
MOST: Final = 10 << 20  # bytes of an answer
DIAL_SECONDS: Final = 15.0
UNANSWERED: Final = "failed to call endpoint: "
NOT_PUSHED: Final = "failed to push webhook data: "
NO_PATH: Final = "cannot get templated json path: "
SHARED: Final = ("GET", "HEAD")  # methods whose answer serves whoever asks the same
TUNNELS: Final = ("CONNECT", "TRACE")  # one makes a proxy of the server, the other has it repeat what it was sent
NUMBERS: Final = itertools.count(1)
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Connection:
    """`secrets`: what the templates may use, or `fault`: why there are none. `namespace`: the consumer's, where the
    login depends on it."""

    pool: Pool
    ntlm: Ntlm | None
    secrets: Texts = field(repr=False)
    fault: EsoError | None
    apart: Apart
    pools: Pools
    namespace: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One read: what is rendered, and with which members of the reference. `number` tells reads apart that must not be
    one: a method other than GET may have another answer each time."""

    templates: Templates
    method: str
    seconds: float
    key: str
    version: str
    property: str
    number: int = field(default=0, hash=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """`found`: what the path names, where there is a path; None for the whole body. `fault`: the path could not be
    rendered. Never prints its content."""

    body: bytes = field(repr=False)
    found: tuple[jsonenc.Value] | None = field(default=None, repr=False)
    fault: str = ""

    def __len__(self) -> int:
        return len(self.body)


class Client:
    """A StoreClient with Writes."""

    lifetime: float | None = None

    def __init__(self, store: StoreView, connection: Connection) -> None:
        self.store, self.connection = store, connection
        block = store.provider_spec
        self.templates, self.seconds = Templates.of(block), seconds(block)
        self.method = str(block.get("method") or "")
        self.seen = {name for name in ("version", "property") if sees(block, name)}
        self.secluded = "{{" in authority(self.templates.url)  # a value may be a part of the host

    async def renew(self) -> bool:
        return False

    def bind(self, store: StoreView) -> Client:
        return self if store is self.store else Client(store, self.connection)

    async def close(self) -> None:
        await self.connection.pool.close()

    async def validate(self) -> Validation:
        """Connects to the host of the URL as it is written, and hangs up."""
        try:
            await self.connection.pools.dial(address(self.store.provider_spec), DIAL_SECONDS)
        except TransportError as error:
            raise ValidationFailed(f"error accessing external store: {error}", fix=error.fix) from error
        except InvalidConfig as error:
            raise ValidationFailed(str(error), fix=error.fix) from error
        return Validation.READY

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        """Members of the reference that no template looks at make no other request."""
        version, property = (
            text if name in self.seen else "" for name, text in (("version", ref.version), ("property", ref.property))
        )
        method = self.method or "GET"
        number = 0 if method.upper() in SHARED else next(NUMBERS)
        return Asked(self.templates, method, self.seconds, ref.key, version, property, number)

    async def fetch(self, request: Hashable) -> Answer:
        assert isinstance(request, Asked)
        remote = {
            "key": request.key,
            "version": request.version,
            "property": request.property,
            "namespace": self.store.namespace or self.connection.namespace,
        }
        rendered = await self._rendered(request.templates, {name: text.encode() for name, text in remote.items()})
        reply = await self._send(request.method, rendered, request.seconds, refusal.of_reply)
        if rendered.fault:
            return Answer(reply.body, fault=rendered.fault)
        if not rendered.path:
            return Answer(reply.body)
        told = request.templates.path if self.connection.secrets and "{{" in request.templates.path else ""
        return Answer(reply.body, (await self.connection.apart.located(reply.body, rendered.path, told),))

    def value(self, payload: Answer, ref: RemoteRef) -> bytes:
        if payload.fault:
            raise InvalidConfig(payload.fault)
        return payload.body if payload.found is None else codec.value(payload.found[0])

    def mapping(self, payload: Answer, ref: RemoteRef) -> dict[str, bytes]:
        if payload.fault:
            raise InvalidConfig(f"{NO_PATH}{payload.fault}")
        return codec.mapping(codec.located(payload.body, "", "") if payload.found is None else payload.found[0])

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("not implemented", fix="a webhook answers one request: name its keys")
        yield {}

    # what the generator asks

    async def made(self) -> dict[str, bytes]:
        """The map that the answer is. The path is not rendered, and no reference is seen."""
        bare = replace(self.templates, path="")
        rendered = await self._rendered(bare, {})
        reply = await self._send(self.method or "GET", rendered, self.seconds, refusal.of_reply)
        return codec.mapping(await self.connection.apart.located(reply.body, self.templates.path, ""))

    # writing

    def place(self, remote: Remote) -> Hashable:
        return self.templates.url, remote.key

    async def push(self, entry: Push, source: Source) -> None:
        """Sends the value each time: nobody can tell what the service has."""
        key = entry.remote.key
        if not key:
            raise InvalidConfig("remote key must be defined")
        payload = pushed(entry, source, f"failed to find secret key in secret with key: {entry.secret_key}")
        remote = {"remoteKey": key.encode()}
        if entry.secret_key:
            remote["secretKey"] = entry.secret_key.encode()
        templates = self.templates if self.templates.body else replace(self.templates, body=None)
        try:
            rendered = await self._rendered(replace(templates, path=""), remote | {key: payload}, payload)
            try:
                await self._send(self.method or "POST", rendered, self.seconds, refusal.of_reply)
            except EsoError as error:
                raise prefixed(NOT_PUSHED, error) from error
        except EsoError as error:
            raise prefixed(NOT_PUSHED, error) from error

    async def delete(self, remote: Remote) -> None:
        templates = replace(self.templates, path="", body="")
        rendered = await self._rendered(templates, {"remoteKey": remote.key.encode()})
        await self._send("DELETE", rendered, self.seconds, refusal.of_deletion, missing_is_fine=True)

    async def exists(self, remote: Remote) -> bool:
        """A read with the remote key as the key."""
        asked = Asked(replace(self.templates, path=""), self.method or "GET", self.seconds, remote.key, "", "")
        try:
            await self.fetch(asked)
        except SecretNotFound:
            return False
        return True

    # requests

    async def _rendered(self, templates: Templates, remote: Mapping[str, bytes], payload: bytes = b"") -> Rendered:
        if self.connection.fault is not None:
            raise self.connection.fault.with_traceback(None)
        return await self.connection.apart.request(templates, Seen(remote, self.connection.secrets, payload))

    async def _send(
        self,
        method: str,
        rendered: Rendered,
        limit: float,
        refuse: Callable[[Reply], EsoError],
        *,
        missing_is_fine: bool = False,
    ) -> Reply:
        """Raises the error for a status that is no success."""
        refused: EsoError | None = None

        def noted(reply: Reply) -> EsoError:
            nonlocal refused
            refused = refuse(reply)
            if not self.connection.secrets and self.connection.ntlm is None:
                refused = refusal.of_anybody(refused)
            return refused

        try:
            reply = await self._exchanged(method, rendered, limit, missing_is_fine, noted)
        except EsoError as error:
            if error is refused:
                raise
            if self.secluded:
                raise unaddressed(UNANSWERED, error) from None
            raise prefixed(UNANSWERED, error) from error
        return reply

    async def _exchanged(
        self,
        method: str,
        rendered: Rendered,
        limit: float,
        missing_is_fine: bool,
        refuse: Callable[[Reply], EsoError],
    ) -> Reply:
        if method.upper() in TUNNELS:
            raise InvalidConfig(f"a webhook does not send {method.upper()}", fix="use another method")
        url, timeouts = usable(rendered.url), Timeouts(total=limit)
        headers = from_store(dict(rendered.headers))
        body = rendered.body or None
        ok = (404,) if missing_is_fine else ()
        if self.connection.ntlm is None:
            api = Api(self.connection.pool, LABEL, "", {}, refuse=refuse, timeouts=timeouts, max_body=MOST)
            return await api.send(CALL, method, url, headers=headers, body=body, ok=ok)
        reply = await self.connection.ntlm.send(CALL, method, url, headers, body, timeouts, MOST)
        if 200 <= reply.status < 300 or reply.status in ok:
            return reply
        raise refuse(reply)


def authority(url: str) -> str:
    """What a template of a URL has up to its path."""
    scheme, separator, rest = url.partition("://")
    return scheme + separator + re.split("[/?#]", rest, maxsplit=1)[0]


def usable(url: str) -> str:
    """Raises InvalidConfig for what cannot be asked, without showing it."""
    if CONTROL.search(url):
        raise InvalidConfig("the url holds a control character")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise InvalidConfig("the url is not http or https with a host", fix="write https://host/path")
    return url.encode("utf-8", "replace").decode()
