"""One login at Pulumi ESC: values of an environment read by property path, written back with the rest of it.

Neighbours: connect.py makes it, codec.py turns values into bytes, refusal.py words what Pulumi refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Final

from eso.providers.contract import Find, InvalidConfig, Push, Remote, RemoteRef, Source, StoreView, Validation
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import NothingThere, Reply, segment
from eso.providers.kit.payload import pushed, text_of
from eso.providers.kit.selectors import Json
from eso.providers.kit.together import each
from eso.providers.pulumi import codec

LABEL: Final = "Pulumi/ESC"
YAML: Final = {"Content-Type": "application/x-yaml"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One value of an environment."""

    environment: str
    property: str


class Client(Connected[Connection]):
    """A StoreClient with Batches and Writes."""

    most: ClassVar[int] = 50

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        super().__init__(store, connection)
        self.environment = path_of(store.provider_spec)

    async def validate(self) -> Validation:
        """Nothing is asked, as in the reference: an environment that is opened may make credentials."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        """Property, version and metadataPolicy have no effect, as in the reference."""
        if not ref.key:
            raise InvalidConfig("remoteRef.key is empty", fix="write the path of a property")
        return Asked(self.environment, ref.key)

    async def fetch(self, request: Hashable) -> codec.Secret:
        assert isinstance(request, Asked)
        return await self._property(await self._opened(request.environment), request)

    def batch(self, request: Hashable) -> Hashable | None:
        assert isinstance(request, Asked)
        return request.environment

    async def fetch_many(self, requests: Sequence[Hashable]) -> Mapping[Hashable, Any]:
        """The environment is opened once."""
        asked = [one for one in requests if isinstance(one, Asked)]
        session = await self._opened(asked[0].environment)
        return await each(asked, lambda one: self._property(session, one))

    def value(self, payload: codec.Secret, ref: RemoteRef) -> bytes:
        return codec.value(payload)

    def mapping(self, payload: codec.Secret, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(payload)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("getting all secrets is not supported by Pulumi ESC", fix="use dataFrom.extract")
        yield {}  # it is a search all the same

    # writing

    def place(self, remote: Remote) -> Hashable:
        """A push writes all of the environment."""
        return self.environment

    async def push(self, entry: Push, source: Source) -> None:
        """The evaluated values with the pushed one among them become the definition, as in the reference. There is no
        mark of ownership."""
        if not entry.secret_key:
            raise InvalidConfig("pushing the whole secret is not yet implemented", fix="set match.secretKey")
        value = text_of(pushed(entry, source), "an environment holds").encode()
        path = codec.path_of(entry.remote.key)
        old, size = await self._evaluated()
        body = await self.apart(size + len(value), partial(codec.redefined, old, path, value))
        if body is None:
            return
        await self.connection.api.send("UpdateEnvironment", "PATCH", self.environment, headers=YAML, body=body)

    async def delete(self, remote: Remote) -> None:
        raise InvalidConfig("deleting secrets is not supported by Pulumi ESC", fix="set deletionPolicy: None")

    async def exists(self, remote: Remote) -> bool:
        values, _ = await self._evaluated()
        return codec.at(values, codec.path_of(remote.key))

    # requests

    async def _opened(self, environment: str) -> str:
        reply = await self.connection.api.send("OpenEnvironment", "POST", f"{environment}/open")
        return segment(await self.decoded(reply.body, codec.session_in))

    async def _property(self, session: str, asked: Asked) -> codec.Secret:
        """Pulumi's own client reads one property below a second slash; a server before it may not know that."""
        try:
            reply = await self._read("ReadProperty", f"{asked.environment}/open//{session}", asked.property)
        except NothingThere as missing:
            try:
                reply = await self._read("ReadProperty", f"{asked.environment}/open/{session}", asked.property)
            except NothingThere:
                raise missing from None
        return await self.decoded(reply.body, codec.secret_of)

    async def _evaluated(self) -> tuple[codec.Tree, int]:
        """All values, and how many bytes they took."""
        session = await self._opened(self.environment)
        reply = await self._read("ReadEnvironment", f"{self.environment}/open/{session}")
        return await self.decoded(reply.body, codec.environment_of), len(reply.body)

    async def _read(self, call: str, path: str, property: str = "") -> Reply:
        query = {"property": property} if property else None
        return await self.connection.api.send(call, "GET", path, query=query)


def path_of(block: Json) -> str:
    """Raises InvalidConfig."""
    names = (str(block.get(member) or "") for member in ("organization", "project", "environment"))
    return "/environments/" + "/".join(segment(name) for name in names)
