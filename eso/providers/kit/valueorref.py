"""Credentials that a store writes down, or names a Secret for: `{value}` or `{secretRef}`.

Neighbours: specs check them, connectors read them.
"""

from __future__ import annotations

from collections.abc import Iterator

from eso.providers.contract import CredentialReader, InvalidConfig, StoreView
from eso.providers.kit.selectors import Json, Named, has, one, part, refuse_foreign


def refuse(store: StoreView, given: Json) -> None:
    """The rules of admission, in the words of the reference. Raises InvalidConfig."""
    written, named = bool(given.get("value")), has(given, "secretRef")
    if written and named:
        raise InvalidConfig("cannot specify both value and reference", fix="leave value out")
    if not (written or named):
        raise InvalidConfig("must specify either value or reference", fix="set secretRef")
    if named:
        refuse_foreign(store, references(given))
        for member in ("name", "key"):
            if not part(given, "secretRef").get(member):
                raise InvalidConfig(f"must specify a secret {member}", fix=f"set secretRef.{member}")


def references(given: Json) -> Iterator[Named]:
    """The Secret, where one is named."""
    return one(given, "", "secretRef")


async def read(credentials: CredentialReader, given: Json) -> str:
    """What stands in the store, else in the Secret. Raises the credential reader's error."""
    if has(given, "secretRef"):
        return (await credentials.secret(part(given, "secretRef"))).decode("utf-8", "replace")
    return str(given.get("value") or "")
