"""Replies of Akeyless → bytes, and what a push writes. Pure.

Neighbours: client.py makes the calls. No text made here holds a part of a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.providers.contract import InvalidConfig, Malformed, Push, RemoteRef, Source
from eso.providers.kit import property as lookup
from eso.providers.kit.http import object_of, text_in
from eso.values.jsonmap import NotAMap, object_in, to_map

TAG: Final = "k8s-external-secrets"
STATIC, ROTATED, DYNAMIC, CERTIFICATE = "STATIC_SECRET", "ROTATED_SECRET", "DYNAMIC_SECRET", "CERTIFICATE"
LATEST: Final = 0


@dataclass(frozen=True, slots=True)
class Item:
    """What describe-item and list-items tell. `type`: "" where a short list does not say."""

    name: str
    type: str
    tags: tuple[str, ...]


def item_of(body: bytes) -> Item:
    return item_in(object_of(body))


def item_in(found: Any) -> Item:
    """Raises Malformed."""
    if not isinstance(found, dict):
        raise Malformed("the server's reply has an item that is none")
    kind, tags = found.get("item_type"), found.get("item_tags")
    kind, tags = "" if kind is None else kind, [] if tags is None else tags
    if not isinstance(kind, str) or not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise Malformed("the server's reply has an item that is none")
    return Item(text_in(found, "item_name"), kind, tuple(tags))


def page(body: bytes) -> tuple[list[Item], str]:
    """The items on one page of a list, and the token of the next one ("" after the last). An empty list may be an empty
    object; one with members of something else is no list. Raises Malformed."""
    found = object_of(body)
    if found and not found.keys() & {"items", "folders", "next_page"}:
        raise Malformed("the server's reply is no page of a list")
    items, following = found.get("items"), found.get("next_page")
    items, following = [] if items is None else items, "" if following is None else following
    if not isinstance(items, list) or not isinstance(following, str):
        raise Malformed("the server's reply is no page of a list")
    return [item_in(item) for item in items], following


def version_of(text: str) -> int:
    """A version as the API takes it: anything that is no 32-bit number is the latest, as in the reference."""
    plain = text.removeprefix("-").removeprefix("+") if text[:1] in ("-", "+") else text
    if not plain.isascii() or not plain.isdigit() or len(plain) > 10:
        return LATEST
    number = int(text)
    return number if -(1 << 31) <= number < 1 << 31 else LATEST


@dataclass(frozen=True, slots=True)
class Value:
    data: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.data)


def static(body: bytes, key: str) -> Value:
    """The member that is named exactly like the key. Raises Malformed."""
    return text_of(object_of(body), key)


def statics(body: bytes, keys: Sequence[str]) -> dict[str, Value | Malformed]:
    """The value, or the fault, of each key. Raises Malformed."""
    found = object_of(body)
    answers: dict[str, Value | Malformed] = {}
    for key in keys:
        try:
            answers[key] = text_of(found, key)
        except Malformed as fault:
            answers[key] = fault
    return answers


def text_of(found: Mapping[str, Any], key: str) -> Value:
    if key not in found:
        raise Malformed(f"can't get secret: {key}", fix="write the whole path of the item, with the slash before it")
    if not isinstance(found[key], str):
        raise Malformed("can't convert secret value to string")
    return Value(found[key].encode("utf-8", "replace"))


def rotated(body: bytes) -> Value:
    """The payload, else the target's value, else all that there is."""
    found = decoded(body)
    if b"value" not in found:
        return Value(jsonenc.encode(found))
    value = found[b"value"]
    if not isinstance(value, dict):
        raise Malformed("failure converting key from gsvOut")
    if b"payload" in value:
        payload = value[b"payload"]
        return Value(payload if isinstance(payload, bytes) else jsonenc.encode(payload))
    return Value(jsonenc.encode(value.get(b"target_value", value)))


def whole(body: bytes) -> Value:
    return Value(jsonenc.encode(decoded(body)))


def decoded(body: bytes) -> dict[bytes, jsonenc.Value]:
    """Raises Malformed."""
    try:
        return object_in(body)
    except NotAMap:
        raise Malformed("the server's reply is no JSON object") from None


def bytes_of(value: Value, ref: RemoteRef) -> bytes:
    """Raises EsoError with the reference's texts."""
    if not ref.property:
        if not value.data:
            raise EsoError(f"invalid value received, found no value string : {ref.key}")
        return value.data
    found = lookup.escaped_first(value.data, ref.property)
    if found is None:
        raise EsoError(f"key {ref.property} does not exist in value {ref.key}")
    return found


def mapping(value: Value, ref: RemoteRef) -> dict[str, bytes]:
    try:
        return to_map(bytes_of(value, ref), "raw")
    except NotAMap as error:
        raise EsoError(
            f"unable to unmarshal secret from JSON: {error}", fix="the value has to be a JSON object"
        ) from error


# what a push writes


def members(value: Value | None) -> dict[bytes, jsonenc.Value]:
    """The members of what is there; none where nothing is. Raises InvalidConfig with the reference's text."""
    if value is None:
        return {}
    try:
        return object_in(value.data, keep_numbers=True)
    except NotAMap:
        raise InvalidConfig(
            "failed to unmarshal remote secret: invalid JSON format", fix="push to an item that holds a JSON object"
        ) from None


def merged(live: Mapping[bytes, jsonenc.Value], entry: Push, source: Source) -> str:
    """The document after a push: all values of the source beside what is there, or one of them as one member."""
    found: dict[bytes, jsonenc.Value] = dict(live)
    if not entry.remote.property:
        found |= {name.encode(): value for name, value in source.data.items()}
    elif entry.secret_key in source.data:
        found[entry.remote.property.encode("utf-8", "replace")] = source.data[entry.secret_key]
    return jsonenc.encode(found).decode()


def without(live: Mapping[bytes, jsonenc.Value], name: str) -> str | None:
    """The document without a member; None when none is left."""
    rest = {member: value for member, value in live.items() if member != name.encode("utf-8", "replace")}
    return jsonenc.encode(rest).decode() if rest else None
