"""Keys, replies and values of Password Safe.

Neighbours: client.py makes the calls, pushing.py has the bodies of pushes. What stands in a reply becomes a part of a
path only where it looks like an id.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.kit.http import NothingThere, json_of, object_of, text_in

INVALID: Final = "invalid retrieval path. Provide one path, separator and name"
UUID: Final = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)
NUMBER: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
LONGEST: Final = {"path": 1792, "title": 256, "system": 128, "account": 245}
DEEPEST: Final = 7
FILE: Final = "FILE"


@dataclass(frozen=True, slots=True)
class InSafe:
    """A secret of Secrets Safe."""

    path: str
    title: str


@dataclass(frozen=True, slots=True)
class Managed:
    """A managed account."""

    system: str
    account: str


Place = InSafe | Managed


@dataclass(frozen=True, slots=True)
class Value:
    """One value; never prints."""

    data: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Listed:
    """A secret as a list shows it; never prints its value. `password` None: the list has none."""

    id: str
    title: str
    kind: str
    folder: str
    password: str | None = field(repr=False)


def place_of(key: str, separator: str, *, safe: bool) -> Place:
    """Raises InvalidConfig."""
    names = [name.strip() for name in key.split(separator)]
    if not all(names):
        raise InvalidConfig(INVALID, fix=f"write folder{separator}title, or system{separator}account")
    *folders, last = names
    if not safe:
        if len(names) != 2 or len(names[0]) > LONGEST["system"] or len(last) > LONGEST["account"]:
            raise InvalidConfig(INVALID, fix=f"write system{separator}account")
        return Managed(names[0], last)
    path = separator.join(folders) or last
    if len(folders) > DEEPEST or len(path) > LONGEST["path"] or len(last) > LONGEST["title"]:
        raise InvalidConfig(INVALID, fix=f"write folder{separator}title")
    return InSafe(path, last)


def entries_of(body: bytes) -> list[dict[str, Any]]:
    """The entries of a list, which newer servers put in Data."""
    found = json_of(body)
    if isinstance(found, dict):
        found = found.get("Data")
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise Malformed("the server's reply has no list of objects")
    return found


def secrets_of(body: bytes) -> list[Listed]:
    return [listed_in(entry) for entry in entries_of(body)]


def listed_in(entry: dict[str, Any]) -> Listed:
    password, kind, folder = entry.get("Password"), entry.get("SecretType"), entry.get("FolderId")
    if password is not None and not isinstance(password, str):
        raise Malformed("the server's reply has a Password that is no text")
    return Listed(
        uuid_in(entry),
        text_in(entry, "Title"),
        kind.upper() if isinstance(kind, str) else "",
        folder.lower() if isinstance(folder, str) else "",
        password,
    )


def uuid_in(entry: dict[str, Any]) -> str:
    id = text_in(entry, "Id")
    if not UUID.fullmatch(id):
        raise Malformed("the server's reply has no UUID in Id")
    return id


def first_of(body: bytes) -> Listed:
    """Raises NothingThere for an empty list, which the server also has for what may not be seen."""
    found = secrets_of(body)
    if not found:
        raise NothingThere("error - status code: 404", fix="create the secret, or let the user read its folder")
    return found[0]


def password_of(secret: Listed) -> Value:
    if secret.password is None:
        raise Malformed("the server's reply has no text in Password")
    return Value(secret.password.encode("utf-8", "surrogatepass"))


def folder_in(body: bytes, name: str) -> str:
    """The id of the first folder of this name. Raises InvalidConfig."""
    for entry in entries_of(body):
        if entry.get("Name") == name:
            return uuid_in(entry)
    raise InvalidConfig(f"folder {name} was not found", fix="create it, or correct folder_name in the metadata")


def account_of(body: bytes) -> tuple[int, int]:
    """Ids of the system and the account."""
    found = object_of(body)
    ids = found.get("SystemId"), found.get("AccountId")
    for id in ids:
        if isinstance(id, bool) or not isinstance(id, int):
            raise Malformed("the server's reply has no number in SystemId or AccountId")
    return ids  # type: ignore[return-value]  # two numbers, see above


def request_of(body: bytes) -> str:
    """The id of a request: a number, written as such or as text."""
    found = json_of(body)
    text = str(found) if isinstance(found, int) and not isinstance(found, bool) else found
    if not isinstance(text, str) or not NUMBER.fullmatch(text):
        raise Malformed("the server's reply is no id of a request")
    return text


def credential_of(body: bytes) -> Value:
    found = json_of(body)
    if not isinstance(found, str):
        raise Malformed("the server's reply is no text")
    return Value(found.encode("utf-8", "surrogatepass"))
