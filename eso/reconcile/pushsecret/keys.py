"""`conversionStrategy: ReverseUnicode`: `_U005b_` in a key becomes `[` again.

Neighbours: plan.py converts the keys of a source before it matches and pushes them. Values are never converted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from eso.errors import EsoError
from eso.gocompat.text import shown

_CODE: Final = re.compile(r"_U([0-9a-fA-F]{4,5})_")
_SURROGATES: Final = range(0xD800, 0xE000)


class KeysCollide(EsoError):
    """Two keys of the source become one."""


def convert_key(key: str, strategy: str) -> str:
    return _CODE.sub(_character, key) if strategy == "ReverseUnicode" else key


def converted(data: Mapping[str, bytes], strategy: str) -> dict[str, bytes]:
    """The map with converted keys. Raises KeysCollide."""
    out: dict[str, bytes] = {}
    for key in sorted(data):
        name = convert_key(key, strategy)
        if name in out:
            raise KeysCollide(
                f"secret name collision during conversion: {shown(name)}", fix="rename one of the keys in the source"
            )
        out[name] = data[key]
    return out


def _character(found: re.Match[str]) -> str:
    code = int(found[1], 16)
    return "�" if code in _SURROGATES else chr(code)
