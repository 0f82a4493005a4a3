"""ECRAuthorizationToken: a login for the private registries of an AWS account, or for ECR Public.

Neighbours: registry.py names it, kit/aws.py logs in.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Final

from eso.errors import EsoError
from eso.generators.contract import Generated, GeneratorFailed, Json, Stateless, spec_of
from eso.generators.kit.aws import service
from eso.providers.contract import CredentialReader
from eso.providers.env import Env


class ECRAuthorizationToken(Stateless):
    kind: ClassVar[str] = "ECRAuthorizationToken"

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        public = spec_of(resource).get("scope") == "public"
        async with service("ecr-public" if public else "ecr", resource, credentials, env) as api:
            try:
                answer = await api.call("GetAuthorizationToken")
            except EsoError as error:
                text = f"unable to get {'public ' if public else ''}authorization token: {error}"
                raise GeneratorFailed(text, fix=error.fix) from error
        found = answer.get("authorizationData")
        if public:
            return Generated(values_of(found or {}))
        listed = found if isinstance(found, list) else []
        if len(listed) != 1:
            text = f"unexpected number of authorization tokens. expected 1, found {len(listed)}"
            raise GeneratorFailed(text)
        proxy = str(listed[0].get("proxyEndpoint") or "").encode()
        return Generated(values_of(listed[0]) | {"proxy_endpoint": proxy})


def values_of(entry: Mapping[str, Any]) -> dict[str, bytes]:
    """Raises GeneratorFailed, which shows nothing of the token."""
    try:
        parts = base64.b64decode(str(entry.get("authorizationToken") or ""), validate=True).split(b":")
    except (binascii.Error, ValueError):
        parts = []
    ends = entry.get("expiresAt")
    if len(parts) != 2 or not isinstance(ends, datetime):
        raise GeneratorFailed("unexpected token format")
    return {"username": parts[0], "password": parts[1], "expires_at": str(int(ends.timestamp())).encode()}


GENERATOR: Final = ECRAuthorizationToken()
