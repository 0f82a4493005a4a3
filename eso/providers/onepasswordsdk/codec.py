"""Items of the vendor's library: their fields and files as values, and the changes that a push makes to them.

Neighbours: client.py makes the calls. The models are pydantic's; a changed item is a copy, since items are shared by
the readers of one flight.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from onepassword.types import (  # type: ignore[import-untyped]  # the vendor ships no types
    ItemCategory,
    ItemCreateParams,
    ItemField,
    ItemFieldType,
)

from eso.errors import EsoError
from eso.providers.contract import InvalidConfig, RemoteRef

ID: Final = re.compile(r"[a-z0-9]{26}")
PASSWORD: Final = "password"  # the title where no property is written
FIELD, FILE = "field/", "file/"
TYPES: Final[Mapping[str, ItemFieldType]] = {
    "text": ItemFieldType.TEXT,
    "string": ItemFieldType.TEXT,
    "concealed": ItemFieldType.CONCEALED,
    "password": ItemFieldType.CONCEALED,
    "email": ItemFieldType.EMAIL,
    "url": ItemFieldType.URL,
    "phone": ItemFieldType.PHONE,
    "date": ItemFieldType.DATE,
    "monthyear": ItemFieldType.MONTHYEAR,
}
Item = Any  # onepassword.types.Item, or ItemOverview
Files = tuple[tuple[str, bytes], ...]


@dataclass(frozen=True, slots=True)
class Text:
    """One value that the library resolved."""

    value: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.value)


@dataclass(frozen=True, slots=True)
class Variables:
    """All of an Environment."""

    values: Mapping[str, bytes] = field(repr=False)

    def __len__(self) -> int:
        return sum(map(len, self.values.values()))


@dataclass(frozen=True, slots=True)
class Members:
    """An item's fields, or the files that were asked for: name and content in their order."""

    title: str
    of_files: bool
    entries: Files = field(repr=False)

    def __len__(self) -> int:
        return sum(len(value) for _, value in self.entries)


Payload = Text | Variables | Members


def variables_of(reply: Any) -> Variables:
    return Variables({variable.name: variable.value.encode() for variable in reply.variables})


def fields_of(item: Item) -> Files:
    return tuple((entry.title, entry.value.encode()) for entry in item.fields)


def files_of(item: Item) -> list[Any]:
    """What the library calls FileAttributes: of the document, and of what is attached."""
    document = [] if item.document is None else [item.document]
    return document + [entry.attributes for entry in item.files]


def wants_files(item: Item, property: str) -> bool:
    return property.startswith(FILE) or (item.category == ItemCategory.DOCUMENT and not property.startswith(FIELD))


def value(payload: Payload, ref: RemoteRef) -> bytes:
    """Property is not used, as in the reference. Raises EsoError."""
    match payload:
        case Text(found):
            return found
        case Variables(values) if ref.key in values:
            return values[ref.key]
        case Variables():
            raise EsoError("key not found", fix="name a variable of the Environment")
    raise InvalidConfig("remoteRef.key names no field", fix="write remoteRef.key as item/field or item/section/field")


def mapping(payload: Payload, ref: RemoteRef) -> dict[str, bytes]:
    """Raises EsoError for a name that two entries of the item have."""
    match payload:
        case Variables(values) if not ref.property:
            return dict(values)
        case Variables(values) if ref.property in values:
            return {ref.property: values[ref.property]}
        case Members(title, of_files, entries):
            wanted = ref.property.removeprefix(FILE if of_files else FIELD)
            return unique([entry for entry in entries if wanted in ("", entry[0])], title, of_files)
    raise EsoError("key not found", fix="name a variable of the Environment")


def unique(entries: Sequence[tuple[str, bytes]], title: str, of_files: bool) -> dict[str, bytes]:
    found = dict(entries)
    if len(found) < len(entries):
        names = [name for name, _ in entries]
        twice = next(name for name in names if names.count(name) > 1)
        kind = "files" if of_files else "fields"
        raise EsoError(
            f"found more than 1 {kind} with title '{twice}' in '{title}', got {names.count(twice)}",
            fix="give each a title of its own",
        )
    return found


# what a push writes


def made(vault: str, title: str, fields: Mapping[str, str], kind: ItemFieldType, tags: Sequence[str] | None) -> Any:
    """A new item; a field's id is its title."""
    entries = [new_field(name, value, kind) for name, value in fields.items()]
    return ItemCreateParams(
        category=ItemCategory.SERVER,
        vaultId=vault,
        title=title,
        fields=entries,
        tags=None if tags is None else list(tags),
    )


def new_field(name: str, value: str, kind: ItemFieldType) -> Any:
    return ItemField(id=name, title=name, fieldType=kind, value=value)


def changed(
    item: Item, fields: Mapping[str, str], kind: ItemFieldType, tags: Sequence[str] | None, *, whole: bool
) -> Item:
    """A copy with these fields set or added. `whole`: other fields go. Raises InvalidConfig for a title that two fields
    have."""
    kept = [sent(entry) for entry in item.fields if not whole or entry.title in fields]
    for name, value in fields.items():
        same = [entry for entry in kept if entry.title == name]
        if len(same) > 1:
            raise InvalidConfig(f"found more than 1 fields with title '{name}' in '{item.title}', got {len(same)}")
        if same:
            same[0].value, same[0].field_type = value, kind
        else:
            kept.append(new_field(name, value, kind))
    return item.model_copy(update={"fields": kept, "tags": item.tags if tags is None else list(tags)})


def sent(entry: Any) -> Any:
    """A copy as the server takes it: an empty section id is refused there."""
    return entry.model_copy(update={"section_id": entry.section_id or None})


def without(item: Item, title: str) -> Item:
    return item.model_copy(update={"fields": [sent(entry) for entry in item.fields if entry.title != title]})


def empty(item: Item) -> bool:
    named = any(section.title for section in item.sections)
    return not (item.fields or item.files or item.document or named)


def text_of(value: bytes) -> str:
    """Raises InvalidConfig for a value that a field cannot hold."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        raise InvalidConfig("the value is no UTF-8 text: a field holds texts only", fix="encode it first") from None
