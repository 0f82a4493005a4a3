"""Replies of Key Vault → bytes. Pure.

Neighbours: client.py makes the calls. No text made here holds a part of a value.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final, TypeVar
from urllib.parse import parse_qsl, urlsplit

import orjson

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.providers.contract import InvalidConfig, Malformed, RemoteRef
from eso.providers.kit import property as lookup
from eso.providers.kit.http import object_of, same_origin, text_in
from eso.values.jsonmap import NotAMap, to_map

T = TypeVar("T")
MANAGED: Final = ("managed-by", "external-secrets")
TIMES: Final = {"exp": "expires", "created": "created", "updated": "updated", "nbf": "notBefore"}
PUBLIC: Final = ("kid", "kty", "n", "e", "crv", "x", "y", "k", "key_hsm")  # members of a key that are texts


class Kind(Enum):
    """What the first part of a remote key names; the value is the collection in the vault's paths."""

    SECRET = "secrets"
    CERTIFICATE = "certificates"
    KEY = "keys"

    @property
    def word(self) -> str:
        return self.value[:-1]


KINDS: Final = {"secret": Kind.SECRET, "cert": Kind.CERTIFICATE, "key": Kind.KEY}


def named(key: str) -> tuple[str, str]:
    """Type and name in a remote key; what follows a second slash is not used, as in the reference."""
    parts = key.split("/")
    return (parts[0], parts[1]) if len(parts) > 1 else ("secret", key)


@dataclass(frozen=True, slots=True)
class Found:
    """One version of an object. `data`: the text of a secret, the DER of a certificate, the public part of a key as
    JSON. `times`: attributes that are times, as users see them. `key`: the members of a key."""

    kind: Kind
    name: str
    data: bytes = field(repr=False)
    tags: Mapping[str, str] = field(repr=False)
    times: Mapping[str, str] = field(default_factory=dict, repr=False)
    expires: int | None = None
    content_type: str = ""
    key: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __len__(self) -> int:
        return len(self.data)

    @property
    def managed(self) -> bool:
        return self.tags.get(MANAGED[0]) == MANAGED[1]

    def marks(self, legacy: bool) -> dict[str, str]:
        """The tags, and in the first way of the reference the times under names of their own."""
        return (
            {**self.tags, **{f"attribute.{name}": time for name, time in self.times.items()}}
            if legacy
            else {**self.tags}
        )


def found_in(body: bytes, kind: Kind, name: str) -> Found:
    """Raises Malformed."""
    reply = object_of(body)
    attributes = member_of(reply, "attributes", dict) or {}
    times = {
        shown: time_of(attributes, member) for member, shown in TIMES.items() if attributes.get(member) is not None
    }
    content = member_of(reply, "contentType", str) or ""
    key: Mapping[str, Any] = {}
    match kind:
        case Kind.SECRET:
            data = text_in(reply, "value").encode("utf-8", "replace")
        case Kind.CERTIFICATE:
            data = der_of(text_in(reply, "cer"))
        case Kind.KEY:
            key = public(reply.get("key"))
            data = encoded(key)
    expires = attributes.get("exp")
    return Found(kind, name, data, tags_of(reply), times, expires, content, key)


def member_of(reply: Mapping[str, Any], name: str, kind: type[T]) -> T | None:
    """null and a member that is not there are None. Raises Malformed for anything else that is not of `kind`."""
    found = reply.get(name)
    if found is not None and not isinstance(found, kind):
        raise Malformed(f"the server's reply has something else in {name}")
    return found


def tags_of(found: Mapping[str, Any]) -> dict[str, str]:
    """null stands for an empty text, and for no tags. Raises Malformed."""
    tags: dict[str, Any] = member_of(found, "tags", dict) or {}
    if not all(value is None or isinstance(value, str) for value in tags.values()):
        raise Malformed("the server's reply has no texts in tags")
    return {name: value or "" for name, value in tags.items()}


def time_of(attributes: Mapping[str, Any], member: str) -> str:
    """Seconds since the epoch as `2026-01-02T03:04:05Z`. Raises Malformed."""
    value = attributes[member]
    try:
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (TypeError, ValueError, OverflowError, OSError):
        raise Malformed(f"the server's reply has no time in attributes.{member}") from None


