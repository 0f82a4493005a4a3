"""Headers that the author of a store may set on calls of the operator.

Neighbours: specs whose block has `headers` check them here. Names that decide where a message ends or who gets it
belong to the connection: a store that sets them could smuggle a second request past a proxy, or reach another virtual
host.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from eso.providers.contract import InvalidConfig

TOKEN: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
CONNECTION: Final = frozenset(
    {
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "http2-settings",
        "keep-alive",
        "proxy",  # programs behind CGI take it for the address of their proxy
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "via",
    }
)


def from_store(headers: Any) -> dict[str, str]:
    """Name → value as they may be sent. Raises InvalidConfig, which names the header and never shows its value."""
    found = headers if isinstance(headers, Mapping) else {}
    checked: dict[str, str] = {}
    for name, value in found.items():
        name, text = str(name), str(value)
        if not TOKEN.fullmatch(name):
            raise InvalidConfig(f"cannot send the header {name!r}: it is no header name", fix="correct the name")
        plain = name.lower().replace("_", "-")  # servers behind gateways read both alike
        if plain in CONNECTION or plain.startswith("proxy-"):
            raise InvalidConfig(
                f"a store may not set the header {name}: it belongs to the connection", fix="leave the header out"
            )
        if any(ord(sign) < 0x20 and sign != "\t" for sign in text) or "\x7f" in text:
            raise InvalidConfig(f"cannot send the header {name}: its value holds a control character")
        checked[name] = text
    return checked
