"""Replies of Secret Manager → bytes, and what a push makes of a secret. Pure.

Neighbours: client.py. No text made here holds a part of a value.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

import google_crc32c

from eso.errors import EsoError
from eso.gocompat import jsonenc
from eso.providers.contract import InvalidConfig, Malformed, RemoteRef
from eso.providers.kit import property as lookup
from eso.providers.kit.http import object_of, text_in
from eso.values.gjsonscan import valid
from eso.values.jsonmap import NotAMap, to_map

T = TypeVar("T")
MANAGED: Final = {"managed-by": "external-secrets"}
UNREADABLE: Final = "unable to unmarshal secret from JSON: "
SECRET: Final = re.compile(r"projects/[^/]+(?:/locations/[^/]+)?/secrets/(.{1,255})")
VERSION: Final = re.compile(r"projects/[^/]+(?:/locations/[^/]+)?/secrets/.{1,255}/versions/([0-9]{1,18})")
TIME: Final = re.compile(r"([0-9T:-]{19})(?:\.([0-9]{1,9}))?Z")


@dataclass(frozen=True, slots=True)
class Value:
    """The payload of one version."""

    data: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.data)

    def bytes(self, ref: RemoteRef) -> bytes:
        """Raises EsoError with the reference's texts."""
        if not self.data:
            raise EsoError(f"invalid secret received. no secret string for key: {ref.key}")
        if not ref.property:
            return self.data
        if not valid(self.data):
            # The reference forgot to fill in the reason; its text is what users see, and it is stable.
            raise EsoError(f"{UNREADABLE}%w", fix="a property can be read from a JSON value only")
        found = lookup.escaped_first_if_valid(self.data, ref.property)
        if found is None:
            raise EsoError(f"key {ref.property} does not exist in secret {ref.key}")
        return found


@dataclass(frozen=True, slots=True)
class Marks:
    """Labels and annotations of a secret; None where it has none."""

    labels: Mapping[str, str] | None
    annotations: Mapping[str, str] | None

    def bytes(self, ref: RemoteRef) -> bytes:
        """Raises EsoError with the reference's texts."""
        if not ref.property:
            return encoded({"annotations": self.annotations, "labels": self.labels})
        which, dot, name = ref.property.partition(".")
        if which not in ("annotations", "labels"):
            raise InvalidConfig(
                f"invalid property {ref.property}: metadata property should start with either annotations or labels"
            )
        marks = self.annotations if which == "annotations" else self.labels
        if not dot:
            return encoded(marks)
        if marks is None or name not in marks:
            raise EsoError(f"{which[:-1]} with key {name} does not exist in secret {ref.key}")
        return marks[name].encode()


Payload = Value | Marks


def mapping(payload: Payload, ref: RemoteRef) -> dict[str, bytes]:
    try:
        return to_map(payload.bytes(ref), "raw")
    except NotAMap as error:
        raise EsoError(f"{UNREADABLE}{error}", fix="the value has to be a JSON object") from error


def encoded(value: Any) -> bytes:
    return jsonenc.encode(of_text(value))


def of_text(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key.encode(): of_text(member) for key, member in value.items()}
    return value.encode() if isinstance(value, str) else value


def value_of(body: bytes) -> Value:
    """Raises Malformed for a payload that is not what its checksum says."""
    payload = object_of(body).get("payload")
    if not isinstance(payload, dict):
        raise Malformed("the server's reply has no payload")
    text = payload.get("data", "")  # an empty payload is left out
    try:
        data = base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except (binascii.Error, ValueError):
        data = None
    if data is None:
        raise Malformed("the payload of the secret is no base64")
    told = payload.get("dataCrc32c")
    if told is not None and str(told) != str(google_crc32c.value(data)):
        raise Malformed("the payload of the secret does not match its checksum")
    return Value(data)


def payload_of(data: bytes) -> dict[str, Any]:
    """The payload of a new version, with the checksum that the server compares."""
    return {"payload": {"data": base64.b64encode(data).decode(), "dataCrc32c": str(google_crc32c.value(data))}}


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret without its versions, as far as a push looks at it."""

    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    etag: str

    @property
    def managed(self) -> bool:
        return self.labels.get("managed-by") == "external-secrets"


def secret_of(body: bytes) -> Secret:
    found = object_of(body)
    etag = found.get("etag", "")
    if not isinstance(etag, str):
        raise Malformed("the server's reply has no text in etag")
    return Secret(texts(found, "labels") or {}, texts(found, "annotations") or {}, etag)


def marks_of(body: bytes) -> Marks:
    found = object_of(body)
    return Marks(texts(found, "labels"), texts(found, "annotations"))


def texts(found: Mapping[str, Any], name: str) -> dict[str, str] | None:
    value = found.get(name)
    if value is None:
        return None
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise Malformed(f"the server's reply has no texts in {name}")
    return value


Listed = tuple[list[T], str]  # the items of a page, and the token of the next one ("" after the last)


def secrets_page(body: bytes) -> Listed[str]:
    """The short names on one page of secrets."""
    items, following = page(body, "secrets")
    names = []
    for item in items:
        found = SECRET.fullmatch(text_in(item, "name"))
        if found is None:
            raise Malformed("the server lists a secret whose name is none")
        names.append(found.group(1))
    return names, following


Version = tuple[str, str, int]  # when it was created: seconds and their fraction; its number


def versions_page(body: bytes) -> Listed[Version]:
    items, following = page(body, "versions")
    found = []
    for item in items:
        name, created = VERSION.fullmatch(text_in(item, "name")), TIME.fullmatch(text_in(item, "createTime"))
        if name is None or created is None:
            raise Malformed("the server lists a version that is none")
        found.append((created.group(1), (created.group(2) or "").ljust(9, "0"), int(name.group(1))))
    return found, following


def page(body: bytes, member: str) -> Listed[dict[str, Any]]:
    """An empty list is an empty object; one with members of something else is no list."""
    found = object_of(body)
    items, following = found.get(member, []), found.get("nextPageToken", "")
    known = not found or found.keys() & {member, "nextPageToken", "totalSize"}
    formed = isinstance(items, list) and isinstance(following, str) and all(isinstance(one, dict) for one in items)
    if not known or not formed:
        raise Malformed("the server's reply is no page of a list")
    return items, following


def empty(document: bytes) -> bool:
    """Whether an object or array has nothing in it."""
    return b"".join(document.split()) in (b"{}", b"[]")


def replication(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Where the versions of a new secret are kept, and with which key."""
    key = metadata.get("cmekKeyName")
    encryption = {"customerManagedEncryption": {"kmsKeyName": key}} if key else {}
    single = metadata.get("replicationLocation")
    locations = metadata.get("replicationLocations") or ([single] if single else [])
    if locations:
        return {"userManaged": {"replicas": [{"location": location, **encryption} for location in locations]}}
    return {"automatic": encryption}


def wanted(secret: Secret, metadata: Mapping[str, Any], *, whole: bool) -> tuple[dict[str, str], dict[str, str]]:
    """Labels and annotations after a push. `whole`: the secret is ours; else one property of any secret is, and what it
    carries stays."""
    if not whole:
        return {**secret.labels, **MANAGED}, dict(secret.annotations)
    labels = dict(metadata.get("labels") or {})
    if metadata.get("mergePolicy") == "Merge":
        labels |= secret.labels
    return {**labels, **MANAGED}, dict(metadata.get("annotations") or {})
