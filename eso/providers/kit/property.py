"""`remoteRef.property` → a part of the value, in the orders of look-up that the reference's providers have.

Neighbours: a client's `value`; `values.gjson` has the path language. None = the value has no such part; each provider
has its own words for that. They differ where a member's name holds dots. Each may raise PathRefused for a path that
asks for too much work.
"""

from __future__ import annotations

from collections.abc import Mapping

from eso.gocompat import jsonenc
from eso.values.gjsonscan import valid
from eso.values.jsonmap import get_property, typed_value


def as_given(document: bytes, path: str) -> bytes | None:
    """fake, gitlab, infisical: the path and nothing else."""
    return get_property(document, path)


def exact(members: Mapping[bytes, jsonenc.Value], name: str) -> bytes | None:
    """openBao: the member with exactly this name."""
    key = name.encode("utf-8", "surrogateescape")
    return typed_value(members[key]) if key in members else None


def exact_first(members: Mapping[bytes, jsonenc.Value], document: bytes, path: str) -> bytes | None:
    """vault: the member with exactly this name, else the path. `members`: the decoded `document`."""
    found = exact(members, path)
    return found if found is not None else get_property(document, path)


def escaped_first(document: bytes, path: str) -> bytes | None:
    """aws, akeyless: a path with dots names a member whose name has those dots; if there is none, it is a path."""
    found = get_property(document, escaped(path)) if "." in path else None
    return found if found is not None else get_property(document, path)


def escaped_first_if_valid(document: bytes, path: str) -> bytes | None:
    """gcpsm: as `escaped_first`, but a dot in front is not escaped, and what is no JSON has no parts."""
    if not valid(document):
        return None
    return get_property(document, path) if path.startswith(".") else escaped_first(document, path)


def given_first(document: bytes, path: str) -> bytes | None:
    """azurekv: the path, else the member whose name has the dots."""
    found = get_property(document, path)
    return get_property(document, escaped(path)) if found is None and "." in path else found


def key_first(data: Mapping[str, bytes], path: str) -> bytes | None:
    """kubernetes: the data key with exactly this name, else what is before the first dot is the key and the rest a path
    into its value."""
    if path in data:
        return data[path]
    key, dot, rest = path.partition(".")
    return get_property(data[key], rest) if dot and key in data else None


def escaped(path: str) -> str:
    """Every dot is part of a name; all other signs keep their meaning."""
    return path.replace(".", "\\.")
