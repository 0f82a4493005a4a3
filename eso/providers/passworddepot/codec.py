"""Databases, entries and their fields.

Neighbours: client.py makes the calls. Anything that is not of the form the server promises is malformed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.kit.http import object_of, text_in
from eso.providers.kit.search import DEEPEST

FIELDS: Final = (
    "name",
    "fingerprint",
    "itemclass",
    "login",
    "pass",
    "url",
    "importance",
    "comment",
    "expirydate",
    "tags",
    "author",
    "category",
    "icon",
    "secondeye",
    "secondpass",
    "template",
    "acm",
    "paramstr",
    "loginid",
    "passid",
    "donotaddon",
    "markassafe",
    "safemode",
)


@dataclass(frozen=True, slots=True)
class Named:
    """A database or an entry, as a list shows it."""

    name: str
    fingerprint: str


@dataclass(frozen=True, slots=True)
class Entry:
    """Every field of an entry; never prints."""

    fields: Mapping[str, bytes] = field(repr=False)

    def __len__(self) -> int:
        return sum(map(len, self.fields.values()))


def databases_of(body: bytes) -> list[Named]:
    return named_in(body, "databases")


def entries_of(body: bytes) -> list[Named]:
    return named_in(body, "entries")


def named_in(body: bytes, member: str) -> list[Named]:
    found = object_of(body).get(member)
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise Malformed(f"the server's reply has no list in {member}")
    return [Named(text_in(entry, "name"), fingerprint_in(entry)) for entry in found]


def fingerprint_in(entry: Mapping[str, Any]) -> str:
    """Raises Malformed for an empty one, which would mean the top of the database."""
    fingerprint = text_in(entry, "fingerprint")
    if not fingerprint:
        raise Malformed("the server's reply has no text in fingerprint")
    return fingerprint


def chosen(listed: Sequence[Named], wanted: str) -> str | None:
    """The fingerprint of what is called so; else of the first whose name contains it."""
    for entry in listed:
        if entry.name == wanted:
            return entry.fingerprint
    return next((entry.fingerprint for entry in listed if wanted in entry.name), None)


def steps_of(key: str) -> tuple[str, ...]:
    """The names on the way to an entry. Raises InvalidConfig for an empty one, which every name contains."""
    steps = tuple(key.split("."))
    if len(steps) > DEEPEST:
        raise InvalidConfig(f"remoteRef.key has more than {DEEPEST} names", fix="correct remoteRef.key")
    if not all(steps):
        raise InvalidConfig("remoteRef.key has an empty name", fix="write folder.entry, without a dot at an end")
    return steps


def entry_of(body: bytes) -> Entry:
    found = object_of(body)
    if not all(isinstance(found.get(name), str | None) for name in FIELDS):
        raise Malformed("the server's reply has an entry with a field that is no text")
    return Entry({name: (found.get(name) or "").encode() for name in FIELDS})


def value(entry: Entry, property: str) -> bytes:
    """Raises InvalidConfig for what is no field."""
    if property not in entry.fields:
        raise InvalidConfig("key not found in secret data", fix=f"write a field, such as {FIELDS[3]} or {FIELDS[4]}")
    return entry.fields[property]
