"""What the objects of one owner may take in the caches. What is more is known by its metadata alone, and told.

Neighbours: catalogue.py gives each informer of a resource that authors in namespaces write an account here. A record
takes several times the bytes of its JSON, so a few hundred objects of the size that the API server allows, or some
thousands of a tenth of it, would take a container's memory, again after each restart.
"""

from __future__ import annotations

from collections.abc import Callable, Container
from typing import Any, Final

import msgspec

from eso.api.meta import Object, ObjectMeta, Resource, Undecodable
from eso.runtime.fair import Group, alone

HEAVY: Final = 1 << 20  # price of an object of a thousand entries and more
LARGE: Final = 16 << 10  # bytes of JSON that become a record: a hundred references or two
GROWTH: Final = 1.1
LITTLE: Final = 4 << 10  # price of each part of the metadata that is kept of an object which is refused
TOO_MUCH: Final = (
    "the objects of this namespace take more memory than those of one namespace may: make them smaller or fewer, "
    "then edit this one"
)

Key = tuple[str, str]  # namespace, name


class _Meta(msgspec.Struct, rename="camel", gc=False):
    name: str = ""
    namespace: str = ""
    managed_fields: msgspec.Raw = msgspec.Raw()


class _Whole(msgspec.Struct, gc=False):
    metadata: msgspec.Raw
    spec: msgspec.Raw = msgspec.Raw()
    status: msgspec.Raw = msgspec.Raw()


_whole: Final = msgspec.json.Decoder(_Whole)
_meta: Final = msgspec.json.Decoder(_Meta)
_object: Final = msgspec.json.Decoder(Object)


class Ration:
    """`most`: bytes of records that one owner may have. Large ones take half of it at most, and less as other owners
    have large ones: an owner's are never more than the room that is left for those of all."""

    def __init__(self, most: int, group: Group = alone) -> None:
        self._most, self._group = most, group
        self._held: dict[str, int] = {}  # by owner
        self._large: dict[str, int] = {}  # the part of it that large objects take
        self._all_large = 0

    def held_by(self, owner: str) -> int:
        return self._held.get(owner, 0)

    def account(self, resource: Resource, decode: Callable[[msgspec.Raw], Any]) -> Account:
        return Account(self, resource, decode)

    def owner(self, namespace: str) -> str:
        return self._group(namespace)

    def take(self, owner: str, price: int, before: int, *, large: bool) -> bool:
        """Whether `price` was there for it. `before`: what the same object had until now, and has given back."""
        # What is kept stays kept where its own status makes it a little longer, though not again and again.
        most = self._most * (GROWTH if price <= before * GROWTH else 1.0)
        if self.held_by(owner) + price > most:
            return False
        if large and self._large.get(owner, 0) + price > most - self._all_large - price:
            return False
        self._held[owner] = self.held_by(owner) + price
        if large:
            self._large[owner] = self._large.get(owner, 0) + price
            self._all_large += price
        return True

    def give(self, owner: str, price: int, *, large: bool) -> None:
        _less(self._held, owner, price)
        if large:
            _less(self._large, owner, price)
            self._all_large -= price


class Account:
    """The objects of one resource: those that an informer keeps are counted, and no others."""

    def __init__(self, ration: Ration, resource: Resource, decode: Callable[[msgspec.Raw], Any]) -> None:
        self.resource, self._ration, self._decode = resource, ration, decode
        self._kept: dict[Key, tuple[str, int, bool]] = {}  # owner, price, whether it is large

    def decode(self, raw: msgspec.Raw) -> Any:
        """The record of an object. One for which there is no room is Undecodable until it is edited, and its spec is
        not even read."""
        whole = _whole.decode(raw)
        meta = _meta.decode(whole.metadata)
        key = (meta.namespace, meta.name)
        _, before, _ = self._kept.get(key, ("", 0, False))
        self.forget(key)
        owner, cost = self._ration.owner(meta.namespace), price(whole, meta)
        large = sum(map(_size, (whole.metadata, whole.spec, whole.status))) - _size(meta.managed_fields) >= LARGE
        if not self._ration.take(owner, cost, before, large=large):
            return Undecodable(slim(_object.decode(raw).metadata), TOO_MUCH)
        self._kept[key] = (owner, cost, large)
        return self._decode(raw)

    def heavy(self, key: Key) -> bool:
        """Whether the object, as it is kept, has so many members that each change of it is much work."""
        return self._kept.get(key, ("", 0, False))[1] >= HEAVY

    def forget(self, key: Key) -> None:
        """The object is not kept any more."""
        if (found := self._kept.pop(key, None)) is not None:
            owner, cost, large = found
            self._ration.give(owner, cost, large=large)

    def keep_only(self, keys: Container[Key]) -> None:
        """A list was read to its end. What an earlier one brought, which broke off, may be gone since."""
        for key in [key for key in self._kept if key not in keys]:
            self.forget(key)


def price(whole: _Whole, meta: _Meta) -> int:
    """Bytes that the record may take. Managed fields are dropped; a map, such as annotations are, takes most."""
    described = bound(bytes(whole.metadata)) - bound(bytes(meta.managed_fields))
    return 2 * described + bound(bytes(whole.spec)) + bound(bytes(whole.status))


def bound(text: bytes) -> int:
    """Bytes of what a JSON text is decoded to, as records and maps. Measured: two to four times what ordinary objects
    take, a little more than what the worst do."""
    wide = 1 if text.isascii() and b"\\u" not in text else 4
    return wide * len(text) + 64 * text.count(b"{") + 40 * (text.count(b":") + text.count(b","))


def slim(meta: ObjectMeta) -> ObjectMeta:
    """What is needed to tell the object's author, and to let go of it. Lists that are long are dropped; finalizers too,
    since a part of them written back would take the others off."""
    parts = {name: getattr(meta, name) for name in ("labels", "annotations", "finalizers", "owner_references")}
    heavy = {name: type(part)() for name, part in parts.items() if bound(msgspec.json.encode(part)) > LITTLE}
    return msgspec.structs.replace(meta, **heavy) if heavy else meta


def _size(raw: msgspec.Raw) -> int:
    return memoryview(raw).nbytes


def _less(held: dict[str, int], owner: str, price: int) -> None:
    held[owner] -= price
    if not held[owner]:
        del held[owner]
