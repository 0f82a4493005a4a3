"""References and replies of Devolutions Server, and credentials as values.

Neighbours: client.py makes the calls. Names of members are compared without case, as the vendor's clients do; anything
that is not of the form the server promises is malformed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.kit.http import json_of, lowered, object_of, text_in
from eso.providers.kit.uuids import canonical

CREDENTIAL: Final = "Credential"
PASSWORD: Final = "password"
ID, NAME = "entry-id", "entry-name"
KINDS: Final[Mapping[str, Mapping[str, str]]] = {  # member of the data, without case → name of the value
    "Default": {"username": "username", "password": "password", "domain": "domain"},
    "AccessCode": {"password": "password"},
    "ApiKey": {"apiid": "api-id", "apikey": "api-key", "tenantid": "tenant-id"},
    "AzureServicePrincipal": {"clientid": "client-id", "clientsecret": "client-secret", "tenantid": "tenant-id"},
    "ConnectionString": {"connectionstring": "connection-string"},
    "PrivateKey": {
        "privatekeyoverrideusername": "username",
        "privatekeyoverridepassword": "password",
        "privatekeydata": "private-key",
        "publickeydata": "public-key",
        "privatekeypassphrase": "passphrase",
    },
}
PUSHED: Final = ("Default", "AccessCode")  # what a password can be set in
KEPT: Final = ("name", "description", "path", "tags")  # beside the data, what an update writes again
SHOWN: Final = re.compile(r"\w{1,64}", re.ASCII)


@dataclass(frozen=True, slots=True)
class ById:
    vault: str
    id: str


@dataclass(frozen=True, slots=True)
class ByName:
    """`path`: folders with backslashes between them, "" for any."""

    vault: str
    name: str
    path: str


Place = ById | ByName


@dataclass(frozen=True, slots=True)
class Listed:
    """An entry as a list shows it."""

    id: str
    name: str
    path: str
    kind: str

    def within(self, path: str) -> bool:
        return not path or self.path == path or self.path.startswith(f"{path}\\")

    def almost_within(self, path: str) -> bool:
        """Whether only letters, or empty names of folders, keep it out of `path`."""
        wanted = loose(path)
        return loose(self.path)[: len(wanted)] == wanted


@dataclass(frozen=True, slots=True)
class Entry:
    """A credential; never prints its values. `raw`: as the server sent it, for an update."""

    id: str
    name: str
    kind: str
    data: Mapping[str, str] = field(repr=False)
    raw: Mapping[str, Any] = field(repr=False)

    def __len__(self) -> int:
        return sum(map(len, self.data.values()))


@dataclass(frozen=True, slots=True)
class Page:
    """`number`: which page the server says that it is. `last`: there is no page after it."""

    entries: Sequence[dict[str, Any]]
    number: int
    last: bool


def loose(path: str) -> list[str]:
    return [folder for folder in path.casefold().split("\\") if folder]


def place_of(key: str, vault: str) -> Place:
    """`vault`: the store's; without one the key begins with the id of its own. Raises InvalidConfig."""
    if not vault:
        first, slash, second = key.partition("/")
        found = canonical(first.strip()), canonical(second.strip())
        if not slash or found[0] is None or found[1] is None:
            raise InvalidConfig(
                "invalid key: a store without a vault needs <vault-id>/<entry-id>", fix="set vault, or write both ids"
            )
        return ById(found[0], found[1])
    id = canonical(key.strip())
    if id is not None:
        return ById(vault, id)
    path, _, name = key.strip().replace("/", "\\").rpartition("\\")
    if not name:
        raise InvalidConfig("invalid key: the name of the entry is empty", fix="write folder/name, or the entry's id")
    return ByName(vault, name, path)


def token_of(body: bytes) -> str:
    return text_in(folded(object_of(body)), "tokenid")


def logged_in(body: bytes) -> bool:
    found = json_of(body)
    if not isinstance(found, bool):
        raise Malformed("the server's reply does not say whether the login counts")
    return found


def page_of(body: bytes) -> Page:
    found = folded(object_of(body))
    entries, current, total = found.get("data"), found.get("currentpage"), found.get("totalpage")
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Malformed("the server's reply has no list in data")
    if not isinstance(current, int) or not isinstance(total, int):
        raise Malformed("the server's reply does not number its pages")
    return Page([folded(entry) for entry in entries], current, current >= total)


