"""Variables of Conjur as bytes, and the token of a login.

Neighbours: client.py makes the calls, connect.py logs in. Anything that is not of the form the server promises is
malformed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from eso.errors import EsoError
from eso.providers.contract import Malformed, prefixed
from eso.providers.kit.http import Reply, json_of, list_of, object_of, text_in
from eso.providers.kit.property import as_given
from eso.providers.kit.search import tagged
from eso.values.jsonmap import NotAMap, to_map

KIND: Final = "variable"
FORM: Final = "the server's reply is not of the form it promises"
SECONDS: Final = 300.0  # after which a token without an end is not used any more
SHARE: Final = 0.85  # of its life in which a token is used
PARTS: Final = frozenset({"protected", "payload", "signature"})


@dataclass(frozen=True, slots=True)
class Variable:
    """Never prints its value."""

    data: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Token:
    header: str = field(repr=False)
    lifetime: float


def token_of(body: bytes) -> Token:
    """The token as a header carries it. Its own words say how long it lives."""
    found = object_of(body)
    if not set(found) >= PARTS:
        raise Malformed("the server's reply is no access token")
    text = text_in(found, "payload")
    try:
        payload = json_of(base64.urlsafe_b64decode(text.replace("+", "-").replace("/", "_") + "=" * (-len(text) % 4)))
    except (binascii.Error, ValueError):
        raise Malformed("the server's access token cannot be read") from None
    issued, ends = (payload.get("iat"), payload.get("exp")) if isinstance(payload, dict) else (None, None)
    lifetime = SECONDS
    if isinstance(issued, int) and isinstance(ends, int) and 0 < ends - issued < 1 << 40:
        lifetime = (ends - issued) * SHARE
    return Token(f'Token token="{base64.b64encode(body).decode()}"', lifetime)


def identifier(account: str, key: str) -> str:
    """The id of a variable without its account and kind; a key of other ones is an id of its own."""
    match key.split(":", 2):
        case [owner, kind, rest] if owner == account and kind == KIND:
            return rest
        case [kind, rest] if kind == KIND:
            return rest
    return key


def full_id(account: str, name: str) -> str:
    return f"{account}:{KIND}:{name}"


def resources_of(body: bytes) -> list[tuple[str, dict[str, str] | None]]:
    """Full id and annotations of each variable; None where it has none."""
    found: list[tuple[str, dict[str, str] | None]] = []
    for entry in list_of(body):
        if not isinstance(entry, dict):
            raise Malformed(FORM)
        listed = entry.get("annotations")
        if listed is not None and not isinstance(listed, list):
            raise Malformed(FORM)
        found.append((text_in(entry, "id"), {name: held for name, held in map(annotation, listed)} if listed else None))
    return found


def annotation(entry: Any) -> tuple[str, str]:
    if not isinstance(entry, dict):
        raise Malformed(FORM)
    return text_in(entry, "name"), text_in(entry, "value")


def variable_of(reply: Reply) -> Variable:
    """The whole reply is the value. A page for people is none: something before the server answers so."""
    if reply.headers.get("Content-Type", "").lower().startswith("text/html"):
        raise Malformed("the server answers with a page instead of a value", fix="is url that of the server itself?")
    return Variable(reply.body)


def values_of(reply: Reply) -> dict[str, bytes]:
    """Full id → value. A server that can encodes values that are no text."""
    encoded = reply.headers.get("Content-Encoding", "").strip().lower() == "base64"
    found: dict[str, bytes] = {}
    for id, held in object_of(reply.body).items():
        if not isinstance(held, str):
            raise Malformed("the server's reply has a value that is no text")
        try:
            found[id] = base64.b64decode(held, validate=True) if encoded else held.encode("utf-8", "surrogatepass")
        except (binascii.Error, ValueError):
            raise Malformed("the server's reply has a value that is no base64") from None
    return found


def having(
    resources: Sequence[tuple[str, dict[str, str] | None]], wanted: Sequence[tuple[str, str]] | None
) -> list[str]:
    """The full ids of the variables that have the annotations."""
    return [id for id, tags in resources if tags is not None and tagged(wanted, tags)]


def value(variable: Variable, path: str) -> bytes:
    if not path:
        return variable.data
    found = as_given(variable.data, path)
    if found is None:
        raise EsoError(f'cannot find secret data for key: "{path}"', fix="is the value JSON with this member?")
    return found


def mapping(document: bytes, key: str) -> dict[str, bytes]:
    """The members of the JSON object that the value is; each is a text. Raises Malformed."""
    failed = f"unable to unmarshal secret {key}: "
    try:
        return to_map(document, "string")
    except NotAMap as error:
        raise Malformed(f"{failed}{error}", fix="is the value a JSON object of texts?") from error
    except EsoError as error:
        raise prefixed(failed, error) from error


def named(values: Mapping[str, bytes], account: str) -> dict[str, bytes]:
    start = full_id(account, "")
    return {id.removeprefix(start): held for id, held in values.items()}
