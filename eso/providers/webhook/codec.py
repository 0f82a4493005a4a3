"""An answer → the value that its JSONPath names, as text or as a map of texts.

Neighbours: client.py has the answers; `values.jsonpath` follows paths. Errors quote the path as it is written in the
store, never the document.
"""

from __future__ import annotations

from typing import Final

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.providers.contract import InvalidConfig, Malformed
from eso.values import jsonpath
from eso.values.jsonmap import LOOP_BYTES, typed_value
from eso.values.jsonpathparse import PathInvalid

NOT_JSON: Final = "failed to parse response json: "
NOT_JSON_INSIDE: Final = "failed to parse response json from jsonpath: "
NOTHING: Final = "filter worked but didn't get any result"


def cheap(body: bytes, path: str) -> bool:
    """Whether the path is followed within a few milliseconds."""
    return len(body) <= LOOP_BYTES and jsonpath.plain(path)


def located(body: bytes, path: str, told: str) -> jsonenc.Value:
    """What `path` names in `body`, of many hits the first; everything without a path. `told`: the template that the
    path came from, where the path itself may hold a secret, "" where it may be shown. Raises EsoError."""
    document = decoded(body, NOT_JSON)
    if not path:
        return document
    try:
        found = jsonpath.get(document, path, len(body))
    except EsoError as error:
        text = f"failed to get response path {told or path}: {error if not told else 'the path leads to nothing'}"
        kind = InvalidConfig if isinstance(error, PathInvalid | jsonpath.PathRefused) else Malformed
        raise kind(text, fix=error.fix) from error
    return found[:1] if isinstance(found, list) else found  # no more of a list is ever used


def decoded(text: bytes, failed: str) -> jsonenc.Value:
    try:
        return jsonenc.decode(text)
    except jsonenc.JsonError as error:
        raise Malformed(f"{failed}{error.redacted}") from None  # the error itself quotes a character of the document


def value(found: jsonenc.Value) -> bytes:
    """Numbers are rounded to whole ones, a list is its first element, an object is JSON. Raises Malformed."""
    while isinstance(found, list):
        if not found:
            raise Malformed(NOTHING)
        found = found[0]
    match found:
        case bool() | bytes() | None | dict():
            return typed_value(found)
    return f"{float(found):.0f}".encode()


def mapping(found: jsonenc.Value) -> dict[str, bytes]:
    """The members of an object, or of the object that a text writes. Raises Malformed."""
    if isinstance(found, bytes):
        found = decoded(found, NOT_JSON_INSIDE)
    if not isinstance(found, dict):
        raise Malformed(f"failed to get response (wrong type: {jsonpath.go_type(found)})")
    return {name.decode("utf-8", "surrogateescape"): typed_value(member) for name, member in found.items()}
