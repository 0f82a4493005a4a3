"""One login at a key vault, and what an `azurekv` store does with it.

Neighbours: connect.py makes one, codec.py turns replies into bytes, refusal.py words what Key Vault refuses,
material.py reads the certificates and keys that are pushed.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.azurekv import codec, spec
from eso.providers.azurekv.codec import KINDS, MANAGED, Found, Kind
from eso.providers.azurekv.refusal import Missing
from eso.providers.contract import (
    Find,
    InvalidConfig,
    Malformed,
    Push,
    Remote,
    RemoteRef,
    SecretNotFound,
    Source,
    StoreView,
    Validation,
    prefixed,
)
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import segment, worded
from eso.providers.kit.metadata import TEXT, spec_of
from eso.providers.kit.payload import pushed
from eso.providers.kit.search import Volume, Walk, by_name, every, tagged

AT_ONCE: Final = 16  # reads of one search
SHAPE: Final = {"expirationDate": TEXT, "contentType": TEXT, "tags": {"*": TEXT}}
GET: Final = {Kind.SECRET: "GetSecret", Kind.CERTIFICATE: "GetCertificate", Kind.KEY: "GetKey"}
LIST: Final = {Kind.SECRET: "GetSecrets", Kind.CERTIFICATE: "GetCertificates", Kind.KEY: "GetKeys"}
DELETE: Final = {Kind.SECRET: "DeleteSecret", Kind.CERTIFICATE: "DeleteCertificate", Kind.KEY: "DeleteKey"}
NOT_OURS: Final = "not managed by external-secrets"
OURS_FIX: Final = "tag it managed-by=external-secrets, or push to another key"
BAD_DATE: Final = (
    "error parsing expiration date in metadata: it is no such time. Expected format: YYYY-MM-DDTHH:MM:SSZ (RFC3339). "
    "Example: 2024-12-31T20:00:00Z"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """One version of an object, "" for the current one. Tags and value come in one reply."""

    kind: Kind
    name: str
    version: str = ""


class Client(Connected[Connection]):
    """A StoreClient with Writes."""

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        super().__init__(store, connection)
        self.legacy = not spec.modern(store.provider_spec)
        self.version = {"api-version": spec.version(store.provider_spec)}

    async def validate(self) -> Validation:
        """Asks the vault nothing: the login has fetched a token already, and the reference stops there too."""
        return Validation.READY if self._connection else Validation.UNKNOWN

    # reading one object

    def request(self, ref: RemoteRef) -> Hashable:
        word, name = codec.named(ref.key)
        if word not in KINDS:
            raise InvalidConfig(f"unknown Azure Keyvault object Type for {name}", fix=f"use {', '.join(KINDS)}")
        asked = Asked(KINDS[word], name, ref.version)
        path_of(asked)  # a name that is none is refused before anything waits for it
        return asked

    async def fetch(self, request: Hashable) -> Found:
        """Raises SecretNotFound when Key Vault says that there is no such object or version."""
        assert isinstance(request, Asked)
        try:
            return await self._one(request)
        except Missing as error:
            raise SecretNotFound() from error

    def value(self, payload: Found, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref, legacy=self.legacy)

    def mapping(self, payload: Found, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(payload, ref, legacy=self.legacy)

    async def _one(self, asked: Asked) -> Found:
        body = (await self._send(GET[asked.kind], "GET", path_of(asked))).body
        return await self.decoded(body, lambda reply: codec.found_in(reply, asked.kind, asked.name))

    # reading many

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """The current values of all enabled secrets that match, page by page. Without a name or tags every secret
        matches; the path is not used, as in the reference."""
        matches = by_name(find if find.name_regexp else replace(find, name_regexp=None))
        walk, volume = Walk(), Volume()
        query: Mapping[str, str] = {**self.version, "maxresults": "25"}
        while query:
            walk.enter()
            body = (await self._send("GetSecrets", "GET", "/secrets", query=query)).body
            items, following = await self.decoded(body, codec.page)
            walk.found(items)
            names = await matches.among(item.name for item in items if item.enabled and tagged(find.tags, item.tags))
            values = await every(names, lambda name: self._listed(name, volume), AT_ONCE)
            yield {name: value for name, value in zip(names, values, strict=True) if value is not None}
            before, query = query, codec.following_query(self.connection.api.base, following)
            if query == before:
                raise Malformed("the server's list does not end")

    async def _listed(self, name: str, volume: Volume) -> bytes | None:
        """None for a secret that is gone since it was listed: its absence is not that of all."""
        try:
            found = await self._one(Asked(Kind.SECRET, name))
        except Missing:
            return None
        return volume.counted(found.data)

    # versions without values

    async def probe(self, keys: Sequence[str]) -> Mapping[str, str]:
        """By the lists of those collections that keys name; their times are whole seconds."""
        wanted: dict[Kind, dict[str, list[str]]] = {}
        for key in keys:
            word, name = codec.named(key)
            if word in KINDS:
                wanted.setdefault(KINDS[word], {}).setdefault(name.lower(), []).append(key)
        found: dict[str, str] = {}
        for kind, names in wanted.items():
            async for page in self._versions(kind):
                for name, version in page.items():
                    found |= dict.fromkeys(names.get(name, ()), version)
        return found

    async def _versions(self, kind: Kind) -> AsyncIterator[Mapping[str, str]]:
        walk = Walk()
        member = "kid" if kind is Kind.KEY else "id"
        query: Mapping[str, str] = {**self.version, "maxresults": "25"}
        while query:
            walk.enter()
            body = (await self._send(LIST[kind], "GET", f"/{kind.value}", query=query)).body
            told, following = await self.decoded(body, lambda reply: codec.versions(reply, member))
            walk.found(list(told))
            yield told
            before, query = query, codec.following_query(self.connection.api.base, following, kind)
            if query == before:
                raise Malformed("the server's list does not end")

    # writing

    def place(self, remote: Remote) -> Hashable:
        """Key Vault's names have no case."""
        kind, name = self._target(remote, f"secret type {codec.named(remote.key)[0]} not supported")
        return kind, name.lower()

    async def push(self, entry: Push, source: Source) -> None:
        """Writes only what differs. Tags alone make no difference, as in the reference."""
        word, name = codec.named(entry.remote.key)
        kind, _ = self._target(entry.remote, f"secret type {word} not supported")
        try:
            metadata = spec_of(entry.metadata, SHAPE)
        except EsoError as error:
            raise prefixed("failed to parse push secret metadata: ", error) from error
        tags = dict(metadata.get("tags") or {})
        if MANAGED[0] in tags:
            raise InvalidConfig("error parsing tags in metadata: Cannot specify a 'managed-by' tag")
        tags |= dict([MANAGED])
        value = pushed(entry, source, f"failed to find secret key in secret with key: {entry.secret_key}")
        match kind:
            case Kind.SECRET:
                await self._set_secret(name, value, tags, metadata)
            case Kind.CERTIFICATE:
                await self._import_certificate(name, value, tags)
            case Kind.KEY:
                await self._import_key(name, value, tags)

    async def _set_secret(self, name: str, value: bytes, tags: Mapping[str, str], metadata: Mapping[str, Any]) -> None:
        text, expires = text_of(value), expiry(metadata) if self.legacy else None
        live = await self._ours(Kind.SECRET, name)
        content = metadata.get("contentType") or (live.content_type if live else "")
        if (
            live
            and live.data == value
            and live.content_type == content
            and (not self.legacy or live.expires == expires)
        ):
            return
        body: dict[str, Any] = {"value": text, "tags": tags, "attributes": {"enabled": True}}
        if expires is not None:
            body["attributes"]["exp"] = expires
        if content:
            body["contentType"] = content
        setting = self._send("SetSecret", "PUT", f"/secrets/{segment(name)}", json=body)
        await worded(f"could not set secret {name}: ", setting)

    async def _import_certificate(self, name: str, value: bytes, tags: Mapping[str, str]) -> None:
        der = await self.connection.offload.run_for(self.store.namespace, certificate_in, value)
        live = await self._ours(Kind.CERTIFICATE, name)
        if live and live.data == der:
            return
        body = {"value": base64.b64encode(value).decode(), "tags": tags}
        importing = self._send("ImportCertificate", "POST", f"/certificates/{segment(name)}/import", json=body)
        await worded(f"could not import certificate {name}: ", importing)

    async def _import_key(self, name: str, value: bytes, tags: Mapping[str, str]) -> None:
        key = await self.connection.offload.run_for(self.store.namespace, jwk_of, value, name)
        live = await self._ours(Kind.KEY, name)
        if live and material().same_key(key, live.key):
            return
        importing = self._send("ImportKey", "PUT", f"/keys/{segment(name)}", json={"key": key, "tags": tags})
        await worded(f"could not import key {name}: ", importing)

    async def delete(self, remote: Remote) -> None:
        """The name of a deleted object stays taken until the vault purges it."""
        kind, name = self._target(remote)
        live = await self._live(kind, name)
        if live is None:
            return
        if not live.managed:
            if not self.legacy:
                return
            raise InvalidConfig(f"error getting {kind.word} {name}: {NOT_OURS}", fix=OURS_FIX)
        try:
            await self._send(DELETE[kind], "DELETE", f"/{kind.value}/{segment(name)}")
        except Missing:
            return
        except EsoError as error:
            raise prefixed(f"error deleting {kind.word} {name}: ", error) from error

    async def exists(self, remote: Remote) -> bool:
        return await self._live(*self._target(remote)) is not None

    def _target(self, remote: Remote, unknown: str = "") -> tuple[Kind, str]:
        word, name = codec.named(remote.key)
        if word not in KINDS:
            raise InvalidConfig(unknown or f"secret type '{word}' is not supported", fix=f"use {', '.join(KINDS)}")
        segment(name)
        return KINDS[word], name

    async def _ours(self, kind: Kind, name: str) -> Found | None:
        """The live object, None where there is none. Raises InvalidConfig for one that somebody else made."""
        failed = f"cannot get {kind.word} {name}: "
        live = await worded(f"{failed}unexpected api error: ", self._live(kind, name))
        if live is not None and not live.managed:
            text = f"{failed}{NOT_OURS}" if self.legacy else f"{kind.word} {name} {NOT_OURS}"
            raise InvalidConfig(text, fix=OURS_FIX)
        return live

    async def _live(self, kind: Kind, name: str) -> Found | None:
        try:
            return await self._one(Asked(kind, name))
        except Missing:
            return None

    # requests

    async def _send(self, call: str, method: str, path: str, **options: Any) -> Reply:
        query = options.pop("query", self.version)
        return await self.connection.api.send(call, method, path, query=query, **options)


def path_of(asked: Asked) -> str:
    """Raises InvalidConfig for a name or a version that would leave its place."""
    version = segment(asked.version) if asked.version else ""
    return f"/{asked.kind.value}/{segment(asked.name)}/{version}"


def material() -> Any:
    """Loaded by the first push of a certificate or key, in a thread."""
    return import_module("eso.providers.azurekv.material")


def certificate_in(value: bytes) -> bytes:
    found: bytes = material().certificate_in(value)
    return found


def jwk_of(value: bytes, name: str) -> dict[str, Any]:
    found: dict[str, Any] = material().jwk_of(value, name)
    return found


def text_of(value: bytes) -> str:
    """Raises InvalidConfig for a value that Key Vault cannot keep as it is."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidConfig("the value is no UTF-8 text: Key Vault keeps texts only", fix="encode it first") from None


def expiry(metadata: Mapping[str, Any]) -> int | None:
    """Seconds since the epoch. Raises InvalidConfig with the reference's text."""
    text = metadata.get("expirationDate")
    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
        if "T" not in text or found.tzinfo is None:
            raise ValueError
        return int((found - datetime.fromtimestamp(0, UTC)).total_seconds())
    except ValueError:
        raise InvalidConfig(BAD_DATE) from None
