"""Secrets of Secret Server: their fields as values, and the JSON that is written.

Neighbours: client.py makes the calls. The server's names are read in any case; what is written, and what a whole secret
reads as, has the names and the order of the reference.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.providers.contract import InvalidConfig, Malformed, RemoteRef, SecretNotFound
from eso.providers.kit.http import json_of, lowered, object_of
from eso.providers.kit.property import as_given
from eso.values.gjsonscan import valid
from eso.values.jsonmap import NotAMap, object_in, typed_value

Json = Mapping[str, Any]
FORM: Final = "the server's reply is not of the form it promises"
# member → whether it is left out when it is 0; in the order in which they are written
NUMBERS_FIRST: Final = {
    "FolderID": False,
    "ID": False,
    "SiteID": False,
    "SecretTemplateID": False,
    "SecretPolicyID": True,
    "PasswordTypeWebScriptID": True,
    "LauncherConnectAsSecretID": False,
    "CheckOutIntervalMinutes": False,
}
FLAGS: Final = (
    "Active",
    "CheckedOut",
    "CheckOutEnabled",
    "AutoChangeEnabled",
    "CheckOutChangePasswordEnabled",
    "DelayIndexing",
    "EnableInheritPermissions",
    "EnableInheritSecretPolicy",
    "ProxyEnabled",
    "RequiresComment",
    "SessionRecordingEnabled",
    "WebLauncherRequiresIncognitoMode",
)
IN_FOLDER: Final = re.compile(r"folderId:([0-9]{1,18})/(.+)", re.ASCII | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Item:
    """One field of a secret. Never prints its value."""

    id: int
    field_id: int
    attachment: int
    name: str
    slug: str
    description: str
    filename: str
    value: bytes = field(repr=False)
    is_file: bool = False
    is_notes: bool = False
    is_password: bool = False

    def called(self, name: str) -> bool:
        return name in (self.slug, self.name)


@dataclass(frozen=True, slots=True)
class Secret:
    """`rest`: the members that are no fields, by the reference's names. `ssh`: what is made for a new key, None where
    the secret says nothing of it."""

    id: int
    folder: int
    name: str
    items: tuple[Item, ...]
    rest: Mapping[str, int | bool] = field(repr=False)
    ssh: tuple[bool, bool] | None = None

    def __len__(self) -> int:
        return sum(len(item.value) for item in self.items)


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a template."""

    id: int
    name: str
    slug: str

    def called(self, name: str) -> bool:
        return name in (self.slug, self.name)


# replies


def secret_of(body: bytes) -> Secret:
    found = lowered(object_of(body))
    numbers = {name: number(found, name.lower()) for name in NUMBERS_FIRST}
    flags = {name: flag(found, name.lower()) for name in FLAGS}
    return Secret(
        numbers["ID"],
        numbers["FolderID"],
        text(found, "name"),
        tuple(item_of(entry) for entry in entries(found, "items")),
        numbers | flags,
        ssh_of(found.get("sshkeyargs")),
    )


def ssh_of(found: Any) -> tuple[bool, bool] | None:
    if found is None:
        return None
    if not isinstance(found, dict):
        raise Malformed(FORM)
    made = lowered(found)
    return flag(made, "generatepassphrase"), flag(made, "generatesshkeys")


def item_of(entry: Json) -> Item:
    return Item(
        number(entry, "itemid"),
        number(entry, "fieldid"),
        number(entry, "fileattachmentid"),
        text(entry, "fieldname"),
        text(entry, "slug"),
        text(entry, "fielddescription"),
        text(entry, "filename"),
        text(entry, "itemvalue").encode("utf-8", "surrogatepass"),
        flag(entry, "isfile"),
        flag(entry, "isnotes"),
        flag(entry, "ispassword"),
    )


def records_of(body: bytes) -> list[tuple[int, int | None]]:
    """Id and folder of what a search found; None where it does not tell the folder."""
    found = lowered(object_of(body))
    if "records" not in found:
        raise Malformed(FORM)
    return [
        (number(entry, "id"), number(entry, "folderid") if "folderid" in entry else None)
        for entry in entries(found, "records")
    ]


def template_of(body: bytes) -> list[Field]:
    found = lowered(object_of(body))
    return [
        Field(number(entry, "secrettemplatefieldid"), text(entry, "name"), text(entry, "fieldslugname"))
        for entry in entries(found, "fields")
    ]


def healthy(body: bytes) -> bool:
    try:
        found = json_of(body)
    except Malformed:
        return b"Healthy" in body
    if isinstance(found, dict):
        return lowered(found).get("healthy") is True
    return isinstance(found, str) and "Healthy" in found


def vault_of(body: bytes) -> str:
    """The address of the default vault of a platform, "" without one."""
    for vault in entries(lowered(object_of(body)), "vaults"):
        connection = vault.get("connection")
        if flag(vault, "isdefault") and flag(vault, "isactive") and isinstance(connection, dict):
            return text(lowered(connection), "url").rstrip("/")
    return ""


def entries(found: Json, name: str) -> Sequence[dict[str, Any]]:
    listed = found.get(name) or []
    if not isinstance(listed, list) or not all(isinstance(entry, dict) for entry in listed):
        raise Malformed(FORM)
    return [lowered(entry) for entry in listed]


def number(found: Json, name: str) -> int:
    value = found.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise Malformed(f"the server's reply has no number in {name}")
    return value or 0


