"""A JSON document as a map of bytes, and one value of it as bytes: the renderings users compare byte by byte.

Neighbours: providers for extract and `property`, rewrite.py for merge; gjson.py reads the path language. No message
holds a part of the document.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.gocompat import text as gotext
from eso.values import gjson, lookups

Variant = Literal["raw", "source", "typed", "string"]
_RAW: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


LOOP_BYTES: Final = 6 << 10
"""Documents up to this size may be read on an event loop."""
_PLAIN: Final = re.compile(r"[^*?#@!|{}\[\]()]*")


class NotAMap(EsoError):
    """The document is no JSON object, or a member is not of the form asked for."""


def cheap(size: int, path: str = "") -> bool:
    """Whether a look-up of `path` in a document of `size` bytes, or its map where there is no path, is a matter of
    milliseconds at worst. Everything but plain names and indices may ask for much more work than its document's size
    tells."""
    return size <= LOOP_BYTES and _PLAIN.fullmatch(path) is not None


def to_map(document: bytes, variant: Variant = "raw") -> dict[str, bytes]:
    """The members of the object in `document`; `null` has none, of equal keys the last wins. Raises NotAMap.

    `raw` (most providers): text unescaped, null empty, everything else as it is written in the document.
    `source` (barbican): everything as it is written in the document, texts with their quotes.
    `typed` (vault, openBao, webhook, merge): every value through `typed_value`, so numbers are doubles and nested
    objects are encoded anew.
    `string` (gitlab): text unescaped, null empty; any other value is refused.
    """
    if variant == "typed":
        return {key.decode(): typed_value(value) for key, value in object_in(document).items()}
    return {key: _member(source, variant) for key, source in _sources(document).items()}


def object_in(document: bytes, *, keep_numbers: bool = False) -> dict[bytes, jsonenc.Value]:
    """The one JSON object in `document`, decoded; `null` is empty. Raises NotAMap."""
    try:
        value = jsonenc.decode(document, keep_numbers=keep_numbers)
    except jsonenc.JsonError as error:
        raise NotAMap(error.redacted) from None  # the error itself quotes a character of the document
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise NotAMap(str(jsonenc.mismatch(value, "map[string]interface {}")))
    return value


def typed_value(value: jsonenc.Value) -> bytes:
    """Text as it is, numbers in plain decimal without exponent, `true`/`false`, null empty, objects and arrays as
    compact JSON with HTML escapes."""
    match value:
        case bytes():
            return value
        case None:
            return b""
        case bool():
            return b"true" if value else b"false"
        case jsonenc.Number() | int():
            return str(value).encode()
        case float():
            return gotext.decimal_number(value).encode()
        case _:
            return jsonenc.encode(value)


def get_property(document: bytes, path: str) -> bytes | None:
    """What a dotted path names in `document`, rendered; None when it names nothing. A member that is null exists and is
    empty. Raises PathRefused; Costly where the caller named LookUps."""
    wanted, answers = path.encode("utf-8", "surrogateescape"), lookups.LOOK_UPS.get()
    if answers is not None:
        return answers.find(document, wanted)
    found = gjson.get(document, wanted)
    return found.text() if found is not None else None


def _sources(document: bytes) -> dict[str, bytes]:
    """The members with the source text of their values."""
    try:
        if not jsonenc.too_deep(document):
            return {key: bytes(source) for key, source in _RAW.decode(document).items()}
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # read it again, by Go's rules
    try:
        return {key.decode(): source for key, source in jsonenc.members(document).items()}
    except jsonenc.JsonError as error:
        raise NotAMap(error.redacted) from None


def _member(source: bytes, variant: Variant) -> bytes:
    if variant == "source":
        return source
    if source.startswith(b'"'):
        if b"\\" not in source and source.isascii():
            return source[1:-1]
        value = jsonenc.decode(source)
        assert isinstance(value, bytes)
        return value
    if source == b"null":
        return b""
    if variant == "raw":
        return source
    examples: dict[bytes, jsonenc.Value] = {b"{": {}, b"[": [], b"t": True, b"f": False}
    raise NotAMap(str(jsonenc.mismatch(examples.get(source[:1], 0.0), "string")))
