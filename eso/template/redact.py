"""Values out of messages: what a failing call was given must not show in the error users and logs see.

Neighbours: evaluate.py knows the values, cache.py words the message. What stands in the template's own text is no
secret and stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from eso.gocompat.text import quote, runes
from eso.template.values import Value

MASK = "***"
SHORTEST = 3
"""Values of fewer bytes stay: a mask in place of every `1` would tell more than it hides, and nothing useful."""
MOST = 1_000
"""Strings looked at in one list or map."""

_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')


def strings(values: Iterable[Value]) -> Iterator[bytes]:
    """The strings in values, nested ones too, at most MOST of them."""
    pending = list(values)
    seen = 0
    while pending and seen < MOST:
        value = pending.pop()
        seen += 1
        if isinstance(value, bytes):
            yield value
        elif isinstance(value, list):
            pending.extend(value[:MOST])
        elif isinstance(value, dict):
            pending.extend(list(value.values())[:MOST])


def redacted(text: str, values: Iterable[Value], source: str) -> str:
    """`text` with every string of `values` masked, whole or as a quoted part of it, unless `source` shows it too."""
    secrets = sorted({runes(value) for value in strings(values) if len(value) >= SHORTEST}, key=len, reverse=True)
    secrets = [secret for secret in secrets if secret not in source]
    if not secrets:
        return text
    for secret in secrets:
        text = text.replace(secret, MASK).replace(quote(secret)[1:-1], MASK)

    def part(match: re.Match[str]) -> str:
        inside = match[1]
        shown = (
            len(inside) < SHORTEST
            or inside in source
            or not any(inside in secret or inside in quote(secret) for secret in secrets)
        )
        return match[0] if shown else f'"{MASK}"'

    return _QUOTED.sub(part, text)
