"""Replies of Workload Credentials, and their values as bytes.

Neighbours: client.py makes the calls. A text is itself; anything else is encoded anew, as the reference does.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from eso.gocompat import jsonenc
from eso.gocompat.text import quote
from eso.providers.contract import InvalidConfig, Malformed
from eso.values.jsonmap import NotAMap, object_in


@dataclass(frozen=True, slots=True)
class Secret:
    """`data` None: there is none. `tags` None: the server tells none. Never prints its values."""

    data: dict[bytes, jsonenc.Value] | None = field(repr=False)
    tags: Mapping[str, str] | None = None
    size: int = 0

    def __len__(self) -> int:
        return self.size


@dataclass(frozen=True, slots=True)
class Item:
    """A secret as a list shows it."""

    path: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    @property
    def folder(self) -> str:
        return self.path.rpartition("/")[0]


def decoded(body: bytes) -> dict[bytes, jsonenc.Value]:
    try:
        return object_in(body)
    except NotAMap:
        raise Malformed(
            "the server's reply is no JSON object",
            fix="is the address really that of the API, and not of something before it?",
        ) from None


def secret_of(body: bytes) -> Secret:
    found = decoded(body)
    if b"secret" not in found:
        raise Malformed("the server's reply has no secret")
    data = found[b"secret"]
    if data is not None and not isinstance(data, dict):
        raise Malformed("the server's reply has a secret that is no object")
    return Secret(data, tags_in(found.get(b"metadata")), len(body))


def tags_in(metadata: jsonenc.Value) -> dict[str, str] | None:
    if not isinstance(metadata, dict):
        return None
    tags = metadata.get(b"tags")
    if not isinstance(tags, dict):
        return {}
    return {text(name): text(value) for name, value in tags.items() if isinstance(value, bytes)}


def items_of(body: bytes) -> list[Item]:
    """Raises Malformed also for a list that comes with an error."""
    found = decoded(body)
    if found.get(b"error"):
        raise Malformed("the server's list comes with an error")
    data = found.get(b"data")
    if data is None and b"data" in found:
        return []
    if not isinstance(data, list):
        raise Malformed("the server's reply has no list in data")
    return [item_in(entry) for entry in data]


def item_in(entry: jsonenc.Value) -> Item:
    path = entry.get(b"path") if isinstance(entry, dict) else None
    if not isinstance(path, bytes):
        raise Malformed("the server's reply has no text in path")
    return Item(text(path))


def text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def whole(secret: Secret) -> dict[bytes, jsonenc.Value]:
    """Raises Malformed for a secret without data."""
    if secret.data is None:
        raise Malformed("the secret has no data", fix="is the version of the secret still there?")
    return secret.data


def value(secret: Secret, name: str) -> bytes:
    """All of it as JSON, or the member of exactly this name. Raises InvalidConfig for one that is not there."""
    data = whole(secret)
    if not name:
        return jsonenc.encode(data)
    key = name.encode("utf-8", "surrogateescape")
    if key not in data:
        raise InvalidConfig(f"property {quote(name)} not found in secret", fix="correct remoteRef.property")
    return rendered(data[key])


def mapping(secret: Secret) -> dict[str, bytes]:
    return {text(name): rendered(found) for name, found in whole(secret).items()}


def rendered(found: jsonenc.Value) -> bytes:
    return found if isinstance(found, bytes) else jsonenc.encode(found)


def tagged(secret: Secret, wanted: Iterable[tuple[str, str]]) -> bool:
    """Whether it has every one of these tags; without any wish every secret has."""
    wishes = list(wanted)
    return not wishes or (secret.tags is not None and all(secret.tags.get(name) == value for name, value in wishes))
