"""The address of a server as the author of a store writes it.

Neighbours: every provider's spec.py whose block has one.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit

from eso.providers.contract import InvalidConfig


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
