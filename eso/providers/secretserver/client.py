"""One login at Secret Server: secrets found by path, id, folder and name; fields read, pushed, deleted.

Neighbours: connect.py makes it, codec.py turns secrets into values, refusal.py words what the server refuses.
"""

from __future__ import annotations

import secrets as randomness
from collections.abc import AsyncIterator, Hashable, Mapping
from dataclasses import replace
from typing import Any, Final

from eso.errors import EsoError
from eso.providers.contract import (
    Find,
    InvalidConfig,
    Push,
    Remote,
    RemoteRef,
    Source,
    Validation,
    ValidationFailed,
)
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import NothingThere, segment
from eso.providers.kit.metadata import NUMBER, spec_of
from eso.providers.kit.payload import pushed, text_of
from eso.providers.kit.search import Volume, every
from eso.providers.secretserver import codec

LABEL: Final = "Delinea/SecretServer"
NOWHERE: Final = "unable to retrieve secret at this time"
PROBE: Final = "external-secrets-validation-check"  # a name that no secret has
TAKE: Final = 30  # secrets of one search
AT_ONCE: Final = 4  # files of one secret
SHAPE: Final = {"folderId": NUMBER, "secretTemplateId": NUMBER}


class Client(Connected[Connection]):
    """A StoreClient with Writes."""

    async def validate(self) -> Validation:
        if self._connection is None:
            return Validation.UNKNOWN
        try:
            await self._search(PROBE)
        except EsoError as error:
            raise ValidationFailed(str(error), fix=error.fix) from error
        return Validation.READY

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        if ref.version:
            raise InvalidConfig("specifying a version is not supported", fix="leave remoteRef.version out")
        if not ref.key:
            raise InvalidConfig("remoteRef.key is empty", fix="write the path, the id or the name of a secret")
        return ref.key

    async def fetch(self, request: Hashable) -> codec.Secret:
        """A secret that is missing is an ordinary error, as in the reference. Of several with the name the first
        counts."""
        return await self._files(await self._found(str(request), 0, strict=False))

    def value(self, payload: codec.Secret, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref)

    def mapping(self, payload: codec.Secret, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(payload, ref)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("getting all secrets is not supported by Delinea Secret Server")
        yield {}  # it is a search all the same

    async def _found(self, key: str, folder: int, *, strict: bool) -> codec.Secret:
        """By path, by id, by name. `folder`: the only one in which a name is looked for, 0 for all. `strict`: several
        secrets with the name are an error. Raises NothingThere."""
        within = codec.IN_FOLDER.fullmatch(key)
        if within is not None and int(within.group(1)) > 0:
            return await self._named(within.group(2), int(within.group(1)), strict=strict)
        if key.startswith("/"):
            return await self._secret("0", {"secretPath": key})
        if key.isascii() and key.isdigit():
            try:
                return await self._secret(key)
            except NothingThere:
                pass  # it may be a name
        return await self._named(key, folder, strict=strict)

    async def _named(self, name: str, folder: int, *, strict: bool) -> codec.Secret:
        records = await self._search(name)
        if not folder:
            if not records:
                raise NothingThere(NOWHERE, fix="create the secret, or correct the key")
            if strict and len(records) > 1:
                raise InvalidConfig(
                    f"there are {len(records)} secrets named {name}",
                    fix="write the id, the path, or folderId:<number>/ before the name",
                )
            return await self._secret(str(records[0][0]))
        for id, where in records:
            if where in (folder, None):
                secret = await self._secret(str(id))
                if secret.folder == folder:
                    return secret
        raise NothingThere("not found", fix="create the secret, or correct the folder")

    async def _search(self, name: str) -> list[tuple[int, int | None]]:
        query = {
            "paging.filter.searchText": name,
            "paging.filter.searchField": "Name",
            "paging.filter.doNotCalculateTotal": "true",
            "paging.take": str(TAKE),
            "paging.skip": "0",
            "paging.filter.isExactMatch": "true",
        }
        reply = await self.connection.api.send("SearchSecrets", "GET", "/secrets", query=query)
        return await self.decoded(reply.body, codec.records_of)

    async def _secret(self, id: str, query: Mapping[str, str] | None = None) -> codec.Secret:
        reply = await self.connection.api.send("GetSecret", "GET", f"/secrets/{id}", query=query)
        return await self.decoded(reply.body, codec.secret_of)

    async def _files(self, secret: codec.Secret) -> codec.Secret:
        """The secret with the content of its files as their values."""
        volume = Volume()

        async def filled(item: codec.Item) -> codec.Item:
            if not (item.is_file and item.attachment and item.filename):
                return item
            path = f"/secrets/{secret.id}/fields/{segment(item.slug)}"
            return replace(item, value=volume.counted((await self.connection.api.send("GetField", "GET", path)).body))

        return replace(secret, items=tuple(await every(secret.items, filled, AT_ONCE)))

    # writing

    def place(self, remote: Remote) -> Hashable:
        """A write sends the whole secret, and only the server knows which path, id, folder and name are one secret: the
        writes of a login go one after the other."""
        return "secrets"

    async def push(self, entry: Push, source: Source) -> None:
        """Writes only what differs. There is no mark of ownership: a field of an existing secret is overwritten."""
        key = entry.remote.key
        if not key:
            raise InvalidConfig("remoteKey must be set")
        metadata = spec_of(entry.metadata, SHAPE)
        folder, template = int(metadata.get("folderId") or 0), int(metadata.get("secretTemplateId") or 0)
        missing = f"failed to find secret key in secret with key: {entry.secret_key}"
        value = text_of(pushed(entry, source, missing), "a field holds").encode()
        try:
            secret = await self._found(key, folder, strict=not folder)
        except NothingThere as error:
            await self._prove(error)
            await self._create(key, folder, template, entry.remote.property, value)
            return
        item = codec.target(secret, entry.remote.property)
        if item.is_file:
            await self._write_file(secret, item, value)
        elif item.value != value:
            await self._send("UpdateSecret", "PUT", f"/secrets/{secret.id}", codec.changed(secret, item, value))

    async def delete(self, remote: Remote) -> None:
        """The whole secret, whatever the property, as in the reference."""
        try:
            secret = await self._found(remote.key, 0, strict=True)
            await self.connection.api.send("DeleteSecret", "DELETE", f"/secrets/{secret.id}")
        except NothingThere as error:
            await self._prove(error)

    async def exists(self, remote: Remote) -> bool:
        try:
            await self._found(remote.key, 0, strict=True)
        except NothingThere as error:
            await self._prove(error)
            return False
        return True

    async def _prove(self, missing: NothingThere) -> None:
        """What stands before the server answers 404, too. Raises `missing` where the server cannot be searched."""
        try:
            await self._search(PROBE)
        except NothingThere:
            raise missing from None

    async def _create(self, key: str, folder: int, template: int, property: str, value: bytes) -> None:
        within = codec.IN_FOLDER.fullmatch(key)
        where = int(within.group(1)) if within is not None else folder
        if where <= 0 or template <= 0:
            raise InvalidConfig(
                "folderId and secretTemplateId must be provided in metadata to create a new secret",
                fix="set spec.folderId and spec.secretTemplateId in the metadata of the PushSecret",
            )
        name = codec.name_of(key)
        reply = await self.connection.api.send("GetTemplate", "GET", f"/secret-templates/{template}")
        fields = await self.decoded(reply.body, codec.template_of)
        wanted = next((one for one in fields if not property or one.called(property)), None)
        if wanted is None:
            raise InvalidConfig(f"field {property} not found in secret template", fix="write the slug of a field")
        await self._post("CreateSecret", "POST", "/secrets/", codec.created(name, where, template, wanted, value))

    async def _write_file(self, secret: codec.Secret, item: codec.Item, value: bytes) -> None:
        """Files have a path of their own."""
        live = next(one for one in (await self._files(secret)).items if one.slug == item.slug)
        if live.value == value:
            return
        if not value:
            change = {"data": {"secretFields": [{"slug": item.slug, "dirty": True, "value": None}]}}
            await self.connection.api.send("ClearField", "PATCH", f"/secrets/{secret.id}/general", json=change)
            return
        boundary = randomness.token_hex(16)
        await self.connection.api.send(
            "PutField",
            "PUT",
            f"/secrets/{secret.id}/fields/{segment(item.slug)}",
            headers={"Content-Type": f"multipart/form-data; boundary={boundary}"},
            body=codec.multipart(item.filename, value, boundary),
        )

    async def _send(self, call: str, method: str, path: str, secret: codec.Secret) -> None:
        await self._post(call, method, path, codec.document(secret, files=False))

    async def _post(self, call: str, method: str, path: str, body: bytes) -> Any:
        headers = {"Content-Type": "application/json"}
        await self.connection.api.send(call, method, path, headers=headers, body=body)
