"""What AWS stores → the bytes users compare: values, properties, maps, tags.

Neighbours: the services ask for these; `values` knows JSON. No message holds a part of a value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.providers.contract import Malformed, RemoteRef
from eso.providers.kit.property import escaped_first
from eso.values.jsonmap import NotAMap, to_map


@dataclass(frozen=True, slots=True)
class Payload:
    """One secret as it was read; neither form prints."""

    text: bytes | None = field(default=None, repr=False)
    binary: bytes | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.text or b"") + len(self.binary or b"")


def payload(answer: Mapping[str, Any]) -> Payload:
    """Of a GetSecretValue answer, or of one entry of a batch. Raises Malformed."""
    text, binary = answer.get("SecretString"), answer.get("SecretBinary")
    if not isinstance(text, str | None) or not isinstance(binary, bytes | None):
        raise Malformed("the answer holds a secret that is neither a text nor binary")
    return Payload(None if text is None else text.encode("utf-8", "surrogatepass"), binary)


def whole(found: Payload, key: str) -> bytes:
    if found.text is not None:
        return found.text
    if found.binary is not None:
        return found.binary
    raise Malformed(f"invalid secret received. no secret string nor binary for key: {key}")


def value(found: Payload, ref: RemoteRef) -> bytes:
    """A property is looked for in the binary form first."""
    if not ref.property:
        return whole(found, ref.key)
    document = found.binary if found.binary is not None else found.text
    member = escaped_first(document or b"", ref.property)
    if member is None:
        raise EsoError(
            f"key {ref.property} does not exist in secret {ref.key}", fix="name a member of the secret's JSON"
        )
    return member


def mapping(document: bytes, key: str) -> dict[str, bytes]:
    try:
        return to_map(document, "raw")
    except NotAMap as error:
        text = f"unable to unmarshal secret {key}: {error}"
        raise EsoError(text, fix="the value has to be a JSON object") from error


def tags_document(tags: Iterable[Mapping[str, Any]]) -> bytes:
    """The tags as one JSON object, sorted, with HTML escapes."""
    pairs = {str(tag.get("Key") or "").encode(): str(tag.get("Value") or "").encode() for tag in tags}
    return jsonenc.encode(pairs)


def tags_of(tags: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    return {str(tag.get("Key") or ""): str(tag.get("Value") or "") for tag in tags}
