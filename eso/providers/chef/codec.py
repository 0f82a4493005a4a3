"""Keys and replies of Chef data bags.

Neighbours: client.py makes the calls. Anything that is not of the form the server promises is malformed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from eso.gocompat import jsonenc
from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.kit.http import object_of
from eso.values import gjson
from eso.values.gjsonscan import Kind


@dataclass(frozen=True, slots=True)
class Place:
    bag: str
    item: str


@dataclass(frozen=True, slots=True)
class Bag:
    name: str


@dataclass(frozen=True, slots=True)
class Item:
    """An item as compact JSON; never prints."""

    document: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.document)


@dataclass(frozen=True, slots=True)
class Items:
    """All of a bag; never prints."""

    documents: Mapping[str, bytes] = field(repr=False)

    def __len__(self) -> int:
        return sum(map(len, self.documents.values()))


def place_of(key: str) -> Place:
    """`bag/item`; more parts have no effect. Raises InvalidConfig."""
    parts = key.split("/")
    if len(parts) < 2 or not all(parts[:2]):
        raise InvalidConfig(
            "invalid key format in data section. Expected value 'databagName/databagItemName'", fix="write bag/item"
        )
    return Place(parts[0], parts[1])


def bag_of(key: str) -> Bag:
    """Raises InvalidConfig."""
    if not key or "/" in key:
        raise InvalidConfig(
            "invalid key format in dataForm section. Expected only 'databagName'", fix="write the name of the bag"
        )
    return Bag(key)


def item_of(body: bytes) -> Item:
    try:
        found = jsonenc.decode(body)
    except jsonenc.JsonError:
        raise Malformed("the server's reply is not JSON", fix="is the address really that of the server?") from None
    if not isinstance(found, dict):
        raise Malformed("the server's reply is not of the form it promises")
    return Item(jsonenc.encode(found))


def names_of(body: bytes) -> list[str]:
    return sorted(object_of(body))


def value(item: Item, path: str) -> bytes:
    """The item, or the text that `path` names in it: what is no text is empty. Raises InvalidConfig."""
    if not path:
        return item.document
    found = gjson.get(item.document, path.encode("utf-8", "surrogateescape"))
    if found is None:
        raise InvalidConfig(f"property {path} not found in data bag item", fix="correct remoteRef.property")
    return found.text() if found.kind is Kind.STRING else b""