def vault_in(entry: Mapping[str, Any]) -> tuple[str, str]:
    """Name and id."""
    return text_in(entry, "name"), id_in(entry)


def listed_in(entry: Mapping[str, Any]) -> Listed:
    path = entry.get("path") or ""
    if not isinstance(path, str):
        raise Malformed("the server's reply has no text in path")
    return Listed(id_in(entry), text_in(entry, "name"), path, text_in(entry, "type"))


def id_in(found: Mapping[str, Any]) -> str:
    """An id becomes a part of the next path: only one that is one is used."""
    id = canonical(text_in(found, "id"))
    if id is None:
        raise Malformed("the server's reply has no UUID in id")
    return id


def entry_of(body: bytes) -> Entry:
    """Raises InvalidConfig for an entry that is no credential, or of a kind that nobody knows."""
    raw = object_of(body)
    found = folded(raw)
    kind = text_in(found, "subtype")
    if text_in(found, "type") != CREDENTIAL or kind not in KINDS:
        raise InvalidConfig(f"unsupported entry type or credential subtype{shown(kind)}", fix="see the page of dvls")
    data = folded(found.get("data") or {})
    texts = {name: data[name] for name in KINDS[kind] if data.get(name) is not None}
    if not all(isinstance(text, str) for text in texts.values()):
        raise Malformed("the server's reply has an entry with a value that is no text")
    return Entry(id_in(found), text_in(found, "name"), kind, texts, raw)


def values(entry: Entry) -> dict[str, bytes]:
    """What is empty is left out."""
    found = {KINDS[entry.kind][name]: text.encode() for name, text in entry.data.items() if text}
    return found | {ID: entry.id.encode(), NAME: entry.name.encode()}


def value(entry: Entry, property: str) -> bytes:
    found = values(entry)
    name = property or PASSWORD
    if name not in found:
        raise InvalidConfig(f'property "{name}" not found in entry', fix="write one of the names of its kind")
    return found[name]


def changed(entry: Entry, password: str) -> dict[str, Any]:
    """The body of an update: all of it as it was, with another password. Raises InvalidConfig."""
    if entry.kind not in PUSHED:
        raise InvalidConfig(
            f"cannot set secret for credential subtype ({entry.kind})", fix="push to an entry of the kind Default"
        )
    found = folded(entry.raw)
    raw = next((value for name, value in entry.raw.items() if name.lower() == "data"), None) or {}
    data = {name: value for name, value in raw.items() if name.lower() != PASSWORD} | {PASSWORD: password}
    return {name: found[name] for name in KEPT if found.get(name) is not None} | {"data": data}


def folded(found: Any) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise Malformed("the server's reply is not of the form it promises")
    return lowered(found)


def shown(kind: str) -> str:
    return f" ({kind})" if SHOWN.fullmatch(kind) else ""


def picked(listed: Sequence[Listed], wanted: ByName) -> str | None:
    """The id of the one entry with the name, None where the list is empty. Raises InvalidConfig for several, and
    Malformed for a list of others, which proves no absence."""
    found = [entry for entry in listed if entry.name.casefold() == wanted.name.casefold()]
    found = [entry for entry in found if entry.name == wanted.name] or found
    if len(found) > 1:
        told = ", ".join(entry.id for entry in found[:5])
        raise InvalidConfig(
            f"multiple entries found: {len(found)} entries have this name ({told})", fix="write the id of the entry"
        )
    if listed and not found:
        raise Malformed("the server lists other entries than the one that it was asked for")
    return found[0].id if found else None


def refuse_almost(listed: Sequence[Listed], wanted: ByName) -> None:
    """Raises InvalidConfig where the entry is in a folder that the key writes differently: it is not absent."""
    names = [entry for entry in listed if entry.kind == CREDENTIAL and entry.name.casefold() == wanted.name.casefold()]
    if any(entry.almost_within(wanted.path) for entry in names):
        raise InvalidConfig(
            "the folder of the entry is written in other letters", fix="write the folder as the server shows it"
        )
