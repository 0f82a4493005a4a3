"""Secrets of the vault as bytes.

Neighbours: client.py makes the calls. Values are encoded anew, as the reference does: sorted, numbers as doubles.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from eso.gocompat import jsonenc
from eso.providers.contract import Malformed, SecretNotFound
from eso.providers.kit.property import as_given
from eso.values.jsonmap import NotAMap, object_in, typed_value


@dataclass(frozen=True, slots=True)
class Secret:
    """`data` None: the secret has none. Never prints its values."""

    data: dict[bytes, jsonenc.Value] | None = field(repr=False)
    document: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.document)


def secret_of(body: bytes) -> Secret:
    try:
        found = object_in(body)
    except NotAMap as error:
        raise Malformed(
            f"the server's reply is no JSON object: {error}",
            fix="is the address really that of the vault, and not of something before it?",
        ) from None
    if b"data" not in found:
        raise Malformed("the server's reply has no data")
    data = found[b"data"]
    if data is None:
        return Secret(None, b"")
    if not isinstance(data, dict):
        raise Malformed("the server's reply has data that is no object")
    return Secret(data, jsonenc.encode(data))


def value(secret: Secret, path: str) -> bytes:
    """All of it as JSON, or what `path` names. Raises SecretNotFound for a path that names nothing."""
    if secret.data is None or not path:
        return secret.document
    found = as_given(secret.document, path)
    if found is None:
        raise SecretNotFound()
    return found


def mapping(secret: Secret) -> dict[str, bytes]:
    return {key.decode(): typed_value(found) for key, found in (secret.data or {}).items()}
