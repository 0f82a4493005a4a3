"""A reply's JSON → values, numbers kept as the server wrote them.

Neighbours: client.py and openbao.py hand in reply bodies; `values.jsonmap` has the rules that all providers share.
Parse errors are replaced, because a parser quotes the text that it failed on, and that text is a secret.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import orjson

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.providers.contract import Malformed
from eso.providers.kit import property as look_up
from eso.providers.kit.http import LARGE
from eso.values import jsonmap

Object = dict[bytes, Any]


@dataclass(frozen=True, slots=True, repr=False)
class Payload:
    """What one path holds: the object, and its JSON text as the reference encodes it. `text` is empty for metadata that
    says nothing."""

    data: Object
    text: bytes

    def __len__(self) -> int:
        """Bytes: how much work it is to take something out of it."""
        return len(self.text)

    def value(self, property: str) -> bytes:
        """The whole object, or one member of it: an exact name beats a path. Raises EsoError when it is not there."""
        if not property or not self.text:
            return self.text
        found = look_up.exact_first(self.data, self.text, property)
        if found is None:
            raise EsoError(f'cannot find secret data for key: "{property}"', fix="the secret has no such property")
        return found

    def has(self, property: str) -> bool:
        """Whether there is such a member, or something at such a path."""
        return look_up.exact_first(self.data, self.text, property) is not None

    def member(self, name: str) -> bytes:
        """The whole object, or the member with exactly this name."""
        if not name:
            return self.text
        found = look_up.exact(self.data, name)
        if found is None:
            raise EsoError(f'cannot find secret data for key: "{name}"', fix="the secret has no such property")
        return found


def parse(body: bytes) -> Any:
    """Raises Malformed, without the text it could not read."""
    try:
        return jsonenc.decode(body, keep_numbers=True)
    except jsonenc.JsonError:
        raise Malformed(
            "the server's reply is not JSON",
            fix="is the address really that of the server, and not of something before it?",
        ) from None


def member(body: bytes, name: str) -> Any:
    found = parse(body)
    return found.get(name.encode()) if isinstance(found, dict) else None


def has_data(body: bytes) -> bool:
    """Whether a 404 is an answer (it says `data` or `warnings`) or the server's own "nothing here". Raises Malformed
    when something else answered."""
    found = parse(body) if len(body) <= LARGE else None  # a longer one is an error page
    if not isinstance(found, dict) or not found.keys() & {b"data", b"warnings", b"errors"}:
        raise Malformed(
            "a 404 that is not the server's own",
            fix="is the address really that of the server, and not of something before it?",
        )
    return found.get(b"data") is not None or found.get(b"warnings") is not None


def payload(body: bytes, *, v2: bool) -> Payload | None:
    """None for a deleted or destroyed version. Raises Malformed for what is no secret of this engine version."""
    data = member(body, "data")
    if v2:
        if not isinstance(data, dict) or b"data" not in data:
            raise Malformed("failed to find data field", fix="is the mount of KV version 2?")
        data = data[b"data"]
        if data is None:
            return None
    if not isinstance(data, dict):
        raise Malformed("failed to unmarshall JSON", fix="is the mount of the KV version that the store says?")
    return Payload(data, jsonenc.encode(data))


def payload_or_null(body: bytes, *, v2: bool) -> Payload:
    """As `payload`, but a deleted version is the JSON value null with no members."""
    found = payload(body, v2=v2)
    return found if found is not None else Payload({}, b"null")


def metadata_payload(body: bytes) -> Payload:
    """System members as text, overlaid with the custom ones."""
    found = member(body, "data")
    if not isinstance(found, dict):
        raise Malformed("failed to unmarshall JSON")
    metadata: Object = {}
    for name in (b"created_time", b"current_version", b"delete_version_after"):
        if found.get(name) is not None:
            metadata[name] = jsonmap.typed_value(found[name])
    custom = found.get(b"custom_metadata")
    metadata |= custom if isinstance(custom, dict) else {}
    return Payload(metadata, jsonenc.encode(metadata) if metadata else b"")


def metadata_digest(body: bytes) -> str:
    """Another one whenever anything in the metadata is: a version, its deletion, a custom member."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    data = found.get("data") if isinstance(found, dict) else None
    if not isinstance(data, dict):
        raise Malformed("failed to unmarshall JSON")
    try:
        return hashlib.blake2b(orjson.dumps(data, option=orjson.OPT_SORT_KEYS), digest_size=12).hexdigest()
    except orjson.JSONEncodeError:
        raise Malformed("the metadata is nested too deeply") from None


def names(body: bytes) -> list[str]:
    """Raises Malformed for what is no list: nothing must not be found by mistake."""
    found = parse(body)
    if not isinstance(found, dict) or b"data" not in found:
        raise Malformed("the server's reply is no list", fix="is the address really that of the server?")
    data = found[b"data"]
    keys = data.get(b"keys") if isinstance(data, dict) else None
    if keys is None:
        return []
    if not isinstance(keys, list) or not all(isinstance(key, bytes) for key in keys):
        raise Malformed("the server's list holds something else than names")
    return [key.decode("utf-8", "replace") for key in keys]


def mapping(text: bytes) -> dict[str, bytes]:
    """The members of a JSON object, each as a value. Raises NotAMap for anything else."""
    return jsonmap.to_map(text, "typed")


def check_token(token: Any) -> None:
    """Raises Malformed for a lookup that misses what every token has."""
    found = token if isinstance(token, dict) else {}
    if found.get(b"type") is None:
        raise Malformed("could not assert token type")
    if found.get(b"ttl") is None:
        raise Malformed("no TTL found in response")
    if b"expire_time" not in found:
        raise Malformed("no expiration time found in response")
