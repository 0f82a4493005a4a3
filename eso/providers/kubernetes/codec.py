"""A Secret as the API server stores it → values, and a push → the Secret that should be there.

Neighbours: client.py makes the calls. JSON that is made here is compact, with sorted members and nothing escaped for
HTML; bytes that are no UTF-8 become replacement characters.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

import orjson

from eso.errors import EsoError
from eso.gocompat import base64 as gobase64
from eso.gocompat import jsonenc
from eso.providers.contract import InvalidConfig, Malformed, Push, RemoteRef, Source
from eso.providers.kit import property as look_up
from eso.providers.kit.metadata import TEXT, spec_of
from eso.providers.kit.payload import pushed
from eso.values.jsonmap import get_property

SHAPE: Final = {
    "labels": {"*": TEXT},
    "annotations": {"*": TEXT},
    "sourceMergePolicy": TEXT,
    "targetMergePolicy": TEXT,
    "remoteNamespace": TEXT,
}
LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
NO_SECRET: Final = "the API server's answer is no Secret"
SERVER_OWNED: Final = ("managedFields",)


@dataclass(frozen=True, slots=True)
class Secret:
    """Values never print. `labels` and `annotations` None: the object has none."""

    name: str
    data: Mapping[str, bytes] = field(repr=False)
    labels: Mapping[str, str] | None = None
    annotations: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A reply. `secret` None: the API server proved that there is none of this name."""

    name: str
    secret: Secret | None

    def __len__(self) -> int:
        return sum(map(len, self.secret.data.values())) if self.secret is not None else 0


def found(name: str, raw: bytes | None) -> Found:
    """The answer to a request for `name`, which is the only name that errors show."""
    return Found(name, replace(secret_of(parsed(raw)), name=name) if raw is not None else None)


def listed(page: bytes) -> list[Secret]:
    items = parsed(page).get("items")
    if not isinstance(items, list):
        raise Malformed("the list of secrets is no list")
    return [secret_of(item) for item in items]


