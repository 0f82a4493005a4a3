"""Items of Connect: their fields and files as values, and the changes that a push makes to them.

Neighbours: client.py makes the calls. An item is kept as it was answered, so that a write returns all of it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from eso.errors import EsoError
from eso.providers.contract import InvalidConfig, Malformed, RemoteRef
from eso.providers.kit.http import list_of, object_of, text_in

ID: Final = re.compile(r"[a-z0-9]{26}")
PASSWORD: Final = "password"  # the label where no property is written
FIELD, FILE = "field/", "file/"
Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class File:
    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Summary:
    """An item as a list shows it."""

    id: str
    title: str
    tags: tuple[str, ...] = ()
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Item:
    """`raw`: all of it, with values; never prints."""

    id: str
    title: str
    document: bool
    fields: tuple[tuple[str, bytes], ...] = field(repr=False)
    files: tuple[File, ...]
    raw: Json = field(repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Found:
    """What one read brings home. `contents`: of the files that were asked for, in their order."""

    item: Item
    contents: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)

    def __len__(self) -> int:
        return sum(len(value) for _, value in (*self.item.fields, *self.contents))


def vault_of(body: bytes) -> str:
    return text_in(object_of(body), "id")


def vaults_of(body: bytes) -> list[str]:
    return [text_in(entry, "id") for entry in objects(list_of(body))]


def summaries_of(body: bytes) -> list[Summary]:
    return [
        Summary(text_in(entry, "id"), text_in(entry, "title"), tags_of(entry), files_of(entry))
        for entry in objects(list_of(body))
    ]


def item_of(body: bytes) -> Item:
    raw = object_of(body)
    fields = tuple((text(entry, "label"), text(entry, "value").encode()) for entry in objects(members(raw, "fields")))
    document = text(raw, "category") == "DOCUMENT"
    return Item(text_in(raw, "id"), text(raw, "title"), document, fields, files_of(raw), raw)


def files_of(raw: Mapping[str, Any]) -> tuple[File, ...]:
    return tuple(File(text_in(entry, "id"), text(entry, "name")) for entry in objects(members(raw, "files")))


def tags_of(raw: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(tag for tag in members(raw, "tags") if isinstance(tag, str))


def members(raw: Mapping[str, Any], name: str) -> list[Any]:
    """A list that may be left out. Raises Malformed."""
    found = raw.get(name)
    if found is not None and not isinstance(found, list):
        raise Malformed(f"the server's reply has no list in {name}")
    return found or []


def objects(entries: Sequence[Any]) -> list[Json]:
    if not all(isinstance(entry, dict) for entry in entries):
        raise Malformed("the server's reply is not of the form it promises")
    return list(entries)


def text(raw: Mapping[str, Any], name: str) -> str:
    """A text that may be left out. Raises Malformed."""
    return "" if raw.get(name) is None else text_in(raw, name)


# what a reference asks for


def asked_file(property: str) -> str | None:
    """The file that a property names by its prefix; None where the item decides, or a field is meant."""
    return property.removeprefix(FILE) if property.startswith(FILE) else None


def label_of(property: str) -> str:
    return property.removeprefix(FIELD)


def of_files(found: Found, ref: RemoteRef) -> bool:
    return asked_file(ref.property) is not None or (found.item.document and not ref.property.startswith(FIELD))


def value(found: Found, ref: RemoteRef) -> bytes:
    if not of_files(found, ref):
        return only(found.item, label_of(ref.property) or PASSWORD)
    name = ref.property.removeprefix(FILE)
    for other, content in found.contents:
        if name in ("", other):
            return content
    raise EsoError(f"error finding 1Password Document: '{found.item.title}', '{name}'", fix="does the file exist?")


def mapping(found: Found, ref: RemoteRef) -> dict[str, bytes]:
    if of_files(found, ref):
        name = ref.property.removeprefix(FILE)
        return {other: content for other, content in found.contents if name in ("", other)}
    label = label_of(ref.property)
    labels = [other for other, _ in found.item.fields if label in ("", other)]
    return {other: only(found.item, other) for other in labels}


def only(item: Item, label: str) -> bytes:
    """The value of the one field with exactly this label, whatever its section. Raises EsoError."""
    values = [value for other, value in item.fields if other == label]
    if len(values) != 1:
        raise EsoError(
            f"expected one 1Password ItemField matching: '{label}' in '{item.title}', got {len(values)}",
            fix="name a field by its label, and give every field its own",
        )
    return values[0]


def chosen(item: Item, wanted: frozenset[str]) -> dict[str, bytes]:
    """The fields that a search wants. Raises EsoError for a label that two fields of the item have."""
    return {label: only(item, label) for label, _ in item.fields if label in wanted}


# what a push writes


def created(title: str, vault: str, label: str, value: str, tags: Sequence[str] | None) -> Json:
    entry = {"label": label, "value": value, "type": "CONCEALED"}
    made: Json = {"title": title, "category": "SERVER", "vault": {"id": vault}, "fields": [entry]}
    return made if tags is None else made | {"tags": list(tags)}


def changed(item: Item, label: str, value: str, tags: Sequence[str] | None) -> Json:
    """The item with the field set or added. Raises InvalidConfig for a label that two fields have."""
    fields = [dict(entry) for entry in members(item.raw, "fields")]
    same = [entry for entry in fields if text(entry, "label") == label]
    if len(same) > 1:
        raise InvalidConfig(f"expected one 1Password ItemField matching: '{label}' in '{item.title}', got {len(same)}")
    if same:
        same[0]["value"] = value
    else:
        fields.append({"label": label, "value": value, "type": "CONCEALED"})
    made = item.raw | {"fields": fields}
    return made if tags is None or list(tags) == list(tags_of(item.raw)) else made | {"tags": list(tags)}


def without(item: Item, label: str) -> Json:
    """The item without the fields of this label; a lone section without a name goes with them."""
    fields = [entry for entry in members(item.raw, "fields") if text(entry, "label") != label]
    sections = members(item.raw, "sections")
    if len(sections) == 1 and isinstance(sections[0], dict) and not sections[0].get("label"):
        sections = []
    return item.raw | {"fields": fields, "sections": sections}


def empty(raw: Json) -> bool:
    return not (raw.get("fields") or raw.get("files") or raw.get("sections"))
