"""Lists of ngrok, and the bodies that are sent.

Neighbours: client.py makes the calls. An id becomes a part of the next path, so only one that looks like one is used.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from eso.gocompat import jsonenc
from eso.gocompat.text import quote
from eso.providers.contract import Malformed, Push, Source
from eso.providers.kit.http import object_of, text_in
from eso.providers.kit.metadata import TEXT, spec_of
from eso.providers.kit.payload import pushed, text_of

ID: Final = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
SHAPE: Final = {"description": TEXT, "metadata": {"*": TEXT}}
DESCRIPTION: Final = "Managed by External Secrets Operator"
DIGEST: Final = "_sha256"


@dataclass(frozen=True, slots=True)
class Listed:
    """A vault, or a secret in the vault of this id. `updated`: when it was written last."""

    id: str
    name: str
    vault: str = ""
    updated: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """`following`: the query of the next page, "" behind the last one."""

    listed: list[Listed]
    following: str


def named(name: str) -> str:
    """The filter for objects of this name."""
    return f"obj.name == {quote(name)}"


def page_of(body: bytes, member: str) -> Page:
    found = object_of(body)
    entries = found.get(member)
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Malformed(f"the server's reply has no list in {member}")
    return Page([listed_in(entry) for entry in entries], following(found.get("next_page_uri")))


def following(uri: Any) -> str:
    """Of the address of the next page only the query is used: it leads to no other server. Raises Malformed."""
    if not uri:
        return ""
    try:
        query = urlsplit(uri).query if isinstance(uri, str) and uri.isascii() and uri.isprintable() else ""
    except ValueError:
        query = ""
    if not query:
        raise Malformed("the server's reply has no address in next_page_uri")
    return query


def listed_in(entry: Mapping[str, Any]) -> Listed:
    id, vault, updated = text_in(entry, "id"), entry.get("vault"), entry.get("updated_at")
    if not ID.fullmatch(id):
        raise Malformed("the server's reply has no id in id")
    where = vault.get("id") if isinstance(vault, dict) else ""
    return Listed(
        id,
        text_in(entry, "name"),
        where if isinstance(where, str) else "",
        updated if isinstance(updated, str) else "",
    )


def written_of(body: bytes) -> Listed:
    return listed_in(object_of(body))


def wanted(entry: Push, source: Source) -> dict[str, str]:
    """What a push writes. A whole Secret is JSON with its values in base64, as in the reference. Raises
    InvalidConfig."""
    given = spec_of(entry.metadata, SHAPE)
    if entry.secret_key:
        value = pushed(entry, source, f"key {entry.secret_key} not found in secret")
    else:
        value = jsonenc.encode({key.encode(): base64.b64encode(found) for key, found in source.data.items()})
    metadata = {**given.get("metadata", {}), DIGEST: hashlib.sha256(value).hexdigest()}
    return {
        "value": text_of(value, "a vault holds"),
        "metadata": jsonenc.encode({name.encode(): text.encode() for name, text in metadata.items()}).decode(),
        "description": given.get("description") or DESCRIPTION,
    }
