"""Records of Keeper: opened with the keys that come along, and their fields as bytes.

Neighbours: client.py makes the calls, pushing.py changes records. Anything that is not of the form the server promises
is malformed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.providers.contract import Malformed
from eso.providers.keepersecurity import wire
from eso.providers.kit.http import object_of, text_in

LEFT_OUT: Final = frozenset({"fileRef", "oneTimeCode"})  # types that no property names
FILES: Final = 100  # of one record


@dataclass(frozen=True, slots=True)
class Field:
    """`value` None: the record has none."""

    type: str
    label: str
    value: list[jsonenc.Value] | None = field(repr=False)

    @property
    def name(self) -> str:
        return self.label or self.type

    def rendered(self) -> bytes:
        """One text as it is; anything else as JSON."""
        values = self.value or []
        only = values[0] if len(values) == 1 else values
        return only if isinstance(only, bytes) else jsonenc.encode(only)


@dataclass(frozen=True, slots=True)
class File:
    """`content` None: not loaded yet, or the error of its loading."""

    title: str
    url: str = field(repr=False)
    key: bytes = field(repr=False)
    content: bytes | EsoError | None = field(default=None, repr=False)

    def loaded(self) -> bytes:
        assert self.content is not None
        if isinstance(self.content, EsoError):
            raise self.content
        return self.content


@dataclass(frozen=True, slots=True)
class Record:
    """Never prints its values. `document`: the JSON it was read from."""

    uid: str
    key: bytes = field(repr=False)
    revision: int
    title: str
    type: str
    document: bytes = field(repr=False)
    fields: tuple[Field, ...] | None = field(repr=False)
    custom: tuple[Field, ...] | None = field(repr=False)
    files: tuple[File, ...] = ()

    def __len__(self) -> int:
        return len(self.document) + sum(len(one.content) for one in self.files if isinstance(one.content, bytes))


@dataclass(frozen=True, slots=True)
class Listing:
    """`unreadable`: so many more records came that no key opens."""

    records: list[Record]
    folders: dict[str, bytes] = field(repr=False)
    unreadable: int = 0


def listing_of(body: bytes, reply_key: bytes, app_key: bytes) -> Listing:
    """Records on their own first, then those of folders. Raises Malformed."""
    found = object_of(wire.opened(body, reply_key))
    entries = [(entry, app_key) for entry in objects(found, "records")]
    folders: dict[str, bytes] = {}
    for folder in objects(found, "folders"):
        try:
            key = wire.opened(unbase64(folder, "folderKey"), app_key)
        except Malformed:
            key = b""  # its records count as unreadable
        folders[text_in(folder, "folderUid")] = key
        entries += [(entry, key) for entry in objects(folder, "records")]
    records, unreadable = list[Record](), 0
    for entry, above in entries:
        try:
            records.append(record_of(entry, above))
        except Malformed:
            unreadable += 1
    return Listing(records, {uid: key for uid, key in folders.items() if key}, unreadable)


def record_of(entry: Mapping[str, Any], above: bytes) -> Record:
    """`above`: the key that the record's key is sealed with; a record without one is sealed with it itself."""
    key = wire.opened(unbase64(entry, "recordKey"), above, "a record") if entry.get("recordKey") else above
    document = wire.opened(unbase64(entry, "data"), key, "a record")
    revision = entry.get("revision")
    data = decoded(document)
    return Record(
        text_in(entry, "recordUid"),
        key,
        revision if isinstance(revision, int) else 0,
        shown(data, b"title"),
        shown(data, b"type"),
        document,
        fields_in(data, b"fields"),
        fields_in(data, b"custom"),
        files_of(entry, key),
    )


def files_of(entry: Mapping[str, Any], record_key: bytes) -> tuple[File, ...]:
    found = objects(entry, "files")
    if len(found) > FILES:
        raise Malformed(f"a record has more than {FILES} files")
    return tuple(file_of(one, record_key) for one in found)


def decoded(document: bytes, *, keep_numbers: bool = False) -> dict[bytes, jsonenc.Value]:
    try:
        found = jsonenc.decode(document, keep_numbers=keep_numbers)
    except jsonenc.JsonError:
        found = None
    if not isinstance(found, dict):
        raise Malformed("a record is no JSON object")
    return found


def shown(found: Mapping[bytes, jsonenc.Value], name: bytes) -> str:
    value = found.get(name, b"")
    if value is not None and not isinstance(value, bytes):
        raise Malformed("a record is not of the form that Keeper's have")
    return (value or b"").decode("utf-8", "replace")


def fields_in(data: Mapping[bytes, jsonenc.Value], name: bytes) -> tuple[Field, ...] | None:
    found = data.get(name)
    if found is None:
        return None
    if not isinstance(found, list):
        raise Malformed("a record is not of the form that Keeper's have")
    return tuple(map(field_of, found))


