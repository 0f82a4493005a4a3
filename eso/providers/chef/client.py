"""One login at a Chef Infra Server: items of data bags, and whole bags.

Neighbours: connect.py makes it, codec.py reads keys and replies, refusal.py words what the server refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from functools import partial
from typing import Final

from eso.errors import EsoError
from eso.net.http import Reply
from eso.providers.chef import codec, refusal, spec
from eso.providers.contract import Find, InvalidConfig, RemoteRef, SecretNotFound, Validation, ValidationFailed
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import segment
from eso.providers.kit.search import AT_ONCE, Volume, Walk, every

LABEL: Final = "Chef"


class Client(Connected[Connection]):
    """A StoreClient."""

    async def validate(self) -> Validation:
        """The user may look at itself."""
        if self._connection is None:
            return Validation.UNKNOWN
        name = spec.username(self.store.provider_spec)
        try:
            await self.connection.api.send("GetUser", "GET", f"/users/{segment(name)}")
        except EsoError as error:
            raise ValidationFailed(
                "unable to validate provided store. Check if username, serverUrl and privateKey are correct",
                fix=str(error),
            ) from error
        return Validation.READY

    def request(self, ref: RemoteRef) -> Hashable:
        """One item for a value, the whole bag for a map. Property, version and metadataPolicy are not part of it."""
        return codec.bag_of(ref.key) if ref.members else codec.place_of(ref.key)

    async def fetch(self, request: Hashable) -> codec.Item | codec.Items:
        if isinstance(request, codec.Place):
            return await self._item(request.bag, request.item)
        assert isinstance(request, codec.Bag)
        return await self._items(request.name)

    def value(self, payload: codec.Item, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: codec.Items, ref: RemoteRef) -> dict[str, bytes]:
        """Every item, whatever the property."""
        return dict(payload.documents)

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        raise InvalidConfig("dataFrom.find not suppported", fix="extract the data bag, or name each item")
        yield {}  # it is a search all the same

    async def _item(self, bag: str, item: str) -> codec.Item:
        path = f"/data/{segment(bag)}/{segment(item)}"
        reply = await self._send("GetDataBagItem", path, partial(refusal.of_item, bag, item))
        return await self.decoded(reply.body, codec.item_of)

    async def _items(self, bag: str) -> codec.Items:
        """An item that goes after the bag was listed is left out: it is no absence of the bag."""
        walk, volume = Walk(), Volume()
        reply = await self._send("ListDataBagItems", f"/data/{segment(bag)}", partial(refusal.of_bag, bag))
        names = await self.decoded(reply.body, codec.names_of)
        walk.found(names)

        async def document(name: str) -> bytes | None:
            try:
                item = await self._item(bag, name)
            except SecretNotFound:
                return None
            return volume.counted(item.document)

        documents = zip(names, await every(names, document, AT_ONCE), strict=True)
        return codec.Items({name: found for name, found in documents if found is not None})

    async def _send(self, call: str, path: str, missing: refusal.Missing) -> Reply:
        reply = await self.connection.api.send(call, "GET", path, ok=(404,))
        if reply.status == 404:
            raise missing(reply)
        return reply
