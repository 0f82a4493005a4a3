"""Paths, values and replies of OKMS.

Neighbours: client.py makes the calls. Values are encoded anew, as the reference does: sorted, numbers as doubles. What
is pushed keeps its numbers as they are written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from eso.gocompat import jsonenc
from eso.gocompat.text import quote
from eso.providers.contract import InvalidConfig, Malformed, Push, Source
from eso.providers.kit.payload import pushed
from eso.providers.kit.property import as_given
from eso.values.jsonmap import NotAMap, object_in, to_map

HIGHEST: Final = 2**32 - 1
MISSING: Final = "secret version data is missing"


@dataclass(frozen=True, slots=True)
class Secret:
    """The content of one version as JSON; never prints."""

    document: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.document)


@dataclass(frozen=True, slots=True)
class Current:
    """What is there now. `data` None: the current version cannot be read. `version`: its number, None where the server
    does not say."""

    data: dict[bytes, jsonenc.Value] | None = field(repr=False)
    version: int | None


def version_of(text: str) -> str:
    """Raises InvalidConfig."""
    if text and not (text.isascii() and text.isdigit() and len(text) <= 10 and int(text) <= HIGHEST):
        raise InvalidConfig(f"invalid secret version {quote(text)}: no number of 32 bits", fix="write a number")
    return text


def folder_of(path: str) -> str:
    """`find.path` without a slash at its end. Raises InvalidConfig."""
    if path.startswith("/") or "//" in path:
        raise InvalidConfig(f"invalid path {quote(path)}: it must not start with / nor hold //", fix="write a/b")
    return path.rstrip("/")


def secret_of(body: bytes) -> Secret:
    data = current_of(body).data
    if not data:
        raise Malformed(MISSING, fix="is the version active?")
    return Secret(jsonenc.encode(data))


def current_of(body: bytes, *, keep_numbers: bool = False) -> Current:
    found = decoded(body, keep_numbers=keep_numbers)
    metadata = found.get(b"metadata")
    number = metadata.get(b"currentVersion") if isinstance(metadata, dict) else None
    version = found.get(b"version")
    if not isinstance(version, dict):
        raise Malformed("the server's reply has no object in version")
    data = version.get(b"data")
    if data is not None and not isinstance(data, dict):
        raise Malformed("the server's reply has data that is no object")
    whole = not isinstance(number, bool) and isinstance(number, float | jsonenc.Number) and float(number).is_integer()
    return Current(data, int(float(number)) if whole else None)  # type: ignore[arg-type]  # a number, see above


def decoded(body: bytes, *, keep_numbers: bool = False) -> dict[bytes, jsonenc.Value]:
    try:
        return object_in(body, keep_numbers=keep_numbers)
    except NotAMap:
        raise Malformed(
            "the server's reply is no JSON object",
            fix="is the address really that of OKMS, and not of something before it?",
        ) from None


def entries_of(body: bytes) -> list[str]:
    """Names in a folder; those of folders end in a slash."""
    data = decoded(body).get(b"data")
    keys = data.get(b"keys") if isinstance(data, dict) else None
    if not isinstance(keys, list) or not all(isinstance(key, bytes) for key in keys):
        raise Malformed("the server's reply has no list of texts in data.keys")
    return [key.decode("utf-8", "replace") for key in keys if isinstance(key, bytes)]


def value(secret: Secret, path: str) -> bytes:
    """All of it as JSON, or what `path` names. Raises InvalidConfig for a path that names nothing."""
    if not path:
        return secret.document
    found = as_given(secret.document, path)
    if found is None:
        raise InvalidConfig(f"secret property {quote(path)} not found", fix="correct remoteRef.property")
    return found


def mapping(document: bytes) -> dict[str, bytes]:
    """Raises Malformed."""
    try:
        return to_map(document, "typed")
    except NotAMap:
        raise Malformed("the value is no JSON object", fix="extract a secret or a property that is one") from None


def wanted(entry: Push, source: Source) -> dict[bytes, jsonenc.Value]:
    """What a push writes: one value under its own key, or all of them; below the property where there is one. A value
    that is JSON is written as such. Raises InvalidConfig."""
    if not source.data:
        raise InvalidConfig("the source secret is empty", fix="fill it")
    given: Mapping[str, bytes] = source.data
    if entry.secret_key:
        given = {entry.secret_key: pushed(entry, source)}
    values: dict[bytes, jsonenc.Value] = {key.encode(): parsed(found) for key, found in given.items()}
    return {entry.remote.property.encode(): values} if entry.remote.property else values


def parsed(text: bytes) -> jsonenc.Value:
    """Bytes that are no UTF-8 become replacement characters here, so that a second push equals what the first wrote."""
    try:
        return jsonenc.decode(text, keep_numbers=True)
    except jsonenc.JsonError:
        return jsonenc.decode(jsonenc.encode(text))


def written(data: Mapping[bytes, jsonenc.Value], path: str = "") -> bytes:
    """The body of a write. `path`: of a secret that is made. Raises InvalidConfig for a value that is JSON of more
    levels than are left below the body's own."""
    body: dict[bytes, Any] = {b"version": {b"data": data}}
    if path:
        body[b"path"] = path.encode()
    try:
        return jsonenc.encode(body)
    except jsonenc.JsonError:
        raise InvalidConfig("the value is nested too deeply", fix="write it with fewer levels") from None


def same(here: jsonenc.Value, there: jsonenc.Value) -> bool:
    """Whether what is `there` is what would be written. A server that keeps numbers as doubles has the same number."""
    match here, there:
        case jsonenc.Number(), jsonenc.Number():
            return same_number(here, there)
        case dict(), dict():
            return here.keys() == there.keys() and all(same(found, there[key]) for key, found in here.items())
        case list(), list():
            return len(here) == len(there) and all(same(one, other) for one, other in zip(here, there, strict=True))
    return type(here) is type(there) and here == there


def same_number(here: str, there: str) -> bool:
    try:
        return Decimal(there) in (Decimal(here), Decimal(repr(float(here))))
    except InvalidOperation:  # an exponent that no number here has
        return here == there
