"""Replies of GitHub about secrets, and the bodies that are sent.

Neighbours: client.py makes the calls, seal.py encrypts.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from eso.providers.contract import InvalidConfig, Malformed, Push, Source
from eso.providers.kit.http import object_of, text_in

SELECTED: Final = "selected"
KEY_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class Known:
    """What GitHub tells of a secret. `updated`: when it was written last."""

    name: str
    updated: str
    visibility: str = ""


@dataclass(frozen=True, slots=True)
class PublicKey:
    id: str
    key: bytes


def known_of(body: bytes) -> Known:
    found = object_of(body)
    visibility = found.get("visibility")
    return Known(
        text_in(found, "name"), text_in(found, "updated_at"), visibility if isinstance(visibility, str) else ""
    )


def public_key_of(body: bytes) -> PublicKey:
    found = object_of(body)
    id, text = text_in(found, "key_id"), text_in(found, "key")
    try:
        key = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("unable to decode public key: it is no base64") from None
    if len(key) != KEY_BYTES:
        raise Malformed(f"unable to decode public key: it has {len(key)} bytes instead of {KEY_BYTES}")
    return PublicKey(id, key)


def repository_of(body: bytes) -> int:
    return number_in(object_of(body))


def repositories_of(body: bytes) -> tuple[list[int], int]:
    """The ids on one page, and how many there are in all."""
    found = object_of(body)
    entries, total = found.get("repositories"), found.get("total_count")
    if not isinstance(entries, list) or isinstance(total, bool) or not isinstance(total, int):
        raise Malformed("the server's reply is not of the form it promises")
    return [number_in(entry) for entry in entries], total


def number_in(entry: Any) -> int:
    found = entry.get("id") if isinstance(entry, dict) else None
    if isinstance(found, bool) or not isinstance(found, int):
        raise Malformed("the server's reply has no number in id")
    return found


def pushed(entry: Push, source: Source) -> bytes:
    """The value of one key, or all of them as a JSON object of base64."""
    if not entry.secret_key:
        return orjson.dumps(
            {key: base64.b64encode(value).decode() for key, value in source.data.items()}, option=orjson.OPT_SORT_KEYS
        )
    if entry.secret_key not in source.data:
        raise InvalidConfig(f"key {entry.secret_key} not found in secret")
    return source.data[entry.secret_key]


def written(sealed: bytes, key: PublicKey, visibility: str, repositories: Sequence[int] | None) -> dict[str, Any]:
    body: dict[str, Any] = {"encrypted_value": base64.b64encode(sealed).decode(), "key_id": key.id}
    if visibility:
        body["visibility"] = visibility
    if repositories is not None:
        body["selected_repository_ids"] = list(repositories)
    return body
