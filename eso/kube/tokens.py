"""Tokens of a ServiceAccount, through the TokenRequest API.

Neighbours: `stores.credentials` asks and keeps them for as long as they are valid.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from eso.api.meta import SERVICE_ACCOUNTS
from eso.kube.rest import ApiError, Rest


class _Status(msgspec.Struct):
    token: str = ""


class _Reply(msgspec.Struct):
    status: _Status


_reply = msgspec.json.Decoder(_Reply)


async def service_account_token(
    rest: Rest, namespace: str, name: str, audiences: Sequence[str] = (), expiration_seconds: int | None = None
) -> str:
    """A fresh token. Without audiences it is meant for the API server itself; without an expiry the server chooses (an
    hour). Raises ApiError."""
    spec: dict[str, Any] = {"audiences": list(audiences)} if audiences else {}
    if expiration_seconds is not None:
        spec["expirationSeconds"] = expiration_seconds
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    raw = await rest.create(SERVICE_ACCOUNTS, namespace, body, subresource="token", name=name)
    try:
        token = _reply.decode(raw).status.token
    except msgspec.MsgspecError:
        token = ""
    if not token:
        raise ApiError(f'the API server sent no token for serviceaccount "{name}"')
    return token
