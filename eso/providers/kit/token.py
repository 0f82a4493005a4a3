"""An access token, and how long it may be used.

Neighbours: logins that end with one. A token server's reply is foreign: nothing of it is shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from eso.providers.contract import AuthRejected, Malformed
from eso.providers.kit.http import text_in

MARGIN: Final = 60.0  # seconds before its end in which a token is not used any more
MOST_TOKEN: Final = 64 << 10  # bytes of a reply that holds a token


@dataclass(frozen=True, slots=True)
class Token:
    """`seconds` until it ends, counted from now."""

    value: str = field(repr=False)
    seconds: float

    @property
    def lifetime(self) -> float:
        return usable(self.seconds)


def usable(seconds: float) -> float:
    """How long a credential that ends in `seconds` is used: a minute less, or half of a short life."""
    return seconds - MARGIN if seconds > 2 * MARGIN else seconds / 2


def token_from(found: Mapping[str, Any], value: str = "access_token", ends: str = "expires_in") -> Token:
    """The token of an OAuth reply, in the members of these names. Raises Malformed, or AuthRejected for one that has
    ended already."""
    seconds = found.get(ends)
    if isinstance(seconds, str) and seconds.isascii() and seconds.isdigit() and len(seconds) < 10:
        seconds = int(seconds)  # Azure's metadata service writes digits in quotes
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise Malformed(f"the server's reply has no number in {ends}")
    return checked(text_in(found, value), float(seconds))


def checked(value: str, seconds: float) -> Token:
    if not value or not value.isascii() or not value.isprintable():
        raise Malformed("the server's reply has no usable access token")
    if not 0 < seconds < 1 << 40:
        raise AuthRejected("the access token has ended before it could be used", fix="compare the clocks")
    return Token(value, seconds)
