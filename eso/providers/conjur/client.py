"""One login at Conjur: variables read one by one, several in one call, or searched.

Neighbours: connect.py makes it, codec.py turns replies into bytes, refusal.py words what Conjur refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from contextlib import suppress
from typing import ClassVar, Final

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.conjur import codec
from eso.providers.conjur.spec import account
from eso.providers.contract import Denied, Find, InvalidConfig, Malformed, RemoteRef, StoreView, Validation
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import NothingThere, segment
from eso.providers.kit.search import Volume, Walk, by_name
from eso.providers.kit.together import each

LABEL: Final = "Conjur"
PER_PAGE: Final = 100
IDS: Final = 4096  # bytes of ids in one address
COMMA: Final = ","  # parts the ids of one call, so a variable with one in its name is asked for alone


class Client(Connected[Connection]):
    """A StoreClient with Batches."""

    most: ClassVar[int] = 50

    def __init__(self, store: StoreView, connection: Connection | None) -> None:
        super().__init__(store, connection)
        self.account = account(store.provider_spec)

    async def validate(self) -> Validation:
        """The login is all that can be tried without the name of a variable."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    # reading

    def request(self, ref: RemoteRef) -> Hashable:
        """Version and metadataPolicy are not used, as in the reference."""
        name = codec.identifier(self.account, ref.key)
        segment(name)
        return name

    async def fetch(self, request: Hashable) -> codec.Variable:
        """A variable that is missing is an ordinary error, as in the reference."""
        path = f"/secrets/{segment(self.account)}/{codec.KIND}/{segment(str(request))}"
        return codec.variable_of(await self.connection.api.send("GetSecret", "GET", path))

    def batch(self, request: Hashable) -> Hashable | None:
        return self.account if COMMA not in str(request) else None

    async def fetch_many(self, requests: Sequence[Hashable]) -> Mapping[Hashable, codec.Variable | EsoError]:
        """One call for all; one by one where it is refused, for it is as soon as one variable is missing."""
        found: dict[str, bytes] = {}
        if len(requests) > 1:
            with suppress(Denied, InvalidConfig, Malformed, NothingThere):
                found = await self._values([codec.full_id(self.account, str(request)) for request in requests])
        held = {request: found.get(codec.full_id(self.account, str(request))) for request in requests}
        settled = {request: codec.Variable(value) for request, value in held.items() if value is not None}
        return settled | await each((request for request in requests if request not in settled), self.fetch)

    def value(self, payload: codec.Variable, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: codec.Variable, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(self.value(payload, ref), ref.key)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """Variables by name, or else by annotations; a path is not used."""
        matches = by_name(find)
        walk, volume = Walk(), Volume()
        resources: list[tuple[str, dict[str, str] | None]] = []
        for page in range(1 << 16):
            walk.enter()
            listed = await self._resources(page * PER_PAGE)
            walk.found(listed)
            resources += listed
            if len(listed) < PER_PAGE:
                break
        if find.name_regexp is not None:
            start = codec.full_id(self.account, "")
            names = await matches.these(dict.fromkeys(id.removeprefix(start) for id, _ in resources))
            wanted = [id for id, _ in resources if id.removeprefix(start) in names]
        else:
            wanted = await self.connection.offload.run_for(self.store.namespace, codec.having, resources, find.tags)
        if not wanted:
            raise EsoError("no variable is found", fix="correct find.name or find.tags, or let the host see variables")
        for ids in grouped([id for id in wanted if COMMA not in id]):
            values = await self._values(ids)
            if missing := [id for id in ids if id not in values]:
                raise Malformed(f"the server's reply leaves {len(missing)} variables out")
            yield codec.named({id: volume.counted(values[id]) for id in ids}, self.account)
        for id in (id for id in wanted if COMMA in id):
            name = codec.identifier(self.account, id)
            yield {name: volume.counted((await self.fetch(name)).data)}

    async def _resources(self, offset: int) -> list[tuple[str, dict[str, str] | None]]:
        query = {"kind": codec.KIND, "limit": str(PER_PAGE)} | ({"offset": str(offset)} if offset else {})
        path = f"/resources/{segment(self.account)}"
        reply = await self.connection.api.send("ListResources", "GET", path, query=query)
        return await self.decoded(reply.body, codec.resources_of)

    async def _values(self, ids: Sequence[str]) -> dict[str, bytes]:
        reply = await self.connection.api.send(
            "GetSecrets",
            "GET",
            "/secrets",
            query={"variable_ids": ",".join(dict.fromkeys(ids))},
            headers={"Accept-Encoding": "base64"},
        )
        return await self.decoded(reply.body, lambda body: codec.values_of(Reply(reply.status, reply.headers, body)))


def grouped(ids: Sequence[str]) -> list[list[str]]:
    """Ids that fit into one address each."""
    groups: list[list[str]] = []
    length = IDS
    for id in ids:
        length += len(id.encode()) + 1
        if length > IDS or len(groups[-1]) >= PER_PAGE:
            groups.append([])
            length = len(id.encode())
        groups[-1].append(id)
    return groups
