"""One login at OKMS: secrets of a domain read by path and version, searched by folder, written and removed.

Neighbours: connect.py makes it, codec.py reads paths and replies, refusal.py words what the server refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from eso.errors import EsoError
from eso.gocompat.text import quote
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
)
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import NothingThere, Reply, list_of, segment
from eso.providers.kit.search import AT_ONCE, Volume, Walk, Wanted, by_name, every
from eso.providers.ovh import codec
from eso.providers.ovh.spec import domain

LABEL: Final = "OVHcloud/SecretManager"
JSON: Final = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One version of a secret; the current one where there is no `version`."""

    domain: str
    path: str
    version: str


class Client(Connected[Connection]):
    """A StoreClient with Writes."""

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        super().__init__(store, connection)
        self.domain = domain(store.provider_spec)

    async def validate(self) -> Validation:
        """The secrets of the domain may be listed."""
        if self._connection is None:
            return Validation.UNKNOWN
        try:
            await self.decoded((await self._send("ListSecrets", "GET", "v2/secret")).body, list_of)
        except EsoError as error:
            raise ValidationFailed(f"failed to validate secret store: {error}", fix=error.fix) from error
        return Validation.READY

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        """The property is not part of it."""
        if ref.metadata_policy == "Fetch":
            raise InvalidConfig("fetch metadata policy not supported", fix="leave metadataPolicy out")
        if not ref.key:
            raise InvalidConfig("remoteRef.key is empty", fix="write the path of a secret")
        return Asked(self.domain, ref.key, codec.version_of(ref.version))

    async def fetch(self, request: Hashable) -> codec.Secret:
        assert isinstance(request, Asked)
        query = {"includeData": "true"} | ({"version": request.version} if request.version else {})
        reply = await self._send("GetSecret", "GET", f"v2/secret/{segment(request.path)}", query=query)
        return await self.decoded(reply.body, codec.secret_of)

    def value(self, payload: codec.Secret, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: codec.Secret, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(self.value(payload, ref))

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """Full paths and current values below a folder. Tags have no effect; a secret or a folder that is gone
        meanwhile is left out. A search whose own folder is not there fails: an empty result would delete Secrets."""
        matches, walk, volume = by_name(find), Walk(), Volume()
        start = codec.folder_of(find.path or "")
        folders = [start]
        while folders:
            folder = folders.pop()
            walk.enter(folder)
            leaves = []
            entries = await self._entries(folder)
            if entries is None and folder == start:
                raise NothingThere(f"folder {quote(start)} not found", fix="correct find.path")
            for entry in entries or ():
                if not entry or entry.startswith("/"):
                    continue
                path = f"{folder}/{entry}" if folder else entry
                if entry.endswith("/"):
                    folders.append(path.rstrip("/"))
                else:
                    leaves.append(path)
            walk.found(leaves)
            yield await self._contents(leaves, matches, volume)

    async def _entries(self, folder: str) -> list[str] | None:
        """What is in a folder; None for one that is not there."""
        path = f"v1/secret/metadata/{segment(folder) if folder else ''}"
        try:
            reply = await self._send("ListFolder", "GET", path, query={"list": "true"})
        except SecretNotFound:
            return None
        return await self.decoded(reply.body, codec.entries_of)

    async def _contents(self, paths: list[str], matches: Wanted, volume: Volume) -> dict[str, bytes]:
        chosen = await matches.among(paths)
        found = await every(chosen, self._content, AT_ONCE)
        pairs = zip(chosen, found, strict=True)
        return {path: volume.counted(secret.document) for path, secret in pairs if secret is not None}

    async def _content(self, path: str) -> codec.Secret | None:
        try:
            return await self.fetch(Asked(self.domain, path, ""))
        except SecretNotFound:
            return None

    # writing

    def place(self, remote: Remote) -> Hashable:
        """A write replaces all of the secret."""
        return self.domain, remote.key

    async def push(self, entry: Push, source: Source) -> None:
        """A new version with exactly this data, unless the current one has it. There is no mark of ownership."""
        size = sum(map(len, source.data.values()))
        data = await self.apart(size, partial(codec.wanted, entry, source))
        path = f"v2/secret/{segment(entry.remote.key)}"
        try:
            reply = await self._send("GetSecret", "GET", path, query={"includeData": "true"})
        except SecretNotFound:
            body = await self.apart(size, partial(codec.written, data, entry.remote.key))
            await self._send("CreateSecret", "POST", "v2/secret", headers=JSON, body=body)
            return
        current = await self.decoded(reply.body, partial(codec.current_of, keep_numbers=True))
        if current.data is not None and await self.apart(size, partial(codec.same, data, current.data)):
            return
        query = {}
        if self.store.provider_spec.get("casRequired") and current.version is not None:
            query["cas"] = str(current.version)
        body = await self.apart(size, partial(codec.written, data))
        await self._send("UpdateSecret", "PUT", path, query=query, headers=JSON, body=body)

    async def delete(self, remote: Remote) -> None:
        try:
            await self._send("DeleteSecret", "DELETE", f"v2/secret/{segment(remote.key)}")
        except SecretNotFound:
            return

    async def exists(self, remote: Remote) -> bool:
        try:
            await self._send("GetSecret", "GET", f"v2/secret/{segment(remote.key)}")
        except SecretNotFound:
            return False
        return True

    async def _send(self, call: str, method: str, path: str, **options: Any) -> Reply:
        return await self.connection.api.send(call, method, f"/api/{self.domain}/{path}", **options)
