"""The body of an event → the remote keys that changed, whichever backend or relay wrote it.

Neighbours: server.py hands over what verify.py found genuine. A total function: a body of any form gives changes, an
answer for a handshake, or Unreadable with a reason from a closed set.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from eso.api.changesource import LONGEST_KEY, LONGEST_VERSION, MOST_EVENT_BYTES, Change

MOST_CHANGES: Final = 256  # of one request
DEEPEST: Final = 4  # envelopes inside each other
EVERYTHING: Final = Change("", prefix=True)

Json = Mapping[str, Any]


class Unreadable(ValueError):
    """The body names no keys that could be understood. The text is from a closed set and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Told:
    """Changes; none for an event that is understood and about something else."""

    changes: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    """The sender wants to hear this before it sends events."""

    body: Json


@dataclass(frozen=True, slots=True)
class Confirm:
    """The sender wants a URL of its own to be visited before it sends events."""

    message: Json


Reading = Told | Answer | Confirm
NOTHING: Final = Told()


def read(headers: Mapping[str, str], body: bytes) -> Reading:
    """`headers` by lower-case name. Raises Unreadable."""
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    documents = parsed(body)
    if headers.get("ce-specversion"):
        head = {"type": headers.get("ce-type", ""), "subject": headers.get("ce-subject", "")}
        return checked(cloud_event(head | {"data": documents[0] if documents else None}, 0))
    if kind == "application/cloudevents-batch+json" and documents and isinstance(documents[0], list):
        documents = documents[0]
        if len(documents) > MOST_CHANGES:
            raise Unreadable(f"more than {MOST_CHANGES} events")
    found: list[Change] = []
    for document in documents:
        match reading(headers, document, 0):
            case Told(changes):
                found += changes
            case other:
                return other
    return checked(Told(tuple(dict.fromkeys(found))))


def parsed(body: bytes) -> list[Any]:
    """The JSON document of the body, or one for each of its lines. Raises Unreadable."""
    try:
        return [orjson.loads(body)]
    except orjson.JSONDecodeError:
        lines = [line for line in body.splitlines() if line.strip()]
    if not 1 < len(lines) <= MOST_CHANGES:
        raise Unreadable("the body is no JSON")
    try:
        return [orjson.loads(line) for line in lines]
    except orjson.JSONDecodeError:
        raise Unreadable("the body is no JSON") from None


def checked(told: Reading) -> Reading:
    """Raises Unreadable for more or longer keys than a source may hold."""
    if not isinstance(told, Told):
        return told
    if len(told.changes) > MOST_CHANGES:
        raise Unreadable(f"more than {MOST_CHANGES} keys")
    for change in told.changes:
        if len(change.key) > LONGEST_KEY or len(change.version) > LONGEST_VERSION:
            raise Unreadable("a key is too long")
        if not (change.key + change.version).isprintable():
            raise Unreadable("a key has characters that cannot be shown")
    if sum(change.size for change in told.changes) > MOST_EVENT_BYTES:
        raise Unreadable("the keys are too long together")  # they would never fit among those that are pending
    return told


def reading(headers: Mapping[str, str], document: Any, depth: int) -> Reading:
    """One document; formats are told apart by members that only one of them has."""
    if depth > DEEPEST:
        raise Unreadable("envelopes inside each other")
    if isinstance(document, list):
        return event_grid(document)
    if not isinstance(document, dict):
        raise Unreadable("the format is not known")
    if "x-github-event" in headers and depth == 0:
        return github(headers["x-github-event"], document)
    if isinstance(document.get("keys"), list) or isinstance(document.get("prefixes"), list):
        return ours(document)
    if isinstance(document.get("specversion"), str):
        return cloud_event(document, depth)
    if document.get("Type") in ("Notification", "SubscriptionConfirmation", "UnsubscribeConfirmation"):
        return sns(headers, document, depth)
    if document.get("Event") == "s3:TestEvent":
        return NOTHING
    if "detail-type" in document and isinstance(document.get("detail"), dict):
        return event_bridge(document)
    if isinstance(document.get("message"), dict) and "subscription" in document:
        return pub_sub(headers, document["message"], depth)
    if document.get("type") in ("request", "response") and isinstance(document.get("request"), dict):
        return vault_audit(document)
    if isinstance(document.get("type"), str) and document["type"].endswith("config.secrets.update"):
        return doppler(document)
    if isinstance(document.get("event"), str) and isinstance(document.get("project"), dict):
        return infisical(document)
    if isinstance(document.get("object_kind"), str):
        return pushed(document) if document["object_kind"] == "push" else NOTHING
    if isinstance(document.get("items"), list) and one_password_events(document["items"]):
        return one_password(document["items"])
    raise Unreadable("the format is not known")


# ours


