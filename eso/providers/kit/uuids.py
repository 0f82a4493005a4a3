"""Ids in every form in which Go's parser takes them: with dashes, without, in braces, as a URN.

Neighbours: providers whose backend names things by UUIDs. What is canonical can stand in a path as it is.
"""

from __future__ import annotations

import re
from typing import Final

HEX: Final = r"[0-9a-fA-F]"
DASHED: Final = rf"{HEX}{{8}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{4}}-{HEX}{{12}}"
UUID: Final = re.compile(rf"(?:urn:uuid:)?{DASHED}|{{{DASHED}}}|{HEX}{{32}}", re.ASCII | re.IGNORECASE)


def canonical(text: str) -> str | None:
    """In small letters with dashes; None for what is no UUID."""
    if not UUID.fullmatch(text):
        return None
    digits = text.lower().removeprefix("urn:uuid:").strip("{}").replace("-", "")
    return "-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))