def flag(found: Json, name: str) -> bool:
    value = found.get(name)
    if value is not None and not isinstance(value, bool):
        raise Malformed(f"the server's reply has no flag in {name}")
    return value or False


def text(found: Json, name: str) -> str:
    value = found.get(name)
    if value is not None and not isinstance(value, str):
        raise Malformed(f"the server's reply has no text in {name}")
    return value or ""


# what a reference asks for


def value(secret: Secret, ref: RemoteRef) -> bytes:
    if not secret.items:
        raise EsoError("secret contains no fields", fix="add a field to its template")
    if not ref.property:
        return document(secret)
    first = secret.items[0].value
    found = as_given(first, ref.property) if valid(first) else None
    if found is not None:
        return found
    named = next((item for item in secret.items if item.called(ref.property)), None)
    if named is None:
        raise SecretNotFound()
    return named.value


def mapping(secret: Secret, ref: RemoteRef) -> dict[str, bytes]:
    if ref.property:
        found = value(secret, ref)
        members = object_or_none(found)
        return {ref.property: found} if members is None else members
    if not secret.items:
        raise EsoError("secret contains no fields", fix="add a field to its template")
    members = object_or_none(secret.items[0].value)
    if members is not None:
        return members
    return {item.slug or item.name or str(item.field_id): item.value for item in secret.items}


def object_or_none(found: bytes) -> dict[str, bytes] | None:
    """The members of a JSON object, typed; None for anything else."""
    if not found.lstrip().startswith(b"{"):
        return None
    try:
        return {key.decode(): typed_value(member) for key, member in object_in(found).items()}
    except NotAMap:
        return None


# what is written


def document(secret: Secret, *, files: bool = True) -> bytes:
    """The secret in the reference's JSON. `files` False: without the fields that are files, which are written on their
    own."""
    pairs: list[tuple[str, bytes]] = [("Name", quoted(secret.name))]
    for name, left_out in NUMBERS_FIRST.items():
        held = secret.rest.get(name, 0)
        if held or not left_out:
            pairs.append((name, str(int(held)).encode()))
    pairs += [(name, truth(bool(secret.rest.get(name)))) for name in FLAGS]
    items = [item_document(item) for item in secret.items if files or not item.is_file]
    pairs.append(("Items", b"[" + b",".join(items) + b"]"))
    if secret.ssh is not None:
        names = ("GeneratePassphrase", "GenerateSshKeys")
        pairs.append(("SshKeyArgs", joined(zip(names, map(truth, secret.ssh), strict=True))))
    return joined(pairs)


def item_document(item: Item) -> bytes:
    return joined(
        [
            ("ItemID", str(item.id).encode()),
            ("FieldID", str(item.field_id).encode()),
            ("FileAttachmentID", str(item.attachment).encode()),
            ("FieldName", quoted(item.name)),
            ("Slug", quoted(item.slug)),
            ("FieldDescription", quoted(item.description)),
            ("Filename", quoted(item.filename)),
            ("ItemValue", jsonenc.encode_string(item.value)),
            ("IsFile", truth(item.is_file)),
            ("IsNotes", truth(item.is_notes)),
            ("IsPassword", truth(item.is_password)),
        ]
    )


def joined(pairs: Iterable[tuple[str, bytes]]) -> bytes:
    return b"{" + b",".join(b'"' + name.encode() + b'":' + held for name, held in pairs) + b"}"


def quoted(held: str) -> bytes:
    return jsonenc.encode_string(held.encode("utf-8", "surrogatepass"))


def truth(held: bool) -> bytes:
    return b"true" if held else b"false"


def target(secret: Secret, name: str) -> Item:
    """The field that a push writes: the first without a property. Raises InvalidConfig."""
    if not secret.items:
        raise InvalidConfig("secret contains no fields")
    if not name:
        return secret.items[0]
    found = next((item for item in secret.items if item.called(name)), None)
    if found is None:
        raise InvalidConfig(f"field {name} not found in secret", fix="write the slug or the name of a field")
    return found


def changed(secret: Secret, item: Item, held: bytes) -> Secret:
    items = tuple(replace(one, value=held) if one is item else one for one in secret.items)
    return replace(secret, items=items)


def created(name: str, folder: int, template: int, wanted: Field, held: bytes) -> bytes:
    item = Item(0, wanted.id, 0, wanted.name, wanted.slug, "", "", held)
    rest = {"FolderID": folder, "SiteID": 1, "SecretTemplateID": template, "Active": True}
    return document(Secret(0, folder, name, (item,), rest))


def name_of(key: str) -> str:
    """The name of a secret that is made for a key. Raises InvalidConfig."""
    within = IN_FOLDER.fullmatch(key)
    if within is not None:
        if "/" in within.group(2):
            raise InvalidConfig("the name of a new secret cannot have a '/' behind its folder")
        return within.group(2)
    name = key.rpartition("/")[2]
    if not name:
        raise InvalidConfig("the name of a new secret cannot end in '/'")
    return name


def multipart(filename: str, held: bytes, boundary: str) -> bytes:
    """A form with one file. A quote or a line break in a name would end its header."""
    safe = re.sub(r'[\x00-\x1f"\\]', "_", filename) or "File.txt"
    shown = safe if "." in safe else f"{safe}.txt"
    head = (
        f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{shown}"\r\n'
        "Content-Type: application/octet-stream\r\n\r\n"
    )
    return head.encode() + held + f"\r\n--{boundary}--\r\n".encode()
