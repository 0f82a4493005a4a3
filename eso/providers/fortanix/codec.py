"""Security objects of Fortanix as bytes.

Neighbours: client.py makes the calls. Anything that is not of the form the server promises is malformed.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Final

from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.kit.http import object_of, text_in
from eso.values.jsonmap import NotAMap, to_map

SECRET: Final = "SECRET"  # an object of this kind shows its value by an export only


@dataclass(frozen=True, slots=True)
class Described:
    """What is told of an object. `value` as it is sent, None where it is not shown."""

    kid: str
    kind: str
    value: str | None = field(repr=False)


def described_of(body: bytes) -> Described:
    found = object_of(body)
    value = found.get("value")
    if not isinstance(value, str | None):
        raise Malformed("the server's reply has no text in value")
    return Described(text_in(found, "kid"), text_in(found, "obj_type"), value)


def content(value: str | None) -> bytes:
    """Raises InvalidConfig for an object that shows no value."""
    if value is None:
        raise InvalidConfig(
            "the object has no value that can be read", fix="is it a secret, and one that may be exported?"
        )
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("the server's reply has no base64 in value") from None


def value(payload: bytes, property: str) -> bytes:
    """All of it, or one member of the JSON object of texts that it is."""
    if not property:
        return payload
    found = mapping(payload)
    if property not in found:
        raise InvalidConfig(f"unable to get value for key {property}", fix="correct remoteRef.property")
    return found[property]


def mapping(payload: bytes) -> dict[str, bytes]:
    """Raises Malformed; no member may be anything but a text."""
    try:
        return to_map(payload, "string")
    except NotAMap as error:
        raise Malformed(f"unable to unmarshal secret, is it a valid JSON?: {error}") from error
