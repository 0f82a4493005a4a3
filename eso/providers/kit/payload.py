"""What a push writes: one value of the source, or all of them as one JSON object.

Neighbours: a client's `push`. Every provider has its own words for a key that the source does not have.
"""

from __future__ import annotations

from eso.gocompat import jsonenc
from eso.providers.contract import InvalidConfig, Push, Source


def pushed(entry: Push, source: Source, missing: str = "", *, escape_html: bool = False) -> bytes:
    """The value of `entry.secret_key`, or the whole source without one. `missing`: the text for a key that is not
    there. Raises InvalidConfig."""
    if not entry.secret_key:
        return whole(source, escape_html=escape_html)
    if entry.secret_key not in source.data:
        raise InvalidConfig(missing or f'secret key "{entry.secret_key}" not found in the source secret')
    return source.data[entry.secret_key]


def text_of(value: bytes, holder: str) -> str:
    """The value for a backend that keeps texts only. `holder`: what keeps it. Raises InvalidConfig."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidConfig(f"the value is no UTF-8 text: {holder} texts only", fix="encode it first") from None


def whole(source: Source, *, escape_html: bool = False) -> bytes:
    """Every data key with its value as text, sorted; bytes that are no UTF-8 become replacement characters."""
    return jsonenc.encode({key.encode(): value for key, value in source.data.items()}, escape_html=escape_html)
