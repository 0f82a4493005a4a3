"""Replies of Volcengine KMS.

Neighbours: client.py makes the calls. Anything that is not of the form the server promises is malformed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from eso.gocompat import jsonenc
from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.kit.http import object_of
from eso.providers.kit.selectors import has, part
from eso.values.jsonmap import NotAMap, to_map

NO_JSON: Final = "failed to unmarshal secret: invalid JSON format"


@dataclass(frozen=True, slots=True)
class Secret:
    """The content of one version; never prints."""

    content: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.content)


def secret_of(body: bytes, name: str) -> Secret | None:
    """None for a refusal. Raises Malformed, or InvalidConfig for a secret without a value."""
    found = object_of(body)
    if has(found, "ResponseMetadata", "Error"):
        return None
    if not isinstance(found.get("Result"), dict):
        raise Malformed("the server's reply has no object in Result")
    value = part(found, "Result").get("SecretValue")
    if value is None:
        raise InvalidConfig(f"secret {name} has no value", fix="give it a version")
    if not isinstance(value, str):
        raise Malformed("the server's reply has no text in SecretValue")
    return Secret(value.encode())


def value(secret: Secret, name: str) -> bytes:
    """The content, or the member of this name: a text as it is, anything else as it is written. Raises Malformed, or
    InvalidConfig for a name that is not there."""
    if not name:
        return secret.content
    try:
        members = to_map(secret.content)
    except NotAMap:
        raise Malformed(NO_JSON, fix="is it a JSON object?") from None
    if name not in members:
        raise InvalidConfig(f'property "{name}" not found in secret', fix="correct remoteRef.property")
    return members[name]


def mapping(document: bytes) -> dict[str, bytes]:
    """The members of the JSON object as they are written, texts with their quotes. Raises Malformed."""
    try:
        return {name.decode(): source for name, source in jsonenc.members(document).items()}
    except jsonenc.JsonError:
        raise Malformed(NO_JSON, fix="is it a JSON object?") from None
