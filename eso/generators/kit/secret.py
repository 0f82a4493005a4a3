"""One key of a Secret that a generator refers to, with the API server's own words where it is missing.

Neighbours: kinds whose texts differ from those of a store's credentials.
"""

from __future__ import annotations

from eso.errors import EsoError
from eso.generators.contract import Json
from eso.providers.contract import CredentialReader


class MissingKey(EsoError):
    """The Secret is there, the key is not."""


async def secret_of(credentials: CredentialReader, selector: Json) -> bytes:
    """Raises MissingKey; EsoError with the API server's text when the Secret cannot be read."""
    name = {"name": str(selector.get("name") or "")}
    key = str(selector.get("key") or "")
    try:
        found = await credentials.secret_object(name)
    except EsoError as error:
        raise EsoError(str(error.__cause__ or error), fix=error.fix) from error
    if key not in found.data:
        raise MissingKey(f"no key {key}")
    return found.data[key]
