"""The address of a server as the author of a store writes it.

Neighbours: every provider's spec.py whose block has one.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import SplitResult, urlsplit

from eso.providers.contract import InvalidConfig

HOST: Final = r"\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9.])?"
TARGET: Final = re.compile(rf"({HOST})(?::([0-9]{{1,5}}))?")


def parts_of(url: str) -> SplitResult | None:
    """None for what is no plain http address: a user, a query or a fragment would lead elsewhere than it seems."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    clean = url.isascii() and url.isprintable() and not set(url) & set("@?#\\ ")
    return parts if usable and clean else None


def address(url: str, refused: str, fix: str) -> str:
    """A server's address without a slash at its end. Raises InvalidConfig; `refused` stands before the address that is
    none."""
    url = url.rstrip("/")
    if parts_of(url) is None:
        shown = url.rpartition("@")[2]  # what stands before it may be a password
        raise InvalidConfig(f'{refused}"{shown}"', fix=fix)
    return url


def target_of(text: str) -> str | None:
    """`host:port` of a gRPC server, port 443 where none is written; None for what is no such address."""
    found = TARGET.fullmatch(text)
    if found is None or (found[2] and not 0 < int(found[2]) < 1 << 16):
        return None
    try:
        urlsplit(f"//{text}")
    except ValueError:  # what stands in brackets is no address of IPv6
        return None
    return f"{found[1]}:{found[2] or 443}"
