"""CloudsmithAccessToken: a token of a Cloudsmith service, for the token of a ServiceAccount.

Neighbours: registry.py names it.
"""

from __future__ import annotations

import base64
from typing import ClassVar, Final

from eso.generators.contract import Generated, GeneratorFailed, Json, Stateless, spec_of
from eso.generators.kit import jwt
from eso.generators.kit.account import account_token
from eso.generators.kit.http import call, object_in, status_line
from eso.providers.contract import CredentialReader
from eso.providers.env import Env
from eso.providers.kit.http import segment

DEFAULT: Final = "https://api.cloudsmith.io"
FAILED: Final = "unable to exchange OIDC token: "


class CloudsmithAccessToken(Stateless):
    kind: ClassVar[str] = "CloudsmithAccessToken"

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        spec = spec_of(resource)
        account = await account_token(spec, credentials)
        base = (str(spec.get("apiUrl") or "") or DEFAULT).removesuffix("/")
        url = f"{base}/openid/{segment(str(spec.get('orgSlug') or ''))}/"
        asked = {"oidc_token": account, "service_slug": str(spec.get("serviceSlug") or "")}
        reply = await call(env, "POST", url, {}, json=asked)
        if reply.status != 201:
            raise GeneratorFailed(f"{FAILED}request failed due to unexpected status: {status_line(reply)}")
        token = object_in(reply, FAILED).get("token")
        if not isinstance(token, str) or not token:
            raise GeneratorFailed(f"{FAILED}token not found in response")
        auth = base64.b64encode(f"token:{token}".encode())
        return Generated({"auth": auth, "expiry": jwt.expiry(token).encode()})


GENERATOR: Final = CloudsmithAccessToken()
