"""Replies of Doppler as bytes, and the bodies that are sent.

Neighbours: client.py makes the calls. A download is an object of texts; anything else is malformed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from eso.errors import EsoError
from eso.providers.contract import Malformed, prefixed
from eso.providers.kit.http import object_of
from eso.values.jsonmap import NotAMap, to_map

FILE: Final = "DOPPLER_SECRETS_FILE"


@dataclass(frozen=True, slots=True)
class Secret:
    """One computed value. Never prints it."""

    name: str
    data: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.data)


def secrets_of(body: bytes) -> dict[str, bytes]:
    """Name → value of a download; null is empty. Raises Malformed."""
    values: dict[str, bytes] = {}
    for name, value in object_of(body).items():
        if value is not None and not isinstance(value, str):
            raise Malformed("the server's reply has a secret that is no text")
        values[name] = (value or "").encode()
    return values


def mapping(secret: Secret) -> dict[str, bytes]:
    """The members of the JSON object that the value is. Raises Malformed."""
    failed = f"unable to unmarshal secret {secret.name}: "
    try:
        return to_map(secret.data)
    except NotAMap as error:
        raise Malformed(f"{failed}{error}", fix="is the value a JSON object?") from error
    except EsoError as error:
        raise prefixed(failed, error) from error


def updated(name: str, value: str, scope: Mapping[str, str]) -> dict[str, Any]:
    return {"secrets": {name: value}, **scope}


def deleted(name: str, scope: Mapping[str, str]) -> dict[str, Any]:
    return {"change_requests": [{"name": name, "originalName": name, "value": None, "shouldDelete": True}], **scope}
