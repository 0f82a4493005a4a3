"""One user of Passbolt: resources read by their ids, decrypted, searched by name.

Neighbours: connect.py makes it, session.py asks, apart.py decrypts, codec.py turns replies into bytes, refusal.py words
what Passbolt refuses.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable, Mapping, Sequence
from typing import Final

from eso.providers.contract import AuthRejected, Find, InvalidConfig, Malformed, RemoteRef, Validation
from eso.providers.kit.connected import Connected
from eso.providers.kit.http import segment
from eso.providers.kit.search import AT_ONCE, Volume, Walk, by_name, every
from eso.providers.passbolt import codec, pgp
from eso.providers.passbolt.pgp import Key
from eso.providers.passbolt.session import Session

LABEL: Final = "Passbolt"
MOST: Final = 16 << 20  # bytes of a reply: some ten thousand resources with encrypted metadata
KEYS: Final = "/metadata/keys.json?contain[metadata_private_keys]=1"


class Client(Connected[Session]):
    """A StoreClient."""

    async def validate(self) -> Validation:
        """The login is all that can be tried without the id of a resource."""
        return Validation.UNKNOWN if self._connection is None else Validation.READY

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()

    def request(self, ref: RemoteRef) -> Hashable:
        """Property, version and metadataPolicy are not part of it."""
        if ref.members:
            raise InvalidConfig("not implemented", fix="use data, or dataFrom.find")
        segment(ref.key)
        return ref.key

    async def fetch(self, request: Hashable) -> codec.Resource:
        """A resource that is missing is an ordinary error, as in the reference."""
        reply = await self.connection.get("GetResource", f"/resources/{segment(str(request))}.json")
        listed = codec.resource_of(reply)
        (about,) = await self._described([listed])
        return await self._read(listed, about)

    def value(self, payload: codec.Resource, ref: RemoteRef) -> bytes:
        return codec.value(payload, ref.property)

    def mapping(self, payload: codec.Resource, ref: RemoteRef) -> dict[str, bytes]:
        raise InvalidConfig("not implemented", fix="use data, or dataFrom.find")

    async def find(self, find: Find) -> AsyncIterator[Mapping[str, bytes]]:
        """Resources by their names. All names are decrypted, and the secrets of those that match; one that cannot be
        decrypted fails the search."""
        if not find.name_regexp:
            raise InvalidConfig("missing: find.name.regexp", fix="set find.name.regexp")
        matches, walk, volume = by_name(find), Walk(), Volume()
        listed = codec.resources_of(await self.connection.get("ListResources", "/resources.json"))
        walk.found(listed)
        about = await self._described(listed)
        names = await matches.these([one["name"] for one in about])
        chosen = [pair for pair in zip(listed, about, strict=True) if pair[1]["name"] in names]
        for start in range(0, len(chosen), AT_ONCE):
            found = await every(chosen[start : start + AT_ONCE], lambda pair: self._read(*pair), AT_ONCE)
            yield {one.id: volume.counted(codec.value(one, "")) for one in found}

    async def _described(self, listed: Sequence[codec.Listed]) -> list[Mapping[str, str]]:
        """What each resource is called, its user name and so on. Raises Malformed."""
        about: dict[int, Mapping[str, str]] = {}
        sealed: dict[str, list[int]] = {}
        for place, one in enumerate(listed):
            if one.metadata is None:
                about[place] = one.clear
            else:
                sealed.setdefault(one.shared_key, []).append(place)
        for id, places in sealed.items():
            key = await self._shared(id) if id else self.connection.key
            messages = [listed[place].metadata or b"" for place in places]
            try:
                opened = await self.connection.apart.opened(key, messages)
            except AuthRejected:
                if not id:
                    raise
                raise Malformed("the key of the metadata of a resource cannot be used") from None  # the login can
            for place, plain in zip(places, opened, strict=True):
                if plain is None:
                    raise pgp.malformed()
                about[place] = codec.described(codec.document_of(plain))
        return [about[place] for place in range(len(listed))]

    async def _read(self, listed: codec.Listed, about: Mapping[str, str]) -> codec.Resource:
        is_password = await self._is_text(listed.type_id)
        message = codec.message_in(
            await self.connection.get("GetSecret", f"/secrets/resource/{segment(listed.id)}.json")
        )
        plain = await self.connection.apart.one(self.connection.key, message)
        return codec.assembled(listed, about, plain, is_password=is_password)

    async def _is_text(self, type_id: str) -> bool:
        known = self.connection.text_types
        if type_id not in known:
            found = await self.connection.get("GetResourceType", f"/resource-types/{segment(type_id)}.json")
            known[type_id] = codec.is_text(found)
        return known[type_id]

    async def _shared(self, id: str) -> Key:
        """The key of the metadata with this id. Raises Malformed for one that this user has not."""
        login = self.connection
        if id not in login.keys:
            sealed = codec.keys_of(await login.get("ListMetadataKeys", KEYS), login.user)
            if id not in sealed:
                raise Malformed("the user has no key for the metadata of a resource", fix="share the key with the user")
            found = codec.document_of(await login.apart.one(login.key, sealed[id]))
            login.keys[id] = Key(codec.optional(found, "armored_key").encode(), codec.optional(found, "passphrase"))
        return login.keys[id]
