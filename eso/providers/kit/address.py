"""The address of a server as the author of a store writes it.

Neighbours: every provider's spec.py whose block has one.
"""

from __future__ import annotations

from urllib.parse import SplitResult, urlsplit


def parts_of(url: str) -> SplitResult | None:
    """None for what is no plain http address: a user, a query or a fragment would lead elsewhere than it seems."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return None
    clean = url.isascii() and url.isprintable() and not set(url) & set("@?#\\ ")
    return parts if usable and clean else None