def der_of(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("the certificate in the server's reply is no base64") from None


def public(found: Any) -> dict[str, Any]:
    """The members of a key that may be shown. Raises Malformed."""
    if not isinstance(found, dict) or not found:
        raise Malformed("the server's reply has no key")
    members: dict[str, Any] = {name: found[name] for name in PUBLIC if found.get(name) is not None}
    operations = found.get("key_ops")
    if not isinstance(operations, list | None):
        raise Malformed("the server's reply has a key that is none")
    if not all(isinstance(text, str) for text in (*members.values(), *(operations or ()))):
        raise Malformed("the server's reply has a key that is none")
    return members if operations is None else members | {"key_ops": operations}


def encoded(value: Any) -> bytes:
    return jsonenc.encode(of_text(value))


def of_text(value: Any) -> Any:
    match value:
        case Mapping():
            return {key.encode("utf-8", "replace"): of_text(member) for key, member in value.items()}
        case list():
            return [of_text(member) for member in value]
        case str():
            return value.encode("utf-8", "replace")
    return value


# what a reference asks for


def value(found: Found, ref: RemoteRef, *, legacy: bool) -> bytes:
    """Raises EsoError with the reference's texts."""
    if ref.metadata_policy == "Fetch":
        return mark(found.marks(legacy), ref.property)
    return found.data if found.kind is Kind.CERTIFICATE else member(found.data, ref.property, ref.key)


def member(document: bytes, name: str, key: str) -> bytes:
    if not name:
        return document
    part = lookup.given_first(document, name)
    if part is None:
        raise EsoError(f"property {name} does not exist in key {key}")
    return part


def mark(marks: Mapping[str, str], name: str) -> bytes:
    """All marks as JSON, or the one of this name, or a member of the JSON in the one before the first dot."""
    if not name:
        return encoded(marks)
    if name in marks:
        return marks[name].encode("utf-8", "replace")
    first, dot, rest = name.partition(".")
    if first and dot and first in marks:
        return member(marks[first].encode("utf-8", "replace"), rest, name)
    raise EsoError(f"tag {name} does not exist")


def mapping(found: Found, ref: RemoteRef, *, legacy: bool) -> dict[str, bytes]:
    """Raises EsoError with the reference's texts."""
    match found.kind:
        case Kind.CERTIFICATE:
            raise InvalidConfig("cannot get use dataFrom to get certificate secret", fix="name it below data")
        case Kind.KEY:
            raise InvalidConfig("cannot get use dataFrom to get key secret", fix="name it below data")
    data = value(found, ref, legacy=legacy)
    if ref.metadata_policy == "Fetch":
        return marked(found, ref, legacy)
    try:
        return to_map(data, "raw")
    except NotAMap as error:
        raise EsoError(f"error unmarshalling json data: {error}", fix="the value has to be a JSON object") from error


def marked(found: Found, ref: RemoteRef, legacy: bool) -> dict[str, bytes]:
    """Each tag under the name of the secret; a tag that is an object of texts gives one entry for each of them."""
    marks: dict[str, str] = {}
    for tag, text in found.tags.items():
        name = f"{found.name}_{tag}"
        inner = texts_in(text)
        marks |= {name: text} if inner is None else {f"{name}_{part}": value for part, value in inner.items()}
    if legacy:
        marks |= {f"{found.name}_attribute.{name}": time for name, time in found.times.items()}
    if not ref.property:
        return {name: text.encode("utf-8", "replace") for name, text in marks.items()}
    wanted = f"{ref.key}_{ref.property}"
    try:
        return {wanted: mark(marks, wanted)}
    except EsoError:
        return {wanted: b""}  # as in the reference, which looks for the raw key


def texts_in(text: str) -> dict[str, str] | None:
    """The members of a JSON object of texts, None for anything else; null is one without members."""
    try:
        found = orjson.loads(text.encode("utf-8", "replace"))
    except (orjson.JSONDecodeError, RecursionError):
        return None
    if found is None:
        return {}
    if not isinstance(found, dict) or not all(value is None or isinstance(value, str) for value in found.values()):
        return None
    return {name: value or "" for name, value in found.items()}


# lists


@dataclass(frozen=True, slots=True)
class Item:
    """A secret in a list. Its value is not there."""

    name: str
    enabled: bool
    tags: Mapping[str, str]


def page(body: bytes) -> tuple[list[Item], str]:
    """The items, and the address of the next page ("" after the last). Raises Malformed."""
    found = object_of(body)
    return [item_of(item) for item in items_in(found)], member_of(found, "nextLink", str) or ""


def versions(body: bytes, member: str) -> tuple[dict[str, str], str]:
    """Name in lower case → when it was last changed, and the address of the next page. `member`: what holds the
    address of an item. Raises Malformed."""
    found = object_of(body)
    told: dict[str, str] = {}
    for item in items_in(found):
        if isinstance(item, dict) and (name := last_segment(text_in(item, member))):
            attributes = member_of(item, "attributes", dict) or {}
            told[name.lower()] = f"{attributes.get('updated')} {attributes.get('enabled')}"
    return told, member_of(found, "nextLink", str) or ""


def items_in(page: Mapping[str, Any]) -> list[Any]:
    """A reply without the member is no page: nothing must not be found by mistake."""
    items = member_of(page, "value", list)
    if items is None:
        raise Malformed("the server's reply has no list in value")
    return items


def item_of(found: Any) -> Item:
    if not isinstance(found, dict):
        raise Malformed("the server lists a secret that is none")
    enabled = (member_of(found, "attributes", dict) or {}).get("enabled", True)
    name = last_segment(text_in(found, "id"))
    if not name or not isinstance(enabled, bool):
        raise Malformed("the server lists a secret that is none")
    return Item(name, enabled, tags_of(found))


def last_segment(url: str) -> str:
    try:
        return urlsplit(url).path.rpartition("/")[2]
    except ValueError:
        return ""


def following_query(base: str, url: str, kind: Kind = Kind.SECRET) -> dict[str, str]:
    """What the next page of a collection is asked with, {} after the last. No reply chooses the server or the path:
    raises Malformed for another one."""
    if not url:
        return {}
    try:
        asked = urlsplit(url)
        query = dict(parse_qsl(asked.query, keep_blank_values=True))
    except ValueError:
        query = {}
    if not query or not same_origin(base, url) or not asked.path.rstrip("/").endswith(f"/{kind.value}"):
        raise Malformed("the next page of the list is at another place than the list itself")
    return query
