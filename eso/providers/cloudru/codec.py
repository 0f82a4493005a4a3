"""References, messages and values of Cloud.ru's Secret Manager.

Neighbours: connect.py and client.py make the calls. Anything that is not of the form the server promises is malformed.
Declarations are the vendor's, reduced to the fields that are used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from eso.providers.contract import Find, InvalidConfig, Malformed
from eso.providers.kit.address import target_of
from eso.providers.kit.http import object_of
from eso.providers.kit.protobuf import FORM, blob, number, parsed, text
from eso.providers.kit.search import compiled
from eso.providers.kit.token import Token, checked
from eso.providers.kit.uuids import UUID
from eso.values import gjson
from eso.values.gjsonscan import Kind
from eso.values.jsonmap import NotAMap, to_map

LATEST: Final = "latest"
INT32: Final = re.compile(r"[+-]?[0-9]{1,10}", re.ASCII)
EVERY_DEPTH: Final = -1


@dataclass(frozen=True, slots=True)
class ById:
    """A version of a secret, in any project that the key may read."""

    id: str
    version: str = LATEST

    @property
    def message(self) -> bytes:
        """AccessSecretVersionRequest { secret_id = 1; secret_version_id = 2 }."""
        return text(1, self.id) + text(2, self.version)


@dataclass(frozen=True, slots=True)
class ByPath:
    """A version of a secret in a project; None = the last one."""

    project: str
    path: str
    version: int | None = None

    @property
    def message(self) -> bytes:
        """AccessSecretRequest { project_id = 1; path = 2; optional int32 version = 3 }."""
        version = b"" if self.version is None else number(3, self.version)
        return text(1, self.project) + text(2, self.path) + version


Asked = ById | ByPath


@dataclass(frozen=True, slots=True)
class Secret:
    """The content of one version; never prints."""

    data: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.data)


def asked_of(project: str, key: str, version: str) -> Asked:
    """A UUID is an id, anything else a path. Raises InvalidConfig."""
    if UUID.fullmatch(key):
        return ById(key, version or LATEST)
    if version in ("", LATEST):
        return ByPath(project, key)
    if not INT32.fullmatch(version) or not -(1 << 31) <= int(version) < 1 << 31:
        raise InvalidConfig("invalid secret version: should be a valid int32 value or 'latest' keyword")
    return ByPath(project, key, int(version))


def search(project: str, find: Find) -> bytes:
    """SearchSecretRequest { project_id = 1; path = 2; depth = 3; map<string, string> labels = 10; regex = 11 }. Raises
    InvalidConfig for a search of everything, and for an expression that does not compile."""
    if not find.tags and find.name_regexp is None and not find.path:
        raise InvalidConfig("at least one of find.tags, find.name and find.path is required")
    if find.name_regexp is not None:
        compiled(find.name_regexp)
    labels = b"".join(blob(10, text(1, name) + text(2, value)) for name, value in find.tags or ())
    regex = text(11, find.name_regexp or "")
    return text(1, project) + text(2, find.path or "") + number(3, EVERY_DEPTH) + labels + regex


def login(key: str, secret: str) -> bytes:
    """GetTokenRequest { key_id = 1; secret = 2 }."""
    return text(1, key) + text(2, secret)


def token_of(reply: bytes) -> Token:
    """GetTokenResponse { access_token = 1; expires_in = 4 }."""
    found = parsed(reply)
    return checked(found.text(1), float(found.number(4)))


def addresses_of(body: bytes, *ids: str) -> tuple[str, ...]:
    """`host:port` of the services with these ids. Raises Malformed."""
    listed = object_of(body).get("endpoints")
    known = dict[str, str]()
    for one in listed if isinstance(listed, list) else ():
        if isinstance(one, dict) and isinstance(one.get("id"), str) and isinstance(one.get("address"), str):
            known[one["id"]] = one["address"]
    found = [address for id in ids if (address := target_of(known.get(id, ""))) is not None]
    if len(found) != len(ids):
        raise Malformed("the server's reply has no usable addresses of the services")
    return tuple(found)


def version_of(reply: bytes) -> Secret:
    """SecretPayload { BytesValue data = 1 { value = 1 } }."""
    return wrapped(reply, 1)


def secret_of(reply: bytes) -> Secret:
    """AccessSecretResponse { BytesValue payload = 3 { value = 1 } }."""
    return wrapped(reply, 3)


def wrapped(reply: bytes, field: int) -> Secret:
    """An empty value is there all the same; without one the reply is none."""
    found = parsed(reply)
    if not found.has(field):
        raise Malformed(FORM)
    return Secret(found.message(field).blob(1))


def found_in(reply: bytes) -> dict[str, str]:
    """SearchSecretResponse { repeated Secret secrets = 1 { id = 1; path = 10 } }: ids by path."""
    found = {one.text(10): one.text(1) for one in parsed(reply).messages(1)}
    if not all(found) or not all(found.values()):
        raise Malformed(FORM)
    return found


def value(secret: Secret, path: str) -> bytes:
    """The content, or the text that `path` names in the JSON object it is; anything but a text is empty. Raises
    InvalidConfig for a path that names nothing, Malformed for a content that is no object."""
    path = path.strip()
    if not path:
        return secret.data
    mapping(secret)
    found = gjson.get(secret.data, path.encode("utf-8", "surrogateescape"))
    if found is None:
        raise InvalidConfig(f"the secret has no property {path}", fix="does the value have it?")
    return found.string if found.kind is Kind.STRING else b""


def mapping(secret: Secret) -> Mapping[str, bytes]:
    """The members as they are written, without the quotes of a text. Raises Malformed."""
    try:
        found = to_map(secret.data, "source")
    except NotAMap as error:
        raise Malformed("the value is no JSON object", fix="is it one?") from error
    return {name: written.strip(b'"') for name, written in found.items()}
