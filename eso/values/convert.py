"""Keys that a Secret accepts: conversion of foreign characters, then the check.

Neighbours: reconcile.externalsecret.assemble calls both; some providers convert inside *find* (harmless: conversion is
idempotent).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from eso.errors import EsoError
from eso.gocompat import text as gotext

MAX_BYTES: Final = 253
LONG: Final = 4096  # characters of a key that nothing can make short enough: not worth walking through
_PLAIN: Final = re.compile(r"[-._a-zA-Z0-9]*")


class KeyRefused(EsoError):
    """A key cannot be used; the message names it."""


def convert_keys(data: Mapping[str, bytes], strategy: str) -> dict[str, bytes]:
    """`convert` as a whole map is converted for an entry of `dataFrom`. Raises KeyRefused with the strategy's name in
    front."""
    try:
        return converted(data, strategy)
    except KeyRefused as error:
        raise KeyRefused(f"error applying conversion strategy {strategy} to keys: {error}", fix=error.fix) from error


def converted(data: Mapping[str, bytes], strategy: str) -> dict[str, bytes]:
    """The map with converted keys. Raises KeyRefused when two keys become one."""
    out: dict[str, bytes] = {}
    for key in sorted(data):
        name = convert_key(key, strategy)
        if name in out:
            raise KeyRefused(
                f"secret name collision during conversion: {gotext.shown(name)}",
                fix="set conversionStrategy: Unicode, or rename the keys with rewrite",
            )
        out[name] = data[key]
    return out


def convert_key(key: str, strategy: str) -> str:
    """`Unicode`: every character that is not allowed becomes `_U<hex>_` (at least four lower-case digits); otherwise
    `_`."""
    if len(key) > LONG or _PLAIN.fullmatch(key):
        return key
    replace: Callable[[str], str] = _unicode_name if strategy == "Unicode" else _underscore
    return "".join(char if allowed(char) else replace(char) for char in gotext.shown(key))


def check_keys(data: Mapping[str, bytes]) -> dict[str, bytes]:
    """The map without its empty key. Raises KeyRefused for a key that is too long or holds a character that is not
    allowed."""
    for key in sorted(data):
        try:
            check_key(key)
        except KeyRefused as error:
            text = f"invalid secret keys (TIP: use rewrite or conversionStrategy to change keys): {error}"
            raise KeyRefused(text, fix="use rewrite or conversionStrategy to change keys") from error
    return {key: value for key, value in data.items() if key}


def check_key(key: str) -> None:
    if _PLAIN.fullmatch(key) and len(key) <= MAX_BYTES:
        return
    encoded = key.encode("utf-8", "surrogateescape")
    if len(encoded) > MAX_BYTES:
        start = gotext.runes(encoded[:MAX_BYTES])
        raise KeyRefused(f"key has length {len(encoded)} but max is {MAX_BYTES}: (following is truncated): {start}")
    for char in gotext.shown(key):
        if not allowed(char):
            raise KeyRefused(
                f"key has invalid character {char}, only alphanumeric, '-', '.' and '_' are allowed: {gotext.shown(key)}"
            )


@lru_cache(maxsize=4096)
def allowed(char: str) -> bool:
    """Letters and numbers of any script, `-`, `.` and `_`; combining marks are none."""
    return char in "-._" or gotext.is_letter(char) or gotext.is_number(char)


def _unicode_name(char: str) -> str:
    return f"_U{ord(char):04x}_"


def _underscore(_char: str) -> str:
    return "_"
