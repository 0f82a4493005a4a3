"""Writes of a `vault` store: push, delete and exists, for KV versions 1 and 2.

Neighbours: client.py offers these, content.py decides what to write, connection.py sends. A write follows a read of the
same entry; `stores` lets only one of them run at a time, and check-and-set tells a writer of another process.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.providers.contract import Push, Remote, Source, prefixed
from eso.providers.kit.payload import whole
from eso.providers.vault import codec, content
from eso.providers.vault.connection import READ_FAILED, worded
from eso.providers.vault.paths import data_path, metadata_path

if TYPE_CHECKING:
    from eso.providers.vault.client import VaultClient


@dataclass(frozen=True, slots=True)
class Entry:
    """A remote secret as it is now. `data` None: it is not there, or its current version is deleted."""

    mount: str
    data: codec.Object | None = field(repr=False)
    payload: codec.Payload | None = field(default=None, repr=False)


async def push(client: VaultClient, entry: Push, source: Source) -> None:
    """Writes the value unless it is there already. A source without the key pushes an empty value, as the reference
    does."""
    value = source.data.get(entry.secret_key, b"") if entry.secret_key else whole(source)
    remote = entry.remote
    now = await look(client, remote)
    metadata: Any = {}
    if now.data is not None:
        metadata = await mark_of(client, remote, now)
        if not content.ours(custom(client, metadata)):
            raise content.NotOurs
    wanted = content.merged(now.data, remote.property, value) if remote.property else content.replaced(now.data, value)
    if wanted is None:
        return
    if client.v2 and now.data is None:
        marked = jsonenc.encode({b"custom_metadata": {content.OWNER: content.OWNED_BY}})
        await client.live.put(metadata_path(now.mount, client.v2, remote.key), marked)
    await write(client, remote, now, wanted, await expected(client, remote, now, metadata))


async def delete(client: VaultClient, remote: Remote) -> None:
    """Removes the property, or the whole entry when nothing else is in it. What is not there, or not ours, stays as it
    is."""
    now = await look(client, remote)
    if now.data is None or not content.ours(custom(client, await mark_of(client, remote, now))):
        return
    if remote.property:
        left = {name: value for name, value in now.data.items() if name != remote.property.encode()}
        if left and len(left) == len(now.data):
            return
        if left:
            await write(client, remote, now, left, None)
            return
    path = data_path(now.mount, client.v2, remote.key)
    await worded(f"could not delete secret {remote.key}: ", client.live.delete(path))
    if client.v2:
        path = metadata_path(now.mount, client.v2, remote.key)
        await worded(f"could not delete secret metadata {remote.key}: ", client.live.delete(path))


async def exists(client: VaultClient, remote: Remote) -> bool:
    now = await look(client, remote)
    if now.payload is None:
        return False
    return not remote.property or now.payload.has(remote.property)


async def look(client: VaultClient, remote: Remote) -> Entry:
    """The entry, at the mount that has it; the configured one where none has."""
    mount, other = client.mounts()
    for place in (mount, other) if other else (mount,):
        body = await worded(READ_FAILED, client.live.get(data_path(place, client.v2, remote.key)))
        found = codec.payload(body, v2=client.v2) if body is not None else None
        if found is not None:
            data = found.data if client.v2 else content.without_mark(found.data)
            return Entry(place, data, found)
    return Entry(mount, None)


async def mark_of(client: VaultClient, remote: Remote, now: Entry) -> Any:
    """The metadata of an entry that is there: on v2 from its own path, on v1 a member of the secret itself."""
    if not client.v2:
        return now.payload.data if now.payload is not None else {}
    body = await worded(READ_FAILED, client.live.get(metadata_path(now.mount, client.v2, remote.key)))
    if body is None:
        raise EsoError("secret not found", fix="there is no metadata at this key")
    return codec.member(body, "data")


def custom(client: VaultClient, metadata: Any) -> Any:
    return metadata.get(content.MARK) if isinstance(metadata, dict) else None


async def expected(client: VaultClient, remote: Remote, now: Entry, metadata: Any) -> int | None:
    """The version that check-and-set has to find; None where the store does not ask for it."""
    if not (client.v2 and client.check_and_set):
        return None
    if now.data is None:
        return await last_version(client, remote, now)
    return version_in(metadata, 1)


async def last_version(client: VaultClient, remote: Remote, now: Entry) -> int:
    """0 for an entry that never was; one whose current version is deleted goes on counting."""
    try:
        body = await client.live.get(metadata_path(now.mount, client.v2, remote.key))
    except EsoError as error:
        raise prefixed("failed to get CAS version: ", error) from error
    return version_in(codec.member(body, "data"), 0) if body is not None else 0


def version_in(metadata: Any, otherwise: int) -> int:
    found = metadata.get(b"current_version") if isinstance(metadata, dict) else None
    return int(found) if isinstance(found, jsonenc.Number) and found.isdigit() and len(found) < 19 else otherwise


async def write(client: VaultClient, remote: Remote, now: Entry, data: codec.Object, version: int | None) -> None:
    path = data_path(now.mount, client.v2, remote.key)
    if not client.v2:
        await client.live.put(path, jsonenc.encode(content.with_mark(data)))
        return
    body: dict[bytes, Any] = {b"data": data}
    if version is not None:
        body[b"options"] = {b"cas": version}
    await client.live.put(path, jsonenc.encode(body))
