"""A `caBundle` that is written as PEM, or as base64 of it.

Neighbours: connectors of the providers whose `caBundle` is a text and no byte field.
"""

from __future__ import annotations

from eso.providers.contract import CredentialReader
from eso.providers.kit.selectors import Json


async def ca_of(credentials: CredentialReader, block: Json) -> bytes | None:
    """PEM, None where the store names no authority. Raises the credential reader's error."""
    bundle = block.get("caBundle")
    if isinstance(bundle, str) and "-----BEGIN " in bundle:
        return bundle.encode()
    return await credentials.ca_bundle(block)
