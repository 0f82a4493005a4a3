"""What a push writes: its metadata, checked, and the bodies that Secrets Safe takes.

Neighbours: client.py sends them. The metadata is the raw object of the PushSecret's entry, without an envelope.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from eso.gocompat.text import quote
from eso.providers.beyondtrust.codec import FILE, UUID
from eso.providers.beyondtrust.session import User
from eso.providers.contract import InvalidConfig
from eso.providers.kit.address import parts_of
from eso.providers.kit.payload import text_of

CREDENTIAL, TEXT = "CREDENTIAL", "TEXT"
PATHS: Final = {CREDENTIAL: "", TEXT: "/text", FILE: "/file"}
NOBODY: Final = "00000000-0000-0000-0000-000000000000"
TEXTS: Final = ("title", "description", "notes", "username", "folder_name", "file_name", "secret_type", "owner_type")
NUMBERS: Final = ("owner_id", "group_id")
LISTS: Final = ("urls", "owners")
LONGEST: Final = {"title": 256, "description": 256, "notes": 4000, "file_name": 256}
LONGEST_VALUE: Final = {CREDENTIAL: 256, TEXT: 4096, FILE: 5_000_000}
LONGEST_URL: Final = 2048
OLD, NEW = "3.0", ("3.1", "3.2")
OWNERS: Final = ("User", "Group")
PLAIN: Final = re.compile(r'[^"\r\n\\]*')

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A secret that is to be there. Never prints its value."""

    kind: str
    title: str
    folder: str
    given: Json = field(repr=False)
    value: bytes = field(repr=False)


def wanted(metadata: Json | None, value: bytes) -> Wanted:
    """Raises InvalidConfig with the fault of the metadata, or of the value, which is never shown."""
    given = members(metadata or {})
    kind = str(given.get("secret_type") or CREDENTIAL).upper()
    if kind not in PATHS:
        raise InvalidConfig("Unknown secret type", fix="write CREDENTIAL, TEXT or FILE in secret_type")
    for name, most in LONGEST.items():
        if len(given.get(name) or "") > most:
            raise InvalidConfig(f"{name} is longer than {most} characters")
    needed = ["title", "folder_name"] + (["username"] if kind == CREDENTIAL else [])
    needed += ["file_name"] if kind == FILE else []
    for name in needed:
        if not str(given.get(name) or "").strip():
            raise InvalidConfig(f"{name} is required", fix=f"set {name} in the metadata of the PushSecret")
    if kind != FILE:
        text_of(value, "Secrets Safe holds")
    if not value:
        raise InvalidConfig("the value is empty", fix="fill the Secret")
    if len(value) > LONGEST_VALUE[kind]:
        raise InvalidConfig(f"the value is longer than the {LONGEST_VALUE[kind]} of a {kind}")
    return Wanted(kind, str(given["title"]), str(given["folder_name"]).strip(), given, value)


def title_of(metadata: Json | None, key: str) -> str:
    """The title that a push writes; the remote key where its metadata has none."""
    found = (metadata or {}).get("title")
    return found if isinstance(found, str) and found else key


def members(metadata: Json) -> Json:
    """The members that count, of the types that they have. Raises InvalidConfig."""
    given = {name: value for name, value in metadata.items() if value is not None}
    for names, kind, called in ((TEXTS, str, "text"), (NUMBERS, int, "number"), (LISTS, list, "list")):
        for name in names:
            if name in given and (not isinstance(given[name], kind) or isinstance(given[name], bool)):
                raise InvalidConfig(f"{name} in the metadata is no {called}")
    return given


def body_of(wanted: Wanted, user: User, version: str) -> dict[str, Any]:
    """The JSON of a secret; empty members are left out. Raises InvalidConfig."""
    given = wanted.given
    body = {
        "Title": given.get("title"),
        "Description": given.get("description"),
        "Notes": given.get("notes"),
        "Urls": [url_of(one) for one in given.get("urls") or ()],
    }
    match wanted.kind:
        case "CREDENTIAL":
            body |= {"Username": given.get("username"), "Password": wanted.value.decode()}
        case "TEXT":
            body |= {"Text": wanted.value.decode(), "FolderId": NOBODY}
        case _:
            body |= {"FileName": given.get("file_name"), "FileContent": readable(wanted.value)}
    return filled(body | owners_of(given, user, version))


def owners_of(given: Json, user: User, version: str) -> dict[str, Any]:
    """Who is signed in, and the owners of the metadata. Raises InvalidConfig."""
    others = [one for one in given.get("owners") or () if isinstance(one, dict)]
    if version == OLD:
        kind = given.get("owner_type") or ""
        if kind not in OWNERS:
            raise InvalidConfig("owner_type must be User or Group", fix="set it in the metadata of the PushSecret")
        if kind == "Group" and not given.get("owner_id"):
            raise InvalidConfig("owner_id is required for owner_type Group", fix="write the id of the group")
        first = {"OwnerId": user.id, "Owner": user.login, "Email": user.email}
        more = [
            {"OwnerId": one.get("owner_id"), "Owner": one.get("owner"), "Email": one.get("email")} for one in others
        ]
        return {"OwnerId": given.get("owner_id"), "OwnerType": kind, "Owners": list(map(filled, [first, *more]))}
    if version not in NEW:
        raise InvalidConfig(f"unsupported API version: {version}", fix="set server.apiVersion to 3.0, 3.1 or 3.2")
    first = {"GroupId": given.get("group_id"), "UserId": user.id, "Name": user.name, "Email": user.email}
    more = [
        {
            "GroupId": one.get("group_id"),
            "UserId": one.get("user_id"),
            "Name": one.get("name"),
            "Email": one.get("email"),
        }
        for one in others
    ]
    return {"Owners": list(map(filled, [first, *more]))}


def url_of(one: Any) -> dict[str, str]:
    """Raises InvalidConfig."""
    given: Json = one if isinstance(one, dict) else {"url": one}
    url = given.get("url")
    if not isinstance(url, str) or len(url) > LONGEST_URL or parts_of(url) is None:
        raise InvalidConfig(f"urls in the metadata holds one that is none, or longer than {LONGEST_URL} characters")
    return {"Id": uuid_of(given.get("id")), "CredentialId": uuid_of(given.get("credential_id")), "Url": url}


def uuid_of(text: Any) -> str:
    return text if isinstance(text, str) and UUID.fullmatch(text) else NOBODY


def filled(body: Json) -> dict[str, Any]:
    return {name: value for name, value in body.items() if value}


def readable(value: bytes) -> str | None:
    """A file that is no text travels in its own part alone."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def multipart(body: Json, name: str, value: bytes, boundary: str) -> bytes:
    """A form with the JSON and the file. Raises InvalidConfig for a name that would leave its place."""
    if not PLAIN.fullmatch(name):
        raise InvalidConfig(f"file_name {quote(name)} holds a quote or a line break")
    return b"".join(
        (
            f'--{boundary}\r\nContent-Disposition: form-data; name="secretmetadata"\r\n\r\n'.encode(),
            orjson.dumps(body),
            f'\r\n--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n'.encode(),
            b"Content-Type: application/octet-stream\r\n\r\n",
            value,
            f"\r\n--{boundary}--\r\n".encode(),
        )
    )
