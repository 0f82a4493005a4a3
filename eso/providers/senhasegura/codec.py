"""The secrets of an application as bytes.

Neighbours: client.py makes the call. Anything that is not of the form the server promises is malformed; only a whole
list proves that an identity is not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eso.gocompat import jsonenc
from eso.providers.contract import Malformed, SecretNotFound
from eso.providers.kit.http import object_of, text_in
from eso.providers.kit.selectors import part
from eso.providers.senhasegura.refusal import of_application

Values = dict[str, bytes]


@dataclass(frozen=True, slots=True)
class Secret:
    """What has one identity: the maps of each secret, in the order of the application; None for one without data. Never
    prints its values."""

    entries: tuple[tuple[Values, ...] | None, ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return sum(len(value) for data in self.entries for values in data or () for value in values.values())


Secrets = Mapping[str, Secret]  # by identity


def secrets_of(body: bytes) -> Secrets:
    """Raises Malformed, or the error that the reply is."""
    found = object_of(body)
    if not isinstance(found.get("response"), dict | None):
        raise Malformed("the server's reply has no object in response")
    response = part(found, "response")
    if response.get("error") not in (None, False):
        raise of_application(response.get("status"))
    listed = part(found, "application").get("secrets")
    if not isinstance(listed, list) or not all(isinstance(secret, dict) for secret in listed):
        raise Malformed("the server's reply has no list of secrets")
    entries: dict[str, list[tuple[Values, ...] | None]] = {}
    for secret in listed:
        entries.setdefault(text_in(secret, "identity"), []).append(data_of(secret.get("data")))
    return {identity: Secret(tuple(held)) for identity, held in entries.items()}


def data_of(data: Any) -> tuple[Values, ...] | None:
    if data is None:
        return None
    if not isinstance(data, list):
        raise Malformed("the server's reply has a secret whose data is no list")
    return tuple(values_of(values) for values in data)


def values_of(values: Any) -> Values:
    """Texts by name; null is empty."""
    if not isinstance(values, dict) or not all(isinstance(value, str | None) for value in values.values()):
        raise Malformed("the server's reply has a secret with a value that is no text")
    return {name: (value or "").encode() for name, value in values.items()}


def value(secret: Secret, property: str) -> bytes:
    """Of the first secret with the identity: all of it as JSON, or the first value that is called so. Raises
    SecretNotFound."""
    if not secret.entries:
        raise SecretNotFound()
    data = secret.entries[0]
    if not property:
        return jsonenc.encode(
            None if data is None else [{name.encode(): text for name, text in one.items()} for one in data]
        )
    for values in data or ():
        if property in values:
            return values[property]
    raise SecretNotFound()


def mapping(secret: Secret) -> Values:
    """All values of all secrets with the identity, the last of equal names; none where there is no secret."""
    return {name: text for data in secret.entries for values in data or () for name, text in values.items()}
