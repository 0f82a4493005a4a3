"""Decoding strategies for values, and the refusal of NUL bytes.

Neighbours: reconcile.externalsecret.assemble for fetched values, template.apply for rendered ones. No message holds a
value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from eso.errors import EsoError
from eso.gocompat import base64
from eso.gocompat.text import quote, shown
from eso.template import LIMITS, Limits
from eso.template.bounds import BoundsExceeded, Budget
from eso.template.world import WORLD

BYTES_PER_STEP: Final = 32


class DecodingError(EsoError):
    """The value is not of the form the strategy asks for, or there is no such strategy."""


def decode(value: bytes, strategy: str) -> bytes:
    """`""`, `None`: as it is; `Base64`, `Base64URL`; `Auto`: the first of these two that fits, else as it is. Raises
    DecodingError."""
    match strategy:
        case "" | "None":
            return value
        case "Base64" | "Base64URL":
            try:
                return base64.decode(value, url=strategy == "Base64URL")
            except base64.Base64Error as error:
                raise DecodingError(str(error), fix="set decodingStrategy: None, or Auto") from error
        case "Auto":
            return _auto(value)
        case _:
            raise DecodingError(
                f"decoding strategy {strategy} is not supported", fix="use None, Base64, Base64URL or Auto"
            )


def decode_value(value: bytes, strategy: str, limits: Limits = LIMITS) -> bytes:
    """`decode` for an entry of `data`. Raises DecodingError with the strategy's name in front."""
    pay(1, len(value), strategy, limits)
    try:
        return decode(value, strategy)
    except DecodingError as error:
        raise DecodingError(f"error applying decoding strategy {strategy} to data: {error}", fix=error.fix) from error


def decode_map(data: Mapping[str, bytes], strategy: str, limits: Limits = LIMITS) -> dict[str, bytes]:
    """`decode` of every value. Raises DecodingError that names the first key, in sorted order, that failed."""
    if strategy in ("", "None"):
        return dict(data)
    pay(len(data), sum(map(len, data.values())), strategy, limits)
    out = {}
    for key in sorted(data):
        try:
            out[key] = decode(data[key], strategy)
        except DecodingError as error:
            raise DecodingError(
                f"error applying decoding strategy {strategy} to data: failure decoding key {shown(key)}: {error}",
                fix=error.fix,
            ) from error
    return out


def pay(count: int, size: int, strategy: str, limits: Limits) -> None:
    """Spends what decoding `count` values of `size` bytes takes at worst, where the fault is their last byte. Raises
    DecodingError, caused by the bound."""
    if strategy in ("", "None"):
        return
    try:
        with Budget(limits, WORLD) as budget:
            budget.spend(count + size // BYTES_PER_STEP)
    except BoundsExceeded as error:
        text = f"decoding {size} bytes exceeds the limit of {error.limit} {error.unit}"
        raise DecodingError(text, fix="read fewer or smaller values") from error


def refuse_null_bytes(data: Mapping[str, bytes], policy: str) -> None:
    """Policy `Fail`: raises DecodingError for the first key, in sorted order, whose value holds a NUL byte."""
    if policy != "Fail":
        return
    for key in sorted(data):
        if 0 in data[key]:
            raise DecodingError(
                f"fetched secret value for key {quote(key)} contains null bytes; "
                "use a text-safe format such as PEM/base64 or leave nullBytePolicy unset for intentional binary data"
            )


def _auto(value: bytes) -> bytes:
    for url in (False, True):
        try:
            return base64.decode(value, url=url)
        except base64.Base64Error:
            continue
    return value
