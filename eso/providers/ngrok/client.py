"""One login at ngrok: secrets of a vault pushed and deleted. Nothing can be read.

Neighbours: connect.py makes it, codec.py has the lists and bodies, refusal.py words what ngrok refuses.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextlib import suppress
from functools import partial
from typing import ClassVar, Final
from urllib.parse import urlencode

import orjson

from eso.errors import EsoError
from eso.gocompat.text import quote
from eso.providers.contract import (
    InvalidConfig,
    Push,
    Remote,
    SecretNotFound,
    Source,
    StoreView,
    Validation,
    ValidationFailed,
)
from eso.providers.kit.http import worded
from eso.providers.kit.search import Walk
from eso.providers.kit.written import LoggedIn, OnlyWrites
from eso.providers.ngrok import codec
from eso.providers.ngrok.spec import vault

LABEL: Final = "ngrok"


class Client(OnlyWrites):
    """A StoreClient with Writes."""

    backend: ClassVar[str] = "ngrok"
    refused: ClassVar[str] = "not implemented - the ngrok provider only supports write operations"

    def __init__(self, store: StoreView, connection: LoggedIn | None) -> None:
        super().__init__(store, connection)
        self.vault = vault(store.provider_spec)

    async def validate(self) -> Validation:
        """The vault is there, and its secrets may be listed."""
        if self._connection is None:
            return Validation.UNKNOWN
        try:
            await self._needed_vault()
            asked = self.connection.api.send("ListSecrets", "GET", "/vault_secrets")
            reply = await worded("store is not allowed to list secrets: ", asked)
            await self.decoded(reply.body, partial(codec.page_of, member="secrets"))
        except EsoError as error:
            raise ValidationFailed(str(error), fix=error.fix) from error
        return Validation.READY

    # writing

    def place(self, remote: Remote) -> Hashable:
        return self.vault, remote.key

    async def push(self, entry: Push, source: Source) -> None:
        """Writes unless this process wrote the same last, and nobody since. There is no mark of ownership: an existing
        secret is overwritten. The property has no effect, as in the reference."""
        body = codec.wanted(entry, source)
        where = await self._needed_vault()
        known = await self._secret(where, entry.remote.key)
        written, digested = self.connection.written, orjson.dumps(body)
        if known is not None:
            place = f"{self.connection.api.base}/{known.id}"
            if written.is_there(place, digested, known.updated):
                return
            written.forget(place)
            with suppress(SecretNotFound):  # it is gone meanwhile, so it is made anew
                await self._write("UpdateSecret", "PATCH", f"/vault_secrets/{known.id}", body, digested)
                return
        made = {"vault_id": where, "name": entry.remote.key} | body
        await self._write("CreateSecret", "POST", "/vault_secrets", made, digested)

    async def delete(self, remote: Remote) -> None:
        """A secret, or a vault, that is not there is no error."""
        known = await self._found(remote.key)
        if known is None:
            return
        self.connection.written.forget(f"{self.connection.api.base}/{known.id}")
        with suppress(SecretNotFound):
            await self.connection.api.send("DeleteSecret", "DELETE", f"/vault_secrets/{known.id}")

    async def exists(self, remote: Remote) -> bool:
        return await self._found(remote.key) is not None

    async def _write(self, call: str, method: str, path: str, body: Mapping[str, str], digested: bytes) -> None:
        reply = await self.connection.api.send(call, method, path, json=body)
        with suppress(EsoError):  # it is written; without this answer it is written once more
            after = await self.decoded(reply.body, codec.written_of)
            if after.updated:
                self.connection.written.remember(f"{self.connection.api.base}/{after.id}", digested, after.updated)

    # requests

    async def _found(self, name: str) -> codec.Listed | None:
        where = await self._vault()
        return None if where is None else await self._secret(where, name)

    async def _needed_vault(self) -> str:
        where = await self._vault()
        if where is None:
            shown = f"vault {quote(self.vault)} not found"
            raise InvalidConfig(shown, fix="create the vault, or correct vault.name")
        return where

    async def _vault(self) -> str | None:
        """The id of the vault; None where the list, which is complete, does not have it."""
        listed = await worded("error listing vaults: ", self._listed("ListVaults", "vaults", self.vault))
        return next((one.id for one in listed if one.name == self.vault), None)

    async def _secret(self, where: str, name: str) -> codec.Listed | None:
        listed = await self._listed("ListSecrets", "vault_secrets", name)
        return next((one for one in listed if one.name == name and one.vault == where), None)

    async def _listed(self, call: str, path: str, name: str) -> list[codec.Listed]:
        """All pages of what has the name."""
        walk, query, found = Walk(), urlencode({"filter": codec.named(name)}), list[codec.Listed]()
        while query:
            walk.enter()
            reply = await self.connection.api.send(call, "GET", f"/{path}?{query}")
            page = await self.decoded(reply.body, partial(codec.page_of, member=path.removeprefix("vault_")))
            walk.found(page.listed)
            found += page.listed
            query = page.following
        return found
