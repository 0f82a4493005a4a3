"""One login at Doppler: secrets of one config read one by one, several in one call, or all of them; pushed and deleted.

Neighbours: connect.py makes it, codec.py turns replies into bytes, refusal.py words what Doppler refuses.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.contract import (
    Find,
    InvalidConfig,
    Push,
    Remote,
    RemoteRef,
    Source,
    StoreView,
    Validation,
    ValidationFailed,
    prefixed,
)
from eso.providers.doppler import codec
from eso.providers.doppler.refusal import WORDS
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import NothingThere
from eso.providers.kit.payload import pushed, text_of
from eso.providers.kit.search import Volume, Walk, by_name
from eso.providers.kit.together import each

LABEL: Final = "Doppler"
DOWNLOAD: Final = "/v3/configs/config/secrets/download"
SECRETS: Final = "/v3/configs/config/secrets"
# A name that Doppler itself gives. Any other travels alone: one that is refused must fail no other read.
NAME: Final = re.compile(r"[A-Z_][A-Z0-9_]{0,199}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Asked:
    """One secret of a config; both empty where the token is of a single config."""

    project: str
    config: str
    name: str


class Client(Connected[Connection]):
    """A StoreClient with Batches and Writes."""

    most: ClassVar[int] = 50  # names in one query, some KiB

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        super().__init__(store, connection)
        block = store.provider_spec
        self.project, self.config = str(block.get("project") or ""), str(block.get("config") or "")
        self.transformer, self.format = str(block.get("nameTransformer") or ""), str(block.get("format") or "")

    async def validate(self) -> Validation:
        """A call that reaches the server is its dial, too."""
        try:
            await self._send("ListProjects", "GET", "/v3/projects")
        except EsoError as error:
            raise ValidationFailed(str(error), fix=error.fix) from error
        return Validation.READY

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        """Property, version and metadataPolicy are not used, as in the reference."""
        return Asked(self.project, self.config, ref.key)

    async def fetch(self, request: Hashable) -> codec.Secret:
        """A secret that is missing is an ordinary error, as in the reference."""
        assert isinstance(request, Asked)
        try:
            found = await self._downloaded([request])
        except EsoError as error:
            raise of_secret(request, error) from error
        return taken(request, found)

    def batch(self, request: Hashable) -> Hashable | None:
        assert isinstance(request, Asked)
        return (request.project, request.config) if NAME.fullmatch(request.name) else None

    async def fetch_many(self, requests: Sequence[Hashable]) -> Mapping[Hashable, codec.Secret | EsoError]:
        """One download for all; one by one where the server refuses the list, so that each gets its own answer."""
        wanted = [request for request in requests if isinstance(request, Asked)]
        answers: dict[Hashable, codec.Secret | EsoError] = {}
        try:
            found = await self._downloaded(wanted)
        except (InvalidConfig, NothingThere) as error:
            if len(wanted) == 1:
                return {wanted[0]: of_secret(wanted[0], error)}
            return await each(wanted, self.fetch)
        except EsoError as error:
            told = of_secret(wanted[0], error) if len(wanted) == 1 else prefixed("could not get secrets ", error)
            raise told from error
        for request in wanted:
            try:
                answers[request] = taken(request, found)
            except EsoError as missing:
                answers[request] = missing
        return answers

    def value(self, payload: codec.Secret, ref: RemoteRef) -> bytes:
        return payload.data

    def mapping(self, payload: codec.Secret, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(payload)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """All secrets of the config under their transformed names, or the config as one file. Tags are not used."""
        matches, prefix = by_name(find), find.path or ""
        query = self._scope | {"name_transformer": self.transformer, "format": self.format}
        plain = {"Accept": "text/plain"} if self.format not in ("", "json") else None
        try:
            given = {name: text for name, text in query.items() if text}
            reply = await self._send("DownloadSecrets", "GET", DOWNLOAD, query=given, headers=plain)
            found = {codec.FILE: reply.body} if self.format else await self._secrets(reply)
        except EsoError as error:
            raise prefixed("could not get secrets ", error) from error
        Walk().found(list(found))
        volume = Volume()
        names = await matches.among(name for name in found if name.startswith(prefix))
        yield {name: volume.counted(found[name]) for name in names}

    async def _downloaded(self, wanted: Sequence[Asked]) -> dict[str, bytes]:
        """The secrets of one config that are there, by name."""
        first = wanted[0]
        scope = scope_of(first.project, first.config)
        names = ",".join(dict.fromkeys(one.name for one in wanted))
        reply = await self._send("DownloadSecrets", "GET", DOWNLOAD, query={"secrets": names, **scope})
        return await self._secrets(reply)

    async def _secrets(self, reply: Reply) -> dict[str, bytes]:
        return await self.decoded(reply.body, codec.secrets_of)

    # writing

    def place(self, remote: Remote) -> Hashable:
        return self.project, self.config, remote.key

    async def push(self, entry: Push, source: Source) -> None:
        """Writes only what differs. There is no mark of ownership: an existing secret is overwritten."""
        key = entry.remote.key
        try:
            value = pushed(entry, source)
            text = text_of(value, "Doppler keeps")
            if await self._live(key) == value:
                return
            await self._send("UpdateSecrets", "POST", SECRETS, json=codec.updated(key, text, self._scope))
        except EsoError as error:
            raise prefixed(f"could not push secrets {key}: ", error) from error

    async def delete(self, remote: Remote) -> None:
        try:
            if await self._live(remote.key) is not None:
                await self._send("UpdateSecrets", "POST", SECRETS, json=codec.deleted(remote.key, self._scope))
        except EsoError as error:
            raise prefixed(f"could not delete secrets {remote.key}: ", error) from error

    async def exists(self, remote: Remote) -> bool:
        return await self._live(remote.key) is not None

    async def _live(self, key: str) -> bytes | None:
        return (await self._downloaded([Asked(self.project, self.config, key)])).get(key)

    # requests

    @property
    def _scope(self) -> dict[str, str]:
        return scope_of(self.project, self.config)

    async def _send(self, call: str, method: str, path: str, **options: Any) -> Reply:
        try:
            return await self.connection.api.send(call, method, path, **options)
        except EsoError as error:
            if str(error).startswith(WORDS):
                raise
            raise prefixed(f"{WORDS}: ", error) from error


def scope_of(project: str, config: str) -> dict[str, str]:
    return {name: text for name, text in (("project", project), ("config", config)) if text}


def taken(request: Asked, found: Mapping[str, bytes]) -> codec.Secret:
    """Raises the reference's error for a name that the download does not have: it is no proven absence there."""
    if request.name not in found:
        raise of_secret(request, EsoError(f"{WORDS}: secret '{request.name}' not found"))
    return codec.Secret(request.name, found[request.name])


def of_secret(request: Asked, error: EsoError) -> EsoError:
    return prefixed(f"could not get secret {request.name}: ", error)
