"""One login at GitHub: secrets of a scope pushed and deleted. Nothing can be read.

Neighbours: connect.py makes it, seal.py encrypts, codec.py has the bodies, refusal.py words what GitHub refuses.
"""

from __future__ import annotations

from collections.abc import Hashable
from contextlib import suppress
from typing import ClassVar, Final

from eso.errors import EsoError
from eso.providers.contract import (
    Malformed,
    Push,
    Remote,
    Source,
    StoreView,
    Validation,
    ValidationFailed,
    prefixed,
)
from eso.providers.github import codec
from eso.providers.github.seal import sealed
from eso.providers.github.spec import base, scope
from eso.providers.kit.http import NothingThere, segment, worded
from eso.providers.kit.written import LoggedIn, OnlyWrites

LABEL: Final = "GitHub"
PER_PAGE: Final = 100
MOST_PAGES: Final = 200


class Client(OnlyWrites):
    """A StoreClient with Writes."""

    backend: ClassVar[str] = "GitHub"
    refused: ClassVar[str] = "not implemented - this provider supports write-only operations"

    def __init__(self, store: StoreView, connection: LoggedIn | None) -> None:
        super().__init__(store, connection)
        self.scope = scope(store.provider_spec)
        self.base = base(store.provider_spec)

    async def validate(self) -> Validation:
        """Of a ClusterSecretStore nothing is said, as in the reference."""
        if self.store.cluster_scoped:
            return Validation.UNKNOWN
        failed = "store is not allowed to list secrets: "
        try:
            secrets = await self._secrets()
            await worded(failed, self.connection.api.send("ListSecrets", "GET", secrets))
        except EsoError as error:
            raise ValidationFailed(str(error), fix=error.fix) from error
        return Validation.READY

    # writing

    def place(self, remote: Remote) -> Hashable:
        """GitHub's names are equal in either case."""
        return self.scope.organization, self.scope.repository, self.scope.environment, remote.key.upper()

    async def push(self, entry: Push, source: Source) -> None:
        """Writes unless this process wrote the same value last. There is no mark of ownership: an existing secret is
        overwritten. Property and metadata are not used, as in the reference."""
        secrets = await self._secrets()
        known = await worded("error fetching secret: ", self._known(secrets, entry.remote.key))
        value = codec.pushed(entry, source)
        visibility = ""
        if self.scope.of_organization:
            visibility = self.scope.visibility or (known.visibility if known else "") or "all"
        path = f"{secrets}/{segment(known.name if known else entry.remote.key)}"
        place, written = f"{self.base}{path.upper()}", self.connection.written
        if known and visibility == known.visibility and written.is_there(place, value, known.updated):
            return
        reply = await worded(
            "error fetching public key: ", self.connection.api.send("GetPublicKey", "GET", f"{secrets}/public-key")
        )
        key = await self.decoded(reply.body, codec.public_key_of)
        selected = await self._selected(path, known.name) if known and visibility == codec.SELECTED else None
        box = await self.connection.offload.run_for(self.store.namespace, sealed, value, key.key)
        written.forget(place)
        body = codec.written(box, key, visibility, selected)
        await worded("failed to create secret: ", self.connection.api.send("PutSecret", "PUT", path, json=body))
        with suppress(EsoError):  # it is written; without this answer it is written once more
            after = await self._known(secrets, entry.remote.key)
            if after is not None:
                written.remember(place, value, after.updated)

    async def delete(self, remote: Remote) -> None:
        """What is not there is deleted: if GitHub still shows the public key, it hides nothing from us."""
        secrets = await self._secrets()
        path = f"{secrets}/{segment(remote.key)}"
        self.connection.written.forget(f"{self.base}{path.upper()}")
        try:
            await self.connection.api.send("DeleteSecret", "DELETE", path)
        except NothingThere as error:
            try:
                await self.connection.api.send("GetPublicKey", "GET", f"{secrets}/public-key")
            except NothingThere:
                raise prefixed("failed to delete secret: ", error) from error
            except EsoError as other:
                raise prefixed("failed to delete secret: ", other) from other
        except EsoError as error:
            raise prefixed("failed to delete secret: ", error) from error

    async def exists(self, remote: Remote) -> bool:
        secrets = await self._secrets()
        return await worded("error fetching secret: ", self._known(secrets, remote.key)) is not None

    # requests

    async def _secrets(self) -> str:
        """The path of the scope's secrets. An environment is named by the id of its repository."""
        if not self.scope.environment:
            return self.scope.path(0)
        asked = self.connection.api.send("GetRepository", "GET", self.scope.repository_path)
        reply = await worded("error fetching repository: ", asked)
        return self.scope.path(await self.decoded(reply.body, codec.repository_of))

    async def _known(self, secrets: str, key: str) -> codec.Known | None:
        try:
            reply = await self.connection.api.send("GetSecret", "GET", f"{secrets}/{segment(key)}")
        except NothingThere:
            return None
        return await self.decoded(reply.body, codec.known_of)

    async def _selected(self, path: str, name: str) -> list[int]:
        """The repositories that see the secret now: left out, nobody would."""
        failed = f'failed to list selected repositories for org secret "{name}": '
        found: list[int] = []
        for page in range(1, MOST_PAGES + 1):
            query = {"per_page": str(PER_PAGE), "page": str(page)}
            asked = self.connection.api.send("ListSelectedRepositories", "GET", f"{path}/repositories", query=query)
            ids, total = await self.decoded((await worded(failed, asked)).body, codec.repositories_of)
            found += ids
            if len(found) >= total:
                return found
            if not ids:
                break
        raise Malformed(f"{failed}the list ends before it is complete")
