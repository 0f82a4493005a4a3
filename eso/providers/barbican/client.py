"""One login at Barbican: payloads by the UUID of their secret, searched by the secrets' names.

Neighbours: connect.py makes it, codec.py turns replies into values, refusal.py words what Barbican refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping
from typing import Final

from eso.providers.barbican import codec
from eso.providers.contract import Find, InvalidConfig, Malformed, RemoteRef, Validation
from eso.providers.kit.connected import Connected, Connection
from eso.providers.kit.http import NothingThere, segment
from eso.providers.kit.search import AT_ONCE, Volume, Walk, by_name, every

LABEL: Final = "OpenStack/Barbican"
PLAIN: Final = "text/plain"


class Client(Connected[Connection]):
    """A StoreClient."""

    async def validate(self) -> Validation:
        """The login is all that can be tried without the UUID of a secret."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    def request(self, ref: RemoteRef) -> Hashable:
        """Property, version and metadataPolicy are not part of it."""
        if not ref.key:
            raise InvalidConfig("remoteRef.key is empty", fix="write the UUID of a secret")
        return segment(ref.key)

    async def fetch(self, request: Hashable) -> bytes:
        """Raises Malformed for what is no plain text: the page of a proxy must not become a value."""
        reply = await self.connection.api.send(
            "GetPayload", "GET", f"/secrets/{request}/payload", headers={"Accept": PLAIN}
        )
        kind = reply.headers.get("Content-Type", PLAIN).partition(";")[0].strip().lower()
        if kind != PLAIN:
            raise Malformed("the server's reply is no plain text", fix="is there something before Barbican?")
        return reply.body

    def value(self, payload: bytes, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: bytes, ref: RemoteRef) -> dict[str, bytes]:
        return codec.mapping(self.value(payload, ref))

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """By name alone; the values by UUID. A payload that cannot be read fails the search."""
        if not find.name_regexp:
            raise InvalidConfig("barbican client: missing field name and/or regexp", fix="set find.name.regexp")
        matches, walk, volume, some = by_name(find), Walk(), Volume(), False
        query: str | None = ""
        while query is not None:
            walk.enter()
            reply = await self.connection.api.send("ListSecrets", "GET", f"/secrets{f'?{query}' if query else ''}")
            listed, following = await self.decoded(reply.body, codec.listed_of)
            walk.found(listed)
            wanted = await matches.these([secret.name for secret in listed])
            chosen = [secret for secret in listed if secret.name in wanted]
            payloads = await every([segment(secret.id) for secret in chosen], self.fetch, AT_ONCE)
            some = some or bool(chosen)
            yield {secret.id: volume.counted(payload) for secret, payload in zip(chosen, payloads, strict=True)}
            query = following or None
        if not some:
            raise NothingThere("barbican client: no secrets found", fix="correct find.name.regexp")
