"""The token of the ServiceAccount that a generator names, for a backend that trusts the cluster.

Neighbours: kinds that exchange it.
"""

from __future__ import annotations

from eso.errors import EsoError
from eso.generators.contract import GeneratorFailed, Json
from eso.providers.contract import CredentialReader


async def account_token(spec: Json, credentials: CredentialReader) -> str:
    """Raises GeneratorFailed."""
    selector: Json = spec.get("serviceAccountRef") or {}
    audiences = tuple(str(one) for one in selector.get("audiences") or ())
    try:
        return await credentials.service_account_token(selector, audiences=audiences, expiration_seconds=None)
    except EsoError as error:
        text = f"failed to fetch service account token: failed to create token: {error}"
        raise GeneratorFailed(text, fix=error.fix) from error
