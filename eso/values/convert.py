"""Keys that a Secret accepts: conversion of foreign characters, then the check.

Neighbours: reconcile.externalsecret.assemble calls both; some providers convert inside *find* (harmless: conversion is
idempotent).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final

from eso.errors import EsoError, Terminal
from eso.gocompat import text as gotext
from eso.template import LIMITS, Limits
from eso.template.bounds import BoundsExceeded, Budget
from eso.template.world import WORLD

MAX_BYTES: Final = 253
LONG: Final = 4096  # characters of a key that nothing can make short enough: not worth walking through
_PLAIN: Final = re.compile(r"[-._a-zA-Z0-9]*")


OBJECT_BYTES: Final = 3 << 19
"""What the API server's store takes of one object, keys included: 1.5 MiB."""
ENTRY_BYTES: Final = 8
"""What an entry takes beside its key and value."""


class KeyRefused(EsoError):
    """A key cannot be used; the message names it."""


READ_LESS: Final = "read fewer keys: name them one by one in data, or narrow find"


class TooManyKeys(Terminal):
    """A map that cannot become a Secret, whatever its values are."""


def convert_keys(data: Mapping[str, bytes], strategy: str, limits: Limits = LIMITS) -> dict[str, bytes]:
    """`convert` as a whole map is converted for an entry of `dataFrom`. Raises KeyRefused with the strategy's name in
    front; TooManyKeys and BoundsExceeded before anything is converted."""
    fits(data)
    pay(limits, len(data) + sum(len(key) for key in data if not _PLAIN.fullmatch(key)), f"converting {len(data)} keys")
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


def pay(limits: Limits, steps: int, what: str) -> None:
    """Spends from the budget of the pass. Raises TooManyKeys, caused by the bound."""
    try:
        with Budget(limits, WORLD) as budget:
            budget.spend(steps)
    except BoundsExceeded as error:
        raise TooManyKeys(f"{what} exceeds the limit of {error.limit} {error.unit}", fix=READ_LESS) from error


def fits(data: Mapping[str, bytes]) -> None:
    """Raises TooManyKeys for a map whose keys alone are more than an object of the API server may have."""
    size = sum(map(len, data)) + ENTRY_BYTES * len(data)
    if size > OBJECT_BYTES:
        raise TooManyKeys(
            f"the map has {len(data)} keys of {sum(map(len, data))} bytes: no Secret can hold them",
            fix=READ_LESS,
        )


def check_keys(data: Mapping[str, bytes], limits: Limits = LIMITS) -> dict[str, bytes]:
    """The map without its empty key. Raises KeyRefused for a key that is too long or holds a character that is not
    allowed."""
    fits(data)
    pay(limits, len(data), f"checking {len(data)} keys")
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
                f"key has invalid character {char}, only alphanumeric, '-', '.' and '_' are allowed: "
                + gotext.shown(key)
            )


@lru_cache(maxsize=4096)
def allowed(char: str) -> bool:
    """Letters and numbers of any script, `-`, `.` and `_`; combining marks are none."""
    return char in "-._" or gotext.is_letter(char) or gotext.is_number(char)


def _unicode_name(char: str) -> str:
    return f"_U{ord(char):04x}_"


def _underscore(_char: str) -> str:
    return "_"
