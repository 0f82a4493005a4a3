"""Resources of Passbolt: their replies, their decrypted documents, and the values they become.

Neighbours: client.py makes the calls. Anything that is not of the form the server promises is malformed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from eso.gocompat import jsonenc
from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.kit.http import json_of, text_in

PROPERTIES: Final = ("name", "username", "password", "uri", "description")


@dataclass(frozen=True, slots=True)
class Listed:
    """A resource as the server shows it. `metadata`: what it is called stands in there, encrypted; None where it is
    written in the clear. `shared_key`: the id of the key that opens it; "" for the user's own."""

    id: str
    type_id: str
    clear: Mapping[str, str] = field(repr=False)
    metadata: bytes | None = field(default=None, repr=False)
    shared_key: str = ""


@dataclass(frozen=True, slots=True)
class Resource:
    """Its five values; never prints them."""

    id: str
    values: Mapping[str, str] = field(repr=False)

    def __len__(self) -> int:
        return sum(map(len, self.values.values()))


def resources_of(found: Any) -> list[Listed]:
    if not isinstance(found, list):
        raise Malformed("the server's reply has no list of resources")
    return [resource_of(entry) for entry in found]


def resource_of(found: Any) -> Listed:
    if not isinstance(found, dict):
        raise Malformed("the server's reply has no resource")
    id, type_id = text_in(found, "id"), text_in(found, "resource_type_id")
    if not found.get("metadata"):
        return Listed(id, type_id, described(found))
    shared = "" if found.get("metadata_key_type") == "user_key" else text_in(found, "metadata_key_id")
    return Listed(id, type_id, {}, text_in(found, "metadata").encode("utf-8", "replace"), shared)


def described(found: Mapping[str, Any]) -> dict[str, str]:
    """Name, user name, address and description of a resource."""
    uris = found.get("uris")
    if uris is not None and not (isinstance(uris, list) and all(isinstance(one, str) for one in uris)):
        raise Malformed("a resource has addresses that are no texts")
    texts = {name: optional(found, name) for name in ("name", "username", "description", "uri")}
    return texts | {"uri": texts["uri"] or (uris[0] if uris else "")}


def optional(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if value is not None and not isinstance(value, str):
        raise Malformed(f"a resource has a {name} that is no text")
    return value or ""


def is_text(found: Any) -> bool:
    """Whether secrets of this type are nothing but a password."""
    definition = found.get("definition") if isinstance(found, dict) else None
    if isinstance(definition, str):
        definition = json_of(definition.encode("utf-8", "replace"))
    secret = definition.get("secret") if isinstance(definition, dict) else None
    if not isinstance(secret, dict):
        raise Malformed("the server's reply has no definition of a secret")
    return secret.get("type") == "string"


def message_in(found: Any) -> bytes:
    if not isinstance(found, dict):
        raise Malformed("the server's reply has no secret")
    return text_in(found, "data").encode("utf-8", "replace")


def id_in(found: Any) -> str:
    if not isinstance(found, dict):
        raise Malformed("the server's reply has no user")
    return text_in(found, "id")


def keys_of(found: Any, user: str) -> dict[str, bytes]:
    """The id of each key of the metadata → its private half, encrypted for this user."""
    if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
        raise Malformed("the server's reply has no list of keys")
    keys: dict[str, bytes] = {}
    for one in found:
        halves = one.get("metadata_private_keys") or []
        if not isinstance(halves, list) or not all(isinstance(half, dict) for half in halves):
            raise Malformed("the server's reply has no list of keys")
        for half in halves:
            if half.get("user_id") == user:
                keys[text_in(one, "id")] = text_in(half, "data").encode("utf-8", "replace")
    return keys


def document_of(plain: bytes) -> dict[str, Any]:
    """A decrypted document. Raises Malformed without a word of it."""
    try:
        found = json_of(plain)
    except Malformed:
        found = None
    if not isinstance(found, dict):
        raise Malformed("a decrypted document is no JSON object")
    return found


def assembled(listed: Listed, about: Mapping[str, str], plain: bytes, *, is_password: bool) -> Resource:
    """`about`: what `described` tells. `plain`: the decrypted secret."""
    if is_password:
        try:
            secret = {"password": plain.decode()}
        except UnicodeDecodeError:
            raise Malformed("a password is no text") from None
    else:
        found = document_of(plain)
        secret = {name: optional(found, name) for name in ("password", "description")}
    description = about["description"] or secret.get("description", "")
    return Resource(listed.id, {**about, "password": secret["password"], "description": description})


def value(resource: Resource, name: str) -> bytes:
    """All of it as JSON, or one value. Raises InvalidConfig."""
    if not name:
        order = ("name", "username", "password", "uri", "description")
        members = (f'"{one}":'.encode() + jsonenc.encode(encoded(resource, one), escape_html=False) for one in order)
        return b"{" + b",".join(members) + b"}"
    if name not in PROPERTIES:
        raise InvalidConfig(
            "property must be one of name, username, uri, password or description", fix="correct remoteRef.property"
        )
    return encoded(resource, name)


def encoded(resource: Resource, name: str) -> bytes:
    return resource.values[name].encode("utf-8", "surrogatepass")
