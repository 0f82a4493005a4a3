"""QuayAccessToken: a robot account's token, for the token of a ServiceAccount.

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

DEFAULT: Final = "quay.io"
SECONDS: Final = 5.0


class QuayAccessToken(Stateless):
    kind: ClassVar[str] = "QuayAccessToken"

    async def generate(self, resource: Json, credentials: CredentialReader, env: Env) -> Generated:
        spec = spec_of(resource)
        account, robot = await account_token(spec, credentials), str(spec.get("robotAccount") or "")
        registry = (str(spec.get("url") or "") or DEFAULT).removeprefix("https://")
        pair = base64.b64encode(f"{robot}:{account}".encode()).decode()
        url = f"https://{registry}/oauth2/federation/robot/token"
        reply = await call(env, "GET", url, {"Authorization": f"Basic {pair}"}, seconds=SECONDS)
        if reply.status != 200:
            # the words of the reference, which users search for
            raise GeneratorFailed(f"request failed do to unexpected status: {status_line(reply)}")
        found = object_in(reply, "")
        if "token" not in found:
            raise GeneratorFailed("token not found in response")
        token = found["token"]
        if not isinstance(token, str):
            raise GeneratorFailed("error when typecasting token to string")
        auth = base64.b64encode(f"{robot}:{token}".encode())
        return Generated({"registry": registry.encode(), "auth": auth, "expiry": jwt.expiry(token).encode()})


GENERATOR: Final = QuayAccessToken()
