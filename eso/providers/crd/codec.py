"""Objects as the API server stores them → values.

Neighbours: client.py makes the calls. An object is written anew, with sorted members and HTML escapes, before a path
is looked up in it; integers keep all their digits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.gocompat.text import quote
from eso.providers.contract import Malformed, RemoteRef, SecretNotFound
from eso.values import gjson
from eso.values.gjsonscan import Kind
from eso.values.jsonmap import NotAMap, to_map


@dataclass(frozen=True, slots=True)
class Found:
    """A reply. `document` None: the API server proved that there is no object of this name."""

    name: str
    document: bytes | None = field(repr=False)

    def __len__(self) -> int:
        return len(self.document or b"")


def found(name: str, raw: bytes | None) -> Found:
    return Found(name, None if raw is None else written(object_of(raw)))


def written(document: jsonenc.Value) -> bytes:
    return jsonenc.encode(plain(document))


def plain(value: jsonenc.Value) -> jsonenc.Value:
    """Numbers as Go keeps them in an object: integers as they are, others as doubles."""
    match value:
        case dict():
            return {name: plain(member) for name, member in value.items()}
        case list():
            return [plain(member) for member in value]
        case jsonenc.Number() if not value.removeprefix("-").isdigit():
            return float(value)
    return value


def object_of(raw: bytes) -> dict[bytes, jsonenc.Value]:
    try:
        document = jsonenc.decode(raw, keep_numbers=True)
    except jsonenc.JsonError:
        raise Malformed("the API server's answer is not JSON") from None
    if not isinstance(document, dict) or not isinstance(document.get(b"metadata"), dict):
        raise Malformed("the API server's answer is no object")
    return document


def listed(page: bytes) -> list[tuple[str, str, bytes]]:
    """Namespace, name and document of each object of a list."""
    try:
        document = jsonenc.decode(page, keep_numbers=True)
    except jsonenc.JsonError:
        raise Malformed("the API server's answer is not JSON") from None
    items = document.get(b"items") if isinstance(document, dict) else None
    if not isinstance(items, list):
        raise Malformed("the list of objects is no list")
    head = document if isinstance(document, dict) else {}
    return [entry(item, head) for item in items]


def entry(item: jsonenc.Value, head: Mapping[bytes, jsonenc.Value]) -> tuple[str, str, bytes]:
    meta = item.get(b"metadata") if isinstance(item, dict) else None
    if not isinstance(item, dict) or not isinstance(meta, dict):
        raise Malformed("the list of objects holds something else")
    kind = head.get(b"kind")
    # the API server leaves out of the items of a list of built-in kinds what its head says
    if b"kind" not in item and isinstance(kind, bytes):
        item = item | {b"apiVersion": head.get(b"apiVersion"), b"kind": kind.removesuffix(b"List")}
    return text(meta.get(b"namespace")), text(meta.get(b"name")), written(item)


def text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else ""


def value(payload: Found, ref: RemoteRef) -> bytes:
    """A text as it is, anything else as JSON. Raises SecretNotFound, EsoError."""
    if payload.document is None:
        raise SecretNotFound
    if not ref.property:
        return payload.document
    hit = gjson.get(payload.document, ref.property.encode("utf-8", "surrogateescape"))
    if hit is None:
        raise EsoError(
            f"crd: property {quote(ref.property)} not found in object {quote(payload.name)}",
            fix="remoteRef.property is a path such as spec.password",
        )
    return hit.string if hit.kind == Kind.STRING else hit.raw


def mapping(payload: Found, ref: RemoteRef) -> dict[str, bytes]:
    """The members of an object; anything else is the one member `value`."""
    raw = value(payload, ref)
    try:
        return to_map(raw)
    except NotAMap:
        return {"value": raw}
