"""One login at a Vault server, and the reads a `vault` store makes with it.

Neighbours: provider.py logs in and makes one, paths.py says where, codec.py turns replies into bytes. Stores that share
the login look through views of one Connection; openbao.py has its own way of reading over the same Connection.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Self, TypeVar

import hvac.exceptions
import requests

from eso.errors import EsoError
from eso.gocompat import regexp
from eso.net.http import Pool
from eso.providers.contract import (
    AuthExpired,
    Denied,
    Find,
    InvalidConfig,
    RemoteRef,
    SecretNotFound,
    StoreView,
    Validation,
    ValidationFailed,
    prefixed,
)
from eso.providers.vault import codec
from eso.providers.vault.bridge import LoopSession, drive
from eso.providers.vault.login import Login, blocking
from eso.providers.vault.paths import data_path, metadata_path, url_path, without_data
from eso.providers.vault.refusal import safe_messages, text
from eso.runtime.offload import Offload

T = TypeVar("T")
AT_ONCE: Final = 8  # requests of one search
MOST_NAMES, MOST_FOLDERS, DEEPEST = 50_000, 2_000, 64  # of one search
MOST_BYTES: Final = 32 << 20  # of all values of one search; a Secret takes 1 MiB
# of large replies; all of them share one interpreter with the loop
DECODING: Final = Offload(threads=1, name="vault-decoding")
READ_FAILED: Final = "cannot read secret data from Vault: "


@dataclass(slots=True)
class Connection:
    """One login: its connections, its token, what was learnt on the way. `server` is the base URL."""

    server: str
    pool: Pool
    session: LoopSession
    namespace: str
    login_namespace: str
    login: Login = field(repr=False)
    mounts: dict[str, str] = field(default_factory=dict)  # configured mount → the one that has the data
    proved: bool = False  # the token was good once
    clients: dict[str, Any] = field(default_factory=dict, repr=False)  # hvac's, by namespace

    async def get(self, path: str, **params: str) -> bytes | None:
        """The body of a reply with data, None when the engine proved that nothing is at `path`. Raises the typed
        refusals."""
        try:
            reply = await self.call(
                lambda client: client.adapter.get(url_path(path), params=params or None, raise_exception=False)
            )
        except Denied as error:
            if await self._ended():
                raise AuthExpired(str(error)) from error
            raise
        self.proved = True
        if reply.status_code < 400 or codec.has_data(reply.content):
            return reply.content
        if told := safe_messages(reply.content):
            # The mount is not there (any more): that proves nothing about the secret, and what is proven absent may be
            # deleted.
            shown = text("get", reply.url, self.namespace, reply.status_code, told)
            raise InvalidConfig(shown, fix="check the path of the mount, and the namespace")
        return None

    async def list(self, path: str) -> list[str]:
        """Names below `path`, folders end in a slash; empty when there is nothing."""
        body = await self.get(path, list="true")
        return await decoded(self.namespace, body, codec.names) if body is not None else []

    async def call(
        self, function: Callable[[Any], requests.Response], *, namespace: str | None = None
    ) -> requests.Response:
        where = self.namespace if namespace is None else namespace
        client = self.clients.get(where)
        if client is None:  # kept: building one costs more than a request through it
            client = self.clients[where] = blocking(self.server, self.session, where, self.login.token)
        return await drive(lambda: function(client))

    async def look_up(self) -> Any:
        """What the server says about our token. Raises AuthExpired when it answered before and now refuses."""
        try:
            reply = await self.call(lambda client: client.auth.token.lookup_self())
        except Denied as error:
            if self.proved:
                raise AuthExpired(str(error)) from error
            raise
        self.proved = True
        return codec.member(reply.content, "data")

    async def _ended(self) -> bool:
        """Servers answer a path that may not be read and a token that has ended alike. A good token can always look
        itself up."""
        if not self.proved:
            return False
        try:
            await self.look_up()
        except AuthExpired:
            return True
        except EsoError:
            return False
        return False

    async def renew(self) -> bool:
        if not (self.login.owned and self.login.renewable):
            return False
        try:
            reply = await self.call(lambda client: client.auth.token.renew_self(), namespace=self.login_namespace)
            auth = codec.member(reply.content, "auth")
            seconds = float(str(auth.get(b"lease_duration") or 0)) if isinstance(auth, dict) else 0.0
        except (ValueError, hvac.exceptions.VaultError):
            return False  # no token endpoint, or a duration that is none
        # Near its maximal age a token can be renewed for ever shorter times only: then a new login is the better half.
        return seconds >= (self.login.lifetime or 0.0) / 2

    async def close(self) -> None:
        try:
            if self.login.token and self.login.owned:
                await self.call(lambda client: client.auth.token.revoke_self(), namespace=self.login_namespace)
        except (EsoError, hvac.exceptions.VaultError):
            pass  # it ends by itself; a server that is gone must not keep us
        finally:
            await self.pool.close()


@dataclass(frozen=True, slots=True)
class Asked:
    """One read: the path, and the one to try when nothing is there because `path: <mount>/data` was written for
    `<mount>`."""

    path: str
    version: str = ""
    metadata: bool = False
    v2: bool = True
    other: str = ""
    mounts: tuple[str, str] = ("", "")


class KvClient:
    """What the clients of both provider keys are: one login, seen through one store. `connection` None: the store's
    credential belongs to each consumer, and there is none."""

    default_mount: ClassVar[str] = ""

    def __init__(self, store: StoreView, connection: Connection | None, *, referent: bool) -> None:
        self.store, self.connection, self.referent = store, connection, referent
        self.mount = str(store.provider_spec.get("path") or self.default_mount)
        self.v2 = store.provider_spec.get("version", "v2") != "v1"

    @property
    def lifetime(self) -> float | None:
        return self.connection.login.lifetime if self.connection else None

    async def renew(self) -> bool:
        return await self.connection.renew() if self.connection else True

    def bind(self, store: StoreView) -> Self:
        return self if store is self.store else type(self)(store, self.connection, referent=self.referent)

    async def close(self) -> None:
        if self.connection:
            await self.connection.close()

    @property
    def live(self) -> Connection:
        if self.connection is None:
            raise InvalidConfig("the store's credentials belong to a namespace: it cannot be read without one")
        return self.connection


class VaultClient(KvClient):
    """A StoreClient of the provider `vault`."""

    # reading one secret

    def request(self, ref: RemoteRef) -> Hashable:
        metadata = ref.metadata_policy == "Fetch"
        if metadata and not self.v2:
            raise InvalidConfig("cannot perform metadata fetch operations with kv version v1")
        build = metadata_path if metadata else data_path
        mount, other = self._mounts()
        path = build(mount, self.v2, ref.key)
        url_path(path)  # refuses what can never be asked
        fallback = build(other, self.v2, ref.key) if other else ""
        return Asked(path, "" if metadata else ref.version, metadata, self.v2, fallback, (self.mount, other))

    def _mounts(self) -> tuple[str, str]:
        """The mount to ask, and the one to try when it has nothing."""
        meant = without_data(self.mount) if self.v2 else ""
        if self.connection and self.connection.mounts.get(self.mount, self.mount) != self.mount:
            return meant, self.mount  # it had data before: ask it first
        return self.mount, meant

    async def fetch(self, request: Hashable) -> codec.Payload:
        """Raises SecretNotFound when the server proved that there is no value, else a typed error with the reference's
        words."""
        assert isinstance(request, Asked)
        params = {"version": request.version} if request.version else {}
        body = await worded(READ_FAILED, self.live.get(request.path, **params))
        if body is None and request.other:
            body = await worded(READ_FAILED, self.live.get(request.other, **params))
            if body is not None:
                configured, real = request.mounts
                self.live.mounts[configured] = real
        if request.metadata:
            if body is None:
                raise EsoError("secret not found", fix="there is no metadata at this key")
            return await decoded(self.store.namespace, body, codec.metadata_payload)
        if body is None:
            raise SecretNotFound
        return await decoded(self.store.namespace, body, lambda found: codec.payload(found, v2=request.v2))

    def value(self, payload: codec.Payload, ref: RemoteRef) -> bytes:
        return payload.value(ref.property)

    def mapping(self, payload: codec.Payload, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(payload.value(ref.property))

    # reading many

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        if not self.v2 and find.tags is not None:
            raise InvalidConfig("cannot perform find by tag operations with kv version v1")
        matcher = compiled(find.name_regexp) if find.name_regexp is not None else None
        prefix = f"{find.path}/" if find.path else ""
        names = await self._names(prefix)
        if matcher is not None:
            names = [name for name in names if matcher.matches(name.encode())]
        elif find.tags:
            tagged = await every(names, lambda name: self._tagged(name, dict(find.tags or ())))
            names = [name for name, matches in zip(names, tagged, strict=True) if matches]
        volume = Volume()
        values = await every(names, lambda name: self._current(name, volume))
        yield {name: value for name, value in zip(names, values, strict=True) if value is not None}

    async def _names(self, prefix: str) -> list[str]:
        mount, other = self._mounts()
        try:
            return await self._below(mount, prefix, Walk())
        except SecretNotFound:
            if not other:
                raise
        names = await self._below(other, prefix, Walk())
        self.live.mounts[self.mount] = other
        return names

    async def _below(self, mount: str, prefix: str, walk: Walk) -> list[str]:
        """Every name below `prefix`, with it. Nothing in a folder is a proven not-found."""
        walk.enter(prefix)
        listed = await worded(READ_FAILED, self.live.list(metadata_path(mount, self.v2, prefix)))
        if not listed:
            raise SecretNotFound
        walk.found(listed)
        folders = [name for name in listed if name.endswith("/")]
        deeper = await every(folders, lambda folder: self._below(mount, prefix + folder, walk))
        return [prefix + name for name in listed if not name.endswith("/")] + [
            name for names in deeper for name in names
        ]

    async def _current(self, name: str, volume: Volume) -> bytes | None:
        """The value as it is now; None for one whose current version is deleted."""
        ref = RemoteRef(name)
        try:
            return volume.counted(self.value(await self.fetch(self.request(ref)), ref))
        except SecretNotFound:
            return None

    async def _tagged(self, name: str, tags: dict[str, str]) -> bool:
        found = await self.fetch(self.request(RemoteRef(name, metadata_policy="Fetch")))
        members = codec.mapping(found.value("")) if found.value("") else {}
        return all(members.get(key) == value.encode() for key, value in tags.items())

    # the store's own validation

    async def validate(self) -> Validation:
        if self.store.cluster_scoped and self.referent:
            return Validation.UNKNOWN
        try:
            token = await self.live.look_up()
            codec.check_token(token)
        except EsoError as error:
            raise ValidationFailed(f"invalid vault credentials: {error}", Validation.ERROR, fix=error.fix) from error
        except hvac.exceptions.VaultError:
            raise ValidationFailed(
                "invalid vault credentials: the server has no token endpoint here", Validation.ERROR
            ) from None
        return Validation.READY


class Walk:
    """How far one search may go: whoever runs the server may invent folders without end."""

    def __init__(self) -> None:
        self.names = self.folders = 0

    def enter(self, prefix: str) -> None:
        self.folders += 1
        if self.folders > MOST_FOLDERS or prefix.count("/") > DEEPEST:
            raise InvalidConfig(
                f"the search looks into more than {MOST_FOLDERS} folders, or deeper than {DEEPEST}", fix="set find.path"
            )

    def found(self, names: list[str]) -> None:
        self.names += len(names)
        if self.names > MOST_NAMES:
            raise InvalidConfig(f"the search lists more than {MOST_NAMES} names", fix="set find.path")


class Volume:
    """How much one search may bring home."""

    def __init__(self) -> None:
        self.left = MOST_BYTES

    def counted(self, value: bytes) -> bytes:
        self.left -= len(value)
        if self.left < 0:
            raise InvalidConfig(f"the search finds more than {MOST_BYTES} bytes", fix="narrow find.name or find.path")
        return value


async def decoded(owner: str, body: bytes, decode: Callable[[bytes], T]) -> T:
    """In a thread where it takes a while."""
    return decode(body) if len(body) <= codec.LARGE else await DECODING.run_for(owner, decode, body)


def compiled(pattern: str) -> regexp.Regexp:
    try:
        return regexp.compile(pattern)
    except regexp.RegexpError as error:
        raise InvalidConfig(
            f"could not compile find.name.regexp [{pattern}]: {error}", fix="write an RE2 expression"
        ) from error


async def worded(prefix: str, call: Awaitable[T]) -> T:
    """What goes wrong, with the reference's words before it."""
    try:
        return await call
    except EsoError as error:
        raise prefixed(prefix, error) from error


async def every(items: Sequence[str], ask: Callable[[str], Awaitable[T]]) -> list[T]:
    """The answers in order, a few at a time; the first error ends it."""
    answers: dict[int, T] = {}
    waiting = iter(enumerate(items))
    failed: EsoError | None = None

    async def work() -> None:
        for place, item in waiting:
            answers[place] = await ask(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(min(AT_ONCE, len(items))):
                group.create_task(work(), name="find")
    except* EsoError as errors:
        failed = first(errors)
    if failed is not None:
        raise failed
    return [answers[place] for place in range(len(items))]


def first(errors: BaseExceptionGroup[EsoError]) -> EsoError:
    error: BaseException = errors
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    assert isinstance(error, EsoError)
    return error