def field_of(found: jsonenc.Value) -> Field:
    value = found.get(b"value") if isinstance(found, dict) else 0
    if not isinstance(found, dict) or not (value is None or isinstance(value, list)):
        raise Malformed("a record is not of the form that Keeper's have")
    return Field(shown(found, b"type"), shown(found, b"label"), value)


def file_of(entry: Mapping[str, Any], record_key: bytes) -> File:
    """A file that cannot be opened fails whoever asks for it, and nobody else."""
    try:
        key = wire.opened(unbase64(entry, "fileKey"), record_key, "a file")
        about = decoded(wire.opened(unbase64(entry, "data"), key, "a file"))
        return File(shown(about, b"title"), text_in(entry, "url"), key)
    except Malformed as error:
        return File("", "", b"", Malformed(str(error)))


def deleted_in(body: bytes, reply_key: bytes, uid: str) -> str | None:
    """What the server says of the deletion of a record; None where it says nothing of it. Raises Malformed."""
    for entry in objects(object_of(wire.opened(body, reply_key)), "records"):
        if entry.get("recordUid") == uid:
            return text_in(entry, "responseCode")
    return None


def objects(found: Mapping[str, Any], name: str) -> list[dict[str, Any]]:
    listed = found.get(name)
    if listed is None:
        return []
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise Malformed(f"the server's reply has no list in {name}")
    return listed


def unbase64(found: Mapping[str, Any], name: str) -> bytes:
    try:
        return wire.decoded(text_in(found, name))
    except ValueError:
        raise Malformed(f"the server's reply has no base64 in {name}") from None


# parts of a record


def distinct(record: Record) -> Record:
    """The record, if each of its keys names one part of it; what has no label can be named by nobody. Raises
    Malformed."""
    names = [*(one.name for one in record.fields or ()), *(one.label for one in record.custom or ())]
    names += [file.title for file in record.files]
    twice = sorted(name for name, times in Counter(names).items() if name and times > 1)
    if twice:
        raise Malformed(
            f"the keys of secret {record.title} are not unique: {', '.join(twice)}",
            fix="give each field a label of its own",
        )
    return record


def with_files(record: Record, contents: Iterable[bytes | EsoError]) -> Record:
    """`contents`: of each file, in their order."""
    pairs = zip(record.files, contents, strict=True)
    return replace(record, files=tuple(replace(file, content=content) for file, content in pairs))


def value(record: Record, name: str) -> bytes:
    """The whole record, or the part of this name: a field, else a custom field, else a file. Raises EsoError."""
    if not name:
        return whole(record)
    for one in record.fields or ():
        if one.name == name and one.type not in LEFT_OUT and one.value:
            return one.rendered()
    for one in record.custom or ():
        if one.label == name and one.value:
            return one.rendered()
    for file in record.files:
        if file.title == name and file.title:
            return file.loaded()
    raise EsoError(
        f"invalid Property. Secret {record.title} does not have any key matching {name}",
        fix="write the label or the type of a field, or the title of a file",
    )


def mapping(record: Record, name: str) -> dict[str, bytes]:
    """Every part that has a value, or the one of this name. Raises EsoError."""
    if name:
        return {name: value(record, name)}
    found = {one.name: one.rendered() for one in record.fields or () if one.value}
    found |= {one.label: one.rendered() for one in record.custom or () if one.label and one.value}
    found |= {file.title: file.loaded() for file in record.files}
    if not found:
        raise EsoError(f"secret {record.title} has no values", fix="fill a field of the record")
    return found


def whole(record: Record) -> bytes:
    """All of it as JSON, its members in the reference's order. A file's title stands in `type`, as there."""
    files = [joined({"type": text(file.title), "content": text(file.loaded())}) for file in record.files]
    return joined(
        {
            "title": text(record.title),
            "type": text(record.type),
            "fields": listed(record.fields, (plain(one) for one in record.fields or ())),
            "custom": listed(record.custom, (labelled(one) for one in record.custom or ())),
            "files": listed(record.files or None, files),
        }
    )


def plain(one: Field) -> bytes:
    label = {"label": text(one.label)} if one.label else {}
    return joined({"type": text(one.type)} | label | {"value": jsonenc.encode(one.value)})


def labelled(one: Field) -> bytes:
    return joined({"type": text(one.type), "label": text(one.label), "value": jsonenc.encode(one.value)})


def text(value: str | bytes) -> bytes:
    return jsonenc.encode(value.encode() if isinstance(value, str) else value)


def listed(found: object, items: Iterable[bytes]) -> bytes:
    return b"null" if found is None else b"[" + b",".join(items) + b"]"


def joined(members: Mapping[str, bytes]) -> bytes:
    return b"{" + b",".join(pair(members)) + b"}"


def pair(members: Mapping[str, bytes]) -> Iterator[bytes]:
    for name, source in members.items():
        yield b'"' + name.encode() + b'":' + source
