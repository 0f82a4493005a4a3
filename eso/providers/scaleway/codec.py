"""References and replies of Scaleway's Secret Manager.

Neighbours: client.py makes the calls. Anything that is not of the form the server promises is malformed.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from eso.providers.contract import InvalidConfig, Malformed, SecretNotFound
from eso.providers.kit.http import object_of, text_in
from eso.providers.kit.property import as_given
from eso.providers.scaleway.spec import UUID
from eso.values.jsonmap import NotAMap, to_map

LATEST: Final = "latest_enabled"
REVISION: Final = re.compile(r"[0-9]{1,9}|latest|latest_enabled", re.ASCII)


@dataclass(frozen=True, slots=True)
class ById:
    id: str


@dataclass(frozen=True, slots=True)
class ByName:
    """`path`: the folder, None where any will do."""

    name: str
    path: str | None = None

    @property
    def query(self) -> dict[str, str]:
        return {"name": self.name} | ({} if self.path is None else {"path": self.path})


Place = ById | ByName


@dataclass(frozen=True, slots=True)
class Secret:
    """The content of one version; never prints."""

    data: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Listed:
    """A secret as a list shows it."""

    id: str
    name: str


def place_of(key: str) -> Place:
    """`id:…`, `name:…` or `path:/folder/name`. Raises InvalidConfig."""
    kind, colon, value = key.partition(":")
    if not colon:
        raise InvalidConfig("invalid secret reference: missing colon ':'", fix="write id:, name: or path: before it")
    if kind == "id" and UUID.fullmatch(value):
        return ById(value.lower())
    if kind == "name" and value:
        return ByName(value)
    if kind == "path":
        folder, slash, name = value.rpartition("/")
        if not value.startswith("/") or not slash or not name:
            raise InvalidConfig("ref is not a path", fix="write path:/folder/name")
        return ByName(name, folder or "/")
    raise InvalidConfig(f'invalid secret reference: "{value}"', fix="write id:UUID, name:NAME or path:/folder/name")


def revision_of(version: str) -> str:
    """Raises InvalidConfig."""
    if version and not REVISION.fullmatch(version):
        raise InvalidConfig("remoteRef.version is no revision", fix="write a number, latest or latest_enabled")
    return version or LATEST


def secret_of(body: bytes) -> Secret:
    try:
        return Secret(base64.b64decode(text_in(object_of(body), "data"), validate=True))
    except (binascii.Error, ValueError):
        raise Malformed("the server's reply has no base64 in data") from None


def listed_of(body: bytes) -> list[Listed]:
    found = object_of(body).get("secrets")
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise Malformed("the server's reply has no list in secrets")
    return [listed_in(entry) for entry in found]


def listed_in(entry: Mapping[str, Any]) -> Listed:
    """An id becomes a part of the next path: only one that looks like one is used."""
    id = text_in(entry, "id")
    if not UUID.fullmatch(id):
        raise Malformed("the server's reply has no UUID in id")
    return Listed(id, text_in(entry, "name"))


def created_in(body: bytes) -> str:
    return listed_in(object_of(body)).id


def revision_in(body: bytes) -> int:
    found = object_of(body).get("revision")
    if isinstance(found, bool) or not isinstance(found, int):
        raise Malformed("the server's reply has no number in revision")
    return found


def value(secret: Secret, path: str) -> bytes:
    """The content, or what `path` names in it. Raises SecretNotFound for a path that names nothing."""
    if not path:
        return secret.data
    found = as_given(secret.data, path)
    if found is None:
        raise SecretNotFound()
    return found


def mapping(document: bytes) -> dict[str, bytes]:
    """The members of the JSON object that the content is. Raises Malformed."""
    try:
        return to_map(document)
    except NotAMap as error:
        raise Malformed("failed to unmarshal secret: invalid JSON format", fix="is it a JSON object?") from error