def parsed(raw: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(raw)
    except orjson.JSONDecodeError:
        raise Malformed("the API server's answer is not JSON") from None
    if not isinstance(document, dict):
        raise Malformed("the API server's answer is no object")
    return document


def secret_of(document: Any) -> Secret:
    try:
        meta = document["metadata"]
        data = {key: base64.b64decode(value) for key, value in (texts(document.get("data")) or {}).items()}
        return Secret(text_of(meta["name"]), data, texts(meta.get("labels")), texts(meta.get("annotations")))
    except (KeyError, TypeError, AttributeError, binascii.Error, ValueError):
        raise Malformed(NO_SECRET) from None


def texts(members: Any) -> dict[str, str] | None:
    """Raises AttributeError and TypeError for what is no map of texts."""
    return {key: text_of(value) for key, value in members.items()} if members is not None else None


def text_of(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


# values


def value(secret: Secret, ref: RemoteRef) -> bytes:
    if ref.metadata_policy == "Fetch":
        return metadata_value(secret, ref.property)
    if not ref.property:
        return whole(secret)
    part = look_up.key_first(secret.data, ref.property)
    if part is None:
        raise EsoError(
            f'property {ref.property} does not exist in data of secret "{secret.name}"',
            fix="correct remoteRef.property",
        )
    return part


def metadata_value(secret: Secret, path: str) -> bytes:
    if not path:
        return encoded({"annotations": secret.annotations, "labels": secret.labels})
    family, *names = path.split(".")
    members = {"labels": secret.labels, "annotations": secret.annotations}.get(family, {})
    if family in ("labels", "annotations"):
        if not names:
            return encoded(members)
        if members is not None and names[0] in members:
            text = members[names[0]].encode()
            # What follows the name is one path with its dots taken out: the reference's way, and recorded.
            part = text if len(names) == 1 else get_property(text, "".join(names[1:]))
            if part is not None:
                return part
    raise EsoError(
        f'property {path} does not exist in metadata of secret "{secret.name}"',
        fix="labels.NAME and annotations.NAME work for names without dots",
    )


def mapping(secret: Secret, ref: RemoteRef) -> dict[str, bytes]:
    if ref.metadata_policy == "Fetch" and not ref.property:
        return {"labels": encoded(secret.labels), "annotations": encoded(secret.annotations)}
    if not ref.property:
        return dict(secret.data)
    document = jsonenc.encode({key.encode(): gobase64.encode(one) for key, one in secret.data.items()})
    part = look_up.escaped_first(document, ref.property)
    if part is None:
        raise EsoError(f"property {ref.property} does not exist in key {ref.key}", fix="correct remoteRef.property")
    try:
        members = jsonenc.decode(gobase64.decode(part))
    except jsonenc.JsonError:
        members = None  # the error quotes a character of the value
    if not isinstance(members, dict):
        raise EsoError("failed to unmarshal secret: invalid JSON format", fix="the value has to be a JSON object")
    return {key.decode("utf-8", "replace"): jsonenc.encode(one, escape_html=False) for key, one in members.items()}


def whole(secret: Secret) -> bytes:
    return jsonenc.encode({key.encode(): one for key, one in secret.data.items()}, escape_html=False)


def encoded(members: Any) -> bytes:
    return jsonenc.encode(plain(members), escape_html=False)


def plain(members: Any) -> Any:
    if isinstance(members, Mapping):
        return {str(key).encode(): plain(one) for key, one in members.items()}
    return members.encode() if isinstance(members, str) else members


def reads_secrets(rule: Any) -> bool:
    """Whether the rule allows to get Secrets; names of single ones are not looked at."""
    if not isinstance(rule, Mapping):
        return False
    resources, verbs, groups = (listed_in(rule, name) for name in ("resources", "verbs", "apiGroups"))
    return bool({"secrets", "*"} & resources and {"get", "*"} & verbs and (not groups or {"", "*"} & groups))


def listed_in(rule: Mapping[str, Any], name: str) -> set[str]:
    found = rule.get(name)
    return {one for one in found if isinstance(one, str)} if isinstance(found, list) else set()


# pushes


@dataclass(frozen=True, slots=True)
class Metadata:
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    source_policy: str
    target_policy: str
    namespace: str


def metadata(envelope: Mapping[str, Any] | None) -> Metadata:
    """Raises InvalidConfig with the reference's texts."""
    try:
        spec = spec_of(envelope, SHAPE)
    except InvalidConfig as error:
        raise InvalidConfig(f"unable to parse metadata parameters: {error}", fix=error.fix) from error
    source, target = spec.get("sourceMergePolicy") or "Merge", spec.get("targetMergePolicy") or "Merge"
    if source not in ("Merge", "Replace"):
        raise InvalidConfig(f'failed to merge source metadata: unexpected source merge policy "{source}"')
    if target not in ("Merge", "Replace", "Ignore"):
        raise InvalidConfig(f'failed to merge target metadata: unexpected target merge policy "{target}"')
    return Metadata(
        spec.get("labels") or {}, spec.get("annotations") or {}, source, target, spec.get("remoteNamespace") or ""
    )


def editable(raw: bytes) -> dict[str, Any]:
    """The live object as it can be sent back. Raises Malformed for one whose members a push cannot add to."""
    live = parsed(raw)
    try:
        meta = live["metadata"]
        for members in (live.get("data"), meta.get("labels"), meta.get("annotations")):
            texts(members)
        for name in ("uid", "resourceVersion"):
            text_of(meta.get(name, ""))
        for name in SERVER_OWNED:
            meta.pop(name, None)
    except (KeyError, TypeError, AttributeError):
        raise Malformed(NO_SECRET) from None
    return live


def desired(
    live: dict[str, Any] | None, namespace: str, name: str, entry: Push, source: Source, metadata: Metadata
) -> dict[str, Any]:
    """The whole Secret. Equal to `live` when nothing has to be written."""
    body: dict[str, Any] = dict(live or {"apiVersion": "v1", "kind": "Secret", "metadata": {}})
    meta = dict(body["metadata"]) | {"name": name, "namespace": namespace}
    for member, own, extra in (
        ("labels", source.labels, metadata.labels),
        ("annotations", source.annotations, metadata.annotations),
    ):
        travels = dict(extra) if metadata.source_policy == "Replace" else {**own, **extra}
        travels.pop(LAST_APPLIED, None)  # it quotes the whole source, and would make it kubectl's to prune
        there = dict(meta.get(member) or {})
        match metadata.target_policy:
            case "Merge":
                there |= travels
            case "Replace":
                there = travels
        if there or meta.get(member):
            meta[member] = there
    body["metadata"], body["type"] = meta, source.type or "Opaque"
    if entry.remote.property:
        value = pushed(entry, source) if not entry.secret_key else source.data.get(entry.secret_key, b"")
        body["data"] = dict(body.get("data") or {}) | {entry.remote.property: text(value)}
    else:
        body["data"] = {key: text(one) for key, one in source.data.items()}
    return body


def text(value: bytes) -> str:
    return base64.b64encode(value).decode()