def ours(document: Json) -> Reading:
    """`keys`: texts, or maps with `key` and `version`; `prefixes`: texts."""
    found: list[Change] = []
    for entry in listed(document, "keys"):
        match entry:
            case str(key) if key:
                found.append(Change(key))
            case {"key": str(key), "version": str(version)} if key:
                found.append(Change(key, version))
            case {"key": str(key)} if key and "version" not in entry:
                found.append(Change(key))
            case _:
                raise Unreadable("keys has an entry that is neither a text nor a map with key and version")
    for entry in listed(document, "prefixes"):
        if not isinstance(entry, str):
            raise Unreadable("prefixes has an entry that is no text")
        found.append(Change(entry, prefix=True))
    if not found:
        raise Unreadable("keys is empty")
    return Told(tuple(found))


# envelopes


def cloud_event(event: Json, depth: int) -> Reading:
    kind, subject, data = text(event, "type"), text(event, "subject"), event.get("data")
    if isinstance(event.get("data_base64"), str):
        data = unpacked(event["data_base64"])
    if kind.startswith("Microsoft.KeyVault."):
        return key_vault(kind, subject, data)
    if isinstance(data, dict):
        if isinstance(metadata := member(data, "event", "metadata"), dict):
            return vault_event(data, metadata)
        if isinstance(data.get("message"), dict):
            return pub_sub({}, data["message"], depth + 1)
        try:
            return reading({}, data, depth + 1)
        except Unreadable:
            if not subject:
                raise
    if subject:
        return Told((Change(subject),))
    raise Unreadable("a CloudEvent with neither keys nor a subject")


def sns(headers: Mapping[str, str], message: Json, depth: int) -> Reading:
    if message["Type"] == "SubscriptionConfirmation" and depth == 0:
        return Confirm(message)
    if message["Type"] != "Notification":
        return NOTHING  # also a confirmation inside another message: its publisher wrote it, and Amazon did not sign it
    try:
        inner = orjson.loads(text(message, "Message"))
    except orjson.JSONDecodeError:
        raise Unreadable("the message inside is no JSON") from None
    return reading({}, inner, depth + 1)


def pub_sub(headers: Mapping[str, str], message: Json, depth: int) -> Reading:
    """Secret Manager writes into attributes what happened; others put JSON into the data."""
    attributes = message.get("attributes")
    kind = text(attributes, "eventType")
    if kind == "TOPIC_CONFIGURED":  # a test of Secret Manager's, about no secret
        return NOTHING
    if isinstance(attributes, dict) and text(attributes, "secretId"):
        if not kind.startswith("SECRET_") or kind == "SECRET_ROTATE":  # the latter asks for a rotation
            return NOTHING
        version = text(attributes, "versionId").rpartition("/")[2]
        return Told((Change(text(attributes, "secretId"), version if kind == "SECRET_VERSION_ADD" else ""),))
    data = unpacked(message.get("data"))
    if data is None:
        raise Unreadable("a message without data")
    return reading({}, data, depth + 1)


