"""Keys and replies of IBM Cloud Secrets Manager: where a secret lies, and which of its fields are the value.

Neighbours: client.py makes the calls. Values are what a Go program prints of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from eso.gocompat import jsonenc
from eso.gocompat import text as gotext
from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.kit.property import escaped_first
from eso.providers.kit.uuids import UUID
from eso.values.jsonmap import NotAMap, object_in, to_map, typed_value

ARBITRARY, IAM, SERVICE, USER = "arbitrary", "iam_credentials", "service_credentials", "username_password"
IMPORTED, PUBLIC, PRIVATE = "imported_cert", "public_cert", "private_cert"
# Types whose secret is an object, with the field that holds it.
OBJECTS: Final = {"kv": "data", "custom_credentials": "credentials_content"}
# Types whose secret is one field, with that field.
SINGLE: Final = {ARBITRARY: "payload", IAM: "api_key", SERVICE: "credentials"}
OPTIONAL: Final = ("intermediate", "private_key")  # of an imported certificate, which may come alone
# Types whose secret is several fields, with those that a map has.
BY_PROPERTY: Final = {
    USER: ("username", "password"),
    IMPORTED: ("certificate", "intermediate", "private_key"),
    PUBLIC: ("certificate", "intermediate", "private_key"),
    PRIVATE: ("certificate", "private_key"),
}
TYPES: Final = frozenset({*OBJECTS, *SINGLE, *BY_PROPERTY})

Fields = Mapping[bytes, jsonenc.Value]


@dataclass(frozen=True, slots=True)
class Place:
    """`group`: "" for a secret that is named by its id."""

    name: str
    type: str
    group: str = ""

    @property
    def by_id(self) -> bool:
        return UUID.fullmatch(self.name) is not None


@dataclass(frozen=True, slots=True)
class Secret:
    """A reply and its length; never prints."""

    place: Place
    fields: Fields = field(repr=False)
    length: int

    def __len__(self) -> int:
        return self.length


def place_of(key: str) -> Place:
    """`name`, `type/name` or `group/type/name`. Raises InvalidConfig."""
    match key.split("/"):
        case [group, type, name]:
            place = Place(name, type, group)
        case [type, name]:
            place = Place(name, type)
        case _:
            place = Place(key, ARBITRARY)
    if place.type not in TYPES:
        raise InvalidConfig(f"unknown secret type {place.type}", fix=f"use one of {', '.join(sorted(TYPES))}")
    if place.by_id:
        return Place(place.name, place.type)
    if not place.group:
        raise InvalidConfig(
            "failed to fetch the secret, secret group name is missing", fix="write group/type/name, or the secret's id"
        )
    return place


def secret_of(body: bytes, place: Place) -> Secret:
    """Raises Malformed, or InvalidConfig for a secret of another type than the key says."""
    try:
        found = object_in(body)
    except NotAMap:
        raise Malformed("the server's reply is not a JSON object") from None
    told = found.get(b"secret_type")
    if not isinstance(told, bytes):
        raise Malformed("the server's reply has no text in secret_type")
    type = told.decode("utf-8", "replace")
    if type != place.type:
        shown = f"a secret of type {type}" if type in TYPES else "a secret of another type"
        raise InvalidConfig(
            f"unable to extract the fetched secret {place.name} of type {place.type}: it is {shown}",
            fix="write the type before the name",
        )
    return Secret(place, found, len(body))


def value(secret: Secret, path: str) -> bytes:
    """Raises Malformed, or InvalidConfig for a property that names nothing."""
    type = secret.place.type
    if type in SINGLE:
        return typed_value(single(secret))
    if type in OBJECTS:
        document = jsonenc.encode(object_of(secret))
        if not path:
            return document
        part = escaped_first(document, path)
        if part is None:
            raise missing(secret, path)
        return part
    text = secret.fields.get(path.encode("utf-8", "surrogateescape"))
    if isinstance(text, bytes):
        return text
    if type == IMPORTED and path in OPTIONAL and text is None:
        return b""
    raise missing(secret, path)


def mapping(secret: Secret, path: str, *, fetch: bool) -> dict[str, bytes]:
    """`fetch`: every field of the reply comes along, as Go prints it. Raises as `value`."""
    made: dict[str, bytes] = {}
    if fetch:
        made = {key.decode(): printed(found) for key, found in secret.fields.items()}
    match secret.place.type:
        case type if type in OBJECTS:
            try:
                return made | to_map(value(secret, path), "typed")
            except NotAMap as error:
                raise Malformed(f"the secret is no map: {error}", fix="is it a JSON object?") from error
        case "iam_credentials":
            return made | {"apikey": typed_value(single(secret))}
        case "service_credentials":
            return made | {"credentials": printed(single(secret))}
        case "arbitrary":
            return made | {ARBITRARY: typed_value(single(secret))}
        case "imported_cert":
            return made | {name: field_or_empty(secret, name) for name in BY_PROPERTY[IMPORTED]}
        case type:
            return made | {name: value(secret, name) for name in BY_PROPERTY[type]}


def field_or_empty(secret: Secret, name: str) -> bytes:
    """A field of an imported certificate's map, where each may be missing. Raises InvalidConfig for one that is no
    text."""
    return b"" if secret.fields.get(name.encode()) is None else value(secret, name)


def single(secret: Secret) -> jsonenc.Value:
    """The field that is the secret: a text, or the object of service credentials. Raises Malformed."""
    name = SINGLE[secret.place.type]
    found = secret.fields.get(name.encode())
    if not isinstance(found, dict if secret.place.type == SERVICE else bytes):
        raise Malformed(f"the server's reply has no value in {name}")
    return found


def object_of(secret: Secret) -> dict[bytes, jsonenc.Value]:
    name = OBJECTS[secret.place.type]
    found = secret.fields.get(name.encode())
    if not isinstance(found, dict):
        raise Malformed(f"the server's reply has no object in {name}")
    return found


def missing(secret: Secret, path: str) -> InvalidConfig:
    return InvalidConfig(f"key {path} does not exist in secret {secret.place.name}", fix="correct remoteRef.property")


def printed(found: jsonenc.Value) -> bytes:
    """`%v` of Go's fmt."""
    match found:
        case None:
            return b"<nil>"
        case bytes():
            return found
        case bool():
            return b"true" if found else b"false"
        case list():
            return b"[" + b" ".join(map(printed, found)) + b"]"
        case dict():
            return b"map[" + b" ".join(key + b":" + printed(found[key]) for key in sorted(found)) + b"]"
        case jsonenc.Number():
            return found.encode()
        case _:
            return gotext.format_float(float(found)).encode()
