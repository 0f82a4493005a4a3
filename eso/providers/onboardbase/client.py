"""One login at Onboardbase: secrets of one environment of a project, read in one call and decrypted here.

Neighbours: connect.py makes it, codec.py decrypts, refusal.py words what Onboardbase refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import ClassVar, Final, TypeVar

from eso.errors import EsoError
from eso.providers.contract import (
    Find,
    InvalidConfig,
    Malformed,
    RemoteRef,
    StoreView,
    Validation,
    ValidationFailed,
    prefixed,
)
from eso.providers.kit.connected import Connected
from eso.providers.kit.http import Api
from eso.providers.kit.search import Volume, Walk, by_name
from eso.providers.onboardbase import codec
from eso.runtime.offload import Offload

LABEL: Final = "Onboardbase"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Login:
    """An API key, and the passcode that was chosen with it."""

    api: Api
    offload: Offload
    passcode: bytes = field(repr=False)
    lifetime: float | None = None


@dataclass(frozen=True, slots=True)
class Scope:
    project: str
    environment: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One secret of an environment."""

    scope: Scope
    name: str


class Client(Connected[Login]):
    """A StoreClient with Batches."""

    most: ClassVar[int] = 1000  # names that one reply is searched for

    def __init__(self, store: StoreView, connection: Login | None) -> None:
        super().__init__(store, connection)
        block = store.provider_spec
        self.scope = Scope(str(block.get("project") or ""), str(block.get("environment") or ""))

    async def validate(self) -> Validation:
        """A call that reaches the server is its dial, too."""
        if self._connection is None:
            return Validation.UNKNOWN
        try:
            await self.connection.api.send("GetTeamMembers", "GET", "/team/members")
        except EsoError as error:
            raise ValidationFailed(str(error), fix=error.fix) from error
        return Validation.READY

    def request(self, ref: RemoteRef) -> Hashable:
        """Property, version and metadataPolicy are not part of it."""
        return Asked(self.scope, ref.key)

    async def fetch(self, request: Hashable) -> codec.Secret:
        answer = (await self.fetch_many([request]))[request]
        if isinstance(answer, EsoError):
            raise answer
        return answer

    def batch(self, request: Hashable) -> Hashable | None:
        assert isinstance(request, Asked)
        return request.scope

    async def fetch_many(self, requests: Sequence[Hashable]) -> Mapping[Hashable, codec.Secret | EsoError]:
        """One call has them all."""
        wanted = [request for request in requests if isinstance(request, Asked)]
        shown = f"secret {wanted[0].name}" if len(wanted) == 1 else "secrets"
        try:
            listed = await self._listed(wanted[0].scope)
            names = [one.name for one in wanted if one.name in listed]
            found = await self._decrypted(partial(codec.each_of, listed, names))
        except EsoError as error:
            raise prefixed(f"could not get {shown}: ", error) from error
        return {one: answer(one, found.get(one.name)) for one in wanted}

    def value(self, payload: codec.Secret, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: codec.Secret, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(payload, ref.property)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """Names that begin with the path and match."""
        if find.tags:
            raise InvalidConfig("find by tags not supported", fix="use find.name or find.path")
        matches, prefix, volume = by_name(find), find.path or "", Volume()
        try:
            listed = await self._listed(self.scope)
            Walk().found(list(listed))
            names = await matches.among(name for name in listed if name.startswith(prefix))
            found = await self._decrypted(partial(codec.values_of, listed, names))
        except EsoError as error:
            raise prefixed("could not get secrets: ", error) from error
        yield {name: volume.counted(value) for name, value in found.items()}

    async def _listed(self, scope: Scope) -> dict[str, str]:
        """The secrets of an environment by name, their values still encrypted. A thousand take some 20 ms of a
        thread."""
        query = {"project": scope.project, "environment": scope.environment}
        reply = await self.connection.api.send("GetSecrets", "GET", "/secrets", query=query)
        held = self.connection
        return await held.offload.run_for(self.store.namespace, codec.names_of, reply.body, held.passcode)

    async def _decrypted(self, decrypt: Callable[[bytes], T]) -> T:
        """`decrypt(passcode)`, in a thread."""
        held = self.connection
        return await held.offload.run_for(self.store.namespace, decrypt, held.passcode)


def answer(asked: Asked, found: bytes | Malformed | None) -> codec.Secret | EsoError:
    """A value that cannot be decrypted is the error of those alone who ask for it."""
    if isinstance(found, Malformed):
        return prefixed(f"could not get secret {asked.name}: ", found)
    return codec.Secret(asked.name, found) if found else absent(asked)


def absent(asked: Asked) -> EsoError:
    """An ordinary error, as in the reference: the server does not tell an environment that is not there from one that
    is empty. A secret without a value counts as absent there, too."""
    name, scope = asked.name, asked.scope
    where = f"for project '{scope.project}' and environment '{scope.environment}' not found"
    return EsoError(
        f"could not get secret {name}: secret {name} {where}", fix="are key, project and environment right?"
    )