def unpacked(data: Any) -> Any:
    """JSON in base64; None for nothing. Raises Unreadable."""
    if not isinstance(data, str) or not data:
        return None
    try:
        return orjson.loads(base64.b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        raise Unreadable("the data inside is no JSON in base64") from None


# clouds

SECRETS_MANAGER: Final = frozenset(
    (
        "CreateSecret",
        "DeleteSecret",
        "PutSecretValue",
        "ReplicateSecretToRegions",
        "RestoreSecret",
        "RotationSucceeded",
        "UpdateSecret",
        "UpdateSecretVersionStage",
    )
)


def event_bridge(event: Json) -> Reading:
    source, detail = text(event, "source"), event["detail"]
    if source == "aws.ssm":
        name = text(detail, "name")
        return Told((Change(name),)) if name and text(event, "detail-type").startswith("Parameter Store") else NOTHING
    if source == "aws.secretsmanager":
        if text(detail, "eventName") not in SECRETS_MANAGER or text(detail, "errorCode"):
            return NOTHING
        places = (
            ("requestParameters", "secretId"),
            ("additionalEventData", "SecretId"),
            ("responseElements", "arn"),
            ("responseElements", "aRN"),
            ("requestParameters", "name"),
        )
        named = [key for place in places if isinstance(key := member(detail, *place), str) and key]
        if named:
            return Told((Change(named[0]),))
        arns = [arn for arn in listed(event, "resources") if isinstance(arn, str) and ":secret:" in arn]
        return Told(tuple(map(Change, arns))) if arns else NOTHING
    if isinstance(detail.get("keys"), list):
        return ours(detail)
    raise Unreadable("an EventBridge event of another source without keys")


def event_grid(events: Iterable[Any]) -> Reading:
    found: list[Change] = []
    for event in events:
        if not isinstance(event, dict):
            raise Unreadable("the format is not known")
        kind = text(event, "eventType") or text(event, "type")
        if kind == "Microsoft.EventGrid.SubscriptionValidationEvent":
            code = member(event, "data", "validationCode")
            if not isinstance(code, str) or len(code) > LONGEST_KEY:
                raise Unreadable("a validation event without a code")
            return Answer({"validationResponse": code})
        if not kind.startswith("Microsoft.KeyVault."):
            raise Unreadable("the format is not known")
        told = key_vault(kind, text(event, "subject"), event.get("data"))
        found += told.changes
    return Told(tuple(found))


def key_vault(kind: str, subject: str, data: Any) -> Told:
    """Certificates and keys are remote keys with a type in front."""
    event = kind.removeprefix("Microsoft.KeyVault.")
    if not event.endswith("NewVersionCreated"):
        return NOTHING
    name = text(data, "ObjectName") or subject
    types = {"Secret": "", "Key": "key/", "Certificate": "cert/"}
    prefix = types.get(event.removesuffix("NewVersionCreated"), "")
    changes = [Change(prefix + name, text(data, "Version"))] if name else []
    if prefix == "cert/" and name:
        changes.append(Change(name))  # a certificate is readable as the secret of its name as well
    return Told(tuple(changes))


# Vault and OpenBao

WRITES: Final = frozenset(("create", "update", "patch", "delete"))
KV: Final = frozenset(("kv", "generic", ""))
VIRTUAL: Final = frozenset(("data", "metadata", "delete", "undelete", "destroy"))
NOT_SECRETS: Final = ("auth/", "sys/", "identity/", "cubbyhole/")


def vault_audit(line: Json) -> Reading:
    """The response of a write that succeeded; every other line is understood and says nothing."""
    request = line["request"]
    path, mount = text(request, "path"), text(request, "mount_point")
    if (
        line["type"] != "response"
        or line.get("error")
        or text(request, "operation") not in WRITES
        or text(request, "mount_type") not in KV
        or path.startswith(NOT_SECRETS)
        or not path
    ):
        return NOTHING
    return Told((Change(without_virtual(path, mount)),))


def vault_event(data: Json, metadata: Json) -> Reading:
    """An event notification: `kv-v2/data-write` and the like."""
    kind = text(data, "event_type")
    if kind and not kind.startswith("kv"):
        return NOTHING
    if text(metadata, "modified") == "false":
        return NOTHING
    path, mount = text(metadata, "data_path") or text(metadata, "path"), text(member(data, "plugin_info"), "mount_path")
    if not path:
        raise Unreadable("an event notification without a path")
    path = path if not mount or path.startswith(mount) else mount + path
    return Told((Change(without_virtual(path, mount), text(metadata, "current_version")),))


def without_virtual(path: str, mount: str) -> str:
    """`secret/data/team/db` → `secret/team/db`."""
    head = mount if mount and path.startswith(mount) else path.partition("/")[0] + "/"
    rest = path[len(head) :]
    first, found, tail = rest.partition("/")
    return head + (tail if found and first in VIRTUAL else rest)


# other backends


def doppler(document: Json) -> Reading:
    """Names only, never values; without a diff anything in the config may have changed."""
    diff = document.get("diff")
    if not isinstance(diff, dict):
        return Told((EVERYTHING,))
    names = [name for part in ("added", "removed", "updated") for name in listed(diff, part) if isinstance(name, str)]
    return Told(tuple(map(Change, names)) or (EVERYTHING,))


def infisical(document: Json) -> Reading:
    """The event names a folder, not a secret."""
    return Told((EVERYTHING,)) if document["event"] in ("secrets.modified", "secret.modified") else NOTHING


ONE_PASSWORD_WRITES: Final = frozenset(
    ("create", "delete", "patch", "server-create", "server-update", "update", "updatea")
)


def one_password_events(items: list[Any]) -> bool:
    return all(isinstance(item, dict) and ("item_uuid" in item or item.get("object_type") == "items") for item in items)


def one_password(items: Iterable[Json]) -> Reading:
    """Audit events and item usages. They name an item by its id, but a store may read it by its title."""
    wrote = any(text(item, "action") in ONE_PASSWORD_WRITES for item in items)
    return Told((EVERYTHING,)) if wrote else NOTHING


def github(event: str, document: Json) -> Reading:
    match event:
        case "push":
            return pushed(document)
        case "repository_dispatch" | "workflow_dispatch":
            payload = document.get("client_payload") or document.get("inputs")
            return ours(payload) if isinstance(payload, dict) and "keys" in payload else NOTHING
        case _:
            return NOTHING


def pushed(document: Json) -> Reading:
    """The files that the commits of a push touch."""
    paths = [
        path
        for commit in listed(document, "commits")
        if isinstance(commit, dict)
        for part in ("added", "modified", "removed")
        for path in listed(commit, part)
        if isinstance(path, str) and path
    ]
    return Told(tuple(map(Change, dict.fromkeys(paths))))


# members


def member(value: Any, *names: str) -> Any:
    """None when one of the maps on the way is none, or has no such member."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def text(value: Any, name: str) -> str:
    """ "" for what is no text."""
    found = member(value, name)
    return found if isinstance(found, str) else ""


def listed(value: Any, name: str) -> list[Any]:
    found = member(value, name)
    return found if isinstance(found, list) else []
