"""What a push makes of a secret: the content that is there, the value that comes → the content to write, or nothing.

Neighbours: pushing.py reads and writes. Pure: equal content is found deep, numbers compare as numbers, and the members
that a push does not touch keep the digits that the server sent.
"""

from __future__ import annotations

from typing import Any, Final

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.providers.contract import InvalidConfig
from eso.providers.vault.codec import Object

MARK: Final = b"custom_metadata"  # the member of a KV v1 secret that says whose it is
OWNER, OWNED_BY = b"managed-by", b"external-secrets"
NOT_OURS: Final = "secret not managed by external-secrets"


class NotOurs(EsoError):
    """Another writer made the entry, so it is neither overwritten nor deleted."""

    def __init__(self) -> None:
        super().__init__(NOT_OURS, fix="delete the entry at the backend, or push to another key")


def ours(metadata: Any) -> bool:
    """Whether custom metadata carries our mark."""
    return isinstance(metadata, dict) and metadata.get(OWNER) == OWNED_BY


def without_mark(content: Object) -> Object:
    return {name: value for name, value in content.items() if name != MARK}


def with_mark(content: Object) -> Object:
    return {**content, MARK: {OWNER: OWNED_BY}}


def replaced(current: Object | None, value: bytes) -> Object | None:
    """The new content when `value` is all of it; None when the secret has it already. Raises InvalidConfig for a value
    that is no JSON object."""
    try:
        found = jsonenc.decode(value, keep_numbers=True)
    except jsonenc.JsonError:
        found = None
    if not isinstance(found, dict):
        which = "incoming secret value" if current is not None else "vault secret"
        raise InvalidConfig(
            f"error unmarshalling {which}: invalid JSON format",
            fix="push to a property, or let the pushed value be a JSON object",
        )
    return None if current is not None and same(current, found) else found


def merged(current: Object | None, property: str, value: bytes) -> Object | None:
    """The new content when `value` is one member of it; None when the secret has it already. Raises InvalidConfig for a
    member that is no text."""
    name = property.encode("utf-8", "surrogateescape")
    text = value.decode("utf-8", "replace").encode()
    if current is None:
        return {name: text}
    if name in current:
        if not isinstance(current[name], bytes):
            raise InvalidConfig(f"error converting {property} to string")
        if current[name] == text:
            return None
    return {**current, name: text}


def same(one: Any, other: Any) -> bool:
    """Deep equality of two JSON values; numbers are equal when they are the same number."""
    match one, other:
        case dict(), dict():
            return one.keys() == other.keys() and all(same(value, other[name]) for name, value in one.items())
        case list(), list():
            return len(one) == len(other) and all(map(same, one, other))
        case (jsonenc.Number(), jsonenc.Number()):
            return str(one) == str(other) or float(one) == float(other)
    return type(one) is type(other) and bool(one == other)
