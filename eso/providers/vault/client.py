"""The reads that a `vault` store makes.

Neighbours: connect.py logs in and makes the client, connection.py sends, paths.py says where, codec.py turns replies
into bytes, pushing.py writes. openbao.py has its own way of reading over the same Connection.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self, TypeVar

import hvac.exceptions

from eso.errors import EsoError
from eso.providers.contract import (
    Denied,
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
)
from eso.providers.kit.http import decoded
from eso.providers.kit.search import Volume, Walk, by_name, every, tagged
from eso.providers.kit.selectors import part
from eso.providers.vault import codec, pushing
from eso.providers.vault.connection import READ_FAILED, Connection, worded
from eso.providers.vault.paths import data_path, metadata_of, metadata_path, url_path, without_data

T = TypeVar("T")
MOST_PROBED: Final = 2_000  # secrets whose versions one probe asks for


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
        self.check_and_set = bool(part(store.provider_spec, "checkAndSet").get("required"))

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

    # versions without values

    async def probe(self, keys: Sequence[str]) -> Mapping[str, str]:
        """One small request for each secret: KV v2 tells no versions in lists. What may not be read is left out, unless
        that is everything."""
        if not self.v2:
            raise InvalidConfig("KV v1 keeps no versions", fix="use a KV v2 mount, or let the backend send events")
        refused: list[Denied] = []

        async def one(key: str) -> str | None:
            try:
                return await self._version(key)
            except Denied as error:
                refused.append(error)
                return None
            except InvalidConfig:
                return None  # a key that can never be read fails the pass of its object

        asked = keys[:MOST_PROBED]
        found = await every(asked, one)
        told = {key: version for key, version in zip(asked, found, strict=True) if version is not None}
        if refused and not told:
            raise refused[0]
        return told

    async def _version(self, key: str) -> str | None:
        """A digest of the metadata; None where there is none."""
        for mount in self.mounts():
            path = metadata_of(data_path(mount, True, key), mount)
            url_path(path)
            body = await worded(READ_FAILED, self.live.get(path))
            if body is not None:
                return await decoded(self.live.offload, self.store.namespace, body, codec.metadata_digest)
            if not self.mounts()[1]:
                break
        return None

    def mounts(self) -> tuple[str, str]:
        """The mount to ask, and one to try when it has nothing."""
        return self.mount, ""


class VaultClient(KvClient):
    """A StoreClient of the provider `vault`."""

    # reading one secret

    def request(self, ref: RemoteRef) -> Hashable:
        metadata = ref.metadata_policy == "Fetch"
        if metadata and not self.v2:
            raise InvalidConfig("cannot perform metadata fetch operations with kv version v1")
        build = metadata_path if metadata else data_path
        mount, other = self.mounts()
        path = build(mount, self.v2, ref.key)
        url_path(path)  # refuses what can never be asked
        fallback = build(other, self.v2, ref.key) if other else ""
        return Asked(path, "" if metadata else ref.version, metadata, self.v2, fallback, (self.mount, other))

    def mounts(self) -> tuple[str, str]:
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
        found = await self._payload(request, request.path, params)
        if found is None and request.other:
            found = await self._payload(request, request.other, params)
            if found is not None:
                configured, real = request.mounts
                self.live.mounts[configured] = real
        if found is not None:
            return found
        if request.metadata:
            raise EsoError("secret not found", fix="there is no metadata at this key")
        raise SecretNotFound

    async def _payload(self, request: Asked, path: str, params: Mapping[str, str]) -> codec.Payload | None:
        """What is at `path`; None when the server proved that nothing is, or that its version is deleted."""
        body = await worded(READ_FAILED, self.live.get(path, **params))
        if body is None:
            return None
        if request.metadata:
            return await self._decoded(body, codec.metadata_payload)
        return await self._decoded(body, lambda reply: codec.payload(reply, v2=request.v2))

    async def _decoded(self, body: bytes, decode: Callable[[bytes], T]) -> T:
        return await decoded(self.live.offload, self.store.namespace, body, decode)

    def value(self, payload: codec.Payload, ref: RemoteRef) -> bytes:
        return payload.value(ref.property)

    def mapping(self, payload: codec.Payload, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(payload.value(ref.property))

    # reading many

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        if not self.v2 and find.tags is not None:
            raise InvalidConfig("cannot perform find by tag operations with kv version v1")
        matches = by_name(find)
        prefix = f"{find.path}/" if find.path else ""
        names = await self._names(prefix)
        if find.name_regexp is not None:
            names = await matches.among(names)
        elif find.tags:
            wanted = find.tags
            having = await every(names, lambda name: self._tagged(name, wanted))
            names = [name for name, has in zip(names, having, strict=True) if has]
        volume = Volume()
        values = await every(names, lambda name: self._current(name, volume))
        yield {name: value for name, value in zip(names, values, strict=True) if value is not None}

    async def _names(self, prefix: str) -> list[str]:
        mount, other = self.mounts()
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
        deeper = await every(folders, lambda folder: self._inside(mount, prefix + folder, walk))
        return [prefix + name for name in listed if not name.endswith("/")] + [
            name for names in deeper for name in names
        ]

    async def _inside(self, mount: str, folder: str, walk: Walk) -> list[str]:
        """The names in a folder that was listed. One that is empty by now proves nothing of the others."""
        try:
            return await self._below(mount, folder, walk)
        except SecretNotFound:
            return []

    async def _current(self, name: str, volume: Volume) -> bytes | None:
        """The value as it is now; None for one whose current version is deleted."""
        ref = RemoteRef(name)
        try:
            return volume.counted(self.value(await self.fetch(self.request(ref)), ref))
        except SecretNotFound:
            return None

    async def _tagged(self, name: str, wanted: Sequence[tuple[str, str]]) -> bool:
        found = await self.fetch(self.request(RemoteRef(name, metadata_policy="Fetch")))
        members = codec.mapping(found.value("")) if found.value("") else {}
        return tagged(wanted, {key: value.decode("utf-8", "surrogateescape") for key, value in members.items()})

    # writing; in the order that `stores` keeps per place

    def place(self, remote: Remote) -> Hashable:
        return data_path(self.mount, self.v2, remote.key)

    async def push(self, entry: Push, source: Source) -> None:
        await pushing.push(self, entry, source)

    async def delete(self, remote: Remote) -> None:
        await pushing.delete(self, remote)

    async def exists(self, remote: Remote) -> bool:
        return await pushing.exists(self, remote)

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
