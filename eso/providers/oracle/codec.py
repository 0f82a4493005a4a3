"""Stages and replies of OCI Vault.

Neighbours: client.py makes the calls. Anything that is not of the form the server promises is malformed.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from eso.providers.contract import InvalidConfig, Malformed
from eso.providers.kit.http import list_of, object_of, text_in
from eso.providers.kit.property import as_given
from eso.providers.kit.selectors import part
from eso.values.jsonmap import NotAMap, to_map

STAGES: Final = frozenset({"CURRENT", "PENDING", "LATEST", "PREVIOUS", "DEPRECATED"})
BASE64: Final = "BASE64"


@dataclass(frozen=True, slots=True)
class Bundle:
    """One version of a secret; never prints. `leaving`: its deletion is scheduled."""

    id: str
    content: bytes = field(repr=False)
    leaving: bool = False

    def __len__(self) -> int:
        return len(self.content)


@dataclass(frozen=True, slots=True)
class Listed:
    name: str
    tags: Mapping[str, str]


def stage_of(version: str) -> str:
    """Raises InvalidConfig."""
    stage = version.upper()
    if stage and stage not in STAGES:
        raise InvalidConfig("remoteRef.version is no stage", fix=f"write one of {', '.join(sorted(STAGES))}")
    return stage


def bundle_of(body: bytes) -> Bundle:
    found = object_of(body)
    held = part(found, "secretBundleContent")
    if held.get("contentType") != BASE64:
        raise Malformed("the server's reply has no content in base64")
    try:
        content = base64.b64decode(text_in(held, "content"), validate=True)
    except (binascii.Error, ValueError):
        raise Malformed("the server's reply has no content in base64") from None
    return Bundle(text_in(found, "secretId"), content, found.get("timeOfDeletion") is not None)


def listed_of(body: bytes) -> list[Listed]:
    """The secrets of a page whose deletion is not scheduled."""
    found = list_of(body)
    if not all(isinstance(entry, dict) for entry in found):
        raise Malformed("the server's reply is not of the form it promises")
    return [listed_in(entry) for entry in found if entry.get("timeOfDeletion") is None]


def listed_in(entry: Mapping[str, Any]) -> Listed:
    return Listed(text_in(entry, "secretName"), part(entry, "freeformTags"))


def contained(value: bytes) -> dict[str, str]:
    """A value as it is written."""
    return {"contentType": BASE64, "content": base64.b64encode(value).decode()}


def value(bundle: Bundle, path: str, key: str) -> bytes:
    """Raises InvalidConfig for a path that names nothing."""
    if not path:
        return bundle.content
    found = as_given(bundle.content, path)
    if found is None:
        raise InvalidConfig(f"missing Key in secret: {key}", fix="correct remoteRef.property")
    return found


def mapping(document: bytes) -> dict[str, bytes]:
    """The members of the JSON object, all of them texts. Raises Malformed."""
    try:
        return to_map(document, "string")
    except NotAMap as error:
        raise Malformed(f"the secret is no map of texts: {error}", fix="is it a JSON object of texts?") from error
