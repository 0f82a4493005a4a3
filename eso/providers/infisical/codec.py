"""Replies of Infisical as bytes, and what a push makes of a value.

Neighbours: client.py makes the calls. Anything that is not of the form the server promises is malformed.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from eso.errors import EsoError
from eso.providers.contract import InvalidConfig, Malformed, prefixed
from eso.providers.kit.http import object_of, text_in
from eso.providers.kit.property import as_given
from eso.providers.kit.setpath import remove, set_text
from eso.values import gjson
from eso.values.gjsonscan import Kind
from eso.values.jsonmap import NotAMap, object_in, to_map

Json = dict[str, Any]
FORM: Final = "the server's reply is not of the form it promises"


@dataclass(frozen=True, slots=True)
class Secret:
    """`hidden`: the identity may know of it, and not read it. Never prints its value."""

    name: str
    path: str
    data: bytes = field(repr=False)
    hidden: bool = False

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True, slots=True)
class Listing:
    """`imported`: the secrets of each import, in the order of the server."""

    own: tuple[Secret, ...]
    imported: tuple[tuple[Secret, ...], ...] = ()


def address(folder: str, key: str) -> tuple[str, str]:
    """The folder and the name that a key means in a store whose folder is `folder`."""
    before, slash, name = key.rpartition("/")
    if not slash:
        return folder or "/", key
    if before == "" or before.startswith("/"):
        return before or "/", name
    return cleaned(f"{folder}/{before}"), name


def cleaned(folder: str) -> str:
    """One spelling of a folder."""
    return posixpath.normpath(f"/{folder}").replace("//", "/")


def secret_of(body: bytes) -> Secret:
    return secret_in(object_of(body).get("secret"))


def listing_of(body: bytes) -> Listing:
    found = object_of(body)
    imports = objects(found.get("imports") or [])
    return Listing(
        tuple(secret_in(entry) for entry in objects(found.get("secrets"))),
        tuple(tuple(secret_in(entry) for entry in objects(one.get("secrets") or [])) for one in imports),
    )


def secret_in(entry: Any) -> Secret:
    if not isinstance(entry, dict):
        raise Malformed(FORM)
    path = entry.get("secretPath")
    return Secret(
        text_in(entry, "secretKey"),
        path if isinstance(path, str) else "",
        text_in(entry, "secretValue").encode("utf-8", "surrogatepass"),
        entry.get("secretValueHidden") is True,
    )


def objects(entries: Any) -> Sequence[Json]:
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise Malformed(FORM)
    return entries


def id_of(body: bytes) -> str:
    """The id of a project, "" where the reply has none."""
    found = object_of(body)
    inner = found.get("project") or found.get("workspace")
    entry = inner if isinstance(inner, dict) else found
    return str(entry.get("id") or entry.get("_id") or "")


def chosen(listing: Listing, names: frozenset[str], prefix: str) -> list[Secret]:
    """What a search wants, sorted by name. Of equal names in several folders the last one counts; an imported secret
    only where no other one has its name."""

    def wanted(secret: Secret) -> bool:
        return secret.path.startswith(prefix) and secret.name in names

    found = {secret.name: secret for secret in listing.own if wanted(secret)}
    taken = {secret.name for secret in listing.own}
    for group in listing.imported:
        for secret in group:
            if secret.name not in taken and wanted(secret):
                found[secret.name] = secret
                taken.add(secret.name)
    return [found[name] for name in sorted(found)]


def clear(listing: Listing) -> dict[str, Secret]:
    """The secrets of one folder that a single read would answer alike: of imports that disagree the server chooses, and
    what is hidden is refused there."""
    others: dict[str, Secret | None] = {}
    for group in listing.imported:
        for secret in group:
            others[secret.name] = None if secret.name in others else secret
    found = {name: secret for name, secret in others.items() if secret is not None}
    found |= {secret.name: secret for secret in listing.own}
    return {name: secret for name, secret in found.items() if not secret.hidden}


def value(secret: Secret, key: str, path: str) -> tuple[bytes, bool]:
    """The value, or the text at `path` in it; whether something else than text stands there, which is empty then."""
    if not path:
        return secret.data, False
    found = gjson.get(secret.data, path.encode("utf-8", "surrogateescape"))
    if found is None:
        raise EsoError(f"property {path} does not exist in secret {key}")
    return (found.string, False) if found.kind is Kind.STRING else (b"", found.kind is not Kind.NULL)


def mapping(document: bytes, key: str) -> dict[str, bytes]:
    """The members of the JSON object that the value is. Raises Malformed."""
    failed = f"unable to unmarshal secret {key}: "
    try:
        return to_map(document)
    except NotAMap as error:
        raise Malformed(f"{failed}{error}", fix="is the value a JSON object?") from error
    except EsoError as error:
        raise prefixed(failed, error) from error


# what a push writes


def updated(live: bytes | None, name: str, path: str, value: bytes) -> bytes:
    """The value to write. Raises InvalidConfig where a property would replace a value that is no object."""
    if not path:
        return value
    if live:
        refuse_scalar(live, name, f'set property "{path}"')
    return set_text(live or b"{}", path, value)


def without(live: bytes, name: str, path: str) -> bytes | None:
    """The value that is left; b"" for nothing, None where the property is not there."""
    refuse_scalar(live, name, f'delete property "{path}"')
    rest = remove(live, path)
    return b"" if rest is not None and not object_in(rest) else rest


def holds(live: bytes, name: str, path: str) -> bool:
    refuse_scalar(live, name, f'check property "{path}"')
    return as_given(live, path) is not None


def refuse_scalar(live: bytes, name: str, failed: str) -> None:
    if not live.lstrip().startswith(b"{"):
        raise InvalidConfig(f'secret "{name}" value is not a JSON object; cannot {failed}')
    try:
        object_in(live)
    except NotAMap:
        raise InvalidConfig(f'secret "{name}" value is not a JSON object; cannot {failed}') from None
