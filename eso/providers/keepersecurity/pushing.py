"""What a push makes of a record.

Neighbours: client.py finds the record and sends it. A push names a record and one key of it: `Title/Key`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.providers.contract import InvalidConfig
from eso.providers.keepersecurity.codec import Record, decoded

TYPE: Final = "externalSecrets"  # of records that a push makes; no other one is written or deleted
STANDARD: Final = (("login", ("login", "username")), ("password", ("password",)), ("url", ("url", "baseurl")))


@dataclass(frozen=True, slots=True)
class Named:
    title: str
    key: str

    @property
    def standard(self) -> str:
        """The type of the field that the key stands for; "" for a custom field. Part of the key is enough."""
        key = self.key.lower()
        return next((type for type, words in STANDARD if any(word in key for word in words)), "")


def named(remote_key: str) -> Named:
    """Raises InvalidConfig."""
    title, slash, key = remote_key.partition("/")
    if not slash or not title or not key or "/" in key:
        raise InvalidConfig(
            f"match.remoteRef.remoteKey. Invalid format. Format should match secretName/key got {remote_key}",
            fix="write remoteKey as Title/Key",
        )
    return Named(title, key)


def made(name: Named, value: str) -> bytes:
    """A new record with one value."""
    fields: list[dict[str, object]] = []
    custom: list[dict[str, object]] = []
    if name.standard:
        fields.append({"type": name.standard, "value": [value]})
    else:
        custom.append({"type": "secret", "label": name.key, "value": [value]})
    return written({"title": name.title, "type": TYPE, "fields": fields, "custom": custom})


def holds(record: Record, name: Named) -> bool:
    """Whether the record has a value of this key."""
    if name.standard:
        return any(one.type == name.standard and one.value for one in record.fields or ())
    return any(one.label == name.key and one.value for one in record.custom or ())


def changed(record: Record, name: Named, value: str) -> bytes | None:
    """The record with the value; None where it has it already. A field that Keeper defines is added where there is
    none; a custom one has to be there. Raises EsoError."""
    data = decoded(record.document, keep_numbers=True)
    member, kind, wanted = (b"fields", b"type", name.standard) if name.standard else (b"custom", b"label", name.key)
    listed = data.get(member) or []
    assert isinstance(listed, list)  # the record was decoded before
    held = [one for one in listed if isinstance(one, dict) and one.get(kind) == wanted.encode()]
    fresh: list[jsonenc.Value] = [value.encode()]
    if name.standard and not held:
        data[member] = [*listed, {b"type": wanted.encode(), b"value": fresh}]
        return written(data)
    if not name.standard and not (held and held[0].get(b"value")):
        raise EsoError(
            f"secret {name.title} does not contain any custom field with label {name.key}",
            fix="add the field to the record, or push to a record of its own",
        )
    if held[0].get(b"value") == fresh:
        return None
    held[0][b"value"] = fresh
    return written(data)


def written(data: object) -> bytes:
    return jsonenc.encode(bytewise(data), escape_html=False)


def bytewise(data: object) -> object:
    """Texts as the encoder takes them."""
    match data:
        case jsonenc.Number() | bytes():
            return data
        case str():
            return data.encode()
        case list():
            return [bytewise(one) for one in data]
        case dict():
            return {name.encode() if isinstance(name, str) else name: bytewise(one) for name, one in data.items()}
    return data
