"""Connections of a login, and whom they trust.

Neighbours: connect.py of the providers. A store's authority is what `CredentialReader.ca_bundle` finds, or `ca_of`
where `caBundle` is a text and no byte field.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from eso.net.http import Pool, TlsError, tls_context
from eso.providers.contract import CredentialReader, InvalidConfig
from eso.providers.env import Env
from eso.providers.kit.selectors import Json


async def opened(env: Env, credentials: CredentialReader, url: str, **trust: Any) -> Pool:
    """Connections to `url`; `trust` as in `Pools.open`. In a thread, since reading authorities takes 20 ms. Raises
    InvalidConfig for an authority, a certificate or a key that is none."""
    try:
        return await env.offload.run_for(credentials.namespace, partial(env.pools.open, url, **trust))
    except TlsError as error:
        raise InvalidConfig(str(error), fix=error.fix) from error


async def unverified(env: Env, credentials: CredentialReader) -> Pool:
    """Connections that trust any certificate."""
    return env.pools.pool(tls=await env.offload.run_for(credentials.namespace, partial(tls_context, verify=False)))


async def ca_of(credentials: CredentialReader, block: Json) -> bytes | None:
    """PEM of a `caBundle` that is PEM or base64 of it, else of the `caProvider`; None where the store names no
    authority. Raises the credential reader's error."""
    bundle = block.get("caBundle")
    if isinstance(bundle, str) and "-----BEGIN " in bundle:
        return bundle.encode()
    return await credentials.ca_bundle(block)
